//! Who leaves a full pool.

use ande_pool::{InsertKind, Inserted, Pool, PoolError, PoolLimits};

use crate::transactions::{Spec, insert, pool};

fn full_at(max_transactions: usize) -> Pool {
    pool(PoolLimits { max_transactions, ..PoolLimits::default() })
}

#[test]
fn the_cheapest_leaves_for_a_dearer_one() {
    let mut pool = full_at(3);
    let [a, b, c] = [(0, 5), (1, 3), (2, 4)].map(|(s, tip)| Spec::new(s, 0, tip).signed());
    for tx in [&a, &b, &c] {
        insert(&mut pool, tx.clone()).unwrap();
    }
    let new = Spec::new(3, 0, 6).signed();
    assert_eq!(
        insert(&mut pool, new.clone()),
        Ok(Inserted { kind: InsertKind::New, evicted: vec![b.hash()] })
    );
    assert!(!pool.contains(&b.hash()));
    assert_eq!(pool.len(), 3);
}

#[test]
fn nobody_leaves_for_an_equal_or_cheaper_one() {
    let mut pool = full_at(2);
    for sender in 0..2 {
        insert(&mut pool, Spec::new(sender, 0, 5).signed()).unwrap();
    }
    let error = insert(&mut pool, Spec::new(3, 0, 5).signed()).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.is_temporary()), ("txpool is full", true));
    let error = insert(&mut pool, Spec::new(3, 0, 4).signed()).unwrap_err();
    assert_eq!(error, PoolError::Underpriced { tip: 4, needed: 6 });
    assert_eq!(pool.len(), 2);
}

#[test]
fn backlogs_make_room_for_senders_that_have_less_waiting() {
    let mut pool = full_at(4);
    let backlog: Vec<_> = (0..4).map(|nonce| Spec::new(0, nonce, 5).signed()).collect();
    backlog.iter().for_each(|tx| drop(insert(&mut pool, tx.clone()).unwrap()));
    let inserted = insert(&mut pool, Spec::new(1, 0, 5).signed()).unwrap();
    assert_eq!(inserted.evicted, [backlog[3].hash()]);
    let inserted = insert(&mut pool, Spec::new(1, 1, 5).signed()).unwrap();
    assert_eq!(inserted.evicted, [backlog[2].hash()]);
    // Now both have as much, and less than the tip buys nothing.
    assert_eq!(insert(&mut pool, Spec::new(1, 2, 5).signed()), Err(PoolError::Full));
    let error = insert(&mut pool, Spec::new(2, 0, 4).signed()).unwrap_err();
    assert_eq!(error, PoolError::Underpriced { tip: 4, needed: 6 });
}

#[test]
fn of_equals_the_latest_leaves() {
    let mut pool = full_at(2);
    let [early, late] = [0, 1].map(|sender| Spec::new(sender, 0, 1).signed());
    insert(&mut pool, early.clone()).unwrap();
    insert(&mut pool, late.clone()).unwrap();
    let inserted = insert(&mut pool, Spec::new(2, 0, 2).signed()).unwrap();
    assert_eq!(inserted.evicted, [late.hash()]);
}

#[test]
fn a_chain_of_nonces_is_shortened_from_its_end() {
    let mut pool = full_at(4);
    // The cheapest is in the middle; taking it would strand the ones behind it.
    let chain = [(0, 9), (1, 1), (2, 7)].map(|(nonce, tip)| Spec::new(0, nonce, tip).signed());
    chain.iter().for_each(|tx| drop(insert(&mut pool, tx.clone()).unwrap()));
    let other = Spec::new(1, 0, 8).signed();
    insert(&mut pool, other.clone()).unwrap();
    let inserted = insert(&mut pool, Spec::new(2, 0, 8).signed()).unwrap();
    assert_eq!(inserted.evicted, [chain[2].hash()]);
    // Now the cheap one is the end.
    let inserted = insert(&mut pool, Spec::new(3, 0, 8).signed()).unwrap();
    assert_eq!(inserted.evicted, [chain[1].hash()]);
}

#[test]
fn nobody_pays_for_own_room() {
    let mut pool = full_at(2);
    insert(&mut pool, Spec::new(0, 0, 1).signed()).unwrap();
    insert(&mut pool, Spec::new(0, 1, 1).signed()).unwrap();
    assert_eq!(insert(&mut pool, Spec::new(0, 2, 9).signed()), Err(PoolError::Full));
}

#[test]
fn a_large_one_moves_as_many_as_it_needs_or_none() {
    let small = Spec::new(0, 0, 0).signed().size();
    let limits = PoolLimits { max_bytes: small * 5, ..PoolLimits::default() };
    let filled = || {
        let mut pool = pool(limits.clone());
        let tips = [1, 2, 3, 4];
        let txs: Vec<_> =
            (0..).zip(tips).map(|(sender, tip)| Spec::new(sender, 0, tip).signed()).collect();
        txs.iter().for_each(|tx| drop(insert(&mut pool, tx.clone()).unwrap()));
        (pool, txs)
    };
    let large = |tip| Spec { input: small, ..Spec::new(9, 0, tip) }.signed();
    let need = large(9).size();
    assert!(need > 2 * small && need < 3 * small, "{need} against {small}");

    let (mut pool, txs) = filled();
    let inserted = insert(&mut pool, large(9)).unwrap();
    assert_eq!(inserted.evicted, [txs[0].hash(), txs[1].hash()]);
    assert!(pool.bytes() <= limits.max_bytes);

    // The second victim is not cheaper, so the first stays too.
    let (mut pool, txs) = filled();
    let before = pool.bytes();
    assert_eq!(insert(&mut pool, large(2)), Err(PoolError::Full));
    assert_eq!((pool.len(), pool.bytes()), (4, before));
    assert!(txs.iter().all(|tx| pool.contains(&tx.hash())));
}

#[test]
fn a_replacement_that_finds_no_room_leaves_the_old_one() {
    let old = Spec::new(0, 0, 10).signed();
    let rich = Spec::new(1, 0, 1_000).signed();
    let small = old.size();
    let max_bytes = small + rich.size();
    let mut pool = pool(PoolLimits { max_bytes, ..PoolLimits::default() });
    insert(&mut pool, old.clone()).unwrap();
    insert(&mut pool, rich.clone()).unwrap();
    let bigger = Spec { fee: 2_000_000, input: small, ..Spec::new(0, 0, 100) };
    assert!(matches!(insert(&mut pool, bigger.signed()), Err(PoolError::Underpriced { .. })));
    assert!(pool.contains(&old.hash()) && pool.contains(&rich.hash()));
    // With the tip to pay for it, the other one makes room and the old one is replaced.
    let paid = Spec { fee: 4_000_000, tip: 2_000, ..bigger };
    let inserted = insert(&mut pool, Spec { input: 10, ..paid }.signed()).unwrap();
    assert_eq!(inserted.kind, InsertKind::Replaced(old.hash()));
    assert_eq!(inserted.evicted, [rich.hash()]);
}
