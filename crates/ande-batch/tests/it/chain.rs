//! Small certified chains.

use std::sync::LazyLock;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::Encodable;
use ande_batch::{BatchContent, BatchTip};
use ande_primitives::{
    Block, Certificate, Commit, CommitSignature, Committee, Domain, Epoch, EpochSet, Era, Header,
    Height, Member, QuorumFraction, ScheduleMode, ScheduleRules, Skip, ValidatorKey,
};
use proptest::{collection::vec, prelude::*};

pub const L2_CHAIN_ID: u64 = 6_174;
pub const INTERVAL: u32 = 5;
pub const WINDOWS: u32 = 24;
/// Heights per epoch: 24 windows, so that more can be skipped than one batch reports.
pub const EPOCH_LENGTH: u64 = INTERVAL as u64 * WINDOWS as u64;

pub fn domain() -> Domain {
    Domain::new(31_337, Address::repeat_byte(0xc0), L2_CHAIN_ID)
}

pub fn genesis_hash() -> B256 {
    keccak256("genesis")
}

pub fn genesis() -> BatchTip {
    BatchTip::genesis(L2_CHAIN_ID, genesis_hash())
}

static KEYS: LazyLock<Vec<ValidatorKey>> = LazyLock::new(|| {
    (0..4u8).map(|index| ValidatorKey::from_bytes(&keccak256([index]).0).unwrap()).collect()
});

pub fn set(epoch: u64) -> EpochSet {
    let members = KEYS
        .iter()
        .zip(1u32..)
        .map(|(key, id)| Member { signer: key.address(), weight: 100, id })
        .collect();
    EpochSet {
        era: Era(0),
        epoch: Epoch(epoch),
        set_id: 1,
        seed: keccak256(epoch.to_be_bytes()),
        rules: ScheduleRules::new(ScheduleMode::RoundRobin, INTERVAL, WINDOWS, 10).unwrap(),
        quorum: QuorumFraction::TWO_THIRDS,
        committee: Committee::new(members).unwrap(),
        l1_block: 1,
    }
}

/// What one block of a test chain has of its own.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    pub transactions: Vec<Vec<u8>>,
    pub skips: u32,
    pub pause_ms: u64,
    pub forced: u64,
}

pub fn recipe() -> impl Strategy<Value = Recipe> {
    let skips = prop_oneof![3 => Just(0u32), 1 => 1u32..4];
    (vec(vec(any::<u8>(), 1..60), 0..4), skips, 0u64..5_000, 0u64..2).prop_map(
        |(transactions, skips, pause_ms, forced)| Recipe { transactions, skips, pause_ms, forced },
    )
}

/// The first fields of an Ethereum header and some more.
pub fn execution(height: u64, state_root: B256, transactions: &[Bytes]) -> Bytes {
    let mut fields = Vec::new();
    keccak256(height.to_be_bytes()).encode(&mut fields);
    B256::repeat_byte(0x1d).encode(&mut fields);
    Address::repeat_byte(0xfe).encode(&mut fields);
    state_root.encode(&mut fields);
    alloy_trie::root::ordered_trie_root_encoded(transactions).encode(&mut fields);
    Bytes::from(vec![0u8; 256]).encode(&mut fields);
    height.encode(&mut fields);
    let mut header = Vec::new();
    alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut header);
    header.extend_from_slice(&fields);
    header.into()
}

pub fn state_root(height: u64) -> B256 {
    keccak256(format!("state {height}"))
}

pub fn certify(block: &Block) -> Certificate {
    let header = &block.header;
    let mut certificate = Certificate {
        era: header.era,
        epoch: header.epoch,
        height: header.height,
        round: (header.skip.0 % 3).into(),
        block_hash: header.hash(),
        signatures: Vec::new(),
    };
    let digest = domain().vote_digest(&certificate.vote());
    certificate.signatures = KEYS
        .iter()
        .take(3)
        .map(|key| CommitSignature {
            signer: key.address(),
            signature: key.sign_digest(digest).unwrap(),
        })
        .collect();
    certificate.signatures.sort_by_key(|entry| entry.signer);
    certificate
}

/// The chain from height 1 on, one block per recipe. Only the certificates of `certified` heights
/// are signed: signing is the slow part, and a batch needs one.
pub fn chain_certified(recipes: &[Recipe], certified: impl Fn(u64) -> bool) -> Vec<Commit> {
    let mut parent_hash = genesis_hash();
    let mut skip = Skip(0);
    let (mut timestamp_ms, mut forced_up_to) = (1_700_000_000_000, 0);
    (1u64..)
        .zip(recipes)
        .map(|(height, recipe)| {
            let set = set(height / EPOCH_LENGTH);
            let base = set.rules.skip_base(Height(height - 1), skip, Height(height));
            skip = Skip(base.0 + recipe.skips);
            timestamp_ms += recipe.pause_ms;
            forced_up_to += recipe.forced;
            let transactions: Vec<Bytes> =
                recipe.transactions.iter().cloned().map(Bytes::from).collect();
            let execution = execution(height, state_root(height), &transactions);
            let header = Header {
                l2_chain_id: L2_CHAIN_ID,
                era: Era(0),
                epoch: set.epoch,
                height: Height(height),
                skip,
                parent_hash,
                proposer: set.proposer_address(Height(height), skip),
                timestamp_ms,
                forced_up_to,
                forced_acc: match forced_up_to {
                    0 => B256::ZERO,
                    consumed => keccak256(consumed.to_be_bytes()),
                },
                execution_hash: keccak256(&execution),
            };
            parent_hash = header.hash();
            let block = Block { header, execution, transactions };
            let certificate = if certified(height) {
                certify(&block)
            } else {
                Certificate {
                    era: block.header.era,
                    epoch: block.header.epoch,
                    height: block.header.height,
                    round: 0.into(),
                    block_hash: parent_hash,
                    signatures: Vec::new(),
                }
            };
            Commit { block, certificate }
        })
        .collect()
}

/// [`chain_certified`] with every block certified.
pub fn chain(recipes: &[Recipe]) -> Vec<Commit> {
    chain_certified(recipes, |_| true)
}

pub fn content(commits: &[Commit]) -> BatchContent {
    BatchContent {
        blocks: commits.iter().map(|commit| commit.block.clone()).collect(),
        certificate: commits.last().unwrap().certificate.clone(),
    }
}
