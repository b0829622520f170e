//! The pool.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use alloy_primitives::{Address, B256};

use crate::{NonceSource, PoolError, PoolLimits, PooledTransaction};

/// Transactions that wait for a block. Callers share it behind a mutex and keep the lock short.
#[derive(Debug)]
pub struct Pool {
    limits: PoolLimits,
    nonces: Arc<dyn NonceSource>,
    base_fee: u128,
    bytes: usize,
    arrivals: u64,
    pub(crate) by_hash: HashMap<B256, Entry>,
    pub(crate) by_sender: HashMap<Address, BTreeMap<u64, Entry>>,
    /// Highest nonce of every sender, cheapest first. Only these are evicted, so that an eviction
    /// never leaves a gap.
    tails: BTreeSet<TailKey>,
}

/// A pooled transaction with its place in the order of arrival.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) tx: Arc<PooledTransaction>,
    pub(crate) arrival: u64,
}

/// Lowest tip first; of equal tips the latest arrival first.
type TailKey = (u128, Reverse<u64>, Address);

impl Entry {
    fn tail_key(&self) -> TailKey {
        (self.tx.max_priority_fee_per_gas(), Reverse(self.arrival), self.tx.sender())
    }
}

/// What an insertion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// Whether and how it went in.
    pub kind: InsertKind,
    /// Transactions that had to leave for it, cheapest first.
    pub evicted: Vec<B256>,
}

/// How a transaction went in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertKind {
    /// It was not there.
    New,
    /// It was there already; nothing changed.
    Duplicate,
    /// It took the place of this one, which has the same sender and nonce.
    Replaced(B256),
}

/// Size of the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Transactions that could be in the next block.
    pub pending: usize,
    /// Transactions that wait for an earlier nonce.
    pub queued: usize,
    /// Size of all in bytes.
    pub bytes: usize,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: PoolLimits, nonces: Arc<dyn NonceSource>) -> Self {
        Self {
            limits,
            nonces,
            base_fee: 0,
            bytes: 0,
            arrivals: 0,
            by_hash: HashMap::new(),
            by_sender: HashMap::new(),
            tails: BTreeSet::new(),
        }
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> &PoolLimits {
        &self.limits
    }

    /// Base fee of the next block in wei per gas.
    #[must_use]
    pub const fn base_fee(&self) -> u128 {
        self.base_fee
    }

    /// Sets the base fee of the next block. Transactions below it stay and wait.
    pub const fn set_base_fee(&mut self, base_fee: u128) {
        self.base_fee = base_fee;
    }

    /// Takes a transaction. Nothing changes on an error.
    ///
    /// # Errors
    /// The first rule that the transaction breaks against the pool.
    pub fn insert(&mut self, tx: PooledTransaction) -> Result<Inserted, PoolError> {
        if self.by_hash.contains_key(&tx.hash()) {
            return Ok(Inserted { kind: InsertKind::Duplicate, evicted: Vec::new() });
        }
        self.check_limits(&tx)?;
        let replaced = self.check_place(&tx)?;
        // The replaced one goes first: its room counts, and it must not be a victim.
        let replaced = replaced.and_then(|hash| self.unlink(&hash));
        let victims = match self.make_room(&tx) {
            Ok(victims) => victims,
            Err(error) => {
                replaced.into_iter().for_each(|entry| self.link(entry));
                return Err(error);
            }
        };
        let kind = replaced.map_or(InsertKind::New, |old| InsertKind::Replaced(old.tx.hash()));
        self.arrivals += 1;
        self.link(Entry { tx: Arc::new(tx), arrival: self.arrivals });
        let evicted = victims.iter().map(|victim| victim.tx.hash()).collect();
        Ok(Inserted { kind, evicted })
    }

    /// A pooled transaction.
    #[must_use]
    pub fn get(&self, hash: &B256) -> Option<Arc<PooledTransaction>> {
        self.by_hash.get(hash).map(|entry| Arc::clone(&entry.tx))
    }

    /// Whether a transaction is pooled.
    #[must_use]
    pub fn contains(&self, hash: &B256) -> bool {
        self.by_hash.contains_key(hash)
    }

    /// All pooled transactions, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<PooledTransaction>> {
        self.by_hash.values().map(|entry| &entry.tx)
    }

    /// Number of transactions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// Size of all transactions in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Removes transactions that are in the chain, or that a block can never take. Returns how
    /// many were here.
    pub fn remove_included(&mut self, hashes: &[B256]) -> usize {
        hashes.iter().filter(|hash| self.unlink(hash).is_some()).count()
    }

    /// Removes transactions whose nonce the chain has passed with another transaction.
    pub fn remove_stale(&mut self) -> Vec<B256> {
        let mut stale = Vec::new();
        for (sender, queue) in &self.by_sender {
            if let Some(next) = self.nonces.next_nonce(*sender) {
                stale.extend(queue.range(..next).map(|(_, entry)| entry.tx.hash()));
            }
        }
        self.remove_included(&stale);
        stale
    }

    /// Next nonce of a sender as the chain has it.
    pub(crate) fn next_nonce(&self, sender: Address) -> Option<u64> {
        self.nonces.next_nonce(sender)
    }

    fn check_limits(&self, tx: &PooledTransaction) -> Result<(), PoolError> {
        let (gas, limit) = (tx.gas_limit(), self.limits.block_gas_limit);
        if gas > limit {
            return Err(PoolError::BlockGasLimit { gas, limit });
        }
        let (tip, needed) = (tx.max_priority_fee_per_gas(), self.limits.min_tip);
        if tip < needed {
            return Err(PoolError::Underpriced { tip, needed });
        }
        Ok(())
    }

    /// Checks the transaction against those of its sender; gives the one it replaces.
    fn check_place(&self, tx: &PooledTransaction) -> Result<Option<B256>, PoolError> {
        let next = self.next_nonce(tx.sender());
        if let Some(next) = next.filter(|next| tx.nonce() < *next) {
            return Err(PoolError::NonceTooLow { next, nonce: tx.nonce() });
        }
        let queue = self.by_sender.get(&tx.sender());
        if let Some(old) = queue.and_then(|queue| queue.get(&tx.nonce())) {
            let raises = |price: fn(&PooledTransaction) -> u128| {
                self.limits.is_bump(price(&old.tx), price(tx))
            };
            return if raises(PooledTransaction::max_fee_per_gas)
                && raises(PooledTransaction::max_priority_fee_per_gas)
            {
                Ok(Some(old.tx.hash()))
            } else {
                Err(PoolError::ReplacementUnderpriced)
            };
        }
        let limit = self.limits.max_per_sender;
        if queue.map_or(0, BTreeMap::len) >= limit {
            return Err(PoolError::AccountLimit { limit });
        }
        if let Some(next) = next {
            let before = queue.map_or(0, |queue| queue.range(next..tx.nonce()).count() as u64);
            let gapped = before != tx.nonce() - next;
            if gapped && self.limits.refuses_gapped(self.len(), self.bytes) {
                return Err(PoolError::Full);
            }
        }
        Ok(None)
    }

    /// Evicts strictly cheaper transactions of other senders until the new one fits; all or none.
    fn make_room(&mut self, tx: &PooledTransaction) -> Result<Vec<Entry>, PoolError> {
        let mut victims = Vec::new();
        while self.len() >= self.limits.max_transactions
            || self.bytes.saturating_add(tx.size()) > self.limits.max_bytes
        {
            match self.cheapest_other(tx) {
                Ok(hash) => victims.extend(self.unlink(&hash)),
                Err(error) => {
                    victims.into_iter().for_each(|victim| self.link(victim));
                    return Err(error);
                }
            }
        }
        Ok(victims)
    }

    fn cheapest_other(&self, tx: &PooledTransaction) -> Result<B256, PoolError> {
        let (tip, sender) = (tx.max_priority_fee_per_gas(), tx.sender());
        let (lowest, _, victim) =
            self.tails.iter().find(|(_, _, victim)| *victim != sender).ok_or(PoolError::Full)?;
        if *lowest == tip {
            return Err(PoolError::Full);
        }
        if *lowest > tip {
            return Err(PoolError::Underpriced { tip, needed: lowest.saturating_add(1) });
        }
        self.by_sender
            .get(victim)
            .and_then(BTreeMap::last_key_value)
            .map(|(_, tail)| tail.tx.hash())
            .ok_or(PoolError::Full)
    }

    /// Adds an entry to every index.
    fn link(&mut self, entry: Entry) {
        let queue = self.by_sender.entry(entry.tx.sender()).or_default();
        if let Some((_, tail)) = queue.last_key_value() {
            self.tails.remove(&tail.tail_key());
        }
        self.bytes += entry.tx.size();
        queue.insert(entry.tx.nonce(), entry.clone());
        if let Some((_, tail)) = queue.last_key_value() {
            self.tails.insert(tail.tail_key());
        }
        self.by_hash.insert(entry.tx.hash(), entry);
    }

    /// Takes an entry out of every index.
    fn unlink(&mut self, hash: &B256) -> Option<Entry> {
        let entry = self.by_hash.remove(hash)?;
        self.bytes = self.bytes.saturating_sub(entry.tx.size());
        let sender = entry.tx.sender();
        if let Some(queue) = self.by_sender.get_mut(&sender) {
            if let Some((_, tail)) = queue.last_key_value() {
                self.tails.remove(&tail.tail_key());
            }
            queue.remove(&entry.tx.nonce());
            match queue.last_key_value() {
                Some((_, tail)) => drop(self.tails.insert(tail.tail_key())),
                None => drop(self.by_sender.remove(&sender)),
            }
        }
        Some(entry)
    }
}
