//! Duties on the contract besides batches, against real anvil.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use ande_batcher::BatcherConfig;
use ande_consensus::{CheckpointEvidence, Evidence, SignedCheckpoint, SignedVote};
use ande_contracts::{AndeConsensus, AndeToken, checkpoint_to_sol};
use ande_l1::{ValidatorStatus, test_support::eventually};
use ande_primitives::{Checkpoint, Epoch, Era, Height, Round, Vote, VoteKind};
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

    /// Checkpoints of a validator for one batch with two contents.
    fn two_contents(&self, offender: usize) -> [(Address, SignedCheckpoint); 2] {
        let key = &self.nodes[offender].validator.key;
        [1, 2].map(|content| {
            let checkpoint = Checkpoint {
                era: Era(0),
                epoch: Epoch(0),
                batch_index: 7,
                attempt: u32::from(content),
                parent_batch_hash: B256::repeat_byte(9),
                content_hash: B256::repeat_byte(content),
                da_hash: B256::repeat_byte(content),
            };
            let digest = self.chain.domain.checkpoint_digest(&checkpoint);
            let signature = key.sign_digest(digest).unwrap();
            (key.address(), SignedCheckpoint { checkpoint, signature })
        })
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
async fn contradicting_checkpoints_are_brought_once_and_pay_their_reporter() {
    log();
    let config = BatcherConfig { takeover: Duration::from_millis(700), ..config() };
    let mut cluster = Cluster::start(4, config).await;
    let offender = 2;
    // Every poster keeps whose signatures it collected; those of honest ones do not contradict.
    cluster.blocks(4).await;
    cluster.until(1, BatchState::Included).await;
    let [one, two] = cluster.two_contents(offender);
    let honest: Vec<usize> = (0..4).filter(|index| *index != offender).collect();
    let mut before = Vec::new();
    for index in &honest {
        before.push(cluster.tokens(*index).await);
    }
    let mut found = Vec::new();
    for index in &honest {
        let store = cluster.nodes[*index].store();
        assert_eq!(store.unreported_checkpoints(9).await.unwrap(), []);
        assert_eq!(store.put_checkpoints(&[one]).await.unwrap(), []);
        found.extend(store.put_checkpoints(&[one, two, one, two]).await.unwrap());
        assert_eq!(store.put_checkpoints(&[two, one]).await.unwrap(), [], "known already");
    }
    let evidence = CheckpointEvidence { signer: one.0, first: one.1, second: two.1 };
    assert_eq!(found, vec![evidence; honest.len()]);
    cluster.until_status(offender, ValidatorStatus::Tombstoned).await;
    for index in &honest {
        eventually("the proof is put away", async || {
            let open = cluster.nodes[*index].store().unreported_checkpoints(9).await.unwrap();
            open.is_empty().then_some(())
        })
        .await;
    }
    let mut paid = 0;
    let mut reported = 0;
    for (index, before) in honest.iter().zip(before) {
        reported += cluster.nodes[*index].running.as_ref().unwrap().metrics.evidence_reported.get();
        paid += u32::from(cluster.tokens(*index).await > before);
    }
    assert_eq!((reported, paid), (1, 1));
    // The same evidence again reverts, and batches go on.
    let set = cluster.nodes[0].store().set(Epoch(0)).await.unwrap().unwrap();
    let again = AndeConsensus::submitCheckpointEvidenceCall {
        a: checkpoint_to_sol(cluster.chain.domain.l2_chain_id(), &one.1.checkpoint),
        b: checkpoint_to_sol(cluster.chain.domain.l2_chain_id(), &two.1.checkpoint),
        setIndex: U256::from(set.committee.index_of(one.0).unwrap()),
        sigA: one.1.signature.as_bytes().to_vec().into(),
        sigB: two.1.signature.as_bytes().to_vec().into(),
    };
    let at = alloy::eips::BlockId::latest();
    let refused = cluster.l1.client().call(cluster.l1.consensus, &again, at).await;
    assert!(refused.is_err(), "the contract would take it again");
    cluster.blocks(4).await;
    cluster.until(2, BatchState::Included).await;
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
