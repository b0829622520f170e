//! Decided blocks.

use alloy_primitives::{Address, B256};

use crate::{Block, BlockError, Certificate, CertificateError, Domain, Epoch, EpochSet, Era};

/// A block with the certificate that made it part of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The block.
    pub block: Block,
    /// Precommits of more than two thirds of the epoch's weight.
    pub certificate: Certificate,
}

/// Why a commit proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The block contradicts itself.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A block of another chain.
    #[error("block of chain {got}, expected chain {expected}")]
    WrongChain {
        /// Chain id of the domain.
        expected: u64,
        /// Chain id in the header.
        got: u64,
    },
    /// Header and set are of different epochs or eras.
    #[error("block of era {era} epoch {epoch}, set of era {set_era} epoch {set_epoch}")]
    WrongEpoch {
        /// Era in the header.
        era: Era,
        /// Epoch in the header.
        epoch: Epoch,
        /// Era of the set.
        set_era: Era,
        /// Epoch of the set.
        set_epoch: Epoch,
    },
    /// Built by somebody whose turn it was not.
    #[error("built by {got}, the schedule names {expected}")]
    WrongProposer {
        /// The schedule's answer.
        expected: Address,
        /// Proposer in the header.
        got: Address,
    },
    /// The certificate is for another block.
    #[error("certificate for block {certified}, the block hashes to {block}")]
    WrongBlock {
        /// Hash in the certificate.
        certified: B256,
        /// Hash of the header.
        block: B256,
    },
    /// The certificate does not certify.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl Commit {
    /// Verifies everything that needs no parent and no execution: limits, chain, epoch, proposer,
    /// and the certificate over exactly this block.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self, domain: &Domain, set: &EpochSet) -> Result<(), CommitError> {
        self.block.check()?;
        let header = &self.block.header;
        if header.l2_chain_id != domain.l2_chain_id() {
            return Err(CommitError::WrongChain {
                expected: domain.l2_chain_id(),
                got: header.l2_chain_id,
            });
        }
        if (header.era, header.epoch) != (set.era, set.epoch) || !set.contains(header.height) {
            return Err(CommitError::WrongEpoch {
                era: header.era,
                epoch: header.epoch,
                set_era: set.era,
                set_epoch: set.epoch,
            });
        }
        let expected = set.proposer_address(header.height, header.skip);
        if header.proposer != expected {
            return Err(CommitError::WrongProposer { expected, got: header.proposer });
        }
        let block = header.hash();
        if self.certificate.block_hash != block {
            return Err(CommitError::WrongBlock { certified: self.certificate.block_hash, block });
        }
        if self.certificate.height != header.height {
            return Err(CertificateError::WrongHeight(self.certificate.height).into());
        }
        self.certificate.verify(domain, set)?;
        Ok(())
    }
}
