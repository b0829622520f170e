//! Between heights: the set of the next one, and whether there is work for it.
//!
//! The next height starts when the application has work, or when another validator is heard at
//! it: a vote or proposal with a good signature, the start of a block stream, or a wake call; or
//! when more than a third of the connected peers say that they are past it. A validator that
//! starts for work of its own and hears nothing of the height sends a wake call, so a transaction
//! that reached one node only still moves the proposer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ande_consensus::{AppError, EngineError, EnginePhase, StartHeight};
use ande_primitives::{Height, Round};
use malachitebft_core_types::HeightParams;
use malachitebft_engine::{
    host::Next,
    network::NetworkMsg,
    util::streaming::{StreamContent, StreamId, StreamMessage},
};
use ractor::RpcReplyPort;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use super::{
    Service, Shared,
    state::{Done, Running, StartPort, Upcoming},
};
use crate::{
    context::{self, Ctx, ValidatorSet},
    rules::check_start,
    wire::{ProposalPart, StreamKey, Wake},
};

/// After this long without an answer the view says that the set is awaited.
const SET_PATIENCE: Duration = Duration::from_millis(200);
/// Pause before the application is asked again after a passing fault.
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// A round number no stream has: marks wake calls.
const WAKE_ROUND: Round = Round(u32::MAX);

impl Service {
    /// The engine has started and asks for its first height.
    pub(super) fn on_consensus_ready(
        &mut self,
        reply: RpcReplyPort<(context::Height, HeightParams<Ctx>)>,
    ) {
        self.asked = true;
        self.state.port = Some(StartPort::First(reply));
        let first = FirstHeight {
            connected: self.state.connected.subscribe(),
            delay: self.shared.config.start_delay,
        };
        self.spawn(prepare(self.shared.clone(), self.report.clone(), Begin::First(first)));
    }

    /// A block was committed: find out about the next height.
    pub(super) fn prepare_next(&mut self, after: Height) {
        let begin = Begin::After(after, self.state.heard.subscribe());
        self.spawn(prepare(self.shared.clone(), self.report.clone(), begin));
    }

    pub(super) fn on_prepared(&mut self, start: StartHeight) {
        let height = start.height;
        self.shared.scopes.insert(height, start.set.clone());
        let is_first = matches!(self.state.port, Some(StartPort::First(_)));
        self.shared.view.send_modify(|view| {
            view.phase = if is_first { EnginePhase::Starting } else { EnginePhase::Deciding };
            view.height = height;
            view.round = Round(0);
            view.round_since = None;
            view.proposal = false;
            view.epoch = start.set.epoch;
            view.skip = start.skip_base;
            let proposer = start.proposer(Round(0));
            view.proposer = Some(proposer);
            view.is_proposer = proposer == self.shared.address;
            view.is_validator = start.set.committee.get(self.shared.address).is_some();
        });
        self.state.upcoming = Some(Upcoming { start, ready: None });
        self.show_idle();
        for hint in std::mem::take(&mut self.state.hints) {
            self.check_hint(hint);
        }
        self.check_tips();
    }

    pub(super) fn on_ready(&mut self, height: Height, own_work: bool) {
        if let Some(upcoming) = &mut self.state.upcoming
            && upcoming.start.height == height
        {
            upcoming.ready = Some(own_work);
        }
        self.start_if_due();
    }

    /// The engine waits for the next height, and there is no reason for one.
    pub(super) fn show_idle(&self) {
        let is_waiting = matches!(self.state.port, Some(StartPort::Next(_)));
        let is_idle = self.state.upcoming.as_ref().is_some_and(|next| next.ready.is_none());
        if is_waiting && is_idle {
            self.shared.view.send_modify(|view| view.phase = EnginePhase::Idle);
        }
    }

    /// Starts the next height once the engine waits for it and there is a reason to.
    pub(super) fn start_if_due(&mut self) {
        let is_ready = self.state.upcoming.as_ref().is_some_and(|next| next.ready.is_some());
        if !is_ready || self.state.port.is_none() {
            return;
        }
        let (Some(Upcoming { start, ready }), Some(port)) =
            (self.state.upcoming.take(), self.state.port.take())
        else {
            return;
        };
        self.start(start, ready.unwrap_or(false), port);
    }

    fn start(&mut self, start: StartHeight, own_work: bool, port: StartPort) {
        let height = start.height;
        let config = &self.shared.config;
        let params =
            HeightParams::new(ValidatorSet::of(&start), config.timeouts(), Some(config.block_time));
        let is_first = matches!(port, StartPort::First(_));
        let calls = own_work
            && start.proposer(Round(0)) != self.shared.address
            && start.set.committee.get(self.shared.address).is_some();
        self.state.streams.prune(height);
        self.state.late_votes.prune(height);
        self.state.running = Some(Running {
            start,
            round: Round(0),
            own_work,
            blocks: Default::default(),
            brought: Default::default(),
            proposed: Default::default(),
            unclaimed: Vec::new(),
            decided: false,
        });
        self.shared.view.send_modify(|view| view.phase = EnginePhase::Deciding);
        let started = match port {
            StartPort::First(reply) => reply.send((height.into(), params)).is_ok(),
            StartPort::Next(reply) => reply.send(Next::Start(height.into(), params)).is_ok(),
        };
        if !started {
            debug!(height = height.0, "the engine stopped before the height could start");
            return;
        }
        debug!(height = height.0, own_work, "height started");
        for opened in self.state.early.take(height) {
            self.on_opened(opened);
        }
        if is_first {
            self.load_candidates(height);
        }
        if calls {
            let heard = self.state.heard.subscribe();
            self.state.nonce = self.state.nonce.wrapping_add(1);
            let nonce = self.state.nonce;
            self.spawn(call_if_silent(self.shared.clone(), height, nonce, heard));
        }
    }

    pub(super) fn on_started_round(
        &mut self,
        height: Height,
        round: Round,
        proposer: alloy_primitives::Address,
    ) {
        let me = self.shared.address;
        let Some(running) = self.state.running.as_mut() else {
            return;
        };
        running.round = round;
        let skip = running.start.skip_of(round);
        let seen = running.proposed.iter().any(|(of, _)| *of == round);
        let wait = self.shared.config.proposer_wait(round);
        self.shared.view.send_modify(|view| {
            view.height = height;
            view.round = round;
            view.round_since = Some(Instant::now());
            view.proposer_wait = wait;
            view.proposal = seen;
            view.skip = skip;
            view.proposer = Some(proposer);
            view.is_proposer = proposer == me;
            if round > Round(0) {
                view.timeouts += 1;
            }
        });
        if round > Round(0) {
            info!(height = height.0, round = round.0, %proposer, "round started after a timeout");
        }
        self.retry_undecided();
    }
}

/// What the first height of a run waits for.
struct FirstHeight {
    connected: watch::Receiver<usize>,
    delay: Duration,
}

impl FirstHeight {
    /// Round 0 of a new chain is lost if nobody is connected yet; give the network a moment.
    /// Counts the committee, not the peers that are configured so far: they may still be looked
    /// up.
    async fn settle(mut self, committee: usize) {
        // With ourselves, more than two thirds.
        let quorum = move |connected: &usize| (*connected + 1) * 3 > committee * 2;
        // Both errors mean that waiting is over.
        let _ = tokio::time::timeout(self.delay, self.connected.wait_for(quorum)).await;
    }
}

/// What a height comes after.
enum Begin {
    /// The start of the process.
    First(FirstHeight),
    /// A height that this run has committed.
    After(Height, watch::Receiver<Height>),
}

/// Finds out about the next height: its set, then whether it may start.
async fn prepare(shared: Arc<Shared>, report: mpsc::UnboundedSender<Done>, begin: Begin) {
    let start = match next_start(&shared, &begin).await {
        Ok(start) => start,
        Err(error) => {
            let _ = report.send(Done::Failed(error));
            return;
        }
    };
    let (height, parent) = (start.height, start.parent);
    let committee = start.set.committee.size();
    if report.send(Done::Prepared(start)).is_err() {
        return;
    }
    let own_work = match begin {
        // After a restart the engine may owe votes of this height, and a node that was away
        // shows that it is back.
        Begin::First(first) => {
            if parent.height == Height(0) {
                first.settle(committee).await;
            }
            false
        }
        Begin::After(_, mut heard) => tokio::select! {
            biased;
            () = shared.app.work(&parent) => true,
            _ = heard.wait_for(|heard| *heard >= height) => false,
        },
    };
    let _ = report.send(Done::Ready { height, own_work });
}

async fn next_start(shared: &Shared, begin: &Begin) -> Result<StartHeight, EngineError> {
    let asked = ask_start(shared);
    tokio::pin!(asked);
    let start = match tokio::time::timeout(SET_PATIENCE, &mut asked).await {
        Ok(start) => start?,
        Err(_) => {
            warn!("the set of the next height is not known yet");
            shared.view.send_modify(|view| {
                view.phase = EnginePhase::WaitingForSet;
                if let Begin::After(height, _) = begin {
                    view.height = height.next();
                }
                view.round = Round(0);
                view.proposer = None;
                view.is_proposer = false;
            });
            asked.await?
        }
    };
    if let Begin::After(height, _) = begin
        && start.height != height.next()
    {
        return Err(AppError::Fatal(format!(
            "the chain wants to start height {} after {height}",
            start.height
        ))
        .into());
    }
    check_start(&start).map_err(|error| AppError::Fatal(error.to_string()))?;
    Ok(start)
}

/// The application's answer; a passing fault is waited out.
async fn ask_start(shared: &Shared) -> Result<StartHeight, AppError> {
    loop {
        match shared.app.start_height().await {
            Err(AppError::Unavailable(reason)) => {
                warn!(reason, "the next height is not available, trying again");
                tokio::time::sleep(RETRY_DELAY).await;
            }
            answer => return answer,
        }
    }
}

/// Calls the proposer if nothing of a height is heard shortly after it was started.
async fn call_if_silent(
    shared: Arc<Shared>,
    height: Height,
    nonce: u32,
    mut heard: watch::Receiver<Height>,
) {
    let patience = (shared.config.block_time / 10)
        .clamp(Duration::from_millis(10), Duration::from_millis(100));
    let silent =
        tokio::time::timeout(patience, heard.wait_for(|heard| *heard >= height)).await.is_err();
    if !silent {
        return;
    }
    let (tag, message) = Wake::signed_bytes(height);
    let Some(signature) = shared.signer.sign_engine(tag, &message).await else {
        return;
    };
    let key = StreamKey { height, round: WAKE_ROUND, nonce };
    let part = ProposalPart::Wake(Wake { height, signature });
    let message = StreamMessage::new(StreamId::new(key.to_bytes()), 0, StreamContent::Data(part));
    if shared.network.cast(NetworkMsg::PublishProposalPart(message)).is_err() {
        debug!("the network stopped before a wake call was sent");
    }
}
