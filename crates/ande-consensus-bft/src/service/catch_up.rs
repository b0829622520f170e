//! Peers that catch up with us, and we with them.

use std::ops::RangeInclusive;

use alloy_primitives::Address;
use ande_consensus::{Candidate, StartHeight, Verdict};
use ande_primitives::{Block, Canonical as _, Commit, Height, Round};
use bytes::Bytes;
use malachitebft_core_types::{Round as EngineRound, Validity};
use malachitebft_engine::host::{ProposedValue, SyncedValueOutcome};
use malachitebft_sync::RawDecidedValue;
use ractor::RpcReplyPort;
use tracing::{error, warn};

use super::{Service, Shared};
use crate::{
    certificate::to_engine,
    context::{self, BlockHash, Ctx},
    rules::{Built, check_block},
};

/// Bytes of blocks in one answer; the transport takes 10 MiB.
const MAX_ANSWER_BYTES: usize = 8 << 20;

impl Service {
    pub(super) fn on_oldest(&mut self, reply: RpcReplyPort<context::Height>) {
        let shared = self.shared.clone();
        self.spawn(async move {
            let oldest = match shared.app.oldest_commit().await {
                Ok(oldest) => oldest,
                Err(error) => {
                    warn!(%error, "the oldest block is not known, peers cannot catch up with us");
                    Height(u64::MAX)
                }
            };
            let _ = reply.send(oldest.into());
        });
    }

    pub(super) fn on_commits(
        &mut self,
        range: RangeInclusive<context::Height>,
        reply: RpcReplyPort<Vec<RawDecidedValue<Ctx>>>,
    ) {
        let shared = self.shared.clone();
        self.spawn(async move {
            let (first, last) = range.into_inner();
            let commits = shared.app.commits(first.into()..=last.into(), MAX_ANSWER_BYTES).await;
            let values = match commits {
                Ok(commits) => commits.into_iter().map(decided_value).collect(),
                Err(error) => {
                    warn!(%error, "stored blocks cannot be read, a peer cannot catch up with us");
                    Vec::new()
                }
            };
            let _ = reply.send(values);
        });
    }

    /// A block with a certificate that the engine has verified.
    pub(super) fn on_synced(
        &mut self,
        height: Height,
        round: Round,
        proposer: Address,
        bytes: Bytes,
        reply: RpcReplyPort<SyncedValueOutcome<Ctx>>,
    ) {
        let Some(running) = self.state.open(height) else {
            let _ = reply.send(SyncedValueOutcome::LocalTransientError);
            return;
        };
        let start = running.start.clone();
        let shared = self.shared.clone();
        self.spawn(async move {
            let outcome = judge_synced(&shared, &start, round, proposer, &bytes).await;
            let _ = reply.send(outcome);
        });
    }
}

fn decided_value(commit: Commit) -> RawDecidedValue<Ctx> {
    RawDecidedValue::new(commit.block.to_canonical().into(), to_engine(commit.certificate))
}

async fn judge_synced(
    shared: &Shared,
    start: &StartHeight,
    round: Round,
    proposer: Address,
    bytes: &[u8],
) -> SyncedValueOutcome<Ctx> {
    let height = start.height;
    let chain = shared.config.l2_chain_id;
    let Ok(block) = Block::from_canonical(bytes) else {
        return SyncedValueOutcome::PeerFault;
    };
    // The certificate is good, so a block that breaks the rules is not the certified one.
    if let Err(error) = check_block(start, chain, &block, Built::Until(round)) {
        warn!(height = height.0, %error, "a peer sent a wrong block to catch up with");
        return SyncedValueOutcome::PeerFault;
    }
    let hash = block.hash();
    let candidate = Candidate { block, round, valid_round: None, proposer };
    let validity = match shared.app.adopt(start, &candidate).await {
        Verdict::Valid => Validity::Valid,
        Verdict::Invalid(reason) => {
            error!(
                height = height.0, %hash, reason,
                "a block to catch up with is invalid here; if its certificate names it, this node \
                 disagrees with the quorum"
            );
            Validity::Invalid
        }
        Verdict::Unknown(reason) => {
            warn!(height = height.0, %hash, reason, "a block to catch up with cannot be judged yet");
            return SyncedValueOutcome::LocalTransientError;
        }
    };
    SyncedValueOutcome::Verdict(ProposedValue {
        height: height.into(),
        round: EngineRound::new(round.0),
        valid_round: EngineRound::Nil,
        proposer: context::Address(proposer),
        value: BlockHash(hash),
        validity,
    })
}
