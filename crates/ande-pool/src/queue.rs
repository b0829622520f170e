//! The transactions of one sender.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc, time::Duration};

use alloy_primitives::{Address, U256};

use crate::{Account, AccountError, PooledTransaction};

/// A pooled transaction with its place in the order of arrival.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) tx: Arc<PooledTransaction>,
    pub(crate) arrival: u64,
    /// Its turn among those of equal tip, see [`Pool::best`](crate::Pool::best).
    pub(crate) turn: u64,
    /// When it arrived, on the caller's clock.
    pub(crate) since: Duration,
}

/// How much a transaction deserves its room. In a full pool lower ones leave first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Waits for an earlier nonce or for funds.
    Waiting,
    /// Could be in a block.
    Executable,
    /// Could be in a block and is one of the sender's first.
    Guaranteed,
}

/// Least deserving first; lowest tip first; of equal tips the last turn first, then the latest
/// arrival.
pub(crate) type TailKey = (Standing, u128, Reverse<u64>, Reverse<u64>, Address);

/// What the pool's indices know of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    /// The transaction with the highest nonce.
    pub(crate) tail: Option<TailKey>,
    /// Fee of the first executable transaction.
    pub(crate) head: Option<(u128, Address)>,
    /// Executable transactions.
    pub(crate) run: usize,
    /// Whether funds, or an account that cannot be read, hold something back.
    pub(crate) held_back: bool,
}

/// Transactions of one sender by nonce. The *run* are those that can follow each other from the
/// account's nonce on and that its balance covers together; without an account it is all of them.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    account: Option<Account>,
    entries: BTreeMap<u64, Entry>,
    run: usize,
    run_cost: U256,
    short: bool,
    unread: bool,
}

impl Queue {
    /// An empty queue. An account that cannot be read holds everything back until it is read
    /// again.
    pub(crate) fn of(account: Result<Option<Account>, AccountError>) -> Self {
        let unread = account.is_err();
        let account = account.unwrap_or_else(|_| Some(Account::default()));
        Self { account, unread, ..Self::default() }
    }

    pub(crate) const fn account(&self) -> Option<Account> {
        self.account
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) const fn run_len(&self) -> usize {
        self.run
    }

    pub(crate) fn get(&self, nonce: u64) -> Option<&Entry> {
        self.entries.get(&nonce)
    }

    /// The transaction with the highest nonce below this one.
    pub(crate) fn before(&self, nonce: u64) -> Option<&Entry> {
        self.entries.range(..nonce).next_back().map(|(_, entry)| entry)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    pub(crate) fn tail(&self) -> Option<&Entry> {
        self.entries.last_key_value().map(|(_, entry)| entry)
    }

    /// The run, first to last.
    pub(crate) fn run(&self) -> impl Iterator<Item = &Entry> + use<'_> {
        let first = self.account.map_or(0, |account| account.nonce);
        self.entries.range(first..).take(self.run).map(|(_, entry)| entry)
    }

    /// Whether a nonce is in the run, or would be the next one of it.
    pub(crate) fn reaches(&self, nonce: u64) -> bool {
        self.account.is_none_or(|account| {
            nonce >= account.nonce && nonce - account.nonce <= self.run as u64
        })
    }

    pub(crate) fn is_executable(&self, nonce: u64) -> bool {
        self.account
            .is_none_or(|account| nonce >= account.nonce && nonce - account.nonce < self.run as u64)
    }

    /// Standing of an executable transaction of this nonce.
    pub(crate) fn standing(&self, nonce: u64, guaranteed: usize) -> Standing {
        match self.account {
            Some(account) if nonce.saturating_sub(account.nonce) < guaranteed as u64 => {
                Standing::Guaranteed
            }
            _ => Standing::Executable,
        }
    }

    /// What the transactions before a nonce cost together.
    pub(crate) fn cost_before(&self, nonce: u64) -> U256 {
        let Some(account) = self.account else { return U256::ZERO };
        if account.nonce.checked_add(self.run as u64) == Some(nonce) {
            return self.run_cost;
        }
        self.entries
            .range(account.nonce.min(nonce)..nonce)
            .fold(U256::ZERO, |sum, (_, entry)| sum.saturating_add(entry.tx.cost()))
    }

    pub(crate) fn insert(&mut self, entry: Entry) {
        let nonce = entry.tx.nonce();
        if self.is_executable(nonce) && self.account.is_some() {
            self.truncate(nonce);
        }
        self.entries.insert(nonce, entry);
        self.advance();
    }

    pub(crate) fn remove(&mut self, nonce: u64) -> Option<Entry> {
        if self.is_executable(nonce) && self.account.is_some() {
            self.truncate(nonce);
        }
        let entry = self.entries.remove(&nonce)?;
        self.advance();
        Some(entry)
    }

    /// Takes over the account as the chain has it now.
    pub(crate) fn set_account(&mut self, account: Option<Account>) {
        self.unread = false;
        if self.account != account {
            self.account = account;
            (self.run, self.run_cost) = (0, U256::ZERO);
            self.advance();
        }
    }

    /// Notes that the account could not be read.
    pub(crate) const fn set_unread(&mut self) {
        self.unread = true;
    }

    /// Takes out what the account's nonce has passed.
    pub(crate) fn take_stale(&mut self) -> BTreeMap<u64, Entry> {
        let Some(account) = self.account else { return BTreeMap::new() };
        if self.entries.first_key_value().is_none_or(|(first, _)| *first >= account.nonce) {
            return BTreeMap::new();
        }
        let kept = self.entries.split_off(&account.nonce);
        std::mem::replace(&mut self.entries, kept)
    }

    pub(crate) fn keys(&self, sender: Address, guaranteed: usize) -> Keys {
        let tail = self.tail().map(|entry| {
            let nonce = entry.tx.nonce();
            let standing = if self.is_executable(nonce) {
                self.standing(nonce, guaranteed)
            } else {
                Standing::Waiting
            };
            let (turn, arrival) = (Reverse(entry.turn), Reverse(entry.arrival));
            (standing, entry.tx.max_priority_fee_per_gas(), turn, arrival, sender)
        });
        let head = self.run().next().map(|entry| (entry.tx.max_fee_per_gas(), sender));
        Keys { tail, head, run: self.run, held_back: self.short || self.unread }
    }

    /// Ends the run before a nonce in it.
    fn truncate(&mut self, nonce: u64) {
        let Some(account) = self.account else { return };
        self.run = usize::try_from(nonce.saturating_sub(account.nonce)).unwrap_or(usize::MAX);
        self.run_cost = self
            .entries
            .range(account.nonce.min(nonce)..nonce)
            .fold(U256::ZERO, |sum, (_, entry)| sum.saturating_add(entry.tx.cost()));
    }

    /// Extends the run as far as nonces and funds go.
    fn advance(&mut self) {
        self.short = false;
        let Some(account) = self.account else {
            self.run = self.entries.len();
            return;
        };
        let mut next = account.nonce.saturating_add(self.run as u64);
        for (nonce, entry) in self.entries.range(next..) {
            if *nonce != next {
                return;
            }
            let cost = self.run_cost.saturating_add(entry.tx.cost());
            if cost > account.balance {
                self.short = true;
                return;
            }
            self.run_cost = cost;
            self.run += 1;
            next = next.saturating_add(1);
        }
    }
}
