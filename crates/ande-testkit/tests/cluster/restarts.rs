//! Nodes die, stop, freeze and are restarted behind HAProxy, and its clients notice nothing.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use ande_devnet::{LOAD_SENDERS, Load, LoadPlan, Rpc};
use ande_testkit::{Plan, TestCluster};
use eyre::{Result, ensure};
use tokio::task::{JoinHandle, JoinSet};

/// Requests of each kind per second.
const RATE: u32 = 100;
/// A request that waited for a frozen node and then for others is answered long before.
const ANSWER: Duration = Duration::from_secs(20);
const BACK: Duration = Duration::from_secs(60);
/// Blocks that the others make while one is away.
const AWAY: u64 = 8;

/// Requests that read, at a steady rate, each sent once.
struct Reads {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    failed: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Reads {
    fn start(rpc: Rpc) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let failed = Arc::<Mutex<Vec<String>>>::default();
        let task = tokio::spawn({
            let (stop, answered, failed) = (stop.clone(), answered.clone(), failed.clone());
            async move {
                let mut ticker = tokio::time::interval(Duration::from_secs(1) / RATE);
                let mut open = JoinSet::new();
                while !stop.load(Relaxed) {
                    ticker.tick().await;
                    let (rpc, answered, failed) = (rpc.clone(), answered.clone(), failed.clone());
                    open.spawn(async move {
                        match rpc.block("latest").await {
                            Ok(Some(_)) => {
                                answered.fetch_add(1, Relaxed);
                            }
                            other => {
                                let mut failed =
                                    failed.lock().unwrap_or_else(PoisonError::into_inner);
                                failed.push(format!("{other:?}"));
                            }
                        }
                    });
                    while open.try_join_next().is_some() {}
                }
                while open.join_next().await.is_some() {}
            }
        });
        Self { stop, answered, failed, task }
    }

    async fn finish(self) -> Result<(u64, Vec<String>)> {
        self.stop.store(true, Relaxed);
        self.task.await?;
        let failed =
            std::mem::take(&mut *self.failed.lock().unwrap_or_else(PoisonError::into_inner));
        Ok((self.answered.load(Relaxed), failed))
    }
}

/// Clients of the load balancer, half of whose requests are transactions. None tries anything twice.
struct Traffic {
    load: Load,
    reads: Reads,
}

impl Traffic {
    /// None where HAProxy is not installed.
    async fn start(cluster: &TestCluster) -> Result<Option<Self>> {
        let Some(url) = cluster.cluster().lb_rpc() else {
            cluster.say("HAProxy is not installed: left out");
            return Ok(None);
        };
        let load = Load::start(LoadPlan {
            wallets: cluster.cluster().wallets(LOAD_SENDERS).await?,
            endpoints: vec![url.clone()],
            per_second: RATE,
            answer_limit: ANSWER,
            give_up: Duration::ZERO,
        })?;
        Ok(Some(Self { load, reads: Reads::start(Rpc::new(url, ANSWER)?) }))
    }

    /// Stops, and checks that no request failed, none was lost and none was executed twice.
    async fn finish(self, cluster: &TestCluster) -> Result<()> {
        let (reads, failed) = self.reads.finish().await?;
        let report = self.load.finish().await?;
        ensure!(failed.is_empty(), "{} reads failed: {:?}", failed.len(), failed.first());
        ensure!(
            report.unanswered.is_empty(),
            "{} transactions failed, the first {}",
            report.unanswered.len(),
            report.unanswered[0]
        );
        ensure!(report.refused.is_empty(), "refused: {:?}", report.refused.first());
        cluster.wait_in_sync(BACK).await?;
        cluster.check_invariants(&report.acknowledged).await?;
        cluster.say(&format!(
            "{reads} reads and {} transactions through HAProxy, none failed, lost or twice",
            report.acknowledged.len()
        ));
        Ok(())
    }
}

/// Until the others have made some blocks.
async fn others_go_on(cluster: &TestCluster, victim: usize) -> Result<()> {
    let other = (victim + 1) % cluster.size();
    cluster.wait_height(other, cluster.height().await + AWAY, BACK).await
}

/// Until a node has what the others have, and takes part again.
async fn wait_back(cluster: &TestCluster, victim: usize) -> Result<()> {
    cluster.wait_height(victim, cluster.height().await, BACK).await?;
    others_go_on(cluster, victim).await?;
    cluster.wait_height(victim, cluster.height().await, BACK).await
}

#[tokio::test]
async fn clients_of_the_load_balancer_notice_no_fault_of_a_node() -> Result<()> {
    // One long epoch: nobody is jailed for the windows that it misses here.
    let plan = Plan { load_balancer: true, windows_per_epoch: 1_000, ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let Some(traffic) = Traffic::start(cluster).await? else { return Ok(()) };
            for victim in 0..cluster.size() {
                cluster.kill(victim).await?;
                others_go_on(cluster, victim).await?;
                cluster.restart(victim)?;
                wait_back(cluster, victim).await?;

                cluster.processes().node_mut(victim)?.stop().await?;
                others_go_on(cluster, victim).await?;
                cluster.restart(victim)?;
                wait_back(cluster, victim).await?;

                cluster.freeze(victim, true)?;
                others_go_on(cluster, victim).await?;
                cluster.freeze(victim, false)?;
                wait_back(cluster, victim).await?;

                cluster.processes().reload_load_balancer()?;
                others_go_on(cluster, victim).await?;
                cluster.say(&format!(
                    "node-{} was killed, stopped and frozen, HAProxy reloaded",
                    victim + 1
                ));
            }
            traffic.finish(cluster).await
        })
        .await
}

#[tokio::test]
async fn a_rolling_restart_fails_no_request_and_costs_a_round_each() -> Result<()> {
    // The windows of the others take longer than a restart.
    let plan =
        Plan { load_balancer: true, rotation: 20, windows_per_epoch: 500, ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let Some(traffic) = Traffic::start(cluster).await? else { return Ok(()) };
            for victim in 0..cluster.size() {
                let from = cluster.height().await;
                cluster.processes().node_mut(victim)?.stop().await?;
                cluster.restart(victim)?;
                wait_back(cluster, victim).await?;
                cluster.wait_in_sync(BACK).await?;
                let timeouts = cluster.timeouts_between(from, cluster.height().await).await?;
                cluster.say(&format!("node-{} restarted, {timeouts} rounds lost", victim + 1));
                // One in the window that it had; when that ends meanwhile, a busy machine adds one.
                ensure!(timeouts <= 2, "{timeouts} timeouts while node-{} restarted", victim + 1);
            }
            traffic.finish(cluster).await
        })
        .await
}
