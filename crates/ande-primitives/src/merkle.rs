//! Position-binding Merkle tree over the transaction hashes of a batch.
//!
//! Leaf `keccak256(0x00 || uint32 index || tx hash)`, node `keccak256(0x01 || left || right)`,
//! depth `ceil(log2(count))`, missing leaves are zero words. Mirrors `InclusionLib.sol`.

use alloy_primitives::{B256, keccak256};

fn leaf(index: u32, tx_hash: B256) -> B256 {
    let mut data = [0u8; 37];
    data[1..5].copy_from_slice(&index.to_be_bytes());
    data[5..].copy_from_slice(tx_hash.as_slice());
    keccak256(data)
}

fn node(left: B256, right: B256) -> B256 {
    let mut data = [0u8; 65];
    data[0] = 1;
    data[1..33].copy_from_slice(left.as_slice());
    data[33..].copy_from_slice(right.as_slice());
    keccak256(data)
}

fn leaves(tx_hashes: &[B256]) -> Vec<B256> {
    let mut level: Vec<B256> =
        (0u32..).zip(tx_hashes).map(|(index, hash)| leaf(index, *hash)).collect();
    level.resize(tx_hashes.len().next_power_of_two(), B256::ZERO);
    level
}

fn parents(level: &[B256]) -> Vec<B256> {
    level.as_chunks::<2>().0.iter().map(|[left, right]| node(*left, *right)).collect()
}

/// Root of the tree; zero without transactions.
#[must_use]
pub fn inclusion_root(tx_hashes: &[B256]) -> B256 {
    if tx_hashes.is_empty() {
        return B256::ZERO;
    }
    let mut level = leaves(tx_hashes);
    while level.len() > 1 {
        level = parents(&level);
    }
    level[0]
}

/// Sibling hashes from the leaf at `index` up to the root; none when there is no such leaf.
#[must_use]
pub fn inclusion_proof(tx_hashes: &[B256], index: usize) -> Option<Vec<B256>> {
    if index >= tx_hashes.len() {
        return None;
    }
    let mut proof = Vec::new();
    let mut position = index;
    let mut level = leaves(tx_hashes);
    while level.len() > 1 {
        proof.push(level[position ^ 1]);
        level = parents(&level);
        position /= 2;
    }
    Some(proof)
}

/// Whether `tx_hash` is transaction `index` of the `count` under `root`.
#[must_use]
pub fn verify_inclusion(root: B256, count: u32, tx_hash: B256, index: u32, proof: &[B256]) -> bool {
    let depth = count.checked_next_power_of_two().map_or(32, u32::trailing_zeros) as usize;
    if index >= count || proof.len() != depth {
        return false;
    }
    let mut position = index;
    let computed = proof.iter().fold(leaf(index, tx_hash), |hash, sibling| {
        let parent =
            if position.is_multiple_of(2) { node(hash, *sibling) } else { node(*sibling, hash) };
        position /= 2;
        parent
    });
    computed == root
}
