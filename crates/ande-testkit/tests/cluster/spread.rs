//! Transactions sent anywhere end in the same blocks everywhere; proposers follow the contract.

use std::time::Duration;

use ande_devnet::{Rpc, wait_until};
use ande_testkit::{Plan, TestCluster};
use eyre::{Result, ensure};

const PER_ENDPOINT: usize = 6;
const INCLUSION: Duration = Duration::from_secs(15);

#[tokio::test]
async fn transactions_through_every_node_and_the_load_balancer_are_in_the_same_blocks() -> Result<()>
{
    let plan = Plan { load_balancer: true, ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let mut endpoints = cluster.rpcs()?;
            match cluster.cluster().lb_rpc() {
                Some(url) => endpoints.push(Rpc::new(url, Duration::from_secs(5))?),
                None => cluster.say("HAProxy is not installed: only the nodes are used"),
            }
            let mut sent = Vec::new();
            for endpoint in &endpoints {
                // Types 0, 1 and 2 in turn.
                let mut wallet = cluster.wallet().await?;
                for _ in 0..PER_ENDPOINT {
                    let signed = wallet.next_transfer()?;
                    cluster.submit(endpoint, &signed).await?;
                    // A second delivery, as a load balancer's retry makes it, is a success too.
                    cluster.submit(endpoint, &signed).await?;
                    sent.push(signed.hash);
                }
                cluster.say(&format!("{PER_ENDPOINT} transactions taken by {}", endpoint.url()));
            }
            for rpc in cluster.rpcs()? {
                for hash in &sent {
                    wait_until("a transaction is in a block", INCLUSION, async || {
                        Ok(rpc.transaction_height(*hash).await?)
                    })
                    .await?;
                }
            }
            // Same Ethereum block hashes on all nodes; the consensus side is an invariant.
            let top = cluster.wait_in_sync(INCLUSION).await?;
            for height in 1..=top {
                let mut hashes = Vec::new();
                for rpc in cluster.rpcs()? {
                    hashes.push(rpc.block(height).await?.map(|block| block.hash));
                }
                ensure!(
                    hashes[0].is_some() && hashes.iter().all(|hash| *hash == hashes[0]),
                    "height {height}: {hashes:?}"
                );
            }
            cluster.say(&format!(
                "{} transactions, {top} equal blocks on {} nodes",
                sent.len(),
                cluster.size()
            ));
            cluster.wait_batched(top, Duration::from_secs(20)).await?;
            cluster.check_invariants(&[]).await.map(|_| ())
        })
        .await
}

#[tokio::test]
async fn proposers_of_three_windows_are_those_the_contract_names() -> Result<()> {
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            let rotation = u64::from(cluster.cluster().deployment().rotation);
            let load = cluster.load(20).await?;
            // Windows 1 to 3 are complete, whatever came before.
            let (first, last) = (rotation, 4 * rotation - 1);
            cluster.wait_height(0, last, Duration::from_secs(40)).await?;
            load.finish().await?;
            let chain = cluster.chain(0)?;
            let mut lines = Vec::new();
            for window in 1..=3 {
                let height = window * rotation;
                let expected = cluster.proposer_at(height, 0).await?;
                lines.push(format!("window {window} from height {height}: {expected}"));
            }
            let mut proposers = Vec::new();
            for height in first..=last {
                let block =
                    chain.block(height).await?.ok_or_else(|| eyre::eyre!("no block {height}"))?;
                let expected = cluster.proposer_at(height, block.header.skip.0).await?;
                ensure!(
                    block.header.proposer == expected,
                    "height {height} skip {}: proposed by {}, the contract says {expected}",
                    block.header.skip,
                    block.header.proposer
                );
                ensure!(
                    block.header.skip.0 == 0,
                    "height {height} was skipped to {}",
                    block.header.skip
                );
                proposers.push(expected);
            }
            proposers.dedup();
            ensure!(proposers.len() == 3, "consecutive windows of one proposer: {proposers:?}");
            for line in lines {
                cluster.say(&line);
            }
            Ok(())
        })
        .await
}
