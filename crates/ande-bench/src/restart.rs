//! How long a node with many accounts takes to start.

use std::{
    fmt,
    time::{Duration, Instant},
};

use ande_devnet::{Cluster, Rpc, wait_until};
use eyre::{Result, ensure};
use serde::Serialize;

/// A first start writes all accounts.
const START_LIMIT: Duration = Duration::from_secs(900);
const CALL_LIMIT: Duration = Duration::from_secs(2);

/// Times from the start of the process to its first answer.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Starts {
    /// Accounts in the state.
    pub(crate) accounts: usize,
    /// After it was told to stop, milliseconds.
    pub(crate) after_stop_ms: u128,
    /// After SIGKILL, milliseconds.
    pub(crate) after_kill_ms: u128,
    /// Resident memory then, MiB.
    pub(crate) memory_mib: u64,
}

impl fmt::Display for Starts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accounts, after_stop_ms, after_kill_ms, memory_mib } = self;
        writeln!(
            f,
            "a node with {accounts} accounts answers {after_stop_ms} ms after its start when it was \
             stopped in order, {after_kill_ms} ms after SIGKILL; it has {memory_mib} MiB then"
        )
    }
}

/// Measures the first node.
///
/// # Errors
/// When it does not come back.
pub(crate) async fn restarts(cluster: &mut Cluster, accounts: usize) -> Result<Starts> {
    answers(cluster).await?;
    cluster.wait_healthy(&|_| ()).await?;
    cluster.node_mut(0)?.stop().await?;
    let after_stop_ms = restart(cluster).await?.as_millis();
    cluster.node_mut(0)?.kill().await?;
    let after_kill_ms = restart(cluster).await?.as_millis();
    let pids: Vec<u32> = cluster.nodes()[0].pid().into_iter().collect();
    let memory_mib = crate::process::Usage::of_all(&pids)?.memory >> 20;
    Ok(Starts { accounts, after_stop_ms, after_kill_ms, memory_mib })
}

async fn restart(cluster: &mut Cluster) -> Result<Duration> {
    let start = Instant::now();
    cluster.start_node(0)?;
    answers(cluster).await?;
    Ok(start.elapsed())
}

async fn answers(cluster: &mut Cluster) -> Result<()> {
    let rpc = Rpc::new(cluster.nodes()[0].rpc_url(), CALL_LIMIT)?;
    let node = cluster.node_mut(0)?;
    wait_until("the node answers", START_LIMIT, async || {
        ensure!(node.is_running(), "the node ended");
        Ok(rpc.height().await.ok())
    })
    .await?;
    Ok(())
}
