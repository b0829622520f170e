//! EIP-712 digests against the words of the specification, put together by hand.

use alloy_primitives::{Address, B256, U256, keccak256, ruint::UintTryFrom};
use ande_primitives::{
    BATCH_HEADER_VERSION, DaPointer, Domain, OpenTerm, SignerKey, Term, blob_commitment,
    forced_accumulator, genesis_batch_hash,
};
use proptest::prelude::*;

use crate::generators::{self as any, L2_CHAIN_ID};

fn word<T>(value: T) -> [u8; 32]
where
    U256: UintTryFrom<T>,
{
    U256::from(value).to_be_bytes()
}

fn address_word(address: Address) -> [u8; 32] {
    address.into_word().0
}

fn separator(chain_id: u64, contract: Address) -> B256 {
    keccak256(
        [
            keccak256(
                "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
            )
            .0,
            keccak256("AndeSequencer").0,
            keccak256("1").0,
            word(chain_id),
            address_word(contract),
        ]
        .concat(),
    )
}

fn digest(separator: B256, type_text: &str, words: &[[u8; 32]]) -> B256 {
    let message = keccak256([&[keccak256(type_text).0], words].concat().concat());
    keccak256([&[0x19, 0x01][..], separator.as_slice(), message.as_slice()].concat())
}

proptest! {
    #[test]
    fn digests_are_those_of_the_specification(
        chain_id in any::wide(), contract in any::address(), vote in any::vote(),
        checkpoint in any::checkpoint(), term in any::wide(), owner in any::address(),
        signer in any::address(), nonce in any::hash(),
    ) {
        let domain = Domain::new(chain_id, contract, L2_CHAIN_ID);
        let separator = separator(chain_id, contract);
        prop_assert_eq!(domain.separator(), separator);
        prop_assert_eq!(
            domain.vote_digest(&vote),
            digest(
                separator,
                "Vote(uint64 l2ChainId,uint32 era,uint64 epoch,uint64 height,uint32 round,uint8 kind,bytes32 blockHash)",
                &[
                    word(L2_CHAIN_ID), word(vote.era.0), word(vote.epoch.0), word(vote.height.0),
                    word(vote.round.0), word(vote.kind as u8), vote.block_hash.0,
                ],
            )
        );
        prop_assert_eq!(
            domain.checkpoint_digest(&checkpoint),
            digest(
                separator,
                "Checkpoint(uint64 l2ChainId,uint32 era,uint64 epoch,uint64 batchIndex,uint32 attempt,bytes32 parentBatchHash,bytes32 contentHash,bytes32 daHash)",
                &[
                    word(L2_CHAIN_ID), word(checkpoint.era.0), word(checkpoint.epoch.0),
                    word(checkpoint.batch_index), word(checkpoint.attempt),
                    checkpoint.parent_batch_hash.0, checkpoint.content_hash.0,
                    checkpoint.da_hash.0,
                ],
            )
        );
        let open = OpenTerm { era: vote.era, epoch: vote.epoch, term: Term(term) };
        prop_assert_eq!(
            domain.open_term_digest(&open),
            digest(
                separator,
                "OpenTerm(uint64 l2ChainId,uint32 era,uint64 epoch,uint64 term)",
                &[word(L2_CHAIN_ID), word(open.era.0), word(open.epoch.0), word(term)],
            )
        );
        let nonce = U256::from_be_bytes(nonce.0);
        let proof = SignerKey {
            owner, signer, p2p_peer_id: vote.block_hash, nonce, deadline: !nonce,
        };
        prop_assert_eq!(
            domain.signer_key_digest(&proof),
            digest(
                separator,
                "SignerKey(address owner,address signer,bytes32 p2pPeerId,uint256 nonce,uint256 deadline)",
                &[
                    address_word(owner), address_word(signer), proof.p2p_peer_id.0, word(nonce),
                    word(!nonce),
                ],
            )
        );
    }

    #[test]
    fn batch_hashes_are_abi_encodings(header in any::batch_header(), pointer in any::da_pointer()) {
        let words = [
            word(BATCH_HEADER_VERSION), word(header.era.0), word(header.epoch.0),
            word(header.batch_index), word(header.start_height.0), word(header.end_height.0),
            word(header.term.0), word(header.forced_up_to), word(header.tx_count),
            header.parent_batch_hash.0, header.last_block_hash.0, header.state_root.0,
            header.tx_root.0, header.forced_acc.0, header.skips_hash.0,
            address_word(header.fee_recipient),
        ];
        prop_assert_eq!(header.content_hash(), keccak256(words.concat()));
        let words = [
            word(pointer.kind as u8), word(pointer.height), pointer.commitment.0,
            word(pointer.size),
        ];
        prop_assert_eq!(pointer.da_hash(), keccak256(words.concat()));
    }

    #[test]
    fn engine_digests_are_bound_to_domain_tag_and_message(
        message in any::<Vec<u8>>(), vote in any::vote(),
    ) {
        let domain = any::domain();
        let other = Domain::new(1, Address::repeat_byte(0xc0), L2_CHAIN_ID);
        let digest = domain.engine_digest("a", &message);
        prop_assert_ne!(digest, domain.engine_digest("b", &message));
        prop_assert_ne!(digest, other.engine_digest("a", &message));
        prop_assert_ne!(digest, domain.engine_digest("a", &[&message[..], &[0]].concat()));
        prop_assert_ne!(digest, domain.vote_digest(&vote));
    }
}

#[test]
fn every_field_of_the_domain_counts() {
    let base = Domain::new(1, Address::repeat_byte(1), 2);
    let vote = ande_primitives::Vote {
        era: 0.into(),
        epoch: 0.into(),
        height: 1.into(),
        round: 0.into(),
        kind: ande_primitives::VoteKind::Precommit,
        block_hash: B256::ZERO,
    };
    for other in [
        Domain::new(2, Address::repeat_byte(1), 2),
        Domain::new(1, Address::repeat_byte(2), 2),
        Domain::new(1, Address::repeat_byte(1), 3),
    ] {
        assert_ne!(base.vote_digest(&vote), other.vote_digest(&vote));
    }
}

#[test]
fn the_genesis_of_the_batch_chain_is_an_abi_encoding() {
    let genesis = keccak256("genesis");
    let name = b"ANDE_GENESIS";
    let mut padded = [0u8; 32];
    padded[..name.len()].copy_from_slice(name);
    let words =
        [word(96u8), word(L2_CHAIN_ID), genesis.0, word(name.len() as u64), padded].concat();
    assert_eq!(genesis_batch_hash(L2_CHAIN_ID, genesis), keccak256(words));
}

#[test]
fn a_calldata_pointer_names_its_data() {
    let pointer = DaPointer::calldata(b"data");
    assert_eq!((pointer.size, pointer.commitment), (4, keccak256("data")));
    assert_ne!(pointer.da_hash(), DaPointer::calldata(b"Data").da_hash());
}

#[test]
fn a_blob_pointer_names_its_blobs_in_order() {
    for count in 0..8u64 {
        let hashes: Vec<B256> = (0..count).map(|i| keccak256(i.to_be_bytes())).collect();
        let words =
            [&[word(32u8), word(count)][..], &hashes.iter().map(|h| h.0).collect::<Vec<_>>()]
                .concat()
                .concat();
        let pointer = DaPointer::blobs(&hashes, 77);
        assert_eq!(pointer.commitment, keccak256(words));
        assert_eq!((pointer.height, pointer.size), (0, 77));
        let reversed: Vec<B256> = hashes.iter().rev().copied().collect();
        assert_eq!(blob_commitment(&reversed) == pointer.commitment, count < 2);
    }
}

#[test]
fn only_a_pointer_to_another_chain_has_a_height() {
    assert!(DaPointer::celestia(7, B256::ZERO, 1).is_well_formed());
    assert!(!DaPointer::celestia(0, B256::ZERO, 1).is_well_formed());
    for pointer in [DaPointer::calldata(b"data"), DaPointer::blobs(&[B256::ZERO], 1)] {
        assert!(pointer.is_well_formed());
        assert!(!DaPointer { height: 1, ..pointer }.is_well_formed());
    }
}

#[test]
fn a_forced_accumulator_is_an_abi_encoding() {
    let (previous, sender) = (keccak256("previous"), Address::repeat_byte(7));
    let words = [
        previous.0,
        address_word(sender),
        word(3u64),
        word(1_000u64),
        word(1_700_000_000u64),
        keccak256("raw").0,
    ];
    assert_eq!(
        forced_accumulator(previous, sender, 3, 1_000, 1_700_000_000, b"raw"),
        keccak256(words.concat())
    );
}
