//! Duties on the contract besides batches, against real anvil.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use alloy_primitives::{B256, U256};
use ande_batcher::BatcherConfig;
use ande_consensus::{Evidence, SignedVote};
use ande_contracts::AndeToken;
use ande_l1::{ValidatorStatus, test_support::eventually};
use ande_primitives::{Epoch, Era, Height, Round, Vote, VoteKind};
use ande_store::BatchState;

use crate::common::{Cluster, ROTATION, config, log};

impl Cluster {
    /// Two precommits of a validator for one round of height 2.
    fn contradiction(&self, offender: usize) -> Evidence {
        let key = &self.nodes[offender].validator.key;
        let signed = |hash: u8| {
            let vote = Vote {
                era: Era(0),
                epoch: Epoch(0),
                height: Height(2),
                round: Round(1),
                kind: VoteKind::Precommit,
                block_hash: B256::repeat_byte(hash),
            };
            let signature = key.sign_digest(self.chain.domain.vote_digest(&vote)).unwrap();
            SignedVote { vote, signature }
        };
        Evidence { signer: key.address(), first: signed(1), second: signed(2) }
    }

    /// Waits until the contract gives a validator this state.
    async fn until_status(&self, index: usize, status: ValidatorStatus) {
        let signer = self.nodes[index].validator.key.address();
        let watcher = self.nodes.iter().find_map(|node| node.running.as_ref()).unwrap();
        eventually(&format!("validator {index} is {status:?}"), async || {
            let view = watcher.view.borrow().clone();
            let known = view.validator_of(signer).map(|validator| validator.status);
            if known != Some(status) {
                self.l1.mine(1).await;
            }
            (known == Some(status)).then_some(())
        })
        .await;
    }

    async fn tokens(&self, index: usize) -> U256 {
        let token = AndeToken::new(self.l1.token, self.l1.bank());
        token.balanceOf(self.nodes[index].validator.key.address()).call().await.unwrap()
    }
}

#[tokio::test]
async fn a_contradiction_is_brought_once_and_pays_its_reporter() {
    log();
    let config = BatcherConfig { takeover: Duration::from_millis(700), ..config() };
    let mut cluster = Cluster::start(4, config).await;
    let evidence = cluster.contradiction(3);
    // The first in the order of height 2 is away: the next one takes over.
    let set = eventually("the set is stored", async || {
        cluster.nodes[0].store().set(Epoch(0)).await.unwrap()
    })
    .await;
    let order = set.committee.members()[2].signer;
    let away = cluster.nodes.iter().position(|node| node.validator.key.address() == order).unwrap();
    let honest: Vec<usize> = (0..3).filter(|index| *index != away).collect();
    let mut before = Vec::new();
    for index in &honest {
        before.push(cluster.tokens(*index).await);
    }
    if away != 3 {
        cluster.nodes[away].crash().await;
    }
    for index in &honest {
        assert!(cluster.nodes[*index].store().put_evidence(&evidence).await.unwrap());
    }
    cluster.until_status(3, ValidatorStatus::Tombstoned).await;
    for index in &honest {
        eventually("the proof is put away", async || {
            let open = cluster.nodes[*index].store().unreported_evidence(9).await.unwrap();
            open.is_empty().then_some(())
        })
        .await;
    }
    let mut paid = Vec::new();
    let mut reported = 0;
    for (index, before) in honest.iter().zip(before) {
        let metrics = &cluster.nodes[*index].running.as_ref().unwrap().metrics;
        reported += metrics.evidence_reported.get();
        if cluster.tokens(*index).await > before {
            paid.push((*index, metrics.evidence_reported.get()));
        }
    }
    assert_eq!(reported, 1);
    assert!(matches!(paid[..], [(_, 1)]), "{paid:?}");
    // Batches go on; the same proof changes nothing more.
    cluster.blocks(4).await;
    cluster.until(1, BatchState::Included).await;
}

#[tokio::test]
async fn a_proposer_that_misses_its_windows_is_jailed() {
    log();
    let windows = 8;
    let mut cluster = Cluster::start_with(4, 4, windows, config()).await;
    let absent = 1;
    cluster.chain.absent = Some(absent);
    let last = ROTATION * windows + 5;
    for _ in 0..last {
        cluster.blocks(1).await;
        // The set of the next epoch is frozen by a batch and counts when that is final.
        cluster.l1.mine(1).await;
    }
    cluster.until_status(absent, ValidatorStatus::Jailed).await;
    let view = cluster.nodes[0].running.as_ref().unwrap().view.borrow().clone();
    for node in cluster.nodes.iter().filter(|node| node.index != absent) {
        let other = view.validator_of(node.validator.key.address()).unwrap();
        assert_eq!(other.status, ValidatorStatus::Active);
    }
    // Judged once: the transactions of all keepers together are one, and no batch was lost.
    let call = ande_contracts::AndeConsensus::skippedWindowsCall { epoch: 0 };
    let at = alloy::eips::BlockId::latest();
    let skipped = cluster.l1.client().call(cluster.l1.consensus, &call, at).await.unwrap();
    assert_eq!(skipped, 2);
}
