//! A cluster that belongs to one test.

use std::{
    fs::File,
    sync::Once,
    time::{Duration, Instant},
};

use alloy::{
    primitives::Address,
    providers::{DynProvider, Provider as _},
};
use ande_contracts::{AndeConsensus, AndeSequencerCoordinator};
use ande_devnet::{
    Account, Cluster, ClusterConfig, LOAD_SENDERS, Load, LoadPlan, NodeSettings, Observation,
    OnOrphan, Ports, Rpc, SignedTransaction, Wallet, cli_binary, wait_until,
};
use eyre::{Context as _, ContextCompat as _, Result, bail, eyre};
use tempfile::TempDir;

use crate::{ChainApi, HeightWatch, Plan, run_program};

const L2_CHAIN_ID: u64 = 6174;
const CLUSTER_LOCK: &str = "ande-test-cluster.lock";
const LOG_LINES: usize = 40;
const LOG_COLUMNS: usize = 240;

/// Real processes on free ports in a temporary directory, stopped when it is dropped.
#[derive(Debug)]
pub struct TestCluster {
    cluster: Cluster,
    http: reqwest::Client,
    start: Instant,
    dir: TempDir,
    /// Clusters of other test processes wait: their deadlines assume the machine for themselves.
    _turn: File,
}

impl TestCluster {
    /// Starts a cluster and waits until it orders transactions and posts batches.
    ///
    /// # Errors
    /// With the end of the log of the process that failed.
    pub async fn start(plan: Plan) -> Result<Self> {
        let mut cluster = Self::launch(plan).await?;
        let say = cluster.narrator();
        match cluster.cluster.wait_healthy(&say).await {
            Ok(()) => Ok(cluster),
            Err(error) => {
                cluster.print_logs();
                Err(error)
            }
        }
    }

    /// Starts a cluster without waiting for anything.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub async fn launch(plan: Plan) -> Result<Self> {
        static TLS: Once = Once::new();
        TLS.call_once(|| {
            // The only way to fail is that one is installed already, which is fine.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let turn = tokio::task::spawn_blocking(|| -> Result<File> {
            let file = File::create(std::env::temp_dir().join(CLUSTER_LOCK))?;
            file.lock()?;
            Ok(file)
        })
        .await??;
        let dir = tempfile::Builder::new().prefix("ande-").tempdir()?;
        let start = Instant::now();
        let say = |text: &str| eprintln!("{:>6.1}s  {text}", start.elapsed().as_secs_f64());
        let config = ClusterConfig {
            dir: dir.path().to_path_buf(),
            ports: Ports::free(plan.stakes.len())?,
            stakes: plan.stakes,
            l2_chain_id: L2_CHAIN_ID,
            executor: plan.executor,
            other_accounts: 0,
            block_time: plan.block_time,
            rotation: plan.rotation,
            windows_per_epoch: plan.windows_per_epoch,
            l1_block_time_secs: 1,
            l1_behind: plan.l1_behind,
            nodes: NodeSettings {
                heartbeat: plan.heartbeat,
                batch_interval: plan.batch_interval,
                takeover: plan.takeover,
                l1_poll_interval: Duration::from_millis(250),
                drain: Duration::from_millis(100),
                propose_timeout: Some(plan.propose_timeout),
                celestia: plan.celestia,
                log: plan.log,
                env: plan.env,
            },
            load_balancer: plan.load_balancer,
            on_orphan: OnOrphan::Kill,
        };
        let cluster = Cluster::start(config, &say).await?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { cluster, http, start, dir, _turn: turn })
    }

    /// The processes.
    pub const fn processes(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    /// The processes.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The temporary directory.
    #[must_use]
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Number of nodes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.cluster.nodes().len()
    }

    /// Prints a line with the time since the start.
    pub fn say(&self, text: &str) {
        eprintln!("{:>6.1}s  {text}", self.start.elapsed().as_secs_f64());
    }

    /// JSON-RPC of a node.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn rpc(&self, index: usize) -> Result<Rpc> {
        let node = self.cluster.nodes().get(index).wrap_err_with(|| format!("no node {index}"))?;
        Rpc::new(node.rpc_url(), Duration::from_secs(3))
    }

    /// JSON-RPC of every node.
    ///
    /// # Errors
    /// When a client cannot be made.
    pub fn rpcs(&self) -> Result<Vec<Rpc>> {
        (0..self.size()).map(|index| self.rpc(index)).collect()
    }

    /// Consensus data of a node.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn chain(&self, index: usize) -> Result<ChainApi> {
        self.rpc(index).map(ChainApi::new)
    }

    /// The settlement chain.
    ///
    /// # Errors
    /// A malformed address.
    pub fn l1(&self) -> Result<DynProvider> {
        Ok(Account::bank(&self.cluster.l1_url())?.provider().clone())
    }

    /// `AndeConsensus`.
    ///
    /// # Errors
    /// A malformed address.
    pub fn consensus(&self) -> Result<AndeConsensus::AndeConsensusInstance<DynProvider>> {
        Ok(AndeConsensus::new(self.cluster.contracts().consensus, self.l1()?))
    }

    /// `AndeSequencerCoordinator`.
    ///
    /// # Errors
    /// A malformed address.
    pub fn coordinator(
        &self,
    ) -> Result<AndeSequencerCoordinator::AndeSequencerCoordinatorInstance<DynProvider>> {
        Ok(AndeSequencerCoordinator::new(self.cluster.contracts().coordinator, self.l1()?))
    }

    /// Whether the contract's frozen set of an epoch has this signer.
    ///
    /// # Errors
    /// When the contract does not answer, or the epoch is not frozen.
    pub async fn is_member(&self, epoch: u64, signer: Address) -> Result<bool> {
        let set = self.consensus()?.getValidatorSet(epoch).call().await?;
        Ok(set.iter().any(|member| member.signer == signer))
    }

    /// Heights of an epoch: the first, and the last.
    #[must_use]
    pub fn heights_of(&self, epoch: u64) -> (u64, u64) {
        let deployment = self.cluster.deployment();
        let length = u64::from(deployment.rotation) * u64::from(deployment.windows_per_epoch);
        (epoch * length, (epoch + 1) * length - 1)
    }

    /// A command of `ande validator`, as the owner of a node's validator gives it.
    ///
    /// # Errors
    /// With what it printed, when it fails.
    pub async fn as_owner(&self, index: usize, command: &str) -> Result<String> {
        let node = self.cluster.nodes().get(index).wrap_err_with(|| format!("no node {index}"))?;
        let config = node.config_file();
        let words =
            ["validator", command, "--config", &config.to_string_lossy()].map(str::to_owned);
        run_program(&cli_binary()?, &words, node.dir()).await
    }

    /// Moves the clock of the settlement chain, which the next block has.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn pass_on_l1(&self, time: Duration) -> Result<()> {
        let client = self.l1()?;
        let _: serde_json::Value =
            client.raw_request("evm_increaseTime".into(), (time.as_secs(),)).await?;
        let _: serde_json::Value = client.raw_request("evm_mine".into(), ()).await?;
        Ok(())
    }

    /// What a node's metrics say.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn observe(&self, index: usize) -> Result<Observation> {
        let node = self.cluster.nodes().get(index).wrap_err_with(|| format!("no node {index}"))?;
        Observation::fetch(&self.http, &node.ops_url()).await
    }

    /// Position of the node whose validator proposes now, as the nodes say.
    ///
    /// # Errors
    /// When no node names one of the cluster's validators in time.
    pub async fn proposer(&self) -> Result<usize> {
        wait_until("a node names the proposer", Duration::from_secs(10), async || {
            for index in 0..self.size() {
                let Ok(observed) = self.observe(index).await else { continue };
                let Some(id) = observed.proposer() else { continue };
                let position =
                    self.cluster.nodes().iter().position(|node| u64::from(node.id()) == id);
                return Ok(Some(position.ok_or_else(|| eyre!("validator {id} has no node"))?));
            }
            Ok(None)
        })
        .await
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(&mut self, index: usize) -> Result<()> {
        self.cluster.node_mut(index)?.kill().await
    }

    /// Starts a node again.
    ///
    /// # Errors
    /// When it runs or cannot be started.
    pub fn restart(&mut self, index: usize) -> Result<()> {
        self.cluster.start_node(index)
    }

    /// Freezes (`true`) or continues a node.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&mut self, index: usize, frozen: bool) -> Result<()> {
        let process = self.cluster.node_mut(index)?.process().wrap_err("not started")?;
        if frozen { process.pause() } else { process.resume() }
    }

    /// Highest certified height that any node has.
    pub async fn height(&self) -> u64 {
        let Ok(rpcs) = self.rpcs() else { return 0 };
        let heights = futures::future::join_all(rpcs.iter().map(Rpc::height)).await;
        heights.into_iter().flatten().max().unwrap_or(0)
    }

    /// Waits until a node's certified height is at least `height`.
    ///
    /// # Errors
    /// After `limit`.
    pub async fn wait_height(&self, index: usize, height: u64, limit: Duration) -> Result<()> {
        let rpc = self.rpc(index)?;
        let name = self.cluster.nodes()[index].name();
        let result = wait_until(&format!("{name} is at height {height}"), limit, async || {
            Ok(rpc.height().await.ok().filter(|have| *have >= height))
        })
        .await;
        if result.is_err() {
            let have = rpc.height().await;
            return result.map(|_| ()).wrap_err_with(|| format!("{name} says {have:?}"));
        }
        Ok(())
    }

    /// Waits until every node has the block that is the tip of the highest one now.
    ///
    /// # Errors
    /// After `limit`.
    pub async fn wait_in_sync(&self, limit: Duration) -> Result<u64> {
        let top = self.height().await;
        for index in 0..self.size() {
            self.wait_height(index, top, limit).await?;
        }
        Ok(top)
    }

    /// Waits until the contract accepted a batch that reaches `height`.
    ///
    /// # Errors
    /// After `limit`.
    pub async fn wait_batched(&self, height: u64, limit: Duration) -> Result<u64> {
        let coordinator = self.coordinator()?;
        let what = format!("a batch up to height {height} is accepted");
        wait_until(&what, limit, async || {
            let tip = coordinator.tip().call().await.ok();
            Ok(tip.filter(|tip| tip.endHeight >= height).map(|tip| tip.batchIndex))
        })
        .await
    }

    /// Starts load on every node.
    ///
    /// # Errors
    /// An impossible plan, or no node that answers.
    pub async fn load(&self, per_second: u32) -> Result<Load> {
        Load::start(LoadPlan {
            wallets: self.cluster.wallets(LOAD_SENDERS).await?,
            endpoints: self.cluster.nodes().iter().map(|node| node.rpc_url()).collect(),
            per_second,
            answer_limit: Duration::from_secs(3),
            give_up: Duration::from_secs(60),
        })
    }

    /// Watches the height of all nodes.
    ///
    /// # Errors
    /// When a client cannot be made.
    pub fn watch_height(&self) -> Result<HeightWatch> {
        let quick = self
            .cluster
            .nodes()
            .iter()
            .map(|node| Rpc::new(node.rpc_url(), Duration::from_millis(500)))
            .collect::<Result<_>>()?;
        Ok(HeightWatch::start(quick))
    }

    /// An L2 account of its own.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn wallet(&self) -> Result<Wallet> {
        self.cluster.wallet().await
    }

    /// Sends a transaction to an endpoint and waits for the acknowledgement.
    ///
    /// # Errors
    /// When it is refused or nobody answers for ten seconds.
    pub async fn submit(&self, rpc: &Rpc, signed: &SignedTransaction) -> Result<()> {
        wait_until("a transaction is acknowledged", Duration::from_secs(10), async || {
            match rpc.send_raw(&signed.raw).await {
                Ok(hash) if hash == signed.hash => Ok(Some(())),
                Ok(hash) => bail!("acknowledged as {hash}, sent {}", signed.hash),
                Err(ande_devnet::RpcError::Transport(_)) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Runs a test's steps; on failure prints the end of every log first.
    ///
    /// # Errors
    /// The steps' own.
    pub async fn observed<T>(
        &mut self,
        steps: impl AsyncFnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let result = steps(self).await;
        if let Err(error) = &result {
            self.say(&format!("failed: {error:#}"));
            self.print_logs();
        }
        result
    }

    /// Prints the end of every node's log.
    pub fn print_logs(&mut self) {
        for index in 0..self.size() {
            let Ok(node) = self.cluster.node_mut(index) else { continue };
            let name = node.name().to_owned();
            if let Some(process) = node.process() {
                let state = process.try_wait().map_or_else(
                    || format!("running, pid {}", process.pid()),
                    |status| status.to_string(),
                );
                let tail = process.log_tail(LOG_LINES);
                eprintln!("--- {name} ({state})");
                for line in tail.lines() {
                    eprintln!("{}", line.chars().take(LOG_COLUMNS).collect::<String>());
                }
            }
        }
    }

    fn narrator(&self) -> impl Fn(&str) + use<> {
        let start = self.start;
        move |text: &str| eprintln!("{:>6.1}s  {text}", start.elapsed().as_secs_f64())
    }
}
