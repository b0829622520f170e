//! The order that every node can check.

use alloy_primitives::{Address, B256};
use ande_pool::{Rank, check_order, order_by_tip};
use proptest::{collection::vec, prelude::*, sample::Index};

/// Ranks of few senders with small numbers, so that ties and gaps are common; no nonce twice.
fn set() -> impl Strategy<Value = Vec<Rank>> {
    vec((0u8..5, 0u64..8, 0u128..4, 0u8..=255), 0..24).prop_map(|specs| {
        let mut set: Vec<Rank> = Vec::new();
        for (sender, nonce, tip, salt) in specs {
            let sender = Address::repeat_byte(sender);
            let hash = B256::with_last_byte(salt);
            if set.iter().all(|old| (old.sender, old.nonce) != (sender, nonce) && old.hash != hash)
            {
                set.push(Rank { sender, nonce, tip, hash });
            }
        }
        set
    })
}

fn ordered(set: &[Rank]) -> Vec<Rank> {
    order_by_tip(set).into_iter().map(|index| set[index]).collect()
}

/// The definition, word by word.
fn first_violation(list: &[Rank]) -> Option<usize> {
    (0..list.len()).find(|at| {
        let (before, rest) = list.split_at(*at);
        let chosen = rest[0];
        // Of one nonce twice, which is refused below, the first listed is in line first.
        let is_next = |at: usize| {
            (0..).zip(rest).all(|(other_at, other)| {
                other.sender != rest[at].sender || (other.nonce, other_at) >= (rest[at].nonce, at)
            })
        };
        let twice =
            before.iter().any(|old| (old.sender, old.nonce) == (chosen.sender, chosen.nonce));
        let beaten = (1..rest.len()).filter(|at| is_next(*at)).any(|at| {
            rest[at].tip > chosen.tip || (rest[at].tip == chosen.tip && rest[at].hash < chosen.hash)
        });
        twice || !is_next(0) || beaten
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_the_rule_makes_it_accepts(set in set()) {
        let list = ordered(&set);
        prop_assert_eq!(list.len(), set.len());
        prop_assert!(set.iter().all(|rank| list.contains(rank)));
        prop_assert_eq!(check_order(&list), Ok(()));
        prop_assert_eq!(first_violation(&list), None);
    }

    #[test]
    fn the_order_follows_from_the_set_alone(set in set(), keys in vec(any::<u32>(), 24)) {
        let mut shuffled: Vec<_> = set.iter().copied().zip(keys).collect();
        shuffled.sort_by_key(|(_, key)| *key);
        let shuffled: Vec<Rank> = shuffled.into_iter().map(|(rank, _)| rank).collect();
        prop_assert_eq!(ordered(&shuffled), ordered(&set));
    }

    #[test]
    fn a_swap_is_refused_at_its_first_place(set in set(), a in any::<Index>(), b in any::<Index>()) {
        prop_assume!(!set.is_empty());
        let mut list = ordered(&set);
        let (a, b) = (a.index(list.len()), b.index(list.len()));
        list.swap(a, b);
        let expected = if a == b { Ok(()) } else { Err(a.min(b)) };
        prop_assert_eq!(check_order(&list), expected);
    }

    #[test]
    fn any_list_is_judged_by_the_definition(list in vec(
        (0u8..4, 0u64..4, 0u128..3, 0u8..8).prop_map(|(sender, nonce, tip, hash)| Rank {
            sender: Address::repeat_byte(sender),
            nonce,
            tip,
            // Equal transactions have equal hashes, others do not.
            hash: B256::from_slice(&[&[hash, sender, nonce as u8, tip as u8][..], &[0; 28]].concat()),
        }),
        0..8,
    )) {
        prop_assert_eq!(check_order(&list).err(), first_violation(&list));
    }

    /// A block is what the execution leaves of a choice: of some senders the ends are missing.
    #[test]
    fn without_the_last_ones_of_a_sender_the_order_holds(set in set(), cut in vec(0u64..9, 5)) {
        let left: Vec<Rank> = ordered(&set)
            .into_iter()
            .filter(|rank| rank.nonce < cut[usize::from(rank.sender[0])])
            .collect();
        prop_assert_eq!(check_order(&left), Ok(()));
    }
}

#[test]
fn a_dear_transaction_waits_for_its_senders_cheap_one() {
    let rank = |sender, nonce, tip, hash| Rank {
        sender: Address::repeat_byte(sender),
        nonce,
        tip,
        hash: B256::repeat_byte(hash),
    };
    let list = [rank(1, 0, 5, 9), rank(2, 0, 3, 1), rank(2, 1, 100, 8), rank(1, 1, 3, 2)];
    assert_eq!(check_order(&list), Ok(()));
    // With the lower hash, or the higher tip, the second of sender 1 comes before.
    for (tip, hash) in [(3, 0), (4, 2)] {
        let mut list = list;
        list[3] = rank(1, 1, tip, hash);
        assert_eq!(check_order(&list), Err(1));
    }
    // A nonce before its predecessor, and a nonce twice.
    assert_eq!(check_order(&[rank(1, 1, 5, 1), rank(1, 0, 5, 2)]), Err(0));
    assert_eq!(check_order(&[rank(1, 0, 5, 1), rank(1, 0, 5, 2)]), Err(1));
    assert_eq!(check_order(&[]), Ok(()));
}
