//! Order of a block.

use ande_pool::{BlockRoom, Pool, PoolLimits};

use crate::transactions::{Spec, insert, pool};

fn filled(specs: &[Spec]) -> Pool {
    let mut pool = pool(PoolLimits::default());
    specs.iter().for_each(|spec| drop(insert(&mut pool, spec.signed()).unwrap()));
    pool
}

/// (sender, nonce) of the chosen ones.
fn chosen(pool: &Pool, max_transactions: usize, max_bytes: usize) -> Vec<(u8, u64)> {
    pool.best(BlockRoom { bytes: max_bytes, ..BlockRoom::of(max_transactions) })
        .iter()
        .map(|tx| {
            let sender =
                (0..=9).find(|index| crate::transactions::key(*index).address() == tx.sender());
            (sender.unwrap(), tx.nonce())
        })
        .collect()
}

const ALL: usize = usize::MAX;

#[test]
fn tips_fall_between_senders() {
    let pool = filled(&[Spec::new(0, 0, 1), Spec::new(1, 0, 3), Spec::new(2, 0, 2)]);
    assert_eq!(chosen(&pool, ALL, ALL), [(1, 0), (2, 0), (0, 0)]);
}

#[test]
fn nonces_rise_within_a_sender_whatever_the_tips() {
    let pool = filled(&[Spec::new(0, 7, 9), Spec::new(0, 2, 1), Spec::new(1, 0, 5)]);
    assert_eq!(chosen(&pool, ALL, ALL), [(1, 0), (0, 2), (0, 7)]);
}

#[test]
fn of_equal_tips_the_earlier_goes_first() {
    let pool = filled(&[Spec::new(3, 0, 1), Spec::new(1, 0, 1), Spec::new(2, 0, 1)]);
    assert_eq!(chosen(&pool, ALL, ALL), [(3, 0), (1, 0), (2, 0)]);
}

#[test]
fn of_equal_tips_senders_take_turns() {
    let pool = filled(&[
        Spec::new(3, 0, 1),
        Spec::new(3, 1, 1),
        Spec::new(3, 2, 1),
        Spec::new(1, 0, 1),
        Spec::new(1, 1, 1),
        Spec::new(2, 0, 2),
    ]);
    assert_eq!(chosen(&pool, ALL, ALL), [(2, 0), (3, 0), (1, 0), (3, 1), (1, 1), (3, 2)]);
}

#[test]
fn who_has_nothing_waiting_comes_before_the_backlog_of_others() {
    let (mut pool, state) = crate::state::pool(PoolLimits::default());
    let all: Vec<_> = (0..4).flat_map(|nonce| [(0, nonce), (1, nonce)]).collect();
    for (sender, nonce) in &all {
        insert(&mut pool, Spec::new(*sender, *nonce, 1).signed()).unwrap();
    }
    let mut order = Vec::new();
    for (round, latecomer) in [2, 3, 4].into_iter().enumerate() {
        insert(&mut pool, Spec::new(latecomer, 0, 1).signed()).unwrap();
        let block = pool.best(BlockRoom::of(3));
        let places = chosen(&pool, 3, ALL);
        for (sender, nonce) in &places {
            state.set(*sender, nonce + 1, alloy_primitives::U256::MAX);
        }
        order.extend(places);
        let hashes: Vec<_> = block.iter().map(|tx| tx.hash()).collect();
        let senders: Vec<_> = block.iter().map(|tx| tx.sender()).collect();
        assert!(pool.commit(&hashes, &senders).is_empty(), "round {round}");
    }
    // Each latecomer is in the block after it came, and both backlogs move on.
    let expected = [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (1, 1), (4, 0), (0, 2), (1, 2)];
    assert_eq!(order, expected);
}

#[test]
fn counts_and_bytes_are_bounded() {
    let pool = filled(&[
        Spec { input: 500, ..Spec::new(0, 0, 9) },
        Spec::new(0, 1, 9),
        Spec::new(1, 0, 5),
        Spec::new(2, 0, 4),
    ]);
    assert_eq!(chosen(&pool, 2, ALL), [(0, 0), (0, 1)]);
    assert!(chosen(&pool, 0, ALL).is_empty());
    assert!(chosen(&pool, ALL, 0).is_empty());
    // The large one does not fit; its sender waits, the others go on.
    assert_eq!(chosen(&pool, ALL, 400), [(1, 0), (2, 0)]);
}

#[test]
fn choosing_does_not_change_the_pool() {
    let pool = filled(&[Spec::new(0, 0, 1), Spec::new(1, 0, 3)]);
    assert_eq!(pool.best(BlockRoom::of(ALL)), pool.best(BlockRoom::of(ALL)));
    assert_eq!(pool.len(), 2);
}

#[test]
fn fees_below_the_base_fee_wait_and_lower_tips_count() {
    let spec = |sender, tip, fee| Spec { tip, fee, ..Spec::new(sender, 0, 0) };
    let (mut pool, state) = crate::state::pool(PoolLimits::default());
    for spec in [spec(0, 50, 60), spec(1, 10, 1_000), spec(2, 1, 5)] {
        insert(&mut pool, spec.signed()).unwrap();
    }
    let set_base_fee = |pool: &mut Pool, base_fee| {
        state.set_base_fee(base_fee);
        pool.update_base_fee();
    };
    assert_eq!(chosen(&pool, ALL, ALL), [(0, 0), (1, 0), (2, 0)]);
    // Of the first only 5 are left above the base fee, and the third does not cover it.
    set_base_fee(&mut pool, 55);
    assert_eq!(chosen(&pool, ALL, ALL), [(1, 0), (0, 0)]);
    assert_eq!(pool.len(), 3);
    set_base_fee(&mut pool, 0);
    assert_eq!(chosen(&pool, ALL, ALL).len(), 3);
}
