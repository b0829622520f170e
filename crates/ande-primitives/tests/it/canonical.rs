//! Canonical bytes: one form per value, and no input hurts.

use std::fmt::Debug;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::{Decodable, Encodable, decode_exact};
use ande_primitives::{
    BatchHeader, Block, BlockError, Canonical, Certificate, Committee, CommitteeError, DecodeError,
    EpochSet, Header, MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, MAX_COMMITTEE,
    MAX_EXECUTION_HEADER_BYTES, MAX_TOTAL_WEIGHT, MAX_TRANSACTION_BYTES, Member, QuorumFraction,
    ScheduleMode, ScheduleRules,
};
use proptest::{collection::vec, prelude::*};

use crate::generators::{self as any, epoch_set};

/// `decode` gives a value only for the bytes that encode it.
fn only_canonical<T>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Option<T>,
    encode: impl Fn(&T) -> Vec<u8>,
) {
    if let Some(value) = decode(bytes) {
        assert_eq!(encode(&value), bytes, "two byte forms of one value");
    }
}

/// Every truncation, every flipped bit, bytes behind the end, and the cuts that text editors make.
fn is_robust<T: PartialEq + Debug>(
    value: &T,
    decode: impl Fn(&[u8]) -> Option<T>,
    encode: impl Fn(&T) -> Vec<u8>,
) {
    let bytes = encode(value);
    assert_eq!(decode(&bytes).as_ref(), Some(value));
    for end in 0..bytes.len() {
        assert_eq!(decode(&bytes[..end]), None, "decodes from its first {end} bytes");
    }
    for extra in [0x00, 0x01, 0x80, 0xc0, 0xff] {
        let mut longer = bytes.clone();
        longer.push(extra);
        assert_eq!(decode(&longer), None, "decodes with {extra:#x} behind it");
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        only_canonical(&flipped, &decode, &encode);
        assert_ne!(decode(&flipped).as_ref(), Some(value), "bit {bit} does not matter");
    }
    for at in 0..bytes.len() {
        let mut shorter = bytes.clone();
        shorter.remove(at);
        only_canonical(&shorter, &decode, &encode);
        let mut longer = bytes.clone();
        longer.insert(at, 0);
        only_canonical(&longer, &decode, &encode);
    }
}

fn is_robust_canonical<T: Canonical + PartialEq + Debug>(value: &T) {
    is_robust(value, |bytes| T::from_canonical(bytes).ok(), T::to_canonical);
    let bytes = value.to_canonical();
    for version in (0..=255).filter(|version| *version != T::VERSION) {
        let mut other = bytes.clone();
        other[0] = version;
        let error = T::from_canonical(&other).unwrap_err();
        assert_eq!(error, DecodeError::Version { got: version, expected: T::VERSION });
    }
    assert_eq!(T::from_canonical(&[]).unwrap_err(), DecodeError::Empty);
    let limit = T::MAX_BYTES;
    let long = vec![T::VERSION; limit + 1];
    assert_eq!(
        T::from_canonical(&long).unwrap_err(),
        DecodeError::TooLong { got: limit + 1, limit }
    );
}

fn is_robust_rlp<T: Encodable + Decodable + PartialEq + Debug>(value: &T) {
    is_robust(value, |bytes| decode_exact(bytes).ok(), |value| alloy_rlp::encode(value));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn headers(value in any::header()) {
        is_robust_canonical(&value);
    }

    #[test]
    fn blocks(value in any::block()) {
        is_robust_canonical(&value);
    }

    #[test]
    fn certificates(value in any::certificate()) {
        is_robust_canonical(&value);
    }

    #[test]
    fn epoch_sets(value in any::any_epoch_set()) {
        is_robust_canonical(&value);
    }

    #[test]
    fn batch_headers(value in any::batch_header()) {
        is_robust_canonical(&value);
    }

    #[test]
    fn rlp_nouns(
        vote in any::vote(),
        checkpoint in any::checkpoint(),
        pointer in any::da_pointer(),
        quorum in any::quorum_certificate(),
        signature in any::signature(),
        rules in any::rules(),
        committee in any::any_committee(),
    ) {
        is_robust_rlp(&vote);
        is_robust_rlp(&checkpoint);
        is_robust_rlp(&pointer);
        is_robust_rlp(&quorum);
        is_robust_rlp(&signature);
        is_robust_rlp(&rules);
        is_robust_rlp(&committee);
    }

    #[test]
    fn json_nouns(
        header in any::header(),
        certificate in any::certificate(),
        batch in any::batch_header(),
        rules in any::rules(),
        vote in any::vote(),
        checkpoint in any::checkpoint(),
        pointer in any::da_pointer(),
        quorum in any::quorum_certificate(),
    ) {
        fn round_trip<T>(value: &T)
        where
            T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + Debug,
        {
            let text = serde_json::to_string(value).unwrap();
            assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
        }
        round_trip(&header);
        round_trip(&certificate);
        round_trip(&batch);
        round_trip(&rules);
        round_trip(&vote);
        round_trip(&checkpoint);
        round_trip(&pointer);
        round_trip(&quorum);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes(version in 0u8..3, mut bytes in vec(any::<u8>(), 0..600)) {
        fn reads<T: Canonical>(bytes: &[u8]) {
            only_canonical(bytes, |bytes| T::from_canonical(bytes).ok(), T::to_canonical);
        }
        bytes.insert(0, version);
        reads::<Header>(&bytes);
        reads::<Block>(&bytes);
        reads::<Certificate>(&bytes);
        reads::<EpochSet>(&bytes);
        reads::<BatchHeader>(&bytes);
    }

    /// Well-formed bytes of one type with a piece of another, which random bytes never are.
    #[test]
    fn spliced_bytes(
        block in any::block(),
        certificate in any::certificate(),
        set in any::any_epoch_set(),
        cut in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
    ) {
        fn splice<T: Canonical>(a: &[u8], b: &[u8], cut: usize, from: usize) {
            let spliced = [&a[..cut], &b[from..]].concat();
            only_canonical(&spliced, |bytes| T::from_canonical(bytes).ok(), T::to_canonical);
        }
        let parts = [block.to_canonical(), certificate.to_canonical(), set.to_canonical()];
        for a in &parts {
            for b in &parts {
                let (cut, from) = (cut.index(a.len()), from.index(b.len()));
                splice::<Block>(a, b, cut, from);
                splice::<Certificate>(a, b, cut, from);
                splice::<EpochSet>(a, b, cut, from);
            }
        }
    }
}

fn valid_block() -> Block {
    let execution = Bytes::from_static(b"execution header");
    let header = Header {
        l2_chain_id: any::L2_CHAIN_ID,
        era: 0.into(),
        epoch: 0.into(),
        height: 1.into(),
        skip: 0.into(),
        parent_hash: B256::ZERO,
        proposer: Address::ZERO,
        timestamp_ms: 0,
        forced_up_to: 0,
        forced_acc: B256::ZERO,
        execution_hash: keccak256(&execution),
    };
    Block { header, execution, transactions: Vec::new() }
}

#[test]
fn block_limits_hold_for_builders_and_for_readers() {
    let with_transactions = |transactions: Vec<Bytes>| Block { transactions, ..valid_block() };
    let refused = |block: &Block, error: BlockError| {
        assert_eq!(block.check(), Err(error));
        assert!(Block::from_canonical(&block.to_canonical()).is_err());
    };
    let one = Bytes::from_static(&[1]);

    let full = with_transactions(vec![one.clone(); MAX_BLOCK_TRANSACTIONS]);
    assert_eq!(full.check(), Ok(()));
    assert_eq!(Block::from_canonical(&full.to_canonical()), Ok(full));
    let count = MAX_BLOCK_TRANSACTIONS + 1;
    refused(&with_transactions(vec![one.clone(); count]), BlockError::TooManyTransactions(count));

    let bytes = MAX_TRANSACTION_BYTES + 1;
    let long = Bytes::from(vec![1; bytes]);
    refused(
        &with_transactions(vec![one.clone(), long]),
        BlockError::TransactionTooLong { index: 1, bytes },
    );
    refused(&with_transactions(vec![one, Bytes::new()]), BlockError::EmptyTransaction(1));

    let heavy = with_transactions(vec![Bytes::from(vec![1; MAX_TRANSACTION_BYTES]); 32]);
    let got = heavy.to_canonical().len();
    assert!(got > MAX_BLOCK_BYTES);
    refused(&heavy, BlockError::TooLong(got));

    let mut block = valid_block();
    block.execution = vec![0; MAX_EXECUTION_HEADER_BYTES + 1].into();
    block.header.execution_hash = keccak256(&block.execution);
    refused(&block, BlockError::ExecutionHeaderTooLong(MAX_EXECUTION_HEADER_BYTES + 1));

    let mut block = valid_block();
    block.header.execution_hash = B256::ZERO;
    let got = keccak256(&block.execution);
    refused(&block, BlockError::ExecutionHash { expected: B256::ZERO, got });
}

#[test]
fn the_largest_values_fit_their_limits() {
    let top = Header {
        l2_chain_id: u64::MAX,
        era: u32::MAX.into(),
        epoch: u64::MAX.into(),
        height: u64::MAX.into(),
        skip: u32::MAX.into(),
        parent_hash: B256::repeat_byte(0xff),
        proposer: Address::repeat_byte(0xff),
        timestamp_ms: u64::MAX,
        forced_up_to: u64::MAX,
        forced_acc: B256::repeat_byte(0xff),
        execution_hash: B256::repeat_byte(0xff),
    };
    assert_eq!(Header::from_canonical(&top.to_canonical()), Ok(top));

    let members: Vec<Member> = (0..MAX_COMMITTEE as u32)
        .map(|index| Member {
            signer: Address::from_word(keccak256(index.to_be_bytes())),
            weight: MAX_TOTAL_WEIGHT / MAX_COMMITTEE as u64,
            id: u32::MAX - MAX_COMMITTEE as u32 + index,
        })
        .collect();
    let mut set = EpochSet { epoch: u64::MAX.into(), l1_block: u64::MAX, ..epoch_set(&[1]) };
    set.committee = Committee::new(members.clone()).unwrap();
    assert_eq!(EpochSet::from_canonical(&set.to_canonical()), Ok(set));

    let certificate = Certificate {
        era: u32::MAX.into(),
        epoch: u64::MAX.into(),
        height: u64::MAX.into(),
        round: u32::MAX.into(),
        block_hash: B256::repeat_byte(0xff),
        signatures: members
            .iter()
            .map(|member| ande_primitives::CommitSignature {
                signer: member.signer,
                signature: ande_primitives::Signature::from_bytes([0xff; 65]),
            })
            .collect(),
    };
    assert_eq!(Certificate::from_canonical(&certificate.to_canonical()), Ok(certificate));
}

#[test]
fn committees_that_cannot_be_are_refused() {
    let member = |id: u32, weight: u64| Member {
        signer: Address::from_word(keccak256(id.to_be_bytes())),
        weight,
        id,
    };
    let refused = |members: Vec<Member>, error: CommitteeError| {
        assert!(decode_exact::<Committee>(alloy_rlp::encode(&members)).is_err());
        assert_eq!(Committee::new(members), Err(error));
    };
    refused(vec![], CommitteeError::Empty);
    refused((0..257).map(|id| member(id, 1)).collect(), CommitteeError::TooLarge(257));
    refused(vec![member(1, 1), member(2, 0)], CommitteeError::ZeroWeight(2));
    refused(vec![member(2, 1), member(1, 1)], CommitteeError::Order(1));
    refused(vec![member(1, 1), member(1, 1)], CommitteeError::Order(1));
    let twin = Member { id: 2, ..member(1, 1) };
    refused(vec![member(1, 1), twin], CommitteeError::DuplicateSigner(twin.signer));
    let nobody = Member { signer: Address::ZERO, ..member(1, 1) };
    refused(vec![nobody], CommitteeError::ZeroSigner(1));
    refused(vec![member(1, MAX_TOTAL_WEIGHT), member(2, 1)], CommitteeError::TooHeavy);
    refused(vec![member(1, u64::MAX), member(2, u64::MAX)], CommitteeError::TooHeavy);
}

#[test]
fn rules_without_a_schedule_are_refused_in_every_form() {
    for (interval, windows) in [(0, 1), (1, 0), (0, 0)] {
        assert!(ScheduleRules::new(ScheduleMode::Weighted, interval, windows, 10).is_err());
        let json = format!(
            r#"{{"mode":"weighted","rotationInterval":{interval},"windowsPerEpoch":{windows},"timeoutBlocks":10}}"#
        );
        assert!(serde_json::from_str::<ScheduleRules>(&json).is_err(), "{json}");
    }
    assert!(ScheduleMode::try_from(2).is_err());
}

#[test]
fn sets_without_a_safe_quorum_are_refused() {
    for (num, den) in [(0, 0), (1, 1), (3, 2), (1, 3), (0, 1)] {
        let set = EpochSet { quorum: QuorumFraction { num, den }, ..epoch_set(&[1, 1, 1]) };
        let error = EpochSet::from_canonical(&set.to_canonical()).unwrap_err();
        assert!(matches!(error, DecodeError::Bounds(_)), "{num}/{den}: {error}");
    }
}
