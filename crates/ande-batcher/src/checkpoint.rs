//! Signs checkpoints of batches that this node cut from its own chain.

use std::{sync::Arc, time::Duration};

use alloy_primitives::Bytes;
use ande_batch::Claim;
use ande_consensus::{ConsensusSigner, DataLayer, DataLayerError, SignError};
use ande_l1::L1View;
use ande_peer::{CheckpointRequest, PeerRefusal};
use ande_primitives::{DaKind, DaPointer, EpochSet, NodeId, Signature};
use ande_store::BatchRow;
use tokio::{sync::watch, time::Instant};
use tracing::{debug, warn};

use crate::{BatcherError, Ledger, data::check_blobs};

/// Attempts that are signed for one batch, over all posters. The guard remembers as many.
const MAX_ATTEMPTS: u32 = 64;
/// How long a request waits for this node's chain to complete the batch.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest wait for the data layer; the one who asks waits for 15 s.
const LAYER_LIMIT: Duration = Duration::from_secs(10);
/// Time between two looks for data that is not seen there yet.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Answers peers, and this node's own poster, that ask for the signature of a checkpoint.
///
/// A signature says: this batch is exactly the one that the chain here gives, its data is complete
/// and decodes to it, and the batch before it is known. Of data on a data layer it says that this
/// node read it there, for the contract cannot. The guard behind the signer adds that no
/// other content was ever signed for this number and parent.
#[derive(Clone)]
pub struct CheckpointService {
    ledger: Ledger,
    signer: Arc<dyn ConsensusSigner>,
    view: watch::Receiver<L1View>,
    layer: Option<Arc<dyn DataLayer>>,
}

impl core::fmt::Debug for CheckpointService {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CheckpointService")
            .field("signer", &self.signer.address())
            .finish_non_exhaustive()
    }
}

impl CheckpointService {
    /// A service over the node's batches. `view` tells which validator a peer is; without `layer`
    /// no pointer to one is signed.
    #[must_use]
    pub fn new(
        ledger: Ledger,
        signer: Arc<dyn ConsensusSigner>,
        view: watch::Receiver<L1View>,
        layer: Option<Arc<dyn DataLayer>>,
    ) -> Self {
        Self { ledger, signer, view, layer }
    }

    /// Answers a peer.
    ///
    /// # Errors
    /// [`PeerRefusal::Invalid`] for a batch that is not this chain's, [`PeerRefusal::Conflict`]
    /// when the guard forbids it, [`PeerRefusal::Unavailable`] when this node is behind.
    pub async fn checkpoint(
        &self,
        from: NodeId,
        request: CheckpointRequest,
    ) -> Result<Signature, PeerRefusal> {
        let batch = request.header.batch_index;
        let answer = match self.check_attempt(from, &request).await {
            Ok(()) => self.sign(request).await,
            Err(refusal) => Err(refusal),
        };
        match &answer {
            Ok(_) => debug!(batch, %from, "checkpoint signed"),
            Err(PeerRefusal::Unavailable(reason)) => {
                debug!(batch, %from, reason, "checkpoint not signed yet");
            }
            Err(refusal) => warn!(batch, %from, reason = %refusal, "checkpoint refused"),
        }
        answer
    }

    /// Every poster has attempts of its own, and only a few: otherwise one of them could use up
    /// those that the guard remembers, and nobody could post the batch any more.
    async fn check_attempt(
        &self,
        from: NodeId,
        request: &CheckpointRequest,
    ) -> Result<(), PeerRefusal> {
        let (era, epoch) = (request.header.era, request.header.epoch);
        let set = self
            .ledger
            .store()
            .set_in(era, epoch)
            .await
            .map_err(|error| PeerRefusal::Unavailable(error.to_string()))?
            .ok_or_else(|| {
                PeerRefusal::Unavailable(format!("the set of epoch {epoch} is not stored here"))
            })?;
        let attempt = request.checkpoint.attempt;
        let size = u32::try_from(set.committee.size()).unwrap_or(1).max(1);
        let place = attempt % size;
        let poster = set.committee.members().get(place as usize);
        let is_poster = poster.is_some_and(|member| {
            let view = self.view.borrow();
            view.endpoint_of(member).is_some_and(|validator| validator.node_id == from)
        });
        if !is_poster {
            return Err(PeerRefusal::Invalid(format!(
                "attempt {attempt} belongs to another poster"
            )));
        }
        if attempt / size >= (MAX_ATTEMPTS / size).max(1) {
            return Err(PeerRefusal::Invalid(format!("attempt {attempt} is too high")));
        }
        Ok(())
    }

    /// Checks and signs.
    ///
    /// # Errors
    /// See [`checkpoint`](Self::checkpoint).
    pub async fn sign(&self, request: CheckpointRequest) -> Result<Signature, PeerRefusal> {
        request.check_hashes().map_err(|reason| PeerRefusal::Invalid(reason.to_owned()))?;
        let own = self.own_batch(&request).await?;
        let set = self.set(&own).await?;
        if set.committee.index_of(self.signer.address()).is_none() {
            return Err(PeerRefusal::Invalid(format!(
                "{} is not in the committee of epoch {}",
                self.signer.address(),
                set.epoch
            )));
        }
        let checkpoint = request.checkpoint;
        self.check_data(request, &set).await?;
        self.signer.sign_checkpoint(&checkpoint).await.map_err(|error| match error {
            SignError::Refused { .. } => PeerRefusal::Conflict(error.to_string()),
            SignError::Guard(_) | SignError::Key(_) => PeerRefusal::Unavailable(error.to_string()),
        })
    }

    /// The own batch with this number, cut now if the chain completes it.
    async fn own_batch(&self, request: &CheckpointRequest) -> Result<BatchRow, PeerRefusal> {
        let index = request.header.batch_index;
        let unavailable = |error: BatcherError| PeerRefusal::Unavailable(error.to_string());
        let store = self.ledger.store();
        let mut heads = store.heads();
        let deadline = Instant::now() + PATIENCE;
        let own = loop {
            heads.mark_unchanged();
            if let Some(own) =
                store.batch(index).await.map_err(|error| unavailable(error.into()))?
            {
                break Some(own);
            }
            self.ledger.extend().await.map_err(unavailable)?;
            if let Some(own) =
                store.batch(index).await.map_err(|error| unavailable(error.into()))?
            {
                break Some(own);
            }
            // The poster learns of a block a moment before the others do.
            match tokio::time::timeout_at(deadline, heads.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => break None,
            }
        };
        let Some(own) = own else {
            return Err(PeerRefusal::Unavailable(format!(
                "batch {index} is not complete on this node's chain, which is at height {}",
                store.heads().borrow().latest
            )));
        };
        if own.header == request.header {
            return Ok(own);
        }
        let (theirs, ours) = (&request.header, &own.header);
        Err(PeerRefusal::Invalid(if theirs.parent_batch_hash != ours.parent_batch_hash {
            format!(
                "batch {index} extends {} there and {} here",
                theirs.parent_batch_hash, ours.parent_batch_hash
            )
        } else if theirs.end_height != ours.end_height {
            format!(
                "batch {index} ends at height {} there and {} here: batcher.interval_ms and batcher.max_data_bytes must be equal on all validators",
                theirs.end_height, ours.end_height
            )
        } else {
            format!("the header of batch {index} is not what this node's chain gives")
        }))
    }

    async fn set(&self, own: &BatchRow) -> Result<Arc<EpochSet>, PeerRefusal> {
        match self.ledger.store().set_in(own.header.era, own.header.epoch).await {
            Ok(Some(set)) => Ok(set),
            Ok(None) => Err(PeerRefusal::Unavailable(format!(
                "the validator set of epoch {} is not stored here",
                own.header.epoch
            ))),
            Err(error) => Err(PeerRefusal::Unavailable(error.to_string())),
        }
    }

    /// The data must decode to the header: otherwise the batch on the settlement chain would be
    /// one whose data nobody can read.
    async fn check_data(
        &self,
        request: CheckpointRequest,
        set: &Arc<EpochSet>,
    ) -> Result<(), PeerRefusal> {
        let previous = self
            .ledger
            .tip_at(request.header.batch_index.saturating_sub(1))
            .await
            .map_err(|error| PeerRefusal::Unavailable(error.to_string()))?
            .ok_or_else(|| PeerRefusal::Unavailable("the batch before is not here".to_owned()))?;
        let (set, domain) = (Arc::clone(set), self.signer.domain().clone());
        let (da, data) = (request.da, request.data.clone());
        let verified = tokio::task::spawn_blocking(move || {
            match request.da.kind {
                DaKind::Calldata | DaKind::Celestia => {}
                DaKind::Blobs => check_blobs(&request.da, &request.data, &request.proofs)
                    .map_err(|error| error.to_string())?,
            }
            let claim = Claim {
                header: &request.header,
                da: &request.da,
                skips: &request.skips,
                data: &request.data,
            };
            let verified = ande_batch::verify(&claim, &previous, &set, &domain);
            verified.map(|_| ()).map_err(|error| error.to_string())
        });
        match verified.await {
            Ok(Ok(())) if da.kind == DaKind::Celestia => self.check_layer(&da, &data).await,
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(PeerRefusal::Invalid(reason)),
            Err(_) => Err(PeerRefusal::Unavailable("the check was interrupted".to_owned())),
        }
    }

    /// The data must be on the data layer at exactly this place. What cannot be read is not signed.
    async fn check_layer(&self, da: &DaPointer, data: &Bytes) -> Result<(), PeerRefusal> {
        let layer = self.layer.as_ref().ok_or_else(|| {
            PeerRefusal::Unavailable(
                "this node reads no data layer: add [celestia] to its configuration".to_owned(),
            )
        })?;
        let started = Instant::now();
        let read = async {
            loop {
                match layer.get(da).await {
                    // The poster's view of the layer may be a moment ahead of this one.
                    Err(DataLayerError::Absent(_)) if started.elapsed() < PATIENCE => {
                        tokio::time::sleep(LOOK_AGAIN).await;
                    }
                    answer => return answer,
                }
            }
        };
        match tokio::time::timeout(LAYER_LIMIT, read).await {
            Ok(Ok(there)) if there == *data => Ok(()),
            Ok(Ok(_)) => Err(PeerRefusal::Invalid("the data layer has other data".to_owned())),
            Ok(Err(error @ DataLayerError::Wrong(_))) => {
                Err(PeerRefusal::Invalid(error.to_string()))
            }
            Ok(Err(error)) => Err(PeerRefusal::Unavailable(error.to_string())),
            Err(_) => Err(PeerRefusal::Unavailable(format!(
                "the data layer did not answer in {LAYER_LIMIT:?}"
            ))),
        }
    }
}
