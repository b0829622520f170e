//! Decisions: committed once, in order, with a certificate; then evidence and the next height.

use ande_consensus::{AppError, EngineError, Evidence};
use ande_primitives::{Commit, Height};
use malachitebft_core_consensus::MisbehaviorEvidence;
use malachitebft_core_types::CommitCertificate;
use malachitebft_engine::host::Next;
use ractor::RpcReplyPort;
use tracing::{info, warn};

use super::{
    Service,
    propose::stored_block,
    state::{Done, StartPort},
};
use crate::{certificate::to_chain, context::Ctx, evidence::from_engine};

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
