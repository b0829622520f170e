//! Arbitrary well-formed values.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use ande_primitives::{
    BatchHeader, Block, Certificate, Checkpoint, CommitSignature, Committee, DaKind, DaPointer,
    Domain, Epoch, EpochSet, Era, Header, Height, Member, QuorumCertificate, QuorumFraction, Round,
    ScheduleMode, ScheduleRules, Signature, Skip, Term, ValidatorKey, Vote, VoteKind,
};
use proptest::{collection::vec, prelude::*, sample::select};

pub const L2_CHAIN_ID: u64 = 6_174;

pub fn domain() -> Domain {
    Domain::new(31_337, Address::repeat_byte(0xc0), L2_CHAIN_ID)
}

/// Key number `index`, always the same.
pub fn key(index: usize) -> ValidatorKey {
    ValidatorKey::from_bytes(&keccak256(format!("validator {index}")).0).unwrap()
}

pub fn committee(weights: &[u64]) -> Committee {
    let members = weights
        .iter()
        .zip(1u32..)
        .map(|(weight, id)| Member { signer: key(id as usize - 1).address(), weight: *weight, id })
        .collect();
    Committee::new(members).unwrap()
}

/// Era 0, epoch 2: heights 1200 to 1799.
pub fn epoch_set(weights: &[u64]) -> EpochSet {
    EpochSet {
        era: Era(0),
        epoch: Epoch(2),
        set_id: 1,
        seed: keccak256("seed"),
        rules: ScheduleRules::new(ScheduleMode::RoundRobin, 100, 6, 10).unwrap(),
        quorum: QuorumFraction::TWO_THIRDS,
        committee: committee(weights),
        l1_block: 7,
    }
}

/// Integers of every length, both ends included.
pub fn wide() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift)
}

pub fn wide32() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0u32..32).prop_map(|(value, shift)| value >> shift)
}

pub fn hash() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::from)
}

pub fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::from)
}

pub fn signature() -> impl Strategy<Value = Signature> {
    (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<u8>()).prop_map(|(r, s, v)| {
        let mut bytes = [v; 65];
        bytes[..32].copy_from_slice(&r);
        bytes[32..64].copy_from_slice(&s);
        Signature::from_bytes(bytes)
    })
}

pub fn header() -> impl Strategy<Value = Header> {
    let place = (wide(), wide32(), wide(), wide(), wide32());
    (place, hash(), address(), wide(), wide(), hash(), hash()).prop_map(
        |(
            (l2_chain_id, era, epoch, height, skip),
            parent_hash,
            proposer,
            timestamp_ms,
            forced_up_to,
            forced_acc,
            execution_hash,
        )| Header {
            l2_chain_id,
            era: Era(era),
            epoch: Epoch(epoch),
            height: Height(height),
            skip: Skip(skip),
            parent_hash,
            proposer,
            timestamp_ms,
            forced_up_to,
            forced_acc,
            execution_hash,
        },
    )
}

pub fn block() -> impl Strategy<Value = Block> {
    let transactions = vec(vec(any::<u8>(), 1..80), 0..4);
    (header(), vec(any::<u8>(), 0..200), transactions).prop_map(
        |(mut header, execution, transactions)| {
            header.execution_hash = keccak256(&execution);
            let transactions = transactions.into_iter().map(Bytes::from).collect();
            Block { header, execution: execution.into(), transactions }
        },
    )
}

pub fn certificate() -> impl Strategy<Value = Certificate> {
    (wide32(), wide(), wide(), wide32(), hash(), vec((address(), signature()), 0..5)).prop_map(
        |(era, epoch, height, round, block_hash, signatures)| Certificate {
            era: Era(era),
            epoch: Epoch(epoch),
            height: Height(height),
            round: Round(round),
            block_hash,
            signatures: signatures
                .into_iter()
                .map(|(signer, signature)| CommitSignature { signer, signature })
                .collect(),
        },
    )
}

pub fn any_committee() -> impl Strategy<Value = Committee> {
    vec((1u32..1_000, 1u64..1 << 50), 1..6).prop_map(|members| {
        let mut id = 0;
        let members = members
            .into_iter()
            .map(|(step, weight)| {
                id += step;
                Member { signer: Address::from_word(keccak256(id.to_be_bytes())), weight, id }
            })
            .collect();
        Committee::new(members).unwrap()
    })
}

pub fn rules() -> impl Strategy<Value = ScheduleRules> {
    let mode = select(vec![ScheduleMode::RoundRobin, ScheduleMode::Weighted]);
    (mode, 1u32.., 1u32.., any::<u16>()).prop_map(|(mode, interval, windows, timeout)| {
        ScheduleRules::new(mode, interval, windows, timeout).unwrap()
    })
}

pub fn any_epoch_set() -> impl Strategy<Value = EpochSet> {
    let quorum = select(vec![
        QuorumFraction::TWO_THIRDS,
        QuorumFraction { num: 1, den: 2 },
        QuorumFraction { num: 65_534, den: 65_535 },
    ]);
    (wide32(), wide(), wide32(), hash(), rules(), quorum, any_committee(), wide()).prop_map(
        |(era, epoch, set_id, seed, rules, quorum, committee, l1_block)| EpochSet {
            era: Era(era),
            epoch: Epoch(epoch),
            set_id,
            seed,
            rules,
            quorum,
            committee,
            l1_block,
        },
    )
}

pub fn vote() -> impl Strategy<Value = Vote> {
    let kind = select(vec![VoteKind::Proposal, VoteKind::Prevote, VoteKind::Precommit]);
    (wide32(), wide(), wide(), wide32(), kind, hash()).prop_map(
        |(era, epoch, height, round, kind, block_hash)| Vote {
            era: Era(era),
            epoch: Epoch(epoch),
            height: Height(height),
            round: Round(round),
            kind,
            block_hash,
        },
    )
}

pub fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    (wide32(), wide(), wide(), wide32(), hash(), hash(), hash()).prop_map(
        |(era, epoch, batch_index, attempt, parent_batch_hash, content_hash, da_hash)| Checkpoint {
            era: Era(era),
            epoch: Epoch(epoch),
            batch_index,
            attempt,
            parent_batch_hash,
            content_hash,
            da_hash,
        },
    )
}

pub fn batch_header() -> impl Strategy<Value = BatchHeader> {
    let numbers = (wide32(), wide(), wide(), wide(), wide(), wide(), wide(), wide32());
    (numbers, [hash(), hash(), hash(), hash(), hash(), hash()], address()).prop_map(
        |(
            (era, epoch, batch_index, start, end, term, forced_up_to, tx_count),
            [parent_batch_hash, last_block_hash, state_root, tx_root, forced_acc, skips_hash],
            fee_recipient,
        )| BatchHeader {
            era: Era(era),
            epoch: Epoch(epoch),
            batch_index,
            start_height: Height(start),
            end_height: Height(end),
            term: Term(term),
            forced_up_to,
            tx_count,
            parent_batch_hash,
            last_block_hash,
            state_root,
            tx_root,
            forced_acc,
            skips_hash,
            fee_recipient,
        },
    )
}

pub fn da_pointer() -> impl Strategy<Value = DaPointer> {
    let kind = select(vec![DaKind::Calldata, DaKind::Blobs, DaKind::Celestia]);
    (kind, wide(), hash(), wide32()).prop_map(|(kind, height, commitment, size)| DaPointer {
        kind,
        height,
        commitment,
        size,
    })
}

pub fn quorum_certificate() -> impl Strategy<Value = QuorumCertificate> {
    (wide32(), hash(), 0usize..257, vec(any::<u8>(), 0..200)).prop_map(
        |(attempt, bits, shift, signatures)| QuorumCertificate {
            attempt,
            bitmap: U256::from_be_bytes(bits.0) >> shift,
            signatures: signatures.into(),
        },
    )
}
