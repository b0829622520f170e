//! Proofs of EIP-1186.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;

use super::{Account, world::World};

/// That an account, or its absence, belongs to a state root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// The account asked for.
    pub address: Address,
    /// The account, if it exists.
    pub account: Option<Account>,
    /// Root of its storage; of nothing if it has none.
    pub storage_root: B256,
    /// Nodes from the state root to the account, or to where its path ends.
    pub proof: Vec<Bytes>,
    /// The slots, in the order they were asked for.
    pub storage: Vec<StorageProof>,
}

/// That a slot, or its absence, belongs to a storage root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageProof {
    /// The slot asked for.
    pub slot: B256,
    /// Its value.
    pub value: U256,
    /// Nodes from the storage root to the slot, or to where its path ends; none if there is no
    /// storage.
    pub proof: Vec<Bytes>,
}

pub(super) fn prove(world: &World, address: Address, slots: &[B256]) -> AccountProof {
    let key = keccak256(address);
    let leaf = world.account(&key);
    let prove_slot = |slot: &B256| {
        let key = keccak256(slot);
        let storage = leaf.map(|leaf| &leaf.storage);
        StorageProof {
            slot: *slot,
            value: storage.and_then(|trie| trie.get(&key)).map_or(U256::ZERO, |slot| slot.0),
            proof: storage.map(|trie| trie.prove(&key)).unwrap_or_default(),
        }
    };
    AccountProof {
        address,
        account: leaf.map(|leaf| leaf.account),
        storage_root: leaf.map_or(EMPTY_ROOT_HASH, |leaf| leaf.storage.root()),
        proof: world.accounts().prove(&key),
        storage: slots.iter().map(prove_slot).collect(),
    }
}
