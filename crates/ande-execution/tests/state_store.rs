//! The state store against a model.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod state_common;

use ande_execution::state::{StateError, StateOptions, StateRead as _, StateStore};
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
    genesis(&store, &mut model, &mut random);
    for number in 1..=120 {
        next_block(&store, &mut model, &mut random);
        if number % 40 == 0 {
            drop(store);
            store = StateStore::open(dir.path(), options()).unwrap();
            assert_eq!(store.persisted(), number);
            assert_eq!(store.head().unwrap(), model.block(number));
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
        let receipts = store.receipts(number).unwrap().unwrap();
        assert_eq!(receipts, model.receipts(number));
    }
    assert!(matches!(store.at(121), Err(StateError::Unknown { number: 121, head: 120 })));
    assert!(store.receipts(121).unwrap().is_none());
    assert!(matches!(store.at_head().unwrap().block_hash(121), Err(StateError::Unknown { .. })));
}
