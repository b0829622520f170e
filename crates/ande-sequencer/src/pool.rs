//! The pool as a service: what it holds, and waiting for work.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::Encodable as _;
use ande_consensus::{PoolStatus, PooledEntry};
use ande_pool::{BlockRoom, Pool, PooledTransaction, TransactionSummary};
use ande_primitives::ForcedTransaction;
use ande_store::Store;
use ande_telemetry::{Metrics, PoolDropLabels};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast, watch};
use tracing::{info, warn};

use crate::{
    Ordering, SenderCache, SequencerConfig, SequencerError,
    admission::left_for,
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
    pub(crate) store: Store,
    pub(crate) pruner: Pruner,
    senders: Arc<SenderCache>,
    pub(crate) recovery: Recovery,
    pub(crate) metrics: Metrics,
    pub(crate) started: Instant,
    l2_chain_id: u64,
    ordering: Ordering,
    pub(crate) room: BlockRoom,
    pub(crate) knows_accounts: bool,
    pub(crate) arrived: Notify,
    pub(crate) arrivals: broadcast::Sender<B256>,
}

/// Transactions in memory.
pub(crate) struct Held {
    pub(crate) pool: Pool,
    /// Those whose journal entry is being written: not to be acknowledged to anybody yet. The
    /// channel closes when the write has ended, well or not.
    pub(crate) journaling: HashMap<B256, watch::Receiver<()>>,
    /// How often the execution left transactions out for no visible reason.
    pub(crate) suspects: HashMap<B256, u8>,
    pub(crate) expired_at: Duration,
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
        for chunk in pending.chunks(REFILL) {
            let recovered = self
                .recovery
                .recover(chunk.to_vec())
                .await
                .map_err(|_: Busy| SequencerError::Threads("they do not answer".into()))?;
            for ((hash, _), outcome) in chunk.iter().zip(recovered) {
                let restored = outcome.and_then(|transaction| {
                    self.held.lock().pool.restore(transaction, Duration::ZERO)
                });
                match restored {
                    Ok(inserted) => gone.extend(left_for(inserted)),
                    Err(reason) => {
                        warn!(%hash, %reason, "a journaled transaction is not taken back");
                        gone.push(*hash);
                    }
                }
            }
        }
        self.store.journal_prune(&gone).await?;
        let PoolStatus { pending, queued, .. } = self.status();
        info!(transactions = pending + queued, "pool refilled from its journal");
        Ok(())
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
        let raws = entries.iter().map(|entry| (keccak256(&entry.raw), entry.raw.clone())).collect();
        let recovered = self.recovery.recover(raws).await;
        let recovered = recovered.map_err(|_: Busy| "signatures cannot be recovered now")?;
        let mut forced = Forced::default();
        for (entry, transaction) in entries.into_iter().zip(recovered) {
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
