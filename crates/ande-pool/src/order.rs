//! The order of a block that every node can check.
//!
//! *Tip-descending, nonce-respecting*: take the transactions of a block and let every sender stand
//! in line with its transactions by rising nonce. The first place of the block goes to the
//! transaction with the highest effective tip among those that are first in their sender's line,
//! the second place to the highest of those that are first then, and so on. Of equal tips the
//! lower hash goes first. So the order follows from the set alone: whoever builds a block chooses
//! what is in it, not where it stands.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
};

use alloy_primitives::{Address, B256};

/// What the place of a transaction is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    /// Account that signed.
    pub sender: Address,
    /// Position among the sender's transactions.
    pub nonce: u64,
    /// Wei per gas above the block's base fee for the proposer.
    pub tip: u128,
    /// Hash of the transaction.
    pub hash: B256,
}

/// The order of a set of transactions: indices into `set`, first place first. No sender may have
/// two transactions with one nonce.
#[must_use]
pub fn order_by_tip(set: &[Rank]) -> Vec<usize> {
    let mut lines: HashMap<Address, Vec<usize>> = HashMap::new();
    for (index, rank) in set.iter().enumerate() {
        lines.entry(rank.sender).or_default().push(index);
    }
    let mut lines: Vec<Vec<usize>> = lines.into_values().collect();
    for line in &mut lines {
        // Backwards, so that the first in line is taken from the end.
        line.sort_by_key(|index| Reverse((set[*index].nonce, *index)));
    }
    let head = |lines: &mut Vec<Vec<usize>>, line: usize| {
        let index = lines[line].pop()?;
        Some((set[index].tip, Reverse(set[index].hash), Reverse(index), line))
    };
    let mut heads: BinaryHeap<_> =
        (0..lines.len()).filter_map(|line| head(&mut lines, line)).collect();
    let mut order = Vec::with_capacity(set.len());
    while let Some((_, _, Reverse(index), line)) = heads.pop() {
        order.push(index);
        heads.extend(head(&mut lines, line));
    }
    order
}

/// Checks that a list of transactions is in the order of [`order_by_tip`].
///
/// Accepts exactly the lists in which, at every index, the transaction is the one with the lowest
/// nonce of its sender that is not listed before, and no other sender's such transaction has a
/// higher tip, or an equal tip and a lower hash; and in which no sender uses a nonce twice. The
/// nonces of a sender need not be consecutive: that is for the execution to judge.
///
/// # Errors
/// The first index at which that is not so.
pub fn check_order(list: &[Rank]) -> Result<(), usize> {
    let mut used = HashSet::with_capacity(list.len());
    let twin = list.iter().position(|rank| !used.insert((rank.sender, rank.nonce)));
    // Up to the first difference both lists took the same, so what the rule takes next decides.
    let other = order_by_tip(list).into_iter().enumerate().find(|(place, index)| place != index);
    match (twin, other.map(|(place, _)| place)) {
        (None, None) => Ok(()),
        (Some(index), None) | (None, Some(index)) => Err(index),
        (Some(twin), Some(other)) => Err(twin.min(other)),
    }
}
