//! One node of four has its blocks judged, or built, by an external execution client.

use std::{collections::HashSet, time::Duration};

use ande_devnet::SignedTransaction;
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
            let before = client.join(cluster, JUDGED, "").await?;
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

/// A counter of the node with the client.
async fn counter(cluster: &TestCluster, name: &str) -> Result<u64> {
    let url = format!("{}/metrics", cluster.cluster().nodes()[JUDGED].ops_url());
    let text = reqwest::get(url).await?.error_for_status()?.text().await?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.wrap_err_with(|| format!("no metric {name}"))?.parse().wrap_err("a counter")
}

/// Gives a transaction to the client alone and waits until it is in a block of the client's node.
async fn builds(
    cluster: &TestCluster,
    client: &ExecutionClient,
    transfer: &SignedTransaction,
) -> Result<()> {
    client.rpc()?.send_raw(&transfer.raw).await.wrap_err_with(|| client.log_tail())?;
    let rpc = cluster.rpc(0)?;
    let what = "what only the client has is in a block";
    let height = ande_devnet::wait_until(what, 2 * LIMIT, async || {
        Ok(rpc.transaction_height(transfer.hash).await.ok().flatten())
    })
    .await
    .wrap_err_with(|| client.log_tail())?;
    let block = cluster.chain(0)?.block(height).await?.wrap_err("no block")?;
    let address = cluster.cluster().nodes()[JUDGED].address();
    ensure!(block.header.proposer == address, "another node proposed block {height}");
    cluster.say(&format!("block {height} has what only the client had"));
    Ok(())
}

#[tokio::test]
async fn blocks_that_a_client_builds_are_certified_beside_those_of_the_embedded_evm() -> Result<()>
{
    // Every node proposes often. Its client has the time that it needs on a busy machine.
    let plan = Plan {
        block_time: Duration::from_secs(1),
        rotation: 2,
        propose_timeout: Duration::from_secs(10),
        ..Plan::default()
    };
    let settings = "builder = \"eth\"\nbuild_timeout_ms = 4000\nbuild_fill_ms = 100\n\
                    verdict_timeout_ms = 4000\n";
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let load = cluster.load(LOAD).await?;
            let mut client = ExecutionClient::new(cluster)?;
            let before = client.join(cluster, JUDGED, settings).await?;
            cluster.wait_height(JUDGED, before, LIMIT).await?;
            wait_client(cluster, "up", LIMIT).await?;

            // Only the client has these, one among others and one alone: each is in a block that
            // it chose. Others of equal tips make it a block in another order.
            let mut wallet = cluster.wallet().await?;
            builds(cluster, &client, &wallet.next_transfer()?).await?;
            let report = load.finish().await?;
            builds(cluster, &client, &wallet.next_transfer()?).await?;
            let what = "a block of the client is taken as it is";
            let taken = ande_devnet::wait_until(what, 2 * LIMIT, async || {
                let taken = counter(cluster, "ande_execution_client_blocks_taken_total").await?;
                Ok((taken > 0).then_some(taken))
            })
            .await?;
            let rebuilt = counter(cluster, "ande_execution_client_blocks_rebuilt_total").await?;
            let failed = counter(cluster, "ande_execution_client_builds_failed_total").await?;
            cluster.say(&format!("taken {taken}, built again {rebuilt}, without it {failed}"));

            let top = cluster.wait_in_sync(LIMIT).await?;
            wait_block(cluster, &client, top).await?;
            cluster.check_invariants(&report.acknowledged).await?;
            // Every node and the client have one chain, of blocks by all of them.
            let mut proposers = HashSet::new();
            for height in 1..=top {
                wait_block(cluster, &client, height).await?;
                let expected = cluster.rpc(JUDGED)?.block(height).await?.map(|block| block.hash);
                let block = cluster.rpc(0)?.block(height).await?.map(|block| block.hash);
                ensure!(block.is_some() && block == expected, "block {height} differs");
                let block = cluster.chain(0)?.block(height).await?.wrap_err("no block")?;
                proposers.insert(block.header.proposer);
            }
            ensure!(proposers.len() > 1, "one node proposed all blocks");
            cluster.say(&format!("{top} blocks of {} proposers are equal", proposers.len()));
            Ok(())
        })
        .await
}
