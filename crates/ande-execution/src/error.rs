//! What can go wrong in an executor.

use alloy_primitives::B256;
use ande_primitives::{MAX_BLOCK_TRANSACTIONS, MAX_EXECUTION_HEADER_BYTES, MAX_TRANSACTION_BYTES};

use crate::MAX_PAYLOAD_BYTES;

/// Why an executor could not answer. A wrong payload is no error but
/// [`PayloadStatus::Invalid`](crate::PayloadStatus::Invalid).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecutionError {
    /// Asked to build on a block that is not the head.
    #[error("asked to build block {number} on {parent}, the head is block {head_number} {head}")]
    NotOnHead {
        /// Number of the block to build.
        number: u64,
        /// Parent asked for.
        parent: B256,
        /// Number of the head.
        head_number: u64,
        /// Hash of the head.
        head: B256,
    },
    /// Asked to commit a block that was not validated on the present head.
    #[error("block {hash} was not validated on the present head {head}")]
    NotValidated {
        /// Block to commit.
        hash: B256,
        /// Present head.
        head: B256,
    },
    /// The stored tip is no block of this executor.
    #[error("the stored tip cannot be taken over: {0}")]
    Recover(String),
    /// A header that cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The inclusion index did not answer.
    #[error("the index of included transactions did not answer: {0}")]
    Index(String),
    /// The state cannot be opened, read or written: damaged data, a full disk or another chain's
    /// directory. The node must not go on.
    #[error("state: {0}")]
    State(String),
    /// The executor did not answer; trying again may help.
    #[error("the executor did not answer: {0}")]
    Unavailable(String),
}

/// A payload that contradicts itself, whatever its parent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The header is above the size limit.
    #[error("execution header of {0} bytes exceeds the limit of {MAX_EXECUTION_HEADER_BYTES}")]
    HeaderTooLong(usize),
    /// The header is no canonical RLP of an Ethereum header.
    #[error("execution header: {0}")]
    Header(String),
    /// A header field has a value that no Cancun block of this chain has.
    #[error("execution header: {0} is not of a Cancun block without withdrawals and blobs")]
    Shape(&'static str),
    /// Too many transactions.
    #[error("{0} transactions exceed the limit of {MAX_BLOCK_TRANSACTIONS}")]
    TooManyTransactions(usize),
    /// A transaction without bytes, or with too many.
    #[error("transaction {index} has {bytes} bytes, allowed are 1 to {MAX_TRANSACTION_BYTES}")]
    TransactionLength {
        /// Position in the payload.
        index: usize,
        /// Its size.
        bytes: usize,
    },
    /// All transactions together are too long.
    #[error("transactions of {0} bytes exceed the limit of {MAX_PAYLOAD_BYTES}")]
    TooLong(usize),
    /// One transaction twice.
    #[error("transaction {0} is twice in the block")]
    Duplicate(B256),
    /// The header commits to other transactions.
    #[error("the transactions have root {got}, the header says {expected}")]
    TransactionsRoot {
        /// Root in the header.
        expected: B256,
        /// Root of the transactions.
        got: B256,
    },
}
