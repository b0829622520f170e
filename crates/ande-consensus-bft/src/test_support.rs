//! Keys, sets and blocks for unit tests.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use ande_consensus::{Parent, StartHeight};
use ande_primitives::{
    Block, Committee, Domain, Epoch, EpochSet, Era, Header, Height, Member, QuorumFraction, Round,
    ScheduleMode, ScheduleRules, Skip, ValidatorKey,
};

/// Chain id of the L2 in unit tests.
pub(crate) const CHAIN: u64 = 6174;

pub(crate) fn key(index: u8) -> ValidatorKey {
    ValidatorKey::from_bytes(&[index + 1; 32]).unwrap()
}

pub(crate) fn domain() -> Domain {
    Domain::new(31337, Address::repeat_byte(0xc0), CHAIN)
}

/// Epoch 0 of four equal validators, ten heights per window.
pub(crate) fn set() -> EpochSet {
    let members = (0..4)
        .map(|index| Member { signer: key(index).address(), weight: 10, id: u32::from(index) + 1 })
        .collect();
    EpochSet {
        era: Era(0),
        epoch: Epoch(0),
        set_id: 1,
        seed: B256::repeat_byte(9),
        rules: ScheduleRules::new(ScheduleMode::RoundRobin, 10, 10, 10).unwrap(),
        quorum: QuorumFraction::TWO_THIRDS,
        committee: Committee::new(members).unwrap(),
        l1_block: 1,
    }
}

/// Height 12 on a parent with skip 2 in the same window.
pub(crate) fn start() -> StartHeight {
    let parent = Parent {
        height: Height(11),
        hash: B256::repeat_byte(11),
        skip: Skip(2),
        timestamp_ms: 1000,
    };
    StartHeight::after(parent, Arc::new(set()))
}

/// The block that a round of a height must bring.
pub(crate) fn block(start: &StartHeight, round: Round) -> Block {
    let execution = Bytes::from_static(b"execution");
    let header = Header {
        l2_chain_id: CHAIN,
        era: start.set.era,
        epoch: start.set.epoch,
        height: start.height,
        skip: start.skip_of(round),
        parent_hash: start.parent.hash,
        proposer: start.proposer(round),
        timestamp_ms: start.parent.timestamp_ms,
        forced_up_to: 0,
        forced_acc: B256::ZERO,
        execution_hash: keccak256(&execution),
    };
    Block { header, execution, transactions: Vec::new() }
}
