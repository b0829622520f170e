//! The pool.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{Address, B256};

use crate::{
    Account, AccountSource, PoolError, PoolLimits, PooledTransaction,
    queue::{Entry, Queue, Standing, TailKey},
};

/// Transactions that wait for a block. Callers share it behind a mutex and keep the lock short.
///
/// The chain's state reaches it in two ways: an insertion reads the sender's account, and after
/// every block the caller tells by [`commit`](Self::commit) what it included and who sent
/// something. That is complete: the nonce of an account that signs, and what it owns, only fall by
/// its own transactions; and those whose balance may have grown are read again after every block.
#[derive(Debug)]
pub struct Pool {
    limits: PoolLimits,
    pub(crate) accounts: Arc<dyn AccountSource>,
    knows_accounts: bool,
    pub(crate) base_fee: u128,
    bytes: usize,
    arrivals: u64,
    /// Highest turn of a transaction that came into a block.
    pub(crate) served: u64,
    /// Transactions in a run.
    executable: usize,
    pub(crate) by_hash: HashMap<B256, Entry>,
    pub(crate) by_sender: HashMap<Address, Queue>,
    /// Highest nonce of every sender. Only these are evicted, so that an eviction never leaves a
    /// gap.
    tails: BTreeSet<TailKey>,
    /// Fee of the first executable transaction of every sender that has one.
    heads: BTreeSet<(u128, Address)>,
    /// Senders whose account is read again after every block.
    pub(crate) held_back: BTreeSet<Address>,
}

/// What an insertion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// Whether and how it went in.
    pub kind: InsertKind,
    /// Transactions that had to leave for it, in this order.
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
    /// Transactions that can follow each other from the chain's next nonces on and are paid for,
    /// whatever the base fee.
    pub pending: usize,
    /// Transactions that wait for an earlier nonce or for funds.
    pub queued: usize,
    /// Size of all in bytes.
    pub bytes: usize,
}

/// Where a new transaction would stand.
struct Place {
    replaces: Option<B256>,
    standing: Standing,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: PoolLimits, accounts: Arc<dyn AccountSource>) -> Self {
        Self {
            knows_accounts: !matches!(accounts.account(Address::ZERO), Ok(None)),
            base_fee: accounts.next_base_fee(),
            limits,
            accounts,
            bytes: 0,
            arrivals: 0,
            served: 0,
            executable: 0,
            by_hash: HashMap::new(),
            by_sender: HashMap::new(),
            tails: BTreeSet::new(),
            heads: BTreeSet::new(),
            held_back: BTreeSet::new(),
        }
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> &PoolLimits {
        &self.limits
    }

    /// Whether the chain executes, so that it knows accounts.
    #[must_use]
    pub const fn knows_accounts(&self) -> bool {
        self.knows_accounts
    }

    /// Base fee of the next block in wei per gas.
    #[must_use]
    pub const fn base_fee(&self) -> u128 {
        self.base_fee
    }

    /// Takes a transaction at the time `now` of the caller's clock. Nothing is added, replaced or
    /// evicted on an error.
    ///
    /// # Errors
    /// The first rule that the transaction breaks against the pool and the chain's state.
    pub fn insert(&mut self, tx: PooledTransaction, now: Duration) -> Result<Inserted, PoolError> {
        if self.by_hash.contains_key(&tx.hash()) {
            return Ok(Inserted { kind: InsertKind::Duplicate, evicted: Vec::new() });
        }
        self.check_price(&tx)?;
        let account = self.accounts.account(tx.sender())?;
        if self.by_sender.get(&tx.sender()).is_some_and(|queue| queue.account() != account) {
            self.edit(tx.sender(), |queue| queue.set_account(account));
        }
        let place = self.check_place(&tx, account)?;
        self.put(tx, place, now, Queue::of(Ok(account)))
    }

    /// Takes a transaction back that was acknowledged before a restart. State, prices and the
    /// share of its sender are not judged: the state may be behind the chain still, so the caller
    /// [refreshes](Self::refresh) everything once it is not.
    ///
    /// # Errors
    /// There is no room, or a transaction of the same nonce was taken that this one does not
    /// replace.
    pub fn restore(&mut self, tx: PooledTransaction, now: Duration) -> Result<Inserted, PoolError> {
        if self.by_hash.contains_key(&tx.hash()) {
            return Ok(Inserted { kind: InsertKind::Duplicate, evicted: Vec::new() });
        }
        let queue = self.by_sender.get(&tx.sender());
        let replaces = match queue.and_then(|queue| queue.get(tx.nonce())) {
            Some(old) => Some(self.check_bump(&old.tx, &tx)?),
            None => None,
        };
        let queue = Queue::of(self.accounts.account(tx.sender()));
        self.put(tx, Place { replaces, standing: Standing::Executable }, now, queue)
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

    /// Whether a pooled transaction can be executed once those before it are, whatever the base
    /// fee.
    #[must_use]
    pub fn is_executable(&self, hash: &B256) -> bool {
        self.by_hash.get(hash).is_some_and(|entry| {
            let queue = self.by_sender.get(&entry.tx.sender());
            queue.is_some_and(|queue| queue.is_executable(entry.tx.nonce()))
        })
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

    /// Size of the pool, by what could be in a block.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let pending = self.executable;
        PoolStatus { pending, queued: self.len() - pending, bytes: self.bytes }
    }

    /// Whether a transaction could be in the next block.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        self.heads.last().is_some_and(|(fee, _)| *fee >= self.base_fee)
    }

    /// First nonce from `nonce` on for which there is no transaction of the sender.
    #[must_use]
    pub fn next_nonce(&self, sender: Address, nonce: u64) -> u64 {
        let mut next = nonce;
        if let Some(queue) = self.by_sender.get(&sender) {
            while queue.get(next).is_some() {
                next += 1;
            }
        }
        next
    }

    /// Transactions of a sender by rising nonce, each with whether it could be in the next block.
    pub fn of_sender(
        &self,
        sender: Address,
    ) -> impl Iterator<Item = (&Arc<PooledTransaction>, bool)> {
        let base_fee = self.base_fee;
        self.by_sender.get(&sender).into_iter().flat_map(move |queue| {
            let mut open = true;
            queue.entries().map(move |entry| {
                let nonce = entry.tx.nonce();
                open &= entry.tx.max_fee_per_gas() >= base_fee || !queue.is_executable(nonce);
                (&entry.tx, open && queue.is_executable(nonce))
            })
        })
    }

    /// The senders, in no order.
    pub fn senders(&self) -> impl Iterator<Item = Address> {
        self.by_sender.keys().copied()
    }

    fn check_price(&self, tx: &PooledTransaction) -> Result<(), PoolError> {
        let (gas, limit) = (tx.gas_limit(), self.limits.block_gas_limit);
        if gas > limit {
            return Err(PoolError::BlockGasLimit { gas, limit });
        }
        let (tip, needed) = (tx.max_priority_fee_per_gas(), self.limits.min_tip);
        if tip < needed {
            return Err(PoolError::Underpriced { tip, needed });
        }
        let (max_fee, base_fee) = (tx.max_fee_per_gas(), self.base_fee);
        if max_fee < base_fee {
            return Err(PoolError::FeeBelowBaseFee { sender: tx.sender(), max_fee, base_fee });
        }
        Ok(())
    }

    fn check_bump(
        &self,
        old: &PooledTransaction,
        tx: &PooledTransaction,
    ) -> Result<B256, PoolError> {
        let raises =
            |price: fn(&PooledTransaction) -> u128| self.limits.is_bump(price(old), price(tx));
        if raises(PooledTransaction::max_fee_per_gas)
            && raises(PooledTransaction::max_priority_fee_per_gas)
        {
            Ok(old.hash())
        } else {
            Err(PoolError::ReplacementUnderpriced)
        }
    }

    /// Checks the transaction against its sender's account, which its queue has if there is one,
    /// and against the sender's other transactions.
    fn check_place(
        &self,
        tx: &PooledTransaction,
        account: Option<Account>,
    ) -> Result<Place, PoolError> {
        let (nonce, first) = (tx.nonce(), Queue::of(Ok(account)));
        let queue = self.by_sender.get(&tx.sender()).unwrap_or(&first);
        if let Some(account) = queue.account() {
            if nonce < account.nonce {
                return Err(PoolError::NonceTooLow { next: account.nonce, nonce });
            }
            let (queued, cost) = (queue.cost_before(nonce), tx.cost());
            if queued.saturating_add(cost) > account.balance {
                let balance = account.balance;
                return Err(PoolError::InsufficientFunds { balance, queued, cost });
            }
        }
        let (standing, held, limit) = if queue.reaches(nonce) {
            let standing = queue.standing(nonce, self.limits.guaranteed_per_sender);
            (standing, queue.run_len(), self.limits.max_per_sender)
        } else {
            let waiting = queue.len() - queue.run_len();
            (Standing::Waiting, waiting, self.limits.max_queued_per_sender)
        };
        if let Some(old) = queue.get(nonce) {
            return Ok(Place { replaces: Some(self.check_bump(&old.tx, tx)?), standing });
        }
        if held >= limit {
            return Err(PoolError::AccountLimit { limit });
        }
        if standing == Standing::Waiting && self.limits.refuses_gapped(self.len(), self.bytes) {
            return Err(PoolError::Full);
        }
        Ok(Place { replaces: None, standing })
    }

    fn put(
        &mut self,
        tx: PooledTransaction,
        place: Place,
        now: Duration,
        first: Queue,
    ) -> Result<Inserted, PoolError> {
        let before = self.by_sender.get(&tx.sender()).and_then(|queue| queue.before(tx.nonce()));
        let behind = before.map_or(0, |before| before.turn.saturating_add(1));
        let turn = self.served.max(behind);
        // The replaced one goes first: its room counts, and it must not be a victim.
        let replaced = place.replaces.and_then(|hash| self.unlink(&hash));
        let victims = match self.make_room(&tx, place.standing, turn) {
            Ok(victims) => victims,
            Err(error) => {
                replaced.into_iter().for_each(|entry| self.link(entry));
                return Err(error);
            }
        };
        let kind = replaced.map_or(InsertKind::New, |old| InsertKind::Replaced(old.tx.hash()));
        self.arrivals += 1;
        self.by_sender.entry(tx.sender()).or_insert(first);
        self.link(Entry { tx: Arc::new(tx), arrival: self.arrivals, turn, since: now });
        let evicted = victims.iter().map(|victim| victim.tx.hash()).collect();
        Ok(Inserted { kind, evicted })
    }

    /// Evicts less deserving transactions of other senders until the new one fits; all or none.
    fn make_room(
        &mut self,
        tx: &PooledTransaction,
        standing: Standing,
        turn: u64,
    ) -> Result<Vec<Entry>, PoolError> {
        let mut victims = Vec::new();
        while self.len() >= self.limits.max_transactions
            || self.bytes.saturating_add(tx.size()) > self.limits.max_bytes
        {
            match self.least_deserving_other(tx, standing, turn) {
                Ok(hash) => victims.extend(self.unlink(&hash)),
                Err(error) => {
                    victims.into_iter().rev().for_each(|victim| self.link(victim));
                    return Err(error);
                }
            }
        }
        Ok(victims)
    }

    fn least_deserving_other(
        &self,
        tx: &PooledTransaction,
        standing: Standing,
        turn: u64,
    ) -> Result<B256, PoolError> {
        let (tip, sender) = (tx.max_priority_fee_per_gas(), tx.sender());
        let (lowest_standing, lowest, last, _, victim) =
            self.tails.iter().find(|(.., victim)| *victim != sender).ok_or(PoolError::Full)?;
        if (*lowest_standing, *lowest, *last) >= (standing, tip, Reverse(turn)) {
            return Err(if *lowest_standing == standing && *lowest > tip {
                PoolError::Underpriced { tip, needed: lowest.saturating_add(1) }
            } else {
                PoolError::Full
            });
        }
        self.by_sender
            .get(victim)
            .and_then(Queue::tail)
            .map(|tail| tail.tx.hash())
            .ok_or(PoolError::Full)
    }

    /// Adds an entry to every index.
    fn link(&mut self, entry: Entry) {
        let sender = entry.tx.sender();
        self.bytes += entry.tx.size();
        self.by_hash.insert(entry.tx.hash(), entry.clone());
        if !self.by_sender.contains_key(&sender) {
            self.by_sender.insert(sender, Queue::of(self.accounts.account(sender)));
        }
        self.edit(sender, |queue| queue.insert(entry));
    }

    /// Takes an entry out of every index.
    pub(crate) fn unlink(&mut self, hash: &B256) -> Option<Entry> {
        let entry = self.forget(hash)?;
        self.edit(entry.tx.sender(), |queue| drop(queue.remove(entry.tx.nonce())));
        Some(entry)
    }

    /// Takes an entry out of everything but its sender's queue.
    pub(crate) fn forget(&mut self, hash: &B256) -> Option<Entry> {
        let entry = self.by_hash.remove(hash)?;
        self.bytes = self.bytes.saturating_sub(entry.tx.size());
        Some(entry)
    }

    /// Changes a sender's queue and brings the indices along; nothing without a queue.
    pub(crate) fn edit<R: Default>(
        &mut self,
        sender: Address,
        change: impl FnOnce(&mut Queue) -> R,
    ) -> R {
        let Some(queue) = self.by_sender.get_mut(&sender) else { return R::default() };
        let guaranteed = self.limits.guaranteed_per_sender;
        let old = queue.keys(sender, guaranteed);
        let result = change(queue);
        let new = queue.keys(sender, guaranteed);
        if old.tail != new.tail {
            old.tail.map(|key| self.tails.remove(&key));
            self.tails.extend(new.tail);
        }
        if old.head != new.head {
            old.head.map(|key| self.heads.remove(&key));
            self.heads.extend(new.head);
        }
        self.executable = self.executable - old.run + new.run;
        if queue.is_empty() {
            self.by_sender.remove(&sender);
            self.held_back.remove(&sender);
        } else if new.held_back {
            self.held_back.insert(sender);
        } else {
            self.held_back.remove(&sender);
        }
        result
    }
}
