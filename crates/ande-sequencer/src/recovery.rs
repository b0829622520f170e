//! Signature recovery away from the threads that serve requests.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use alloy_primitives::{B256, Bytes, keccak256};
use ande_pool::{PoolError, PooledTransaction, TransactionSummary};
use rayon::prelude::*;
use tokio::sync::oneshot;

use crate::{SenderCache, SequencerError};

/// Recoveries that may wait; more is more than a node can work off in the time a client waits.
const MAX_WAITING: usize = 1 << 14;
/// Below this many transactions the threads cost more than they save.
const PARALLEL_FROM: usize = 8;

/// Too much waits already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy;

/// A transaction of a block: its hash, and what is known of it or why it is none.
pub(crate) type Looked = (B256, Result<TransactionSummary, PoolError>);

/// A transaction that was checked, or the first rule that it breaks.
pub(crate) type Recovered = Result<PooledTransaction, PoolError>;

/// Recovers senders on threads of its own, one per core, and remembers them.
#[derive(Debug)]
pub(crate) struct Recovery {
    threads: rayon::ThreadPool,
    waiting: Arc<AtomicUsize>,
    senders: Arc<SenderCache>,
    l2_chain_id: u64,
}

impl Recovery {
    pub(crate) fn new(senders: Arc<SenderCache>, l2_chain_id: u64) -> Result<Self, SequencerError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .thread_name(|index| format!("ande-recover-{index}"))
            .build()
            .map_err(|error| SequencerError::Threads(error.to_string()))?;
        Ok(Self { threads, waiting: Arc::default(), senders, l2_chain_id })
    }

    /// Decodes and checks transactions with these hashes, in order.
    pub(crate) async fn recover(&self, raws: Vec<(B256, Bytes)>) -> Result<Vec<Recovered>, Busy> {
        let count = raws.len();
        let chain_id = self.l2_chain_id;
        let known = self.senders.get_all(raws.iter().map(|(hash, _)| hash));
        let find = move |(known, raw): (Option<TransactionSummary>, Bytes)| match known {
            Some(known) => PooledTransaction::of_sender(raw, chain_id, known.sender),
            None => PooledTransaction::recover(raw, chain_id),
        };
        let raws: Vec<Bytes> = raws.into_iter().map(|(_, raw)| raw).collect();
        if known.iter().all(Option::is_some) {
            return Ok(known.into_iter().zip(raws).map(find).collect());
        }
        if self.waiting.fetch_add(count, Ordering::Relaxed) >= MAX_WAITING {
            self.waiting.fetch_sub(count, Ordering::Relaxed);
            return Err(Busy);
        }
        let (reply, recovered) = oneshot::channel();
        let waiting = self.waiting.clone();
        self.threads.spawn(move || {
            // Nobody may be waiting any more.
            if !reply.is_closed() {
                let recovered: Vec<Recovered> = if count < PARALLEL_FROM {
                    known.into_iter().zip(raws).map(find).collect()
                } else {
                    known.into_par_iter().zip(raws).map(find).collect()
                };
                let _ = reply.send(recovered);
            }
            waiting.fetch_sub(count, Ordering::Relaxed);
        });
        let recovered = recovered.await.map_err(|_| Busy)?;
        self.senders.put_all(recovered.iter().filter_map(|recovered| {
            let transaction = recovered.as_ref().ok()?;
            Some((transaction.hash(), transaction.summary()))
        }));
        Ok(recovered)
    }

    /// What is known of the transactions of a block, recovering the rest on all cores. Blocks.
    /// `pooled` gives the summaries of those that a pool knows.
    pub(crate) fn look_up(
        senders: &SenderCache,
        l2_chain_id: u64,
        transactions: &[Bytes],
        pooled: impl FnOnce(&[B256]) -> Vec<Option<TransactionSummary>>,
    ) -> Vec<Looked> {
        let hashes: Vec<B256> = if transactions.len() < PARALLEL_FROM {
            transactions.iter().map(keccak256).collect()
        } else {
            transactions.par_iter().with_min_len(64).map(keccak256).collect()
        };
        let mut known = senders.get_all(hashes.iter());
        fill(&mut known, &hashes, pooled);
        let missing = known.iter().filter(|known| known.is_none()).count();
        let find = |((hash, known), raw): ((B256, Option<TransactionSummary>), &Bytes)| {
            let found = match known {
                Some(known) => Ok(known),
                None => PooledTransaction::recover(raw.clone(), l2_chain_id)
                    .map(|transaction| transaction.summary()),
            };
            (hash, found)
        };
        let looked: Vec<Looked> = if missing < PARALLEL_FROM {
            hashes.into_iter().zip(known).zip(transactions).map(find).collect()
        } else {
            hashes.into_par_iter().zip(known).zip(transactions).map(find).collect()
        };
        senders.put_all(
            looked.iter().filter_map(|(hash, found)| Some((*hash, *found.as_ref().ok()?))),
        );
        looked
    }
}

/// Asks the pool for what is not known.
fn fill(
    known: &mut [Option<TransactionSummary>],
    hashes: &[B256],
    pooled: impl FnOnce(&[B256]) -> Vec<Option<TransactionSummary>>,
) {
    let (places, missing): (Vec<usize>, Vec<B256>) = (0..hashes.len())
        .filter(|index| known[*index].is_none())
        .map(|index| (index, hashes[index]))
        .unzip();
    if missing.is_empty() {
        return;
    }
    for (place, summary) in places.into_iter().zip(pooled(&missing)) {
        known[place] = summary;
    }
}
