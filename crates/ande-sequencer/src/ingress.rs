//! Where transactions enter: admission, journal, then gossip to every validator.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256};
use ande_consensus::{PoolStatus, PooledEntry, SubmitError, TransactionIngress};
use ande_primitives::NodeId;
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::{
    Gossip, TransactionPool,
    admission::{Refusal, Taken},
    quota::{Quotas, Worth},
};

/// Age at which a pending transaction is sent to the other validators again, in case they
/// restarted or were unreachable when it came in.
const REGOSSIP_INTERVAL: Duration = Duration::from_secs(1);
/// Most transactions sent again at once.
const REGOSSIP_LIMIT: usize = 1_000;
/// Most bytes sent again at once.
const REGOSSIP_BYTES: usize = 1 << 20;

/// Transactions of a peer taken together. What they cost it is known after that.
const AT_ONCE: usize = 512;

/// Takes signed transactions from clients and peers.
#[derive(Debug)]
pub struct Ingress {
    pool: Arc<TransactionPool>,
    gossip: Gossip,
    quotas: Quotas,
}

impl Ingress {
    /// Over a pool, gossiping what clients bring.
    #[must_use]
    pub fn new(pool: Arc<TransactionPool>, gossip: Gossip) -> Self {
        Self { pool, gossip, quotas: Quotas::default() }
    }

    /// Sends transactions that are still pending again, until `shutdown`.
    pub async fn regossip(self: Arc<Self>, shutdown: CancellationToken) {
        // What came from the journal was acknowledged before this process started.
        let mut before = self.pool.best(REGOSSIP_LIMIT, REGOSSIP_BYTES);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(REGOSSIP_INTERVAL) => {}
            }
            let pending = self.pool.best(REGOSSIP_LIMIT, REGOSSIP_BYTES);
            let known: HashSet<_> = before.iter().collect();
            for raw in &pending {
                if known.contains(raw) {
                    self.gossip.push(raw.clone());
                }
            }
            before = pending;
        }
    }
}

#[async_trait]
impl TransactionIngress for Ingress {
    async fn submit(&self, raw: Bytes) -> Result<B256, SubmitError> {
        let raw = alloy_primitives::Bytes::from(raw);
        let (hash, new) = self.pool.admit(raw.clone()).await?;
        if new {
            self.gossip.push(raw);
        }
        Ok(hash)
    }

    async fn submit_from(&self, peer: NodeId, raws: Vec<Bytes>) -> Vec<Result<B256, SubmitError>> {
        let mut outcomes = Vec::with_capacity(raws.len());
        for chunk in raws.chunks(AT_ONCE) {
            let allowed = &chunk[..chunk.len().min(self.quotas.room(peer, Instant::now()))];
            let taken = self.pool.take(allowed.iter().cloned().map(Into::into).collect()).await;
            self.quotas.charge(peer, taken.iter().map(worth));
            outcomes.extend(taken.into_iter().map(|taken| match taken {
                Ok((hash, _)) => Ok(hash),
                Err(Refusal::Node(reason)) => Err(SubmitError::Unavailable(reason)),
                // Whatever rule it is, sending the whole batch again at once does not help: while
                // the transaction is pending elsewhere, it comes again by itself.
                Err(Refusal::Pool(error)) => Err(SubmitError::Rejected(error.to_string())),
            }));
            if allowed.len() < chunk.len() {
                break;
            }
        }
        outcomes.resize_with(raws.len(), || {
            Err(SubmitError::Unavailable("too many transactions of this peer".into()))
        });
        outcomes
    }

    fn pending(&self, hash: B256) -> Option<Bytes> {
        self.pool.get(hash).map(|raw| raw.0)
    }

    fn status(&self) -> PoolStatus {
        self.pool.status()
    }

    fn content(&self, sender: Option<Address>) -> Vec<PooledEntry> {
        self.pool.content(sender)
    }

    fn next_nonce(&self, sender: Address, nonce: u64) -> u64 {
        self.pool.next_nonce(sender, nonce)
    }

    fn arrivals(&self) -> Option<broadcast::Receiver<B256>> {
        Some(self.pool.arrivals())
    }
}

/// What a peer's transaction turned out to be.
const fn worth(taken: &Taken) -> Worth {
    match taken {
        Ok((_, false)) => Worth::Duplicate,
        Err(Refusal::Pool(error)) if error.is_malformed() => Worth::Malformed,
        _ => Worth::New,
    }
}
