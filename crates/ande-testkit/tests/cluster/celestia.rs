//! Batches on Celestia, and Celestia away for a while.

use std::time::Duration;

use alloy::{consensus::Transaction as _, providers::Provider as _, sol_types::SolCall as _};
use ande_celestia::test_support::LocalNode;
use ande_contracts::AndeSequencerCoordinator::submitBatchCall;
use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};

use crate::{
    outage::{drain, fill, limited},
    rebuild::verify_up_to,
};

#[tokio::test]
async fn without_celestia_blocks_go_on_and_shrink_and_then_all_batches_get_there() -> Result<()> {
    let mut celestia = LocalNode::start().await;
    let plan = Plan { celestia: Some(celestia.url().to_string()), ..limited() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            cluster.wait_batched(cluster.height().await, Duration::from_secs(60)).await?;
            celestia.down().await;
            let before = cluster.cluster().tip().await?.batchIndex;
            let acknowledged = fill(cluster).await?;
            // What was on Celestia already may have been posted.
            let during = cluster.cluster().tip().await?.batchIndex;
            ensure!(during <= before + 1, "batches {before} to {during} without Celestia");
            celestia.up().await;
            let top = drain(cluster, &acknowledged).await?;

            // Every batch is a pointer to exactly one blob.
            let l1 = cluster.l1()?;
            let blobs = celestia.blobs();
            let batches = cluster.check_batches().await?;
            for batch in &batches {
                let posting = l1.get_transaction_by_hash(batch.transaction).await?;
                let posting = posting.wrap_err("the posting is not known")?;
                let da = submitBatchCall::abi_decode(posting.input())?.da;
                let found = blobs.iter().filter(|(height, data)| {
                    (*height, data.len()) == (da.height, da.size as usize)
                });
                ensure!(found.count() == 1, "batch {} is not where it points to", batch.index);
            }
            let bytes: usize = blobs.iter().map(|(_, data)| data.len()).sum();
            cluster.say(&format!(
                "{} batches, {} blobs with {bytes} bytes on Celestia",
                batches.len(),
                blobs.len()
            ));
            verify_up_to(cluster, top).await
        })
        .await
}
