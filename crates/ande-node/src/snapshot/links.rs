//! Whether a block is the next one of the chain.

use alloy_primitives::B256;
use ande_primitives::{Block, Commit, Domain, EpochSet, Height};

use crate::snapshot::error::Refusal;

/// The end of a chain, which the next block must extend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    height: Height,
    hash: B256,
}

impl Links {
    /// Before block 1.
    pub(crate) const fn from_genesis(genesis_hash: B256) -> Self {
        Self { height: Height(0), hash: genesis_hash }
    }

    /// Hash of the last block.
    pub(crate) const fn hash(&self) -> B256 {
        self.hash
    }

    /// Takes the next block.
    ///
    /// # Errors
    /// It is another height's, or extends another block.
    pub(crate) fn extend(&mut self, block: &Block) -> Result<(), Refusal> {
        let (expected, got) = (self.height.next(), block.height());
        if got != expected {
            return Err(Refusal::Height { expected, got });
        }
        let (expected, got) = (self.hash, block.header.parent_hash);
        if got != expected {
            return Err(Refusal::Parent { expected, got });
        }
        (self.height, self.hash) = (block.height(), block.hash());
        Ok(())
    }

    /// Takes the next block if a quorum of the set signed exactly it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn prove(
        &mut self,
        commit: &Commit,
        domain: &Domain,
        set: &EpochSet,
    ) -> Result<(), Refusal> {
        self.extend(&commit.block)?;
        Ok(commit.verify(domain, set)?)
    }
}
