//! Blocks of others: assembled, checked, judged by the application, given to the engine.

use std::sync::Arc;

use alloy_primitives::B256;
use ande_consensus::{Candidate, Verdict};
use ande_primitives::{Block, Canonical as _, Height, Round};
use malachitebft_core_types::{Round as EngineRound, SignedMessage, Validity};
use malachitebft_engine::{
    host::ProposedValue,
    util::streaming::{StreamContent, StreamMessage},
};
use malachitebft_sync::PeerId;
use tracing::{debug, warn};

use super::{
    Service, Shared,
    state::{Done, Known, Opened},
};
use crate::{
    assembly::{Assembled, HEIGHT_WINDOW, Owner},
    context::{self, BlockHash, Ctx, Proposal},
    rules::{Built, check_block},
    wire::{Init, ProposalPart},
};

/// Blocks that are judged of one streamer in a round. A second one proves a contradiction, a third
/// one proves nothing new.
const BLOCKS_PER_ROUND: usize = 2;
/// Messages that wait for one verdict.
const MAX_WAITING: usize = 64;
/// Rounds ahead of the current one whose blocks are judged; the engine looks as far ahead.
const ROUND_WINDOW: u32 = 10;
/// Blocks of one streamer other than the proposer that wait for the proposal.
const UNCLAIMED_PER_STREAMER: usize = 2;
/// Proposals noted per height.
const MAX_PROPOSED: usize = 256;

impl Service {
    /// A part of a stream.
    pub(super) fn on_part(&mut self, publisher: PeerId, part: StreamMessage<ProposalPart>) {
        if matches!(part.content, StreamContent::Data(ProposalPart::Wake(_))) {
            return;
        }
        // The transport authenticates publishers, but lets messages of anybody be relayed: those
        // that are not configured share one small quota.
        let owner =
            if self.is_peer(&publisher) { Owner::Peer(publisher) } else { Owner::Strangers };
        let lowest = self.state.lowest();
        match self.state.streams.accept(publisher, owner, lowest, part) {
            Ok(Some(assembled)) => {
                let (shared, report) = (self.shared.clone(), self.report.clone());
                self.tasks.spawn_blocking(move || match open(&shared, assembled) {
                    Ok(opened) => {
                        let _ = report.send(Done::Opened(Box::new(opened)));
                    }
                    Err(error) => warn!(%publisher, error, "a streamed block was dropped"),
                });
            }
            Ok(None) => {}
            Err(error) => debug!(%publisher, %error, "a part was dropped"),
        }
    }

    /// A whole block whose hash is the announced one.
    pub(super) fn on_opened(&mut self, opened: Opened) {
        let height = opened.init.height;
        let lowest = self.state.lowest();
        if height < lowest || height.0 > lowest.0.saturating_add(HEIGHT_WINDOW) {
            return;
        }
        let Some(running) = self.state.open(height) else {
            if self.may_be_member(&opened) {
                self.state.early.keep(opened);
            }
            return;
        };
        let init = &opened.init;
        if init.round.0 > running.round.0.saturating_add(ROUND_WINDOW)
            || init.proposer != running.start.proposer(init.round)
            || running.start.set.committee.get(opened.streamer).is_none()
        {
            warn!(
                height = height.0, round = init.round.0, streamer = %opened.streamer,
                "a block of somebody who may not propose it was dropped"
            );
            return;
        }
        // Others than the proposer bring up a block only together with the proposal.
        let is_claimed = opened.streamer == init.proposer
            || running.proposed.contains(&(init.round, init.block_hash));
        if !is_claimed {
            let waiting = &mut running.unclaimed;
            let same = waiting.iter().filter(|other| other.streamer == opened.streamer).count();
            if same < UNCLAIMED_PER_STREAMER {
                waiting.push(opened);
            }
            return;
        }
        self.judge(opened);
    }

    /// Whether a streamer of a later height is in its committee, as far as that is known.
    fn may_be_member(&self, opened: &Opened) -> bool {
        let upcoming = self.state.upcoming.as_ref().map(|next| &next.start);
        let running = self.state.running.as_ref().map(|running| &running.start);
        upcoming.or(running).is_none_or(|start| {
            !start.set.contains(opened.init.height)
                || start.set.committee.get(opened.streamer).is_some()
        })
    }

    /// Remembers proposals of the running height, so that validators that are locked on one may
    /// stream its block.
    pub(super) fn note_proposal(&mut self, proposal: &SignedMessage<Ctx, Proposal>) {
        let Some(round) = proposal.message.round.as_u32().map(Round) else {
            return;
        };
        let verifier = self.shared.verifier.clone();
        let Some(running) = self.state.open(proposal.message.height.into()) else {
            return;
        };
        let (signer, hash) = (proposal.message.proposer.0, proposal.message.value.0);
        if running.start.proposer(round) != signer
            || running.proposed.len() >= MAX_PROPOSED
            || running.proposed.contains(&(round, hash))
            || !verifier.is_proposal_by(&proposal.message, &proposal.signature, signer)
        {
            return;
        }
        running.proposed.insert((round, hash));
        self.shared.view.send_if_modified(|view| {
            let is_new = view.round == round && !view.proposal;
            view.proposal |= is_new;
            is_new
        });
        let (claimed, rest) =
            std::mem::take(&mut running.unclaimed).into_iter().partition(|opened: &Opened| {
                (opened.init.round, opened.init.block_hash) == (round, hash)
            });
        running.unclaimed = rest;
        for opened in claimed {
            self.judge(opened);
        }
    }

    /// Judges a block of the running height once, whatever brings it.
    fn judge(&mut self, opened: Opened) {
        let Opened { init, streamer, block } = opened;
        let shared = self.shared.clone();
        let Some(running) = self.state.open(init.height) else {
            return;
        };
        match running.blocks.get_mut(&init.block_hash) {
            Some(Known::Valid(_)) => shared.deliver(proposed_value(&init, Validity::Valid)),
            Some(Known::Invalid) => shared.deliver(proposed_value(&init, Validity::Invalid)),
            Some(Known::Judging(waiting) | Known::Undecided(_, waiting)) => {
                if waiting.len() < MAX_WAITING {
                    waiting.push(init);
                }
            }
            None => {
                let brought = running.brought.entry((init.round, streamer)).or_default();
                if *brought >= BLOCKS_PER_ROUND {
                    warn!(height = init.height.0, %streamer, "too many blocks for one round");
                    return;
                }
                *brought += 1;
                running.blocks.insert(init.block_hash, Known::Judging(vec![init.clone()]));
                self.ask(&init, block);
            }
        }
    }

    fn ask(&mut self, init: &Init, block: Arc<Block>) {
        let Some(running) = self.state.open(init.height) else {
            return;
        };
        let start = running.start.clone();
        let (height, hash) = (init.height, init.block_hash);
        let built = init.pol_round.map_or(Built::In(init.round), Built::Until);
        let candidate = Candidate {
            block: Block::clone(&block),
            round: init.round,
            valid_round: init.pol_round,
            proposer: init.proposer,
        };
        let (shared, report) = (self.shared.clone(), self.report.clone());
        self.spawn(async move {
            let chain = shared.config.l2_chain_id;
            let verdict = match check_block(&start, chain, &block, built) {
                Ok(()) => shared.app.validate(&start, &candidate).await,
                Err(error) => Verdict::Invalid(error.to_string()),
            };
            let _ = report.send(Done::Judged { height, hash, block, verdict });
        });
    }

    pub(super) fn on_judged(
        &mut self,
        height: Height,
        hash: B256,
        block: Arc<Block>,
        verdict: Verdict,
    ) {
        let shared = self.shared.clone();
        let Some(running) = self.state.open(height) else {
            return;
        };
        let waiting = match running.blocks.remove(&hash) {
            Some(Known::Judging(waiting)) => waiting,
            // Our own block or a stored one came in between: that verdict stands.
            Some(other) => {
                running.blocks.insert(hash, other);
                return;
            }
            None => return,
        };
        let (known, validity) = match verdict {
            Verdict::Valid => (Known::Valid(block), Validity::Valid),
            Verdict::Invalid(reason) => {
                warn!(height = height.0, %hash, reason, "a proposed block is invalid");
                (Known::Invalid, Validity::Invalid)
            }
            Verdict::Unknown(reason) => {
                warn!(height = height.0, %hash, reason, "a proposed block cannot be judged yet");
                running.blocks.insert(hash, Known::Undecided(block, waiting));
                return;
            }
        };
        running.blocks.insert(hash, known);
        for init in &waiting {
            shared.deliver(proposed_value(init, validity));
        }
    }

    /// A new round: blocks that could not be judged get another chance.
    pub(super) fn retry_undecided(&mut self) {
        let Some(running) = self.state.running.as_mut().filter(|running| !running.decided) else {
            return;
        };
        let mut again = Vec::new();
        for known in running.blocks.values_mut() {
            if let Known::Undecided(block, waiting) = known {
                let block = block.clone();
                let waiting = std::mem::take(waiting);
                again.extend(waiting.first().cloned().map(|init| (init, block)));
                *known = Known::Judging(waiting);
            }
        }
        for (init, block) in again {
            self.ask(&init, block);
        }
    }

    /// Reads what an earlier run of the process stored for the height it was stopped in.
    pub(super) fn load_candidates(&mut self, height: Height) {
        let (shared, report) = (self.shared.clone(), self.report.clone());
        self.spawn(async move {
            match shared.app.candidates(height).await {
                Ok(candidates) => {
                    let _ = report.send(Done::Stored { height, candidates });
                }
                Err(error) => warn!(height = height.0, %error, "stored candidates are not read"),
            }
        });
    }

    pub(super) fn on_stored(&mut self, height: Height, candidates: Vec<Candidate>) {
        let shared = self.shared.clone();
        let Some(running) = self.state.open(height) else {
            return;
        };
        for candidate in candidates {
            let Candidate { block, round, valid_round, proposer } = candidate;
            let chain = shared.config.l2_chain_id;
            if check_block(&running.start, chain, &block, Built::Until(round)).is_err() {
                continue;
            }
            let value = ProposedValue {
                height: height.into(),
                round: EngineRound::new(round.0),
                valid_round: valid_round
                    .map_or(EngineRound::Nil, |round| EngineRound::new(round.0)),
                proposer: context::Address(proposer),
                value: BlockHash(block.hash()),
                validity: Validity::Valid,
            };
            running.blocks.entry(block.hash()).or_insert_with(|| Known::Valid(Arc::new(block)));
            shared.deliver(value);
        }
    }
}

/// Checks that the bytes are the announced block and who streamed it.
fn open(shared: &Shared, assembled: Assembled) -> Result<Opened, String> {
    let Assembled { init, block } = assembled;
    let streamer = init.streamer(&shared.domain).map_err(|error| error.to_string())?;
    let block = Block::from_canonical(&block).map_err(|error| error.to_string())?;
    if block.hash() != init.block_hash {
        return Err("the block does not have the announced hash".to_owned());
    }
    Ok(Opened { init, streamer, block: Arc::new(block) })
}

fn proposed_value(init: &Init, validity: Validity) -> ProposedValue<Ctx> {
    ProposedValue {
        height: init.height.into(),
        round: EngineRound::new(init.round.0),
        valid_round: init.pol_round.map_or(EngineRound::Nil, |round| EngineRound::new(round.0)),
        proposer: context::Address(init.proposer),
        value: BlockHash(init.block_hash),
        validity,
    }
}
