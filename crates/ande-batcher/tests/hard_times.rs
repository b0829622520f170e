//! Posting while the settlement chain is reorganised, dear, or forgets what it was given.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{U64, U256},
    rpc::types::Filter,
    sol_types::SolEvent as _,
};
use ande_contracts::AndeSequencerCoordinator::BatchAccepted;
use ande_l1::{Finality, test_support::eventually};
use ande_primitives::Height;
use ande_store::BatchState;

use common::{Cluster, config, log};

/// Deeper than any reorganisation of these tests: what was final must not go away.
const DEPTH: u64 = 40;

/// Four nodes that wait for so many blocks and soon raise fees.
async fn cluster() -> Cluster {
    log();
    let mut cluster = Cluster::start_some(4, 0, config()).await;
    cluster.l1.mine(DEPTH).await;
    for index in 0..4 {
        cluster.nodes[index].finality = Finality::Depth(DEPTH);
        cluster.nodes[index].resubmit_after = Duration::from_secs(2);
        cluster.restart(index).await;
    }
    cluster
}

/// How far the posted batches are behind the cut ones, over the time.
struct Lag {
    start: Instant,
    last: (u64, u64),
}

impl Lag {
    fn new() -> Self {
        Self { start: Instant::now(), last: (0, 0) }
    }

    async fn look(&mut self, cluster: &Cluster) {
        let store = cluster.nodes[0].store();
        let mut cut = self.last.0;
        while store.batch(cut + 1).await.unwrap().is_some() {
            cut += 1;
        }
        let now = (cut, cluster.tip().await);
        if now != self.last {
            let seconds = self.start.elapsed().as_secs_f64();
            println!(
                "{seconds:6.1} s  cut {cut}  accepted {}  lag {}",
                now.1,
                cut.saturating_sub(now.1)
            );
            self.last = now;
        }
    }

    /// Waits until so many batches are accepted.
    async fn until(&mut self, cluster: &Cluster, accepted: u64) {
        eventually(&format!("{accepted} batches accepted"), async || {
            self.look(cluster).await;
            (self.last.1 >= accepted).then_some(())
        })
        .await;
    }
}

/// Everything is final, contiguous and in the chain once, and every key can go on.
async fn check(cluster: &Cluster, batches: u64) {
    cluster.l1.mine(DEPTH + 2).await;
    let mut next = Height(1);
    for index in 1..=batches {
        let rows = cluster.until(index, BatchState::Finalized).await;
        assert_eq!(rows[0].header.start_height, next, "batches are contiguous");
        next = rows[0].header.end_height.next();
    }
    let client = cluster.l1.client();
    let filter = Filter::new()
        .address(cluster.l1.coordinator)
        .event_signature(BatchAccepted::SIGNATURE_HASH)
        .from_block(0);
    let logs = client.logs(&filter).await.unwrap();
    let accepted: Vec<u64> =
        logs.iter().map(|log| BatchAccepted::decode_log(&log.inner).unwrap().batchIndex).collect();
    assert_eq!(accepted, (1..=batches).collect::<Vec<_>>(), "each batch once, in order");
    let different: BTreeSet<_> = logs.iter().map(|log| log.transaction_hash).collect();
    assert_eq!(different.len() as u64, batches);
    for node in &cluster.nodes {
        let address = node.validator.key.address();
        eventually("no nonce is stuck", async || {
            let all: U64 = client
                .request("eth_getTransactionCount", (address, BlockNumberOrTag::Pending))
                .await
                .unwrap();
            let mined = client.mined_nonce(address).await.unwrap();
            (all.to::<u64>() == mined).then_some(())
        })
        .await;
    }
}

async fn reorganised(depth: u64) {
    let mut cluster = cluster().await;
    let mut lag = Lag::new();
    cluster.blocks(4).await;
    lag.until(&cluster, 1).await;
    cluster.blocks(3).await;
    lag.until(&cluster, 2).await;
    // As deep as asked for, with the second batch in it; of a depth of one it is all.
    let block = cluster.l1.client().latest_number().await.unwrap();
    let second = cluster.until(2, BatchState::Included).await[0].l1_block.unwrap();
    cluster.l1.mine((second + depth).saturating_sub(block + 2)).await;
    cluster.blocks(3).await;
    let none: [(); 0] = [];
    cluster.l1.rpc("anvil_reorg", (depth, none)).await;
    println!("reorganised {depth} deep");
    cluster.l1.mine(1).await;
    lag.until(&cluster, 3).await;
    cluster.blocks(3).await;
    lag.until(&cluster, 4).await;
    check(&cluster, 4).await;
}

#[tokio::test]
async fn a_reorganisation_of_one_block_loses_and_repeats_nothing() {
    reorganised(1).await;
}

#[tokio::test]
async fn a_reorganisation_of_eight_blocks_loses_and_repeats_nothing() {
    reorganised(8).await;
}

#[tokio::test]
async fn a_reorganisation_of_32_blocks_loses_and_repeats_nothing() {
    reorganised(32).await;
}

#[tokio::test]
async fn a_base_fee_ten_times_as_high_for_20_blocks_is_paid() {
    let mut cluster = cluster().await;
    let mut lag = Lag::new();
    cluster.blocks(4).await;
    lag.until(&cluster, 1).await;
    // What the batches before paid is not enough: their cap is twice the base fee and a tip.
    let usual = U256::from(2_000_000_000u64);
    cluster.l1.rpc("anvil_setNextBlockBaseFeePerGas", (usual,)).await;
    cluster.l1.mine(1).await;
    let dear = usual * U256::from(10);
    cluster.l1.automine(false).await;
    for block in 0..20u64 {
        if block.is_multiple_of(5) {
            cluster.blocks(3).await;
            let cut = 2 + block / 5;
            for node in &cluster.nodes {
                eventually("the batch is cut", async || node.row(cut).await).await;
            }
        }
        lag.look(&cluster).await;
        cluster.l1.rpc("anvil_setNextBlockBaseFeePerGas", (dear,)).await;
        cluster.l1.mine(1).await;
    }
    println!("20 blocks with a base fee of {dear} wei");
    cluster.l1.automine(true).await;
    eventually("all five batches are accepted", async || {
        lag.look(&cluster).await;
        // What was refused with too low a fee waits for a block.
        cluster.l1.mine(1).await;
        (lag.last.1 >= 5).then_some(())
    })
    .await;
    check(&cluster, 5).await;
}

#[tokio::test]
async fn a_pool_that_forgets_everything_delays_and_repeats_nothing() {
    let mut cluster = cluster().await;
    let mut lag = Lag::new();
    cluster.l1.automine(false).await;
    cluster.blocks(4).await;
    for batch in 1..=3u64 {
        eventually("a posting waits in the pool", async || {
            let waiting = waiting(&cluster).await;
            (waiting > 0).then_some(())
        })
        .await;
        cluster.l1.rpc("anvil_dropAllTransactions", ()).await;
        eventually("it is accepted all the same", async || {
            cluster.l1.mine(1).await;
            lag.look(&cluster).await;
            (lag.last.1 >= batch).then_some(())
        })
        .await;
        cluster.blocks(3).await;
    }
    cluster.l1.automine(true).await;
    cluster.l1.mine(1).await;
    lag.until(&cluster, 4).await;
    check(&cluster, 4).await;
}

/// Transactions in the pool.
async fn waiting(cluster: &Cluster) -> u64 {
    let status: BTreeMap<String, U64> =
        cluster.l1.client().request("txpool_status", ()).await.unwrap();
    status.values().map(|count| count.to::<u64>()).sum()
}
