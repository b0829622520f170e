//! The engine's actors: started, linked, and stopped so that a restart in the same process and
//! directory works.

use std::{path::PathBuf, sync::Arc, time::Duration};

use ande_consensus::EngineError;
use async_trait::async_trait;
use malachitebft_app::spawn::{
    spawn_consensus_actor, spawn_network_actor, spawn_node_actor, spawn_sync_actor, spawn_wal_actor,
};
use malachitebft_core_types::SignedMessage;
use malachitebft_engine::{
    consensus::ConsensusRef,
    host::{HostMsg, HostRef},
    network::{NetworkEvent, NetworkIdentity, NetworkMsg, NetworkRef},
    node::NodeRef,
    util::{
        events::TxEvent,
        output_port::{OutputPort, OutputPortSubscriberTrait as _},
        streaming::StreamContent,
    },
};
use malachitebft_metrics::{Metrics, SharedRegistry};
use malachitebft_sync::PeerId;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tracing::warn;

use crate::{
    codec::Codec,
    config::BftConfig,
    context::{Address, Ctx, Height, Proposal, Vote},
    signing::{EngineSigner, EngineVerifier},
    wire::ProposalPart,
};

/// How long an actor may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the log's lock is tried while its thread ends.
const LOCK_POLL: Duration = Duration::from_millis(10);

/// Something seen on the network, before the engine judges it.
#[derive(Clone, Debug)]
pub(crate) enum Observed {
    Connected(PeerId),
    Disconnected(PeerId),
    Vote(SignedMessage<Ctx, Vote>),
    Proposal(SignedMessage<Ctx, Proposal>),
    Part(PeerId, ProposalPart),
    Status(PeerId, Height),
}

/// Passes what the engine asks of the application on to the service, in order.
struct Host;

#[async_trait]
impl Actor for Host {
    type Msg = HostMsg<Ctx>;
    type State = mpsc::UnboundedSender<HostMsg<Ctx>>;
    type Arguments = mpsc::UnboundedSender<HostMsg<Ctx>>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        inbox: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(inbox)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        inbox: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        inbox.send(message).map_err(|_| "the service has stopped".into())
    }
}

/// Sees all network events, also while the engine waits between heights.
struct Watcher;

#[async_trait]
impl Actor for Watcher {
    type Msg = NetworkEvent<Ctx>;
    type State = mpsc::UnboundedSender<Observed>;
    type Arguments = mpsc::UnboundedSender<Observed>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        inbox: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(inbox)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        event: Self::Msg,
        inbox: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let observed = match event {
            NetworkEvent::PeerConnected(peer) => Observed::Connected(peer),
            NetworkEvent::PeerDisconnected(peer) => Observed::Disconnected(peer),
            NetworkEvent::Vote(_, vote) => Observed::Vote(vote),
            NetworkEvent::Proposal(_, proposal) => Observed::Proposal(proposal),
            NetworkEvent::ProposalPart(from, publisher, part) => match part.content {
                StreamContent::Data(part @ (ProposalPart::Init(_) | ProposalPart::Wake(_))) => {
                    Observed::Part(publisher.unwrap_or(from), part)
                }
                StreamContent::Data(ProposalPart::Data(_)) | StreamContent::Fin => return Ok(()),
            },
            NetworkEvent::Status(peer, status) => Observed::Status(peer, status.tip_height),
            _ => return Ok(()),
        };
        inbox.send(observed).map_err(|_| "the service has stopped".into())
    }
}

/// What the engine tells the service.
pub(crate) struct Inboxes {
    pub host: mpsc::UnboundedReceiver<HostMsg<Ctx>>,
    pub network: mpsc::UnboundedReceiver<Observed>,
}

/// The running actors.
pub(crate) struct Actors {
    node: NodeRef,
    node_task: JoinHandle<()>,
    /// In the order in which they stop.
    cells: Vec<ActorCell>,
    log_path: PathBuf,
    pub metrics: Metrics,
    pub consensus: ConsensusRef<Ctx>,
    pub network: NetworkRef<Ctx>,
}

/// What to start the actors with.
pub(crate) struct Parts {
    pub config: BftConfig,
    pub peers: Vec<multiaddr::Multiaddr>,
    pub identity: NetworkIdentity,
    pub address: Address,
    pub verifier: EngineVerifier,
    pub signer: EngineSigner,
}

impl Actors {
    /// Starts all actors.
    pub(crate) async fn start(parts: Parts) -> Result<(Self, Inboxes), EngineError> {
        let registry = SharedRegistry::global().with_moniker(&parts.config.moniker);
        let metrics = Metrics::register(&registry);
        let (node, node_task) = spawn_node_actor(metrics.clone()).await.map_err(start_error)?;
        let log_path = parts.config.log_path();
        let mut cells = Vec::new();
        match spawn(parts, &node, &metrics, &registry, &mut cells).await {
            Ok((consensus, network, inboxes)) => {
                // Stop consumers before what they use: nothing is sent to a stopped actor.
                cells.reverse();
                let actors = Self { node, node_task, cells, log_path, metrics, consensus, network };
                Ok((actors, inboxes))
            }
            Err(error) => {
                cells.reverse();
                stop(&node, &cells).await;
                wait_unlocked(&log_path).await;
                Err(error)
            }
        }
    }

    /// Resolves when the engine's supervisor ends, which it does when an actor fails.
    pub(crate) async fn died(&mut self) {
        // An error means that the supervisor panicked, which is a death too.
        let _ = (&mut self.node_task).await;
    }

    /// Whether the engine hangs itself because its log cannot be trusted.
    pub(crate) fn is_unsafe(&self) -> bool {
        self.metrics.node_safety_failure.get() != 0
    }

    /// Makes the engine believe that its log failed.
    #[cfg(test)]
    pub(crate) fn fail_safety(&self, reason: &str) {
        let failure = malachitebft_engine::node::NodeMsg::SafetyFailure(reason.to_owned());
        self.node.cast(failure).unwrap();
    }

    /// Ends supervision. From here on an actor that fails because nobody answers it does not make
    /// the supervisor kill the others: a killed network actor would leave its listener open.
    pub(crate) fn release(&self) {
        release(&self.node, &self.cells);
    }

    /// Stops all actors and waits until the network and the log are released.
    pub(crate) async fn stop(self) {
        stop(&self.node, &self.cells).await;
        wait_unlocked(&self.log_path).await;
    }
}

fn start_error(error: impl core::fmt::Display) -> EngineError {
    EngineError::Start(error.to_string())
}

async fn spawn(
    parts: Parts,
    node: &NodeRef,
    metrics: &Metrics,
    registry: &SharedRegistry,
    cells: &mut Vec<ActorCell>,
) -> Result<(ConsensusRef<Ctx>, NetworkRef<Ctx>, Inboxes), EngineError> {
    let Parts { config, peers, identity, address, verifier, signer } = parts;
    let consensus_config = config.consensus(peers)?;
    let sync_config = config.value_sync();
    let mut keep = |cell: ActorCell| {
        cell.link(node.get_cell());
        cells.push(cell);
    };

    let log = config.log_path();
    let wal =
        spawn_wal_actor(&Ctx, Codec, &log, registry, node.clone()).await.map_err(|error| {
            EngineError::Start(format!("cannot open the engine log {}: {error}", log.display()))
        })?;
    keep(wal.get_cell());

    let network: NetworkRef<Ctx> =
        spawn_network_actor(&consensus_config, &sync_config, identity, registry, Codec)
            .await
            .map_err(|error| {
                let listen = config.listen;
                EngineError::Start(format!("cannot start the network on {listen}: {error}"))
            })?;
    keep(network.get_cell());

    let (host_inbox, host_messages) = mpsc::unbounded_channel();
    let (host, _): (HostRef<Ctx>, _) =
        Actor::spawn(None, Host, host_inbox).await.map_err(start_error)?;
    keep(host.get_cell());

    let (watch_inbox, observed) = mpsc::unbounded_channel();
    let (watcher, _) = Actor::spawn(None, Watcher, watch_inbox).await.map_err(start_error)?;
    keep(watcher.get_cell());
    network.cast(NetworkMsg::Subscribe(Box::new(watcher))).map_err(start_error)?;

    let sync_port = Arc::new(OutputPort::new());
    let consensus = spawn_consensus_actor(
        Ctx,
        address,
        consensus_config,
        Box::new(verifier),
        Some(Box::new(signer)),
        network.clone(),
        host.clone(),
        wal,
        sync_port.clone(),
        metrics.clone(),
        TxEvent::new(),
        node.clone(),
    )
    .await
    .map_err(start_error)?;
    keep(consensus.get_cell());

    let sync = spawn_sync_actor(
        Ctx,
        network.clone(),
        host,
        consensus.clone(),
        Codec,
        &sync_config,
        registry,
    )
    .await
    .map_err(start_error)?;
    if let Some(sync) = sync {
        keep(sync.get_cell());
        sync.subscribe_to_port(&sync_port);
    }
    Ok((consensus, network, Inboxes { host: host_messages, network: observed }))
}

fn release(node: &NodeRef, cells: &[ActorCell]) {
    for cell in cells {
        cell.unlink(node.get_cell());
    }
}

async fn stop(node: &NodeRef, cells: &[ActorCell]) {
    // Or the supervisor would take the stop for a failure.
    release(node, cells);
    for cell in cells {
        if cell.stop_and_wait(None, Some(STOP_TIMEOUT)).await.is_err() {
            // Not answering (it may wait for a dead service or hang on purpose) or already gone.
            let _ = cell.kill_and_wait(Some(STOP_TIMEOUT)).await;
        }
    }
    let _ = node.stop_and_wait(None, Some(STOP_TIMEOUT)).await;
}

/// The log's thread outlives its actor for a moment; whoever opens the log next must not find it
/// locked.
async fn wait_unlocked(log: &std::path::Path) {
    let deadline = Instant::now() + STOP_TIMEOUT;
    loop {
        match std::fs::File::options().read(true).write(true).open(log) {
            // Never created: nothing is locked.
            Err(_) => return,
            Ok(file) => {
                if file.try_lock().is_ok() {
                    return;
                }
            }
        }
        if Instant::now() >= deadline {
            warn!(path = %log.display(), "the engine log is still locked");
            return;
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
}
