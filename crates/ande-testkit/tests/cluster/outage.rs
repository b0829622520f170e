//! Everything stops at once; the settlement chain stops for a while.

use std::time::{Duration, Instant};

use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};

/// Seconds without settlement chain; `ANDE_TEST_L1_OUTAGE_SECS` sets another time.
const L1_OUTAGE_SECS: u64 = 20;

#[tokio::test]
async fn all_nodes_killed_at_once_resume() -> Result<()> {
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            let load = cluster.load(50).await?;
            let height = cluster.height().await;
            cluster.wait_height(0, height + 8, Duration::from_secs(20)).await?;
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
                cluster.wait_height(index, before + 5, Duration::from_secs(30)).await?;
            }
            cluster.say(&format!(
                "five more blocks everywhere after {:.1} s",
                start.elapsed().as_secs_f64()
            ));
            let report = load.finish().await?;
            let last = report.acknowledged.last().wrap_err("no load")?.hash;
            let rpc = cluster.rpc(0)?;
            ande_devnet::wait_until(
                "the last acknowledged transaction is in a block",
                Duration::from_secs(15),
                async || Ok(rpc.transaction_height(last).await?),
            )
            .await?;
            let top = cluster.wait_in_sync(Duration::from_secs(20)).await?;
            cluster.wait_batched(top, Duration::from_secs(30)).await?;
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
            cluster.wait_batched(cluster.height().await, Duration::from_secs(20)).await?;
            let batch = cluster.cluster().tip().await?;
            let from = watch.height();
            let start = Instant::now();
            cluster.processes().anvil().stop().await?;
            tokio::time::sleep(outage).await;
            let made = watch.height() - from;
            let gap = watch.longest_gap(start, Instant::now());
            cluster.processes().anvil().start().await?;
            cluster.say(&format!(
                "settlement chain down for {:.0} s: {made} blocks, longest gap {} ms",
                start.elapsed().as_secs_f64(),
                gap.as_millis()
            ));
            // Five a second are planned; a busy machine may be slower.
            let least = outage.as_secs();
            ensure!(made >= least, "only {made} blocks in {outage:?}, expected at least {least}");
            ensure!(gap < Duration::from_secs(5), "{gap:?} without a block");
            let report = load.finish().await?;
            let top = cluster.wait_in_sync(Duration::from_secs(20)).await?;
            let back = Instant::now();
            let last = cluster.wait_batched(top, Duration::from_secs(60)).await?;
            cluster.say(&format!(
                "batches {} to {last} caught up to height {top} in {:.1} s",
                batch.batchIndex + 1,
                back.elapsed().as_secs_f64()
            ));
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
