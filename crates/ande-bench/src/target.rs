//! What is measured: one node, a cluster, and anvil as the yardstick of the same run.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use ande_devnet::{
    Cluster, ClusterConfig, Executor, Launch, NodeSettings, OnOrphan, Ports, Process, Rpc,
    account_key, foundry_binary, wait_until,
};
use eyre::{ContextCompat as _, Result, eyre};
use serde_json::{Value, json};

use crate::signed::Sender;

/// Chain id of everything that is measured.
pub(crate) const CHAIN_ID: u64 = 6174;
const START_LIMIT: Duration = Duration::from_secs(30);
const SETTLE_LIMIT: Duration = Duration::from_secs(300);
/// Nothing is refused for want of room: the chain is measured, not the limits.
pub(crate) const NODE_LIMITS: [(&str, &str); 3] = [
    ("ANDE_POOL__MAX_TRANSACTIONS", "400000"),
    ("ANDE_POOL__MAX_BYTES", "268435456"),
    ("ANDE_POOL__MAX_PER_SENDER", "4096"),
];

/// A chain that takes transactions.
#[derive(Debug)]
pub(crate) enum Target {
    /// Our nodes.
    Cluster(Box<Cluster>),
    /// anvil with the same genesis.
    Anvil {
        /// Its process.
        process: Process,
        /// Where it listens.
        address: SocketAddr,
    },
}

/// Starts nodes with this many accounts that nobody uses.
///
/// # Errors
/// When the contracts cannot be deployed or a node cannot be started.
pub(crate) async fn start(
    dir: &Path,
    validators: usize,
    block_time: Duration,
    other_accounts: usize,
    env: &[(&str, &str)],
) -> Result<Cluster> {
    let config = ClusterConfig {
        dir: dir.to_path_buf(),
        stakes: vec![1000; validators],
        ports: Ports::free(validators)?,
        l2_chain_id: CHAIN_ID,
        executor: Executor::Evm,
        other_accounts,
        block_time,
        rotation: 100,
        windows_per_epoch: 100,
        l1_block_time_secs: 1,
        l1_behind: Duration::ZERO,
        nodes: NodeSettings {
            heartbeat: Duration::from_secs(10),
            batch_interval: Duration::from_secs(2),
            takeover: Duration::from_secs(10),
            l1_poll_interval: Duration::from_millis(250),
            drain: Duration::ZERO,
            propose_timeout: Some(Duration::from_secs(3)),
            celestia: None,
            log: "warn".to_owned(),
            env: env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        },
        load_balancer: false,
        on_orphan: OnOrphan::Kill,
    };
    Cluster::start(config, &|_| ()).await
}

impl Target {
    /// A cluster of this many validators.
    ///
    /// # Errors
    /// When it does not become healthy.
    pub(crate) async fn cluster(
        dir: &Path,
        validators: usize,
        block_time: Duration,
        env: &[(&str, &str)],
    ) -> Result<Self> {
        let mut cluster = start(dir, validators, block_time, 0, env).await?;
        cluster.wait_healthy(&|_| ()).await?;
        Ok(Self::Cluster(Box::new(cluster)))
    }

    /// anvil with the genesis of a cluster.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn anvil(dir: &Path, genesis: &Path) -> Result<Self> {
        let port = ande_ports::reserve()?;
        let mut process = Process::spawn(&Launch {
            name: "anvil".into(),
            program: foundry_binary("anvil")?,
            args: [
                "--port".as_ref(),
                port.to_string().as_ref(),
                "--block-time".as_ref(),
                "1".as_ref(),
                "--init".as_ref(),
                genesis.as_os_str(),
                "--chain-id".as_ref(),
                CHAIN_ID.to_string().as_ref(),
                "--gas-limit".as_ref(),
                "1000000000".as_ref(),
                "--silent".as_ref(),
            ]
            .map(std::ffi::OsStr::to_os_string)
            .to_vec(),
            dir: dir.to_path_buf(),
            env: Vec::new(),
            log: dir.join("anvil.log"),
            on_orphan: OnOrphan::Kill,
        })?;
        let rpc = Rpc::new(format!("http://127.0.0.1:{port}"), Duration::from_secs(2))?;
        wait_until("anvil answers", START_LIMIT, async || {
            if !process.is_running() {
                return Err(eyre!("anvil ended:\n{}", process.log_tail(10)));
            }
            Ok(rpc.height().await.ok())
        })
        .await?;
        Ok(Self::Anvil { process, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }

    /// Where transactions are sent.
    ///
    /// # Errors
    /// Never for addresses of this machine.
    pub(crate) fn endpoints(&self) -> Result<Vec<SocketAddr>> {
        match self {
            Self::Cluster(cluster) => Ok(cluster
                .nodes()
                .iter()
                .map(|node| SocketAddr::from(([127, 0, 0, 1], node.ports().rpc)))
                .collect()),
            Self::Anvil { address, .. } => Ok(vec![*address]),
        }
    }

    /// Processes that execute the L2.
    #[must_use]
    pub(crate) fn pids(&self) -> Vec<u32> {
        match self {
            Self::Cluster(cluster) => {
                cluster.nodes().iter().filter_map(ande_devnet::Node::pid).collect()
            }
            Self::Anvil { process, .. } => vec![process.pid()],
        }
    }

    /// Funded accounts with their next nonces.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub(crate) async fn senders(&self, count: usize) -> Result<Vec<Sender>> {
        let first = *self.endpoints()?.first().wrap_err("no endpoint")?;
        let rpc = Rpc::new(format!("http://{first}"), Duration::from_secs(5))?;
        let mut senders = Vec::with_capacity(count);
        for index in 0..count {
            let key = account_key(index)?;
            let nonce = rpc.next_nonce(key.address()).await?;
            senders.push(Sender { key, nonce });
        }
        Ok(senders)
    }

    /// Waits until the settlement chain accepted every block there is now; how long that took.
    ///
    /// # Errors
    /// When it did not in five minutes.
    pub(crate) async fn settled(&self) -> Result<Duration> {
        let start = Instant::now();
        let first = *self.endpoints()?.first().wrap_err("no endpoint")?;
        let rpc = Rpc::new(format!("http://{first}"), Duration::from_secs(5))?;
        let head = rpc.height().await?;
        wait_until("all blocks are posted", SETTLE_LIMIT, async || {
            let safe: Value = rpc.call("eth_getBlockByNumber", json!(["safe", false])).await?;
            let number = safe["number"].as_str().unwrap_or("0x0").trim_start_matches("0x");
            Ok((u64::from_str_radix(number, 16)? >= head).then_some(()))
        })
        .await?;
        Ok(start.elapsed())
    }

    /// Stops everything.
    ///
    /// # Errors
    /// When a process does not stop.
    pub(crate) async fn stop(self) -> Result<()> {
        match self {
            Self::Cluster(mut cluster) => cluster.stop().await,
            Self::Anvil { .. } => Ok(()),
        }
    }
}
