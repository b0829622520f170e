//! The state store against a model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod state_common;

use std::sync::atomic::{AtomicBool, Ordering};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount, proof::verify_proof};
use ande_execution::state::{
    Account, AccountChange, AccountProof, BlockChanges, BlockMeta, StateError, StateOptions,
    StateRead as _, StateStore, state_root,
};
use state_common::{Model, Random, check_state, genesis, next_block};

fn options() -> StateOptions {
    StateOptions { history_blocks: 1_000, recent: 4, queue: 3, ..StateOptions::default() }
}

#[test]
fn a_store_answers_like_the_model_now_and_for_the_past() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(1);
    let mut model = Model::default();
    let mut store = StateStore::open(dir.path(), options()).unwrap();
    assert!(matches!(store.at_head(), Err(StateError::NoGenesis)));
    assert!(matches!(store.at(0), Err(StateError::NoGenesis)));
    assert!(matches!(store.prepare(BlockChanges::default()), Err(StateError::NoGenesis)));
    assert!(store.head().is_none() && store.genesis().is_none());
    store.flush().unwrap();
    genesis(&store, &mut model, &mut random);
    for number in 1..=120 {
        next_block(&store, &mut model, &mut random);
        if number % 40 == 0 {
            drop(store);
            store = StateStore::open(dir.path(), options()).unwrap();
            assert_eq!(store.persisted(), number);
            assert_eq!(store.head().unwrap(), model.block(number));
            assert_eq!(store.genesis().unwrap(), model.block(0));
        }
        if number % 10 == 0 {
            let asked = random.next(number + 1);
            check_state(&store.at(asked).unwrap(), &model, asked);
        }
    }
    store.flush().unwrap();
    assert_eq!(store.persisted(), 120);
    for number in 0..=120 {
        check_state(&store.at(number).unwrap(), &model, number);
        assert_eq!(store.receipts(number).unwrap().unwrap(), model.receipts(number));
        assert_eq!(store.block(number).unwrap(), Some(model.block(number)));
    }
    let unknown = StateError::Unknown { number: 121, head: 120 }.to_string();
    assert_eq!(store.at(121).unwrap_err().to_string(), unknown);
    assert_eq!(store.at_head().unwrap().block_hash(121).unwrap_err().to_string(), unknown);
    assert_eq!(store.proof(121, Address::ZERO, &[]).unwrap_err().to_string(), unknown);
    assert!(store.receipts(121).unwrap().is_none());
    assert!(store.block(121).unwrap().is_none());
    let code = store.at_head().unwrap().code(&B256::repeat_byte(1));
    assert!(matches!(code, Err(StateError::NoCode(_))));
}

#[test]
fn many_short_chains_equal_the_model() {
    for seed in 100..108 {
        let dir = tempfile::tempdir().unwrap();
        let mut random = Random(seed);
        let mut model = Model::default();
        let options = StateOptions {
            recent: 1 + random.next(6) as usize,
            queue: 1 + random.next(3) as usize,
            ..options()
        };
        let store = StateStore::open(dir.path(), options).unwrap();
        genesis(&store, &mut model, &mut random);
        for _ in 0..25 {
            next_block(&store, &mut model, &mut random);
        }
        for number in [0, random.next(26), random.next(26), 25] {
            check_state(&store.at(number).unwrap(), &model, number);
        }
    }
}

#[test]
fn rivals_are_prepared_on_one_head_and_one_is_applied() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(2);
    let mut model = Model::default();
    let store = StateStore::open(dir.path(), options()).unwrap();
    genesis(&store, &mut model, &mut random);
    for number in 1..=30 {
        let base = store.head().unwrap();
        let rivals: Vec<_> = (0..4)
            .map(|_| {
                let changes = model.random_changes(&mut random);
                let prepared = store.prepare(changes.clone()).unwrap();
                assert_eq!(prepared.base(), base);
                let mut world = model.worlds.last().unwrap().clone();
                world.change(&changes);
                assert_eq!(prepared.root(), world.root());
                (changes, prepared)
            })
            .collect();
        // Others saw the head unchanged.
        check_state(&store.at_head().unwrap(), &model, number - 1);
        let chosen = random.next(4) as usize;
        let meta = model.push(&rivals[chosen].0);
        let wrong = BlockMeta { state_root: B256::repeat_byte(1), ..meta };
        let far = BlockMeta { number: number + 1, ..meta };
        let prepared = || rivals[chosen].1.clone();
        let none = Bytes::new;
        let refused = store.apply(wrong, prepared(), none()).unwrap_err();
        assert!(matches!(refused, StateError::WrongRoot { .. }), "{refused}");
        let refused = store.apply(far, prepared(), none()).unwrap_err();
        assert!(matches!(refused, StateError::NotNext { .. }), "{refused}");
        store.apply(meta, prepared(), model.receipts(number)).unwrap();
        for (_, late) in rivals {
            let next = BlockMeta { number: number + 1, state_root: late.root(), ..meta };
            let refused = store.apply(next, late, none()).unwrap_err();
            assert!(matches!(refused, StateError::NotOnHead { .. }), "{refused}");
        }
        check_state(&store.at_head().unwrap(), &model, number);
        // At once, whether written already or not.
        assert_eq!(store.receipts(number).unwrap().unwrap(), model.receipts(number));
    }
}

/// A proof is right and proves nothing else.
fn check_proof(root: B256, proof: &AccountProof) {
    let key = Nibbles::unpack(keccak256(proof.address));
    let leaf = proof.account.map(|Account { nonce, balance, code_hash }| {
        let account = TrieAccount::new(nonce, balance, proof.storage_root, code_hash);
        alloy_rlp::encode(account)
    });
    verify_proof(root, key, leaf.clone(), &proof.proof).unwrap();
    let other = leaf.is_none().then(|| alloy_rlp::encode(TrieAccount::default()));
    assert!(verify_proof(root, key, other, &proof.proof).is_err());
    for slot in &proof.storage {
        let key = Nibbles::unpack(keccak256(slot.slot));
        let value = (!slot.value.is_zero()).then(|| alloy_rlp::encode(slot.value));
        verify_proof(proof.storage_root, key, value, &slot.proof).unwrap();
        let other = alloy_rlp::encode(slot.value + U256::from(1));
        assert!(verify_proof(proof.storage_root, key, Some(other), &slot.proof).is_err());
    }
}

#[test]
fn accounts_and_slots_are_proven_present_and_absent() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(4);
    let mut model = Model::default();
    let store = StateStore::open(dir.path(), options()).unwrap();
    genesis(&store, &mut model, &mut random);
    let slots: Vec<B256> = (0..14).map(|index| B256::from(state_common::slot(index))).collect();
    for number in 1..=40 {
        next_block(&store, &mut model, &mut random);
        let number = number - random.next(4).min(number);
        for index in 0..33 {
            let address = state_common::address(index);
            let proof = store.proof(number, address, &slots).unwrap();
            let held = model.worlds[number as usize].accounts.get(&address);
            assert_eq!(proof.account, held.map(|held| held.0));
            assert_eq!(proof.storage.len(), slots.len());
            for (slot, asked) in proof.storage.iter().zip(&slots) {
                let expected = held.and_then(|held| held.1.get(&U256::from_be_bytes(asked.0)));
                assert_eq!((slot.slot, slot.value), (*asked, *expected.unwrap_or(&U256::ZERO)));
            }
            check_proof(model.block(number).state_root, &proof);
        }
    }
    store.flush().unwrap();
    next_block(&store, &mut model, &mut random);
    let refused = store.proof(1, Address::ZERO, &[]).unwrap_err();
    assert!(matches!(refused, StateError::NotProvable { number: 1, oldest: 38, .. }), "{refused}");
}

#[test]
fn an_empty_state_is_proven_empty() {
    let dir = tempfile::tempdir().unwrap();
    let store = StateStore::open(dir.path(), options()).unwrap();
    let none = BlockChanges::default();
    assert_eq!(state_root(&none).unwrap(), EMPTY_ROOT_HASH);
    let meta = BlockMeta { number: 0, hash: B256::ZERO, state_root: EMPTY_ROOT_HASH, timestamp: 0 };
    let wrong = BlockMeta { state_root: B256::ZERO, ..meta };
    let refused = store.initialise(wrong, none.clone()).unwrap_err();
    assert!(matches!(refused, StateError::WrongRoot { .. }), "{refused}");
    store.initialise(meta, none.clone()).unwrap();
    let proof = store.proof(0, Address::ZERO, &[B256::ZERO]).unwrap();
    assert_eq!((proof.account, proof.storage_root), (None, EMPTY_ROOT_HASH));
    check_proof(EMPTY_ROOT_HASH, &proof);
    drop(store);
    let store = StateStore::open(dir.path(), options()).unwrap();
    assert_eq!(store.head(), Some(meta));
    assert_eq!(store.prepare(none).unwrap().root(), EMPTY_ROOT_HASH);
}

#[test]
fn history_is_kept_as_deep_as_configured() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(6);
    let mut model = Model::default();
    let open = |history_blocks| {
        let options = StateOptions { history_blocks, recent: 2, ..options() };
        StateStore::open(dir.path(), options).unwrap()
    };
    let check = |store: &StateStore, model: &Model, oldest: u64| {
        store.flush().unwrap();
        let head = store.head().unwrap().number;
        for number in oldest..=head {
            check_state(&store.at(number).unwrap(), model, number);
        }
        for number in 0..oldest {
            let refused = store.at(number).unwrap_err();
            let StateError::Pruned { number: named, oldest: kept } = refused else {
                panic!("{refused}")
            };
            assert_eq!((named, kept), (number, oldest));
            assert_eq!(store.receipts(number).unwrap().unwrap(), model.receipts(number));
        }
    };
    let mut store = open(10);
    genesis(&store, &mut model, &mut random);
    for number in 1..=40_u64 {
        next_block(&store, &mut model, &mut random);
        if number % 8 == 0 {
            check(&store, &model, number.saturating_sub(10));
        }
    }
    // A view stays what it was when its block is pruned.
    let old = store.at(30).unwrap();
    for _ in 0..15 {
        next_block(&store, &mut model, &mut random);
    }
    check(&store, &model, 45);
    check_state(&old, &model, 30);
    drop(old);
    // Deeper from now on: what is gone stays gone.
    drop(store);
    store = open(20);
    for _ in 0..5 {
        next_block(&store, &mut model, &mut random);
    }
    check(&store, &model, 45);
    for _ in 0..10 {
        next_block(&store, &mut model, &mut random);
    }
    check(&store, &model, 50);
    // Less deep: a few blocks at a time, until there.
    drop(store);
    store = open(3);
    next_block(&store, &mut model, &mut random);
    check(&store, &model, 54);
    for _ in 0..6 {
        next_block(&store, &mut model, &mut random);
    }
    check(&store, &model, 74);
    // Nothing but the head.
    drop(store);
    store = open(0);
    for _ in 0..5 {
        next_block(&store, &mut model, &mut random);
    }
    store.flush().unwrap();
    drop(store);
    store = open(0);
    check(&store, &model, 81);
}

fn change(account: Option<Account>, wiped: bool, slots: &[(u64, u64)]) -> AccountChange {
    let slots = slots.iter().map(|(slot, value)| (U256::from(*slot), U256::from(*value)));
    AccountChange { account, wiped, slots: slots.collect() }
}

#[test]
fn wiped_deleted_and_recreated_accounts_are_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let address = Address::repeat_byte(7);
    let open = || {
        let options = StateOptions { recent: 1, queue: 1, ..options() };
        StateStore::open(dir.path(), options).unwrap()
    };
    let store = open();
    let account = |nonce| Some(Account { nonce, ..Account::default() });
    let steps = [
        change(account(1), false, &[(1, 11), (2, 12)]),
        change(account(1), false, &[(1, 0), (3, 13)]),
        change(account(2), true, &[(2, 22)]),
        change(None, false, &[]),
        change(account(3), false, &[(4, 14)]),
        change(account(3), true, &[(4, 14)]),
        change(None, true, &[(4, 0)]),
        change(account(4), true, &[]),
    ];
    let slots: [&[(u64, u64)]; 8] = [
        &[(1, 11), (2, 12)],
        &[(2, 12), (3, 13)],
        &[(2, 22)],
        &[],
        &[(4, 14)],
        &[(4, 14)],
        &[],
        &[],
    ];
    let block = |number: u64, state_root| BlockMeta {
        number,
        hash: keccak256(number.to_be_bytes()),
        state_root,
        timestamp: number,
    };
    store.initialise(block(0, EMPTY_ROOT_HASH), BlockChanges::default()).unwrap();
    for (number, step) in (1..).zip(&steps) {
        let accounts = [(address, step.clone())].into();
        let changes = BlockChanges { accounts, codes: Default::default() };
        let prepared = store.prepare(changes).unwrap();
        let unchanged = number == 6;
        assert_eq!(prepared.changed().next().is_none(), unchanged, "block {number}");
        store.apply(block(number, prepared.root()), prepared, Bytes::new()).unwrap();
    }
    let check = |store: &StateStore| {
        for (number, (step, slots)) in (1..).zip(steps.iter().zip(slots)) {
            let view = store.at(number).unwrap();
            assert_eq!(view.block().number, number);
            assert_eq!(view.account(&address).unwrap(), step.account, "block {number}");
            for slot in 0..6 {
                let expected = slots.iter().find(|held| held.0 == slot).map_or(0, |held| held.1);
                let value = view.storage(&address, &U256::from(slot)).unwrap();
                assert_eq!(value, U256::from(expected), "block {number} slot {slot}");
            }
        }
    };
    check(&store);
    drop(store);
    check(&open());
}

#[test]
fn changes_that_contradict_themselves_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(9);
    let mut model = Model::default();
    let store = StateStore::open(dir.path(), options()).unwrap();
    genesis(&store, &mut model, &mut random);
    let with = |change: AccountChange, codes: &[(B256, Bytes)]| {
        let accounts = [(Address::repeat_byte(3), change)].into();
        store.prepare(BlockChanges { accounts, codes: codes.iter().cloned().collect() })
    };
    let refused = with(change(None, false, &[(1, 1)]), &[]).unwrap_err();
    assert!(matches!(refused, StateError::BadChange { .. }), "{refused}");
    let code = Bytes::from_static(&[0xfe]);
    let account = Account { code_hash: keccak256(&code), ..Account::default() };
    let refused = with(change(Some(account), false, &[]), &[]).unwrap_err();
    assert!(matches!(refused, StateError::BadChange { .. }), "{refused}");
    let wrong = [(B256::repeat_byte(1), code.clone())];
    let refused = with(change(None, false, &[]), &wrong).unwrap_err();
    assert!(matches!(refused, StateError::BadCode { .. }), "{refused}");
    with(change(Some(account), false, &[]), &[(account.code_hash, code)]).unwrap();
}

#[test]
fn receipts_are_kept_as_deep_as_configured() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(11);
    let mut model = Model::default();
    let open = |receipt_blocks| {
        let options = StateOptions { history_blocks: 5, receipt_blocks, recent: 2, ..options() };
        StateStore::open(dir.path(), options).unwrap()
    };
    let check = |store: &StateStore, model: &Model, oldest: u64| {
        store.flush().unwrap();
        let head = store.head().unwrap().number;
        for number in (0..=0).chain(oldest..=head) {
            assert_eq!(store.receipts(number).unwrap().unwrap(), model.receipts(number));
        }
        for number in 1..oldest {
            let refused = store.receipts(number).unwrap_err();
            let StateError::NoReceipts { number: named, oldest: kept } = refused else {
                panic!("{refused}")
            };
            assert_eq!((named, kept), (number, oldest));
            assert_eq!(store.block(number).unwrap(), Some(model.block(number)));
        }
        assert_eq!(store.receipts(head + 1).unwrap(), None);
    };
    let mut store = open(Some(10));
    genesis(&store, &mut model, &mut random);
    for number in 1..=30_u64 {
        next_block(&store, &mut model, &mut random);
        if number % 6 == 0 {
            check(&store, &model, number.saturating_sub(10).max(1));
        }
    }
    // All from now on: what is gone stays gone.
    drop(store);
    store = open(None);
    (0..15).for_each(|_| next_block(&store, &mut model, &mut random));
    check(&store, &model, 20);
    // Fewer: the rest goes a few with each block.
    drop(store);
    store = open(Some(5));
    next_block(&store, &mut model, &mut random);
    check(&store, &model, 24);
    (0..9).for_each(|_| next_block(&store, &mut model, &mut random));
    check(&store, &model, 50);
}

#[test]
fn readers_see_whole_blocks_while_others_are_applied() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(10);
    let mut model = Model::default();
    let options = StateOptions { history_blocks: 12, recent: 2, queue: 2, ..options() };
    let store = StateStore::open(dir.path(), options).unwrap();
    // Every block writes its number to all of these.
    let addresses: Vec<Address> = (0..20).map(state_common::address).collect();
    genesis(&store, &mut model, &mut random);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let (store, addresses, done) = (store.clone(), &addresses, &done);
            scope.spawn(move || {
                let mut random = Random(reader);
                let mut read = 0;
                while !done.load(Ordering::Relaxed) || read < 20 {
                    let head = store.head().unwrap().number;
                    let number = head.saturating_sub(random.next(11));
                    let view = match store.at(number) {
                        Ok(view) => view,
                        // Others were faster.
                        Err(StateError::Pruned { .. }) => continue,
                        Err(error) => panic!("{error}"),
                    };
                    if number == 0 {
                        continue;
                    }
                    for address in addresses {
                        let account = view.account(address).unwrap().unwrap();
                        assert_eq!(account.nonce, number);
                        let value = view.storage(address, &U256::from(1)).unwrap();
                        assert_eq!(value, U256::from(number));
                        view.code(&account.code_hash).unwrap();
                    }
                    view.block_hash(number).unwrap();
                    store.receipts(number).unwrap().unwrap();
                    read += 1;
                }
            });
        }
        for number in 1..=150_u64 {
            let code = Bytes::copy_from_slice(&number.to_be_bytes());
            let code_hash = keccak256(&code);
            let account = Account { nonce: number, balance: U256::ZERO, code_hash };
            let accounts = addresses
                .iter()
                .map(|address| (*address, change(Some(account), true, &[(1, number)])))
                .collect();
            let changes = BlockChanges { accounts, codes: [(code_hash, code)].into() };
            let prepared = store.prepare(changes).unwrap();
            let (hash, state_root) = (keccak256(number.to_be_bytes()), prepared.root());
            let meta = BlockMeta { number, hash, state_root, timestamp: number };
            store.apply(meta, prepared, Bytes::from_static(b"receipts")).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn blocks_with_many_changes_have_the_same_roots() {
    let dir = tempfile::tempdir().unwrap();
    let store = StateStore::open(dir.path(), options()).unwrap();
    let block = |number: u64, state_root| BlockMeta {
        number,
        hash: keccak256(number.to_be_bytes()),
        state_root,
        timestamp: number,
    };
    store.initialise(block(0, EMPTY_ROOT_HASH), BlockChanges::default()).unwrap();
    // All of it at once must give the root that the blocks lead to.
    let mut all = BlockChanges::default();
    for number in 1..=6_u64 {
        let mut changes = BlockChanges::default();
        for index in 0..150 * number {
            let address = Address::from_word(keccak256((index % 400).to_be_bytes()));
            let account = Account { nonce: number, ..Account::default() };
            changes.accounts.insert(address, change(Some(account), false, &[]));
        }
        let token: Vec<_> = (0..150 * number).map(|slot| (slot, number)).collect();
        let token = change(Some(Account::default()), false, &token);
        changes.accounts.insert(Address::ZERO, token);
        for (address, change) in &changes.accounts {
            let held = all.accounts.entry(*address).or_default();
            held.account = change.account;
            held.slots.extend(&change.slots);
        }
        let prepared = store.prepare(changes).unwrap();
        assert_eq!(prepared.root(), state_root(&all).unwrap());
        store.apply(block(number, prepared.root()), prepared, Bytes::new()).unwrap();
    }
    let head = store.head().unwrap();
    drop(store);
    assert_eq!(StateStore::open(dir.path(), options()).unwrap().head(), Some(head));
}
