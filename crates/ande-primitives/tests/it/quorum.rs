//! Quorum arithmetic, walked through exhaustively on small numbers.

use ande_primitives::{MAX_TOTAL_WEIGHT, QuorumFraction};

use crate::generators::committee;

#[test]
fn a_quorum_is_strictly_more_than_its_fraction() {
    for (num, den) in [(2u16, 3u16), (1, 2), (3, 4), (9, 10)] {
        let quorum = QuorumFraction { num, den };
        assert!(quorum.is_sound());
        for total in 1..=60u64 {
            for signed in 0..=total {
                let exact = signed as f64 / total as f64 > f64::from(num) / f64::from(den) + 1e-9;
                assert_eq!(quorum.is_reached(signed, total), exact, "{signed} of {total}");
            }
            assert!(quorum.is_reached(total, total), "everybody is a quorum");
        }
    }
}

#[test]
fn two_quorums_share_more_than_a_third() {
    for total in 1..=60u64 {
        for a in 0..=total {
            for b in 0..=total {
                let reached = |w| QuorumFraction::TWO_THIRDS.is_reached(w, total);
                if reached(a) && reached(b) {
                    assert!(3 * (a + b - total) > total, "{a} and {b} of {total}");
                }
            }
        }
    }
}

#[test]
fn the_largest_weights_do_not_overflow() {
    let total = MAX_TOTAL_WEIGHT;
    let quorum = QuorumFraction::TWO_THIRDS;
    assert!(quorum.is_reached(total, total));
    assert!(!quorum.is_reached(total / 3 * 2, total));
    assert!(quorum.is_reached(total / 3 * 2 + 1, total));
    assert!(QuorumFraction { num: 65_534, den: 65_535 }.is_reached(u64::MAX, u64::MAX));
}

#[test]
fn fractions_that_certify_nothing_or_contradictions_are_unsound() {
    for (num, den, sound) in
        [(2, 3, true), (1, 2, true), (1, 3, false), (1, 1, false), (2, 1, false), (0, 0, false)]
    {
        assert_eq!(QuorumFraction { num, den }.is_sound(), sound, "{num}/{den}");
    }
    assert!(!QuorumFraction { num: u16::MAX, den: u16::MAX }.is_sound());
}

#[test]
fn fault_tolerance_of_equal_members_is_a_third() {
    for n in 1..=20usize {
        let tolerated = committee(&vec![100; n]).fault_tolerance(QuorumFraction::TWO_THIRDS);
        assert_eq!(tolerated, (n - 1) / 3, "{n} members");
    }
}

/// The definition: whichever `f` members fail, the rest is a quorum; with `f + 1` it need not be.
#[test]
fn fault_tolerance_is_what_every_choice_of_failures_survives() {
    let weights = [[1u64, 1, 1, 1, 1], [5, 1, 1, 1, 1], [3, 3, 2, 1, 1], [9, 8, 7, 6, 5]];
    for weights in weights {
        let members = committee(&weights);
        let total = members.total_weight();
        let survives = |failed: u32| {
            let lost: u64 = (0..5).filter(|i| failed >> i & 1 == 1).map(|i| weights[i]).sum();
            QuorumFraction::TWO_THIRDS.is_reached(total - lost, total)
        };
        let tolerated = members.fault_tolerance(QuorumFraction::TWO_THIRDS) as u32;
        let all = |count: u32| (0..32u32).filter(move |failed| failed.count_ones() == count);
        assert!(all(tolerated).all(survives), "{weights:?}");
        assert!(!all(tolerated + 1).all(survives), "{weights:?}");
    }
}
