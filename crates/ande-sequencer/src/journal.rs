//! Forgetting journaled transactions without getting in the way of new ones.

use alloy_primitives::B256;
use ande_store::Store;
use parking_lot::Mutex;
use tracing::warn;

/// Transactions gathered before the journal hears of them between blocks.
const GATHER: usize = 4096;

/// Gathers what the journal may forget. Writes of new transactions share one durable write only
/// while nothing else comes between them, so this comes seldom.
#[derive(Debug)]
pub(crate) struct Pruner {
    store: Store,
    gone: Mutex<Vec<B256>>,
}

impl Pruner {
    pub(crate) const fn new(store: Store) -> Self {
        Self { store, gone: Mutex::new(Vec::new()) }
    }

    /// Forgets transactions some time. Losing that costs a duplicate at the next start, which is
    /// recognised as included, or put back into the pool.
    pub(crate) fn forget(&self, hashes: impl IntoIterator<Item = B256>) {
        let full = {
            let mut gone = self.gone.lock();
            gone.extend(hashes);
            gone.len() >= GATHER
        };
        if full {
            self.flush();
        }
    }

    /// Tells the journal behind the caller's back.
    pub(crate) fn flush(&self) {
        let gone = std::mem::take(&mut *self.gone.lock());
        if gone.is_empty() {
            return;
        }
        let store = self.store.clone();
        tokio::spawn(async move {
            if let Err(error) = store.journal_prune(&gone).await {
                warn!(%error, "the pool journal cannot be pruned");
            }
        });
    }
}
