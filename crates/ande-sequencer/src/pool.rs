//! The pool as a service: signature recovery off the lock, journal, and waiting for work.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::Encodable as _;
use ande_consensus::{PoolStatus, PooledEntry, SubmitError};
use ande_failpoint::reach;
use ande_pool::{
    BlockRoom, InsertKind, Inserted, Pool, PoolError, PooledTransaction, TransactionSummary,
};
use ande_primitives::ForcedTransaction;
use ande_store::Store;
use ande_telemetry::{Metrics, PoolDropLabels, PoolRefusalLabels};
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast, watch};
use tracing::{info, warn};

use crate::{
    Ordering, SenderCache, SequencerConfig, SequencerError,
    forced::Forced,
    journal::Pruner,
    ordering::reorder,
    recovery::{Busy, Looked, Recovery},
};

/// Largest header of an RLP list below 16 MiB.
const RLP_LIST_HEADER: usize = 4;
/// Arrivals that a slow listener may be behind before it loses some.
const ARRIVALS: usize = 4096;
/// Journaled transactions recovered at the same time at the start.
const REFILL: usize = 256;

/// Pending transactions of this node, journaled before they are acknowledged.
pub struct TransactionPool {
    pub(crate) held: Mutex<Held>,
    store: Store,
    pub(crate) pruner: Pruner,
    senders: Arc<SenderCache>,
    recovery: Recovery,
    metrics: Metrics,
    pub(crate) started: Instant,
    l2_chain_id: u64,
    ordering: Ordering,
    room: BlockRoom,
    knows_accounts: bool,
    pub(crate) arrived: Notify,
    arrivals: broadcast::Sender<B256>,
}

/// Transactions in memory.
pub(crate) struct Held {
    pub(crate) pool: Pool,
    /// Those whose journal entry is being written: not to be acknowledged to anybody yet. The
    /// channel closes when the write has ended, well or not.
    journaling: HashMap<B256, watch::Receiver<()>>,
    /// How often the execution left transactions out for no visible reason.
    pub(crate) suspects: HashMap<B256, u8>,
    pub(crate) expired_at: Duration,
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
        } else if !held.pool.contains(&self.hash) {
            // It left while it was written, so the journal was told too early.
            self.service.pruner.forget([self.hash]);
        }
    }
}

/// Why a transaction was not taken.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// A rule of the pool.
    Pool(PoolError),
    /// This node.
    Node(String),
}

impl From<PoolError> for Refusal {
    fn from(error: PoolError) -> Self {
        Self::Pool(error)
    }
}

impl From<Busy> for Refusal {
    fn from(_: Busy) -> Self {
        Self::Node("too many transactions at the same time".into())
    }
}

impl From<Refusal> for SubmitError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Pool(error) if !error.is_temporary() => Self::Rejected(error.to_string()),
            Refusal::Pool(error) => Self::Unavailable(error.to_string()),
            Refusal::Node(reason) => Self::Unavailable(reason),
        }
    }
}

impl std::fmt::Debug for TransactionPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransactionPool").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl TransactionPool {
    /// Opens the pool and refills it from the journal. `senders` is what the executor asks.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn open(
        pool: Pool,
        store: Store,
        config: &SequencerConfig,
        senders: Arc<SenderCache>,
        metrics: Metrics,
    ) -> Result<Self, SequencerError> {
        let room = BlockRoom {
            transactions: config.max_block_transactions,
            bytes: config.max_block_bytes.saturating_sub(RLP_LIST_HEADER),
            gas: if pool.knows_accounts() { pool.limits().block_gas_limit } else { u64::MAX },
        };
        let service = Self {
            knows_accounts: pool.knows_accounts(),
            held: Mutex::new(Held {
                pool,
                journaling: HashMap::new(),
                suspects: HashMap::new(),
                expired_at: Duration::ZERO,
            }),
            pruner: Pruner::new(store.clone()),
            store,
            recovery: Recovery::new(senders.clone(), config.l2_chain_id)?,
            senders,
            metrics,
            started: Instant::now(),
            l2_chain_id: config.l2_chain_id,
            ordering: config.ordering,
            room,
            arrived: Notify::new(),
            arrivals: broadcast::Sender::new(ARRIVALS),
        };
        service.refill().await?;
        Ok(service)
    }

    /// Takes back what was acknowledged before the start.
    async fn refill(&self) -> Result<(), SequencerError> {
        let journal = self.store.journal_load().await?;
        let hashes: Vec<B256> = journal.iter().map(keccak256).collect();
        let included = self.store.included(&hashes).await?;
        let (mut gone, mut pending) = (Vec::new(), Vec::new());
        for ((raw, hash), included) in journal.into_iter().zip(hashes).zip(included) {
            if included {
                gone.push(hash);
            } else {
                pending.push((hash, raw));
            }
        }
        let mut recovered = futures::stream::iter(pending)
            .map(|(hash, raw)| async move { (hash, self.recovery.recover(hash, raw).await) })
            .buffered(REFILL);
        while let Some((hash, outcome)) = recovered.next().await {
            let restored = match outcome {
                Ok(Ok(transaction)) => self.held.lock().pool.restore(transaction, Duration::ZERO),
                Ok(Err(error)) => Err(error),
                Err(Busy) => return Err(SequencerError::Threads("they do not answer".into())),
            };
            match restored {
                Ok(inserted) => gone.extend(left_for(inserted)),
                Err(reason) => {
                    warn!(%hash, %reason, "a journaled transaction is not taken back");
                    gone.push(hash);
                }
            }
        }
        drop(recovered);
        self.store.journal_prune(&gone).await?;
        let PoolStatus { pending, queued, .. } = self.status();
        info!(transactions = pending + queued, "pool refilled from its journal");
        Ok(())
    }

    /// Checks a transaction, takes it and makes it durable. Returns its hash and whether it is new.
    ///
    /// # Errors
    /// [`SubmitError`] with geth's texts.
    pub async fn admit(&self, raw: Bytes) -> Result<(B256, bool), SubmitError> {
        Ok(self.take(raw).await?)
    }

    /// As [`admit`](Self::admit), with the refusal as the pool means it.
    pub(crate) async fn take(&self, raw: Bytes) -> Result<(B256, bool), Refusal> {
        let taken = self.try_take(raw).await;
        if let Err(refusal) = &taken {
            let reason = match refusal {
                Refusal::Pool(error) => error.reason(),
                Refusal::Node(_) => "node",
            };
            self.metrics.pool_refused.inc(&PoolRefusalLabels::new(reason));
        }
        taken
    }

    async fn try_take(&self, raw: Bytes) -> Result<(B256, bool), Refusal> {
        let limit = self.room.bytes;
        if raw.length() > limit {
            return Err(PoolError::Oversized { size: raw.len(), limit }.into());
        }
        let hash = keccak256(&raw);
        if self.is_held(hash).await {
            return Ok((hash, false));
        }
        // On a chain with accounts, the nonce of what is in the chain already tells it.
        if !self.knows_accounts && self.is_included(hash).await? {
            return Ok((hash, false));
        }
        let transaction = self.recovery.recover(hash, raw.clone()).await??;
        let (mut journaling, left) = loop {
            match self.insert(transaction.clone()) {
                Ok(Some(inserted)) => break inserted,
                // Somebody else brings it; if that fails, it is tried again.
                Ok(None) if self.is_held(hash).await => return Ok((hash, false)),
                Ok(None) => {}
                Err(error) => {
                    if self.knows_accounts && self.is_included(hash).await? {
                        return Ok((hash, false));
                    }
                    return Err(error.into());
                }
            }
        };
        reach("ingress-before-journal").await;
        self.store.journal_append(&[(hash, raw)]).await.map_err(|error| {
            warn!(%error, "the pool journal cannot be written");
            Refusal::Node("the pool journal cannot be written".into())
        })?;
        reach("ingress-after-journal").await;
        journaling.durable = true;
        drop(journaling);
        self.pruner.forget(left);
        self.arrived.notify_waiters();
        if self.arrivals.receiver_count() > 0 {
            // The last listener may leave meanwhile.
            let _ = self.arrivals.send(hash);
        }
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
    ) -> Result<Option<(Journaling<'_>, Vec<B256>)>, PoolError> {
        let hash = transaction.hash();
        let mut held = self.held.lock();
        let inserted = held.pool.insert(transaction, self.started.elapsed())?;
        if inserted.kind == InsertKind::Duplicate {
            return Ok(None);
        }
        let (open, written) = watch::channel(());
        held.journaling.insert(hash, written);
        drop(held);
        self.count_dropped("evicted", inserted.evicted.len());
        if matches!(inserted.kind, InsertKind::Replaced(_)) {
            self.count_dropped("replaced", 1);
        }
        let left = left_for(inserted);
        Ok(Some((Journaling { service: self, hash, durable: false, _open: open }, left)))
    }

    async fn is_included(&self, hash: B256) -> Result<bool, Refusal> {
        let included = self.store.included(&[hash]).await.map_err(|error| {
            warn!(%error, "the transaction index cannot be read");
            Refusal::Node("the transaction index cannot be read".into())
        })?;
        Ok(included.first().copied().unwrap_or(false))
    }

    /// The next transactions as the pool chooses them, RLP-encoded at most `max_bytes` together.
    #[must_use]
    pub fn best(&self, max_transactions: usize, max_bytes: usize) -> Vec<Bytes> {
        let bytes = max_bytes.saturating_sub(RLP_LIST_HEADER);
        let chosen = self.choose(BlockRoom { transactions: max_transactions, bytes, ..self.room });
        chosen.iter().map(|transaction| transaction.raw().clone()).collect()
    }

    /// The transactions of the next block after the forced ones, in their order; at most so many
    /// bytes of both.
    pub(crate) fn next_block(&self, max_bytes: usize, forced: &Forced) -> Vec<Bytes> {
        let bytes = self.room.bytes.min(max_bytes.saturating_sub(RLP_LIST_HEADER));
        let chosen = self.choose(BlockRoom {
            bytes: bytes.saturating_sub(forced.bytes),
            gas: self.room.gas.saturating_sub(forced.gas),
            ..self.room
        });
        let raws = chosen.iter().map(|transaction| transaction.raw().clone()).collect();
        match self.ordering {
            Ordering::Arrival => raws,
            Ordering::TipDescending => {
                let known: Vec<_> =
                    chosen.iter().map(|chosen| (chosen.hash(), chosen.summary())).collect();
                reorder(&known, raws, self.base_fee())
            }
        }
    }

    fn choose(&self, room: BlockRoom) -> Vec<Arc<PooledTransaction>> {
        let mut chosen = self.held.lock().pool.best(room);
        // The pool counts bytes without their length prefixes. What is beyond goes into a later
        // block, and with it what follows: a gap in nonces is worse than some room.
        let mut left = room.bytes;
        let fitting = chosen
            .iter()
            .take_while(|transaction| {
                let fits = left.checked_sub(transaction.raw().length());
                left = fits.unwrap_or(0);
                fits.is_some()
            })
            .count();
        chosen.truncate(fitting);
        chosen
    }

    /// Base fee of the next block in wei per gas.
    pub(crate) fn base_fee(&self) -> u128 {
        self.held.lock().pool.base_fee()
    }

    /// What is known of the transactions of a block. Only the signatures of those that were never
    /// seen are recovered, on threads that may block.
    pub(crate) async fn look_up(
        self: &Arc<Self>,
        transactions: &[Bytes],
    ) -> Result<Vec<Looked>, String> {
        if transactions.is_empty() {
            return Ok(Vec::new());
        }
        let (service, transactions) = (self.clone(), transactions.to_vec());
        let looked = tokio::task::spawn_blocking(move || {
            let pooled = |hashes: &[B256]| {
                let held = service.held.lock();
                let summary = |hash| held.pool.get(hash).map(|transaction| transaction.summary());
                hashes.iter().map(summary).collect()
            };
            Recovery::look_up(&service.senders, service.l2_chain_id, &transactions, pooled)
        });
        looked.await.map_err(|error| error.to_string())
    }

    /// Checks that all transactions of a proposed block are well-formed and signed for this chain.
    pub(crate) async fn check_transactions(
        self: &Arc<Self>,
        transactions: &[Bytes],
    ) -> Result<Vec<(B256, TransactionSummary)>, String> {
        let looked = self.look_up(transactions).await?;
        looked
            .into_iter()
            .map(|(hash, found)| match found {
                Ok(summary) => Ok((hash, summary)),
                Err(error) => Err(format!("transaction {hash}: {error}")),
            })
            .collect()
    }

    /// What a block makes of entries of the forced queue, as far as their bytes say: the longest
    /// prefix that fits into one block. Equal on all validators, whose limits are.
    pub(crate) async fn plan_forced(
        &self,
        entries: Vec<ForcedTransaction>,
    ) -> Result<Forced, String> {
        let mut forced = Forced::default();
        for entry in entries {
            let recovered = self.recovery.recover(keccak256(&entry.raw), entry.raw.clone()).await;
            let transaction = recovered.map_err(|_: Busy| "signatures cannot be recovered now")?;
            if !forced.take(entry, transaction, &self.room) {
                break;
            }
        }
        Ok(forced)
    }

    /// Resolves when a transaction could be in the next block.
    pub async fn wait_for_transactions(&self) {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if self.held.lock().pool.has_ready() {
                return;
            }
            arrived.await;
        }
    }

    pub(crate) fn count_dropped(&self, reason: &'static str, count: usize) {
        if count > 0 {
            self.metrics.pool_dropped.inc_by(&PoolDropLabels::new(reason), count as u64);
        }
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

    /// Transactions of one sender or of all, ascending by sender and nonce.
    #[must_use]
    pub fn content(&self, sender: Option<Address>) -> Vec<PooledEntry> {
        let transactions: Vec<(Arc<PooledTransaction>, bool)> = {
            let held = self.held.lock();
            let mut senders: Vec<Address> = match sender {
                Some(sender) => vec![sender],
                None => held.pool.senders().collect(),
            };
            senders.sort_unstable();
            senders
                .into_iter()
                .flat_map(|sender| held.pool.of_sender(sender))
                .map(|(transaction, executable)| (transaction.clone(), executable))
                .collect()
        };
        transactions
            .into_iter()
            .map(|(transaction, executable)| PooledEntry {
                sender: transaction.sender(),
                nonce: transaction.nonce(),
                raw: transaction.raw().0.clone(),
                executable,
            })
            .collect()
    }

    /// First nonce from `nonce` on for which there is no transaction of the sender.
    #[must_use]
    pub fn next_nonce(&self, sender: Address, nonce: u64) -> u64 {
        self.held.lock().pool.next_nonce(sender, nonce)
    }

    /// Hashes of transactions as they are taken.
    #[must_use]
    pub fn arrivals(&self) -> broadcast::Receiver<B256> {
        self.arrivals.subscribe()
    }
}

/// What an insertion moved out.
fn left_for(inserted: Inserted) -> Vec<B256> {
    let mut left = inserted.evicted;
    if let InsertKind::Replaced(old) = inserted.kind {
        left.push(old);
    }
    left
}
