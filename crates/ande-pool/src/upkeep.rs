//! What leaves the pool other than for a better paying transaction.

use std::{collections::HashMap, time::Duration};

use alloy_primitives::{Address, B256};

use crate::Pool;

impl Pool {
    /// Takes transactions that are in the chain, or that a block can never take, out. Returns how
    /// many were here.
    pub fn remove_included(&mut self, hashes: &[B256]) -> usize {
        hashes.iter().filter(|hash| self.unlink(hash).is_some()).count()
    }

    /// Follows the chain by a block, or by a part of one: takes what it `included` out and reads
    /// the accounts of `senders` and of those whose included transactions were here again. Returns
    /// the pooled transactions that the block has made impossible; they are out too.
    pub fn commit(&mut self, included: &[B256], senders: &[Address]) -> Vec<B256> {
        let mut nonces: HashMap<Address, Vec<u64>> =
            senders.iter().map(|sender| (*sender, Vec::new())).collect();
        for hash in included {
            if let Some(entry) = self.forget(hash) {
                self.served = self.served.max(entry.turn);
                nonces.entry(entry.tx.sender()).or_default().push(entry.tx.nonce());
            }
        }
        let mut impossible = Vec::new();
        for (sender, nonces) in nonces {
            impossible.extend(self.read_again(sender, &nonces));
        }
        impossible
    }

    /// Reads the accounts of senders again and takes out what their nonces have passed; returns
    /// what that was.
    pub fn refresh(&mut self, senders: &[Address]) -> Vec<B256> {
        senders.iter().flat_map(|sender| self.read_again(*sender, &[])).collect()
    }

    /// Senders that a change of balance by somebody else may help: to be
    /// [refreshed](Self::refresh) after every block.
    #[must_use]
    pub fn held_back(&self) -> Vec<Address> {
        self.held_back.iter().copied().collect()
    }

    /// Takes over the base fee of the next block. Transactions below it stay and wait.
    pub fn update_base_fee(&mut self) {
        self.base_fee = self.accounts.next_base_fee();
    }

    /// Takes out what no block could take and has stayed longer than
    /// [`lifetime`](crate::PoolLimits::lifetime); returns what that was.
    pub fn expire(&mut self, now: Duration) -> Vec<B256> {
        let lifetime = self.limits().lifetime;
        let mut old = Vec::new();
        for queue in self.by_sender.values() {
            // Behind a transaction that waits for a lower base fee all wait.
            let mut open = true;
            for entry in queue.entries() {
                let executable = queue.is_executable(entry.tx.nonce());
                open &= !executable || entry.tx.max_fee_per_gas() >= self.base_fee;
                if !(open && executable) && now.saturating_sub(entry.since) > lifetime {
                    old.push(entry.tx.hash());
                }
            }
        }
        self.remove_included(&old);
        old
    }

    /// Takes nonces out of a sender's queue and reads its account.
    fn read_again(&mut self, sender: Address, included: &[u64]) -> Vec<B256> {
        if !self.by_sender.contains_key(&sender) {
            return Vec::new();
        }
        let account = self.accounts.account(sender);
        let stale = self.edit(sender, |queue| {
            for nonce in included {
                queue.remove(*nonce);
            }
            if queue.is_empty() {
                return Default::default();
            }
            match account {
                Ok(account) => queue.set_account(account),
                Err(_) => queue.set_unread(),
            }
            queue.take_stale()
        });
        let stale = stale.into_values().map(|entry| entry.tx.hash());
        stale.filter(|hash| self.forget(hash).is_some()).collect()
    }
}
