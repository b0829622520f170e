//! A signer whose guard is in memory and outlives the engine.

use std::{collections::BTreeMap, sync::Mutex};

use alloy_primitives::{Address, B256};
use ande_primitives::{
    Checkpoint, Domain, Epoch, Era, Height, Round, Signature, ValidatorKey, Vote, VoteKind,
};
use async_trait::async_trait;

use crate::{ConsensusSigner, SignError};

type Slot = (Era, Epoch, Height, Round, VoteKind);

/// What a signer does when asked for a vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignerMode {
    /// It signs what its guard allows.
    #[default]
    Guarded,
    /// It refuses everything.
    Refusing,
    /// Its guard cannot be written.
    Broken,
}

/// One digest per slot, never an older slot.
#[derive(Debug)]
pub struct MemorySigner {
    key: ValidatorKey,
    domain: Domain,
    signed: Mutex<BTreeMap<Slot, (B256, Signature)>>,
    mode: Mutex<SignerMode>,
}

impl MemorySigner {
    /// A signer with an empty guard.
    #[must_use]
    pub const fn new(key: ValidatorKey, domain: Domain) -> Self {
        let mode = Mutex::new(SignerMode::Guarded);
        Self { key, domain, signed: Mutex::new(BTreeMap::new()), mode }
    }

    /// Changes what it does.
    pub fn set_mode(&self, mode: SignerMode) {
        *self.mode.lock().unwrap() = mode;
    }
}

#[async_trait]
impl ConsensusSigner for MemorySigner {
    fn address(&self) -> Address {
        self.key.address()
    }

    fn domain(&self) -> &Domain {
        &self.domain
    }

    async fn sign_vote(&self, vote: &Vote) -> Result<Signature, SignError> {
        let slot = (vote.era, vote.epoch, vote.height, vote.round, vote.kind);
        let digest = self.domain.vote_digest(vote);
        let mut signed = self.signed.lock().unwrap();
        let refused = |reason: &str| SignError::Refused {
            what: format!("{vote:?}"),
            reason: reason.to_owned(),
        };
        match *self.mode.lock().unwrap() {
            SignerMode::Guarded => {}
            SignerMode::Refusing => return Err(refused("told to refuse")),
            SignerMode::Broken => {
                return Err(SignError::Guard(std::io::Error::other("told to fail")));
            }
        }
        if let Some((known, signature)) = signed.get(&slot) {
            return if *known == digest {
                Ok(*signature)
            } else {
                Err(refused("another digest was signed for this slot"))
            };
        }
        if signed.last_key_value().is_some_and(|(last, _)| *last > slot) {
            return Err(refused("a later slot was signed"));
        }
        let signature = self.key.sign_digest(digest)?;
        signed.insert(slot, (digest, signature));
        Ok(signature)
    }

    async fn sign_checkpoint(&self, checkpoint: &Checkpoint) -> Result<Signature, SignError> {
        Ok(self.key.sign_digest(self.domain.checkpoint_digest(checkpoint))?)
    }

    async fn sign_engine(&self, tag: &str, message: &[u8]) -> Result<Signature, SignError> {
        Ok(self.key.sign_digest(self.domain.engine_digest(tag, message))?)
    }
}
