//! A model of the state: every block's accounts and slots in plain maps.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};
use ande_execution::state::{
    Account, AccountChange, BlockChanges, BlockMeta, StateError, StateRead, StateStore, state_root,
};

/// A small generator, so that a failure names its seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn value(&mut self) -> U256 {
        match self.next(4) {
            0 => U256::from(1 + self.next(127)),
            1 => U256::from(self.next(1 << 31)),
            2 => U256::MAX - U256::from(self.next(9)),
            _ => U256::from_be_bytes(keccak256(self.next(1 << 31).to_be_bytes()).0),
        }
    }
}

/// One state.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) accounts: BTreeMap<Address, (Account, BTreeMap<U256, U256>)>,
}

impl World {
    pub(crate) fn root(&self) -> B256 {
        let accounts = self.accounts.iter().map(|(address, (account, slots))| {
            let slots = slots.iter().map(|(slot, value)| (B256::from(*slot), *value));
            let Account { nonce, balance, code_hash } = *account;
            let storage_root = storage_root_unhashed(slots);
            (*address, TrieAccount::new(nonce, balance, storage_root, code_hash))
        });
        state_root_unhashed(accounts)
    }

    pub(crate) fn change(&mut self, changes: &BlockChanges) {
        for (address, change) in &changes.accounts {
            let Some(account) = change.account else {
                self.accounts.remove(address);
                continue;
            };
            let held = self.accounts.entry(*address).or_default();
            held.0 = account;
            if change.wiped {
                held.1.clear();
            }
            for (slot, value) in &change.slots {
                if value.is_zero() {
                    held.1.remove(slot);
                } else {
                    held.1.insert(*slot, *value);
                }
            }
        }
    }
}

/// All states.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) worlds: Vec<World>,
    pub(crate) blocks: Vec<BlockMeta>,
    pub(crate) codes: BTreeMap<B256, Bytes>,
    /// Of every block, for tests that fill it.
    pub(crate) changes: Vec<BlockChanges>,
}

const ADDRESSES: u64 = 30;
const SLOTS: u64 = 12;

pub(crate) fn address(index: u64) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

pub(crate) fn slot(index: u64) -> U256 {
    // Slots with and without leading zeros.
    if index.is_multiple_of(2) { U256::from(index) } else { U256::MAX - U256::from(index) }
}

impl Model {
    pub(crate) fn block(&self, number: u64) -> BlockMeta {
        self.blocks[number as usize]
    }

    pub(crate) fn receipts(&self, number: u64) -> Bytes {
        match number {
            0 => Bytes::new(),
            _ => keccak256(self.block(number).hash).to_vec().repeat(number as usize % 5).into(),
        }
    }

    /// Changes that nobody prepared with care: of absent accounts, of slots to what they are.
    pub(crate) fn random_changes(&mut self, random: &mut Random) -> BlockChanges {
        let mut changes = BlockChanges::default();
        let world = self.worlds.last().cloned().unwrap_or_default();
        for _ in 0..random.next(12) {
            let address = address(random.next(ADDRESSES));
            let mut change = AccountChange::default();
            let held = world.accounts.get(&address);
            if random.next(6) > 0 {
                let mut account = held.map(|held| held.0).unwrap_or_default();
                match random.next(4) {
                    0 => {}
                    1 => account.nonce += 1 + random.next(300),
                    2 => account.balance = random.value(),
                    _ => {
                        let code = Bytes::from(vec![random.next(8) as u8; 40]);
                        account.code_hash = keccak256(&code);
                        self.codes.insert(account.code_hash, code.clone());
                        changes.codes.insert(account.code_hash, code);
                    }
                }
                change.account = Some(account);
                change.wiped = random.next(8) == 0;
                for _ in 0..random.next(6) {
                    let value = if random.next(3) == 0 { U256::ZERO } else { random.value() };
                    change.slots.insert(slot(random.next(SLOTS)), value);
                }
            } else if random.next(2) == 0 {
                change.slots.insert(slot(1), U256::ZERO);
            }
            changes.accounts.insert(address, change);
        }
        changes
    }

    /// The next block with these changes.
    pub(crate) fn push(&mut self, changes: &BlockChanges) -> BlockMeta {
        let mut world = self.worlds.last().cloned().unwrap_or_default();
        world.change(changes);
        let number = self.blocks.len() as u64;
        let state_root = world.root();
        let hash = keccak256([state_root.as_slice(), &number.to_be_bytes()].concat());
        let meta = BlockMeta { number, hash, state_root, timestamp: 1_000 + number };
        self.worlds.push(world);
        self.blocks.push(meta);
        meta
    }
}

pub(crate) fn genesis(store: &StateStore, model: &mut Model, random: &mut Random) {
    let mut changes = model.random_changes(random);
    changes.accounts.retain(|_, change| change.account.is_some());
    let meta = model.push(&changes);
    assert_eq!(state_root(&changes).unwrap(), meta.state_root);
    store.initialise(meta, changes.clone()).unwrap();
    // Once more does no harm, another one is refused.
    store.initialise(meta, changes.clone()).unwrap();
    let other = BlockMeta { hash: B256::repeat_byte(9), ..meta };
    assert!(matches!(store.initialise(other, changes), Err(StateError::WrongGenesis { .. })));
}

pub(crate) fn next_block(store: &StateStore, model: &mut Model, random: &mut Random) {
    let changes = model.random_changes(random);
    let prepared = store.prepare(changes.clone()).unwrap();
    let meta = model.push(&changes);
    assert_eq!(prepared.root(), meta.state_root, "block {}", meta.number);
    store.apply(meta, prepared, model.receipts(meta.number)).unwrap();
    assert_eq!(store.head(), Some(meta));
}

pub(crate) fn check_state(view: &impl StateRead, model: &Model, number: u64) {
    let world = &model.worlds[number as usize];
    let mut codes = BTreeSet::new();
    for index in 0..ADDRESSES + 2 {
        let address = address(index);
        let held = world.accounts.get(&address);
        let account = view.account(&address).unwrap();
        assert_eq!(account, held.map(|held| held.0), "block {number} account {index}");
        codes.extend(account.map(|account| account.code_hash));
        for index in 0..SLOTS + 1 {
            let expected = held.and_then(|held| held.1.get(&slot(index)).copied());
            let value = view.storage(&address, &slot(index)).unwrap();
            assert_eq!(value, expected.unwrap_or_default(), "block {number} slot {index}");
        }
    }
    for hash in codes {
        let expected = model.codes.get(&hash).cloned().unwrap_or_default();
        assert_eq!(view.code(&hash).unwrap(), expected);
    }
    for before in number.saturating_sub(9)..=number {
        assert_eq!(view.block_hash(before).unwrap(), model.block(before).hash);
    }
    assert_eq!(view.block_hash(0).unwrap(), model.block(0).hash);
}
