//! Whole states against the reference implementation.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};

use super::{Account, AccountChange, BlockChanges, trie_tests::Random, world::World};

type Model = BTreeMap<Address, (Account, BTreeMap<U256, U256>)>;

fn reference_root(model: &Model) -> B256 {
    state_root_unhashed(model.iter().map(|(address, (account, slots))| {
        let slots = slots.iter().map(|(slot, value)| (B256::from(*slot), *value));
        let Account { nonce, balance, code_hash } = *account;
        let storage_root = storage_root_unhashed(slots);
        (*address, TrieAccount::new(nonce, balance, storage_root, code_hash))
    }))
}

fn random_change(random: &mut Random, held: Option<Account>) -> AccountChange {
    if random.next(7) == 0 {
        return AccountChange::default();
    }
    let mut account = held.unwrap_or_default();
    match random.next(4) {
        0 => {}
        1 => account.nonce += 1,
        2 => account.balance = U256::from(random.next(1 << 30)) << (random.next(220) as usize),
        _ => account.code_hash = B256::repeat_byte(random.next(256) as u8),
    }
    let slots = (0..random.next(6)).map(|_| {
        let value = if random.next(3) == 0 { U256::ZERO } else { U256::from(random.next(999)) };
        (U256::from(random.next(9)), value)
    });
    let slots = slots.collect();
    AccountChange { account: Some(account), wiped: random.next(10) == 0, slots }
}

fn change_model(model: &mut Model, address: Address, change: &AccountChange) {
    let Some(account) = change.account else {
        model.remove(&address);
        return;
    };
    let held = model.entry(address).or_default();
    held.0 = account;
    if change.wiped {
        held.1.clear();
    }
    held.1.extend(&change.slots);
    held.1.retain(|_, value| !value.is_zero());
}

#[test]
fn every_sequence_of_blocks_leads_to_the_reference_root() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let (mut world, mut model) = (World::default(), Model::new());
        // What a disk would hold that follows the differences alone.
        let mut accounts: BTreeMap<B256, Account> = BTreeMap::new();
        let mut slots: BTreeMap<(B256, B256), U256> = BTreeMap::new();
        let mut old = Vec::new();
        for block in 0..60 {
            let mut changes = BlockChanges::default();
            for _ in 0..5 {
                let address = Address::with_last_byte(random.next(20) as u8);
                let change = random_change(&mut random, model.get(&address).map(|held| held.0));
                changes.accounts.insert(address, change);
            }
            for (address, change) in &changes.accounts {
                change_model(&mut model, *address, change);
            }
            for delta in world.change(&changes).unwrap() {
                assert_eq!(delta.key, keccak256(delta.address));
                assert!(delta.before != delta.after || !delta.slots.is_empty());
                assert_eq!(accounts.get(&delta.key), delta.before.as_ref());
                match delta.after {
                    Some(account) => accounts.insert(delta.key, account),
                    None => accounts.remove(&delta.key),
                };
                for slot in &delta.slots {
                    assert_ne!(slot.before, slot.after);
                    let key = (delta.key, slot.key);
                    assert_eq!(slots.remove(&key).unwrap_or_default(), slot.before);
                    if !slot.after.is_zero() {
                        slots.insert(key, slot.after);
                    }
                }
            }
            let root = reference_root(&model);
            assert_eq!(world.root(), root, "seed {seed} block {block}");
            if block % 20 == 3 {
                old.push((world.clone(), root));
            }
        }
        assert_eq!(accounts.len(), model.len());
        assert_eq!(slots.len(), model.values().map(|held| held.1.len()).sum::<usize>());
        for (address, (account, held)) in &model {
            let key = keccak256(address);
            assert_eq!(accounts[&key], *account);
            assert_eq!(world.account(&key).map(|leaf| leaf.account), Some(*account));
            for (slot, value) in held {
                let slot = keccak256(slot.to_be_bytes::<32>());
                assert_eq!((slots[&(key, slot)], world.storage(&key, &slot)), (*value, *value));
            }
        }
        for (world, root) in old {
            assert_eq!(world.root(), root, "seed {seed}: a copy was changed");
        }
    }
}
