//! What can be wrong with a batch.

use alloy_primitives::B256;
use ande_primitives::{BlockError, CertificateError, Epoch, Era, Height, MAX_FORCED_PER_BATCH};

/// Bytes that are no batch data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// More data than any batch has.
    #[error("{got} bytes of batch data exceed the limit of {limit}")]
    TooLong {
        /// Bytes received.
        got: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Fewer bytes than the two that name format and codec.
    #[error("batch data ends before its codec is named")]
    TooShort,
    /// A format this software does not know.
    #[error("unknown batch format {0}")]
    Version(u8),
    /// A compression this software does not know.
    #[error("unknown batch codec {0}")]
    Codec(u8),
    /// Not exactly one compressed frame of known length.
    #[error("malformed compressed frame: {0}")]
    Frame(&'static str),
    /// More bytes than allowed after decompression.
    #[error("the batch would decompress to {got} bytes, the limit is {limit}")]
    BodyTooLong {
        /// Bytes that the frame announces.
        got: u64,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not canonical RLP of the body.
    #[error("malformed batch body: {0}")]
    Rlp(String),
    /// Compression failed, which only lack of memory causes.
    #[error("the batch cannot be compressed")]
    Compression,
}

impl From<alloy_rlp::Error> for CodecError {
    fn from(error: alloy_rlp::Error) -> Self {
        Self::Rlp(error.to_string())
    }
}

/// Blocks and certificate that do not form a batch, whatever the chain says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// No block.
    #[error("a batch needs at least one block")]
    Empty,
    /// More blocks or transactions than a batch may have.
    #[error("{got} {what} exceed the limit of {limit} per batch")]
    TooMany {
        /// Blocks or transactions.
        what: &'static str,
        /// How many.
        got: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// A block that contradicts itself.
    #[error("block {height}")]
    Block {
        /// Its height.
        height: Height,
        /// What is wrong.
        #[source]
        source: BlockError,
    },
    /// A block of another chain, era or epoch than the first.
    #[error("block {0} is of another chain, era or epoch than the first block of the batch")]
    Mixed(Height),
    /// Heights with a gap.
    #[error("block {got} follows where block {expected} is due")]
    NotContiguous {
        /// Height that is due.
        expected: Height,
        /// Height found.
        got: Height,
    },
    /// A block that does not extend the one before it.
    #[error("block {height} extends {got}, its predecessor is {expected}")]
    WrongParent {
        /// Its height.
        height: Height,
        /// Hash of the block before it.
        expected: B256,
        /// Parent hash in its header.
        got: B256,
    },
    /// A timestamp or a forced index smaller than the one before.
    #[error("{what} of block {height} goes back")]
    GoesBack {
        /// Timestamp or forced index.
        what: &'static str,
        /// Height of the block.
        height: Height,
    },
    /// The certificate is not for the last block.
    #[error("the certificate is not for the last block, {0}")]
    OtherCertificate(Height),
}

/// Data that does not go into blobs, or blobs that hold no data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// No data, or more than the blobs of one transaction hold.
    #[error("{bytes} bytes of data are not 1 to {limit} for blobs")]
    Size {
        /// Bytes of data.
        bytes: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// Another number of blobs than the data needs.
    #[error("{got} blobs where the data needs {expected}")]
    Count {
        /// Blobs given.
        got: usize,
        /// Blobs needed.
        expected: usize,
    },
    /// Bits in a place that never carries data.
    #[error("blob {blob} has an element that carries no data")]
    Element {
        /// Number of the blob, from 0.
        blob: usize,
    },
    /// Something after the data.
    #[error("the blobs are not empty after the data")]
    Padding,
}

/// Why a batch cannot be built or is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The data cannot be decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Blocks and certificate do not form a batch.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The certificate of the last block does not hold.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Blocks of another chain.
    #[error("blocks of chain {got}, expected chain {expected}")]
    WrongChain {
        /// Chain that signatures are bound to.
        expected: u64,
        /// Chain of the blocks.
        got: u64,
    },
    /// Blocks of another epoch or era than the given set.
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
    /// Transactions that are not those of the execution header.
    #[error("the transactions of block {0} are not those that its execution header commits to")]
    Transactions(Height),
    /// An execution header from which no roots can be read.
    #[error("the execution header of block {0} is no Ethereum header")]
    ExecutionHeader(Height),
    /// More windows with skips than one batch can report.
    #[error("{0} skipped windows do not fit into one batch")]
    TooManySkips(usize),
    /// More forced transactions than a batch takes in.
    #[error("{0} forced transactions, a batch takes in {MAX_FORCED_PER_BATCH}")]
    TooManyForced(u64),
    /// One block alone exceeds the data limit, so no batch can ever hold it.
    #[error("block {height} alone makes {bytes} bytes of batch data, the limit is {limit}")]
    BlockTooLarge {
        /// Its height.
        height: Height,
        /// Bytes of a batch with this block only.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The claimed header is not the one that the data gives.
    #[error("the claimed {field} is not what the data gives")]
    Claim {
        /// Part of the claim that differs.
        field: &'static str,
    },
}
