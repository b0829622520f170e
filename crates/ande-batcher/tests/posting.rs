//! Batches from the chain to finality with several nodes and the real contracts.

mod common;

use std::time::Duration;

use alloy::{primitives::U256, providers::Provider as _};
use ande_batcher::BatcherConfig;
use ande_contracts::AndeSequencerCoordinator as Coordinator;
use ande_l1::test_support::eventually;
use ande_primitives::Height;
use ande_store::BatchState;

use common::{Cluster, config, log};

#[tokio::test]
async fn batches_become_final_on_every_node_and_heads_move() {
    log();
    let mut cluster = Cluster::start(4, config()).await;
    // The first batch counts from its first block: heights 1 to 4; then three blocks each, cut at
    // the end of the epoch (height 19).
    cluster.blocks(22).await;
    let ends = [4, 7, 10, 13, 16, 19, 22];
    for (index, end) in (1u64..).zip(ends) {
        let rows = cluster.until(index, BatchState::Included).await;
        assert_eq!(rows[0].header.end_height, Height(end), "batch {index}");
        assert!(rows.iter().all(|row| row.l1_tx == rows[0].l1_tx || row.l1_tx.is_none()));
    }
    cluster.l1.mine(3).await;
    for index in 1..=7 {
        let rows = cluster.until(index, BatchState::Finalized).await;
        for row in &rows {
            assert_eq!((row.l1_tx, row.l1_block), (rows[0].l1_tx, rows[0].l1_block));
            assert!(row.l1_tx.is_some() && row.l1_block.is_some());
        }
    }
    for node in &cluster.nodes {
        let heads = node.store().heads();
        eventually("heads are final", async || {
            let heads = *heads.borrow();
            (heads.finalized == Height(22)).then_some(heads)
        })
        .await;
        let metrics = &node.running.as_ref().unwrap().metrics;
        eventually("metrics follow", async || {
            (metrics.batches_confirmed.get() == 7 && metrics.batches_posted.get() == 7)
                .then_some(())
        })
        .await;
        assert_eq!(metrics.post_failures.get(), 0);
    }
    assert_eq!(cluster.postings().await, 7, "every batch was posted once");
    // The first batch of epoch 1 froze the set of epoch 3.
    eventually("the sets of later epochs are stored", async || {
        cluster.nodes[0].store().set(ande_primitives::Epoch(3)).await.unwrap()
    })
    .await;
    for node in &mut cluster.nodes {
        node.stop().await;
    }
}

#[tokio::test]
async fn the_contract_takes_batches_that_consume_the_forced_queue() {
    log();
    let mut cluster = Cluster::start(1, config()).await;
    let mut fees = U256::ZERO;
    for number in 0u8..40 {
        fees += cluster.l1.force(&[number, 1]).await;
    }
    cluster.l1.mine(2).await;
    let store = cluster.nodes[0].store().clone();
    let entries = eventually("the queue is final", async || {
        let entries = store.forced(0, 100).await.unwrap();
        (entries.len() == 40).then_some(entries)
    })
    .await;
    // Two blocks that would be one batch by their times: together they have more entries than a
    // batch takes in.
    cluster.blocks(1).await;
    cluster.chain.forced = (30, entries[29].acc);
    cluster.blocks(1).await;
    cluster.chain.forced = (40, entries[39].acc);
    cluster.blocks(6).await;
    let first = &cluster.until(1, BatchState::Included).await[0].header;
    assert_eq!((first.end_height, first.forced_up_to), (Height(2), 30));
    assert_eq!(first.forced_acc, entries[29].acc);
    let second = cluster.until(2, BatchState::Included).await[0].header;
    assert_eq!((second.start_height, second.forced_up_to), (Height(3), 40));
    let coordinator = Coordinator::new(cluster.l1.coordinator, cluster.l1.bank());
    let queue = coordinator.forcedState().call().await.unwrap();
    assert_eq!((queue.head, queue.tail, queue.firstDueAt), (40, 40, 0));
    let earned = coordinator.feesOf(second.fee_recipient).call().await.unwrap();
    assert_eq!(earned, fees, "one validator earns all");
    for node in &mut cluster.nodes {
        node.stop().await;
    }
}

#[tokio::test]
async fn batches_that_leave_an_overdue_entry_out_are_posted_after_an_outage() {
    log();
    let mut cluster = Cluster::start(1, config()).await;
    cluster.l1.force(b"queued before the outage").await;
    cluster.l1.mine(2).await;
    let store = cluster.nodes[0].store().clone();
    let entry = eventually("the entry is final", async || store.last_forced().await.unwrap()).await;
    // No transaction gets into a block any more. Two batches are made without the entry.
    cluster.l1.automine(false).await;
    cluster.blocks(7).await;
    cluster.chain.forced = (1, entry.acc);
    cluster.blocks(3).await;
    cluster.l1.rpc("evm_increaseTime", (U256::from(3 * 3_600),)).await;
    cluster.l1.automine(true).await;
    cluster.l1.mine(1).await;
    let bank = cluster.l1.bank();
    for (index, forced_up_to) in [(1, 0), (2, 0), (3, 1)] {
        let row = cluster.until(index, BatchState::Included).await[0].clone();
        assert_eq!(row.header.forced_up_to, forced_up_to, "batch {index}");
        let block = row.l1_block.unwrap().into();
        let block = bank.get_block_by_number(block).await.unwrap().unwrap();
        assert!(block.header.timestamp > entry.deadline, "batch {index} was in time");
    }
    let queue = Coordinator::new(cluster.l1.coordinator, bank).forcedState().call().await.unwrap();
    assert_eq!((queue.head, queue.tail), (1, 1));
    for node in &mut cluster.nodes {
        node.stop().await;
    }
}

#[tokio::test]
async fn a_full_batch_is_cut_by_size() {
    log();
    let config =
        BatcherConfig { max_data_bytes: 20_000, interval: Duration::from_secs(3_600), ..config() };
    let mut cluster = Cluster::start(1, config).await;
    cluster.blocks_with(10, 4, 1_500).await;
    let rows = cluster.until(1, BatchState::Included).await;
    // About 6.5 kB of incompressible blocks, 20 kB less the fixed part.
    assert_eq!((rows[0].header.start_height, rows[0].header.end_height), (Height(1), Height(2)));
    assert!(rows[0].data.len() <= 20_000);
    let rows = cluster.until(4, BatchState::Included).await;
    assert_eq!(rows[0].header.end_height, Height(8));
    assert_eq!(cluster.nodes[0].row(5).await, None, "the next one is not full yet");
}

#[tokio::test]
async fn the_next_in_schedule_order_takes_over_and_a_late_node_adopts() {
    log();
    let config = BatcherConfig { takeover: Duration::from_millis(700), ..config() };
    let mut cluster = Cluster::start(4, config).await;
    // The poster of batch 1 is the proposer of height 4.
    let poster = cluster.proposer(4).await;
    cluster.nodes[poster].crash().await;
    cluster.blocks(7).await;
    cluster.until(2, BatchState::Included).await;
    assert_eq!(cluster.tip().await, 2);
    cluster.l1.mine(3).await;
    cluster.until(2, BatchState::Finalized).await;

    // Back without the blocks: the batches come from the settlement chain, the blocks later.
    cluster.restart(poster).await;
    let rows = cluster.until(2, BatchState::Finalized).await;
    let other = (poster + 1) % 4;
    let data = &cluster.nodes[other].row(1).await.unwrap().data;
    assert!(!data.is_empty());
    assert_eq!(rows.len(), 4);
    assert_eq!(*cluster.nodes[poster].store().heads().borrow(), ande_consensus::Heads::default());
    cluster.catch_up(poster, other).await;
    eventually("its heads follow its blocks", async || {
        let heads = *cluster.nodes[poster].store().heads().borrow();
        (heads.finalized == Height(7)).then_some(())
    })
    .await;
    // It goes on where the others are.
    cluster.blocks(3).await;
    cluster.until(3, BatchState::Included).await;
}

#[tokio::test]
async fn without_a_quorum_nothing_is_posted_and_later_everything_is() {
    log();
    let config = BatcherConfig { takeover: Duration::from_millis(300), ..config() };
    let mut cluster = Cluster::start(4, config).await;
    cluster.nodes[0].crash().await;
    cluster.nodes[1].crash().await;
    cluster.blocks(7).await;
    eventually("a poster fails for lack of a quorum", async || {
        let running = cluster.nodes.iter().filter_map(|node| node.running.as_ref());
        running.map(|r| r.metrics.post_failures.get()).max().filter(|failures| *failures > 0)
    })
    .await;
    assert_eq!(cluster.tip().await, 0);
    cluster.restart(0).await;
    cluster.catch_up(0, 2).await;
    cluster.until(2, BatchState::Included).await;
    assert_eq!(cluster.tip().await, 2);
}

#[tokio::test]
async fn a_settlement_outage_delays_and_loses_nothing() {
    log();
    let mut cluster = Cluster::start(4, config()).await;
    cluster.blocks(4).await;
    cluster.until(1, BatchState::Included).await;
    cluster.l1.anvil.stop().await;
    cluster.blocks(6).await;
    for node in &cluster.nodes {
        eventually("batches are cut meanwhile", async || node.row(3).await).await;
    }
    cluster.l1.anvil.restart().await;
    cluster.until(3, BatchState::Included).await;
    assert_eq!(cluster.postings().await, 3);
}

#[tokio::test]
async fn a_reorganised_batch_is_posted_again() {
    log();
    let mut cluster = Cluster::start(4, config()).await;
    cluster.blocks(4).await;
    let before = cluster.until(1, BatchState::Included).await;
    let none: [(); 0] = [];
    cluster.l1.rpc("anvil_reorg", (1u64, none)).await;
    cluster.l1.mine(1).await;
    eventually("accepted again", async || (cluster.tip().await == 1).then_some(())).await;
    cluster.l1.mine(3).await;
    let after = cluster.until(1, BatchState::Finalized).await;
    assert_eq!(before[0].header, after[0].header);
    cluster.blocks(3).await;
    cluster.until(2, BatchState::Included).await;
}

#[tokio::test]
async fn a_node_with_other_settings_adopts_what_the_others_accept() {
    log();
    let mut cluster = Cluster::start(4, config()).await;
    // Not the poster of batch 1, the proposer of height 4.
    let odd = (cluster.proposer(4).await + 1) % 4;
    cluster.nodes[odd].stop().await;
    cluster.nodes[odd].config.interval = Duration::from_secs(2);
    cluster.restart(odd).await;
    cluster.blocks(4).await;
    let rows = cluster.until(1, BatchState::Included).await;
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[odd].header.end_height, Height(4));
    assert!(rows[odd].l1_tx.is_some(), "adopted from the settlement chain");
}

#[tokio::test]
async fn contradicting_chains_stop_the_batcher() {
    log();
    let mut cluster = Cluster::start(4, config()).await;
    let odd = (cluster.proposer(4).await + 1) % 4;
    cluster.nodes[odd].stop().await;
    cluster.blocks(4).await;
    cluster.until(1, BatchState::Included).await;
    // The odd node gets other blocks, as if more than a third of the committee had lied to it.
    cluster.restart(odd).await;
    let store = cluster.nodes[odd].store().clone();
    let mut fork =
        common::Chain::new(cluster.l1.domain(), cluster.chain.validators.clone(), common::WINDOWS);
    for _ in 0..4 {
        let block = fork.block(&store, 3, 200).await;
        store.commit(&fork.certify(&block, 0)).await.unwrap();
    }
    let running = cluster.nodes[odd].running.as_mut().unwrap();
    match (&mut running.batcher).await.unwrap() {
        Err(ande_batcher::BatcherError::Diverged { index: 1, height, .. }) => {
            assert_eq!(height, Height(4));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn sets_of_large_committees_are_frozen_by_the_keepers() {
    log();
    let config = BatcherConfig { takeover: Duration::from_millis(300), ..config() };
    // Twelve of seventeen are a quorum; above sixteen the contract does not freeze by itself.
    let mut cluster = Cluster::start_some(17, 12, config).await;
    cluster.blocks(4).await;
    cluster.until(1, BatchState::Included).await;
    cluster.l1.mine(3).await;
    let call = ande_contracts::AndeConsensus::lastFrozenEpochCall {};
    eventually("epoch 2 is frozen", async || {
        let at = alloy::eips::BlockId::latest();
        let last = cluster.l1.client().call(cluster.l1.consensus, &call, at).await.unwrap();
        (last == 2).then_some(())
    })
    .await;
    cluster.l1.mine(3).await;
    for node in cluster.nodes.iter().filter(|node| node.running.is_some()) {
        let set = eventually("the frozen set is stored", async || {
            node.store().set(ande_primitives::Epoch(2)).await.unwrap()
        });
        assert_eq!(set.await.committee.size(), 17);
    }
}
