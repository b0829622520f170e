//! What a pool takes.

use ande_pool::{BlockRoom, InsertKind, Inserted, PoolError, PoolLimits};
use proptest::prelude::*;

use crate::transactions::{Spec, insert, pool};

fn inserted(kind: InsertKind) -> Result<Inserted, PoolError> {
    Ok(Inserted { kind, evicted: Vec::new() })
}

#[test]
fn a_duplicate_is_success_and_changes_nothing() {
    let mut pool = pool(PoolLimits::default());
    let tx = Spec::new(0, 0, 1).signed();
    assert_eq!(insert(&mut pool, tx.clone()), inserted(InsertKind::New));
    let before = pool.status();
    assert_eq!(insert(&mut pool, tx.clone()), inserted(InsertKind::Duplicate));
    assert_eq!(pool.status(), before);
    assert_eq!((pool.len(), pool.bytes()), (1, tx.size()));
    assert_eq!(pool.get(&tx.hash()).unwrap().raw(), tx.raw());
}

#[test]
fn a_duplicate_is_success_even_in_a_full_pool() {
    let mut pool = pool(PoolLimits { max_transactions: 1, ..PoolLimits::default() });
    let tx = Spec::new(0, 0, 1).signed();
    insert(&mut pool, tx.clone()).unwrap();
    assert_eq!(insert(&mut pool, tx), inserted(InsertKind::Duplicate));
}

#[test]
fn a_replacement_raises_fee_and_tip_by_a_tenth() {
    let spec = |tip, fee| Spec { tip, fee, ..Spec::new(0, 5, 0) };
    let old = spec(100, 1_000).signed();
    for (tip, fee) in [(109, 1_100), (110, 1_099), (100, 2_000), (200, 1_000), (1, 1_000)] {
        let mut pool = pool(PoolLimits::default());
        insert(&mut pool, old.clone()).unwrap();
        let error = insert(&mut pool, spec(tip, fee).signed()).unwrap_err();
        assert_eq!(error.to_string(), "replacement transaction underpriced");
        assert!(pool.contains(&old.hash()));
    }
    let mut pool = pool(PoolLimits::default());
    insert(&mut pool, old.clone()).unwrap();
    let new = spec(110, 1_100).signed();
    assert_eq!(insert(&mut pool, new.clone()), inserted(InsertKind::Replaced(old.hash())));
    assert!(!pool.contains(&old.hash()));
    assert_eq!((pool.len(), pool.bytes()), (1, new.size()));
}

#[test]
fn free_transactions_are_replaced_by_paid_ones_only() {
    let mut pool = pool(PoolLimits::default());
    insert(&mut pool, Spec { fee: 0, ..Spec::new(0, 0, 0) }.signed()).unwrap();
    let same = Spec { fee: 0, input: 1, ..Spec::new(0, 0, 0) };
    assert_eq!(insert(&mut pool, same.signed()), Err(PoolError::ReplacementUnderpriced));
    let paid = Spec { fee: 1, tip: 1, ..same };
    assert!(matches!(
        insert(&mut pool, paid.signed()),
        Ok(Inserted { kind: InsertKind::Replaced(_), .. })
    ));
}

proptest! {
    /// The rule in exact arithmetic, up to the largest fees there are.
    #[test]
    fn the_price_bump_does_not_overflow(old in any::<u128>(), shift in 0u32..128, add in 0u128..40) {
        let old = old >> shift;
        let new = old.saturating_add(old / 10).saturating_add(add).saturating_sub(20);
        let mut pool = pool(PoolLimits::default());
        insert(&mut pool, Spec { fee: old, tip: old, ..Spec::new(0, 0, 0) }.signed()).unwrap();
        let result = insert(&mut pool, Spec { fee: new, tip: new, input: 1, ..Spec::new(0, 0, 0) }.signed());
        // old * 110 / 100 without overflow: old + old / 10, floors agree. Above u128 only its maximum will do.
        let enough = new > old && new >= old.saturating_add(old / 10);
        prop_assert_eq!(result.is_ok(), enough, "{} after {}", new, old);
    }
}

#[test]
fn a_sender_has_a_share() {
    let mut pool = pool(PoolLimits { max_per_sender: 3, ..PoolLimits::default() });
    for nonce in 0..3 {
        insert(&mut pool, Spec::new(0, nonce, 1).signed()).unwrap();
    }
    let error = insert(&mut pool, Spec::new(0, 3, 100).signed()).unwrap_err();
    assert_eq!(error, PoolError::AccountLimit { limit: 3 });
    assert!(error.is_temporary());
    // Others, and replacements of one's own, still go in.
    insert(&mut pool, Spec::new(1, 0, 1).signed()).unwrap();
    insert(&mut pool, Spec { fee: 2_000_000, ..Spec::new(0, 1, 2) }.signed()).unwrap();
}

#[test]
fn gas_above_a_block_and_tips_below_the_minimum_are_refused() {
    let tx = Spec::new(0, 0, 4).signed();
    let mut narrow = pool(PoolLimits { block_gas_limit: 20_999, ..PoolLimits::default() });
    let error = insert(&mut narrow, tx.clone()).unwrap_err();
    assert_eq!(error.to_string(), "exceeds block gas limit: gas 21000, limit 20999");
    assert!(!error.is_temporary());
    let mut dear = pool(PoolLimits { min_tip: 5, ..PoolLimits::default() });
    let error = insert(&mut dear, tx).unwrap_err();
    assert_eq!(error.to_string(), "transaction underpriced: gas tip cap 4, minimum needed 5");
}

#[test]
fn included_transactions_leave() {
    let mut pool = pool(PoolLimits::default());
    let txs: Vec<_> = (0..4).map(|nonce| Spec::new(0, nonce, 1).signed()).collect();
    txs.iter().for_each(|tx| drop(insert(&mut pool, tx.clone()).unwrap()));
    let unknown = Spec::new(9, 0, 1).signed().hash();
    assert_eq!(pool.remove_included(&[txs[1].hash(), unknown, txs[3].hash(), txs[1].hash()]), 2);
    assert_eq!(pool.len(), 2);
    assert!(!pool.is_empty());
    assert_eq!(pool.remove_included(&[txs[0].hash(), txs[2].hash()]), 2);
    assert!(pool.is_empty());
    assert_eq!(pool.bytes(), 0);
    assert_eq!(pool.iter().count(), 0);
    assert!(pool.best(BlockRoom::of(10)).is_empty());
}
