//! The contract begins a new era: by an escape batch, and by a halt.

use std::time::{Duration, Instant};

use ande_devnet::{BANK_KEY, wait_until};
use ande_testkit::{Plan, TestCluster, cast};
use eyre::{ContextCompat as _, Result, ensure};

use crate::{
    forced::{consumed, force},
    rebuild::verify_up_to,
};

const LIMIT: Duration = Duration::from_secs(120);
const HOUR: Duration = Duration::from_secs(3_600);
/// Batches, in the contract's mask.
const BATCHES: &str = "2";
/// Blocks that are in no batch when the era ends.
const VOID: u64 = 15;
/// Not there while the era changes.
const LATE: usize = 3;

/// A transaction of an account that is no validator.
async fn send(cluster: &TestCluster, to: &str, words: &[&str]) -> Result<()> {
    let url = cluster.cluster().l1_url();
    let mut all = vec!["send", to];
    all.extend_from_slice(words);
    all.extend_from_slice(&["--private-key", BANK_KEY, "--rpc-url", &url]);
    cast(&all, cluster.dir()).await.map(|_| ())
}

/// Waits until all nodes have blocks of `era` from a height on.
async fn in_era(cluster: &TestCluster, era: u32, first: u64) -> Result<()> {
    for node in 0..cluster.size() {
        let chain = cluster.chain(node)?;
        let what = format!("block {first} of node-{} is of era {era}", node + 1);
        wait_until(&what, LIMIT, async || {
            let block = chain.block(first).await.ok().flatten();
            Ok(block.filter(|block| block.header.era.0 == era).map(|_| ()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn chain_goes_on_from_an_escape_batch_with_what_it_consumed() -> Result<()> {
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            let load = cluster.load(10).await?;
            let fault = [("ANDE_FAILPOINT".to_owned(), "build-without-forced:corrupt".to_owned())];
            for censor in 0..cluster.size() {
                cluster.processes().node_mut(censor)?.stop().await?;
                cluster.processes().start_node_with(censor, &fault)?;
                let height = cluster.height().await;
                cluster.wait_height(censor, height, LIMIT).await?;
            }
            let mut wallet = cluster.wallet().await?;
            let raw = wallet.next_transfer()?;
            force(cluster, &raw.raw).await?;

            // A day after its deadline no batch without it is accepted.
            let coordinator = cluster.coordinator()?;
            cluster.pass_on_l1(HOUR * 26).await?;
            let tip = coordinator.tip().call().await?;
            ensure!(coordinator.isTimeoutReached().call().await?, "it is not overdue");
            cluster.wait_height(0, tip.endHeight + VOID, LIMIT).await?;
            let report = load.finish().await?;
            let still = coordinator.tip().call().await?;
            ensure!(still.batchIndex == tip.batchIndex, "batch {} passed", still.batchIndex);

            let contracts = cluster.cluster().contracts();
            let (consensus, address) =
                (contracts.consensus.to_string(), contracts.coordinator.to_string());
            let bank = cast(&["wallet", "address", BANK_KEY], cluster.dir()).await?;
            send(cluster, &consensus, &["setGuardian(address)", &bank]).await?;
            send(cluster, &consensus, &["pause(uint8)", BATCHES]).await?;
            let start = Instant::now();
            send(cluster, &address, &["escapeBatch()"]).await?;
            let escaped = coordinator.tip().call().await?;
            ensure!(escaped.batchIndex == tip.batchIndex + 1, "no escape batch");
            ensure!(escaped.endHeight == tip.endHeight, "it has heights");

            // Those who censored can do so no more: the first block of the era has the entry.
            for censor in 0..cluster.size() {
                cluster.processes().node_mut(censor)?.stop().await?;
                cluster.restart(censor)?;
            }
            let first = tip.endHeight + 1;
            in_era(cluster, 1, first).await?;
            cluster.say(&format!(
                "block {first} of era 1 is on all nodes {:.1} s after the escape batch",
                start.elapsed().as_secs_f64()
            ));
            let entry = consumed(cluster, 0, 0).await?;
            ensure!(entry.block_number == Some(first), "{entry:?}, not in block {first}");
            let place = cluster.rpc(1)?.transaction_height(raw.hash).await?;
            ensure!(place == Some(first), "it is in {place:?}");

            send(cluster, &consensus, &["unpause(uint8)", BATCHES]).await?;
            let top = cluster.wait_in_sync(LIMIT).await?;
            let last = cluster.wait_batched(top, LIMIT).await?;
            ensure!(last > escaped.batchIndex, "no batch after the escape batch");
            let queue = coordinator.forcedState().call().await?;
            ensure!((queue.head, queue.tail) == (1, 1), "{} of {}", queue.head, queue.tail);
            verify_up_to(cluster, top).await?;
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}

#[tokio::test]
async fn halted_chain_goes_on_from_its_last_batch_after_a_relaunch() -> Result<()> {
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            let load = cluster.load(10).await?;
            let consensus = cluster.cluster().contracts().consensus.to_string();
            let bank = cast(&["wallet", "address", BANK_KEY], cluster.dir()).await?;
            cluster.wait_batched(1, LIMIT).await?;
            send(cluster, &consensus, &["setGuardian(address)", &bank]).await?;
            send(cluster, &consensus, &["pause(uint8)", BATCHES]).await?;
            let coordinator = cluster.coordinator()?;
            let tip = coordinator.tip().call().await?;
            cluster.wait_height(0, tip.endHeight + VOID, LIMIT).await?;
            let report = load.finish().await?;
            cluster.wait_in_sync(LIMIT).await?;
            cluster.kill(LATE).await?;
            cluster.pass_on_l1(HOUR * 25).await?;
            send(cluster, &consensus, &["declareHalt()"]).await?;
            let contract = cluster.consensus()?;
            ensure!(contract.era().call().await? == 1, "no era began");
            ensure!(!contract.launched().call().await?, "still launched");

            // The blocks that are in no batch are void; there is no set for others.
            for node in (0..cluster.size()).filter(|node| *node != LATE) {
                let rpc = cluster.rpc(node)?;
                let what = format!("node-{} is back at height {}", node + 1, tip.endHeight);
                wait_until(&what, LIMIT, async || {
                    Ok(rpc.height().await.is_ok_and(|at| at == tip.endHeight).then_some(()))
                })
                .await?;
            }
            cluster.say(&format!("halted; all nodes wait at height {}", tip.endHeight));

            cluster.pass_on_l1(HOUR * 72).await?;
            let start = Instant::now();
            send(cluster, &consensus, &["relaunch()"]).await?;
            cluster.restart(LATE)?;
            let first = tip.endHeight + 1;
            in_era(cluster, 1, first).await?;
            cluster.say(&format!(
                "block {first} of era 1 is on all nodes {:.1} s after the relaunch",
                start.elapsed().as_secs_f64()
            ));
            let height = cluster.height().await;
            cluster.wait_height(LATE, height + 5, LIMIT).await?;
            let top = cluster.wait_in_sync(LIMIT).await?;
            let last = cluster.wait_batched(top, LIMIT).await?;
            ensure!(last > tip.batchIndex, "no batch of the new era");
            let header = cluster.chain(LATE)?.block(first).await?.wrap_err("a block")?.header;
            ensure!(header.era.0 == 1, "block {first} is of era {}", header.era);
            verify_up_to(cluster, top).await?;
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
