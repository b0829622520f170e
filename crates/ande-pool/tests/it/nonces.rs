//! With a chain that knows nonces.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use alloy_primitives::Address;
use ande_pool::{NonceSource, Pool, PoolError, PoolLimits, PoolStatus};

use crate::transactions::{Spec, key};

/// Next nonces, set by the test; 0 for everybody else.
#[derive(Debug, Default)]
struct Known(Mutex<HashMap<Address, u64>>);

impl NonceSource for Known {
    fn next_nonce(&self, sender: Address) -> Option<u64> {
        Some(self.0.lock().unwrap().get(&sender).copied().unwrap_or(0))
    }
}

impl Known {
    fn set(&self, sender: u8, nonce: u64) {
        self.0.lock().unwrap().insert(key(sender).address(), nonce);
    }
}

fn pool(limits: PoolLimits) -> (Pool, Arc<Known>) {
    let known = Arc::new(Known::default());
    (Pool::new(limits, Arc::clone(&known) as Arc<dyn NonceSource>), known)
}

fn nonces(pool: &Pool) -> Vec<u64> {
    pool.best(usize::MAX, usize::MAX).iter().map(|tx| tx.nonce()).collect()
}

#[test]
fn used_nonces_are_refused() {
    let (mut pool, known) = pool(PoolLimits::default());
    known.set(0, 5);
    let error = pool.insert(Spec::new(0, 4, 1).signed()).unwrap_err();
    assert_eq!(error.to_string(), "nonce too low: next nonce 5, tx nonce 4");
    assert!(!error.is_temporary());
    pool.insert(Spec::new(0, 5, 1).signed()).unwrap();
}

#[test]
fn transactions_behind_a_gap_wait_until_it_closes() {
    let (mut pool, _known) = pool(PoolLimits::default());
    for nonce in [0, 1, 3, 4] {
        pool.insert(Spec::new(0, nonce, 1).signed()).unwrap();
    }
    assert_eq!(nonces(&pool), [0, 1]);
    let bytes = pool.bytes();
    assert_eq!(pool.status(), PoolStatus { pending: 2, queued: 2, bytes });
    pool.insert(Spec::new(0, 2, 1).signed()).unwrap();
    assert_eq!(nonces(&pool), [0, 1, 2, 3, 4]);
    assert_eq!((pool.status().pending, pool.status().queued), (5, 0));
}

#[test]
fn the_chain_moving_on_promotes_and_makes_stale() {
    let (mut pool, known) = pool(PoolLimits::default());
    let txs: Vec<_> = [0, 1, 3].map(|nonce| Spec::new(0, nonce, 1).signed()).to_vec();
    txs.iter().for_each(|tx| drop(pool.insert(tx.clone()).unwrap()));
    known.set(0, 3);
    assert_eq!(nonces(&pool), [3]);
    let mut stale = pool.remove_stale();
    stale.sort_unstable();
    let mut expected = vec![txs[0].hash(), txs[1].hash()];
    expected.sort_unstable();
    assert_eq!(stale, expected);
    assert_eq!(pool.len(), 1);
    assert!(pool.remove_stale().is_empty());
}

#[test]
fn an_almost_full_pool_refuses_what_nobody_can_include() {
    let limits = PoolLimits { max_transactions: 10, ..PoolLimits::default() };
    let (mut pool, _known) = pool(limits);
    for sender in 0..8 {
        pool.insert(Spec::new(sender, 0, 1).signed()).unwrap();
    }
    pool.insert(Spec::new(8, 1, 1).signed()).unwrap();
    assert_eq!(pool.insert(Spec::new(9, 1, 9).signed()), Err(PoolError::Full));
    pool.insert(Spec::new(9, 0, 1).signed()).unwrap();
}

#[test]
fn the_last_usable_nonce_is_no_special_case() {
    let (mut pool, known) = pool(PoolLimits::default());
    known.set(0, u64::MAX - 1);
    pool.insert(Spec::new(0, u64::MAX - 1, 1).signed()).unwrap();
    assert_eq!(nonces(&pool), [u64::MAX - 1]);
}
