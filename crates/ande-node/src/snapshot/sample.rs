//! A chain of real blocks, for tests.

use alloy_primitives::{Address, B256, Bytes};
use ande_execution::{
    Attributes, ExecutionError, Executor as _, InclusionIndex, NoneExecutor, NoneGenesis,
};
use ande_primitives::{
    Block, Certificate, Commit, CommitSignature, Committee, Domain, Epoch, EpochSet, Era, Header,
    Height, Member, QuorumFraction, Round, ScheduleMode, ScheduleRules, Skip, ValidatorKey,
};
use ande_store::ChainIdentity;
use async_trait::async_trait;

use crate::snapshot::format::{SnapshotHeader, SnapshotWriter};

const L2_CHAIN: u64 = 6174;

pub(crate) fn genesis() -> NoneGenesis {
    NoneGenesis::new(L2_CHAIN)
}

pub(crate) fn identity() -> ChainIdentity {
    ChainIdentity {
        l1_chain_id: 31_337,
        consensus: Address::repeat_byte(1),
        coordinator: Address::repeat_byte(2),
        l2_chain_id: L2_CHAIN,
        genesis_hash: genesis().hash(),
    }
}

pub(crate) fn domain() -> Domain {
    Domain::new(31_337, Address::repeat_byte(1), L2_CHAIN)
}

/// Four validators, in the committee's order.
pub(crate) fn keys() -> Vec<ValidatorKey> {
    let mut keys: Vec<_> =
        (1..=4).map(|seed| ValidatorKey::from_bytes(&[seed; 32]).unwrap()).collect();
    keys.sort_by_key(ValidatorKey::address);
    keys
}

pub(crate) fn set() -> EpochSet {
    let members =
        (1..).zip(keys()).map(|(id, key)| Member { signer: key.address(), weight: 1, id });
    EpochSet {
        era: Era(0),
        epoch: Epoch(0),
        set_id: 1,
        seed: B256::repeat_byte(4),
        rules: ScheduleRules::new(ScheduleMode::RoundRobin, 100, 4, 10).unwrap(),
        quorum: QuorumFraction::TWO_THIRDS,
        committee: Committee::new(members.collect()).unwrap(),
        l1_block: 1,
    }
}

/// A block with the signatures of these validators.
pub(crate) fn certified(block: Block, keys: &[ValidatorKey]) -> Commit {
    let mut certificate = Certificate {
        era: block.header.era,
        epoch: block.header.epoch,
        height: block.height(),
        round: Round(0),
        block_hash: block.hash(),
        signatures: Vec::new(),
    };
    let digest = domain().vote_digest(&certificate.vote());
    let sign = |key: &ValidatorKey| CommitSignature {
        signer: key.address(),
        signature: key.sign_digest(digest).unwrap(),
    };
    certificate.signatures = keys.iter().map(sign).collect();
    Commit { block, certificate }
}

/// Nothing is in the chain: no transaction comes twice here.
struct Nothing;

#[async_trait]
impl InclusionIndex for Nothing {
    async fn included(&self, _: u64, hashes: &[B256]) -> Result<Vec<bool>, ExecutionError> {
        Ok(vec![false; hashes.len()])
    }
}

/// The first `count` blocks, each with two transactions, certified by all.
pub(crate) fn chain(count: u64) -> Vec<Commit> {
    let executor = NoneExecutor::new(genesis(), std::sync::Arc::new(Nothing));
    let (mut parent, mut execution) = (genesis().hash(), genesis().hash());
    let mut commits = Vec::new();
    for height in 1..=count {
        let proposer = set().proposer_address(Height(height), Skip(0));
        let attributes = Attributes {
            number: height,
            timestamp_ms: 1_000 * height,
            fee_recipient: proposer,
            parent_execution_hash: execution,
            parent_consensus_hash: parent,
        };
        let transactions = (0..2)
            .map(|index| Bytes::from(format!("transaction {height} {index}").into_bytes()))
            .collect();
        let payload = futures::executor::block_on(async {
            let payload = executor.propose(attributes, transactions).await.unwrap();
            executor.commit(payload.hash()).await.unwrap();
            payload
        });
        execution = payload.hash();
        let header = Header {
            l2_chain_id: L2_CHAIN,
            era: Era(0),
            epoch: Epoch(0),
            height: Height(height),
            skip: Skip(0),
            parent_hash: parent,
            proposer,
            timestamp_ms: attributes.timestamp_ms,
            forced_up_to: 0,
            forced_acc: B256::ZERO,
            execution_hash: execution,
        };
        parent = header.hash();
        let (execution, transactions) = (payload.header, payload.transactions);
        commits.push(certified(Block { header, execution, transactions }, &keys()));
    }
    commits
}

/// The snapshot of a chain.
pub(crate) fn written(commits: &[Commit]) -> Vec<u8> {
    let last = &commits.last().unwrap().block;
    let header =
        SnapshotHeader { identity: identity(), last: last.height(), last_hash: last.hash() };
    let mut writer = SnapshotWriter::begin(Vec::new(), &header).unwrap();
    for commit in commits {
        writer.commit(commit).unwrap();
    }
    writer.finish().unwrap()
}
