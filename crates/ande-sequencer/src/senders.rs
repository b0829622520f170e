//! Who signed what: recovered once per node, remembered by hash.

use std::num::NonZeroUsize;

use alloy_primitives::{Address, B256};
use ande_execution::SenderSource;
use ande_pool::TransactionSummary;
use lru::LruCache;
use parking_lot::Mutex;

/// Transactions remembered, about 150 bytes each: several times what a pool holds, so that what
/// left the pool for a block is known for some blocks more.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(1 << 16).unwrap();

/// Signers and prices of transactions that were checked at admission, came by gossip or were in a
/// block lately. The pool fills it, the executor asks it.
#[derive(Debug)]
pub struct SenderCache(Mutex<LruCache<B256, TransactionSummary>>);

impl SenderCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }

    /// What is known of a transaction.
    #[must_use]
    pub fn get(&self, hash: &B256) -> Option<TransactionSummary> {
        self.0.lock().get(hash).copied()
    }

    /// As [`get`](Self::get) for each hash, in order.
    pub(crate) fn get_all<'a>(
        &self,
        hashes: impl Iterator<Item = &'a B256>,
    ) -> Vec<Option<TransactionSummary>> {
        let mut known = self.0.lock();
        hashes.map(|hash| known.get(hash).copied()).collect()
    }

    /// Remembers transactions whose signatures were recovered.
    pub(crate) fn put_all(&self, recovered: impl Iterator<Item = (B256, TransactionSummary)>) {
        let mut known = self.0.lock();
        for (hash, summary) in recovered {
            known.put(hash, summary);
        }
    }
}

impl Default for SenderCache {
    fn default() -> Self {
        Self::new()
    }
}

impl SenderSource for SenderCache {
    fn sender(&self, hash: &B256) -> Option<Address> {
        self.get(hash).map(|summary| summary.sender)
    }
}
