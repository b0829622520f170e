//! Who votes: a newcomer, one who leaves, one who is down, and one without whom nothing goes.

mod downtime;
mod exits;

use std::{collections::BTreeSet, time::Duration};

use ande_devnet::{Account, foundry_binary, fund, wait_until, wei};
use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};
use tokio::process::Command;

const STAKE: u64 = 1000;

#[tokio::test]
async fn fifth_validator_registers_with_cast_and_votes_from_the_epoch_the_contract_says()
-> Result<()> {
    // Epochs of 30 blocks: the newcomer's first one comes soon.
    let plan = Plan { rotation: 5, ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let load = cluster.load(20).await?;
            let pids: Vec<_> = cluster.cluster().nodes().iter().map(|node| node.pid()).collect();
            let newcomer = cluster.processes().add_node()?;
            let node = &cluster.cluster().nodes()[newcomer];
            let (address, endpoint, peer) = (node.address(), node.rpc_url(), node.keys().node_id());
            let key_file = node.dir().join(ande_devnet::VALIDATOR_KEY_FILE);
            let contracts = cluster.cluster().contracts();
            let l1 = cluster.cluster().l1_url();
            fund(&Account::bank(&l1)?, contracts.token, address, STAKE).await?;
            let key = format!("0x{}", std::fs::read_to_string(key_file)?.trim());
            let stake = wei(STAKE).to_string();
            for (to, call, args) in [
                (
                    contracts.token,
                    "approve(address,uint256)",
                    vec![contracts.consensus.to_string(), stake.clone()],
                ),
                (
                    contracts.consensus,
                    "registerValidator(bytes32,string,uint256)",
                    vec![peer.to_string(), endpoint, stake.clone()],
                ),
            ] {
                let output = Command::new(foundry_binary("cast")?)
                    .args(["send", "--rpc-url", &l1, "--private-key", &key, &to.to_string(), call])
                    .args(&args)
                    .output()
                    .await?;
                ensure!(
                    output.status.success(),
                    "cast send {call}: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
            }
            let consensus = cluster.consensus()?;
            let id = consensus.idOfSigner(address).call().await?;
            let promised = consensus.getValidator(id).call().await?.joinEpoch;
            cluster.processes().node_mut(newcomer)?.set_id(id);
            cluster.processes().start_node(newcomer)?;
            cluster.say(&format!("validator {id} registered, may join from epoch {promised} on"));

            // The first set with the newcomer, as frozen by the contract.
            let epoch = wait_until(
                "a set with the newcomer is frozen",
                Duration::from_secs(60),
                async || {
                    let last = consensus.lastFrozenEpoch().call().await?;
                    for epoch in 0..=last {
                        if cluster.is_member(epoch, address).await? {
                            return Ok(Some(epoch));
                        }
                    }
                    Ok(None)
                },
            )
            .await?;
            ensure!(epoch >= promised, "joined in epoch {epoch}, promised {promised}");
            let (first, last) = cluster.heights_of(epoch);
            let length = last + 1 - first;
            cluster.say(&format!("its first epoch is {epoch}: heights {first} to {last}"));
            cluster.wait_height(newcomer, last, Duration::from_secs(120)).await?;
            load.finish().await?;

            let chain = cluster.chain(newcomer)?;
            let mut voted = Vec::new();
            let mut proposed = BTreeSet::new();
            for height in 1..=last {
                let block = chain.block(height).await?.wrap_err("block lost")?;
                if block.signatures.iter().any(|entry| entry.signer == address) {
                    voted.push(height);
                }
                if height >= first {
                    proposed.insert(block.header.proposer);
                }
            }
            let first_vote = *voted.first().wrap_err("the newcomer never voted")?;
            ensure!(first_vote >= first, "voted at {first_vote}, before its epoch from {first}");
            ensure!(
                first_vote < first + length / 2,
                "voted first at {first_vote}, its epoch began at {first}"
            );
            ensure!(proposed.contains(&address), "the newcomer never proposed in epoch {epoch}");
            cluster.say(&format!(
                "voted first at height {first_vote}, in {} of {} certificates of its first epoch",
                voted.iter().filter(|height| **height >= first).count(),
                length
            ));
            let now: Vec<_> = cluster.cluster().nodes().iter().map(|node| node.pid()).collect();
            ensure!(now[..pids.len()] == pids[..], "a node was restarted");
            cluster.wait_in_sync(Duration::from_secs(20)).await?;
            cluster.check_invariants(&[]).await.map(|_| ())
        })
        .await
}

#[tokio::test]
async fn chain_halts_without_a_third_of_the_weight_and_resumes_with_it() -> Result<()> {
    // 2000 of 5000: more than a third.
    let plan = Plan { stakes: vec![2000, 1000, 1000, 1000], ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let load = cluster.load(20).await?;
            cluster.processes().node_mut(0)?.stop().await?;
            // Whatever was in flight is decided within a block time or two.
            let before =
                wait_until("the height stands still", Duration::from_secs(15), async || {
                    let height = cluster.height().await;
                    tokio::time::sleep(Duration::from_millis(1500)).await;
                    Ok((cluster.height().await == height).then_some(height))
                })
                .await?;
            let watch = cluster.watch_height()?;
            tokio::time::sleep(Duration::from_secs(4)).await;
            ensure!(
                watch.height() == before,
                "blocks without a quorum: {} after {before}",
                watch.height()
            );
            cluster.say(&format!("validator with 2000 of 5000 stopped: halted at height {before}"));
            let start = std::time::Instant::now();
            cluster.restart(0)?;
            cluster.wait_height(1, before + 1, Duration::from_secs(20)).await?;
            cluster.say(&format!("resumed {:.1} s after its start", start.elapsed().as_secs_f64()));
            ensure!(
                start.elapsed() < Duration::from_secs(15),
                "resumed only after {:?}",
                start.elapsed()
            );
            cluster.wait_height(1, before + 10, Duration::from_secs(20)).await?;
            let report = load.finish().await?;
            let top = cluster.wait_in_sync(Duration::from_secs(20)).await?;
            cluster.wait_batched(top, Duration::from_secs(30)).await?;
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
