//! What this node does for other nodes: introduces itself, takes their transactions, signs their
//! checkpoints.

use std::sync::Arc;

use alloy_primitives::Bytes;
use ande_batcher::CheckpointService;
use ande_consensus::{Heads, SubmitError, TransactionIngress};
use ande_peer::{CheckpointRequest, Hello, PeerHandler, PeerRefusal};
use ande_primitives::{NodeId, Signature};
use async_trait::async_trait;
use tokio::sync::watch;
use tracing::debug;

/// Answers peers.
pub(crate) struct PeerService {
    /// Introduction, with the height still to be filled in.
    pub(crate) hello: Hello,
    pub(crate) heads: watch::Receiver<Heads>,
    pub(crate) ingress: Arc<dyn TransactionIngress>,
    pub(crate) checkpoints: CheckpointService,
}

#[async_trait]
impl PeerHandler for PeerService {
    async fn hello(&self) -> Hello {
        Hello { height: self.heads.borrow().latest, ..self.hello.clone() }
    }

    async fn transactions(
        &self,
        from: NodeId,
        transactions: Vec<Bytes>,
    ) -> Result<(), PeerRefusal> {
        let raws = transactions.into_iter().map(|raw| raw.0).collect();
        for outcome in self.ingress.submit_from(from, raws).await {
            match outcome {
                Ok(_) => {}
                // Wrong for this node's pool, and no reason to have the rest sent again.
                Err(SubmitError::Rejected(reason)) => {
                    debug!(peer = %from, reason, "transaction of a peer not taken");
                }
                Err(SubmitError::Unavailable(reason)) => {
                    return Err(PeerRefusal::Unavailable(reason));
                }
            }
        }
        Ok(())
    }

    async fn checkpoint(
        &self,
        from: NodeId,
        request: CheckpointRequest,
    ) -> Result<Signature, PeerRefusal> {
        self.checkpoints.checkpoint(from, request).await
    }
}
