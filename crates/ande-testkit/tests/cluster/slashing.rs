//! Offences cost their author its stake, and the others nothing.

use std::time::{Duration, Instant};

use alloy::{
    consensus::Transaction as _, eips::BlockId, network::TransactionBuilder as _, primitives::U256,
    providers::Provider as _, rpc::types::TransactionRequest, sol_types::SolCall as _,
};
use ande_contracts::{AndeConsensus, AndeToken, ContractError, Reverted};
use ande_devnet::{cli_binary, wait_until};
use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};
use serde_json::Value;

const OFFENDER: usize = 2;
const LIMIT: Duration = Duration::from_secs(60);
/// From the offence to the slash.
const SOON: u64 = 30;
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
            punished_soon_once_and_kept(cluster, id).await?;

            // Everybody can read why.
            let place = ["--l1-rpc".to_owned(), cluster.cluster().l1_url()];
            let contract = ["--consensus".to_owned(), consensus.address().to_string()];
            let only = ["--validator".to_owned(), id.to_string(), "--json".to_owned()];
            let mut command = std::process::Command::new(cli_binary()?);
            command.arg("evidence").args(place).args(contract).args(only);
            let output = tokio::task::spawn_blocking(move || command.output()).await??;
            let found: Vec<Value> = serde_json::from_slice(&output.stdout)?;
            let slash = found.iter().find(|it| it["what"] == "slashed").wrap_err("not told")?;
            ensure!(slash["reason"] == "votes" && slash["validator"] == id, "{slash}");
            ensure!(found.iter().any(|it| it["what"] == "tombstoned"), "{found:?}");

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

/// The contract's event of it: how late, what the same proof is worth, and what the owner can do.
async fn punished_soon_once_and_kept(cluster: &TestCluster, id: u32) -> Result<()> {
    let consensus = cluster.consensus()?;
    let l1 = cluster.l1()?;
    let filter = consensus.ValidatorSlashed_filter().topic1(U256::from(id)).from_block(0);
    let (event, log) = filter.query().await?.pop().wrap_err("no event")?;
    let nodes = cluster.cluster().nodes();
    let honest = nodes.iter().position(|node| node.address() == event.reporter);
    let honest =
        honest.filter(|index| *index != OFFENDER).wrap_err("reported by no honest node")?;
    ensure!(!event.reward.is_zero() && event.reward < event.amount, "reward {}", event.reward);

    let hash = log.transaction_hash.wrap_err("of no transaction")?;
    let sent = l1.get_transaction_by_hash(hash).await?.wrap_err("no transaction")?;
    let call = AndeConsensus::submitVoteEvidenceCall::abi_decode(sent.input())?;
    let number = log.block_number.wrap_err("in no block")?;
    let slashed = l1.get_block(number.into()).await?.wrap_err("no block")?.header.timestamp;
    let block = cluster.rpc(honest)?.block(call.a.height).await?.wrap_err("no such height")?;
    let late = slashed.saturating_sub(block.timestamp.0);
    cluster.say(&format!(
        "signed twice at height {}, slashed {late} s later by node-{}, which got {}",
        call.a.height,
        honest + 1,
        event.reward
    ));
    ensure!(late <= SOON, "slashed only {late} s after the offence");

    let again = TransactionRequest::default()
        .with_from(event.reporter)
        .with_to(*consensus.address())
        .with_input(sent.input().clone());
    let error = l1.call(again).await.err().wrap_err("the same proof passes twice")?;
    let data = error.as_error_resp().and_then(|answer| answer.as_revert_data());
    let reverted = Reverted::decode(data.wrap_err("no revert data")?);
    let tombstoned = matches!(reverted.error.as_deref(), Some(ContractError::AlreadyTombstoned(_)));
    ensure!(tombstoned, "the same proof again: {reverted}");

    for (command, reason) in [("exit", "WrongStatus"), ("claim", "the stake is locked")] {
        let refused = cluster.as_owner(OFFENDER, command).await.err();
        let text = refused.wrap_err_with(|| format!("{command} is possible"))?.to_string();
        ensure!(text.contains(reason), "{command}: {text}");
    }
    Ok(())
}
