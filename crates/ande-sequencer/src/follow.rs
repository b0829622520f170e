//! How the pool follows the chain.

use std::{collections::HashSet, time::Duration};

use alloy_primitives::{Address, B256};
use tracing::warn;

use crate::{TransactionPool, recovery::Looked};

/// Transactions or senders handled under one hold of the lock.
const CHUNK: usize = 256;
/// Time between searches for transactions that stayed too long.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);
/// Blocks whose execution may leave a transaction out for no visible reason before it is dropped.
const MAX_LEFT_OUT: u8 = 3;
/// Such transactions remembered.
const MAX_SUSPECTS: usize = 1024;

impl TransactionPool {
    /// Follows the chain by a committed block: takes its transactions out of pool and journal, and
    /// what they made impossible, and reads the accounts it may have changed.
    pub(crate) fn committed(&self, transactions: &[Looked]) {
        let mut impossible = HashSet::new();
        for chunk in transactions.chunks(CHUNK) {
            let hashes: Vec<B256> = chunk.iter().map(|(hash, _)| *hash).collect();
            let mut senders: Vec<Address> = chunk
                .iter()
                .filter_map(|(_, found)| found.as_ref().ok().map(|summary| summary.sender))
                .collect();
            senders.dedup();
            impossible.extend(self.held.lock().pool.commit(&hashes, &senders));
        }
        for (hash, _) in transactions {
            impossible.remove(hash);
        }
        let held_back = {
            let mut held = self.held.lock();
            held.pool.update_base_fee();
            held.pool.held_back()
        };
        impossible.extend(self.refresh(&held_back));
        self.count_dropped("impossible", impossible.len());
        self.pruner.forget(transactions.iter().map(|(hash, _)| *hash).chain(impossible));
        self.expire();
        self.pruner.flush();
        // A lower base fee or new funds may have opened something.
        self.arrived.notify_waiters();
    }

    /// Reads all accounts and the base fee again: the executor has reached the tip of the chain.
    pub(crate) fn caught_up(&self) {
        let senders: Vec<Address> = {
            let mut held = self.held.lock();
            held.pool.update_base_fee();
            held.pool.senders().collect()
        };
        let impossible = self.refresh(&senders);
        if !impossible.is_empty() {
            warn!(
                transactions = impossible.len(),
                first = ?impossible.first(),
                "pooled transactions whose nonces are used were dropped"
            );
        }
        self.count_dropped("impossible", impossible.len());
        self.pruner.forget(impossible);
        self.pruner.flush();
    }

    fn refresh(&self, senders: &[Address]) -> Vec<B256> {
        senders.chunks(CHUNK).flat_map(|chunk| self.held.lock().pool.refresh(chunk)).collect()
    }

    fn expire(&self) {
        let now = self.started.elapsed();
        let expired = {
            let mut held = self.held.lock();
            if now.saturating_sub(held.expired_at) < EXPIRE_EVERY {
                return;
            }
            held.expired_at = now;
            held.pool.expire(now)
        };
        self.count_dropped("expired", expired.len());
        self.pruner.forget(expired);
    }

    /// Learns from what the execution left out of a block built here: `gas_left` is what the block
    /// had left in the end. Accounts are read again, and what is left out again and again although
    /// nothing speaks against it is dropped.
    pub(crate) fn left_out(&self, transactions: &[B256], gas_left: u64) {
        let mut unfit = Vec::new();
        let mut impossible = Vec::new();
        {
            let mut held = self.held.lock();
            let mut senders = HashSet::new();
            for hash in transactions {
                let Some(transaction) = held.pool.get(hash) else { continue };
                // What follows a transaction that is left out is left out for that.
                if !senders.insert(transaction.sender()) {
                    continue;
                }
                impossible.extend(held.pool.refresh(&[transaction.sender()]));
                let explained = !held.pool.is_executable(hash)
                    || transaction.gas_limit() > gas_left
                    || transaction.max_fee_per_gas() < held.pool.base_fee();
                if explained {
                    continue;
                }
                if held.suspects.len() >= MAX_SUSPECTS {
                    held.suspects.clear();
                }
                let times = held.suspects.entry(*hash).or_default();
                *times += 1;
                if *times >= MAX_LEFT_OUT {
                    held.suspects.remove(hash);
                    held.pool.remove_included(&[*hash]);
                    unfit.push(*hash);
                }
            }
        }
        for hash in &unfit {
            warn!(%hash, "the execution refuses a pooled transaction; it was dropped");
        }
        self.count_dropped("unfit", unfit.len());
        self.count_dropped("impossible", impossible.len());
        self.pruner.forget(unfit.into_iter().chain(impossible));
    }

    /// Takes transactions that are in the chain out of pool and journal.
    pub(crate) fn remove(&self, hashes: Vec<B256>) {
        self.held.lock().pool.remove_included(&hashes);
        self.pruner.forget(hashes);
    }
}
