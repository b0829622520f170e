//! Decisions: committed once, in order, with a certificate; then evidence and the next height.

use ande_consensus::{AppError, EngineError, Evidence};
use ande_primitives::{Certificate, Commit, CommitSignature, Height, Round};
use malachitebft_core_consensus::MisbehaviorEvidence;
use malachitebft_core_types::CommitCertificate;
use malachitebft_engine::host::Next;
use ractor::RpcReplyPort;
use tracing::{info, warn};

use super::{
    Service, Shared,
    propose::stored_block,
    state::{Done, StartPort},
};
use crate::{context::Ctx, evidence::from_engine};

impl Service {
    /// The engine has decided. The commit runs in a task that is not dropped.
    pub(super) fn on_decided(
        &mut self,
        decided: &CommitCertificate<Ctx>,
        reply: RpcReplyPort<()>,
    ) -> Result<(), EngineError> {
        let height: Height = decided.height.into();
        let Some(running) = self.state.open(height) else {
            return Err(AppError::Fatal(format!(
                "the engine decided height {height}, which does not run or is decided already"
            ))
            .into());
        };
        running.decided = true;
        let hash = decided.value_id.0;
        let known = running.valid(&hash);
        let set = running.start.set.clone();
        // What is left to happen at this height needs no blocks.
        running.blocks.clear();
        running.unclaimed.clear();
        let certificate =
            certificate(decided, set.era, set.epoch).map_err(|error| fatal(height, error))?;
        let (shared, report) = (self.shared.clone(), self.report.clone());
        self.commits.spawn(async move {
            let committed = async {
                certificate
                    .verify(&shared.domain, &set)
                    .map_err(|error| fatal(height, &error.to_string()))?;
                let block = match known {
                    Some(block) => block,
                    None => stored_block(&shared, height, hash)
                        .await
                        .ok_or_else(|| fatal(height, "the decided block is not stored"))?,
                };
                let round = certificate.round.0;
                let block = std::sync::Arc::unwrap_or_clone(block);
                let transactions = block.transactions.len();
                shared.app.commit(Commit { block, certificate }).await?;
                info!(height = height.0, round, %hash, transactions, "block committed");
                Ok::<_, EngineError>(())
            };
            let done = match committed.await {
                Ok(()) => {
                    // From here on the engine offers the block to peers that catch up.
                    let _ = reply.send(());
                    Done::Committed(height)
                }
                Err(error) => Done::Failed(error),
            };
            let _ = report.send(done);
        });
        Ok(())
    }

    pub(super) fn on_committed(&mut self, height: Height) {
        self.state.streams.prune(height.next());
        self.prepare_next(height);
    }

    /// The height is over: what is left is evidence, and to start the next one.
    pub(super) fn on_finalized(
        &mut self,
        height: Height,
        evidence: &MisbehaviorEvidence<Ctx>,
        reply: RpcReplyPort<Next<Ctx>>,
    ) {
        if !evidence.is_empty() {
            warn!(height = height.0, "validators contradicted themselves");
        }
        let shared = self.shared.clone();
        let evidence = from_engine(&shared.domain, &shared.scopes, evidence);
        self.report_evidence(evidence);
        self.state.port = Some(StartPort::Next(reply));
        self.show_idle();
        self.start_if_due();
    }

    pub(super) fn report_evidence(&mut self, evidence: impl IntoIterator<Item = Evidence>) {
        for evidence in evidence {
            warn!(
                signer = %evidence.signer, height = evidence.first.vote.height.0,
                round = evidence.first.vote.round.0, kind = ?evidence.first.vote.kind,
                "a validator signed two votes for one slot"
            );
            let shared = self.shared.clone();
            // Waited for like a commit: a proof is not seen twice.
            self.commits.spawn(async move { shared.app.misbehaviour(evidence).await });
        }
    }
}

fn fatal(height: Height, reason: &str) -> EngineError {
    AppError::Fatal(format!("height {height} cannot be committed: {reason}")).into()
}

/// The engine's certificate in the chain's terms: ascending by signer.
pub(super) fn certificate(
    decided: &CommitCertificate<Ctx>,
    era: ande_primitives::Era,
    epoch: ande_primitives::Epoch,
) -> Result<Certificate, &'static str> {
    let round = decided.round.as_u32().map(Round).ok_or("a certificate of the nil round")?;
    let mut signatures: Vec<CommitSignature> = decided
        .commit_signatures
        .iter()
        .map(|entry| CommitSignature {
            signer: entry.address.0,
            signature: entry.signature.main,
        })
        .collect();
    signatures.sort_by_key(|entry| entry.signer);
    signatures.dedup_by_key(|entry| entry.signer);
    Ok(Certificate {
        era,
        epoch,
        height: decided.height.into(),
        round,
        block_hash: decided.value_id.0,
        signatures,
    })
}

impl Shared {
    /// The chain's certificate as the engine sends it to peers that catch up.
    pub(super) fn engine_certificate(
        certificate: Certificate,
    ) -> malachitebft_core_types::ExtendedCommitCertificate<Ctx> {
        use malachitebft_core_types::{
            ExtendedCommitCertificate, ExtendedCommitSignature, Round as EngineRound,
        };

        use crate::{
            context::{Address, BlockHash},
            scheme::EngineSignature,
        };
        let commit_signatures = certificate
            .signatures
            .into_iter()
            .map(|entry| {
                let signature = EngineSignature::of_vote(entry.signature);
                ExtendedCommitSignature::new(Address(entry.signer), signature, None)
            })
            .collect();
        ExtendedCommitCertificate {
            height: certificate.height.into(),
            round: EngineRound::new(certificate.round.0),
            value_id: BlockHash(certificate.block_hash),
            commit_signatures,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use ande_primitives::{Epoch, Era, Vote, VoteKind};
    use malachitebft_core_types::{CommitSignature as EngineCommit, Round as EngineRound};

    use super::*;
    use crate::{
        context::{Address, BlockHash, Height as EngineHeight},
        scheme::EngineSignature,
        test_support::{domain, key, set},
    };

    fn decided(signers: &[u8]) -> CommitCertificate<Ctx> {
        let block_hash = B256::repeat_byte(5);
        let vote = Vote {
            era: Era(0),
            epoch: Epoch(0),
            height: Height(12),
            round: Round(1),
            kind: VoteKind::Precommit,
            block_hash,
        };
        let digest = domain().vote_digest(&vote);
        let commit_signatures = signers
            .iter()
            .map(|index| {
                let signature = key(*index).sign_digest(digest).unwrap();
                let address = Address(key(*index).address());
                EngineCommit::new(address, EngineSignature::of_vote(signature))
            })
            .collect();
        CommitCertificate {
            height: EngineHeight(12),
            round: EngineRound::new(1),
            value_id: BlockHash(block_hash),
            commit_signatures,
        }
    }

    #[test]
    fn certificates_are_the_chain_s() {
        for signers in [[0, 1, 2], [2, 1, 0], [3, 0, 1]] {
            let certificate = certificate(&decided(&signers), Era(0), Epoch(0)).unwrap();
            assert_eq!(certificate.verify(&domain(), &set()), Ok(30));
            let back = Shared::engine_certificate(certificate.clone());
            assert!(back.commit_signatures.is_sorted_by_key(|entry| entry.address));
            let again =
                super::certificate(&back.trim_vote_extensions(), Era(0), Epoch(0)).unwrap();
            assert_eq!(again, certificate);
        }
    }

    #[test]
    fn too_few_signers_do_not_certify() {
        let certificate = certificate(&decided(&[0, 1, 1]), Era(0), Epoch(0)).unwrap();
        assert!(certificate.verify(&domain(), &set()).is_err());
    }
}
