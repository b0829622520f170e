//! A local cluster: settlement chain, contracts, nodes, load balancer.

use std::{
    fs::{self, File, TryLockError},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use ande_contracts::{AndeConsensus, AndeSequencerCoordinator};
use ande_haproxy::{Backend, LoadBalancer};
use eyre::{Context as _, ContextCompat as _, Result, bail, ensure};

use crate::{
    anvil::{Anvil, L1_CHAIN_ID},
    deploy::{self, Account, Contracts, DeployPlan, Deployment, Registered},
    genesis::{Executor, FUNDED_ACCOUNTS, account_key, write_genesis},
    haproxy,
    manifest::{Manifest, ManifestNode},
    node::{Node, NodeSettings},
    ports::Ports,
    process::{OnOrphan, Process},
    rpc::RpcError,
    tools,
    transaction::Wallet,
    wait::wait_until,
};

const LOCK_FILE: &str = "devnet.lock";
const NODES_READY: Duration = Duration::from_secs(60);
const INCLUSION: Duration = Duration::from_secs(60);
const FIRST_BATCH: Duration = Duration::from_secs(60);

/// What to bring up.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Directory of everything; a later start with it continues the same chain.
    pub dir: PathBuf,
    /// Stake of each validator in whole tokens; one node per entry.
    pub stakes: Vec<u64>,
    /// All ports.
    pub ports: Ports,
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// What the nodes execute with.
    pub executor: Executor,
    /// Accounts of the genesis beside those with keys.
    pub other_accounts: usize,
    /// Time between blocks.
    pub block_time: Duration,
    /// Heights per window.
    pub rotation: u32,
    /// Windows per epoch.
    pub windows_per_epoch: u32,
    /// Time between settlement blocks in seconds.
    pub l1_block_time_secs: u64,
    /// How far the clock of the settlement chain is behind this machine's.
    pub l1_behind: Duration,
    /// Settings of the nodes that may differ between runs.
    pub nodes: NodeSettings,
    /// Whether to start HAProxy when it is installed.
    pub load_balancer: bool,
    /// What happens to the children when this process dies.
    pub on_orphan: OnOrphan,
}

/// A cluster whose processes were started.
#[derive(Debug)]
pub struct Cluster {
    config: ClusterConfig,
    deployment: Deployment,
    anvil: Anvil,
    nodes: Vec<Node>,
    haproxy: Option<Process>,
    /// Funded accounts that were handed out.
    wallets: AtomicUsize,
    /// Held while the cluster exists.
    _lock: File,
}

impl Cluster {
    /// Starts everything; `say` is told each step. What was started is stopped when a step fails.
    ///
    /// # Errors
    /// Names the step and what to do.
    pub async fn start(config: ClusterConfig, say: &dyn Fn(&str)) -> Result<Self> {
        tools::node_binary()?;
        tools::foundry_binary("anvil")?;
        fs::create_dir_all(&config.dir)?;
        let config = ClusterConfig { dir: config.dir.canonicalize()?, ..config };
        let lock = lock(&config.dir)?;
        Manifest::remove(&config.dir)?;
        let stored = Deployment::load(&config.dir)?;
        if let Some(stored) = &stored {
            check_unchanged(stored, &config)?;
        }
        config.ports.check_free()?;

        let mut anvil = Anvil::new(
            &config.dir.join("settlement"),
            config.ports.settlement,
            config.l1_block_time_secs,
            config.on_orphan,
        )
        .behind(config.l1_behind);
        let count = config.ports.nodes.len();
        let mut nodes = (0..count)
            .map(|index| Node::new(&config.dir, index, config.ports.nodes[index]))
            .collect::<Result<Vec<_>>>()?;

        let deployment = match stored {
            Some(stored) => {
                say(&format!("continuing the chain in {}", config.dir.display()));
                if !anvil.has_state() {
                    bail!(
                        "the state of the settlement chain is missing; remove {} to start anew",
                        config.dir.display()
                    );
                }
                anvil.start().await.wrap_err("settlement chain")?;
                check_contracts(&anvil.url(), &stored, &config.dir).await?;
                stored
            }
            None => {
                anvil.forget_state()?;
                say(&format!("starting the settlement chain on port {}", config.ports.settlement));
                anvil.start().await.wrap_err("settlement chain")?;
                say(&format!("deploying the contracts, registering {count} validators"));
                let deployment = deploy_all(&config, &anvil, &nodes).await?;
                deployment.save(&config.dir)?;
                deployment
            }
        };
        for (node, registered) in nodes.iter_mut().zip(&deployment.validators) {
            node.set_id(registered.id);
            node.write_config(&deployment, &anvil.url(), &config.nodes)?;
        }

        let mut cluster = Self {
            config,
            deployment,
            anvil,
            nodes,
            haproxy: None,
            wallets: AtomicUsize::new(0),
            _lock: lock,
        };
        say(&format!("starting {count} nodes"));
        for index in 0..count {
            cluster.start_node(index)?;
        }
        if cluster.config.load_balancer {
            cluster.haproxy = haproxy::start(
                &cluster.load_balancer(),
                &cluster.config.dir,
                cluster.config.on_orphan,
            )?;
            match cluster.lb_rpc() {
                Some(url) => say(&format!("HAProxy listens on {url}")),
                None => say("HAProxy is not installed: use each node directly"),
            }
        }
        Ok(cluster)
    }

    /// The parameters.
    #[must_use]
    pub const fn config(&self) -> &ClusterConfig {
        &self.config
    }

    /// Contracts and validators.
    #[must_use]
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Addresses of the contracts.
    #[must_use]
    pub const fn contracts(&self) -> Contracts {
        Contracts {
            token: self.deployment.token,
            consensus: self.deployment.consensus,
            coordinator: self.deployment.coordinator,
        }
    }

    /// The settlement chain.
    pub const fn anvil(&mut self) -> &mut Anvil {
        &mut self.anvil
    }

    /// JSON-RPC of the settlement chain.
    #[must_use]
    pub fn l1_url(&self) -> String {
        self.anvil.url()
    }

    /// The nodes in order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node by position.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn node_mut(&mut self, index: usize) -> Result<&mut Node> {
        self.nodes.get_mut(index).wrap_err_with(|| format!("there is no node {index}"))
    }

    /// HTTP endpoint of the load balancer, if it was started.
    #[must_use]
    pub fn lb_rpc(&self) -> Option<String> {
        self.haproxy.as_ref().map(|_| format!("http://127.0.0.1:{}", self.config.ports.lb_rpc))
    }

    /// WebSocket endpoint of the load balancer, if it was started.
    #[must_use]
    pub fn lb_ws(&self) -> Option<String> {
        self.haproxy.as_ref().map(|_| format!("ws://127.0.0.1:{}", self.config.ports.lb_ws))
    }

    /// Statistics endpoint of the load balancer, if it was started.
    #[must_use]
    pub fn lb_stats(&self) -> Option<String> {
        self.haproxy
            .as_ref()
            .map(|_| format!("http://127.0.0.1:{}/stats", self.config.ports.lb_stats))
    }

    /// Starts a node that does not run.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_node(&mut self, index: usize) -> Result<()> {
        self.start_node_with(index, &[])
    }

    /// Starts a node with additional environment.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_node_with(&mut self, index: usize, env: &[(String, String)]) -> Result<()> {
        let on_orphan = self.config.on_orphan;
        let env = [&self.config.nodes.env, env].concat();
        self.node_mut(index)?.start(&env, on_orphan)
    }

    /// Adds a node with keys of its own, not registered and not started; returns its position.
    ///
    /// # Errors
    /// When there are no free ports or files cannot be written.
    pub fn add_node(&mut self) -> Result<usize> {
        let index = self.nodes.len();
        let ports = self.config.ports.add_node()?;
        let node = Node::new(&self.config.dir, index, ports)?;
        node.write_config(&self.deployment, &self.anvil.url(), &self.config.nodes)?;
        self.nodes.push(node);
        Ok(index)
    }

    /// Waits until the cluster works: a transaction sent to each node is in the same block of all
    /// nodes, and the contract accepted a batch that was made in this run.
    ///
    /// # Errors
    /// After a deadline or when a process ends; with the end of the log.
    pub async fn wait_healthy(&mut self, say: &dyn Fn(&str)) -> Result<()> {
        let before = self.tip().await?;
        let started = Instant::now();
        let rpcs = self.nodes.iter().map(Node::rpc).collect::<Result<Vec<_>>>()?;
        for (index, rpc) in rpcs.iter().enumerate() {
            let what = format!("{} answers", self.nodes[index].name());
            wait_until(&what, NODES_READY, async || {
                self.check_alive()?;
                Ok(rpc.height().await.ok())
            })
            .await?;
        }
        say("all nodes answer; sending a transaction to each");

        let mut wallet = self.wallet().await?;
        let mut hashes = Vec::new();
        for rpc in &rpcs {
            let signed = wallet.next_transfer()?;
            let (raw, hash) = (&signed.raw, signed.hash);
            wait_until("a node takes a transaction", NODES_READY, async || {
                self.check_alive()?;
                match rpc.send_raw(raw).await {
                    Ok(_) => Ok(Some(())),
                    // Not ready yet, or restarting.
                    Err(RpcError::Transport(_) | RpcError::Server { .. }) => Ok(None),
                    Err(error @ RpcError::Shape(_)) => Err(error.into()),
                }
            })
            .await?;
            hashes.push(hash);
        }
        let mut top = 0;
        for hash in &hashes {
            for rpc in &rpcs {
                let height = wait_until(
                    "a transaction is in a block of every node",
                    INCLUSION,
                    async || {
                        self.check_alive()?;
                        Ok(rpc.transaction_height(*hash).await.ok().flatten())
                    },
                )
                .await?;
                top = top.max(height);
            }
        }
        let mut seen = None;
        for rpc in &rpcs {
            let hash = rpc.block(top).await?.wrap_err("a node lost its block")?.hash;
            if *seen.get_or_insert(hash) != hash {
                bail!("two nodes have different blocks at height {top}");
            }
        }
        say(&format!(
            "certified blocks on all nodes (height {top}, {:.1} s)",
            started.elapsed().as_secs_f64()
        ));

        let tip = wait_until("the contract accepts a batch", FIRST_BATCH, async || {
            self.check_alive()?;
            let tip = self.tip().await?;
            Ok((tip.batchIndex > before.batchIndex).then_some(tip))
        })
        .await?;
        say(&format!(
            "batch {} up to height {} accepted by the contract ({:.1} s)",
            tip.batchIndex,
            tip.endHeight,
            started.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    /// An L2 account that can pay for transactions and that nobody else got in this run.
    ///
    /// # Errors
    /// When no node says which nonce is next, or all accounts are taken.
    pub async fn wallet(&self) -> Result<Wallet> {
        let chain_id = self.deployment.l2_chain_id;
        if self.deployment.executor == Executor::None {
            return Ok(Wallet::random(chain_id));
        }
        let index = self.wallets.fetch_add(1, Ordering::Relaxed);
        ensure!(index < FUNDED_ACCOUNTS, "all {FUNDED_ACCOUNTS} funded accounts are taken");
        let key = account_key(index)?;
        for node in &self.nodes {
            if let Ok(nonce) = node.rpc()?.next_nonce(key.address()).await {
                return Ok(Wallet::new(key, chain_id, nonce));
            }
        }
        bail!("no node says which nonce of {} is next", key.address())
    }

    /// Several of these accounts.
    ///
    /// # Errors
    /// As [`wallet`](Self::wallet).
    pub async fn wallets(&self, count: usize) -> Result<Vec<Wallet>> {
        let mut wallets = Vec::with_capacity(count);
        for _ in 0..count {
            wallets.push(self.wallet().await?);
        }
        Ok(wallets)
    }

    /// Writes `devnet.json` and returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_manifest(&self) -> Result<PathBuf> {
        let manifest = Manifest {
            l1_rpc: self.l1_url(),
            l1_chain_id: self.deployment.l1_chain_id,
            l2_chain_id: self.deployment.l2_chain_id,
            token: self.deployment.token,
            consensus: self.deployment.consensus,
            coordinator: self.deployment.coordinator,
            lb_rpc: self.lb_rpc(),
            lb_ws: self.lb_ws(),
            validators: self
                .nodes
                .iter()
                .map(|node| ManifestNode {
                    id: node.id(),
                    address: node.address(),
                    rpc: node.rpc_url(),
                    ws: node.ws_url(),
                    ops: node.ops_url(),
                    p2p: node.p2p(),
                    pid: node.pid(),
                    dir: node.dir().to_path_buf(),
                })
                .collect(),
        };
        manifest.write(&self.config.dir)
    }

    /// Endpoints a client would use: the load balancer, else every node.
    #[must_use]
    pub fn public_endpoints(&self) -> Vec<String> {
        self.lb_rpc()
            .map_or_else(|| self.nodes.iter().map(Node::rpc_url).collect(), |url| vec![url])
    }

    /// Commands to paste into a shell.
    ///
    /// # Errors
    /// When `cast` is not installed.
    pub fn cheat_sheet(&self) -> Result<String> {
        let cast = tools::foundry_binary("cast")?;
        let cast = cast.display();
        let Contracts { token, consensus, coordinator } = self.contracts();
        let l1 = self.l1_url();
        let rpc = self.public_endpoints().into_iter().next().unwrap_or_default();
        let height = "$(cast block-number --rpc-url $RPC)";
        let nodes: Vec<String> = self.nodes.iter().map(Node::rpc_url).collect();
        Ok(format!(
            r#"
  # paste into a shell
  alias cast={cast}
  export L1={l1} RPC={rpc} TOKEN={token} CONSENSUS={consensus} COORDINATOR={coordinator}
  # each node: {nodes}
  cast block latest --rpc-url $RPC
{send}
  cast call $CONSENSUS "getActiveValidators()(address[])" --rpc-url $L1
  cast call $CONSENSUS "proposerAt(uint64)(address)" {height} --rpc-url $L1
  cast call $COORDINATOR "tip()((uint64,uint64,uint64,uint64))" --rpc-url $L1

"#,
            nodes = nodes.join(" "),
            send = self.send_line()?,
        ))
    }

    /// A `cast` line that sends a transaction.
    fn send_line(&self) -> Result<String> {
        Ok(match self.deployment.executor {
            Executor::Evm => {
                // The last funded account: load and checks take the first ones.
                let key = account_key(FUNDED_ACCOUNTS - 1)?.to_bytes();
                format!(
                    "  cast send --rpc-url $RPC --private-key {key} 0x000000000000000000000000000000000000dEaD --value 1ether"
                )
            }
            Executor::None => format!(
                "  cast send --async --legacy --gas-limit 21000 --gas-price 2gwei --nonce 0 --chain {} --rpc-url $RPC --private-key $(cast wallet new --json | jq -r '.[0].private_key') 0x000000000000000000000000000000000000dEaD --value 1",
                self.deployment.l2_chain_id
            ),
        })
    }

    /// Last accepted batch.
    ///
    /// # Errors
    /// When the settlement chain does not answer.
    pub async fn tip(&self) -> Result<AndeSequencerCoordinator::BatchTip> {
        let bank = Account::bank(&self.l1_url())?;
        let coordinator =
            AndeSequencerCoordinator::new(self.deployment.coordinator, bank.provider());
        Ok(coordinator.tip().call().await?)
    }

    /// Fails when a process that was started has ended.
    ///
    /// # Errors
    /// Names the process and shows the end of its log.
    pub fn check_alive(&mut self) -> Result<()> {
        let processes = self
            .nodes
            .iter_mut()
            .filter_map(Node::process)
            .chain(self.anvil.process())
            .chain(self.haproxy.as_mut());
        for process in processes {
            if let Some(status) = process.try_wait() {
                bail!(
                    "{} ended with {status}; the end of {}:\n{}",
                    process.name(),
                    process.log().display(),
                    process.log_tail(15)
                );
            }
        }
        Ok(())
    }

    /// Stops everything in order: load balancer, nodes, settlement chain.
    ///
    /// # Errors
    /// The first process that could not be stopped; all are tried.
    pub async fn stop(&mut self) -> Result<()> {
        let mut result = Manifest::remove(&self.config.dir);
        if let Some(mut haproxy) = self.haproxy.take() {
            result = result.and(haproxy.stop(Duration::from_secs(2)).await.map(|_| ()));
        }
        let stops = self.nodes.iter_mut().map(Node::stop);
        for stopped in futures::future::join_all(stops).await {
            result = result.and(stopped);
        }
        result.and(self.anvil.stop().await)
    }

    /// Lets HAProxy read its configuration again, as an operator does after a change.
    ///
    /// # Errors
    /// When it does not run.
    pub fn reload_load_balancer(&mut self) -> Result<()> {
        self.haproxy.as_mut().wrap_err("HAProxy does not run")?.signal("USR2")
    }

    fn load_balancer(&self) -> LoadBalancer {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        LoadBalancer {
            rpc_bind: at(self.config.ports.lb_rpc),
            ws_bind: at(self.config.ports.lb_ws),
            stats_bind: at(self.config.ports.lb_stats),
            tls: None,
            // Everything comes from one client address here.
            writes_per_10s: 1_000_000,
            reads_per_10s: 1_000_000,
            nodes: self
                .nodes
                .iter()
                .map(|node| Backend {
                    name: node.name().to_owned(),
                    rpc: format!("127.0.0.1:{}", node.ports().rpc),
                    ws: format!("127.0.0.1:{}", node.ports().ws),
                    tls_host: None,
                })
                .collect(),
        }
    }
}

fn lock(dir: &Path) -> Result<File> {
    let file = File::create(dir.join(LOCK_FILE))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another devnet runs in {}; stop it or choose another --dir", dir.display())
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// A chain cannot change its rules by being restarted.
fn check_unchanged(stored: &Deployment, config: &ClusterConfig) -> Result<()> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, have: String, want: String| {
        if have != want {
            differences.push(format!("{what} is {have}, asked for {want}"));
        }
    };
    compare("L2 chain id", stored.l2_chain_id.to_string(), config.l2_chain_id.to_string());
    compare("executor", stored.executor.name().into(), config.executor.name().into());
    compare("rotation", stored.rotation.to_string(), config.rotation.to_string());
    compare(
        "windows per epoch",
        stored.windows_per_epoch.to_string(),
        config.windows_per_epoch.to_string(),
    );
    compare("validators", stored.validators.len().to_string(), config.stakes.len().to_string());
    compare(
        "block time",
        format!("{} ms", stored.block_time_ms),
        format!("{} ms", config.block_time.as_millis()),
    );
    if differences.is_empty() && stored.ports != config.ports {
        differences.push("the ports are others (--port-offset)".to_owned());
    }
    if differences.is_empty() {
        return Ok(());
    }
    bail!(
        "the chain in {dir} was made with other options: {}. Use those, choose another --dir, or remove {dir}",
        differences.join("; "),
        dir = config.dir.display(),
    )
}

async fn check_contracts(l1_url: &str, stored: &Deployment, dir: &Path) -> Result<()> {
    let bank = Account::bank(l1_url)?;
    let consensus = AndeConsensus::new(stored.consensus, bank.provider());
    match consensus.coordinator().call().await {
        Ok(coordinator) if coordinator == stored.coordinator => Ok(()),
        _ => bail!(
            "the settlement chain has no contract at {}: its state is older than the chain; remove {} to start anew",
            stored.consensus,
            dir.display()
        ),
    }
}

async fn deploy_all(config: &ClusterConfig, anvil: &Anvil, nodes: &[Node]) -> Result<Deployment> {
    let url = anvil.url();
    let bank = Account::bank(&url)?;
    let plan = DeployPlan {
        l2_chain_id: config.l2_chain_id,
        genesis_hash: write_genesis(
            &config.dir,
            config.executor,
            config.l2_chain_id,
            config.other_accounts,
        )?,
        rotation: config.rotation,
        windows_per_epoch: config.windows_per_epoch,
        min_validators: u16::try_from(nodes.len())?,
    };
    anvil.mine_instantly().await?;
    let contracts = deploy::deploy(&bank, &plan).await?;
    let mut validators = Vec::new();
    for (node, tokens) in nodes.iter().zip(&config.stakes) {
        deploy::fund(&bank, contracts.token, node.address(), *tokens).await?;
        let id = deploy::register(&url, &contracts, node.keys(), &node.rpc_url(), *tokens).await?;
        validators.push(Registered { id, address: node.address(), node_id: node.keys().node_id() });
    }
    anvil.mine_in_intervals().await?;
    Ok(Deployment {
        l1_chain_id: L1_CHAIN_ID,
        l2_chain_id: config.l2_chain_id,
        token: contracts.token,
        consensus: contracts.consensus,
        coordinator: contracts.coordinator,
        executor: config.executor,
        genesis_hash: plan.genesis_hash,
        rotation: config.rotation,
        windows_per_epoch: config.windows_per_epoch,
        block_time_ms: u64::try_from(config.block_time.as_millis())?,
        ports: config.ports.clone(),
        validators,
    })
}
