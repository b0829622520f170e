//! The chain made again from the settlement chain alone.

use std::{fs, path::Path, process::Output, time::Duration};

use ande_devnet::{node_binary, wait_until};
use ande_l1::test_support::{Liar, Lie};
use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

const BUSY: Duration = Duration::from_secs(120);
const CONFIG: &str = "node.toml";

/// What `ande verify-l1` finds that runs with the configuration of a directory.
async fn verify(dir: &Path, rpc: &str) -> Result<Output> {
    let mut command = Command::new(node_binary()?.with_file_name("ande"));
    command.args(["verify-l1", "--json", "--config", CONFIG, "--rpc", rpc]);
    Ok(command.current_dir(dir).output().await?)
}

/// The chain that it found, which must reach a height and be the node's.
fn agreed(done: &Output, top: u64) -> Result<Value> {
    let errors = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "verify-l1 failed: {errors}");
    let found: Value = serde_json::from_slice(&done.stdout)?;
    ensure!(found["height"].as_u64() >= Some(top) && found["node_agrees"] == true, "{found}");
    Ok(found)
}

async fn wait_final(cluster: &TestCluster, top: u64) -> Result<()> {
    let rpc = cluster.rpc(0)?;
    wait_until("the batches are final", BUSY, async || {
        let block = rpc.block("finalized").await?;
        Ok(block.filter(|block| block.number.0 >= top))
    })
    .await
    .map(|_| ())
}

/// Makes the chain again up to a height from the settlement chain and compares it with node-1's.
pub(crate) async fn verify_up_to(cluster: &TestCluster, top: u64) -> Result<()> {
    wait_final(cluster, top).await?;
    let node = &cluster.cluster().nodes()[0];
    let found = agreed(&verify(node.dir(), &node.rpc_url()).await?, top)?;
    cluster.say(&format!("rebuilt: {found}"));
    Ok(())
}

#[tokio::test]
async fn the_settlement_chain_alone_gives_the_state_of_the_nodes() -> Result<()> {
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            // Batches of both kinds: small ones in calldata, large ones in blobs.
            let load = cluster.load(100).await?;
            let height = cluster.height().await;
            cluster.wait_batched(height + 70, BUSY).await?;
            let report = load.finish().await?;
            let top = cluster.wait_in_sync(BUSY).await?;
            cluster.wait_batched(top, BUSY).await?;
            wait_final(cluster, top).await?;

            // A configuration of no node: without keys and data.
            let node = &cluster.cluster().nodes()[0];
            let dir = node.dir().parent().wrap_err("no parent")?.join("rebuilt");
            fs::create_dir_all(&dir)?;
            let url = cluster.cluster().l1_url();
            let liar = Liar::start(url.parse()?).await;
            let text = fs::read_to_string(node.dir().join(CONFIG))?;
            let old = format!("\"{url}\"");
            ensure!(text.contains(&old), "{old} is not in the configuration");
            fs::write(dir.join(CONFIG), text.replace(&old, &format!("\"{}\"", liar.url())))?;
            let found = agreed(&verify(&dir, &node.rpc_url()).await?, top)?;
            let number = found["height"].as_u64().wrap_err("no height")?;
            for index in 0..cluster.size() {
                let block = cluster.rpc(index)?.block(number).await?.wrap_err("no block")?;
                ensure!(found["execution_hash"] == block.hash.to_string(), "node {index}: {found}");
            }
            ensure!(found["transactions"].as_u64() >= Some(report.acknowledged.len() as u64));
            cluster.say(&format!("rebuilt: {found}"));

            liar.tell(Lie::Data);
            let refused = verify(&dir, &node.rpc_url()).await?;
            let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
            ensure!(!refused.status.success() && errors.contains("batch 1"), "{errors}");
            cluster.say(&format!("with another batch 1: {}", errors.trim()));
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
