//! The pool as a service: signature recovery off the lock, journal, and waiting for work.

use std::collections::HashMap;

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Encodable as _;
use ande_consensus::{PoolStatus, SubmitError};
use ande_pool::{InsertKind, Pool, PoolError, PooledTransaction};
use ande_store::Store;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::{SequencerConfig, SequencerError};

/// Largest header of an RLP list below 16 MiB.
const RLP_LIST_HEADER: usize = 4;

/// Pending transactions of this node, journaled before they are acknowledged.
pub struct TransactionPool {
    held: Mutex<Held>,
    store: Store,
    l2_chain_id: u64,
    /// Most bytes of RLP-encoded transactions in a block: a larger transaction would never leave.
    max_block_bytes: usize,
    arrived: Notify,
}

/// Transactions in memory.
struct Held {
    pool: Pool,
    /// Those whose journal entry is being written: not to be acknowledged to anybody yet. The
    /// channel closes when the write has ended, well or not.
    journaling: HashMap<B256, watch::Receiver<()>>,
}

/// A journal entry being written. Unless it ends well the transaction leaves the pool again, also
/// when the caller stops waiting.
struct Journaling<'a> {
    service: &'a TransactionPool,
    hash: B256,
    durable: bool,
    _open: watch::Sender<()>,
}

impl Drop for Journaling<'_> {
    fn drop(&mut self) {
        let mut held = self.service.held.lock();
        held.journaling.remove(&self.hash);
        if !self.durable {
            held.pool.remove_included(&[self.hash]);
        }
    }
}

impl std::fmt::Debug for TransactionPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransactionPool").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl TransactionPool {
    /// Opens the pool and refills it from the journal.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn open(
        pool: Pool,
        store: Store,
        config: &SequencerConfig,
    ) -> Result<Self, SequencerError> {
        let service = Self {
            held: Mutex::new(Held { pool, journaling: HashMap::new() }),
            store,
            l2_chain_id: config.l2_chain_id,
            max_block_bytes: config.max_block_bytes,
            arrived: Notify::new(),
        };
        let journal = service.store.journal_load().await?;
        let hashes: Vec<B256> = journal.iter().map(keccak256).collect();
        let included = service.store.included(&hashes).await?;
        let mut gone = Vec::new();
        for ((raw, hash), included) in journal.into_iter().zip(hashes).zip(included) {
            let kept = !included
                && match service.recover(raw).await {
                    Ok(transaction) => service.held.lock().pool.insert(transaction).is_ok(),
                    Err(_) => false,
                };
            if !kept {
                gone.push(hash);
            }
        }
        service.store.journal_prune(&gone).await?;
        info!(transactions = service.status().pending, "pool refilled from its journal");
        Ok(service)
    }

    /// Checks a transaction, takes it and makes it durable. Returns its hash and whether it is new.
    ///
    /// # Errors
    /// [`SubmitError`] with geth's texts.
    pub async fn admit(&self, raw: Bytes) -> Result<(B256, bool), SubmitError> {
        let room = self.max_block_bytes.saturating_sub(RLP_LIST_HEADER);
        if raw.length() > room {
            let size = raw.len();
            return Err(SubmitError::Rejected(format!(
                "oversized data: transaction size {size}, limit {room}"
            )));
        }
        let hash = keccak256(&raw);
        if self.is_held(hash).await || self.is_included(hash).await? {
            return Ok((hash, false));
        }
        let transaction = self.recover(raw.clone()).await?;
        let (mut journaling, dropped) = loop {
            if self.is_held(hash).await {
                return Ok((hash, false));
            }
            if let Some(inserted) = self.insert(transaction.clone())? {
                break inserted;
            }
        };
        self.store.journal_append(&[(hash, raw)]).await.map_err(|error| {
            warn!(%error, "the pool journal cannot be written");
            SubmitError::Unavailable("the pool journal cannot be written".into())
        })?;
        journaling.durable = true;
        drop(journaling);
        self.forget(dropped);
        self.arrived.notify_waiters();
        Ok((hash, true))
    }

    /// Whether the transaction is in the pool and in the journal; waits for an entry being written.
    async fn is_held(&self, hash: B256) -> bool {
        loop {
            let mut written = {
                let held = self.held.lock();
                match held.journaling.get(&hash) {
                    None => return held.pool.contains(&hash),
                    Some(written) => written.clone(),
                }
            };
            // Nothing is ever sent: this ends when the writer is gone.
            let _ = written.changed().await;
        }
    }

    /// Puts a transaction into the pool, and marks it as not yet in the journal. Gives back what
    /// had to leave for it; none when it is in the pool already.
    fn insert(
        &self,
        transaction: PooledTransaction,
    ) -> Result<Option<(Journaling<'_>, Vec<B256>)>, SubmitError> {
        let hash = transaction.hash();
        let mut held = self.held.lock();
        let inserted = held.pool.insert(transaction).map_err(refusal)?;
        let mut dropped = inserted.evicted;
        match inserted.kind {
            InsertKind::Duplicate => return Ok(None),
            InsertKind::Replaced(old) => dropped.push(old),
            InsertKind::New => {}
        }
        let (open, written) = watch::channel(());
        held.journaling.insert(hash, written);
        drop(held);
        Ok(Some((Journaling { service: self, hash, durable: false, _open: open }, dropped)))
    }

    async fn is_included(&self, hash: B256) -> Result<bool, SubmitError> {
        let included = self.store.included(&[hash]).await.map_err(|error| {
            warn!(%error, "the transaction index cannot be read");
            SubmitError::Unavailable("the transaction index cannot be read".into())
        })?;
        Ok(included.first().copied().unwrap_or(false))
    }

    /// Recovers the sender on a thread that may block.
    async fn recover(&self, raw: Bytes) -> Result<PooledTransaction, SubmitError> {
        let chain_id = self.l2_chain_id;
        tokio::task::spawn_blocking(move || PooledTransaction::recover(raw, chain_id))
            .await
            .map_err(|error| SubmitError::Unavailable(error.to_string()))?
            .map_err(refusal)
    }

    /// The next transactions in block order, RLP-encoded at most `max_bytes` together.
    #[must_use]
    pub fn best(&self, max_transactions: usize, max_bytes: usize) -> Vec<Bytes> {
        let chosen = self.held.lock().pool.best(max_transactions, max_bytes);
        let mut room = max_bytes.saturating_sub(RLP_LIST_HEADER);
        chosen
            .iter()
            .map(|transaction| transaction.raw().clone())
            .take_while(|raw| {
                let fits = room.checked_sub(raw.length());
                room = fits.unwrap_or(0);
                fits.is_some()
            })
            .collect()
    }

    /// Checks that all transactions of a proposed block are well-formed and signed for this chain.
    /// Those in the pool were checked when they came in.
    pub(crate) async fn check_transactions(&self, transactions: &[Bytes]) -> Result<(), String> {
        let unknown: Vec<Bytes> = {
            let held = self.held.lock();
            let known = |raw: &Bytes| held.pool.contains(&keccak256(raw));
            transactions.iter().filter(|raw| !known(raw)).cloned().collect()
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let chain_id = self.l2_chain_id;
        tokio::task::spawn_blocking(move || {
            unknown.into_iter().try_for_each(|raw| {
                let hash = keccak256(&raw);
                PooledTransaction::recover(raw, chain_id)
                    .map(|_| ())
                    .map_err(|error| format!("transaction {hash}: {error}"))
            })
        })
        .await
        .map_err(|error| error.to_string())?
    }

    /// Resolves when a transaction could be in the next block.
    pub async fn wait_for_transactions(&self) {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if !self.held.lock().pool.best(1, usize::MAX).is_empty() {
                return;
            }
            arrived.await;
        }
    }

    /// Takes the transactions of a committed block out of pool and journal.
    pub(crate) fn remove_committed(&self, transactions: &[Bytes]) {
        let hashes: Vec<B256> = transactions.iter().map(keccak256).collect();
        self.remove(hashes);
    }

    /// Takes transactions that are in the chain out of pool and journal.
    pub(crate) fn remove(&self, hashes: Vec<B256>) {
        if hashes.is_empty() {
            return;
        }
        self.held.lock().pool.remove_included(&hashes);
        self.forget(hashes);
    }

    /// Prunes the journal behind the caller's back: losing the prune costs a duplicate at the next
    /// start, which is then recognised as included.
    fn forget(&self, hashes: Vec<B256>) {
        if hashes.is_empty() {
            return;
        }
        let store = self.store.clone();
        tokio::spawn(async move {
            if let Err(error) = store.journal_prune(&hashes).await {
                warn!(%error, "the pool journal cannot be pruned");
            }
        });
    }

    /// A pending transaction.
    #[must_use]
    pub fn get(&self, hash: B256) -> Option<Bytes> {
        self.held.lock().pool.get(&hash).map(|transaction| transaction.raw().clone())
    }

    /// Size of the pool.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let status = self.held.lock().pool.status();
        PoolStatus { pending: status.pending, queued: status.queued, bytes: status.bytes }
    }
}

fn refusal(error: PoolError) -> SubmitError {
    if error.is_temporary() {
        SubmitError::Unavailable(error.to_string())
    } else {
        SubmitError::Rejected(error.to_string())
    }
}
