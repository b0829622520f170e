//! How much a store keeps.

/// What a [`StateStore`](super::StateStore) keeps in memory and on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateOptions {
    /// Blocks behind the newest durable one whose states can be read.
    pub history_blocks: u64,
    /// Blocks behind the newest durable one whose receipts can be read; none keeps all.
    pub receipt_blocks: Option<u64>,
    /// States kept in memory, the head included: readable without the disk, and provable. At
    /// least 1.
    pub recent: usize,
    /// Blocks that may wait for the disk before [`StateStore::apply`](super::StateStore::apply)
    /// waits too. At least 1.
    pub queue: usize,
    /// Memory for blocks of the tables that were read lately, in bytes.
    pub cache_bytes: u64,
}

impl Default for StateOptions {
    fn default() -> Self {
        Self {
            history_blocks: 10_000,
            receipt_blocks: None,
            recent: 64,
            queue: 16,
            cache_bytes: 64 << 20,
        }
    }
}
