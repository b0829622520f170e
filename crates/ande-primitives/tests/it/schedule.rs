//! What the proposer schedule promises.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use ande_primitives::{Committee, Epoch, Height, ScheduleMode, ScheduleRules, Skip, Term, Window};
use proptest::{collection::vec, prelude::*};

use crate::{generate::weighted_committee, generators as any};

fn weights() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![vec(1u64..=1, 1..12), vec(1u64..1_000, 1..12), vec(1u64..1 << 50, 1..12),]
}

/// A committee with these weights; schedules do not look at keys.
fn members(weights: &[u64]) -> Committee {
    any::committee(weights)
}

fn rules(mode: ScheduleMode, interval: u32, windows: u32) -> ScheduleRules {
    ScheduleRules::new(mode, interval, windows, 10).unwrap()
}

/// Proposer of each window of an epoch when nobody is skipped.
fn epoch_of(rules: &ScheduleRules, members: &Committee, seed: B256, epoch: u64) -> Vec<usize> {
    let start = rules.epoch_start(Epoch(epoch)).0;
    (0..u64::from(rules.windows_per_epoch()))
        .map(|window| {
            let height = Height(start + window * u64::from(rules.rotation_interval()));
            rules.proposer_index(members, seed, height, Skip(0))
        })
        .collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The definition, searched instead of computed.
fn step(windows: u64) -> u64 {
    let target = windows * 89 / 144;
    (1..=windows)
        .filter(|step| gcd(*step, windows) == 1)
        .min_by_key(|step| (step.abs_diff(target), *step))
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_epoch_gives_everyone_its_exact_quota(
        weights in weights(), windows in 1u32..200, epoch in 0u64..1_000, seed in any::hash(),
    ) {
        let members = members(&weights);
        let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
        for mode in [ScheduleMode::RoundRobin, ScheduleMode::Weighted] {
            let dealt = epoch_of(&rules(mode, 3, windows), &members, seed, epoch);
            for (index, weight) in weights.iter().enumerate() {
                let count = dealt.iter().filter(|dealt| **dealt == index).count() as u128;
                let (share, whole) = match mode {
                    ScheduleMode::RoundRobin => (1, weights.len() as u128),
                    ScheduleMode::Weighted => (u128::from(*weight), total),
                };
                let exact = share * u128::from(windows);
                prop_assert!(
                    count == exact / whole || count == exact.div_ceil(whole),
                    "{mode:?}: {count} windows for {exact}/{whole}"
                );
            }
        }
    }

    #[test]
    fn as_many_skips_as_members_visit_everyone(
        n in 1u32..=256, height in any::wide(), first in 0u32..1_000_000, seed in any::hash(),
    ) {
        let members = weighted_committee(seed, n, 1_000);
        for mode in [ScheduleMode::RoundRobin, ScheduleMode::Weighted] {
            let rules = rules(mode, 100, 72);
            let visited: BTreeSet<usize> = (first..first + n)
                .map(|skip| rules.proposer_index(&members, seed, Height(height), Skip(skip)))
                .collect();
            prop_assert_eq!(visited.len(), n as usize);
        }
    }

    #[test]
    fn below_38_percent_nobody_has_two_windows_in_a_row(
        weights in vec(1u64..1_000_000, 3..12), windows in 3u32..200, seed in any::hash(),
    ) {
        let members = members(&weights);
        let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
        let a = step(u64::from(windows));
        let jump = u128::from(a.min(u64::from(windows) - a));
        let dealt = epoch_of(&rules(ScheduleMode::Weighted, 1, windows), &members, seed, 5);
        for pair in dealt.windows(2) {
            let weight = u128::from(weights[pair[0]]);
            // Rounding moves each of the two points by less than 1.
            if (weight + 1) * u128::from(windows) < jump * total {
                prop_assert_ne!(pair[0], pair[1]);
            }
        }
    }

    #[test]
    fn round_robin_never_repeats_within_a_round(
        n in 2usize..20, windows in 2u32..200, seed in any::hash(),
    ) {
        let members = members(&vec![1; n]);
        let dealt = epoch_of(&rules(ScheduleMode::RoundRobin, 1, windows), &members, seed, 1);
        for pair in dealt.windows(2) {
            prop_assert_eq!(pair[1], (pair[0] + 1) % n);
        }
    }

    #[test]
    fn a_window_has_one_proposer_per_skip(
        n in 1u32..20, interval in 1u32..50, window in 0u64..10_000, skip in any::<u32>(),
        seed in any::hash(),
    ) {
        let members = weighted_committee(seed, n, 1_000);
        let rules = rules(ScheduleMode::Weighted, interval, 7);
        let start = rules.window_start(Window(window)).0;
        let proposers: BTreeSet<usize> = (start..start + u64::from(interval))
            .map(|height| rules.proposer_index(&members, seed, Height(height), Skip(skip)))
            .collect();
        prop_assert_eq!(proposers.len(), 1);
    }

    /// Numbers no chain reaches still give a member and no overflow.
    #[test]
    fn every_input_has_a_proposer(
        weights in weights(), rules in any::rules(), height in any::<u64>(), skip in any::<u32>(),
        seed in any::hash(),
    ) {
        let members = members(&weights);
        prop_assert!(
            rules.proposer_index(&members, seed, Height(height), Skip(skip)) < members.size()
        );
        let height = Height(height);
        let window = rules.window_of(height);
        prop_assert!(rules.window_start(window) <= height);
        prop_assert!(rules.epoch_start(rules.epoch_of(height)) <= height);
    }

    #[test]
    fn terms_only_grow(a in (any::wide(), any::wide32()), b in (any::wide(), any::wide32())) {
        let term = |(window, skip): (u64, u32)| Term::new(Window(window), Skip(skip));
        if a <= b {
            prop_assert!(term(a) <= term(b));
        }
        if a.0 < 1 << 48 && a.1 < 1 << 16 {
            prop_assert_eq!((term(a).window().0, term(a).skip().0), a);
        }
    }
}

/// A pair that a saturation of each part on its own gets wrong.
#[test]
fn a_window_beyond_the_last_never_lowers_the_term() {
    let term = |window, skip| Term::new(Window(window), Skip(skip));
    assert!(term(9_007_199_254_740_960, 15_728_640) <= term(144_115_188_075_855_376, 0));
    assert!(term((1 << 48) - 1, u32::MAX) <= term(1 << 48, 0));
}

#[test]
fn the_step_of_the_production_epoch_is_43() {
    assert_eq!(step(72), 43);
}

#[test]
fn heights_windows_and_epochs_fit_together() {
    let rules = rules(ScheduleMode::RoundRobin, 100, 6);
    assert_eq!(rules.epoch_length(), 600);
    for (height, window, epoch) in
        [(0, 0, 0), (1, 0, 0), (99, 0, 0), (100, 1, 0), (599, 5, 0), (600, 6, 1), (1_199, 11, 1)]
    {
        assert_eq!(rules.window_of(Height(height)), Window(window), "height {height}");
        assert_eq!(rules.epoch_of(Height(height)), Epoch(epoch), "height {height}");
    }
    assert_eq!(rules.epoch_start(Epoch(2)), Height(1_200));
    assert_eq!(rules.window_start(Window(3)), Height(300));
}

#[test]
fn the_skip_count_starts_again_with_every_window() {
    let rules = rules(ScheduleMode::RoundRobin, 100, 6);
    let base = |parent, height| rules.skip_base(Height(parent), Skip(3), Height(height));
    assert_eq!(base(198, 199), Skip(3));
    assert_eq!(base(199, 200), Skip(0));
    assert_eq!(base(200, 201), Skip(3));
}
