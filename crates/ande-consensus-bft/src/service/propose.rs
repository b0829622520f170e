//! Our own turn, and blocks brought up again.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Address, B256};
use ande_consensus::{AppError, StartHeight, Turn};
use ande_primitives::{Block, Canonical as _, Height, Round, Signature};
use bytes::Bytes;
use malachitebft_engine::{
    host::LocallyProposedValue,
    network::NetworkMsg,
    util::streaming::{StreamContent, StreamId, StreamMessage},
};
use ractor::RpcReplyPort;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::{
    Service, Shared,
    state::{Done, Known},
};
use crate::{
    context::{BlockHash, Ctx},
    rules::{Built, check_block},
    wire::{CHUNK_BYTES, Init, ProposalPart, StreamKey},
};

/// Part of the propose timeout that building may take; the rest is for streaming and executing.
const BUILD_SHARE: f64 = 0.4;
/// Longest wait of a proposer that was called for the work to arrive.
const MAX_GRACE: Duration = Duration::from_millis(250);

type Reply = RpcReplyPort<LocallyProposedValue<Ctx>>;

impl Service {
    /// It is our turn. Without a reply the round times out.
    pub(super) fn on_get_value(
        &mut self,
        height: Height,
        round: Round,
        timeout: Duration,
        reply: Reply,
    ) {
        let deadline = Instant::now() + timeout.mul_f64(BUILD_SHARE);
        let Some(running) = self.state.open(height) else {
            return;
        };
        let turn = Turn { start: running.start.clone(), round };
        // Somebody else has work; it is on its way to us as well.
        let called = round == Round(0) && !running.own_work;
        let nonce = self.next_nonce();
        let (shared, report) = (self.shared.clone(), self.report.clone());
        self.spawn(async move {
            if called {
                let grace = (shared.config.block_time / 4).min(MAX_GRACE);
                // Either way we build.
                let _ = tokio::time::timeout(grace, shared.app.work(&turn.start.parent)).await;
            }
            let block = match build(&shared, &turn, deadline).await {
                Ok(Some(block)) => block,
                Ok(None) => return,
                Err(error) => {
                    let _ = report.send(Done::Failed(error.into()));
                    return;
                }
            };
            let hash = block.hash();
            // Reserved before anybody can see the block: if the guard knows another block for
            // this slot we stay silent and prevote nil like everybody else.
            if !shared.signer.may_propose(height, round, hash).await {
                return;
            }
            let _ = report.send(Done::Built { height, block: block.clone() });
            let value = LocallyProposedValue::new(
                height.into(),
                malachitebft_core_types::Round::new(round.0),
                BlockHash(hash),
            );
            if reply.send(value).is_err() {
                debug!("the round ended before our block was built");
                return;
            }
            let proposer = shared.address;
            stream(&shared, StreamPlan { height, round, pol_round: None, proposer, nonce }, &block)
                .await;
        });
    }

    pub(super) fn on_built(&mut self, height: Height, block: Arc<Block>) {
        if let Some(running) = self.state.open(height) {
            running.blocks.insert(block.hash(), Known::Valid(block));
        }
    }

    /// The engine proposes a block of an earlier round again, or spreads the block it is locked on.
    pub(super) fn on_restream(
        &mut self,
        height: Height,
        round: Round,
        pol_round: Option<Round>,
        proposer: Address,
        hash: B256,
    ) {
        let nonce = self.next_nonce();
        let known = self.state.open(height).and_then(|running| running.valid(&hash));
        let shared = self.shared.clone();
        self.spawn(async move {
            let block = match known {
                Some(block) => Some(block),
                None => stored_block(&shared, height, hash).await,
            };
            match block {
                Some(block) => {
                    let plan = StreamPlan { height, round, pol_round, proposer, nonce };
                    stream(&shared, plan, &block).await;
                }
                None => warn!(height = height.0, %hash, "a block to stream again is not stored"),
            }
        });
    }

    fn next_nonce(&mut self) -> u32 {
        self.state.nonce = self.state.nonce.wrapping_add(1);
        self.state.nonce
    }
}

/// A candidate that the application has stored.
pub(super) async fn stored_block(
    shared: &Shared,
    height: Height,
    hash: B256,
) -> Option<Arc<Block>> {
    match shared.app.candidates(height).await {
        Ok(candidates) => candidates
            .into_iter()
            .find(|candidate| candidate.block.hash() == hash)
            .map(|candidate| Arc::new(candidate.block)),
        Err(error) => {
            error!(height = height.0, %error, "stored candidates cannot be read");
            None
        }
    }
}

/// The block of our turn; none if there is none in time. A fatal fault is passed on.
async fn build(
    shared: &Shared,
    turn: &Turn,
    deadline: Instant,
) -> Result<Option<Arc<Block>>, AppError> {
    let height = turn.start.height.0;
    let round = turn.round.0;
    let built = tokio::time::timeout_at(deadline, shared.app.build(turn, deadline.into_std()));
    let block = match built.await {
        Ok(Ok(block)) => block,
        Ok(Err(AppError::Unavailable(reason))) => {
            warn!(height, round, reason, "no block was built");
            return Ok(None);
        }
        Ok(Err(fatal @ AppError::Fatal(_))) => return Err(fatal),
        Err(_) => {
            warn!(height, round, "no block was built in time");
            return Ok(None);
        }
    };
    if let Err(error) = check_own(shared, &turn.start, turn.round, &block) {
        error!(height, round, error, "the built block breaks the rules, it is not proposed");
        return Ok(None);
    }
    info!(height, round, transactions = block.transactions.len(), "block built");
    Ok(Some(Arc::new(block)))
}

fn check_own(
    shared: &Shared,
    start: &StartHeight,
    round: Round,
    block: &Block,
) -> Result<(), String> {
    block.check().map_err(|error| error.to_string())?;
    let chain = shared.config.l2_chain_id;
    check_block(start, chain, block, Built::In(round)).map_err(|error| error.to_string())
}

/// What a stream is for.
struct StreamPlan {
    height: Height,
    round: Round,
    pol_round: Option<Round>,
    proposer: Address,
    nonce: u32,
}

/// Sends a block to all peers.
async fn stream(shared: &Shared, plan: StreamPlan, block: &Block) {
    let bytes = Bytes::from(block.to_canonical());
    let Ok(length) = u32::try_from(bytes.len()) else {
        return;
    };
    let StreamPlan { height, round, pol_round, proposer, nonce } = plan;
    let mut init = Init {
        height,
        round,
        pol_round,
        proposer,
        block_hash: block.hash(),
        length,
        signature: Signature::from_bytes([0; 65]),
    };
    let (tag, message) = init.signed_bytes();
    let Some(signature) = shared.signer.sign_engine(tag, &message).await else {
        return;
    };
    init.signature = signature;
    let key = StreamKey { height, round, nonce };
    let chunks = bytes.len().div_ceil(CHUNK_BYTES);
    let data = (0..chunks).map(|index| {
        let from = index * CHUNK_BYTES;
        let to = (from + CHUNK_BYTES).min(bytes.len());
        StreamContent::Data(ProposalPart::Data(bytes.slice(from..to)))
    });
    let contents = std::iter::once(StreamContent::Data(ProposalPart::Init(init)))
        .chain(data)
        .chain(std::iter::once(StreamContent::Fin));
    for (sequence, content) in contents.enumerate() {
        let message = StreamMessage::new(StreamId::new(key.to_bytes()), sequence as u64, content);
        if shared.network.cast(NetworkMsg::PublishProposalPart(message)).is_err() {
            return;
        }
    }
}
