//! Exactly once across a crash of every node at every step of a posting.

mod common;

use ande_batcher::{BatcherConfig, DataChoice};
use ande_celestia::test_support::LocalNode;
use ande_failpoint::{LAYER, SETTLEMENT, arm, is_armed};
use ande_l1::test_support::eventually;
use ande_store::BatchState;

use common::{Cluster, config, log, on_celestia};

/// Failure points belong to the whole process: the tests take turns where they share one.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn a_crash_at_any_step_neither_loses_nor_repeats_a_batch() {
    let _turn = TURN.lock().await;
    log();
    crash_everywhere(Cluster::start(4, config()).await, &SETTLEMENT).await;
}

#[tokio::test]
async fn nor_one_whose_data_is_in_blobs() {
    let _turn = TURN.lock().await;
    log();
    let config = BatcherConfig { data: DataChoice::Blobs, ..config() };
    crash_everywhere(Cluster::start(4, config).await, &SETTLEMENT).await;
}

#[tokio::test]
async fn nor_one_whose_data_is_on_celestia() {
    let _turn = TURN.lock().await;
    log();
    let celestia = LocalNode::start().await;
    let points = [&LAYER[..], &SETTLEMENT[..]].concat();
    crash_everywhere(on_celestia(&celestia).await, &points).await;
    assert_eq!(celestia.blobs().len(), points.len(), "nothing is put twice");
}

async fn crash_everywhere(mut cluster: Cluster, points: &[&str]) {
    let mut expected = 0u64;
    for point in points.iter().copied() {
        arm(point, "hang");
        // One batch: four blocks at the start of the chain, three later, fewer at an epoch's end.
        let count = if expected == 0 { 4 } else { 3 };
        cluster.blocks(count).await;
        eventually(point, async || (!is_armed()).then_some(())).await;
        for node in &mut cluster.nodes {
            node.crash().await;
        }
        for index in 0..cluster.nodes.len() {
            cluster.restart(index).await;
        }
        // A crash may have come between two nodes' copies of a block.
        for index in 1..cluster.nodes.len() {
            cluster.catch_up(index, 0).await;
        }
        expected += 1;
        let rows = cluster.until(expected, BatchState::Included).await;
        assert!(rows.iter().all(|row| row.qc.is_some() || row.attempt < 4), "{point}");
        assert!(cluster.tip().await >= expected, "{point}");
    }
    let tip = cluster.tip().await;
    cluster.l1.mine(3).await;
    let mut next = ande_primitives::Height(1);
    for index in 1..=tip {
        let rows = cluster.until(index, BatchState::Finalized).await;
        assert_eq!(rows[0].header.start_height, next, "batches are contiguous");
        next = rows[0].header.end_height.next();
    }
    assert_eq!(cluster.postings().await, tip, "every batch was posted exactly once");
}
