//! Chains, candidates and rows to store.
#![allow(dead_code, unreachable_pub)]

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use ande_consensus::{Candidate, Evidence, SignedVote};
use ande_primitives::{
    BatchHeader, Block, Certificate, Checkpoint, Commit, CommitSignature, Committee, DaPointer,
    Domain, Epoch, EpochSet, Era, ForcedTransaction, Header, Height, Member, QuorumCertificate,
    QuorumFraction, Round, ScheduleMode, ScheduleRules, Signature, Skip, Term, ValidatorKey, Vote,
    VoteKind, forced_accumulator, genesis_batch_hash,
};
use ande_store::{BatchRow, BatchState, ChainIdentity, Store};

pub const L2: u64 = 6174;

pub fn identity() -> ChainIdentity {
    ChainIdentity {
        l1_chain_id: 31337,
        consensus: Address::repeat_byte(1),
        coordinator: Address::repeat_byte(2),
        l2_chain_id: L2,
        genesis_hash: B256::repeat_byte(0x9e),
    }
}

pub fn domain() -> Domain {
    Domain::new(31337, Address::repeat_byte(1), L2)
}

pub fn key(seed: u8) -> ValidatorKey {
    ValidatorKey::from_bytes(&[seed; 32]).unwrap()
}

pub fn signature(seed: u8) -> Signature {
    let mut bytes = [seed; 65];
    bytes[64] = 27;
    Signature::from_bytes(bytes)
}

pub fn tx(height: u64, index: u64, bytes: usize) -> Bytes {
    let mut raw = height.to_be_bytes().to_vec();
    raw.extend_from_slice(&index.to_be_bytes());
    raw.resize(bytes.max(16), 0x5a);
    raw.into()
}

pub fn hashed(raw: &Bytes) -> (B256, Bytes) {
    (keccak256(raw), raw.clone())
}

/// The block after `parent`; `variant` makes rivals.
pub fn block(parent: B256, height: u64, variant: u64, transactions: Vec<Bytes>) -> Block {
    let execution: Bytes = format!("execution header {height} {variant}").into_bytes().into();
    Block {
        header: Header {
            l2_chain_id: L2,
            era: Era(0),
            epoch: Epoch(0),
            height: Height(height),
            skip: Skip(0),
            parent_hash: parent,
            proposer: Address::repeat_byte(3),
            timestamp_ms: 1_000 * height,
            forced_up_to: 0,
            forced_acc: B256::ZERO,
            execution_hash: keccak256(&execution),
        },
        execution,
        transactions,
    }
}

pub fn commit(block: Block) -> Commit {
    let certificate = Certificate {
        era: block.header.era,
        epoch: block.header.epoch,
        height: block.height(),
        round: Round(0),
        block_hash: block.hash(),
        signatures: (1..=4)
            .map(|seed| CommitSignature {
                signer: Address::repeat_byte(seed),
                signature: signature(seed),
            })
            .collect(),
    };
    Commit { block, certificate }
}

/// `count` commits from height 1, each with `txs` transactions.
pub fn chain(count: u64, txs: u64) -> Vec<Commit> {
    let mut parent = identity().genesis_hash;
    (1..=count)
        .map(|height| {
            let transactions = (0..txs).map(|index| tx(height, index, 110)).collect();
            let commit = commit(block(parent, height, 0, transactions));
            parent = commit.block.hash();
            commit
        })
        .collect()
}

pub fn candidate(block: Block, round: u32) -> Candidate {
    Candidate { proposer: block.header.proposer, block, round: Round(round), valid_round: None }
}

pub fn set(era: u32, epoch: u64, l1_block: u64) -> EpochSet {
    let members = (1..=4)
        .map(|id| Member { signer: Address::repeat_byte(id), weight: 100, id: u32::from(id) })
        .collect();
    EpochSet {
        era: Era(era),
        epoch: Epoch(epoch),
        set_id: 1,
        seed: B256::repeat_byte(4),
        rules: ScheduleRules::new(ScheduleMode::RoundRobin, 100, 4, 10).unwrap(),
        quorum: QuorumFraction::TWO_THIRDS,
        committee: Committee::new(members).unwrap(),
        l1_block,
    }
}

pub fn vote(height: u64, round: u32, kind: VoteKind, block_hash: B256) -> Vote {
    Vote {
        era: Era(0),
        epoch: Epoch(0),
        height: Height(height),
        round: Round(round),
        kind,
        block_hash,
    }
}

pub fn checkpoint(index: u64, attempt: u32, parent: u8, content: u8, da: u8) -> Checkpoint {
    Checkpoint {
        era: Era(0),
        epoch: Epoch(0),
        batch_index: index,
        attempt,
        parent_batch_hash: B256::repeat_byte(parent),
        content_hash: B256::repeat_byte(content),
        da_hash: B256::repeat_byte(da),
    }
}

pub fn evidence(seed: u8, height: u64) -> Evidence {
    let signed = |hash: u8| {
        let vote = vote(height, 0, VoteKind::Prevote, B256::repeat_byte(hash));
        let signature = key(seed).sign_digest(domain().vote_digest(&vote)).unwrap();
        SignedVote { vote, signature }
    };
    Evidence { signer: key(seed).address(), first: signed(1), second: signed(2) }
}

/// Batch `index` over the ten heights that follow `previous`.
pub fn batch(previous: Option<&BatchRow>, variant: u8) -> BatchRow {
    let data: Bytes = vec![variant; 500].into();
    let (index, start, parent) = match previous {
        None => (1, Height(1), genesis_batch_hash(L2, identity().genesis_hash)),
        Some(row) => {
            (row.header.batch_index + 1, row.header.end_height.next(), row.header.content_hash())
        }
    };
    BatchRow {
        header: BatchHeader {
            era: Era(0),
            epoch: Epoch(0),
            batch_index: index,
            start_height: start,
            end_height: Height(start.0 + 9),
            term: Term(0),
            forced_up_to: 0,
            tx_count: 3,
            parent_batch_hash: parent,
            last_block_hash: B256::repeat_byte(variant),
            state_root: B256::ZERO,
            tx_root: B256::ZERO,
            forced_acc: B256::ZERO,
            skips_hash: B256::ZERO,
            fee_recipient: Address::ZERO,
        },
        da: DaPointer::calldata(&data),
        attempt: 0,
        state: BatchState::Created,
        skips: Bytes::new(),
        data,
        qc: Some(QuorumCertificate {
            attempt: 0,
            bitmap: U256::from(7),
            signatures: vec![9; 192].into(),
        }),
        l1_tx: None,
        l1_block: None,
        created_at_ms: 5,
        updated_at_ms: 5,
        error: None,
    }
}

/// The first entries of a forced queue.
pub fn queue(count: u64) -> Vec<ForcedTransaction> {
    let mut acc = B256::ZERO;
    (0..count)
        .map(|index| {
            let (sender, raw) = (Address::repeat_byte(5), Bytes::from(vec![1, index as u8]));
            let (l1_block, enqueued_at) = (10 + index / 3, 1_000 + index);
            acc = forced_accumulator(acc, sender, index, l1_block, enqueued_at, &raw);
            let deadline = enqueued_at + 3_600;
            ForcedTransaction { index, sender, l1_block, enqueued_at, deadline, acc, raw }
        })
        .collect()
}

pub async fn open(dir: &std::path::Path) -> Store {
    Store::open(dir, identity()).await.unwrap()
}

/// The error with all its causes.
pub fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
