//! The chain made again from the settlement chain alone.

use std::{fs, time::Duration};

use ande_devnet::{node_binary, wait_until};
use ande_l1::test_support::{Liar, Lie};
use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

const BUSY: Duration = Duration::from_secs(120);
const CONFIG: &str = "node.toml";

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
            let rpc = cluster.rpc(0)?;
            wait_until("the batches are final", BUSY, async || {
                let block = rpc.block("finalized").await?;
                Ok(block.filter(|block| block.number.0 >= top))
            })
            .await?;

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
            let verify = async || {
                let mut command = Command::new(node_binary()?.with_file_name("ande"));
                command.args(["verify-l1", "--json", "--config", CONFIG, "--rpc"]);
                Ok::<_, eyre::Report>(command.arg(node.rpc_url()).current_dir(&dir).output().await?)
            };
            let done = verify().await?;
            let errors = String::from_utf8_lossy(&done.stderr).into_owned();
            ensure!(done.status.success(), "verify-l1 failed: {errors}");
            let found: Value = serde_json::from_slice(&done.stdout)?;
            let number = found["height"].as_u64().wrap_err("no height")?;
            ensure!(number >= top && found["node_agrees"] == true, "{found}");
            for index in 0..cluster.size() {
                let block = cluster.rpc(index)?.block(number).await?.wrap_err("no block")?;
                ensure!(found["execution_hash"] == block.hash.to_string(), "node {index}: {found}");
            }
            ensure!(found["transactions"].as_u64() >= Some(report.acknowledged.len() as u64));
            cluster.say(&format!("rebuilt: {found}"));

            liar.tell(Lie::Data);
            let refused = verify().await?;
            let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
            ensure!(!refused.status.success() && errors.contains("batch 1"), "{errors}");
            cluster.say(&format!("with another batch 1: {}", errors.trim()));
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
