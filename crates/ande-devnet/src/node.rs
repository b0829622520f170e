//! One node of a local cluster: its directory, configuration and process.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::primitives::Address;
use eyre::{Result, eyre};

use crate::{
    config::{CONFIG_FILE, ConfigFile},
    deploy::Deployment,
    genesis::GENESIS_FILE,
    keys::NodeKeys,
    ports::NodePorts,
    process::{Launch, OnOrphan, Process},
    rpc::Rpc,
    tools,
};

const LOG_FILE: &str = "node.log";
const STOP_GRACE: Duration = Duration::from_secs(15);

/// Settings that all nodes of a cluster share and that may differ between runs.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// Longest time without a block.
    pub heartbeat: Duration,
    /// Longest time between batches.
    pub batch_interval: Duration,
    /// Delay after which the next in the schedule posts a batch.
    pub takeover: Duration,
    /// Time between polls of the settlement chain.
    pub l1_poll_interval: Duration,
    /// Time in which a stopping node drains.
    pub drain: Duration,
    /// Wait for a proposal in round 0; none for the node's default.
    pub propose_timeout: Option<Duration>,
    /// JSON-RPC of the Celestia node that batches go to; to the settlement chain when none.
    pub celestia: Option<String>,
    /// Log filter.
    pub log: String,
    /// Additional environment of every node.
    pub env: Vec<(String, String)>,
}

impl NodeSettings {
    /// For networks on one machine.
    #[must_use]
    pub fn local() -> Self {
        Self {
            heartbeat: Duration::from_secs(10),
            batch_interval: Duration::from_secs(5),
            takeover: Duration::from_secs(5),
            l1_poll_interval: Duration::from_millis(500),
            drain: Duration::from_millis(500),
            propose_timeout: None,
            celestia: None,
            log: "info,arc_malachitebft=warn".to_owned(),
            env: Vec::new(),
        }
    }
}

/// A node of the cluster.
#[derive(Debug)]
pub struct Node {
    name: String,
    dir: PathBuf,
    keys: NodeKeys,
    ports: NodePorts,
    id: u32,
    process: Option<Process>,
}

impl Node {
    /// The node with this position (from 0) in the cluster of `dir`, not started.
    ///
    /// # Errors
    /// Unreadable keys.
    pub fn new(dir: &Path, index: usize, ports: NodePorts) -> Result<Self> {
        let name = format!("node-{}", index + 1);
        let dir = dir.join(&name);
        let keys = NodeKeys::load_or_create(&dir)?;
        Ok(Self { name, dir, keys, ports, id: 0, process: None })
    }

    /// Its name: `node-1` and so on.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.dir.join(CONFIG_FILE)
    }

    /// Its keys.
    #[must_use]
    pub const fn keys(&self) -> &NodeKeys {
        &self.keys
    }

    /// Address of its validator.
    #[must_use]
    pub fn address(&self) -> Address {
        self.keys.address()
    }

    /// Contract id of its validator; 0 before registration.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Sets the contract id after registration.
    pub const fn set_id(&mut self, id: u32) {
        self.id = id;
    }

    /// Its ports.
    #[must_use]
    pub const fn ports(&self) -> NodePorts {
        self.ports
    }

    /// JSON-RPC endpoint; the one registered in the contract.
    #[must_use]
    pub fn rpc_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.rpc)
    }

    /// WebSocket endpoint.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.ports.ws)
    }

    /// Metrics and status endpoint.
    #[must_use]
    pub fn ops_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.ops)
    }

    /// Consensus network address.
    #[must_use]
    pub fn p2p(&self) -> String {
        format!("127.0.0.1:{}", self.ports.p2p)
    }

    /// A JSON-RPC client of the node.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn rpc(&self) -> Result<Rpc> {
        Rpc::new(self.rpc_url(), Duration::from_secs(5))
    }

    /// The process, if it was started.
    pub const fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// Process id, if it was started.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Whether its process runs.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }

    /// Writes the configuration file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_config(
        &self,
        deployment: &Deployment,
        l1_url: &str,
        settings: &NodeSettings,
    ) -> Result<()> {
        let listen = |port: u16| format!("127.0.0.1:{port}");
        let text = ConfigFile {
            header: "Written at every start of the local cluster.",
            name: &self.name,
            data_dir: "data",
            // Beside the directories of the nodes: all of them read the same file.
            genesis: &format!("../{GENESIS_FILE}"),
            keys: "",
            guard: None,
            l1_url,
            p2p_listen: &listen(self.ports.p2p),
            p2p_advertise: &listen(self.ports.p2p),
            rpc: &listen(self.ports.rpc),
            ws: &listen(self.ports.ws),
            ops: &listen(self.ports.ops),
        }
        .text(&deployment.chain(), settings);
        fs::write(self.config_file(), text)?;
        Ok(())
    }

    /// Starts the process with additional environment.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn start(&mut self, env: &[(String, String)], on_orphan: OnOrphan) -> Result<()> {
        if self.is_running() {
            return Err(eyre!("{} runs already", self.name));
        }
        let process = Process::spawn(&Launch {
            name: self.name.clone(),
            program: tools::node_binary()?,
            args: vec!["--config".into(), self.config_file().into()],
            dir: self.dir.clone(),
            env: env.to_vec(),
            log: self.dir.join(LOG_FILE),
            on_orphan,
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Stops the process in order.
    ///
    /// # Errors
    /// When it cannot be stopped.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process {
            process.stop(STOP_GRACE).await?;
        }
        Ok(())
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process {
            process.kill().await?;
        }
        Ok(())
    }
}
