//! The pool as a service: signature recovery off the lock, journal, and waiting for work.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Encodable as _;
use ande_consensus::{PoolStatus, SubmitError};
use ande_pool::{InsertKind, Pool, PoolError, PooledTransaction};
use ande_store::Store;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::{SequencerConfig, SequencerError};

/// Largest header of an RLP list below 16 MiB.
const RLP_LIST_HEADER: usize = 4;

/// Pending transactions of this node, journaled before they are acknowledged.
pub struct TransactionPool {
    pool: Mutex<Pool>,
    store: Store,
    l2_chain_id: u64,
    /// Most bytes of RLP-encoded transactions in a block: a larger transaction would never leave.
    max_block_bytes: usize,
    arrived: Notify,
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
            pool: Mutex::new(pool),
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
                    Ok(transaction) => service.pool.lock().insert(transaction).is_ok(),
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
        if self.pool.lock().contains(&hash) || self.is_included(hash).await? {
            return Ok((hash, false));
        }
        let transaction = self.recover(raw.clone()).await?;
        let inserted = self.pool.lock().insert(transaction).map_err(refusal)?;
        if inserted.kind == InsertKind::Duplicate {
            return Ok((hash, false));
        }
        if let Err(error) = self.store.journal_append(&[(hash, raw)]).await {
            self.pool.lock().remove_included(&[hash]);
            warn!(%error, "the pool journal cannot be written");
            return Err(SubmitError::Unavailable("the pool journal cannot be written".into()));
        }
        let mut dropped = inserted.evicted;
        if let InsertKind::Replaced(old) = inserted.kind {
            dropped.push(old);
        }
        self.forget(dropped);
        self.arrived.notify_waiters();
        Ok((hash, true))
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
        let chosen = self.pool.lock().best(max_transactions, max_bytes);
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
            let pool = self.pool.lock();
            transactions.iter().filter(|raw| !pool.contains(&keccak256(raw))).cloned().collect()
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
            if !self.pool.lock().best(1, usize::MAX).is_empty() {
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
        self.pool.lock().remove_included(&hashes);
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
        self.pool.lock().get(&hash).map(|transaction| transaction.raw().clone())
    }

    /// Size of the pool.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let status = self.pool.lock().status();
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
