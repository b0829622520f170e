//! Forced transactions that wait.

use ande_store::{Store, StoreError};

/// Entries of the forced queue that are final and in no block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForcedBacklog {
    /// How many.
    pub waiting: u64,
    /// When the oldest was queued, Unix seconds.
    pub oldest: Option<u64>,
}

impl ForcedBacklog {
    /// What this node knows of them.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn read(tail: u64, store: &Store) -> Result<Self, StoreError> {
        let consumed = store.tip().await?.map_or(0, |tip| tip.block.header.forced_up_to);
        let waiting = tail.saturating_sub(consumed);
        let oldest = match waiting {
            0 => None,
            _ => store.forced(consumed, 1).await?.first().map(|oldest| oldest.enqueued_at),
        };
        Ok(Self { waiting, oldest })
    }
}
