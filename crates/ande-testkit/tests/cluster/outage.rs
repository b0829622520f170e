//! Everything stops at once; the settlement chain stops for a while.

use std::time::{Duration, Instant};

use alloy::{
    consensus::{Transaction as _, TxEip1559},
    primitives::{Address, Bytes, TxKind, keccak256},
    providers::Provider as _,
};
use ande_devnet::{Acknowledged, SignedTransaction, account_key, sign, wait_until};
use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};
use serde_json::{Value, json};

/// Seconds without settlement chain; `ANDE_TEST_L1_OUTAGE_SECS` sets another time.
const L1_OUTAGE_SECS: u64 = 20;
/// Limit of what a busy machine does late.
const BUSY: Duration = Duration::from_secs(120);

#[tokio::test]
async fn all_nodes_killed_at_once_resume() -> Result<()> {
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            let load = cluster.load(50).await?;
            let height = cluster.height().await;
            cluster.wait_height(0, height + 8, BUSY).await?;
            let before = cluster.height().await;
            let count = cluster.size();
            for index in 0..count {
                cluster.kill(index).await?;
            }
            cluster.say(&format!("all nodes killed at height {before}"));
            let start = Instant::now();
            for index in 0..count {
                cluster.restart(index)?;
            }
            for index in 0..count {
                cluster.wait_height(index, before + 5, BUSY).await?;
            }
            cluster.say(&format!(
                "five more blocks everywhere after {:.1} s",
                start.elapsed().as_secs_f64()
            ));
            let report = load.finish().await?;
            let last = report.acknowledged.last().wrap_err("no load")?.hash;
            let rpc = cluster.rpc(0)?;
            wait_until("the last acknowledged transaction is in a block", BUSY, async || {
                Ok(rpc.transaction_height(last).await?)
            })
            .await?;
            let top = cluster.wait_in_sync(BUSY).await?;
            cluster.wait_batched(top, BUSY).await?;
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}

#[tokio::test]
async fn blocks_go_on_without_the_settlement_chain_and_batches_catch_up() -> Result<()> {
    let outage = std::env::var("ANDE_TEST_L1_OUTAGE_SECS")
        .ok()
        .and_then(|secs| secs.parse().ok())
        .map_or(Duration::from_secs(L1_OUTAGE_SECS), Duration::from_secs);
    // Epochs of 600 blocks: the sets known when the outage begins last longer than it.
    let plan = Plan { windows_per_epoch: 60, ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let load = cluster.load(20).await?;
            let watch = cluster.watch_height()?;
            cluster.wait_batched(cluster.height().await, BUSY).await?;
            let batch = cluster.cluster().tip().await?;
            let from = watch.height();
            let start = Instant::now();
            cluster.processes().anvil().stop().await?;
            // Five a second are planned; a busy machine may be much slower.
            let least = from + outage.as_secs();
            let what = format!("block {least} without the settlement chain");
            wait_until(&what, outage + BUSY, async || {
                Ok((start.elapsed() >= outage && watch.height() >= least).then_some(()))
            })
            .await?;
            let made = watch.height() - from;
            let gap = watch.longest_gap(start, Instant::now());
            cluster.processes().anvil().start().await?;
            cluster.say(&format!(
                "settlement chain down for {:.0} s: {made} blocks, longest gap {} ms",
                start.elapsed().as_secs_f64(),
                gap.as_millis()
            ));
            let report = load.finish().await?;
            let top = cluster.wait_in_sync(BUSY).await?;
            let back = Instant::now();
            let last = cluster.wait_batched(top, BUSY).await?;
            cluster.say(&format!(
                "batches {} to {last} caught up to height {top} in {:.1} s",
                batch.batchIndex + 1,
                back.elapsed().as_secs_f64()
            ));
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}

/// Unposted bytes from which on blocks get smaller; at twice as many they are empty.
const UNPOSTED: usize = 1 << 20;
const LARGE: usize = 40 << 10;
const DRAIN: Duration = Duration::from_secs(150);
/// Together more than may be unposted.
const BACKLOG: u64 = (2 * UNPOSTED / LARGE) as u64 + 16;
/// Those handed out as wallets come first.
const SENDERS: std::ops::Range<usize> = 1000..1004;

/// A cluster whose blocks get smaller soon when nothing is posted.
pub(crate) fn limited() -> Plan {
    let limit = ("ANDE_BATCHER__MAX_UNPOSTED_BYTES".to_owned(), UNPOSTED.to_string());
    Plan {
        // Epochs of 600 blocks: the sets known when the outage begins last longer than it.
        windows_per_epoch: 60,
        // Fewer batches than settlement blocks, so that posting catches up.
        batch_interval: Duration::from_secs(4),
        env: vec![limit],
        ..Plan::default()
    }
}

/// A transaction of bytes that no batch can compress.
fn large_transaction(chain_id: u64, sender: usize, nonce: u64) -> Result<SignedTransaction> {
    let word = |index: usize| keccak256(format!("{sender} {nonce} {index}"));
    let input: Vec<u8> = (0..LARGE / 32).flat_map(|index| word(index).0).collect();
    let transaction = TxEip1559 {
        chain_id,
        nonce,
        gas_limit: 1_000_000,
        max_fee_per_gas: 20_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::with_last_byte(0xee)),
        input: Bytes::from(input),
        ..Default::default()
    };
    sign(&account_key(sender)?, transaction)
}

/// Sends more than may be unposted while nothing is posted: the chain goes on, and takes no more
/// than that.
pub(crate) async fn fill(cluster: &TestCluster) -> Result<Vec<Acknowledged>> {
    let chain_id = cluster.cluster().deployment().l2_chain_id;
    let mut acknowledged = Vec::new();
    for index in 0..BACKLOG {
        let turn = usize::try_from(index)? % SENDERS.len();
        let nonce = index / SENDERS.len() as u64;
        let signed = large_transaction(chain_id, SENDERS.start + turn, nonce)?;
        cluster.submit(&cluster.rpc(turn)?, &signed).await?;
        acknowledged.push(Acknowledged { hash: signed.hash, at: Instant::now() });
    }
    let rpc = cluster.rpc(0)?;
    let full = Duration::from_secs(90);
    let stuck = wait_until("blocks are empty for the backlog", full, async || {
        let head = rpc.height().await?;
        let mut transactions = 0;
        for height in head.saturating_sub(9)..=head {
            let block = rpc.block(height).await?.wrap_err("no block")?;
            transactions += block.transactions.len();
        }
        let pool: Value = rpc.call("txpool_status", json!([])).await?;
        Ok((transactions == 0 && pool["pending"] != "0x0").then_some(pool))
    })
    .await?;
    let blocks = cluster.check_each_once().await?;
    let included = acknowledged.iter().filter(|ack| blocks.contains_key(&ack.hash)).count();
    cluster
        .say(&format!("nothing is posted: {included} of {BACKLOG} in blocks, in the pool {stuck}"));
    ensure!(
        included * LARGE < 2 * UNPOSTED,
        "{included} transactions of {LARGE} bytes are in blocks, the limit is {UNPOSTED}"
    );
    Ok(acknowledged)
}

/// Waits until all that was sent is in blocks and all blocks in batches, nothing twice; returns the
/// height.
pub(crate) async fn drain(cluster: &TestCluster, acknowledged: &[Acknowledged]) -> Result<u64> {
    let back = Instant::now();
    let last = acknowledged.last().wrap_err("nothing was sent")?.hash;
    let rpc = cluster.rpc(0)?;
    wait_until("the backlog is in blocks", DRAIN, async || {
        Ok(rpc.transaction_height(last).await?)
    })
    .await?;
    let top = cluster.wait_in_sync(Duration::from_secs(30)).await?;
    cluster.wait_batched(top, DRAIN).await?;
    cluster.say(&format!("all is posted after {:.1} s", back.elapsed().as_secs_f64()));
    cluster.check_invariants(acknowledged).await?;
    Ok(top)
}

#[tokio::test]
async fn a_backlog_stops_growing_and_drains_in_blobs() -> Result<()> {
    TestCluster::start(limited())
        .await?
        .observed(async |cluster| {
            cluster.wait_batched(cluster.height().await, Duration::from_secs(30)).await?;
            let before = cluster.cluster().tip().await?.batchIndex;
            cluster.processes().anvil().stop().await?;
            let acknowledged = fill(cluster).await?;
            cluster.processes().anvil().start().await?;
            drain(cluster, &acknowledged).await?;

            let l1 = cluster.l1()?;
            let mut blobs = Vec::new();
            for batch in cluster.check_batches().await?.iter().filter(|b| b.index > before) {
                let posting = l1.get_transaction_by_hash(batch.transaction).await?;
                let posting = posting.wrap_err("the posting is not known")?;
                blobs.push(posting.blob_versioned_hashes().map_or(0, <[_]>::len));
            }
            cluster.say(&format!("blobs of batches: {blobs:?}"));
            let least = usize::try_from(BACKLOG)? * LARGE / (130_048 * 2);
            ensure!(
                blobs.iter().sum::<usize>() >= least && blobs.iter().any(|count| *count > 1),
                "the backlog is not in blobs: {blobs:?}"
            );
            Ok(())
        })
        .await
}
