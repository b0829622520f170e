//! A cluster of engines over loopback.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes};
use ande_primitives::{
    Committee, Domain, Epoch, EpochSet, Era, Height, Member as CommitteeMember, NodeId, NodeKey,
    QuorumFraction, ScheduleMode, ScheduleRules, ValidatorKey,
};
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{MemoryChain, MemorySigner};
use crate::{ConsensusSigner, EngineError, OrderingEngine, View};

/// How long a scenario waits for anything.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often a condition is tried.
const POLL: Duration = Duration::from_millis(20);

/// A peer of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its identity.
    pub node_id: NodeId,
    /// Where its engine listens.
    pub address: SocketAddr,
}

/// What an engine of the cluster is made from.
#[derive(Clone)]
pub struct Member {
    /// Position in the cluster.
    pub index: usize,
    /// Signer of its validator key. Outlives the engine.
    pub signer: Arc<dyn ConsensusSigner>,
    /// Its network identity.
    pub node_key: NodeKey,
    /// Where its engine listens.
    pub listen: SocketAddr,
    /// Its directory. Outlives the engine.
    pub dir: PathBuf,
    /// All members, itself included. Changes while the engine runs.
    pub peers: watch::Receiver<Vec<Peer>>,
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// Target time between blocks.
    pub block_time: Duration,
}

impl core::fmt::Debug for Member {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Member").field("index", &self.index).finish_non_exhaustive()
    }
}

/// Makes the engines of a cluster.
pub trait EngineFactory: Send + Sync + 'static {
    /// An engine for a member; again for the same member after its engine has stopped.
    fn engine(&self, member: &Member) -> Box<dyn OrderingEngine>;
}

/// Shape of a cluster.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of nodes.
    pub nodes: usize,
    /// This many of the last nodes hold the same validator keys as the nodes before them.
    pub twins: usize,
    /// Members of the committees of epoch 0, 1, ...; the last counts for all that follow.
    pub committees: Vec<Vec<usize>>,
    /// Sets of these first epochs are stored at the start.
    pub known_epochs: u64,
    /// Heights of one proposer.
    pub rotation_interval: u32,
    /// Windows of one epoch.
    pub windows_per_epoch: u32,
    /// Target time between blocks.
    pub block_time: Duration,
    /// Whether there is always work.
    pub busy: bool,
}

impl Options {
    /// Four validators, one long epoch.
    #[must_use]
    pub fn four() -> Self {
        Self {
            nodes: 4,
            twins: 0,
            committees: vec![vec![0, 1, 2, 3]],
            known_epochs: 1,
            rotation_interval: 5,
            windows_per_epoch: 1_000_000,
            block_time: Duration::from_millis(150),
            busy: true,
        }
    }
}

struct Run {
    view: watch::Receiver<View>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), EngineError>>,
}

struct Node {
    member: Member,
    peers: watch::Sender<Vec<Peer>>,
    signer: Arc<MemorySigner>,
    chain: Arc<MemoryChain>,
    run: Option<Run>,
}

/// A running cluster.
pub struct Cluster {
    factory: Arc<dyn EngineFactory>,
    options: Options,
    domain: Domain,
    nodes: Vec<Node>,
    // Dropped last.
    _dir: tempfile::TempDir,
}

impl core::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Cluster").field("options", &self.options).finish_non_exhaustive()
    }
}

/// An address that stays free while its node is stopped.
fn free_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, ande_ports::reserve().unwrap()))
}

impl Cluster {
    /// A cluster whose engines are not started yet.
    #[must_use]
    pub fn new(factory: Arc<dyn EngineFactory>, options: Options) -> Self {
        let l2_chain_id = 6174;
        let domain = Domain::new(31337, Address::repeat_byte(0xc0), l2_chain_id);
        let dir = tempfile::tempdir().unwrap();
        let listeners: Vec<SocketAddr> = (0..options.nodes).map(|_| free_address()).collect();
        let peers: Vec<Peer> = listeners
            .iter()
            .enumerate()
            .map(|(index, address)| Peer { node_id: node_key(index).id(), address: *address })
            .collect();
        let nodes = (0..options.nodes)
            .map(|index| {
                let all = watch::Sender::new(peers.clone());
                let is_twin = index + options.twins >= options.nodes;
                let key = if is_twin { index - options.twins } else { index };
                let signer = Arc::new(MemorySigner::new(validator_key(key), domain.clone()));
                let member = Member {
                    index,
                    signer: signer.clone(),
                    node_key: node_key(index),
                    listen: listeners[index],
                    dir: dir.path().join(format!("node-{index}")),
                    peers: all.subscribe(),
                    l2_chain_id,
                    block_time: options.block_time,
                };
                let chain = Arc::new(MemoryChain::new(l2_chain_id, options.busy));
                Node { member, peers: all, signer, chain, run: None }
            })
            .collect();
        let cluster = Self { factory, options, domain, nodes, _dir: dir };
        for index in 0..cluster.nodes.len() {
            cluster.publish_sets(index, 0..cluster.options.known_epochs);
        }
        cluster
    }

    /// A cluster whose engines all run.
    #[must_use]
    pub fn started(factory: Arc<dyn EngineFactory>, options: Options) -> Self {
        let mut cluster = Self::new(factory, options);
        for index in 0..cluster.nodes.len() {
            cluster.start(index);
        }
        cluster
    }

    /// Stores the sets of some epochs at one node.
    pub fn publish_sets(&self, index: usize, epochs: core::ops::Range<u64>) {
        for epoch in epochs {
            self.nodes[index].chain.put_set(self.set(Epoch(epoch)));
        }
    }

    fn set(&self, epoch: Epoch) -> EpochSet {
        let committees = &self.options.committees;
        let position = usize::try_from(epoch.0).unwrap().min(committees.len() - 1);
        let members = committees[position]
            .iter()
            .map(|index| CommitteeMember {
                signer: validator_key(*index).address(),
                weight: 10,
                id: u32::try_from(*index).unwrap() + 1,
            })
            .collect();
        let rules = ScheduleRules::new(
            ScheduleMode::RoundRobin,
            self.options.rotation_interval,
            self.options.windows_per_epoch,
            10,
        );
        EpochSet {
            era: Era(0),
            epoch,
            set_id: u32::try_from(position).unwrap() + 1,
            seed: B256::repeat_byte(7),
            rules: rules.unwrap(),
            quorum: QuorumFraction::TWO_THIRDS,
            committee: Committee::new(members).unwrap(),
            l1_block: 1,
        }
    }

    /// Starts the engine of a node.
    pub fn start(&mut self, index: usize) {
        let engine = self.factory.engine(&self.nodes[index].member);
        let node = &mut self.nodes[index];
        assert!(node.run.is_none(), "node {index} runs already");
        let (view, shutdown) = (engine.view(), CancellationToken::new());
        let task = tokio::spawn(engine.run(node.chain.clone(), shutdown.clone()));
        node.run = Some(Run { view, shutdown, task });
    }

    /// Asks the engine of a node to stop and returns what it says.
    pub async fn stop(&mut self, index: usize) -> Result<(), EngineError> {
        let run = self.nodes[index].run.take().expect("the node runs");
        run.shutdown.cancel();
        tokio::time::timeout(PATIENCE, run.task).await.expect("the engine stops").unwrap()
    }

    /// Waits until the engine of a node stops by itself and returns why.
    pub async fn ended(&mut self, index: usize) -> Result<(), EngineError> {
        let run = self.nodes[index].run.take().expect("the node runs");
        tokio::time::timeout(PATIENCE, run.task).await.expect("the engine ends").unwrap()
    }

    /// Stops all engines that run; all must stop cleanly.
    pub async fn stop_all(&mut self) {
        for index in 0..self.nodes.len() {
            if self.nodes[index].run.is_some() {
                self.stop(index).await.expect("a clean stop");
            }
        }
    }

    /// The chain of a node.
    #[must_use]
    pub fn chain(&self, index: usize) -> &Arc<MemoryChain> {
        &self.nodes[index].chain
    }

    /// The signer of a node.
    #[must_use]
    pub fn signer(&self, index: usize) -> &Arc<MemorySigner> {
        &self.nodes[index].signer
    }

    /// The domain of all signatures.
    #[must_use]
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The view of a node that runs.
    #[must_use]
    pub fn view(&self, index: usize) -> View {
        self.nodes[index].run.as_ref().expect("the node runs").view.borrow().clone()
    }

    /// Identity of a node.
    #[must_use]
    pub fn node_id(&self, index: usize) -> NodeId {
        self.nodes[index].member.node_key.id()
    }

    /// Position of a signer.
    #[must_use]
    pub fn index_of(&self, signer: Address) -> usize {
        (0..self.nodes.len())
            .find(|index| self.nodes[*index].member.signer.address() == signer)
            .expect("a signer of the cluster")
    }

    /// Replaces the peer list of a node by some members.
    pub fn set_peers(&self, index: usize, members: &[usize]) {
        let peers = members
            .iter()
            .map(|index| {
                let member = &self.nodes[*index].member;
                Peer { node_id: member.node_key.id(), address: member.listen }
            })
            .collect();
        self.nodes[index].peers.send_replace(peers);
    }

    /// Puts a transaction into the pools of some nodes.
    pub fn submit(&self, indices: &[usize], transaction: &str) {
        for index in indices {
            self.chain(*index).submit(Bytes::copy_from_slice(transaction.as_bytes()));
        }
    }

    /// Waits for a condition.
    pub async fn wait_for(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            for (index, node) in self.nodes.iter().enumerate() {
                if let Some(run) = node.run.as_ref().filter(|run| run.task.is_finished()) {
                    let phase = run.view.borrow().phase.clone();
                    panic!("node {index} ended while waiting for {what}: {phase:?}");
                }
            }
            if Instant::now() > deadline {
                for (index, node) in self.nodes.iter().enumerate() {
                    let view = node.run.as_ref().map(|run| run.view.borrow().clone());
                    println!("node {index}: tip {} view {view:?}", node.chain.tip());
                }
                panic!("waited in vain for {what}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until some nodes have committed a height.
    pub async fn wait_height(&self, indices: &[usize], height: u64) {
        let what = format!("height {height} at {indices:?}");
        self.wait_for(&what, |cluster| {
            indices.iter().all(|index| cluster.chain(*index).tip() >= Height(height))
        })
        .await;
    }

    /// Checks the promises of the seam on what all nodes have committed, and that nobody was
    /// accused.
    pub fn check(&self) {
        self.check_chains();
        for (index, node) in self.nodes.iter().enumerate() {
            assert!(node.chain.evidence().is_empty(), "node {index}: nobody contradicts itself");
        }
    }

    /// Checks the promises of the seam on what all nodes have committed.
    pub fn check_chains(&self) {
        let longest = self.nodes.iter().map(|node| node.chain.all()).max_by_key(Vec::len).unwrap();
        for (index, node) in self.nodes.iter().enumerate() {
            let commits = node.chain.all();
            let mut expected: Vec<Height> = node.chain.committed();
            expected.dedup();
            let heights: Vec<Height> = commits.iter().map(|c| c.block.height()).collect();
            assert_eq!(expected, heights, "node {index}: in order, without gaps");
            let mut parent = (Height(0), MemoryChain::genesis(), ande_primitives::Skip(0));
            for (commit, agreed) in commits.iter().zip(&longest) {
                let header = &commit.block.header;
                assert_eq!(commit.block, agreed.block, "node {index}: agreement");
                assert_eq!((header.height, header.parent_hash), (parent.0.next(), parent.1));
                let set = self.set(header.epoch);
                assert!(set.contains(header.height), "node {index}: epoch");
                let certificate = &commit.certificate;
                certificate.verify(&self.domain, &set).expect("a valid certificate");
                assert_eq!(certificate.block_hash, header.hash());
                let base = set.rules.skip_base(parent.0, parent.2, header.height);
                assert!(header.skip >= base, "node {index}: skip only grows in a window");
                assert!(header.skip.0 - base.0 <= certificate.round.0, "built before decided");
                assert_eq!(
                    header.proposer,
                    set.proposer_address(header.height, header.skip),
                    "node {index}: proposer of {}",
                    header.height
                );
                parent = (header.height, header.hash(), header.skip);
            }
        }
    }

    /// The node whose turn round 0 of a height is, if the window's first choice still counts.
    #[must_use]
    pub fn scheduled(&self, height: u64) -> usize {
        let height = Height(height);
        let epoch = self.set(Epoch(0)).rules.epoch_of(height);
        self.index_of(self.set(epoch).proposer_address(height, ande_primitives::Skip(0)))
    }
}

fn seed(kind: u8, index: usize) -> [u8; 32] {
    let mut seed = [kind; 32];
    seed[31] = u8::try_from(index).unwrap() + 1;
    seed
}

fn validator_key(index: usize) -> ValidatorKey {
    ValidatorKey::from_bytes(&seed(0x42, index)).unwrap()
}

fn node_key(index: usize) -> NodeKey {
    NodeKey::from_seed(&seed(0x17, index))
}
