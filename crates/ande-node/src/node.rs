//! Puts a node together, runs it, and takes it down in order.

use std::{sync::Arc, time::Duration};

use alloy_primitives::B256;
use ande_batcher::{Batcher, BatcherConfig, BatcherParts, CheckpointService, Ledger};
use ande_consensus::{ConsensusSigner, OrderingEngine};
use ande_consensus_bft::{BftConfig, BftEngine, EnginePeer};
use ande_execution::{JwtSecret, MIN_ENGINE_BLOCK_TIME};
use ande_l1::{BlobSource, L1Config, L1Reader, TxConfig, TxManager};
use ande_peer::{Hello, PeerAuth, PeerClient, PeerTimeouts};
use ande_pool::{Pool, PoolLimits};
use ande_primitives::{Domain, Height, MAX_COMMITTEE, NodeKey, ValidatorKey};
use ande_rpc::{NodeInfo, RpcApis, RpcServices};
use ande_sequencer::{
    Chain, ChainParts, Gossip, Ingress, PeerDirectory, SenderCache, SequencerConfig,
    TransactionPool,
};
use ande_store::{ChainIdentity, GuardedSigner, Store};
use ande_telemetry::{LogConfig, Metrics, init_tracing};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use zeroize::Zeroizing;

use crate::{
    config::{LogFormat, Mode, NodeConfig},
    data_layer, eras,
    error::NodeError,
    execution::{self, Genesis},
    keyfile::{read_jwt_secret, read_node_key, read_validator_key},
    observe::{Observed, observe},
    peer_service::PeerService,
    settlement,
    shutdown::Shutdown,
};

/// Version shown to clients and peers.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The keys of a node.
pub(crate) struct Keys {
    pub(crate) validator: ValidatorKey,
    pub(crate) node: NodeKey,
    pub(crate) poster: ValidatorKey,
    /// Shared with the execution client, if there is one.
    pub(crate) client: Option<JwtSecret>,
    /// Token of the Celestia node, if it asks for one.
    pub(crate) celestia: Option<Zeroizing<String>>,
}

/// Reads all key files.
///
/// # Errors
/// The first file that cannot be used.
pub(crate) fn read_keys(config: &NodeConfig) -> Result<Keys, NodeError> {
    let validator = read_validator_key(&config.validator_key)?;
    let poster = match &config.poster_key {
        Some(path) => read_validator_key(path)?,
        None => validator.clone(),
    };
    let client =
        config.client.as_ref().map(|client| read_jwt_secret(&client.jwt_secret)).transpose()?;
    let celestia = data_layer::token(config)?;
    Ok(Keys { validator, node: read_node_key(&config.node_key)?, poster, client, celestia })
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// [`NodeError`], whose exit code tells a supervisor whether a restart can help.
pub(crate) async fn run(config: NodeConfig) -> Result<(), NodeError> {
    start_logging(&config)?;
    let keys = read_keys(&config)?;
    let shutdown = Shutdown::default();
    shutdown.on_signals(config.drain).map_err(NodeError::Runtime)?;
    info!(
        version = VERSION,
        name = config.name,
        validator = %keys.validator.address(),
        node = %keys.node.id(),
        "starting"
    );
    let listeners = Listeners::bind(&config).await?;
    let stop = shutdown.stop.clone();
    let outcome = tokio::select! {
        outcome = assemble(config, keys, listeners, shutdown) => outcome,
        // Stopped before the services were up: nothing is half-done.
        () = async { stop.cancelled().await; tokio::time::sleep(STOP_LIMIT).await } => Ok(()),
    };
    match &outcome {
        Ok(()) => info!("stopped"),
        Err(NodeError::NewEra(era)) => info!(era = era.0, "starting again in a new era"),
        Err(error) => error!(%error, "stopped by a failure"),
    }
    outcome
}

/// Sends the log where the configuration says.
pub(crate) fn start_logging(config: &NodeConfig) -> Result<(), NodeError> {
    init_tracing(&LogConfig {
        filter: config.log_filter.clone(),
        format: match config.log_format {
            LogFormat::Text => ande_telemetry::LogFormat::Text,
            LogFormat::Json => ande_telemetry::LogFormat::Json,
        },
    })?;
    Ok(())
}

/// Identity of the chain, which the database remembers.
pub(crate) const fn identity(config: &NodeConfig, genesis_hash: B256) -> ChainIdentity {
    ChainIdentity {
        l1_chain_id: config.l1_chain_id,
        consensus: config.consensus,
        coordinator: config.coordinator,
        l2_chain_id: config.l2_chain_id,
        genesis_hash,
    }
}

/// Longest time between the order to stop and the end of the process.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Listeners, bound before anything else so that a taken port is the first thing told.
struct Listeners {
    rpc: TcpListener,
    ws: TcpListener,
    ops: TcpListener,
}

impl Listeners {
    async fn bind(config: &NodeConfig) -> Result<Self, NodeError> {
        let bind = |address, purpose| async move {
            TcpListener::bind(address).await.map_err(|source| NodeError::Listen {
                address,
                purpose,
                source,
            })
        };
        Ok(Self {
            rpc: bind(config.rpc_listen, "JSON-RPC").await?,
            ws: bind(config.ws_listen, "WebSocket").await?,
            ops: bind(config.ops_listen, "metrics and status").await?,
        })
    }
}

async fn assemble(
    config: NodeConfig,
    keys: Keys,
    listeners: Listeners,
    shutdown: Shutdown,
) -> Result<(), NodeError> {
    let stop = shutdown.stop.clone();
    let metrics = Metrics::new();
    let genesis = Genesis::read(&config)?;
    let block_zero = genesis.payload();
    let domain = Domain::new(config.l1_chain_id, config.consensus, config.l2_chain_id);
    let signer = GuardedSigner::open(keys.validator.clone(), domain.clone(), &config.guard)?;
    let store = eras::open_store(&config, identity(&config, block_zero.hash())).await?;
    // Before anything learns of the next one from the settlement chain.
    let era = store.era();
    close_unguarded_height(&signer, &store).await?;
    let signer: Arc<dyn ConsensusSigner> = Arc::new(signer);

    // The settlement chain.
    let reader = L1Reader::connect(l1_config(&config))?;
    settlement::verify(&reader, &config, &store, block_zero.hash(), &stop).await?;
    let client = reader.client().clone();
    let pace = reader.pace();
    let (l1, reader_task) = reader.spawn(store.clone(), stop.clone());

    // Other nodes.
    let peer_client =
        Arc::new(PeerClient::new(keys.node.clone(), config.l2_chain_id, PeerTimeouts::default())?);
    let directory =
        Arc::new(PeerDirectory::new(keys.node.id(), peer_client.clone(), store.clone()));

    // The chain.
    let batches = BatcherConfig {
        enabled: config.batcher_enabled,
        interval: config.batch_interval,
        max_data_bytes: config.batch_max_bytes,
        data: config.batch_data,
        max_blobs: config.max_blobs,
        blob_form: config.blob_form,
        takeover: config.takeover,
    };
    let sequencer = SequencerConfig {
        heartbeat: config.heartbeat,
        max_block_bytes: batches.max_block_transaction_bytes(MAX_COMMITTEE),
        max_unposted_bytes: config.max_unposted_bytes,
        ordering: genesis.ordering(),
        // Some node of the cluster may have an external execution client.
        own_second: config.block_time >= MIN_ENGINE_BLOCK_TIME,
        // Every other reader has looked by then.
        forced_settling: config.l1_idle_interval.max(config.l1_poll_interval).saturating_mul(2),
        ..SequencerConfig::new(config.l2_chain_id)
    };
    let senders = Arc::new(SenderCache::new());
    let external = execution::client(&config, keys.client.clone())?;
    let execution = execution::open(genesis, external, &config, &store, senders.clone()).await?;
    let limits = PoolLimits { block_gas_limit: execution.gas_limit, ..config.pool.clone() };
    let pool = Arc::new(
        TransactionPool::open(
            Pool::new(limits, execution.accounts.clone()),
            store.clone(),
            &sequencer,
            senders,
            metrics.clone(),
        )
        .await?,
    );
    let gossip = Gossip::spawn(peer_client.clone(), directory.targets(), stop.clone());
    let ingress = Arc::new(Ingress::new(pool.clone(), gossip));
    let chain = Arc::new(
        Chain::open(ChainParts {
            config: sequencer,
            signer: keys.validator.address(),
            domain: domain.clone(),
            store: store.clone(),
            era,
            executor: execution.executor.clone(),
            pool,
            l1: l1.clone(),
            metrics: metrics.clone(),
        })
        .await?,
    );

    // The one place that knows the modes.
    let engine: Box<dyn OrderingEngine> = match config.mode {
        Mode::Contract => Box::new(BftEngine::new(
            bft_config(&config, &keys),
            signer.clone(),
            engine_peers(directory.addresses(), &stop),
        )?),
    };
    let view = engine.view();

    // Batches.
    let ledger = Ledger::new(
        store.clone(),
        config.l2_chain_id,
        block_zero.hash(),
        batches.cut_rules(),
        keys.validator.address(),
    );
    let layer = data_layer::open(&config, keys.celestia.clone())?;
    let checkpoints =
        CheckpointService::new(ledger.clone(), signer.clone(), l1.clone(), layer.clone());
    let blobs = BlobSource::new(client.clone(), config.beacon_urls.clone(), config.l1_timeout)?;
    let transactions = TxManager::new(
        client,
        store.clone(),
        &keys.poster,
        TxConfig { poll_interval: config.l1_poll_interval, ..TxConfig::default() },
    );
    let batcher = Batcher::new(
        batches,
        BatcherParts {
            ledger,
            service: checkpoints.clone(),
            signer: signer.clone(),
            peers: PeerClient::clone(&peer_client),
            transactions,
            blobs,
            pace,
            layer,
            consensus: config.consensus,
            coordinator: config.coordinator,
            view: l1.clone(),
            metrics: metrics.clone(),
        },
    );

    let rpc = RpcServices {
        info: node_info(&config, &keys, block_zero.header.clone()),
        store: store.clone(),
        view: view.clone(),
        l1: l1.clone(),
        peers: directory.book(),
        evm: execution.reader(),
        client: execution.client(),
        apis: RpcApis {
            public: config.rpc_namespaces.clone(),
            pending_transactions: config.rpc_pending_transactions,
            ..RpcApis::default()
        },
        ingress: ingress.clone(),
        metrics: metrics.clone(),
        engine_metrics: Some(ande_consensus_bft::export_metrics),
        draining: shutdown.draining.clone(),
        limits: config.rpc_limits,
    };
    let peers = ande_peer::router(
        PeerAuth::new(keys.node.clone(), config.l2_chain_id, directory.allowed()),
        Arc::new(PeerService {
            hello: hello(&config, &keys),
            heads: store.heads(),
            ingress: ingress.clone(),
            checkpoints,
        }),
    );

    let mut services: JoinSet<(&'static str, Result<(), NodeError>)> = JoinSet::new();
    let observed = Observed {
        metrics,
        store: store.clone(),
        view,
        heads: store.heads(),
        l1: l1.clone(),
        ingress: ingress.clone(),
        client: execution.client(),
        peer_client,
        pool_capacity: config.pool.max_transactions,
        data_dir: config.data_dir.clone(),
    };
    services.spawn(named("observer", done(observe(observed, stop.clone()))));
    services.spawn(named("peer directory", done(directory.run(l1.clone(), stop.clone()))));
    services.spawn(named("gossip", done(ingress.regossip(stop.clone()))));
    services.spawn(named("settlement reader", reader_result(reader_task)));
    let batcher_stop = stop.clone();
    services.spawn(named("batcher", async move {
        batcher.run(batcher_stop).await.map_err(NodeError::from)
    }));
    let (ops, ops_stop) = (rpc.clone(), stop.clone());
    services.spawn(named("ops listener", async move {
        ande_rpc::serve_ops(listeners.ops, ops, ops_stop).await.map_err(NodeError::Runtime)
    }));
    let public_stop = stop.clone();
    services.spawn(named("public listener", async move {
        ande_rpc::serve_public(vec![listeners.rpc, listeners.ws], rpc, peers, public_stop)
            .await
            .map_err(NodeError::Runtime)
    }));
    services.spawn(named("era", eras::watch_era(l1.clone(), era, stop.clone())));
    let engine_stop = stop.clone();
    services.spawn(named("consensus engine", async move {
        engine.run(chain, engine_stop).await.map_err(NodeError::from)
    }));
    let outcome = supervise(services, &stop).await;
    // What was committed is on disk before the process ends; what is not would be replayed.
    execution.close().await;
    store.close().await;
    outcome?;
    Ok(())
}

/// A new guard beside an existing chain means that what the key signed last is unknown. The height
/// being decided is given up for this validator, so that nothing in it can be signed twice.
async fn close_unguarded_height(signer: &GuardedSigner, store: &Store) -> Result<(), NodeError> {
    let Some(tip) = store.tip().await?.filter(|_| signer.is_new()) else { return Ok(()) };
    let height = tip.block.height().next();
    warn!(
        height = height.0,
        "the sign guard is new but the chain is not; this validator signs nothing for this height"
    );
    signer.close_votes(store.era_of(height), height).await.map_err(NodeError::Sign)
}

async fn named(
    name: &'static str,
    service: impl Future<Output = Result<(), NodeError>>,
) -> (&'static str, Result<(), NodeError>) {
    (name, service.await)
}

async fn done(service: impl Future<Output = ()>) -> Result<(), NodeError> {
    service.await;
    Ok(())
}

async fn reader_result(
    task: tokio::task::JoinHandle<Result<(), ande_l1::ReaderError>>,
) -> Result<(), NodeError> {
    match task.await {
        Ok(result) => result.map_err(NodeError::from),
        Err(_) => Err(NodeError::Service("settlement reader")),
    }
}

/// Waits for all services. One that ends before the order to stop takes the node down.
async fn supervise(
    mut services: JoinSet<(&'static str, Result<(), NodeError>)>,
    stop: &CancellationToken,
) -> Result<(), NodeError> {
    let mut failure = None;
    while let Some(joined) = services.join_next().await {
        let asked = stop.is_cancelled();
        let problem = match joined {
            Ok((_, Ok(()))) if asked => None,
            Ok((name, Ok(()))) => Some(NodeError::Service(name)),
            Ok((_, Err(era @ NodeError::NewEra(_)))) => Some(era),
            Ok((name, Err(error))) => {
                error!(service = name, %error, "service failed");
                Some(error)
            }
            Err(panic) => {
                error!(%panic, "a service panicked");
                Some(NodeError::Service("a service"))
            }
        };
        if let Some(problem) = problem {
            stop.cancel();
            failure.get_or_insert(problem);
        }
    }
    failure.map_or(Ok(()), Err)
}

pub(crate) fn l1_config(config: &NodeConfig) -> L1Config {
    L1Config {
        rpc_urls: config.l1_urls.clone(),
        chain_id: config.l1_chain_id,
        consensus: config.consensus,
        coordinator: config.coordinator,
        finality: config.finality,
        poll_interval: config.l1_poll_interval,
        idle_interval: config.l1_idle_interval,
        timeout: config.l1_timeout,
    }
}

fn bft_config(config: &NodeConfig, keys: &Keys) -> BftConfig {
    BftConfig {
        propose_timeout: config.propose_timeout,
        propose_delta: config.propose_timeout / 4,
        vote_timeout: config.vote_timeout,
        vote_delta: config.vote_timeout / 2,
        ..BftConfig::new(
            config.data_dir.join(eras::ENGINE_DIR),
            config.p2p_listen,
            keys.node.clone(),
            config.name.clone(),
            config.l2_chain_id,
            config.block_time,
        )
    }
}

/// The directory's addresses in the engine's words.
fn engine_peers(
    mut addresses: watch::Receiver<Vec<ande_sequencer::PeerAddress>>,
    stop: &CancellationToken,
) -> watch::Receiver<Vec<EnginePeer>> {
    let convert = |addresses: &[ande_sequencer::PeerAddress]| -> Vec<EnginePeer> {
        addresses
            .iter()
            .map(|peer| EnginePeer { node_id: peer.node_id, address: peer.address.clone() })
            .collect()
    };
    let (sender, receiver) = watch::channel(convert(&addresses.borrow_and_update()));
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = addresses.changed() => if changed.is_err() { return },
            }
            let converted = convert(&addresses.borrow_and_update());
            sender.send_replace(converted);
        }
    });
    receiver
}

fn node_info(config: &NodeConfig, keys: &Keys, genesis: alloy_primitives::Bytes) -> NodeInfo {
    NodeInfo {
        name: config.name.clone(),
        version: VERSION,
        git_sha: env!("ANDE_GIT_SHA"),
        mode: match config.mode {
            Mode::Contract => "contract",
        },
        executor: config.executor.name().into(),
        node_id: keys.node.id(),
        signer: Some(keys.validator.address()),
        l1_chain_id: config.l1_chain_id,
        consensus: config.consensus,
        coordinator: config.coordinator,
        l2_chain_id: config.l2_chain_id,
        genesis,
        block_time: config.block_time,
        heartbeat: config.heartbeat,
        batcher_enabled: config.batcher_enabled,
        pool_capacity: config.pool.max_transactions,
    }
}

fn hello(config: &NodeConfig, keys: &Keys) -> Hello {
    Hello {
        name: config.name.clone(),
        node_id: keys.node.id(),
        signer: Some(keys.validator.address()),
        p2p_address: config.p2p_advertise.clone(),
        version: VERSION.into(),
        l2_chain_id: config.l2_chain_id,
        height: Height(0),
    }
}
