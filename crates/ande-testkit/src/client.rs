//! A real execution client beside a cluster: `@ethereumjs/client`, from the package lock of the
//! repository.

use std::{path::PathBuf, time::Duration};

use ande_devnet::{
    Launch, NodePorts, OnOrphan, Ports, Process, Rpc, in_path, repository_root, wait_until,
};
use eyre::{Context as _, ContextCompat as _, Result, ensure};

use crate::TestCluster;

/// How long it may take until the client answers; it needs 8 s of an idle core.
const START_LIMIT: Duration = Duration::from_secs(120);
const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// The client with its files, which outlive the process.
#[derive(Debug)]
pub struct ExecutionClient {
    dir: PathBuf,
    genesis: PathBuf,
    ports: NodePorts,
    process: Option<Process>,
}

impl ExecutionClient {
    /// A client of the cluster's L2 with a directory of its own, not started.
    ///
    /// # Errors
    /// When its files cannot be made.
    pub fn new(cluster: &TestCluster) -> Result<Self> {
        let dir = cluster.dir().join("client");
        std::fs::create_dir(&dir)?;
        ande_node::write_secret(&dir.join("jwt.hex"), SECRET)?;
        let ports = *Ports::free(1)?.nodes.first().wrap_err("no free ports")?;
        let genesis = ande_devnet::genesis_file(cluster.dir());
        Ok(Self { dir, genesis, ports, process: None })
    }

    /// Starts it, new, and the node at `index` again with it; returns the height until then.
    /// `settings` are further lines of `[engine]`.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn join(
        &mut self,
        cluster: &mut TestCluster,
        index: usize,
        settings: &str,
    ) -> Result<u64> {
        let node = cluster.processes().node_mut(index)?;
        node.stop().await?;
        let config = std::fs::read_to_string(node.config_file())?;
        let section = format!(
            "\n[engine]\nurl = \"http://127.0.0.1:{}\"\njwt_secret = \"{}\"\n{settings}",
            self.ports.ops,
            self.dir.join("jwt.hex").display()
        );
        std::fs::write(node.config_file(), config + &section)?;
        self.start().await?;
        cluster.say("the client answers");
        let before = cluster.height().await;
        ensure!(self.rpc()?.height().await? == 0, "the client should be new");
        cluster.restart(index)?;
        cluster.say(&format!("the node starts again at height {before}"));
        Ok(before)
    }

    /// Its JSON-RPC.
    ///
    /// # Errors
    /// When the client of it cannot be made.
    pub fn rpc(&self) -> Result<Rpc> {
        Rpc::new(format!("http://127.0.0.1:{}", self.ports.rpc), Duration::from_secs(5))
    }

    /// Starts it, again on its data, and waits until it answers.
    ///
    /// # Errors
    /// With the end of its log.
    pub async fn start(&mut self) -> Result<()> {
        let path = |name: &str| self.dir.join(name).display().to_string();
        let program = repository_root().join("node_modules/@ethereumjs/client/dist/esm/bin/cli.js");
        let args = [
            program.display().to_string(),
            format!("--gethGenesis={}", self.genesis.display()),
            format!("--dataDir={}", path("data")),
            format!("--jwtSecret={}", path("jwt.hex")),
            "--rpcEngine".into(),
            "--rpcEngineAddr=127.0.0.1".into(),
            format!("--rpcEnginePort={}", self.ports.ops),
            "--rpc".into(),
            "--rpcAddr=127.0.0.1".into(),
            format!("--rpcPort={}", self.ports.rpc),
            format!("--port={}", self.ports.p2p),
            "--discV4=false".into(),
            "--discDns=false".into(),
            "--isSingleNode".into(),
            "--maxPeers=0".into(),
            "--logLevel=info".into(),
        ];
        let process = Process::spawn(&Launch {
            name: "execution client".into(),
            program: in_path("node").wrap_err("Node.js is not installed")?,
            args: args.map(Into::into).to_vec(),
            dir: self.dir.clone(),
            env: Vec::new(),
            log: self.dir.join("client.log"),
            on_orphan: OnOrphan::Kill,
        })?;
        let process = self.process.insert(process);
        let rpc = Rpc::new(format!("http://127.0.0.1:{}", self.ports.rpc), Duration::from_secs(5))?;
        wait_until("the execution client answers", START_LIMIT, async || {
            Ok(rpc.height().await.ok())
        })
        .await
        .map(|_| ())
        .wrap_err_with(|| process.log_tail(20))
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it was not started or cannot be killed.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.take().wrap_err("not started")?.kill().await.map(|_| ())
    }

    /// The end of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.process.as_ref().map_or_else(String::new, |process| process.log_tail(40))
    }
}
