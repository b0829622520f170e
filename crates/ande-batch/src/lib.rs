//! Blocks to batch bytes and back.
//!
//! A batch is a run of consecutive blocks of one epoch with the certificate of the last one. Its
//! data bytes carry everything that cannot be computed ([`encode`], [`decode`]); its header is
//! computed from the blocks and the batch before it ([`derive_header`]). [`build`] cuts a batch
//! from stored commits; [`verify`] is what a validator does before it signs a checkpoint.
//!
//! Pure by rule: no I/O, no clock, no randomness, nothing asynchronous.

mod build;
mod codec;
mod content;
mod derive;
mod error;
mod execution;
mod tip;
mod verify;

pub use build::{BatchLimits, Built, build};
pub use codec::{BATCH_FORMAT_VERSION, CODEC_ZSTD, MAX_BODY_BYTES, MAX_DATA_BYTES, decode, encode};
pub use content::{BatchContent, MAX_BATCH_BLOCKS, MAX_BATCH_TRANSACTIONS};
pub use derive::derive_header;
pub use error::{BatchError, CodecError, ContentError};
pub use execution::ExecutionRoots;
pub use tip::BatchTip;
pub use verify::{Claim, verify};
