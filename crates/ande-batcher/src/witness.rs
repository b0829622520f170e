//! Remembers whose signatures of checkpoints this node saw: whoever signs two contents for one place
//! in the chain of batches is caught when both pass here.

use alloy_primitives::Address;
use ande_consensus::SignedCheckpoint;
use ande_primitives::{Checkpoint, Domain, Signature};
use ande_store::{BatchRow, Store};
use ande_telemetry::Metrics;
use tracing::warn;

use crate::{BatcherError, certify::checkpoint_of};

/// Sees checkpoints.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    pub(crate) store: Store,
    pub(crate) domain: Domain,
    pub(crate) metrics: Metrics,
}

impl Witness {
    /// Keeps verified signatures over one checkpoint.
    pub(crate) async fn saw(
        &self,
        checkpoint: Checkpoint,
        signatures: impl Iterator<Item = (Address, Signature)> + Send,
    ) -> Result<(), BatcherError> {
        let seen: Vec<_> = signatures
            .map(|(signer, signature)| (signer, SignedCheckpoint { checkpoint, signature }))
            .collect();
        for evidence in self.store.put_checkpoints(&seen).await? {
            self.metrics.consensus_equivocations.inc();
            warn!(
                signer = %evidence.signer,
                batch = checkpoint.batch_index,
                first = %evidence.first.checkpoint.content_hash,
                second = %evidence.second.checkpoint.content_hash,
                "a validator signed two contradicting checkpoints"
            );
        }
        Ok(())
    }

    /// Keeps those in the certificate of an accepted batch.
    pub(crate) async fn saw_accepted(&self, row: &BatchRow) -> Result<(), BatcherError> {
        let Some(certificate) = &row.qc else { return Ok(()) };
        let Some(set) = self.store.set_in(row.header.era, row.header.epoch).await? else {
            return Ok(());
        };
        let checkpoint = checkpoint_of(row);
        let digest = self.domain.checkpoint_digest(&checkpoint);
        let signed = certificate
            .entries(&set.committee)
            .filter(|(signer, signature)| signature.recover(digest) == Ok(*signer));
        self.saw(checkpoint, signed.collect::<Vec<_>>().into_iter()).await
    }
}
