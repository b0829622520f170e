//! Where transactions enter: admission, journal, then gossip to every validator.

use std::{collections::HashSet, sync::Arc, time::Duration};

use alloy_primitives::B256;
use ande_consensus::{Origin, PoolStatus, SubmitError, TransactionIngress};
use async_trait::async_trait;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::{Gossip, TransactionPool};

/// Age at which a pending transaction is sent to the other validators again, in case they
/// restarted or were unreachable when it came in.
const REGOSSIP_INTERVAL: Duration = Duration::from_secs(1);
/// Most transactions sent again at once.
const REGOSSIP_LIMIT: usize = 1_000;
/// Most bytes sent again at once.
const REGOSSIP_BYTES: usize = 1 << 20;

/// Takes signed transactions from clients and peers.
#[derive(Debug)]
pub struct Ingress {
    pool: Arc<TransactionPool>,
    gossip: Gossip,
}

impl Ingress {
    /// Over a pool, gossiping what clients bring.
    #[must_use]
    pub const fn new(pool: Arc<TransactionPool>, gossip: Gossip) -> Self {
        Self { pool, gossip }
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
    async fn submit(&self, raw: Bytes, origin: Origin) -> Result<B256, SubmitError> {
        let raw = alloy_primitives::Bytes::from(raw);
        let (hash, new) = self.pool.admit(raw.clone()).await?;
        if new && origin == Origin::Client {
            self.gossip.push(raw);
        }
        Ok(hash)
    }

    fn pending(&self, hash: B256) -> Option<Bytes> {
        self.pool.get(hash).map(|raw| raw.0)
    }

    fn status(&self) -> PoolStatus {
        self.pool.status()
    }
}
