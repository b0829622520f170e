//! Which transactions go into the next block.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use crate::{Pool, PooledTransaction, queue::Entry};

/// Room of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRoom {
    /// Transactions.
    pub transactions: usize,
    /// Their size in bytes.
    pub bytes: usize,
    /// Gas, of which every transaction is counted with what it uses at least: how much it really
    /// uses is for the execution to say.
    pub gas: u64,
}

impl BlockRoom {
    /// No limit but the number of transactions.
    #[must_use]
    pub const fn of(transactions: usize) -> Self {
        Self { transactions, bytes: usize::MAX, gas: u64::MAX }
    }
}

impl Pool {
    /// The transactions for a block: of each sender in nonce order, between senders by falling
    /// tip, of equal tips by turn, of equal turns the earlier arrival first. A sender whose next
    /// transaction does not fit waits for the next block, the others go on.
    ///
    /// *Turns* share blocks between senders that pay the same: the turn of a transaction is one
    /// after that of the sender's transaction before it, and at least the highest that was in a
    /// block when it came. So a sender that has nothing waiting comes before the backlog of those
    /// that do, and every backlog moves on.
    #[must_use]
    pub fn best(&self, mut room: BlockRoom) -> Vec<Arc<PooledTransaction>> {
        let mut heads: BinaryHeap<Head<'_, _>> = self
            .by_sender
            .values()
            .filter_map(|queue| Head::next(queue.run(), self.base_fee()))
            .collect();
        let mut best = Vec::with_capacity(room.transactions.min(self.len()));
        while best.len() < room.transactions
            && let Some(head) = heads.pop()
        {
            let (bytes, gas) = (head.entry.tx.size(), head.entry.tx.intrinsic_gas());
            if bytes > room.bytes || gas > room.gas {
                continue;
            }
            (room.bytes, room.gas) = (room.bytes - bytes, room.gas - gas);
            best.push(Arc::clone(&head.entry.tx));
            heads.extend(Head::next(head.rest, self.base_fee()));
        }
        best
    }
}

/// First transaction of a sender that is not chosen yet.
struct Head<'a, I> {
    tip: u128,
    entry: &'a Entry,
    rest: I,
}

impl<'a, I: Iterator<Item = &'a Entry>> Head<'a, I> {
    fn next(mut run: I, base_fee: u128) -> Option<Self> {
        let entry = run.next()?;
        let tip = entry.tx.effective_tip(base_fee)?;
        Some(Self { tip, entry, rest: run })
    }
}

impl<I> Head<'_, I> {
    const fn key(&self) -> (u128, Reverse<u64>, Reverse<u64>) {
        (self.tip, Reverse(self.entry.turn), Reverse(self.entry.arrival))
    }
}

impl<I> PartialEq for Head<'_, I> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<I> Eq for Head<'_, I> {}

impl<I> PartialOrd for Head<'_, I> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<I> Ord for Head<'_, I> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
