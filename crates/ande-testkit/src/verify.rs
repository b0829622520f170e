//! Verification of block certificates that shares no code with the nodes: the digest comes from
//! the contract's `voteDigest`, the keys and weights from its `getValidatorSet`, and the signature
//! check is alloy's.

use std::collections::{BTreeMap, BTreeSet};

use alloy::{
    primitives::{Address, Signature},
    providers::DynProvider,
};
use ande_contracts::AndeConsensus::{self, SetMember};
use eyre::{Result, bail, ensure};

use crate::ConsensusBlock;

/// Checks certificates against one deployed contract.
#[derive(Debug)]
pub struct CertificateCheck {
    contract: AndeConsensus::AndeConsensusInstance<DynProvider>,
    l2_chain_id: u64,
    sets: BTreeMap<u64, Vec<SetMember>>,
}

impl CertificateCheck {
    /// A check against the contract at `consensus`.
    #[must_use]
    pub fn new(provider: DynProvider, consensus: Address, l2_chain_id: u64) -> Self {
        let contract = AndeConsensus::new(consensus, provider);
        Self { contract, l2_chain_id, sets: BTreeMap::new() }
    }

    /// Verifies that more than two thirds of the weight that the contract froze for the epoch
    /// signed a precommit for the block. Returns the signers.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub async fn verify(&mut self, block: &ConsensusBlock) -> Result<BTreeSet<Address>> {
        let height = block.header.height.0;
        let epoch = self.contract.epochOf(height).call().await?;
        let vote = AndeConsensus::Vote {
            l2ChainId: self.l2_chain_id,
            era: block.header.era.0,
            epoch,
            height,
            round: block.vote.round.0,
            kind: 2,
            blockHash: block.hash(),
        };
        let digest = self.contract.voteDigest(vote).call().await?;
        let set = self.set(epoch).await?;
        let total: u64 = set.iter().map(|member| member.weight).sum();
        let mut signers = BTreeSet::new();
        let mut signed = 0;
        for entry in &block.signatures {
            let signature = Signature::from_raw(entry.signature.as_bytes())?;
            let signer = signature.recover_address_from_prehash(&digest)?;
            let Some(member) = set.iter().find(|member| member.signer == signer) else {
                bail!("height {height}: {signer} is not in the set of epoch {epoch}");
            };
            ensure!(signers.insert(signer), "height {height}: {signer} signed twice");
            signed += member.weight;
        }
        ensure!(signed * 3 > total * 2, "height {height}: weight {signed} of {total} is no quorum");
        Ok(signers)
    }

    async fn set(&mut self, epoch: u64) -> Result<Vec<SetMember>> {
        if let Some(set) = self.sets.get(&epoch) {
            return Ok(set.clone());
        }
        let set = self.contract.getValidatorSet(epoch).call().await?;
        self.sets.insert(epoch, set.clone());
        Ok(set)
    }
}
