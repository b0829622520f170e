//! The service between the engine's actors and the application.
//!
//! One task owns the state and never waits: it answers the actors at once or hands the question,
//! with its reply port, to a task that reports back as a [`Done`]. The actors may wait for a reply
//! with nothing else going on, so a slow answer to one question must not hold up another.

mod catch_up;
mod decide;
mod gate;
mod heard;
mod judge;
mod propose;
mod state;

use std::{sync::Arc, time::Duration};

use alloy_primitives::Address;
use ande_consensus::{Application, EngineError, View};
use ande_primitives::Domain;
use malachitebft_core_types::{Round, ValueOrigin};
use malachitebft_engine::{
    consensus::{ConsensusMsg, ConsensusRef},
    host::{HostMsg, ProposedValue},
    network::NetworkRef,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use crate::{
    BftConfig, EnginePeer,
    actors::{Actors, Inboxes, Observed},
    context::Ctx,
    peers::{self, Addresses},
    scopes::Scopes,
    signing::{EngineSigner, EngineVerifier},
};
use state::{Done, State};

/// How often the engine is asked whether it hangs itself.
const SAFETY_POLL: Duration = Duration::from_millis(500);
/// How long the engine library may take to ask for its first height.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a running commit may take when the engine is asked to stop.
const COMMIT_GRACE: Duration = Duration::from_secs(10);

/// What tasks share.
pub(crate) struct Shared {
    pub app: Arc<dyn Application>,
    pub config: BftConfig,
    pub domain: Domain,
    pub address: Address,
    pub scopes: Scopes,
    pub signer: EngineSigner,
    pub verifier: EngineVerifier,
    pub consensus: ConsensusRef<Ctx>,
    pub network: NetworkRef<Ctx>,
    pub view: watch::Sender<View>,
}

impl Shared {
    /// Gives the engine a judged block.
    fn deliver(&self, value: ProposedValue<Ctx>) {
        debug!(
            height = %value.height, round = %value.round, hash = %value.value,
            validity = ?value.validity, "block judged"
        );
        let message = ConsensusMsg::ReceivedProposedValue(value, ValueOrigin::Consensus);
        if self.consensus.cast(message).is_err() {
            debug!("the engine stopped before a judged block reached it");
        }
    }
}

/// What the service is made of.
pub(crate) struct Setup {
    pub app: Arc<dyn Application>,
    pub config: BftConfig,
    pub domain: Domain,
    pub address: Address,
    pub scopes: Scopes,
    pub signer: EngineSigner,
    pub verifier: EngineVerifier,
    pub consensus: ConsensusRef<Ctx>,
    pub network: NetworkRef<Ctx>,
    pub inboxes: Inboxes,
    pub faults: mpsc::UnboundedReceiver<String>,
    pub peers: watch::Receiver<Vec<EnginePeer>>,
    pub dial: Addresses,
    pub view: watch::Sender<View>,
}

/// See the module.
pub(crate) struct Service {
    shared: Arc<Shared>,
    state: State,
    inboxes: Inboxes,
    faults: mpsc::UnboundedReceiver<String>,
    done: mpsc::UnboundedReceiver<Done>,
    report: mpsc::UnboundedSender<Done>,
    /// Work that may be dropped at any time.
    tasks: JoinSet<()>,
    /// Commits, which are waited for.
    commits: JoinSet<()>,
    peers: watch::Receiver<Vec<EnginePeer>>,
    /// Whether the engine has asked for its first height.
    asked: bool,
}

impl Service {
    pub(crate) fn new(setup: Setup) -> Self {
        let (report, done) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(peers::follow(
            setup.config.node_key.id(),
            setup.network.clone(),
            setup.peers.clone(),
            setup.dial,
        ));
        let shared = Arc::new(Shared {
            app: setup.app,
            config: setup.config,
            domain: setup.domain,
            address: setup.address,
            scopes: setup.scopes,
            signer: setup.signer,
            verifier: setup.verifier,
            consensus: setup.consensus,
            network: setup.network,
            view: setup.view,
        });
        Self {
            shared,
            state: State::default(),
            inboxes: setup.inboxes,
            faults: setup.faults,
            done,
            report,
            tasks,
            commits: JoinSet::new(),
            peers: setup.peers,
            asked: false,
        }
    }

    /// Serves the actors until `shutdown` or a fault.
    pub(crate) async fn run(
        mut self,
        actors: &mut Actors,
        shutdown: CancellationToken,
    ) -> Result<(), EngineError> {
        let mut safety = tokio::time::interval(SAFETY_POLL);
        safety.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let late = tokio::time::sleep(START_TIMEOUT);
        tokio::pin!(late);
        let result = loop {
            let step = tokio::select! {
                biased;
                () = shutdown.cancelled() => break Ok(()),
                Some(fault) = self.faults.recv() => Err(EngineError::Stopped(fault)),
                () = actors.died() => Err(stopped("the engine library ended by itself")),
                _ = safety.tick() => if actors.is_unsafe() {
                    Err(stopped("its log failed; do not delete the log, let the chain pass this height first"))
                } else {
                    Ok(())
                },
                () = &mut late, if !self.asked => Err(EngineError::Start(
                    "the engine library does not begin; see its log for the cause".to_owned(),
                )),
                Some(done) = self.done.recv() => self.on_done(done),
                Some(ended) = self.tasks.join_next() => check_task(ended),
                Some(ended) = self.commits.join_next() => check_task(ended),
                Some(event) = self.inboxes.network.recv() => {
                    self.on_observed(event);
                    Ok(())
                }
                message = self.inboxes.host.recv() => match message {
                    Some(message) => self.on_host(message),
                    None => Err(stopped("the engine library stopped its actors")),
                },
            };
            if let Err(error) = step {
                break Err(error);
            }
        };
        actors.release();
        self.finish(result).await
    }

    /// Lets a running commit end; everything else is dropped.
    async fn finish(mut self, result: Result<(), EngineError>) -> Result<(), EngineError> {
        self.tasks.abort_all();
        let deadline = Instant::now() + COMMIT_GRACE;
        loop {
            match tokio::time::timeout_at(deadline, self.commits.join_next()).await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    error!("a commit did not end in time");
                    break;
                }
            }
        }
        // A commit that failed while we stopped is still a failure.
        while let Ok(done) = self.done.try_recv() {
            if let (Done::Failed(error), Ok(())) = (done, &result) {
                return Err(error);
            }
        }
        result
    }

    /// Runs a task that may be dropped.
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    fn on_done(&mut self, done: Done) -> Result<(), EngineError> {
        match done {
            Done::Failed(error) => return Err(error),
            Done::Prepared(start) => self.on_prepared(start),
            Done::Ready { height, own_work } => self.on_ready(height, own_work),
            Done::Stored { height, candidates } => self.on_stored(height, candidates),
            Done::Opened(opened) => self.on_opened(*opened),
            Done::Judged { height, hash, block, verdict } => {
                self.on_judged(height, hash, block, verdict);
            }
            Done::Built { height, block } => self.on_built(height, block),
            Done::Committed(height) => self.on_committed(height),
        }
        Ok(())
    }

    fn on_host(&mut self, message: HostMsg<Ctx>) -> Result<(), EngineError> {
        match message {
            HostMsg::ConsensusReady { reply_to } => self.on_consensus_ready(reply_to),
            HostMsg::StartedRound { height, round, proposer, role: _, reply_to } => {
                // Judged blocks are delivered as they come, so there is nothing to hand over here.
                let _ = reply_to.send(Vec::new());
                self.on_started_round(height.into(), chain_round(round), proposer.0);
            }
            HostMsg::GetValue { height, round, timeout, reply_to } => {
                self.on_get_value(height.into(), chain_round(round), timeout, reply_to);
            }
            HostMsg::RestreamValue { height, round, valid_round, address, value_id } => {
                self.on_restream(
                    height.into(),
                    chain_round(round),
                    valid_round.as_u32().map(ande_primitives::Round),
                    address.0,
                    value_id.0,
                );
            }
            HostMsg::ReceivedProposalPart { from, published_by, part, reply_to } => {
                // Blocks are delivered after they were judged; this port is not needed.
                drop(reply_to);
                self.on_part(published_by.unwrap_or(from), part);
            }
            HostMsg::Decided { certificate, extensions: _, reply_to } => {
                self.on_decided(&certificate, reply_to)?;
            }
            HostMsg::Finalized { certificate, extensions: _, evidence, reply_to } => {
                self.on_finalized(certificate.height.into(), &evidence, reply_to);
            }
            HostMsg::GetHistoryMinHeight { reply_to } => self.on_oldest(reply_to),
            HostMsg::GetDecidedValues { range, reply_to } => self.on_commits(range, reply_to),
            HostMsg::ProcessSyncedValue { height, round, proposer, value_bytes, reply_to } => {
                self.on_synced(
                    height.into(),
                    chain_round(round),
                    proposer.0,
                    value_bytes,
                    reply_to,
                );
            }
            // The policy of every height is `Disabled`; the engine asks neither.
            HostMsg::ExtendVote { reply_to, .. } => {
                let _ = reply_to.send(None);
            }
            HostMsg::VerifyVoteExtensions { extensions, reply_to, .. } => {
                use malachitebft_core_consensus::VoteExtensionError::InvalidVoteExtension;
                let refused = extensions
                    .into_iter()
                    .map(|(address, _)| (address, Err(InvalidVoteExtension)))
                    .collect();
                let _ = reply_to.send(refused);
            }
        }
        Ok(())
    }

    fn on_observed(&mut self, event: Observed) {
        match event {
            Observed::Connected(peer) => self.on_connection(&peer, true),
            Observed::Disconnected(peer) => self.on_connection(&peer, false),
            Observed::Vote(vote) => self.on_heard_vote(vote),
            Observed::Proposal(proposal) => self.on_heard_proposal(proposal),
            Observed::Part(publisher, part) => self.on_heard_part(&publisher, part),
            Observed::Status(peer, tip) => self.on_status(&peer, tip.into()),
        }
    }
}

/// A round in the chain's terms. The engine has no messages of its nil round for the application.
fn chain_round(round: Round) -> ande_primitives::Round {
    ande_primitives::Round(round.as_u32().unwrap_or(0))
}

fn stopped(reason: &str) -> EngineError {
    EngineError::Stopped(reason.to_owned())
}

fn check_task(ended: Result<(), tokio::task::JoinError>) -> Result<(), EngineError> {
    match ended {
        Err(error) if error.is_panic() => Err(stopped(&format!("a task panicked: {error}"))),
        _ => Ok(()),
    }
}
