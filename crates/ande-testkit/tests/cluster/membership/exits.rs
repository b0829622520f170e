//! A validator leaves: at the stated epoch, and with its stake after unbonding.

use std::time::Duration;

use ande_contracts::AndeToken;
use ande_devnet::wait_until;
use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};

const LEAVER: usize = 3;
const BUSY: Duration = Duration::from_secs(120);
/// More than the unbonding delay of the test network, two days.
const UNBONDING: Duration = Duration::from_secs(49 * 3_600);
/// Life cycle in the contract.
const EXITING: u8 = 3;
const EXITED: u8 = 5;

#[tokio::test]
async fn validator_that_exits_leaves_at_the_stated_epoch_and_claims_after_unbonding() -> Result<()>
{
    // Epochs of 30 blocks: its last one is over soon.
    let plan = Plan { rotation: 5, ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let load = cluster.load(20).await?;
            let node = &cluster.cluster().nodes()[LEAVER];
            let (id, address) = (node.id(), node.address());
            let consensus = cluster.consensus()?;
            let token = AndeToken::new(consensus.stakeToken().call().await?, cluster.l1()?);
            let stake = consensus.getValidator(id).call().await?.stake;
            let balance = token.balanceOf(address).call().await?;

            cluster.as_owner(LEAVER, "exit").await?;
            let leaving = consensus.getValidator(id).call().await?;
            ensure!(leaving.status == EXITING, "status {}", leaving.status);
            let duty = leaving.lastDutyEpoch;
            let free = duty + 1;
            let ((first_duty, last_duty), (_, last_free)) =
                (cluster.heights_of(duty), cluster.heights_of(free));
            cluster.say(&format!("exit requested, on duty to the end of epoch {duty}"));
            ensure!(cluster.as_owner(LEAVER, "claim").await.is_err(), "claimed while on duty");

            wait_until("the first set without it is frozen", BUSY, async || {
                Ok((consensus.lastFrozenEpoch().call().await? >= free).then_some(()))
            })
            .await?;
            ensure!(cluster.is_member(duty, address).await?, "not in the set of epoch {duty}");
            ensure!(!cluster.is_member(free, address).await?, "still in the set of epoch {free}");
            cluster.wait_height(LEAVER, last_free, BUSY).await?;
            let chain = cluster.chain(LEAVER)?;
            let mut votes = 0;
            for height in first_duty..=last_free {
                let block = chain.block(height).await?.wrap_err("block lost")?;
                let signed = block.signatures.iter().any(|entry| entry.signer == address);
                let proposed = block.header.proposer == address;
                let on_duty = height <= last_duty;
                ensure!(on_duty || !(signed || proposed), "it took part in block {height}");
                votes += u32::from(signed);
            }
            ensure!(votes > 0, "it did not vote in its last epoch");
            cluster.say(&format!(
                "{votes} votes in epoch {duty}, none in epoch {free} up to height {last_free}"
            ));

            // Two days later the stake is there, whole; the chain goes on all the while.
            let unlock = wait_until("the end of its duty is known", BUSY, async || {
                let time = consensus.unlockTime(id).call().await?;
                Ok((!time.is_zero()).then_some(time))
            })
            .await?;
            let refused = cluster.as_owner(LEAVER, "claim").await;
            let text = refused.err().wrap_err("claimed before unbonding")?.to_string();
            ensure!(text.contains(&format!("locked until {unlock}")), "{text}");
            cluster.pass_on_l1(UNBONDING).await?;
            cluster.as_owner(LEAVER, "claim").await?;
            let left = consensus.getValidator(id).call().await?;
            ensure!(left.status == EXITED && left.stake.is_zero(), "status {}", left.status);
            let paid = token.balanceOf(address).call().await? - balance;
            ensure!(paid == stake, "paid {paid} of {stake}");
            cluster.say(&format!("claimed {paid} of {stake}"));
            ensure!(cluster.as_owner(LEAVER, "claim").await.is_err(), "claimed twice");

            let height = cluster.height().await;
            cluster.wait_height(0, height + 10, BUSY).await?;
            let report = load.finish().await?;
            let top = cluster.wait_in_sync(BUSY).await?;
            cluster.wait_batched(top, BUSY).await?;
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
