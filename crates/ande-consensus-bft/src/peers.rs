//! Keeps the network's peers equal to the registered ones while it runs.
//!
//! The network accepts a connection from a peer only if the peer's identity is pinned by one of
//! its persistent addresses, and the list that decides is the one that
//! `UpdatePersistentPeers` changes, so an added peer is dialled and accepted at once and a removed
//! one is disconnected.

use std::collections::BTreeMap;

use ande_primitives::NodeId;
use malachitebft_engine::network::{NetworkMsg, NetworkRef, PersistentPeersOp};
use multiaddr::Multiaddr;
use tokio::sync::{oneshot, watch};
use tracing::{debug, warn};

use crate::{EnginePeer, address::multiaddr, context::Ctx};

/// Dial addresses by node.
pub(crate) type Addresses = BTreeMap<NodeId, Multiaddr>;

/// Dial addresses of all peers but ourselves; peers that cannot be dialled are left out.
pub(crate) fn addresses(me: NodeId, peers: &[EnginePeer]) -> Addresses {
    peers
        .iter()
        .filter(|peer| peer.node_id != me)
        .filter_map(|peer| match multiaddr(peer) {
            Ok(address) => Some((peer.node_id, address)),
            Err(error) => {
                warn!(node_id = %peer.node_id, %error, "peer left out");
                None
            }
        })
        .collect()
}

/// Follows the peer list until it is dropped or the network ends.
pub(crate) async fn follow(
    me: NodeId,
    network: NetworkRef<Ctx>,
    mut peers: watch::Receiver<Vec<EnginePeer>>,
    mut current: Addresses,
) {
    while peers.changed().await.is_ok() {
        let wanted = addresses(me, &peers.borrow_and_update());
        // A changed address is removed first: removal forgets the identity.
        let gone = current.iter().filter(|(id, old)| wanted.get(id) != Some(old));
        let new = wanted.iter().filter(|(id, new)| current.get(id) != Some(new));
        let changes: Vec<PersistentPeersOp> = gone
            .map(|(_, address)| PersistentPeersOp::Remove(address.clone()))
            .chain(new.map(|(_, address)| PersistentPeersOp::Add(address.clone())))
            .collect();
        for change in changes {
            if !apply(&network, change).await {
                return;
            }
        }
        current = wanted;
    }
}

/// False when the network has ended.
async fn apply(network: &NetworkRef<Ctx>, change: PersistentPeersOp) -> bool {
    let (reply, result) = oneshot::channel();
    let message = NetworkMsg::UpdatePersistentPeers(change.clone(), reply.into());
    if network.cast(message).is_err() {
        return false;
    }
    match result.await {
        Ok(Ok(())) => debug!(?change, "peers changed"),
        Ok(Err(error)) => warn!(?change, %error, "peers not changed"),
        Err(_) => return false,
    }
    true
}
