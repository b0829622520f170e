//! A chain that orders without executing.

use std::time::Duration;

use alloy_primitives::{Bytes, keccak256};
use ande_consensus::{AppError, Application as _, Verdict};
use ande_primitives::{Epoch, Height, Round};

use crate::fixture::{DEADLINE, L2_CHAIN, Node, candidate, certify, set, wallet};

fn transaction(nonce: u64, chain_id: u64) -> Bytes {
    wallet(7).raw(|tx| (tx.nonce, tx.chain_id) = (nonce, chain_id))
}

#[tokio::test]
async fn transactions_go_through_blocks_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::with_sets(dir.path()).await;
    let transactions: Vec<Bytes> = (0..5).map(|nonce| transaction(nonce, L2_CHAIN)).collect();
    for raw in &transactions {
        let (hash, new) = node.pool.admit(raw.clone()).await.unwrap();
        assert_eq!((hash, new), (keccak256(raw), true));
        assert_eq!(node.pool.admit(raw.clone()).await.unwrap(), (hash, false));
    }
    let first = node.decide().await;
    assert_eq!(first.block.transactions, transactions);
    assert_eq!(node.pool.status().pending, 0);
    // What is in the chain is known as such: taken as success, never ordered again.
    for raw in &transactions {
        assert_eq!(node.pool.admit(raw.clone()).await.unwrap(), (keccak256(raw), false));
    }
    let second = node.decide().await;
    assert!(second.block.transactions.is_empty());
    assert_eq!(second.block.header.parent_hash, first.block.hash());
}

#[tokio::test]
async fn the_same_turn_gives_the_same_block_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::with_sets(dir.path()).await;
    node.decide().await;
    let (_, built) = node.build(Round(1)).await;
    node.pool.admit(transaction(0, L2_CHAIN)).await.unwrap();
    assert_eq!(node.build(Round(1)).await.1, built);
    node.close().await;

    let node = Node::open(dir.path()).await;
    assert_eq!(node.build(Round(1)).await.1, built);
    // The acknowledged transaction survived too and goes into the next round's block.
    assert_eq!(node.build(Round(2)).await.1.transactions, vec![transaction(0, L2_CHAIN)]);
}

#[tokio::test]
async fn another_node_judges_stores_and_commits_the_block() {
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let a = Node::with_sets(dir_a.path()).await;
    let b = Node::with_sets(dir_b.path()).await;
    a.pool.admit(transaction(0, L2_CHAIN)).await.unwrap();
    let (start, block) = a.build(Round(0)).await;
    let good = candidate(block.clone(), Round(0));
    assert_eq!(b.chain.validate(&start, &good).await, Verdict::Valid);
    assert_eq!(b.chain.candidates(start.height).await.unwrap(), vec![good]);

    let mut foreign = block.clone();
    foreign.transactions.push(transaction(1, 1));
    let verdict = b.chain.validate(&start, &candidate(foreign, Round(0))).await;
    assert!(matches!(verdict, Verdict::Invalid(_)), "{verdict:?}");

    for node in [&a, &b] {
        node.chain.commit(certify(block.clone(), Round(0))).await.unwrap();
    }
    assert_eq!(a.store.tip().await.unwrap(), b.store.tip().await.unwrap());
    // A certified block that comes twice is no fault; one that extends nothing is.
    b.chain.commit(certify(block.clone(), Round(0))).await.unwrap();
    let mut stranger = block;
    stranger.header.height = Height(9);
    let error = b.chain.commit(certify(stranger, Round(0))).await.unwrap_err();
    assert!(matches!(error, AppError::Fatal(_)), "{error}");
}

#[tokio::test]
async fn the_chain_waits_at_an_epoch_boundary_until_the_set_is_final() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    node.store.put_set(&set(0)).await.unwrap();
    for _ in 0..5 {
        node.decide().await;
    }
    let waiting = node.chain.start_height();
    tokio::pin!(waiting);
    assert!(
        tokio::time::timeout(Duration::from_millis(200), &mut waiting).await.is_err(),
        "height 6 is in epoch 1, whose set is unknown"
    );
    node.store.put_set(&set(1)).await.unwrap();
    node.l1.send_modify(|view| view.final_block += 1);
    let start = tokio::time::timeout(DEADLINE, waiting).await.unwrap().unwrap();
    assert_eq!((start.height, start.set.epoch), (Height(6), Epoch(1)));
}

#[tokio::test]
async fn work_is_a_transaction_or_the_heartbeat() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::with_sets(dir.path()).await;
    let parent = node.chain.start_height().await.unwrap().parent;
    let work = node.chain.work(&parent);
    tokio::pin!(work);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut work).await.is_err());
    node.pool.admit(transaction(0, L2_CHAIN)).await.unwrap();
    tokio::time::timeout(DEADLINE, work).await.unwrap();
}

#[tokio::test]
async fn a_restart_continues_from_the_tip() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::with_sets(dir.path()).await;
    for _ in 0..7 {
        node.decide().await;
    }
    let tip = node.decide().await;
    node.close().await;
    let node = Node::open(dir.path()).await;
    let start = node.chain.start_height().await.unwrap();
    assert_eq!((start.height, start.parent.hash), (Height(9), tip.block.hash()));
    node.decide().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_not_acknowledged_before_the_first_copy_is_durable() {
    for nonce in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::with_sets(dir.path()).await;
        let raw = transaction(nonce, L2_CHAIN);
        let copies = (0..8).map(|_| {
            let (pool, store, raw) = (node.pool.clone(), node.store.clone(), raw.clone());
            tokio::spawn(async move {
                let (_, new) = pool.admit(raw.clone()).await.unwrap();
                assert_eq!(store.journal_load().await.unwrap(), vec![raw]);
                new
            })
        });
        let outcomes = futures::future::join_all(copies).await;
        let first = outcomes.into_iter().filter(|new| *new.as_ref().unwrap()).count();
        assert_eq!(first, 1);
        node.close().await;
    }
}
