//! Taking transactions into the pool: signature recovery off the lock, journal, acknowledgement.
//!
//! All of it works on lists. A client brings one transaction at a time, another validator hundreds,
//! and what each step costs besides its transactions is then paid once.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Encodable as _;
use ande_consensus::SubmitError;
use ande_failpoint::reach;
use ande_pool::{InsertKind, Inserted, PoolError, PooledTransaction};
use ande_telemetry::PoolRefusalLabels;
use tokio::sync::watch;
use tracing::warn;

use crate::{TransactionPool, recovery::Busy};

/// Transactions inserted under one hold of the lock.
const CHUNK: usize = 64;

/// The hash of a transaction and whether it is new, or why it was not taken.
pub(crate) type Taken = Result<(B256, bool), Refusal>;

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

/// A transaction on its way into the pool.
#[derive(Clone, Debug)]
struct Arrival {
    /// Where in the list its outcome belongs.
    place: usize,
    hash: B256,
    raw: Bytes,
}

/// Transactions whose journal entries are being written. Unless that ends well they leave the pool
/// again, also when the caller stops waiting.
struct Journaling<'a> {
    service: &'a TransactionPool,
    hashes: Vec<B256>,
    durable: bool,
    _open: watch::Sender<()>,
}

impl Drop for Journaling<'_> {
    fn drop(&mut self) {
        let mut held = self.service.held.lock();
        for hash in &self.hashes {
            held.journaling.remove(hash);
        }
        if self.durable {
            // What left while it was written told the journal too early.
            let gone = self.hashes.iter().filter(|hash| !held.pool.contains(hash)).copied();
            self.service.pruner.forget(gone);
        } else {
            held.pool.remove_included(&self.hashes);
        }
    }
}

/// What became of arrivals in the pool.
struct Placed<'a> {
    /// New there, and not to be acknowledged before they are in the journal.
    new: Vec<Arrival>,
    /// There already.
    duplicates: Vec<Arrival>,
    refused: Vec<(Arrival, PoolError)>,
    /// What had to leave.
    left: Vec<B256>,
    journaling: Journaling<'a>,
}

impl TransactionPool {
    /// Checks a transaction, takes it and makes it durable. Returns its hash and whether it is new.
    ///
    /// # Errors
    /// [`SubmitError`] with geth's texts.
    pub async fn admit(&self, raw: Bytes) -> Result<(B256, bool), SubmitError> {
        let taken = self.take(vec![raw]).await.pop();
        let unanswered = || SubmitError::Unavailable("the transaction was not handled".into());
        Ok(taken.ok_or_else(unanswered)??)
    }

    /// As [`admit`](Self::admit) for each, with the refusals as the pool means them.
    pub(crate) async fn take(&self, raws: Vec<Bytes>) -> Vec<Taken> {
        let limit = self.room.bytes;
        let mut outcomes = Vec::with_capacity(raws.len());
        let mut waiting = Vec::with_capacity(raws.len());
        for (place, raw) in raws.into_iter().enumerate() {
            let hash = keccak256(&raw);
            outcomes.push(Ok((hash, false)));
            if raw.length() > limit {
                outcomes[place] = Err(PoolError::Oversized { size: raw.len(), limit }.into());
            } else {
                waiting.push(Arrival { place, hash, raw });
            }
        }
        // What somebody else was bringing at the same time, without success, is tried again.
        while !waiting.is_empty() {
            waiting = self.round(waiting, &mut outcomes).await;
        }
        for refusal in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            let reason = match refusal {
                Refusal::Pool(error) => error.reason(),
                Refusal::Node(_) => "node",
            };
            self.metrics.pool_refused.inc(&PoolRefusalLabels::new(reason));
        }
        outcomes
    }

    /// Tries all that wait, notes the outcomes other than "held already", and returns those that
    /// somebody else brings at this moment.
    async fn round(&self, waiting: Vec<Arrival>, outcomes: &mut [Taken]) -> Vec<Arrival> {
        let mut fresh = Vec::with_capacity(waiting.len());
        for arrival in waiting {
            if !self.is_held(arrival.hash).await {
                fresh.push(arrival);
            }
        }
        // On a chain with accounts, the nonce of what is in the chain already tells it.
        if !self.knows_accounts {
            fresh = self.not_included(fresh, outcomes).await;
        }
        if fresh.is_empty() {
            return fresh;
        }
        let raws = fresh.iter().map(|arrival| (arrival.hash, arrival.raw.clone())).collect();
        let recovered = match self.recovery.recover(raws).await {
            Ok(recovered) => recovered,
            Err(busy) => {
                refuse(&fresh, &busy.into(), outcomes);
                return Vec::new();
            }
        };
        let mut checked = Vec::with_capacity(fresh.len());
        for (arrival, recovered) in fresh.into_iter().zip(recovered) {
            match recovered {
                Ok(transaction) => checked.push((arrival, transaction)),
                Err(error) => outcomes[arrival.place] = Err(error.into()),
            }
        }
        let Placed { new, duplicates, refused, left, mut journaling } = self.insert(checked);
        for (arrival, error) in &refused {
            outcomes[arrival.place] = Err(error.clone().into());
        }
        if self.knows_accounts && !refused.is_empty() {
            self.forgive_included(refused, outcomes).await;
        }
        if !new.is_empty() {
            reach("ingress-before-journal").await;
            let entries: Vec<_> =
                new.iter().map(|arrival| (arrival.hash, arrival.raw.clone())).collect();
            if let Err(error) = self.store.journal_append(&entries).await {
                warn!(%error, "the pool journal cannot be written");
                let reason = Refusal::Node("the pool journal cannot be written".into());
                refuse(&new, &reason, outcomes);
                return Vec::new();
            }
            reach("ingress-after-journal").await;
        }
        journaling.durable = true;
        drop(journaling);
        self.pruner.forget(left);
        if !new.is_empty() {
            self.arrived.notify_waiters();
        }
        for Arrival { place, hash, .. } in new {
            outcomes[place] = Ok((hash, true));
            if self.arrivals.receiver_count() > 0 {
                // The last listener may leave meanwhile.
                let _ = self.arrivals.send(hash);
            }
        }
        duplicates
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

    /// Puts transactions into the pool and marks the new ones as not yet in the journal.
    fn insert(&self, checked: Vec<(Arrival, PooledTransaction)>) -> Placed<'_> {
        let (open, written) = watch::channel(());
        let mut placed = Placed {
            new: Vec::with_capacity(checked.len()),
            duplicates: Vec::new(),
            refused: Vec::new(),
            left: Vec::new(),
            journaling: Journaling {
                service: self,
                hashes: Vec::new(),
                durable: false,
                _open: open,
            },
        };
        let (mut evicted, mut replaced) = (0, 0);
        let mut checked = checked.into_iter().peekable();
        while checked.peek().is_some() {
            let mut held = self.held.lock();
            let now = self.started.elapsed();
            for (arrival, transaction) in checked.by_ref().take(CHUNK) {
                match held.pool.insert(transaction, now) {
                    Ok(Inserted { kind: InsertKind::Duplicate, .. }) => {
                        placed.duplicates.push(arrival);
                    }
                    Ok(inserted) => {
                        held.journaling.insert(arrival.hash, written.clone());
                        placed.journaling.hashes.push(arrival.hash);
                        evicted += inserted.evicted.len();
                        replaced += usize::from(matches!(inserted.kind, InsertKind::Replaced(_)));
                        placed.left.extend(left_for(inserted));
                        placed.new.push(arrival);
                    }
                    Err(error) => placed.refused.push((arrival, error)),
                }
            }
        }
        self.count_dropped("evicted", evicted);
        self.count_dropped("replaced", replaced);
        placed
    }

    /// Those that are not in the chain.
    async fn not_included(&self, arrivals: Vec<Arrival>, outcomes: &mut [Taken]) -> Vec<Arrival> {
        match self.are_included(&arrivals).await {
            Ok(included) => {
                let fresh = arrivals.into_iter().zip(included).filter(|(_, included)| !included);
                fresh.map(|(arrival, _)| arrival).collect()
            }
            Err(refusal) => {
                refuse(&arrivals, &refusal, outcomes);
                Vec::new()
            }
        }
    }

    /// What the pool refuses because it is in the chain already is a duplicate.
    async fn forgive_included(&self, refused: Vec<(Arrival, PoolError)>, outcomes: &mut [Taken]) {
        let refused: Vec<Arrival> = refused.into_iter().map(|(arrival, _)| arrival).collect();
        match self.are_included(&refused).await {
            Ok(included) => {
                for (arrival, _) in refused.iter().zip(included).filter(|(_, included)| *included) {
                    outcomes[arrival.place] = Ok((arrival.hash, false));
                }
            }
            Err(refusal) => refuse(&refused, &refusal, outcomes),
        }
    }

    async fn are_included(&self, arrivals: &[Arrival]) -> Result<Vec<bool>, Refusal> {
        let hashes: Vec<B256> = arrivals.iter().map(|arrival| arrival.hash).collect();
        self.store.included(&hashes).await.map_err(|error| {
            warn!(%error, "the transaction index cannot be read");
            Refusal::Node("the transaction index cannot be read".into())
        })
    }
}

fn refuse(arrivals: &[Arrival], refusal: &Refusal, outcomes: &mut [Taken]) {
    for arrival in arrivals {
        outcomes[arrival.place] = Err(refusal.clone());
    }
}

/// What an insertion moved out.
pub(crate) fn left_for(inserted: Inserted) -> Vec<B256> {
    let mut left = inserted.evicted;
    if let InsertKind::Replaced(old) = inserted.kind {
        left.push(old);
    }
    left
}
