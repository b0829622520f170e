//! Inclusion proofs bind hash, position and count.

use alloy_primitives::{B256, keccak256};
use ande_primitives::{inclusion_proof, inclusion_root, verify_inclusion};
use proptest::prelude::*;

fn hashes(count: u32) -> Vec<B256> {
    (0..count).map(|index| keccak256(index.to_be_bytes())).collect()
}

#[test]
fn every_transaction_of_every_small_tree_proves_itself_and_nothing_else() {
    for count in 1..=17u32 {
        let hashes = hashes(count);
        let root = inclusion_root(&hashes);
        for index in 0..count {
            let proof = inclusion_proof(&hashes, index as usize).unwrap();
            for claimed in 0..count + 2 {
                for hash in &hashes {
                    let proven = verify_inclusion(root, count, *hash, claimed, &proof);
                    let own = claimed == index && *hash == hashes[index as usize];
                    assert_eq!(proven, own, "{claimed} with the proof of {index} of {count}");
                }
            }
        }
        assert_eq!(inclusion_proof(&hashes, count as usize), None);
    }
}

#[test]
fn the_smallest_trees_are_as_the_contract_has_them() {
    let [a, b] = [keccak256("a"), keccak256("b")];
    let leaf = |index: u32, hash: B256| {
        keccak256([&[0u8][..], &index.to_be_bytes(), hash.as_slice()].concat())
    };
    let node = |l: B256, r: B256| keccak256([&[1u8][..], l.as_slice(), r.as_slice()].concat());
    assert_eq!(inclusion_root(&[]), B256::ZERO);
    assert_eq!(inclusion_root(&[a]), leaf(0, a));
    assert_eq!(inclusion_root(&[a, b]), node(leaf(0, a), leaf(1, b)));
    assert_eq!(
        inclusion_root(&[a, b, a]),
        node(node(leaf(0, a), leaf(1, b)), node(leaf(2, a), B256::ZERO))
    );
}

#[test]
fn an_inner_node_is_no_transaction() {
    let hashes = hashes(4);
    let root = inclusion_root(&hashes);
    let proof = inclusion_proof(&hashes, 0).unwrap();
    let inner = inclusion_root(&hashes[..2]);
    assert!(!verify_inclusion(root, 2, inner, 0, &proof[1..]));
    // Nor is the filling on the right.
    let three = &hashes[..3];
    let mut proof = inclusion_proof(three, 2).unwrap();
    proof[0] = inclusion_proof(three, 2).unwrap()[0];
    assert!(!verify_inclusion(inclusion_root(three), 4, B256::ZERO, 3, &proof));
}

#[test]
fn counts_at_the_end_of_the_range_do_not_overflow() {
    for count in [0, 1 << 31, (1 << 31) + 1, u32::MAX] {
        assert!(!verify_inclusion(B256::ZERO, count, B256::ZERO, 0, &[B256::ZERO; 31]));
        assert!(!verify_inclusion(B256::ZERO, count, B256::ZERO, u32::MAX - 1, &[B256::ZERO; 32]));
        assert!(!verify_inclusion(B256::ZERO, count, B256::ZERO, 0, &[]));
    }
}

proptest! {
    #[test]
    fn any_change_of_a_proof_breaks_it(
        count in 2u32..600, index in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>(),
    ) {
        let hashes = hashes(count);
        let root = inclusion_root(&hashes);
        let index = index.index(count as usize);
        let (hash, at) = (hashes[index], index as u32);
        let proof = inclusion_proof(&hashes, index).unwrap();
        prop_assert!(verify_inclusion(root, count, hash, at, &proof));
        let mut flipped = proof.clone();
        let bit = bit.index(proof.len() * 256);
        flipped[bit / 256].0[bit % 256 / 8] ^= 1 << (bit % 8);
        prop_assert!(!verify_inclusion(root, count, hash, at, &flipped));
        prop_assert!(!verify_inclusion(root, count, hash, at, &proof[1..]));
        prop_assert!(!verify_inclusion(root, count, hash, at, &[proof, vec![B256::ZERO]].concat()));
    }
}
