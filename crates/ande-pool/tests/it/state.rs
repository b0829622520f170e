//! With a chain that executes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy_primitives::{Address, B256, U256};
use ande_pool::{
    Account, AccountError, AccountSource, BlockRoom, InsertKind, Pool, PoolError, PoolLimits,
    PoolStatus, PooledTransaction,
};

use crate::transactions::{Spec, insert, key};

/// Accounts, set by the test; others are new and rich.
#[derive(Debug, Default)]
pub struct State {
    accounts: Mutex<HashMap<Address, Account>>,
    base_fee: Mutex<u128>,
    broken: Mutex<bool>,
}

impl AccountSource for State {
    fn account(&self, sender: Address) -> Result<Option<Account>, AccountError> {
        if *self.broken.lock().unwrap() {
            return Err(AccountError("disk".to_owned()));
        }
        let rich = Account { nonce: 0, balance: U256::MAX };
        Ok(Some(self.accounts.lock().unwrap().get(&sender).copied().unwrap_or(rich)))
    }

    fn next_base_fee(&self) -> u128 {
        *self.base_fee.lock().unwrap()
    }
}

impl State {
    pub fn set(&self, sender: u8, nonce: u64, balance: U256) {
        let account = Account { nonce, balance };
        self.accounts.lock().unwrap().insert(key(sender).address(), account);
    }

    pub fn set_base_fee(&self, base_fee: u128) {
        *self.base_fee.lock().unwrap() = base_fee;
    }

    fn set_broken(&self, broken: bool) {
        *self.broken.lock().unwrap() = broken;
    }
}

pub fn pool(limits: PoolLimits) -> (Pool, Arc<State>) {
    let state = Arc::new(State::default());
    (Pool::new(limits, Arc::clone(&state) as Arc<dyn AccountSource>), state)
}

fn nonces(pool: &Pool) -> Vec<u64> {
    pool.best(BlockRoom::of(usize::MAX)).iter().map(|tx| tx.nonce()).collect()
}

fn counts(pool: &Pool) -> (usize, usize) {
    let PoolStatus { pending, queued, .. } = pool.status();
    (pending, queued)
}

fn refusal(pool: &mut Pool, tx: PooledTransaction) -> String {
    insert(pool, tx).unwrap_err().to_string()
}

fn hashes(txs: &[PooledTransaction]) -> Vec<B256> {
    let mut hashes: Vec<B256> = txs.iter().map(PooledTransaction::hash).collect();
    hashes.sort_unstable();
    hashes
}

fn sorted(mut hashes: Vec<B256>) -> Vec<B256> {
    hashes.sort_unstable();
    hashes
}

#[test]
fn used_nonces_are_refused() {
    let (mut pool, state) = pool(PoolLimits::default());
    state.set(0, 5, U256::MAX);
    let error = insert(&mut pool, Spec::new(0, 4, 1).signed()).unwrap_err();
    assert_eq!(error.to_string(), "nonce too low: next nonce 5, tx nonce 4");
    assert!(!error.is_temporary() && !error.is_malformed());
    insert(&mut pool, Spec::new(0, 5, 1).signed()).unwrap();
}

#[test]
fn transactions_behind_a_gap_wait_until_it_closes() {
    let (mut pool, _state) = pool(PoolLimits::default());
    for nonce in [0, 1, 3, 4] {
        insert(&mut pool, Spec::new(0, nonce, 1).signed()).unwrap();
    }
    assert_eq!((nonces(&pool), counts(&pool)), (vec![0, 1], (2, 2)));
    assert_eq!(pool.next_nonce(key(0).address(), 0), 2);
    let content: Vec<_> =
        pool.of_sender(key(0).address()).map(|(tx, open)| (tx.nonce(), open)).collect();
    assert_eq!(content, [(0, true), (1, true), (3, false), (4, false)]);
    insert(&mut pool, Spec::new(0, 2, 1).signed()).unwrap();
    assert_eq!((nonces(&pool), counts(&pool)), (vec![0, 1, 2, 3, 4], (5, 0)));
    assert_eq!(pool.next_nonce(key(0).address(), 0), 5);
}

#[test]
fn a_block_promotes_and_makes_impossible() {
    let (mut pool, state) = pool(PoolLimits::default());
    let txs = [0, 1, 3].map(|nonce| Spec::new(0, nonce, 1).signed());
    txs.iter().for_each(|tx| drop(insert(&mut pool, tx.clone()).unwrap()));
    // The block has the first, and others of this sender that were never here.
    state.set(0, 3, U256::MAX);
    assert_eq!(pool.commit(&[txs[0].hash()], &[key(0).address()]), [txs[1].hash()]);
    assert_eq!((nonces(&pool), pool.len()), (vec![3], 1));
    assert!(pool.commit(&[], &[key(0).address(), key(1).address()]).is_empty());
    // A block that holds a replaced one says so by its sender.
    state.set(0, 4, U256::MAX);
    assert_eq!(pool.refresh(&[key(0).address()]), [txs[2].hash()]);
    assert!(pool.is_empty() && pool.bytes() == 0 && !pool.has_ready());
}

#[test]
fn costs_add_up_in_nonce_order() {
    let (mut pool, state) = pool(PoolLimits::default());
    let spec = |nonce, value| Spec { fee: 10, value, ..Spec::new(0, nonce, 1) };
    let cost = |value: u64| U256::from(210_000 + value);
    state.set(0, 0, cost(5) + cost(7) + U256::from(1));
    assert_eq!(
        refusal(&mut pool, spec(0, 400_000).signed()),
        "insufficient funds for gas * price + value: balance 420013, queued cost 0, tx cost \
         610000, overshot 189987"
    );
    insert(&mut pool, spec(0, 5).signed()).unwrap();
    insert(&mut pool, spec(1, 8).signed()).unwrap();
    assert_eq!(
        refusal(&mut pool, spec(2, 0).signed()),
        "insufficient funds for gas * price + value: balance 420013, queued cost 420013, tx cost \
         210000, overshot 210000"
    );
    // Instead of the first a dearer one: the second cannot be paid any more and waits.
    let dear = Spec { fee: 12, tip: 2, ..spec(0, 5) }.signed();
    assert!(matches!(insert(&mut pool, dear.clone()).unwrap().kind, InsertKind::Replaced(_)));
    assert_eq!((nonces(&pool), counts(&pool)), (vec![0], (1, 1)));
    assert_eq!(pool.held_back(), [key(0).address()]);
    // It is executed, and somebody sends money.
    state.set(0, 1, cost(8));
    pool.commit(&[dear.hash()], &[]);
    assert_eq!((nonces(&pool), counts(&pool)), (vec![1], (1, 0)));
    // The money goes elsewhere, and comes back.
    state.set(0, 1, U256::from(1));
    assert!(pool.refresh(&[key(0).address()]).is_empty());
    assert_eq!((counts(&pool), pool.has_ready()), ((0, 1), false));
    state.set(0, 1, cost(8));
    let held_back = pool.held_back();
    pool.refresh(&held_back);
    assert!(pool.held_back().is_empty() && pool.has_ready());
}

#[test]
fn the_base_fee_gates() {
    let (mut pool, state) = pool(PoolLimits::default());
    let spec = |sender, nonce, fee| Spec { fee, ..Spec::new(sender, nonce, 1) };
    state.set_base_fee(100);
    pool.update_base_fee();
    let text = refusal(&mut pool, spec(0, 0, 99).signed());
    assert!(text.starts_with("max fee per gas less than block base fee: address 0x"), "{text}");
    assert!(text.ends_with(", maxFeePerGas: 99, baseFee: 100"), "{text}");
    for (sender, nonce, fee) in [(0, 0, 100), (0, 1, 500), (1, 0, 120)] {
        insert(&mut pool, spec(sender, nonce, fee).signed()).unwrap();
    }
    assert_eq!(nonces(&pool).len(), 3);
    // What is here waits for a lower base fee, and holds back what is behind it.
    for (base_fee, open) in [(110, 1), (121, 0), (100, 3)] {
        state.set_base_fee(base_fee);
        pool.update_base_fee();
        assert_eq!((nonces(&pool).len(), pool.has_ready()), (open, open > 0));
        assert_eq!(counts(&pool), (3, 0));
    }
}

#[test]
fn what_no_block_can_take_gets_old() {
    let limits = PoolLimits { lifetime: Duration::from_secs(10), ..PoolLimits::default() };
    let (mut pool, state) = pool(limits);
    let spec = |sender, nonce, fee| Spec { fee, ..Spec::new(sender, nonce, 1) }.signed();
    let at = Duration::from_secs;
    let [good, gapped, cheap, behind] =
        [spec(0, 0, 900), spec(1, 1, 900), spec(2, 0, 50), spec(2, 1, 900)];
    for (tx, second) in [(&good, 0), (&gapped, 0), (&cheap, 5), (&behind, 0)] {
        pool.insert(tx.clone(), at(second)).unwrap();
    }
    state.set_base_fee(60);
    pool.update_base_fee();
    assert!(pool.expire(at(10)).is_empty());
    assert_eq!(sorted(pool.expire(at(11))), hashes(&[gapped, behind]));
    assert_eq!(pool.expire(at(100)), [cheap.hash()]);
    assert_eq!(pool.len(), 1);
    assert!(pool.contains(&good.hash()));
}

#[test]
fn an_almost_full_pool_refuses_what_nobody_can_include() {
    let (mut pool, _state) = pool(PoolLimits { max_transactions: 10, ..PoolLimits::default() });
    for sender in 0..8 {
        insert(&mut pool, Spec::new(sender, 0, 1).signed()).unwrap();
    }
    insert(&mut pool, Spec::new(8, 1, 1).signed()).unwrap();
    assert_eq!(insert(&mut pool, Spec::new(9, 1, 9).signed()), Err(PoolError::Full));
    insert(&mut pool, Spec::new(9, 0, 1).signed()).unwrap();
}

#[test]
fn shares_of_a_sender() {
    let limits =
        PoolLimits { max_per_sender: 2, max_queued_per_sender: 1, ..PoolLimits::default() };
    let (mut pool, _state) = pool(limits);
    for nonce in [0, 1] {
        insert(&mut pool, Spec::new(0, nonce, 1).signed()).unwrap();
    }
    let next = insert(&mut pool, Spec::new(0, 2, 1).signed());
    assert_eq!(next, Err(PoolError::AccountLimit { limit: 2 }));
    insert(&mut pool, Spec::new(0, 3, 1).signed()).unwrap();
    let gapped = insert(&mut pool, Spec::new(0, 5, 1).signed());
    assert_eq!(gapped, Err(PoolError::AccountLimit { limit: 1 }));
}

#[test]
fn in_a_full_pool_the_waiting_leave_first_and_then_what_exceeds_the_guarantee() {
    let limits =
        PoolLimits { max_transactions: 6, guaranteed_per_sender: 2, ..PoolLimits::default() };
    let (mut pool, _state) = pool(limits);
    let run: Vec<_> = (0..4).map(|nonce| Spec::new(0, nonce, 50).signed()).collect();
    run.iter().for_each(|tx| drop(insert(&mut pool, tx.clone()).unwrap()));
    let waiting = Spec::new(1, 7, 90).signed();
    insert(&mut pool, waiting.clone()).unwrap();
    insert(&mut pool, Spec::new(2, 0, 9).signed()).unwrap();
    // However cheap, a sender's first ones have room.
    let mut evicted = Vec::new();
    for sender in 3..6 {
        evicted.extend(insert(&mut pool, Spec::new(sender, 0, 1).signed()).unwrap().evicted);
    }
    assert_eq!(evicted, [waiting.hash(), run[3].hash(), run[2].hash()]);
    // Between those, tips decide; what waits moves nobody.
    assert_eq!(insert(&mut pool, Spec::new(6, 0, 1).signed()), Err(PoolError::Full));
    assert!(insert(&mut pool, Spec::new(6, 0, 2).signed()).is_ok());
    assert_eq!(insert(&mut pool, Spec::new(7, 1, 99).signed()), Err(PoolError::Full));
    assert_eq!(counts(&pool), (6, 0));
}

#[test]
fn a_state_that_cannot_be_read_refuses_and_loses_nothing() {
    let (mut pool, state) = pool(PoolLimits::default());
    let first = Spec::new(0, 0, 1).signed();
    insert(&mut pool, first.clone()).unwrap();
    state.set_broken(true);
    let error = insert(&mut pool, Spec::new(0, 1, 1).signed()).unwrap_err();
    assert_eq!(error.to_string(), "the state cannot be read: disk");
    assert!(error.is_temporary());
    assert!(pool.commit(&[], &[key(0).address()]).is_empty());
    assert_eq!(pool.held_back(), [key(0).address()]);
    state.set_broken(false);
    state.set(0, 1, U256::MAX);
    let held_back = pool.held_back();
    assert_eq!(pool.refresh(&held_back), [first.hash()]);
}

#[test]
fn what_comes_from_the_journal_is_judged_when_the_state_is_there() {
    let (mut pool, state) = pool(PoolLimits { min_tip: 5, ..PoolLimits::default() });
    state.set_broken(true);
    state.set_base_fee(1_000);
    pool.update_base_fee();
    let txs: Vec<_> =
        (3..7).map(|nonce| Spec { fee: 10, ..Spec::new(0, nonce, 1) }.signed()).collect();
    for tx in &txs {
        pool.restore(tx.clone(), Duration::ZERO).unwrap();
    }
    assert_eq!(counts(&pool), (0, 4));
    state.set_broken(false);
    state.set_base_fee(1);
    state.set(0, 5, U256::MAX);
    pool.update_base_fee();
    let senders: Vec<Address> = pool.senders().collect();
    assert_eq!(sorted(pool.refresh(&senders)), hashes(&txs[..2]));
    assert_eq!(nonces(&pool), [5, 6]);
}

#[test]
fn a_block_is_not_given_more_than_its_gas() {
    let (mut pool, _state) = pool(PoolLimits::default());
    for (sender, input) in [(0, 0), (1, 100), (2, 0)] {
        insert(&mut pool, Spec { input, ..Spec::new(sender, 0, 9 - u128::from(sender)) }.signed())
            .unwrap();
    }
    let senders = |gas| -> Vec<Address> {
        let room = BlockRoom { gas, ..BlockRoom::of(9) };
        pool.best(room).iter().map(|tx| tx.sender()).collect()
    };
    let [a, b, c] = [0, 1, 2].map(|index| key(index).address());
    assert_eq!(senders(65_000), [a, b, c]);
    assert_eq!(senders(43_000), [a, c]);
    assert_eq!(senders(21_000), [a]);
    assert!(senders(20_999).is_empty());
}

#[test]
fn the_last_usable_nonce_is_no_special_case() {
    let (mut pool, state) = pool(PoolLimits::default());
    state.set(0, u64::MAX - 1, U256::MAX);
    insert(&mut pool, Spec::new(0, u64::MAX - 1, 1).signed()).unwrap();
    assert_eq!(nonces(&pool), [u64::MAX - 1]);
    assert_eq!(pool.next_nonce(key(0).address(), u64::MAX - 1), u64::MAX);
}
