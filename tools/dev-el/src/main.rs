//! `dev-el <genesis.json> <jwt.hex> <engine port> <http port>`: an execution client made of the
//! ethrex libraries, on loopback, with its state in memory and without peers.
#![forbid(unsafe_code)]

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use ethrex_blockchain::{Blockchain, BlockchainOptions};
use ethrex_common::{H160, H256, H512, types::Genesis};
use ethrex_p2p::{
    network::P2PContext,
    peer_handler::PeerHandler,
    peer_table::{PeerTableServer, TARGET_PEERS},
    rlpx::initiator::RLPxInitiator,
    sync::SyncMode,
    sync_manager::SyncManager,
    types::{NetworkConfig, Node, NodeRecord},
};
use ethrex_rpc::{ClientVersion, RpcNamespace, start_api};
use ethrex_storage::{EngineType, Store};
use eyre::{Context as _, Result, bail, eyre};
use secp256k1::SecretKey;
use serde_json::Value;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A public key that nobody connects to: there is no listener for peers.
const PUBLIC_KEY: [u8; 64] = [0x11; 64];

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .init();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [genesis, secret, engine, http] = args.as_slice() else {
        bail!("usage: dev-el <genesis.json> <jwt.hex> <engine port> <http port>");
    };
    let genesis = genesis_of(Path::new(genesis))?;
    let secret = std::fs::read_to_string(secret).wrap_err("reading the JWT secret")?;
    let secret = hex::decode(secret.trim().trim_start_matches("0x")).wrap_err("the JWT secret")?;
    // What the client's own builder aims for: it stays what it is.
    let gas_limit = genesis.gas_limit;
    let mut store = Store::new("", EngineType::InMemory)?;
    store.add_initial_state(genesis).await?;
    serve(store, gas_limit, secret, local(engine)?, local(http)?).await
}

/// A genesis as geth takes it. These libraries want every field, and a deposit contract, which
/// nothing uses before Prague.
fn genesis_of(path: &Path) -> Result<Genesis> {
    let text = std::fs::read_to_string(path).wrap_err("reading the genesis")?;
    let mut json: Value = serde_json::from_str(&text).wrap_err("the genesis")?;
    let fields = json.as_object_mut().ok_or_else(|| eyre!("the genesis is no object"))?;
    let (word, nobody) = (format!("{:#x}", H256::zero()), format!("{:#x}", H160::zero()));
    for (name, value) in [
        ("nonce", "0x0"),
        ("timestamp", "0x0"),
        ("extraData", "0x"),
        ("difficulty", "0x0"),
        ("mixHash", &word),
        ("coinbase", &nobody),
    ] {
        fields.entry(name).or_insert_with(|| value.into());
    }
    let config = fields
        .get_mut("config")
        .and_then(Value::as_object_mut)
        .ok_or_else(|| eyre!("the genesis has no config"))?;
    config.entry("depositContractAddress").or_insert_with(|| nobody.into());
    serde_json::from_value(json).wrap_err("the genesis")
}

async fn serve(
    store: Store,
    gas_limit: u64,
    secret: Vec<u8>,
    engine: SocketAddr,
    http: SocketAddr,
) -> Result<()> {
    let chain = Arc::new(Blockchain::new(store.clone(), BlockchainOptions::default()));
    let key = SecretKey::from_byte_array(&[0xcd; 32])?;
    let node = Node::new(Ipv4Addr::LOCALHOST.into(), 30303, 30303, H512(PUBLIC_KEY));
    let record = NodeRecord::from_node(&node, 1, &key).map_err(|error| eyre!("{error:?}"))?;
    let peers = no_peers(&node, key, &store, &chain)?;
    let sync = SyncManager::new(
        peers.clone(),
        &SyncMode::Full,
        CancellationToken::new(),
        chain.clone(),
        store.clone(),
        ".".into(),
    )
    .await;
    let version = || env!("CARGO_PKG_VERSION").to_owned();
    let client = ClientVersion::new(
        "dev-el".into(),
        version(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
    );
    let namespaces = HashSet::from([
        RpcNamespace::Eth,
        RpcNamespace::Net,
        RpcNamespace::Web3,
        RpcNamespace::Testing,
    ]);
    start_api(
        http,
        None,
        engine,
        store,
        chain,
        bytes::Bytes::from(secret),
        node,
        record,
        sync,
        peers,
        client,
        None,
        gas_limit,
        String::new(),
        namespaces,
        CancellationToken::new(),
    )
    .await
    .map_err(|error| eyre!("{error:?}"))
}

/// What the client asks for peers; it never gets one.
fn no_peers(
    node: &Node,
    key: SecretKey,
    store: &Store,
    chain: &Arc<Blockchain>,
) -> Result<PeerHandler> {
    let table = PeerTableServer::spawn(H256::zero(), TARGET_PEERS, store.clone());
    let context = P2PContext::new(
        node.clone(),
        NetworkConfig::from_node(node),
        TaskTracker::default(),
        key,
        table.clone(),
        store.clone(),
        chain.clone(),
        String::new(),
        None,
        1000,
        100.0,
    )
    .map_err(|error| eyre!("{error:?}"))?;
    Ok(PeerHandler::new(table, RLPxInitiator::spawn_on_thread(context)))
}

fn local(port: &str) -> Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, port.parse().wrap_err("a port")?).into())
}
