//! Collects the committee's signatures over a batch.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use alloy_primitives::{Address, B256, Bytes};
use ande_consensus::ConsensusSigner;
use ande_l1::L1View;
use ande_peer::{CheckpointRequest, PeerClient, PeerError, PeerRefusal, PeerTarget};
use ande_primitives::{Checkpoint, EpochSet, Member, QuorumCertificate, Signature};
use ande_store::BatchRow;
use futures::{StreamExt as _, stream::FuturesUnordered};
use tracing::debug;

use crate::{BatcherError, CheckpointService, witness::Witness};

/// Longest list of answers in an error.
const MAX_ANSWERS: usize = 600;

/// A quorum, or the reason why there is none.
#[derive(Debug)]
pub(crate) enum Certified {
    /// More than the quorum signed.
    Quorum(QuorumCertificate),
    /// A validator signed this attempt with other data: the next attempt may do.
    OtherAttempt(String),
}

/// Asks this node first, then all other members at once, until a quorum signed.
pub(crate) struct Collector<'a> {
    pub(crate) service: &'a CheckpointService,
    pub(crate) signer: &'a Arc<dyn ConsensusSigner>,
    pub(crate) peers: &'a PeerClient,
    pub(crate) view: &'a L1View,
    pub(crate) set: &'a EpochSet,
    pub(crate) witness: &'a Witness,
}

impl Collector<'_> {
    /// `proofs` are those of the blobs that the data is in; empty for calldata.
    pub(crate) async fn collect(
        &self,
        row: &BatchRow,
        proofs: Bytes,
    ) -> Result<Certified, BatcherError> {
        let request = request_of(row, proofs);
        let digest = self.signer.domain().checkpoint_digest(&request.checkpoint);
        let mut signatures: BTreeMap<Address, Signature> = BTreeMap::new();
        match self.service.sign(request.clone()).await {
            Ok(signature) => {
                signatures.insert(self.signer.address(), signature);
            }
            Err(PeerRefusal::Conflict(reason)) => return Ok(Certified::OtherAttempt(reason)),
            Err(refusal) => {
                let index = row.header.batch_index;
                return Err(BatcherError::OwnSignature { index, reason: refusal.to_string() });
            }
        }
        let mut asked: FuturesUnordered<_> = self
            .set
            .committee
            .members()
            .iter()
            .filter(|member| member.signer != self.signer.address())
            .map(|member| self.ask(member, &request, digest))
            .collect();
        let mut answers = String::new();
        let mut conflict = None;
        while !self.is_quorum(&signatures) {
            let Some((member, answer)) = asked.next().await else { break };
            match answer {
                Ok(signature) => {
                    signatures.insert(member.signer, signature);
                }
                Err(reason) => {
                    debug!(batch = row.header.batch_index, validator = member.id, %reason, "no checkpoint signature");
                    if answers.len() < MAX_ANSWERS {
                        let _ = write!(answers, "validator {}: {reason}; ", member.id);
                    }
                    if matches!(
                        reason,
                        NoSignature::Peer(PeerError::Refused(PeerRefusal::Conflict(_)))
                    ) {
                        conflict = Some(reason.to_string());
                    }
                }
            }
        }
        let collected = signatures.iter().map(|(signer, signature)| (*signer, *signature));
        self.witness.saw(request.checkpoint, collected.collect::<Vec<_>>().into_iter()).await?;
        if self.is_quorum(&signatures) {
            return self.assemble(row, digest, &signatures).map(Certified::Quorum);
        }
        if let Some(reason) = conflict {
            return Ok(Certified::OtherAttempt(reason));
        }
        Err(BatcherError::NoQuorum {
            index: row.header.batch_index,
            signed: self.weight(&signatures),
            total: self.set.committee.total_weight(),
            answers,
        })
    }

    async fn ask(
        &self,
        member: &Member,
        request: &CheckpointRequest,
        digest: B256,
    ) -> (Member, Result<Signature, NoSignature>) {
        (*member, self.signature_of(member, request, digest).await)
    }

    async fn signature_of(
        &self,
        member: &Member,
        request: &CheckpointRequest,
        digest: B256,
    ) -> Result<Signature, NoSignature> {
        let info = self.view.endpoint_of(member).ok_or(NoSignature::NotRegistered)?;
        let target = PeerTarget::new(info.node_id, &info.rpc_endpoint)?;
        let signature = self.peers.request_checkpoint(&target, request).await?;
        // The peer proved its node key; the certificate needs the validator's.
        match signature.recover(digest) {
            Ok(signer) if signer == member.signer => Ok(signature),
            _ => Err(NoSignature::WrongSigner),
        }
    }

    fn weight(&self, signatures: &BTreeMap<Address, Signature>) -> u64 {
        let members = self.set.committee.members().iter();
        members.filter(|member| signatures.contains_key(&member.signer)).map(|m| m.weight).sum()
    }

    fn is_quorum(&self, signatures: &BTreeMap<Address, Signature>) -> bool {
        self.set.quorum.is_reached(self.weight(signatures), self.set.committee.total_weight())
    }

    fn assemble(
        &self,
        row: &BatchRow,
        digest: B256,
        signatures: &BTreeMap<Address, Signature>,
    ) -> Result<QuorumCertificate, BatcherError> {
        let collected: Vec<_> = signatures.iter().map(|(signer, sig)| (*signer, *sig)).collect();
        QuorumCertificate::assemble(row.attempt, digest, &self.set.committee, &collected)
            .map_err(|source| BatcherError::Certificate { index: row.header.batch_index, source })
    }
}

#[derive(Debug, thiserror::Error)]
enum NoSignature {
    #[error("not among the registered validators")]
    NotRegistered,
    #[error("the signature is not this validator's")]
    WrongSigner,
    #[error(transparent)]
    Peer(#[from] PeerError),
}

/// What validators are asked to sign for a stored batch.
pub(crate) fn request_of(row: &BatchRow, proofs: Bytes) -> CheckpointRequest {
    CheckpointRequest {
        checkpoint: checkpoint_of(row),
        header: row.header,
        da: row.da,
        skips: row.skips.clone(),
        data: row.data.clone(),
        proofs,
    }
}

/// The checkpoint of a stored batch.
pub(crate) fn checkpoint_of(row: &BatchRow) -> Checkpoint {
    Checkpoint {
        era: row.header.era,
        epoch: row.header.epoch,
        batch_index: row.header.batch_index,
        attempt: row.attempt,
        parent_batch_hash: row.header.parent_batch_hash,
        content_hash: row.header.content_hash(),
        da_hash: row.da.da_hash(),
    }
}
