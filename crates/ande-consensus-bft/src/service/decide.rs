//! Decisions: committed once, in order, with a certificate; then evidence and the next height.

use alloy_primitives::keccak256;
use ande_consensus::{AppError, EngineError, Evidence};
use ande_failpoint::corrupts;
use ande_primitives::{Commit, Height};
use malachitebft_core_consensus::{MisbehaviorEvidence, SignedConsensusMsg};
use malachitebft_core_types::{CommitCertificate, NilOrVal, VoteType};
use malachitebft_engine::{host::Next, network::NetworkMsg};
use malachitebft_signing::Signer as _;
use ractor::RpcReplyPort;
use tracing::{info, warn};

use super::{
    Service, Shared,
    propose::stored_block,
    state::{Done, StartPort},
};
use crate::{
    certificate::to_chain,
    context::{Address, BlockHash, Ctx, Vote},
    evidence::from_engine,
};

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
            to_chain(decided, set.era, set.epoch).map_err(|error| fatal(height, error))?;
        if corrupts("sign-twice") {
            let (shared, decided) = (self.shared.clone(), decided.clone());
            self.tasks.spawn(async move { contradict(&shared, &decided).await });
        }
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

/// What only a dishonest validator does, for tests: a precommit for another block as well.
async fn contradict(shared: &Shared, decided: &CommitCertificate<Ctx>) {
    let other = BlockHash(keccak256(decided.value_id.0));
    let vote = Vote {
        kind: VoteType::Precommit,
        height: decided.height,
        round: decided.round,
        value: NilOrVal::Val(other),
        signer: Address(shared.address),
    };
    if let Ok(vote) = shared.signer.sign_vote(vote).await {
        let message = SignedConsensusMsg::Vote(vote);
        let _ = shared.network.cast(NetworkMsg::PublishConsensusMsg(message));
    }
}

fn fatal(height: Height, reason: &str) -> EngineError {
    AppError::Fatal(format!("height {height} cannot be committed: {reason}")).into()
}
