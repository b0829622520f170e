//! Transactions that are queued on the settlement chain only.

use std::time::{Duration, Instant};

use alloy::primitives::{B256, Bytes, hex, keccak256};
use ande_devnet::{BANK_KEY, RpcError, node_binary, wait_until};
use ande_testkit::{Plan, TestCluster, cast, run_program};
use eyre::{ContextCompat as _, Result, ensure};
use serde::Deserialize;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(120);
/// Not running while the transactions are queued.
const LATE: usize = 3;
/// The only one that does not censor.
const HONEST: usize = 0;

/// What a node says of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Forced {
    tx_hash: B256,
    deadline: u64,
    status: String,
    reason: Option<String>,
    pub(crate) block_number: Option<u64>,
}

/// Puts bytes into the queue as any user can; no node hears of it.
pub(crate) async fn force(cluster: &TestCluster, raw: &[u8]) -> Result<()> {
    let coordinator = cluster.cluster().contracts().coordinator.to_string();
    let url = cluster.cluster().l1_url();
    let fee = cluster.coordinator()?.forcedState().call().await?.fee.to_string();
    let raw = hex::encode_prefixed(raw);
    let words = [
        "send",
        &coordinator,
        "enqueueForced(bytes)",
        &raw,
        "--value",
        &fee,
        "--private-key",
        BANK_KEY,
        "--rpc-url",
        &url,
    ];
    cast(&words, cluster.dir()).await.map(|_| ())
}

/// Waits until a node says that a block consumed the entry.
pub(crate) async fn consumed(cluster: &TestCluster, node: usize, index: u64) -> Result<Forced> {
    let rpc = cluster.rpc(node)?;
    wait_until(&format!("node-{} consumed entry {index}", node + 1), LIMIT, async || {
        let answer: Result<Option<Forced>, RpcError> =
            rpc.call("ande_forcedTransaction", json!([index])).await;
        Ok(answer.ok().flatten().filter(|entry| entry.block_number.is_some()))
    })
    .await
}

#[tokio::test]
async fn forced_transactions_are_executed_though_no_node_was_asked() -> Result<()> {
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            cluster.kill(LATE).await?;
            let mut wallet = cluster.wallet().await?;
            let raws = [
                wallet.next_transfer()?.raw,
                Bytes::from_static(b"what a transaction is not"),
                wallet.next_transfer()?.raw,
            ];
            let start = Instant::now();
            for raw in &raws {
                force(cluster, raw).await?;
            }
            cluster.say(&format!("{} transactions queued by cast", raws.len()));
            let mut said = Vec::new();
            for (index, raw) in (0u64..).zip(&raws) {
                let entry = consumed(cluster, 0, index).await?;
                ensure!(entry.tx_hash == keccak256(raw), "{entry:?}");
                let block = entry.block_number.wrap_err("a block")?;
                let height = cluster.rpc(0)?.transaction_height(entry.tx_hash).await?;
                if index == 1 {
                    ensure!(entry.status == "skipped" && height.is_none(), "{entry:?}");
                    ensure!(entry.reason.is_some(), "{entry:?}");
                } else {
                    ensure!(entry.status == "included" && height == Some(block), "{entry:?}");
                }
                said.push(entry);
            }
            let last = said.last().and_then(|entry| entry.block_number).wrap_err("a block")?;
            cluster.say(&format!(
                "consumed up to block {last} {:.1} s after they were sent",
                start.elapsed().as_secs_f64()
            ));
            cluster.wait_batched(last, LIMIT).await?;
            let queue = cluster.coordinator()?.forcedState().call().await?;
            ensure!((queue.head, queue.tail) == (3, 3), "{} of {}", queue.head, queue.tail);

            // One that was not there says the same; so does one that executes everything again.
            cluster.restart(LATE)?;
            cluster.wait_height(LATE, last, LIMIT).await?;
            cluster.kill(LATE).await?;
            let node = &cluster.cluster().nodes()[LATE];
            let (config, dir) = (node.config_file(), node.dir().to_path_buf());
            let config = config.to_str().wrap_err("the path is text")?;
            let log = run_program(&node_binary()?, &["--config", config, "resync"], &dir).await?;
            ensure!(log.contains("the state was made again"), "{log}");
            cluster.restart(LATE)?;
            for (index, entry) in (0u64..).zip(&said) {
                for node in 0..cluster.size() {
                    let other = consumed(cluster, node, index).await?;
                    ensure!(other == *entry, "node-{}: {other:?}, not {entry:?}", node + 1);
                }
            }
            cluster.wait_in_sync(LIMIT).await?;
            cluster.check_invariants(&[]).await.map(|_| ())
        })
        .await
}

#[tokio::test]
async fn proposers_that_leave_due_transactions_out_are_passed_over() -> Result<()> {
    // Half of the contract's hour is over when an entry is made: it is due at once.
    let plan = Plan { l1_behind: Duration::from_secs(40 * 60), ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let load = cluster.load(5).await?;
            let fault = [("ANDE_FAILPOINT".to_owned(), "build-without-forced:corrupt".to_owned())];
            for censor in (0..cluster.size()).filter(|index| *index != HONEST) {
                cluster.processes().node_mut(censor)?.stop().await?;
                cluster.processes().start_node_with(censor, &fault)?;
                let height = cluster.height().await;
                cluster.wait_height(censor, height, LIMIT).await?;
            }
            let honest = cluster.cluster().nodes()[HONEST].address();
            let mut wallet = cluster.wallet().await?;
            let (mut passed_over, mut sent) = (0, 0);
            // By chance it is the honest one's turn each time, so there may have to be more.
            while sent < 4 || (passed_over == 0 && sent < 20) {
                let index = sent;
                sent += 1;
                let start = Instant::now();
                force(cluster, &wallet.next_transfer()?.raw).await?;
                let entry = consumed(cluster, 1, index).await?;
                let block = entry.block_number.wrap_err("a block")?;
                let header =
                    cluster.chain(1)?.block(block).await?.wrap_err("the block is there")?.header;
                ensure!(entry.status == "included", "{entry:?}");
                ensure!(header.proposer == honest, "{} included it", header.proposer);
                passed_over += u32::from(header.skip.0 > 0);
                cluster.say(&format!(
                    "entry {index} is in block {block} with skip {} {:.1} s after it was sent",
                    header.skip,
                    start.elapsed().as_secs_f64()
                ));
            }
            ensure!(passed_over > 0, "each time it was the honest one's turn");
            let report = load.finish().await?;
            let top = cluster.wait_in_sync(LIMIT).await?;
            cluster.wait_batched(top, LIMIT).await?;
            let queue = cluster.coordinator()?.forcedState().call().await?;
            ensure!((queue.head, queue.tail) == (sent, sent), "{} of {}", queue.head, queue.tail);
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
