//! The signer that asks the guard first.

use std::{io, path::Path, sync::Arc};

use alloy_primitives::{Address, B256};
use ande_consensus::{ConsensusSigner, SignError};
use ande_failpoint::{corrupts, reach_blocking};
use ande_primitives::{Checkpoint, Domain, Era, Height, Signature, ValidatorKey, Vote};
use async_trait::async_trait;
use parking_lot::Mutex;

use super::{
    GuardError, HighWater,
    file::{GuardFile, Owner},
    rules::{CheckpointRecord, Decision, Record, Rules, Signed, VoteRecord},
};

/// A validator's key behind its guard file: one digest per slot, never an older slot, and the same
/// bytes again after a restart. A signature is released only after its record is durable. The file
/// is locked for the life of the signer.
#[derive(Debug)]
pub struct GuardedSigner {
    key: ValidatorKey,
    domain: Domain,
    guard: Arc<Mutex<Guard>>,
    is_new: bool,
}

#[derive(Debug)]
struct Guard {
    rules: Rules,
    file: GuardFile,
}

impl GuardedSigner {
    /// Opens the guard of a key for a chain, or creates it.
    ///
    /// A new guard knows nothing of what the key signed elsewhere: see [`is_new`](Self::is_new).
    ///
    /// # Errors
    /// Another process has the guard, it belongs to another key or chain, others may write it, or it
    /// is damaged. Every message says what to do.
    pub fn open(key: ValidatorKey, domain: Domain, guard_path: &Path) -> Result<Self, GuardError> {
        let owner = Owner {
            key: key.address(),
            domain: domain.separator(),
            l2_chain_id: domain.l2_chain_id(),
        };
        let (file, records, is_new) = GuardFile::open(guard_path, owner)?;
        let rules = Rules::replay(&records);
        Ok(Self { key, domain, guard: Arc::new(Mutex::new(Guard { rules, file })), is_new })
    }

    /// Whether the guard file did not exist. With a chain already in the data directory this means
    /// that the guard was lost: the key may have signed what the guard does not know.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// The highest vote ever signed, as the guard knows.
    #[must_use]
    pub fn high_water(&self) -> Option<HighWater> {
        self.guard.lock().rules.high_water()
    }

    /// Closes all votes of an era up to and including a height, for ever. Durable on return.
    ///
    /// # Errors
    /// The guard cannot be written.
    pub async fn close_votes(&self, era: Era, height: Height) -> Result<(), SignError> {
        self.with_guard(move |guard| guard.record(Record::VoteFloor(era, height))).await
    }

    async fn with_guard<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Guard) -> Result<T, SignError> + Send + 'static,
    ) -> Result<T, SignError> {
        let guard = Arc::clone(&self.guard);
        // Runs to its end even if the caller stops waiting, so the record is never half done.
        tokio::task::spawn_blocking(move || work(&mut guard.lock()))
            .await
            .map_err(|error| SignError::Guard(io::Error::other(error)))?
    }

    async fn sign(
        &self,
        what: String,
        digest: B256,
        judge: impl FnOnce(&Rules) -> Decision + Send + 'static,
        record: impl FnOnce(Signed) -> Record + Send + 'static,
    ) -> Result<Signature, SignError> {
        let key = self.key.clone();
        self.with_guard(move |guard| match judge(&guard.rules) {
            Decision::Release(signature) => Ok(signature),
            Decision::Refuse(_) if corrupts("sign-twice") => Ok(key.sign_digest(digest)?),
            Decision::Refuse(reason) => Err(SignError::Refused { what, reason }),
            Decision::Sign => {
                let signature = key.sign_digest(digest)?;
                reach_blocking("sign-before-guard");
                guard.record(record(Signed { digest, signature }))?;
                reach_blocking("sign-after-guard");
                Ok(signature)
            }
        })
        .await
    }
}

impl Guard {
    /// Makes a record durable, then takes it over.
    fn record(&mut self, record: Record) -> Result<(), SignError> {
        if self.file.is_full() {
            self.file.rewrite(&self.rules.snapshot()).map_err(SignError::Guard)?;
        }
        self.file.append(&record).map_err(SignError::Guard)?;
        self.rules.apply(&record);
        Ok(())
    }
}

#[async_trait]
impl ConsensusSigner for GuardedSigner {
    fn address(&self) -> Address {
        self.key.address()
    }

    fn domain(&self) -> &Domain {
        &self.domain
    }

    async fn sign_vote(&self, vote: &Vote) -> Result<Signature, SignError> {
        let vote = *vote;
        let digest = self.domain.vote_digest(&vote);
        let slot = HighWater::from(&vote);
        self.sign(
            slot.to_string(),
            digest,
            move |rules| rules.judge_vote(&vote, digest),
            move |signed| Record::Vote(VoteRecord { slot, signed }),
        )
        .await
    }

    async fn sign_checkpoint(&self, checkpoint: &Checkpoint) -> Result<Signature, SignError> {
        let checkpoint = *checkpoint;
        let digest = self.domain.checkpoint_digest(&checkpoint);
        let what = format!(
            "checkpoint of batch {} attempt {}",
            checkpoint.batch_index, checkpoint.attempt
        );
        self.sign(
            what,
            digest,
            move |rules| rules.judge_checkpoint(&checkpoint, digest),
            move |signed| Record::Checkpoint(CheckpointRecord { checkpoint, signed }),
        )
        .await
    }

    async fn sign_engine(&self, tag: &str, message: &[u8]) -> Result<Signature, SignError> {
        Ok(self.key.sign_digest(self.domain.engine_digest(tag, message))?)
    }
}
