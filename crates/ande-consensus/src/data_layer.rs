//! A chain beside the settlement chain that holds the data of batches.

use alloy_primitives::Bytes;
use ande_primitives::DaPointer;
use async_trait::async_trait;

/// Why data was not put or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataLayerError {
    /// It could not be reached, or what came was no answer.
    #[error("the data layer does not answer: {0}")]
    Unreachable(String),
    /// It answered that it will not.
    #[error("the data layer refuses: {0}")]
    Refused(String),
    /// It takes no data of this size.
    #[error(
        "the data layer takes no {bytes} bytes at once: {reason}; lower batcher.max_data_bytes on all validators"
    )]
    TooLarge {
        /// Bytes of the data.
        bytes: usize,
        /// What it says.
        reason: String,
    },
    /// The data is in no block yet; it may still get into one.
    #[error("the data is in no block of the data layer yet: {0}")]
    Pending(String),
    /// There is no such data at this place, as far as is known there now.
    #[error("the data layer has no such data at height {0}")]
    Absent(u64),
    /// What it offers is not what the pointer names.
    #[error("the data layer offers other data than the pointer names: {0}")]
    Wrong(&'static str),
}

/// Holds data by height and commitment. Nothing that it says about data is believed: what is read
/// is compared with the commitment.
#[async_trait]
pub trait DataLayer: Send + Sync + core::fmt::Debug + 'static {
    /// Height of its last block that can be read here.
    ///
    /// # Errors
    /// When it does not say.
    async fn height(&self) -> Result<u64, DataLayerError>;

    /// Looks for data that was put when the height was `after`, in the blocks up to `up_to`.
    ///
    /// # Errors
    /// When it does not say.
    async fn find(
        &self,
        data: &Bytes,
        after: u64,
        up_to: u64,
    ) -> Result<Option<DaPointer>, DataLayerError>;

    /// Puts data, the height being `after`; returns when it can be read back.
    ///
    /// # Errors
    /// The data may be in a block all the same, or get into one: look for it before it is put again.
    async fn put(&self, data: &Bytes, after: u64) -> Result<DaPointer, DataLayerError>;

    /// The data that a pointer names.
    ///
    /// # Errors
    /// When it is not there, or is not what the pointer names.
    async fn get(&self, pointer: &DaPointer) -> Result<Bytes, DataLayerError>;
}
