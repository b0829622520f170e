//! What goes wrong with batches.

use alloy_primitives::{Address, B256};
use ande_batch::BatchError;
use ande_consensus::{DataLayerError, SignError};
use ande_l1::{L1Error, TxError};
use ande_primitives::{Epoch, Height, QuorumCertificateError};
use ande_store::StoreError;

/// Why a batch could not be cut, certified, posted or followed.
#[derive(Debug, thiserror::Error)]
pub enum BatcherError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The settlement chain could not be asked.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The transaction has no outcome.
    #[error(transparent)]
    Transaction(#[from] TxError),
    /// Stored blocks do not form a batch.
    #[error("batch {index} cannot be cut: {source}")]
    Cut {
        /// Number of the batch.
        index: u64,
        /// Why.
        #[source]
        source: BatchError,
    },
    /// A batch on the settlement chain is none.
    #[error("batch {index} on the settlement chain is wrong")]
    Wrong {
        /// Number of the batch.
        index: u64,
        /// What is wrong.
        #[source]
        source: Box<BatchError>,
    },
    /// The set of a stored block is missing.
    #[error("the validator set of epoch {0} is not stored")]
    MissingSet(Epoch),
    /// A stored batch is missing.
    #[error("batch {0} is not stored, but a later one is")]
    MissingBatch(u64),
    /// The own signature was refused.
    #[error("batch {index} was not signed here: {reason}")]
    OwnSignature {
        /// Number of the batch.
        index: u64,
        /// Why.
        reason: String,
    },
    /// The guard refused or failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Too few validators signed.
    #[error("batch {index}: weight {signed} of {total} signed, no quorum; {answers}")]
    NoQuorum {
        /// Number of the batch.
        index: u64,
        /// Weight that signed.
        signed: u64,
        /// Weight of the committee.
        total: u64,
        /// Who did not sign, and why.
        answers: String,
    },
    /// A collected certificate does not hold.
    #[error("the certificate of batch {index} does not hold: {source}")]
    Certificate {
        /// Number of the batch.
        index: u64,
        /// Why.
        #[source]
        source: QuorumCertificateError,
    },
    /// The contract refuses the batch.
    #[error("the contract refuses batch {index}: {reason}")]
    Refused {
        /// Number of the batch.
        index: u64,
        /// Why.
        reason: String,
    },
    /// The data has no blobs.
    #[error("the blobs of batch {index} cannot be made: {reason}")]
    Blobs {
        /// Number of the batch.
        index: u64,
        /// Why.
        reason: String,
    },
    /// The data is not on the data layer.
    #[error("the data of batch {index} cannot be put: {source}")]
    Layer {
        /// Number of the batch.
        index: u64,
        /// Why.
        #[source]
        source: DataLayerError,
    },
    /// The data is to be on a data layer that this node does not know.
    #[error(
        "batch {0} is to be on a data layer, but this node has none; add [celestia] to its configuration"
    )]
    NoLayer(u64),
    /// An accepted batch cannot be read back.
    #[error("accepted batch {index} cannot be read from the settlement chain: {reason}")]
    Unreadable {
        /// Number of the batch.
        index: u64,
        /// Why.
        reason: String,
    },
    /// The settlement chain has a certificate for another block than this node. Either more than a
    /// third of the committee lied or this node's data is wrong: it must stop.
    #[error(
        "batch {index} on the settlement chain ends with block {accepted} at height {height}, this node has {own}; stop the node and compare its data with other validators"
    )]
    Diverged {
        /// Number of the batch.
        index: u64,
        /// Its last height.
        height: Height,
        /// Hash of that block on the settlement chain.
        accepted: B256,
        /// Hash of that block here.
        own: B256,
    },
    /// The poster is not in the committee.
    #[error("{0} is not in the committee of the batch")]
    NotAMember(Address),
}

impl BatcherError {
    /// Whether the node must stop instead of trying again.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::Diverged { .. } | Self::Store(_) | Self::Transaction(TxError::Journal(_))
        )
    }
}
