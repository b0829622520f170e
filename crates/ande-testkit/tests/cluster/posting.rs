//! The poster dies at every step of posting.

use std::time::Duration;

use ande_devnet::wait_until;
use ande_failpoint::SETTLEMENT;
use ande_testkit::{Plan, TestCluster};
use eyre::{Result, WrapErr as _, ensure};

const POSTER_TURN: Duration = Duration::from_secs(90);

#[tokio::test]
async fn poster_killed_at_every_step_posts_every_batch_exactly_once() -> Result<()> {
    // A window is a little longer than a batch: every node posts in each of its windows.
    let plan = Plan {
        rotation: 12,
        windows_per_epoch: 10,
        batch_interval: Duration::from_secs(2),
        takeover: Duration::from_secs(1),
        ..Plan::default()
    };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let load = cluster.load(20).await?;
            for (step, name) in SETTLEMENT.iter().enumerate() {
                let victim = step % cluster.size();
                cluster.processes().node_mut(victim)?.stop().await?;
                let point = vec![("ANDE_FAILPOINT".to_owned(), format!("{name}:abort"))];
                cluster.processes().start_node_with(victim, &point)?;
                let process = cluster.processes();
                wait_until("the poster dies", POSTER_TURN, async || {
                    Ok((!process.node_mut(victim)?.is_running()).then_some(()))
                })
                .await
                .wrap_err_with(|| {
                    format!("at {name}; is the node built with --features ande-node/failpoints?")
                })?;
                let before = cluster.cluster().tip().await?.batchIndex;
                cluster.restart(victim)?;
                // Posting goes on: the batch it died over and one more.
                let coordinator = cluster.coordinator()?;
                let now = wait_until("posting goes on", Duration::from_secs(30), async || {
                    let tip = coordinator.tip().call().await?.batchIndex;
                    Ok((tip >= before + 2).then_some(tip))
                })
                .await?;
                cluster.say(&format!(
                    "node-{} died {name}: {before} batches then, {now} now",
                    victim + 1
                ));
                let height = cluster.height().await;
                cluster.wait_height(victim, height, Duration::from_secs(20)).await?;
            }
            let report = load.finish().await?;
            let top = cluster.wait_in_sync(Duration::from_secs(20)).await?;
            cluster.wait_batched(top, Duration::from_secs(30)).await?;
            let batches = cluster.check_batches().await?;
            ensure!(batches.len() >= SETTLEMENT.len(), "only {} batches", batches.len());
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
