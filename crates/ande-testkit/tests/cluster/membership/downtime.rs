//! Who is skipped too often is jailed; when the network fails, nobody is.

use std::{collections::BTreeSet, time::Duration};

use alloy::providers::Provider as _;
use ande_devnet::wait_until;
use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};

const DOWN: usize = 2;
const BUSY: Duration = Duration::from_secs(120);
/// Until a whole epoch without the validator is over and judged.
const JUDGED: Duration = Duration::from_secs(240);
/// Life cycle in the contract.
const ACTIVE: u8 = 1;
const JAILED: u8 = 2;
/// Two windows per epoch for each of four validators: as many as one must miss, and fewer than a
/// third of all.
const WINDOWS: u32 = 8;

#[tokio::test]
async fn validator_that_is_down_is_jailed_not_slashed_and_comes_back() -> Result<()> {
    let plan = Plan { rotation: 5, windows_per_epoch: WINDOWS, ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let load = cluster.load(20).await?;
            let consensus = cluster.consensus()?;
            let node = &cluster.cluster().nodes()[DOWN];
            let (id, address) = (node.id(), node.address());
            let stake = consensus.getValidator(id).call().await?.stake;

            cluster.kill(DOWN).await?;
            let jailed = wait_until("the validator is jailed", JUDGED, async || {
                let validator = consensus.getValidator(id).call().await?;
                Ok((validator.status == JAILED).then_some(validator))
            })
            .await?;
            ensure!(jailed.stake == stake, "of {stake} {} is left", jailed.stake);
            let filter =
                consensus.ValidatorJailed_filter().topic1(alloy::primitives::U256::from(id));
            let (event, log) = filter.from_block(0).query().await?.pop().wrap_err("no event")?;
            let missed = consensus.missedWindows(event.epoch, id).call().await?;
            ensure!(missed >= 2 && missed == event.missed, "missed {missed}: {event:?}");
            let transaction = log.transaction_hash.wrap_err("of no transaction")?;
            let receipt = cluster.l1()?.get_transaction_receipt(transaction).await?;
            let keeper = receipt.wrap_err("no receipt")?.from;
            let nodes = cluster.cluster().nodes();
            let by = nodes.iter().position(|node| node.address() == keeper);
            let by = by.filter(|by| *by != DOWN).wrap_err("settled by no node")?;
            cluster.say(&format!(
                "node-{} had epoch {} judged: {missed} of {} windows missed, jailed to epoch {}",
                by + 1,
                event.epoch,
                event.assigned,
                event.until
            ));

            // Once it runs and its time is over, its owner has it back.
            cluster.restart(DOWN)?;
            wait_until("it may leave jail", BUSY, async || {
                Ok((consensus.currentEpoch().call().await? >= jailed.jailedUntil).then_some(()))
            })
            .await?;
            cluster.as_owner(DOWN, "unjail").await?;
            let back = consensus.getValidator(id).call().await?;
            ensure!(back.status == ACTIVE && back.stake == stake, "status {}", back.status);
            let epoch = back.joinEpoch;
            wait_until("a set with it is frozen", BUSY, async || {
                Ok((consensus.lastFrozenEpoch().call().await? >= epoch).then_some(()))
            })
            .await?;
            ensure!(cluster.is_member(epoch, address).await?, "not in the set of epoch {epoch}");
            let (first, last) = cluster.heights_of(epoch);
            cluster.wait_height(0, last, BUSY).await?;
            let (chain, mut votes) = (cluster.chain(0)?, 0);
            for height in first..=last {
                let block = chain.block(height).await?.wrap_err("block lost")?;
                votes += u32::from(block.signatures.iter().any(|entry| entry.signer == address));
            }
            ensure!(votes > 0, "no vote of it in epoch {epoch}");
            cluster.say(&format!("back from epoch {epoch} on, with {votes} votes in it"));
            let slashed = consensus.ValidatorSlashed_filter().from_block(0).query().await?;
            ensure!(slashed.is_empty(), "{slashed:?}");
            let report = load.finish().await?;
            let top = cluster.wait_in_sync(BUSY).await?;
            cluster.wait_batched(top, BUSY).await?;
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}

/// More than a third of the windows of an epoch.
const FAILED: usize = 3;

/// Stops what the chain cannot go on without, the proposer among it, until those who are left gave
/// up waiting for a block; the window that is passed on because of it, if one is.
async fn fail_once(cluster: &mut TestCluster, timeout: Duration) -> Result<Option<u64>> {
    let before = cluster.height().await;
    let proposer = cluster.proposer().await?;
    let halves = [proposer, (proposer + 1) % cluster.size()];
    for index in halves {
        cluster.freeze(index, true)?;
    }
    tokio::time::sleep(timeout * 4).await;
    for index in halves {
        cluster.freeze(index, false)?;
    }
    let end = cluster.height().await.max(before) + 2;
    cluster.wait_height((proposer + 2) % cluster.size(), end, BUSY).await?;
    let (chain, rotation) = (cluster.chain((proposer + 2) % cluster.size())?, rotation(cluster));
    for height in before + 1..=end {
        let header = chain.block(height).await?.wrap_err("block lost")?.header;
        if header.skip.0 > 0 {
            return Ok(Some(height / rotation));
        }
    }
    Ok(None)
}

fn rotation(cluster: &TestCluster) -> u64 {
    u64::from(cluster.cluster().deployment().rotation)
}

#[tokio::test]
async fn outages_of_the_whole_network_jail_nobody() -> Result<()> {
    let propose_timeout = Duration::from_secs(1);
    let plan =
        Plan { rotation: 10, windows_per_epoch: WINDOWS, propose_timeout, ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let load = cluster.load(20).await?;
            let consensus = cluster.consensus()?;
            let epoch = cluster.height().await / (rotation(cluster) * u64::from(WINDOWS)) + 1;
            let (first, last) = cluster.heights_of(epoch);
            cluster.wait_height(0, first, BUSY).await?;
            // One outage per window, until more than a third of the windows were passed on.
            let mut failed = BTreeSet::new();
            while failed.len() < FAILED {
                failed.extend(fail_once(cluster, propose_timeout).await?);
                let height = cluster.height().await;
                ensure!(height <= last, "only windows {failed:?} failed in epoch {epoch}");
                let next = (height / rotation(cluster) + 1) * rotation(cluster);
                cluster.wait_height(0, next, BUSY).await?;
            }
            cluster.say(&format!("epoch {epoch}: windows {failed:?} failed"));

            let verdict = wait_until("a keeper has the epoch judged", JUDGED, async || {
                let settled = consensus.DowntimeSettled_filter().from_block(0).query().await?;
                Ok(settled.into_iter().map(|(event, _)| event).find(|event| event.epoch == epoch))
            })
            .await?;
            let skipped = consensus.skippedWindows(epoch).call().await?;
            ensure!(skipped as usize >= FAILED, "{skipped} windows skipped");
            ensure!(verdict.jailed == 0, "{} jailed", verdict.jailed);
            for node in cluster.cluster().nodes() {
                let validator = consensus.getValidator(node.id()).call().await?;
                ensure!(
                    validator.status == ACTIVE,
                    "{} has status {}",
                    node.name(),
                    validator.status
                );
            }
            cluster.say(&format!("{skipped} of {WINDOWS} windows skipped, nobody jailed"));
            let report = load.finish().await?;
            let top = cluster.wait_in_sync(BUSY).await?;
            cluster.wait_batched(top, BUSY).await?;
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
