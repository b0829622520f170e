//! Transactions from clients and from other validators.

use std::sync::Arc;

use alloy_primitives::{B256, keccak256};
use ande_consensus::{Origin, SubmitError, TransactionIngress as _};
use ande_peer::{PeerClient, PeerTimeouts};
use ande_primitives::{NodeId, NodeKey};
use ande_sequencer::{Gossip, Ingress};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::fixture::{FUNDED, L2_CHAIN, Node, wallet};

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_told_what_not_to_send_again_and_what_they_may_not() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::evm_with_sets(dir.path()).await;
    let stop = CancellationToken::new();
    let key = NodeKey::from_seed(&[5; 32]);
    let client = PeerClient::new(key, L2_CHAIN, PeerTimeouts::default()).unwrap();
    let (_peers, targets) = watch::channel(Vec::new());
    let gossip = Gossip::spawn(Arc::new(client), targets, stop.clone());
    let ingress = Ingress::new(node.pool.clone(), gossip);
    let mut arrivals = ingress.arrivals().unwrap();

    let raw = wallet(0).tip(1, 1);
    let hash = keccak256(&raw);
    let peer = Origin::Peer(NodeId(B256::repeat_byte(8)));
    assert_eq!(ingress.submit(raw.0.clone(), peer).await, Ok(hash));
    assert_eq!(ingress.submit(raw.0.clone(), Origin::Client).await, Ok(hash));
    assert_eq!(arrivals.recv().await, Ok(hash));
    assert_eq!((ingress.status().pending, ingress.status().queued), (0, 1));
    assert_eq!(ingress.next_nonce(wallet(0).address(), 0), 0);
    ingress.submit(wallet(0).tip(0, 1).0, Origin::Client).await.unwrap();
    assert_eq!(ingress.next_nonce(wallet(0).address(), 0), 2);
    assert_eq!(ingress.content(None).len(), 2);
    assert_eq!(ingress.pending(hash), Some(raw.0));

    // A refusal by the state of this pool does not make the peer send all of it again.
    let poor = ingress.submit(wallet(FUNDED).tip(0, 1).0, peer).await;
    assert!(matches!(poor, Err(SubmitError::Rejected(_))), "{poor:?}");
    // Rubbish uses up what a peer may bring; another peer is not concerned.
    let mut refused = None;
    for number in 0u32..1_000 {
        let rubbish = bytes::Bytes::copy_from_slice(&number.to_be_bytes());
        if let Err(SubmitError::Unavailable(reason)) = ingress.submit(rubbish, peer).await {
            refused = Some(reason);
            break;
        }
    }
    assert_eq!(refused.as_deref(), Some("too many transactions of this peer"));
    let other = Origin::Peer(NodeId(B256::repeat_byte(9)));
    ingress.submit(wallet(1).tip(0, 1).0, other).await.unwrap();
    stop.cancel();
}
