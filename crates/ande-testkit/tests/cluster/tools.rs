//! What developers use: cast, forge, alloy, ethers and viem, through every node and the load
//! balancer.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use alloy::{
    eips::BlockNumberOrTag,
    network::{EthereumWallet, TransactionBuilder as _},
    primitives::{Address, U256, address, hex},
    providers::{Provider as _, ProviderBuilder, WsConnect},
    rpc::types::{Filter, TransactionRequest},
    signers::local::PrivateKeySigner,
    sol,
};
use ande_devnet::{account_key, in_path, repository_root};
use ande_testkit::{Plan, TestCluster, cast, forge, json_in, run_program};
use eyre::{ContextCompat as _, Result, ensure};
use futures::StreamExt as _;
use serde_json::Value;

/// Accounts of these tests; the cluster hands out the low ones.
const FIRST_ACCOUNT: usize = 200;
const LOAD_BALANCER: &str = "HAProxy";
const BEEF: Address = address!("000000000000000000000000000000000000beef");

sol! {
    #[sol(rpc)]
    contract Ledger {
        event Moved(address indexed from, address indexed to, uint256 amount);
        error Missing(address account, uint256 have, uint256 need);
        function move(address to, uint256 amount) external;
        function held(address account) external view returns (uint256);
    }
}

/// Where a client connects.
struct Door {
    name: String,
    http: String,
    ws: String,
    key: PrivateKeySigner,
}

impl Door {
    fn secret(&self) -> String {
        format!("0x{}", hex::encode(self.key.to_bytes()))
    }
}

fn doors(cluster: &TestCluster) -> Result<Vec<Door>> {
    let nodes = cluster.cluster().nodes().iter();
    let mut places: Vec<(String, String, String)> =
        nodes.map(|node| (node.name().to_owned(), node.rpc_url(), node.ws_url())).collect();
    match (cluster.cluster().lb_rpc(), cluster.cluster().lb_ws()) {
        (Some(http), Some(ws)) => places.push((LOAD_BALANCER.into(), http, ws)),
        _ => cluster.say("HAProxy is not installed: only the nodes are used"),
    }
    places
        .into_iter()
        .enumerate()
        .map(|(index, (name, http, ws))| {
            Ok(Door { name, http, ws, key: account_key(FIRST_ACCOUNT + index)? })
        })
        .collect()
}

/// A copy of the Foundry project, so that tests leave nothing behind.
fn project(dir: &Path) -> Result<PathBuf> {
    let source = repository_root().join("crates/ande-testkit/l2");
    let copy = dir.join("l2");
    for part in ["src/Ledger.sol", "script/Fill.s.sol", "foundry.toml"] {
        let to = copy.join(part);
        std::fs::create_dir_all(to.parent().wrap_err("a file has a parent")?)?;
        std::fs::copy(source.join(part), to)?;
    }
    let config = copy.join("foundry.toml");
    let solc = repository_root().join("tools/solc");
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(config, text.replace("../../../tools/solc", &solc.to_string_lossy()))?;
    Ok(copy)
}

#[tokio::test]
async fn tools_and_libraries_work_through_every_node_and_the_load_balancer() -> Result<()> {
    let plan = Plan { load_balancer: true, ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let dir = project(cluster.dir())?;
            forge(&["build"], &dir).await?;
            for door in doors(cluster)? {
                with_cast(&door, &dir).await?;
                with_forge(&door, &dir).await?;
                with_alloy(&door, &dir).await?;
                cluster.say(&format!("{}: cast, forge and alloy", door.name));
                for library in ["ethers", "viem"] {
                    let printed = with_node(&door, &dir, library).await?;
                    cluster.say(&format!("{}: {library} {printed}", door.name));
                }
            }
            cluster.wait_in_sync(Duration::from_secs(10)).await?;
            cluster.check_invariants(&[]).await.map(|_| ())
        })
        .await
}

async fn with_cast(door: &Door, dir: &Path) -> Result<()> {
    let (rpc, key) = (door.http.as_str(), door.secret());
    let me = door.key.address().to_string();
    ensure!(cast(&["chain-id", "--rpc-url", rpc], dir).await? == "6174");
    let beef = BEEF.to_string();
    let before: U256 = cast(&["balance", &beef, "--rpc-url", rpc], dir).await?.parse()?;
    let sent = cast(
        &["send", &beef, "--value", "5", "--private-key", &key, "--rpc-url", rpc, "--json"],
        dir,
    )
    .await?;
    let receipt: Value = serde_json::from_str(&sent)?;
    ensure!(receipt["status"] == "0x1", "{receipt}");
    let after: U256 = cast(&["balance", &beef, "--rpc-url", rpc], dir).await?.parse()?;
    ensure!(after == before + U256::from(5), "{before} + 5 is not {after}");
    let hash = receipt["transactionHash"].as_str().wrap_err("a hash")?;
    let again = cast(&["receipt", hash, "blockHash", "--rpc-url", rpc], dir).await?;
    ensure!(receipt["blockHash"] == again.as_str(), "{receipt} {again}");
    for words in [
        &["block", "latest"][..],
        &["block", "safe"],
        &["block", "finalized"],
        &["gas-price"],
        &["base-fee"],
        &["tx", hash],
        &["client"],
        &["nonce", &me],
        &["estimate", &beef, "--value", "1", "--from", &me],
        &["rpc", "eth_feeHistory", "0x4", "latest", "[25,75]"],
        &["rpc", "eth_syncing"],
    ] {
        let mut words = words.to_vec();
        words.extend(["--rpc-url", rpc]);
        ensure!(!cast(&words, dir).await?.is_empty(), "cast {words:?} printed nothing");
    }
    // The pool of one node says nothing about the others: not through the load balancer.
    let pool = cast(&["rpc", "txpool_status", "--rpc-url", rpc], dir).await;
    ensure!(pool.is_ok() == (door.name != LOAD_BALANCER), "{pool:?}");
    // A fresh key, funded, that empties part of itself; an unprotected or poor one is refused.
    let fresh: Value = serde_json::from_str(&cast(&["wallet", "new", "--json"], dir).await?)?;
    let address = fresh[0]["address"].as_str().wrap_err("an address")?;
    let secret = fresh[0]["private_key"].as_str().wrap_err("a key")?;
    let poor =
        cast(&["send", &beef, "--value", "5", "--private-key", secret, "--rpc-url", rpc], dir)
            .await;
    let refusal = poor.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(refusal.contains("insufficient funds"), "{refusal}");
    cast(&["send", address, "--value", "1ether", "--private-key", &key, "--rpc-url", rpc], dir)
        .await?;
    cast(&["send", &beef, "--value", "5", "--private-key", secret, "--rpc-url", rpc], dir).await?;
    ensure!(cast(&["nonce", address, "--rpc-url", rpc], dir).await? == "1");
    Ok(())
}

async fn with_forge(door: &Door, dir: &Path) -> Result<()> {
    let (rpc, key) = (door.http.as_str(), door.secret());
    let me = door.key.address().to_string();
    let created = forge(
        &[
            "create",
            "src/Ledger.sol:Ledger",
            "--broadcast",
            "--json",
            "--rpc-url",
            rpc,
            "--private-key",
            &key,
            "--constructor-args",
            "1000",
        ],
        dir,
    )
    .await?;
    let created = json_in(&created)?;
    let ledger = created["deployedTo"].as_str().wrap_err("an address")?;
    let held =
        cast(&["call", ledger, "held(address)(uint256)", &me, "--rpc-url", rpc], dir).await?;
    ensure!(held.starts_with("1000"), "{held}");
    let sent = cast(
        &[
            "send",
            ledger,
            "move(address,uint256)",
            &BEEF.to_string(),
            "30",
            "--private-key",
            &key,
            "--rpc-url",
            rpc,
            "--json",
        ],
        dir,
    )
    .await?;
    let receipt: Value = serde_json::from_str(&sent)?;
    let hash = receipt["transactionHash"].as_str().wrap_err("a hash")?;
    let reverted = cast(
        &["call", ledger, "move(address,uint256)", &me, "9999", "--from", &me, "--rpc-url", rpc],
        dir,
    )
    .await;
    let text = reverted.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(text.contains("execution reverted"), "{text}");
    let logs = cast(
        &[
            "logs",
            "Moved(address,address,uint256)",
            "--address",
            ledger,
            "--from-block",
            "0",
            "--rpc-url",
            rpc,
            "--json",
        ],
        dir,
    )
    .await?;
    let logs: Value = serde_json::from_str(&logs)?;
    ensure!(logs.as_array().is_some_and(|logs| logs.len() == 2), "{logs}");
    ensure!(cast(&["storage", ledger, "0", "--rpc-url", rpc], dir).await?.ends_with("3e8"));
    let proof: Value =
        serde_json::from_str(&cast(&["proof", ledger, "0", "--rpc-url", rpc], dir).await?)?;
    ensure!(proof["storageProof"][0]["value"] == "0x3e8", "{proof}");
    let run = cast(&["run", hash, "--rpc-url", rpc], dir).await?;
    ensure!(run.contains("Transaction successfully executed"), "{run}");
    let script = forge(
        &[
            "script",
            "script/Fill.s.sol",
            "--broadcast",
            "--slow",
            "--rpc-url",
            rpc,
            "--private-key",
            &key,
        ],
        dir,
    )
    .await?;
    ensure!(script.contains("ONCHAIN EXECUTION COMPLETE & SUCCESSFUL"), "{script}");
    let broadcast = dir.join("broadcast/Fill.s.sol/6174/run-latest.json");
    let broadcast: Value = serde_json::from_str(&std::fs::read_to_string(broadcast)?)?;
    let receipts = broadcast["receipts"].as_array().wrap_err("receipts")?;
    ensure!(receipts.len() == 6 && receipts.iter().all(|receipt| receipt["status"] == "0x1"));
    Ok(())
}

async fn with_alloy(door: &Door, dir: &Path) -> Result<()> {
    let socket = ProviderBuilder::new().connect_ws(WsConnect::new(&door.ws)).await?;
    let mut heads = socket.subscribe_blocks().await?.into_stream();
    let provider = ProviderBuilder::new()
        .wallet(EthereumWallet::from(door.key.clone()))
        .connect_http(door.http.parse()?);
    let start = provider.get_block_number().await?;
    let receipt = provider
        .send_transaction(TransactionRequest::default().with_to(BEEF).with_value(U256::from(7)))
        .await?
        .get_receipt()
        .await?;
    ensure!(receipt.status(), "{receipt:?}");
    let artifact: Value =
        serde_json::from_str(&std::fs::read_to_string(dir.join("out/Ledger.sol/Ledger.json"))?)?;
    let mut code = hex::decode(artifact["bytecode"]["object"].as_str().wrap_err("bytecode")?)?;
    code.extend(U256::from(100).to_be_bytes::<32>());
    let created = provider
        .send_transaction(TransactionRequest::default().with_deploy_code(code))
        .await?
        .get_receipt()
        .await?;
    let ledger = Ledger::new(created.contract_address.wrap_err("a contract")?, provider.clone());
    let filter = Filter::new().address(*ledger.address());
    let mut events = socket.subscribe_logs(&filter).await?.into_stream();
    let moved = ledger.r#move(BEEF, U256::from(2)).send().await?.get_receipt().await?;
    let heard = tokio::time::timeout(Duration::from_secs(10), events.next()).await?;
    ensure!(heard.and_then(|log| log.transaction_hash) == Some(moved.transaction_hash));
    ensure!(ledger.held(BEEF).call().await? == U256::from(2));
    let logs =
        provider.get_logs(&filter.from_block(start).to_block(BlockNumberOrTag::Latest)).await?;
    ensure!(logs.len() == 2, "{logs:?}");
    let head = tokio::time::timeout(Duration::from_secs(10), heads.next()).await?;
    ensure!(head.is_some_and(|head| head.number > start));
    Ok(())
}

async fn with_node(door: &Door, dir: &Path, library: &str) -> Result<String> {
    let node = in_path("node").wrap_err("node is not installed")?;
    let program = repository_root().join(format!("crates/ande-testkit/l2/{library}.mjs"));
    let artifact = dir.join("out/Ledger.sol/Ledger.json");
    run_program(
        &node,
        &[
            program.to_string_lossy().into_owned(),
            door.http.clone(),
            door.ws.clone(),
            door.secret(),
            artifact.to_string_lossy().into_owned(),
        ],
        dir,
    )
    .await
}
