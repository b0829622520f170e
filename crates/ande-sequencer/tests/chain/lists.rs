//! Lists of transactions that another validator passes on.

use alloy_primitives::{B256, Bytes, keccak256};
use ande_consensus::{SubmitError, TransactionIngress as _};
use ande_primitives::{NodeId, NodeKey};

use crate::fixture::{Node, ingress_of, wallet};

fn peer(number: u8) -> NodeId {
    NodeKey::from_seed(&[number; 32]).id()
}

fn bytes_of(raws: &[&Bytes]) -> Vec<bytes::Bytes> {
    raws.iter().map(|raw| raw.0.clone()).collect()
}

fn refused(outcome: &Result<B256, SubmitError>) -> bool {
    matches!(outcome, Err(SubmitError::Rejected(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transaction_of_a_list_has_its_own_outcome_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::evm_with_sets(dir.path()).await;
    let ingress = ingress_of(&node);
    let included = wallet(0).tip(0, 1);
    node.pool.admit(included.clone()).await.unwrap();
    node.decide().await;
    let (first, second, later) = (wallet(1).tip(0, 1), wallet(2).tip(0, 1), wallet(1).tip(1, 1));
    node.pool.admit(second.clone()).await.unwrap();
    let other_with_used_nonce = wallet(0).tip(0, 2);
    let garbage = Bytes::from_static(&[2, 1, 0]);

    let list =
        [&first, &garbage, &first, &included, &second, &other_with_used_nonce, &later, &garbage];
    let outcomes = ingress.submit_from(peer(2), bytes_of(&list)).await;
    assert_eq!(outcomes.len(), list.len());
    for (place, (raw, outcome)) in list.iter().zip(&outcomes).enumerate() {
        match place {
            1 | 5 | 7 => assert!(refused(outcome), "{place}: {outcome:?}"),
            _ => assert_eq!(outcome, &Ok(keccak256(raw)), "{place}"),
        }
    }
    let status = node.pool.status();
    assert_eq!((status.pending, status.queued), (3, 0), "first, later and second, once each");
    assert_eq!(ingress.submit_from(peer(2), Vec::new()).await, []);

    // All of it is durable: another pool over the same journal finds it.
    drop(ingress);
    node.close().await;
    let node = Node::evm_with_sets(dir.path()).await;
    assert_eq!(node.pool.status().pending, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_comes_from_all_peers_at_once_is_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::evm_with_sets(dir.path()).await;
    let ingress = ingress_of(&node);
    let raws: Vec<Bytes> =
        (0..4).flat_map(|sender| (0..8).map(move |nonce| wallet(sender).tip(nonce, 1))).collect();
    let list: Vec<bytes::Bytes> = raws.iter().map(|raw| raw.0.clone()).collect();
    let hashes: Vec<_> = raws.iter().map(|raw| Ok(keccak256(raw))).collect();
    let mut arrivals = node.pool.arrivals();
    let outcomes = futures::future::join_all(
        (1..=3).map(|number| ingress.submit_from(peer(number), list.clone())),
    );
    assert!(outcomes.await.iter().all(|outcomes| *outcomes == hashes));
    assert_eq!(node.pool.status().pending, raws.len());
    let told = std::iter::from_fn(|| arrivals.try_recv().ok()).count();
    assert_eq!(told, raws.len(), "each is told of once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_sends_rubbish_is_cut_off_and_others_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::evm_with_sets(dir.path()).await;
    let ingress = ingress_of(&node);
    let rubbish: Vec<bytes::Bytes> =
        (0..3_000_u32).map(|number| number.to_be_bytes().to_vec().into()).collect();
    let outcomes = ingress.submit_from(peer(2), rubbish).await;
    let cut_off = outcomes.iter().skip_while(|outcome| refused(outcome));
    assert!(cut_off.clone().count() > 2_000, "one handful is judged");
    for outcome in cut_off {
        assert!(matches!(outcome, Err(SubmitError::Unavailable(_))), "{outcome:?}");
    }
    let good = wallet(1).tip(0, 1);
    assert_eq!(ingress.submit_from(peer(3), bytes_of(&[&good])).await, [Ok(keccak256(&good))]);
}
