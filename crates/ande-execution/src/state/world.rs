//! The whole state as one value: cheap to copy, changed by blocks.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rlp::Encodable as _;
use alloy_trie::TrieAccount;

use super::{
    Account, AccountChange, BlockChanges, StateError,
    delta::{AccountDelta, SlotDelta},
    node::Leaf,
    trie::Trie,
};

/// Value of a storage slot, never zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot(pub(super) U256);

impl Leaf for Slot {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

/// An account with its storage.
#[derive(Clone, Debug)]
pub(super) struct AccountLeaf {
    pub(super) account: Account,
    pub(super) storage: Trie<Slot>,
}

impl Leaf for AccountLeaf {
    fn encode(&self, out: &mut Vec<u8>) {
        let Account { nonce, balance, code_hash } = self.account;
        TrieAccount::new(nonce, balance, self.storage.root(), code_hash).encode(out);
    }
}

/// Changes whose hashing takes much longer, about 10 µs each, than starting threads for it.
const MANY: usize = 200;

/// Accounts by the hash of their address.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    accounts: Trie<AccountLeaf>,
}

impl World {
    pub(super) fn root(&self) -> B256 {
        self.accounts.root()
    }

    /// [`World::root`] with all processors: for a state that was just built.
    pub(super) fn root_in_parallel(&self) -> B256 {
        self.accounts.root_in_parallel()
    }

    /// [`World::root`] after a change, with all processors where it pays.
    pub(super) fn root_after(&self, deltas: &[AccountDelta]) -> B256 {
        for delta in deltas.iter().filter(|delta| delta.slots.len() >= MANY) {
            if let Some(leaf) = self.accounts.get(&delta.key) {
                leaf.storage.root_in_parallel();
            }
        }
        if deltas.len() >= MANY { self.root_in_parallel() } else { self.root() }
    }

    pub(super) fn account(&self, key: &B256) -> Option<&AccountLeaf> {
        self.accounts.get(key)
    }

    pub(super) fn storage(&self, account: &B256, slot: &B256) -> U256 {
        let leaf = self.accounts.get(account);
        leaf.and_then(|leaf| leaf.storage.get(slot)).map_or(U256::ZERO, |slot| slot.0)
    }

    pub(super) const fn accounts(&self) -> &Trie<AccountLeaf> {
        &self.accounts
    }

    /// Puts an account that was read from disk.
    pub(super) fn load(&mut self, key: B256, leaf: AccountLeaf) {
        self.accounts.insert(key, leaf);
    }

    /// One state of 16: the hashed keys of each part start with the nibble that is its index.
    pub(super) fn join(parts: [Self; 16]) -> Self {
        Self { accounts: Trie::join(parts.map(|part| part.accounts)) }
    }

    /// Makes the changes of a block; returns what is different after them, by hashed keys.
    pub(super) fn change(
        &mut self,
        changes: &BlockChanges,
    ) -> Result<Vec<AccountDelta>, StateError> {
        let mut deltas = Vec::with_capacity(changes.accounts.len());
        for (address, change) in &changes.accounts {
            deltas.extend(self.change_account(address, change)?);
        }
        Ok(deltas)
    }

    fn change_account(
        &mut self,
        address: &Address,
        change: &AccountChange,
    ) -> Result<Option<AccountDelta>, StateError> {
        let key = keccak256(address);
        let held = self.accounts.get(&key);
        let before = held.map(|leaf| leaf.account);
        let mut storage = held.map(|leaf| leaf.storage.clone()).unwrap_or_default();
        let mut slots = BTreeMap::new();
        if change.account.is_none() && change.slots.values().any(|value| !value.is_zero()) {
            return Err(StateError::BadChange {
                address: *address,
                reason: "a deleted account has no storage",
            });
        }
        if (change.wiped || change.account.is_none()) && !storage.is_empty() {
            storage.for_each(&mut |slot, value| {
                let delta = SlotDelta { key: *slot, before: value.0, after: U256::ZERO };
                slots.insert(*slot, delta);
            });
            storage = Trie::default();
        }
        for (slot, value) in &change.slots {
            let slot = keccak256(slot.to_be_bytes::<32>());
            let now = storage.get(&slot).map_or(U256::ZERO, |slot| slot.0);
            if now == *value {
                continue;
            }
            if value.is_zero() {
                storage.remove(&slot);
            } else {
                storage.insert(slot, Slot(*value));
            }
            let new = SlotDelta { key: slot, before: now, after: *value };
            slots.entry(slot).and_modify(|delta| delta.after = *value).or_insert(new);
        }
        slots.retain(|_, delta| delta.before != delta.after);
        if before == change.account && slots.is_empty() {
            return Ok(None);
        }
        match change.account {
            Some(account) => self.accounts.insert(key, AccountLeaf { account, storage }),
            None => {
                self.accounts.remove(&key);
            }
        }
        let slots = slots.into_values().collect();
        Ok(Some(AccountDelta { address: *address, key, before, after: change.account, slots }))
    }
}
