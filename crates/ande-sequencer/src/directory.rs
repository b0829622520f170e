//! Who the other validators are and where their nodes listen.
//!
//! The contract gives a validator's node identity and RPC endpoint; the node itself, asked there,
//! gives the address of its consensus port in an answer signed by that identity. Answers are
//! stored, so that a cluster restarts while some members are down.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use ande_l1::{L1View, ValidatorInfo};
use ande_peer::{Hello, PeerClient, PeerTarget};
use ande_primitives::NodeId;
use ande_store::Store;
use futures::future::join_all;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// Pause between questions to nodes whose address is unknown.
const ASK_INTERVAL: Duration = Duration::from_secs(1);
/// Pause between questions to nodes whose address is known: they may move.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

/// Consensus address of another validator's node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// Identity the connection must prove.
    pub node_id: NodeId,
    /// `host:port` of the consensus listener.
    pub address: String,
}

/// Follows the validator list and publishes what the rest of the node needs of it.
#[derive(Debug)]
pub struct PeerDirectory {
    me: NodeId,
    client: Arc<PeerClient>,
    store: Store,
    targets: watch::Sender<Vec<PeerTarget>>,
    addresses: watch::Sender<Vec<PeerAddress>>,
    book: watch::Sender<BTreeMap<NodeId, Hello>>,
    allowed: watch::Sender<Arc<HashSet<NodeId>>>,
}

impl PeerDirectory {
    /// An empty directory of the node `me`.
    #[must_use]
    pub fn new(me: NodeId, client: Arc<PeerClient>, store: Store) -> Self {
        Self {
            me,
            client,
            store,
            targets: watch::channel(Vec::new()).0,
            addresses: watch::channel(Vec::new()).0,
            book: watch::channel(BTreeMap::new()).0,
            allowed: watch::channel(Arc::default()).0,
        }
    }

    /// All other registered validators: who may call us, and where we call them.
    #[must_use]
    pub fn targets(&self) -> watch::Receiver<Vec<PeerTarget>> {
        self.targets.subscribe()
    }

    /// Consensus addresses of those that answered once.
    #[must_use]
    pub fn addresses(&self) -> watch::Receiver<Vec<PeerAddress>> {
        self.addresses.subscribe()
    }

    /// What the others last said of themselves.
    #[must_use]
    pub fn book(&self) -> watch::Receiver<BTreeMap<NodeId, Hello>> {
        self.book.subscribe()
    }

    /// Identities whose requests this node answers.
    #[must_use]
    pub fn allowed(&self) -> watch::Receiver<Arc<HashSet<NodeId>>> {
        self.allowed.subscribe()
    }

    /// Runs until `shutdown`.
    pub async fn run(
        self: Arc<Self>,
        mut l1: watch::Receiver<L1View>,
        shutdown: CancellationToken,
    ) {
        let mut known: HashMap<NodeId, String> = match self.store.peers().await {
            Ok(peers) => peers.into_iter().collect(),
            Err(error) => {
                warn!(%error, "stored peer addresses cannot be read");
                HashMap::new()
            }
        };
        loop {
            let targets = self.targets_of(&l1.borrow_and_update().validators);
            let ids = targets.iter().map(|target| target.node_id).collect();
            self.allowed.send_if_modified(|old| replace(old, Arc::new(ids)));
            self.targets.send_if_modified(|old| replace(old, targets.clone()));
            self.publish(&targets, &known);
            self.ask(&targets, &mut known).await;
            self.publish(&targets, &known);
            let complete = targets.iter().all(|target| known.contains_key(&target.node_id));
            let pause = if complete { REFRESH_INTERVAL } else { ASK_INTERVAL };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = self.list_changed(&mut l1, &targets) => {}
            }
        }
    }

    /// Resolves when the validator list differs from `targets`.
    async fn list_changed(&self, l1: &mut watch::Receiver<L1View>, targets: &[PeerTarget]) {
        loop {
            if l1.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if self.targets_of(&l1.borrow_and_update().validators) != targets {
                return;
            }
        }
    }

    fn targets_of(&self, validators: &[ValidatorInfo]) -> Vec<PeerTarget> {
        let mut seen = BTreeSet::from([self.me]);
        validators
            .iter()
            .filter(|validator| seen.insert(validator.node_id))
            .filter_map(|validator| {
                PeerTarget::new(validator.node_id, &validator.rpc_endpoint)
                    .inspect_err(|error| debug!(id = validator.id, %error, "unusable endpoint"))
                    .ok()
            })
            .collect()
    }

    fn publish(&self, targets: &[PeerTarget], known: &HashMap<NodeId, String>) {
        let addresses = targets
            .iter()
            .filter_map(|target| {
                let address = known.get(&target.node_id)?.clone();
                Some(PeerAddress { node_id: target.node_id, address })
            })
            .collect();
        self.addresses.send_if_modified(|old| replace(old, addresses));
    }

    async fn ask(&self, targets: &[PeerTarget], known: &mut HashMap<NodeId, String>) {
        let answers = join_all(targets.iter().map(|target| async move {
            (target.node_id, self.client.hello(&target.url, target.node_id).await)
        }))
        .await;
        for (node_id, answer) in answers {
            let hello = match answer {
                Ok(hello) => hello,
                Err(error) => {
                    debug!(peer = %node_id, %error, "peer did not say where it listens");
                    continue;
                }
            };
            self.book.send_modify(|book| {
                book.insert(node_id, hello.clone());
            });
            if known.get(&node_id) == Some(&hello.p2p_address) {
                continue;
            }
            info!(peer = %node_id, address = hello.p2p_address, "peer listens");
            if let Err(error) = self.store.put_peer(node_id, &hello.p2p_address).await {
                warn!(%error, "a peer address cannot be stored");
            }
            known.insert(node_id, hello.p2p_address);
        }
    }
}

/// Replaces a value; tells whether it differed.
fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let changed = *old != new;
    *old = new;
    changed
}
