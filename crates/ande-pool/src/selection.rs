//! Which transactions go into the next block.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, btree_map},
    sync::Arc,
};

use alloy_primitives::Address;

use crate::{Pool, PoolStatus, PooledTransaction, pool::Entry};

impl Pool {
    /// The transactions for a block: of each sender in nonce order, between senders by falling
    /// tip, of equal tips the earlier arrival first. At most `max_transactions` with at most
    /// `max_bytes` together; a sender whose next transaction does not fit waits for the next
    /// block, the others go on.
    #[must_use]
    pub fn best(&self, max_transactions: usize, max_bytes: usize) -> Vec<Arc<PooledTransaction>> {
        let mut heads: BinaryHeap<Head<'_>> = self
            .by_sender
            .iter()
            .filter_map(|(sender, queue)| Head::next(self.ready(*sender, queue), self.base_fee()))
            .collect();
        let mut room = max_bytes;
        let mut best = Vec::with_capacity(max_transactions.min(self.len()));
        while best.len() < max_transactions
            && let Some(head) = heads.pop()
        {
            let size = head.entry.tx.size();
            if size > room {
                continue;
            }
            room -= size;
            best.push(Arc::clone(&head.entry.tx));
            heads.extend(Head::next(head.rest, self.base_fee()));
        }
        best
    }

    /// Size of the pool, by what could be in the next block.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let pending =
            self.by_sender.iter().map(|(sender, queue)| self.ready(*sender, queue).count()).sum();
        PoolStatus { pending, queued: self.len() - pending, bytes: self.bytes() }
    }

    /// Transactions of a sender that can follow each other from the chain's next nonce on.
    fn ready<'a>(&self, sender: Address, queue: &'a BTreeMap<u64, Entry>) -> Ready<'a> {
        let next = self.next_nonce(sender);
        Ready { queue: queue.range(next.unwrap_or(0)..), next }
    }
}

/// The executable run of one sender.
struct Ready<'a> {
    queue: btree_map::Range<'a, u64, Entry>,
    /// Nonce that is due; none when any will do.
    next: Option<u64>,
}

impl<'a> Iterator for Ready<'a> {
    type Item = &'a Entry;

    fn next(&mut self) -> Option<&'a Entry> {
        let (nonce, entry) = self.queue.next()?;
        if let Some(next) = &mut self.next {
            if nonce != next {
                // A gap ends the run, also for whoever asks again.
                self.queue = btree_map::Range::default();
                return None;
            }
            *next = next.saturating_add(1);
        }
        Some(entry)
    }
}

/// First transaction of a sender that is not chosen yet.
struct Head<'a> {
    tip: u128,
    entry: &'a Entry,
    rest: Ready<'a>,
}

impl<'a> Head<'a> {
    fn next(mut ready: Ready<'a>, base_fee: u128) -> Option<Self> {
        let entry = ready.next()?;
        let tip = entry.tx.effective_tip(base_fee)?;
        Some(Self { tip, entry, rest: ready })
    }

    const fn key(&self) -> (u128, Reverse<u64>) {
        (self.tip, Reverse(self.entry.arrival))
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Head<'_> {}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
