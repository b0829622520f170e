//! The proposer dies, again and again.

use std::time::{Duration, Instant};

use ande_testkit::{Gaps, Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};

const OUTAGES: usize = 10;
const TPS: u32 = 50;

#[tokio::test]
async fn proposer_killed_ten_times_under_load_loses_and_forks_nothing() -> Result<()> {
    // Windows of 20 blocks: an outage fits into one window.
    let plan =
        Plan { rotation: 20, propose_timeout: Duration::from_millis(500), ..Plan::default() };
    TestCluster::start(plan).await?.observed(async |cluster| {
        let load = cluster.load(TPS).await?;
        let watch = cluster.watch_height()?;
        let mut gaps = Gaps::default();
        let mut outages = Vec::new();
        for outage in 1..=OUTAGES {
            let victim = cluster.proposer().await?;
            let before = watch.height();
            let killed = Instant::now();
            cluster.kill(victim).await?;
            // Blocks flow again without it.
            let survivor = (victim + 1) % cluster.size();
            cluster.wait_height(survivor, before + 3, Duration::from_secs(20)).await?;
            let gap = watch.longest_gap(killed, Instant::now());
            cluster.restart(victim)?;
            let again = Instant::now();
            let top = cluster.height().await;
            cluster.wait_height(victim, top, Duration::from_secs(20)).await?;
            cluster.say(&format!(
                "outage {outage}: node-{} killed at height {before}, gap {} ms, in sync {} ms after its restart",
                victim + 1,
                gap.as_millis(),
                again.elapsed().as_millis()
            ));
            gaps.push(gap);
            outages.push((cluster.cluster().nodes()[victim].address(), before, top));
        }
        let report = load.finish().await?;
        drop(watch);
        ensure!(report.refused.is_empty(), "refused: {:?}", report.refused.first());
        ensure!(report.unanswered.is_empty(), "{} unanswered", report.unanswered.len());
        let top = cluster.wait_in_sync(Duration::from_secs(20)).await?;
        // What was acknowledged last is in a block a moment later.
        let last = report.acknowledged.last().wrap_err("no load")?.hash;
        let rpc = cluster.rpc(0)?;
        ande_devnet::wait_until("the last acknowledged transaction is in a block", Duration::from_secs(15), async || {
            Ok(rpc.transaction_height(last).await?)
        })
        .await?;
        cluster.wait_in_sync(Duration::from_secs(20)).await?;

        // One timeout per outage: between kill and recovery the skip count grew once.
        for (victim, from, to) in outages {
            let timeouts = cluster.timeouts_between(from, to).await?;
            // A window that ends during the outage may begin with the dead proposer again.
            ensure!(timeouts <= 2, "{timeouts} timeouts between {from} and {to} while {victim} was down");
        }
        cluster.wait_batched(top, Duration::from_secs(30)).await?;
        cluster.check_invariants(&report.acknowledged).await?;
        cluster.say(&format!("{OUTAGES} kills of the proposer at 200 ms blocks, {TPS} tx/s: {gaps}"));
        Ok(())
    })
    .await
}
