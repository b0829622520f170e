//! The operator's guide, followed to the letter by a newcomer.

use std::{collections::BTreeMap, fs, path::Path};

use ande_devnet::{Account, NodeKeys, fund};
use ande_testkit::{Plan, TestCluster};
use eyre::{Result, WrapErr as _, ensure};

use super::{LIMIT, STAKE, can_run, fenced, path, read, run};

/// What the guide leaves to whoever runs the network, and ports that are free here.
fn variables(cluster: &TestCluster) -> Result<BTreeMap<String, String>> {
    let cluster = cluster.cluster();
    let config = cluster.config();
    let mut variables = BTreeMap::new();
    let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
    set("L1", cluster.l1_url());
    set("L1_CHAIN_ID", ande_devnet::L1_CHAIN_ID.to_string());
    set("CONSENSUS", cluster.contracts().consensus.to_string());
    set("COORDINATOR", cluster.contracts().coordinator.to_string());
    set("GENESIS", ande_devnet::genesis_file(&config.dir).display().to_string());
    set("L2_CHAIN_ID", config.l2_chain_id.to_string());
    for (name, key) in [("RPC", "ANDE_RPC__LISTEN"), ("OPS", "ANDE_OPS__LISTEN")] {
        let address = format!("127.0.0.1:{}", ande_ports::reserve()?);
        set(name, format!("http://{address}"));
        set(key, address);
    }
    let rpc = variables["RPC"].clone();
    let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
    set("ENDPOINT", rpc);
    set("ANDE_RPC__WS_LISTEN", format!("127.0.0.1:{}", ande_ports::reserve()?));
    let peer = format!("127.0.0.1:{}", ande_ports::reserve()?);
    set("ANDE_P2P__LISTEN", peer.clone());
    set("ANDE_P2P__ADVERTISE", peer);
    // What this network's validators have in common.
    set("ANDE_CHAIN__BLOCK_TIME_MS", config.block_time.as_millis().to_string());
    set("ANDE_CHAIN__HEARTBEAT_MS", config.nodes.heartbeat.as_millis().to_string());
    set("ANDE_BATCHER__INTERVAL_MS", config.nodes.batch_interval.as_millis().to_string());
    set("ANDE_BATCHER__TAKEOVER_MS", config.nodes.takeover.as_millis().to_string());
    set("PATH", path()?);
    Ok(variables)
}

/// The end of the log of the node that the guide started.
fn log(dir: &Path) -> String {
    let log = fs::read_to_string(dir.join("node.log")).unwrap_or_default();
    format!("log:\n{}", &log[log.floor_char_boundary(log.len().saturating_sub(3_000))..])
}

/// Ends the node that the guide started, whatever happened.
struct Newcomer<'a>(&'a Path);

impl Drop for Newcomer<'_> {
    fn drop(&mut self) {
        let Ok(pid) = fs::read_to_string(self.0.join("node.pid")) else { return };
        let _ = std::process::Command::new("kill").args(["-KILL", pid.trim()]).status();
    }
}

#[tokio::test]
async fn every_block_of_the_operators_guide_works_as_it_stands() -> Result<()> {
    let guide = read("docs/operator-guide.md")?;
    let blocks = fenced(&guide);
    ensure!(blocks.len() >= 8, "only {} blocks", blocks.len());
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            if !can_run(cluster) {
                return Ok(());
            }
            let dir = cluster.dir().join("newcomer");
            fs::create_dir(&dir)?;
            let variables = variables(cluster)?;
            let _newcomer = Newcomer(&dir);
            let load = cluster.load(5).await?;
            for (number, block) in blocks.iter().enumerate() {
                run(block, &variables, &dir).await.wrap_err_with(|| log(&dir))?;
                if number == 0 {
                    let newcomer = NodeKeys::load(&dir.join("keys"))?.address();
                    let bank = Account::bank(&cluster.cluster().l1_url())?;
                    fund(&bank, cluster.cluster().contracts().token, newcomer, STAKE).await?;
                }
                cluster.say(&format!("block {} of {} works", number + 1, blocks.len()));
            }
            let report = load.finish().await?;
            cluster.wait_in_sync(LIMIT).await?;
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
