//! Blocks to batch bytes and back.
//!
//! A batch is a run of consecutive blocks of one epoch with the certificate of the last one. Its
//! data bytes carry everything that cannot be computed ([`encode`], [`decode`]); its header is
//! computed from the blocks and the batch before it ([`derive_header`]). [`build`] cuts a batch
//! from stored commits; [`verify`] is what a validator does before it signs a checkpoint.
//! [`to_blobs`] and [`from_blobs`] put data into EIP-4844 blobs and take it out again.
//!
//! Pure by rule: no I/O, no clock, no randomness, nothing asynchronous.

mod blob;
mod build;
mod codec;
mod content;
mod derive;
mod error;
mod execution;
mod tip;
mod verify;

pub use blob::{
    BLOB_BYTES, BLOB_DATA_BYTES, Blob, MAX_BLOB_DATA_BYTES, MAX_BLOBS, blobs_for, from_blobs,
    to_blobs,
};
pub use build::{BatchLimits, Built, build};
pub use codec::{BATCH_FORMAT_VERSION, CODEC_ZSTD, MAX_BODY_BYTES, MAX_DATA_BYTES, decode, encode};
pub use content::{BatchContent, MAX_BATCH_BLOCKS, MAX_BATCH_TRANSACTIONS};
pub use derive::derive_header;
pub use error::{BatchError, BlobError, CodecError, ContentError};
pub use execution::ExecutionRoots;
pub use tip::BatchTip;
pub use verify::{Claim, verify};
