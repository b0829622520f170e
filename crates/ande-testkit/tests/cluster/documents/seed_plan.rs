//! A plan to deploy this network with `forge`, `cast` and `curl`: its words work, or one line of
//! `contracts/README.md` says why one had to change, and here it is seen to fail.

use std::{collections::BTreeMap, fs};

use alloy::{hex, primitives::keccak256, signers::local::PrivateKeySigner};
use ande_devnet::{Account, wait_until};
use ande_testkit::{Monitoring, Plan, TestCluster};
use eyre::{Result, ensure};

use super::{LIMIT, can_run, contracts, path, read, run};

const SEQUENCERS: usize = 3;
/// Wei of each, for gas.
const ETHER: &str = "10000000000000000000";

const WALLETS: &str = "\
cast wallet new > sequencer-1-wallet.txt
cast wallet new > sequencer-2-wallet.txt
cast wallet new > sequencer-3-wallet.txt
cast balance $SEQUENCER_1_ADDRESS --rpc-url $CONSENSUS_RPC_URL
";

const DEPLOY: &str = "\
cd contracts
forge create \
  --rpc-url $CONSENSUS_RPC_URL \
  --private-key $SEQUENCER_1_PRIVATE_KEY \
  src/consensus/AndeConsensus.sol:AndeConsensus \
  --broadcast --json | tee ande-consensus-deployment.json
CONSENSUS_ADDRESS=$(jq -r '.deployedTo' ande-consensus-deployment.json)
forge create \
  --rpc-url $CONSENSUS_RPC_URL \
  --private-key $SEQUENCER_1_PRIVATE_KEY \
  src/consensus/AndeSequencerCoordinator.sol:AndeSequencerCoordinator \
  --broadcast --json --constructor-args $CONSENSUS_ADDRESS | tee coordinator-deployment.json
cast send $CONSENSUS_ADDRESS 'setCoordinator(address)' $(jq -r '.deployedTo' coordinator-deployment.json) \
  --rpc-url $CONSENSUS_RPC_URL --private-key $SEQUENCER_1_PRIVATE_KEY
echo $CONSENSUS_ADDRESS > ../consensus-address
";

const FUND: &str = "\
TOKEN=$(cast call $CONSENSUS_ADDRESS 'stakeToken()(address)' --rpc-url $CONSENSUS_RPC_URL)
cast send $TOKEN 'transfer(address,uint256)' $ADDRESS 1000000000000000000000 \
  --rpc-url $CONSENSUS_RPC_URL --private-key $SEQUENCER_1_PRIVATE_KEY
cast send $TOKEN 'approve(address,uint256)' $CONSENSUS_ADDRESS 1000000000000000000000 \
  --rpc-url $CONSENSUS_RPC_URL --private-key $PRIVATE_KEY
";

const REGISTER: &str = "\
cast send \
  --rpc-url $CONSENSUS_RPC_URL \
  --private-key $PRIVATE_KEY \
  $CONSENSUS_ADDRESS \
  \"registerValidator(bytes32,string,uint256)\" \
  $P2P_PEER_ID \
  \"http://sequencer-$NUMBER:8545\" \
  1000000000000000000000  # 1000 ANDE stake
";

const ACTIVE: &str = "\
cast call \
  --rpc-url $CONSENSUS_RPC_URL \
  $CONSENSUS_ADDRESS \
  \"getActiveValidators()(address[])\" --json | jq
";

const BLOCK_NUMBER: &str = "\
curl -s $RPC -X POST -H 'content-type: application/json' \
  --data '{\"jsonrpc\":\"2.0\",\"method\":\"eth_blockNumber\",\"params\":[],\"id\":1}'
";

/// What the plan watches, with the one selector that is another here.
const QUERIES: [&str; 10] = [
    "ande_consensus_active_validators",
    "ande_consensus_current_proposer",
    "ande_consensus_rotation_count",
    "ande_consensus_timeout_events_total",
    "up{job=~\"sequencer.*\"}",
    "ande_chain_block_height{job=~\"sequencer.*\"}",
    "ande_chain_sync_lag_blocks",
    "ande_consensus_block_time_seconds",
    "rate(ande_evm_transactions_total[1m])",
    "ande_p2p_peers_count",
];

/// Words that had to change: those of the plan, and those in `contracts/README.md`.
const CHANGED: [(&str, &str); 7] = [
    ("`forge create … --json`", "`forge create … --broadcast --json`"),
    ("`--constructor-args $CONSENSUS_ADDRESS` before the contract", "behind everything"),
    ("`registerValidator` at once", "`setCoordinator`, `approve`"),
    (
        "`cast call … \"getActiveValidators()\" \\| jq`",
        "`getActiveValidators()(address[])`, `--json`",
    ),
    ("`--rpc-url http://localhost:8545` for the contracts", "`--rpc-url $CONSENSUS_RPC_URL`"),
    ("`curl … -X POST --data`", "`-H 'content-type: application/json'`"),
    ("`ande_chain_block_height{instance=~\"sequencer.*\"}`", "`{job=~\"sequencer.*\"}`"),
];

#[tokio::test]
async fn the_deployment_plan_works_but_for_the_words_that_the_table_names() -> Result<()> {
    let table = read("contracts/README.md")?;
    for (written, here) in CHANGED {
        let row = table.lines().find(|line| line.contains(written));
        ensure!(row.is_some_and(|row| row.contains(here)), "no row has {written} and {here}");
    }
    let plan = Plan { load_balancer: true, windows_per_epoch: 1_000, ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            if !can_run(cluster) {
                return Ok(());
            }
            let dir = cluster.dir().join("plan");
            contracts(&dir)?;
            contracts_by_hand(cluster, &dir).await?;
            endpoints(cluster, &dir).await?;
            monitoring(cluster).await
        })
        .await
}

/// Contracts of the test's own: from the wallets to three active validators.
async fn contracts_by_hand(cluster: &TestCluster, dir: &std::path::Path) -> Result<()> {
    let l1 = cluster.cluster().l1_url();
    let bank = Account::bank(&l1)?;
    let mut variables = BTreeMap::from([
        ("PATH".to_owned(), path()?),
        ("CONSENSUS_RPC_URL".to_owned(), l1),
        ("NODE_RPC".to_owned(), cluster.cluster().nodes()[0].rpc_url()),
    ]);
    let keys: Vec<_> = (0..SEQUENCERS).map(|_| PrivateKeySigner::random()).collect();
    let secret = |key: &PrivateKeySigner| format!("0x{}", hex::encode(key.to_bytes()));
    for key in &keys {
        bank.send_ether(key.address(), ETHER.parse()?).await?;
    }
    variables.insert("SEQUENCER_1_ADDRESS".into(), keys[0].address().to_string());
    variables.insert("SEQUENCER_1_PRIVATE_KEY".into(), secret(&keys[0]));
    let said = run(WALLETS, &variables, dir).await?;
    ensure!(said.trim() == ETHER, "{said}");
    run(&format!("set -o pipefail\n{DEPLOY}"), &variables, dir).await?;
    let consensus = fs::read_to_string(dir.join("consensus-address"))?.trim().to_owned();
    cluster.say(&format!("forge deployed {consensus}"));
    variables.insert("CONSENSUS_ADDRESS".into(), consensus);

    // As the plan has it: neither deploys anything.
    let simulated = "cd contracts; forge create --rpc-url $CONSENSUS_RPC_URL \
        --private-key $SEQUENCER_1_PRIVATE_KEY src/consensus/AndeConsensus.sol:AndeConsensus \
        --json | jq -r .deployedTo";
    ensure!(run(simulated, &variables, dir).await?.trim() == "null");
    let swallowed = "cd contracts; forge create --rpc-url $CONSENSUS_RPC_URL --broadcast \
        --private-key $SEQUENCER_1_PRIVATE_KEY --constructor-args $CONSENSUS_ADDRESS \
        src/consensus/AndeSequencerCoordinator.sol:AndeSequencerCoordinator --json";
    fails(swallowed, "<CONTRACT>", &variables, dir).await?;

    for (index, key) in keys.iter().enumerate() {
        variables.insert("NUMBER".into(), (index + 1).to_string());
        variables.insert("ADDRESS".into(), key.address().to_string());
        variables.insert("PRIVATE_KEY".into(), secret(key));
        variables.insert("P2P_PEER_ID".into(), keccak256(key.address()).to_string());
        if index == 0 {
            fails(REGISTER, "revert", &variables, dir).await?;
        }
        run(FUND, &variables, dir).await?;
        run(REGISTER, &variables, dir).await?;
    }
    let said = run(ACTIVE, &variables, dir).await?;
    let active: Vec<_> = said.split('"').filter(|word| word.starts_with("0x")).collect();
    let expected: Vec<_> = keys.iter().map(|key| key.address().to_string()).collect();
    ensure!(active == expected, "{said}, not {expected:?}");
    let untyped = "cast call --rpc-url $CONSENSUS_RPC_URL $CONSENSUS_ADDRESS \
        \"getActiveValidators()\" | jq";
    fails(untyped, "parse error", &variables, dir).await?;
    // A node answers for the rollup, where nothing is at this address.
    let elsewhere = ACTIVE.replace("$CONSENSUS_RPC_URL", "$NODE_RPC");
    fails(&elsewhere, "contract", &variables, dir).await?;
    cluster.say(&format!("cast registered {SEQUENCERS} validators"));
    Ok(())
}

/// Sees that a block fails, and says why.
async fn fails(
    block: &str,
    why: &str,
    variables: &BTreeMap<String, String>,
    dir: &std::path::Path,
) -> Result<()> {
    let error = run(block, variables, dir).await.err().map(|error| format!("{error:#}"));
    let said = error.unwrap_or_default();
    let said = said.split("said:").last().unwrap_or_default();
    ensure!(said.contains(why), "{block}\ndoes not fail with {why:?} but {said:?}");
    Ok(())
}

/// Every node, and the load balancer with its statistics.
async fn endpoints(cluster: &TestCluster, dir: &std::path::Path) -> Result<()> {
    let mut variables = BTreeMap::from([("PATH".to_owned(), path()?)]);
    let nodes = cluster.cluster().nodes().iter().map(|node| node.rpc_url());
    let typed = " -H 'content-type: application/json'";
    for url in nodes.chain(cluster.cluster().lb_rpc()) {
        variables.insert("RPC".into(), url.clone());
        let untyped = run(&BLOCK_NUMBER.replace(typed, ""), &variables, dir).await?;
        ensure!(!untyped.contains("\"result\""), "{url}: {untyped}");
        let said = run(BLOCK_NUMBER, &variables, dir).await?;
        ensure!(said.contains("\"result\":\"0x"), "{url}: {said}");
    }
    if let Some(stats) = cluster.cluster().lb_stats() {
        let said = run(&format!("curl -sf {stats}"), &variables, dir).await?;
        ensure!(said.contains("Statistics Report") && said.contains("node-4"), "{said}");
    }
    cluster.say("curl reaches every node and the load balancer");
    Ok(())
}

/// Every query of the plan finds something.
async fn monitoring(cluster: &TestCluster) -> Result<()> {
    let Some(monitoring) = Monitoring::start(cluster).await? else { return Ok(()) };
    for query in QUERIES {
        wait_until(query, LIMIT, async || {
            Ok((!monitoring.query(query).await?.is_empty()).then_some(()))
        })
        .await?;
    }
    let written = "ande_chain_block_height{instance=~\"sequencer.*\"}";
    ensure!(monitoring.query(written).await?.is_empty(), "{written} finds something");
    cluster.say(&format!("{} queries find something", QUERIES.len()));
    Ok(())
}
