//! Offences cost their author its stake, and the others nothing.

use std::time::{Duration, Instant};

use alloy::eips::BlockId;
use ande_contracts::AndeToken;
use ande_devnet::wait_until;
use ande_testkit::{Plan, TestCluster};
use eyre::{Result, ensure};

const OFFENDER: usize = 2;
const LIMIT: Duration = Duration::from_secs(60);
/// Life cycle of a slashed validator in the contract.
const TOMBSTONED: u8 = 4;

#[tokio::test]
async fn validator_that_signs_twice_is_slashed_by_the_others() -> Result<()> {
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            let load = cluster.load(20).await?;
            let consensus = cluster.consensus()?;
            let id = cluster.cluster().nodes()[OFFENDER].id();
            let stake = consensus.getValidator(id).call().await?.stake;
            let token = AndeToken::new(consensus.stakeToken().call().await?, cluster.l1()?);
            let mut before = Vec::new();
            for node in cluster.cluster().nodes() {
                before.push(token.balanceOf(node.address()).call().await?);
            }

            cluster.kill(OFFENDER).await?;
            let fault = [("ANDE_FAILPOINT".to_owned(), "sign-twice:corrupt".to_owned())];
            cluster.processes().start_node_with(OFFENDER, &fault)?;
            let start = Instant::now();
            let slashed = wait_until("the offender is slashed", LIMIT, async || {
                let validator = consensus.getValidator(id).call().await?;
                Ok((validator.status == TOMBSTONED).then_some(validator))
            })
            .await?;
            cluster.say(&format!(
                "slashed {:.1} s after the offender started: stake {stake} to {}",
                start.elapsed().as_secs_f64(),
                slashed.stake
            ));
            ensure!(slashed.stake < stake, "its stake is whole");
            let mut paid = 0;
            for (index, (node, before)) in cluster.cluster().nodes().iter().zip(before).enumerate()
            {
                let now = token.balanceOf(node.address()).call().await?;
                if now > before {
                    ensure!(index != OFFENDER, "the offender was paid");
                    paid += 1;
                }
            }
            ensure!(paid == 1, "{paid} reporters were paid");

            // The chain goes on with the offender and without it.
            let height = cluster.height().await;
            cluster.wait_height(0, height + 5, LIMIT).await?;
            cluster.kill(OFFENDER).await?;
            cluster.restart(OFFENDER)?;
            let report = load.finish().await?;
            let top = cluster.wait_in_sync(LIMIT).await?;
            cluster.wait_batched(top, LIMIT).await?;
            let at = BlockId::latest();
            let again = consensus.getValidator(id).block(at).call().await?;
            ensure!(again.stake == slashed.stake, "it was slashed again");
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
