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

    /// Decodes and checks a transaction with this hash.
    pub(crate) async fn recover(
        &self,
        hash: B256,
        raw: Bytes,
    ) -> Result<Result<PooledTransaction, PoolError>, Busy> {
        let chain_id = self.l2_chain_id;
        if let Some(known) = self.senders.get(&hash) {
            return Ok(PooledTransaction::of_sender(raw, chain_id, known.sender));
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Busy);
        }
        let (reply, recovered) = oneshot::channel();
        let waiting = self.waiting.clone();
        self.threads.spawn(move || {
            // Nobody may be waiting any more.
            if !reply.is_closed() {
                let _ = reply.send(PooledTransaction::recover(raw, chain_id));
            }
            waiting.fetch_sub(1, Ordering::Relaxed);
        });
        let recovered = recovered.await.map_err(|_| Busy)?;
        if let Ok(transaction) = &recovered {
            self.senders.put(hash, transaction.summary());
        }
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
        for (hash, found) in &looked {
            if let Ok(summary) = found {
                senders.put(*hash, *summary);
            }
        }
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
