//! What several endpoints have to say for the node to believe it. No I/O.

use std::collections::BTreeSet;

use crate::{L1Block, Standing};

/// Blocks that an endpoint may be behind without being called so: news takes time.
const USUAL_LAG: u64 = 3;

/// More than half of the configured endpoints, whether they answer or not: two that contradict each
/// other can never both be believed.
pub(crate) const fn majority_of(configured: usize) -> usize {
    configured / 2 + 1
}

/// The place of an answer that `needed` of them give; places without an answer count for nothing.
pub(crate) fn agreed<'a, T: PartialEq + 'a>(
    answers: impl Iterator<Item = Option<&'a T>> + Clone,
    needed: usize,
) -> Option<usize> {
    counts(answers).find(|(_, count)| *count >= needed).map(|(place, _)| place)
}

/// How many give the most frequent answer.
pub(crate) fn largest<'a, T: PartialEq + 'a>(
    answers: impl Iterator<Item = Option<&'a T>> + Clone,
) -> usize {
    counts(answers).map(|(_, count)| count).max().unwrap_or_default()
}

fn counts<'a, T: PartialEq + 'a>(
    answers: impl Iterator<Item = Option<&'a T>> + Clone,
) -> impl Iterator<Item = (usize, usize)> {
    let all = answers.clone();
    answers.enumerate().filter_map(move |(place, answer)| {
        let answer = answer?;
        Some((place, all.clone().filter(|other| *other == Some(answer)).count()))
    })
}

/// Numbers that can be the highest block that `needed` endpoints have, highest first. Each is the
/// head of one of them: what is above the head of an honest endpoint need not exist.
pub(crate) fn candidates(heads: &[Option<L1Block>], needed: usize) -> Vec<u64> {
    let numbers: Vec<u64> = heads.iter().flatten().map(|head| head.number).collect();
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    let reached = |candidate: u64| numbers.iter().filter(|number| **number >= candidate).count();
    distinct.into_iter().rev().filter(|candidate| reached(*candidate) >= needed).collect()
}

/// How an endpoint compares with the block that a majority has, given its head and its block of
/// that number.
pub(crate) fn standing(
    block: &L1Block,
    head: Option<&L1Block>,
    there: Option<&L1Block>,
) -> Standing {
    match (head, there) {
        (None, _) => Standing::Silent,
        (Some(_), Some(there)) if there == block => Standing::Agrees,
        (Some(_), Some(_)) => Standing::Differs,
        (Some(head), None) if head.number.saturating_add(USUAL_LAG) < block.number => {
            Standing::Behind
        }
        (Some(head), None) if head.number < block.number => Standing::Agrees,
        (Some(_), None) => Standing::Silent,
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;

    use super::*;

    fn block(number: u64, hash: u8) -> L1Block {
        L1Block { number, hash: B256::repeat_byte(hash), timestamp: number, base_fee: None }
    }

    fn place(answers: &[Option<u8>], needed: usize) -> Option<usize> {
        agreed(answers.iter().map(Option::as_ref), needed)
    }

    #[test]
    fn a_majority_counts_the_configured_endpoints() {
        assert_eq!([1, 2, 3, 4, 5, 6, 7].map(majority_of), [1, 2, 2, 3, 3, 4, 4]);
    }

    #[test]
    fn only_equal_answers_of_enough_endpoints_are_believed() {
        assert_eq!(place(&[Some(1)], 1), Some(0));
        assert_eq!(place(&[], 1), None);
        assert_eq!(place(&[Some(9), Some(1), Some(1)], 2), Some(1));
        assert_eq!(place(&[Some(9), Some(1), None], 2), None);
        assert_eq!(place(&[None, None, Some(1)], 2), None, "one of three is no majority");
        assert_eq!(place(&[Some(1), Some(2)], 2), None, "two that contradict each other");
        assert_eq!(largest([Some(9), None, Some(1), Some(1)].iter().map(Option::as_ref)), 2);
    }

    #[test]
    fn a_head_must_be_reached_by_a_majority() {
        let heads = |numbers: [Option<u64>; 3]| numbers.map(|n| n.map(|n| block(n, 1)));
        // A head from the future and one from the past move nothing alone.
        assert_eq!(candidates(&heads([Some(900), Some(100), Some(100)]), 2), [100]);
        assert_eq!(candidates(&heads([Some(5), Some(100), Some(100)]), 2), [100, 5]);
        assert_eq!(candidates(&heads([Some(101), Some(100), Some(99)]), 2), [100, 99]);
        assert_eq!(candidates(&heads([Some(101), None, None]), 2), [0; 0]);
        assert_eq!(candidates(&heads([Some(101), None, Some(7)]), 2), [7]);
    }

    #[test]
    fn endpoints_are_compared_with_the_agreed_block() {
        let agreed = block(100, 1);
        let of = |head: Option<L1Block>, there: Option<L1Block>| {
            standing(&agreed, head.as_ref(), there.as_ref())
        };
        assert_eq!(of(Some(agreed), Some(agreed)), Standing::Agrees);
        assert_eq!(of(Some(block(101, 1)), Some(agreed)), Standing::Agrees);
        assert_eq!(of(Some(block(101, 2)), Some(block(100, 2))), Standing::Differs);
        assert_eq!(of(Some(block(98, 1)), None), Standing::Agrees);
        assert_eq!(of(Some(block(60, 1)), None), Standing::Behind);
        assert_eq!(of(Some(block(101, 1)), None), Standing::Silent);
        assert_eq!(of(None, None), Standing::Silent);
    }
}
