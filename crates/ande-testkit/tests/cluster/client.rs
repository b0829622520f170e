//! One node of four has its blocks judged by an external execution client, which is killed.

use std::{fs, time::Duration};

use ande_testkit::{CertificateCheck, ExecutionClient, Plan, TestCluster};
use eyre::{Context as _, ContextCompat as _, Result, ensure};

/// Longest wait for a step. The client takes 50 ms of an idle core per transaction.
const LIMIT: Duration = Duration::from_secs(60);
/// Transactions per second.
const LOAD: u32 = 2;
/// Position of the node with the client.
const JUDGED: usize = 3;

/// Waits until the node says this of its client.
async fn wait_client(cluster: &TestCluster, health: &str, limit: Duration) -> Result<()> {
    ande_devnet::wait_until(&format!("the execution client is {health}"), limit, async || {
        let seen = cluster.observe(JUDGED).await.ok();
        Ok(seen.filter(|seen| seen.execution_client() == Some(health)).map(|_| ()))
    })
    .await
}

/// Waits until the client has the cluster's block at a height.
async fn wait_block(cluster: &TestCluster, client: &ExecutionClient, height: u64) -> Result<()> {
    let (theirs, ours) = (client.rpc()?, cluster.rpc(0)?);
    let block = ande_devnet::wait_until("the execution client has the block", LIMIT, async || {
        Ok(theirs.block(height).await.ok().flatten())
    })
    .await
    .wrap_err_with(|| client.log_tail())?;
    let expected = ours.block(height).await?.wrap_err("no such block")?;
    ensure!(block.hash == expected.hash, "the client has another block {height}");
    Ok(())
}

#[tokio::test]
async fn a_node_whose_execution_client_is_killed_follows_and_votes_again() -> Result<()> {
    // External clients need a second per block.
    let plan = Plan { block_time: Duration::from_secs(1), ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let load = cluster.load(LOAD).await?;
            let mut client = ExecutionClient::new(cluster)?;
            let node = cluster.processes().node_mut(JUDGED)?;
            node.stop().await?;
            let config = fs::read_to_string(node.config_file())?;
            fs::write(node.config_file(), config + &client.config_section())?;
            client.start().await?;
            cluster.say("the client answers");
            let before = cluster.height().await;
            ensure!(client.rpc()?.height().await? == 0, "the client should be new");
            cluster.restart(JUDGED)?;
            cluster.say(&format!("the node starts again at height {before}"));
            cluster.wait_height(JUDGED, before, LIMIT).await?;
            wait_client(cluster, "up", LIMIT).await?;
            wait_block(cluster, &client, before).await?;
            cluster.say(&format!("the client was brought to height {before}"));

            client.kill().await?;
            wait_client(cluster, "down", LIMIT).await?;
            let down = cluster.height().await + 1;
            cluster.wait_height(JUDGED, down + 4, LIMIT).await?;
            cluster.say(&format!("without its client the node follows to height {}", down + 4));
            let mut check = CertificateCheck::new(
                cluster.l1()?,
                cluster.cluster().contracts().consensus,
                cluster.cluster().deployment().l2_chain_id,
            );
            let address = cluster.cluster().nodes()[JUDGED].address();
            for height in down..=down + 4 {
                let block = cluster.chain(JUDGED)?.block(height).await?.wrap_err("no block")?;
                let signers = check.verify(&block).await?;
                ensure!(!signers.contains(&address), "it voted for block {height}");
            }

            client.start().await?;
            wait_client(cluster, "up", LIMIT).await?;
            let back = cluster.height().await;
            wait_block(cluster, &client, back).await?;
            // Three of four have to vote: without another node it is needed.
            cluster.kill(0).await?;
            cluster.wait_height(JUDGED, back + 3, LIMIT).await?;
            cluster.say(&format!("it votes again: height {} without node-1", back + 3));
            cluster.restart(0)?;
            let report = load.finish().await?;
            let top = cluster.wait_in_sync(LIMIT).await?;
            wait_block(cluster, &client, top).await?;
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
