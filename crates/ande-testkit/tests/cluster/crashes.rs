//! A node dies at every step of building, validating, committing and persisting.

use std::time::{Duration, Instant};

use ande_devnet::wait_until;
use ande_failpoint::{CHAIN, REPLAY};
use ande_testkit::{Plan, TestCluster};
use eyre::{Result, WrapErr as _};

/// A node passes every point within a round of windows.
const PASS: Duration = Duration::from_secs(60);
/// After this point the state is behind the chain at the next start.
const BEHIND: &str = "state-before-write";

#[tokio::test]
async fn nodes_killed_at_every_step_of_a_block_come_back_with_the_same_state() -> Result<()> {
    let plan = Plan { rotation: 4, windows_per_epoch: 30, ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let load = cluster.load(50).await?;
            for (step, point) in CHAIN.into_iter().enumerate() {
                let victim = step % cluster.size();
                cluster.kill(victim).await?;
                die_at(cluster, victim, point).await?;
                if point == BEHIND {
                    for point in REPLAY {
                        die_at(cluster, victim, point).await?;
                    }
                }
                let height = cluster.height().await;
                let start = Instant::now();
                cluster.restart(victim)?;
                cluster.wait_height(victim, height, Duration::from_secs(30)).await?;
                cluster.say(&format!(
                    "node-{} died {point} and was at height {height} again after {} ms",
                    victim + 1,
                    start.elapsed().as_millis()
                ));
            }
            let report = load.finish().await?;
            cluster.wait_in_sync(Duration::from_secs(20)).await?;
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}

/// Starts a node that aborts at a point, and waits until it did.
async fn die_at(cluster: &mut TestCluster, victim: usize, point: &str) -> Result<()> {
    // The history is short, so that every block prunes.
    let env = [
        ("ANDE_FAILPOINT".to_owned(), format!("{point}:abort")),
        ("ANDE_EVM__HISTORY_BLOCKS".to_owned(), "2".to_owned()),
    ];
    cluster.processes().start_node_with(victim, &env)?;
    let process = cluster.processes();
    wait_until("the node dies", PASS, async || {
        Ok((!process.node_mut(victim)?.is_running()).then_some(()))
    })
    .await
    .wrap_err_with(|| {
        format!("at {point}; is the node built with --features ande-node/failpoints?")
    })
}
