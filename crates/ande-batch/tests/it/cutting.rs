//! Where batches end.

use alloy_primitives::{Address, B256, keccak256};
use ande_batch::{
    BatchError, BatchLimits, BatchTip, Built, ContentError, MAX_BATCH_TRANSACTIONS, build,
    derive_header,
};
use ande_primitives::{Commit, Epoch, Height, MAX_SKIP_RECORDS, decode_skip_records};
use proptest::{collection::vec, prelude::*};

use crate::chain::{self, EPOCH_LENGTH, INTERVAL, Recipe, chain_certified, content, genesis, set};

/// All batches of a chain.
fn cut(commits: &[Commit], limits: &BatchLimits) -> Vec<Built> {
    let (mut tip, mut from, mut batches) = (genesis(), 0, Vec::new());
    while from < commits.len() {
        let set = set(commits[from].block.header.epoch.0);
        let built = build(&tip, &commits[from..], &set, Address::ZERO, limits).unwrap();
        from = built.header.end_height.0 as usize;
        tip = BatchTip::from(&built.header);
        batches.push(built);
    }
    batches
}

/// Bytes that do not compress.
fn noise(label: u64, bytes: usize) -> Vec<u8> {
    (0..bytes.div_ceil(32) as u64)
        .flat_map(|part| keccak256([label.to_be_bytes(), part.to_be_bytes()].concat()).0)
        .take(bytes)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_batch_obeys_every_limit_and_together_they_are_the_chain(
        recipes in vec(chain::recipe(), 1..150), max_blocks in 1usize..60,
        max_data_bytes in 3_000usize..20_000, loud in any::<bool>(),
    ) {
        let mut recipes = recipes;
        if loud {
            for (recipe, label) in recipes.iter_mut().zip(0..) {
                recipe.transactions.push(noise(label, 300));
            }
        }
        let commits = chain_certified(&recipes, |_| false);
        let limits = BatchLimits { max_blocks, max_data_bytes };
        let (mut tip, mut due) = (genesis(), 1);
        for built in cut(&commits, &limits) {
            let header = built.header;
            prop_assert_eq!(header.start_height, Height(due));
            prop_assert!(header.end_height >= header.start_height);
            prop_assert_eq!(header.parent_batch_hash, tip.hash);
            prop_assert_eq!(header.batch_index, tip.index + 1);
            prop_assert!(header.term >= tip.term);
            prop_assert_eq!(Epoch(header.start_height.0 / EPOCH_LENGTH), header.epoch);
            prop_assert_eq!(Epoch(header.end_height.0 / EPOCH_LENGTH), header.epoch);
            prop_assert!(built.data.len() <= max_data_bytes);
            prop_assert!((header.end_height.0 - header.start_height.0) < max_blocks as u64);
            prop_assert!(decode_skip_records(&built.skips).unwrap().len() <= MAX_SKIP_RECORDS);
            let blocks = &commits[due as usize - 1..header.end_height.0 as usize];
            let derived =
                derive_header(&tip, &content(blocks), &set(header.epoch.0), Address::ZERO);
            prop_assert_eq!(derived, Ok((header, built.skips.to_vec())));
            due = header.end_height.0 + 1;
            tip = BatchTip::from(&header);
        }
        prop_assert_eq!(due as usize, commits.len() + 1);
    }
}

#[test]
fn a_batch_ends_with_its_epoch() {
    let commits = chain_certified(&vec![Recipe::default(); 250], |_| false);
    let ends: Vec<u64> = cut(&commits, &BatchLimits::default())
        .iter()
        .map(|built| built.header.end_height.0)
        .collect();
    // Height 0 is genesis, so the first epoch has one block fewer.
    assert_eq!(ends, [EPOCH_LENGTH - 1, 2 * EPOCH_LENGTH - 1, 250]);
}

#[test]
fn a_batch_ends_before_its_17th_skipped_window() {
    let mut recipes = vec![Recipe::default(); 110];
    for recipe in recipes.iter_mut().step_by(INTERVAL as usize) {
        recipe.skips = 1;
    }
    let commits = chain_certified(&recipes, |_| false);
    let batches = cut(&commits, &BatchLimits::default());
    let counts: Vec<usize> =
        batches.iter().map(|built| decode_skip_records(&built.skips).unwrap().len()).collect();
    // The skip is in the second block of each window; the first block still fits.
    assert_eq!(counts, [MAX_SKIP_RECORDS, 22 - MAX_SKIP_RECORDS]);
    assert_eq!(batches[0].header.end_height.0, u64::from(INTERVAL) * 16);
    let all = content(&commits);
    assert_eq!(
        derive_header(&genesis(), &all, &set(0), Address::ZERO),
        Err(BatchError::TooManySkips(22))
    );
}

#[test]
fn a_batch_uses_most_of_its_bytes() {
    let recipes: Vec<Recipe> = (0..100)
        .map(|label| Recipe { transactions: vec![noise(label, 500)], ..Recipe::default() })
        .collect();
    let commits = chain_certified(&recipes, |_| false);
    let limits = BatchLimits { max_data_bytes: 20_000, ..BatchLimits::default() };
    let built = build(&genesis(), &commits, &set(0), Address::ZERO, &limits).unwrap();
    assert!(built.data.len() > 20_000 - 20_000 / 16 - 700, "{} bytes", built.data.len());
    assert!(built.data.len() <= 20_000);
}

#[test]
fn a_block_that_no_batch_can_hold_is_named() {
    let recipes = [Recipe { transactions: vec![noise(1, 50_000)], ..Recipe::default() }];
    let commits = chain_certified(&recipes, |_| false);
    let limits = BatchLimits { max_data_bytes: 10_000, ..BatchLimits::default() };
    assert!(matches!(
        build(&genesis(), &commits, &set(0), Address::ZERO, &limits),
        Err(BatchError::BlockTooLarge { height: Height(1), limit: 10_000, bytes: 50_000.. })
    ));
}

/// What [`BatchLimits::max_block_transaction_bytes`] promises, with the worst transactions.
#[test]
fn a_block_within_the_promised_size_always_fits() {
    for (max_data_bytes, size) in [(10_000, 100), (100_000, 1_000), (100_000, 60_000)] {
        let limits = BatchLimits { max_data_bytes, ..BatchLimits::default() };
        let mut room = limits.max_block_transaction_bytes(4);
        assert!(room > max_data_bytes * 6 / 10, "{room} of {max_data_bytes}");
        let mut transactions = Vec::new();
        // Each costs up to 4 bytes of RLP.
        while room > 4 {
            let bytes = size.min(room - 4);
            transactions.push(noise(transactions.len() as u64, bytes));
            room -= bytes + 4;
        }
        let recipes = [Recipe { transactions, ..Recipe::default() }];
        let commits = chain::chain(&recipes);
        build(&genesis(), &commits, &set(0), Address::ZERO, &limits).unwrap();
    }
}

#[test]
fn a_batch_has_a_bounded_number_of_transactions() {
    let full = vec![vec![1u8]; 1 << 15];
    let count = MAX_BATCH_TRANSACTIONS / full.len();
    let recipe = Recipe { transactions: full, ..Recipe::default() };
    let commits = chain_certified(&vec![recipe; count + 1], |_| false);
    let built =
        build(&genesis(), &commits, &set(0), Address::ZERO, &BatchLimits::default()).unwrap();
    assert_eq!(built.header.end_height.0 as usize, count);
    assert_eq!(
        content(&commits).check(),
        Err(ContentError::TooMany {
            what: "transactions",
            got: MAX_BATCH_TRANSACTIONS + (1 << 15),
            limit: MAX_BATCH_TRANSACTIONS,
        })
    );
}

#[test]
fn commits_that_do_not_extend_the_tip_are_refused() {
    let commits = chain_certified(&vec![Recipe::default(); 130], |_| false);
    let limits = BatchLimits::default();
    let refused = |tip: &BatchTip, commits: &[Commit], epoch: u64| {
        build(tip, commits, &set(epoch), Address::ZERO, &limits).unwrap_err()
    };
    assert_eq!(refused(&genesis(), &[], 0), ContentError::Empty.into());
    assert_eq!(
        refused(&genesis(), &commits[1..], 0),
        ContentError::NotContiguous { expected: Height(1), got: Height(2) }.into()
    );
    let fork = BatchTip { last_block_hash: B256::ZERO, ..genesis() };
    assert!(matches!(
        refused(&fork, &commits, 0),
        BatchError::Content(ContentError::WrongParent { height: Height(1), .. })
    ));
    assert!(matches!(refused(&genesis(), &commits, 1), BatchError::WrongEpoch { .. }));
    let gap = [commits[0].clone(), commits[2].clone()];
    assert_eq!(
        refused(&genesis(), &gap, 0),
        ContentError::NotContiguous { expected: Height(2), got: Height(3) }.into()
    );
    let end = BatchTip { end_height: Height(u64::MAX), ..genesis() };
    assert!(matches!(
        refused(&end, &commits, 0),
        BatchError::Content(ContentError::NotContiguous { .. })
    ));
}
