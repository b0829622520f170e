//! `[pool]`: limits of the transaction pool.

use std::time::Duration;

use ande_pool::PoolLimits;
use ande_primitives::MAX_TRANSACTION_BYTES;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checked::Checker;

/// Memory of a pooled transaction beside its own bytes: its decoded form and its places in the
/// pool's indices, rounded up.
const BESIDE_BYTES: u64 = 1 << 10;
/// The pool may take this share of the machine's memory: one part of so many.
const POOL_SHARE: u64 = 2;

/// `[pool]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawPool {
    /// Most transactions.
    pub max_transactions: usize,
    /// Most bytes of all transactions together.
    pub max_bytes: usize,
    /// Most transactions of one sender that can be executed.
    pub max_per_sender: usize,
    /// Most transactions of one sender that wait for an earlier nonce; 0 takes none.
    pub max_queued_per_sender: usize,
    /// Transactions of each sender that nobody's higher tip drives out of a full pool; at most
    /// `max_per_sender`.
    pub guaranteed_per_sender: usize,
    /// Lowest tip per gas, wei.
    pub min_tip: u64,
    /// Rise of fee and tip that a replacement needs, percent.
    pub price_bump_percent: u8,
    /// Filling of the pool from which no transaction is taken that waits for an earlier nonce,
    /// percent.
    pub gapped_until_percent: u8,
    /// Longest stay of a transaction that no block can take, milliseconds.
    pub lifetime_ms: u64,
}

impl Default for RawPool {
    fn default() -> Self {
        let limits = PoolLimits::default();
        Self {
            max_transactions: limits.max_transactions,
            max_bytes: limits.max_bytes,
            max_per_sender: limits.max_per_sender,
            max_queued_per_sender: limits.max_queued_per_sender,
            guaranteed_per_sender: limits.guaranteed_per_sender,
            min_tip: 0,
            price_bump_percent: limits.price_bump_percent,
            gapped_until_percent: limits.gapped_until_percent,
            lifetime_ms: whole_millis(limits.lifetime),
        }
    }
}

/// Milliseconds of a default.
pub(super) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Checker {
    /// The pool's limits; the gas of a block is the genesis's word.
    pub(super) fn pool(&mut self, raw: &RawPool) -> PoolLimits {
        let max_transactions =
            self.count("pool.max_transactions", raw.max_transactions, 1, 10_000_000);
        let max_bytes = self.count("pool.max_bytes", raw.max_bytes, MAX_TRANSACTION_BYTES, 1 << 34);
        let memory = (raw.max_bytes as u64)
            .saturating_add((raw.max_transactions as u64).saturating_mul(BESIDE_BYTES));
        self.memory("pool.max_bytes and pool.max_transactions", memory, POOL_SHARE);
        let max_per_sender = self.count("pool.max_per_sender", raw.max_per_sender, 1, 1_000_000);
        self.not_above(
            ("pool.max_per_sender", raw.max_per_sender as u64),
            ("pool.max_transactions", raw.max_transactions as u64),
            "one sender would be allowed more than everybody together",
        );
        self.not_above(
            ("pool.max_queued_per_sender", raw.max_queued_per_sender as u64),
            ("pool.max_transactions", raw.max_transactions as u64),
            "one sender would be allowed more than everybody together",
        );
        self.not_above(
            ("pool.guaranteed_per_sender", raw.guaranteed_per_sender as u64),
            ("pool.max_per_sender", raw.max_per_sender as u64),
            "a sender cannot be sure of more than it may have",
        );
        if raw.price_bump_percent == 0 {
            self.problem(
                "pool.price_bump_percent = 0 lets anybody make every node check and gossip \
                 replacements for nothing; 10 is usual"
                    .into(),
            );
        }
        self.within("pool.price_bump_percent", raw.price_bump_percent.into(), 0, 100);
        self.within("pool.gapped_until_percent", raw.gapped_until_percent.into(), 1, 100);
        PoolLimits {
            max_transactions,
            max_bytes,
            max_per_sender,
            max_queued_per_sender: raw.max_queued_per_sender,
            guaranteed_per_sender: raw.guaranteed_per_sender,
            min_tip: raw.min_tip.into(),
            price_bump_percent: raw.price_bump_percent,
            gapped_until_percent: raw.gapped_until_percent,
            lifetime: self.millis("pool.lifetime_ms", raw.lifetime_ms, 1_000, 2_592_000_000),
            ..PoolLimits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str, memory: Option<u64>) -> Vec<String> {
        let mut checker = Checker::new(memory);
        checker.pool(&toml::from_str(text).unwrap());
        checker.into_problems()
    }

    #[test]
    fn nothing_said_means_the_pools_own_limits() {
        let mut checker = Checker::new(Some(8 << 30));
        assert_eq!(checker.pool(&RawPool::default()), PoolLimits::default());
        assert_eq!(checker.into_problems(), Vec::<String>::new());
    }

    #[test]
    fn every_limit_has_its_key() {
        let text = "max_transactions = 100\nmax_bytes = 200000\nmax_per_sender = 30\n\
                    max_queued_per_sender = 0\nguaranteed_per_sender = 4\nmin_tip = 7\n\
                    price_bump_percent = 12\ngapped_until_percent = 50\nlifetime_ms = 60000";
        let mut checker = Checker::new(None);
        let expected = PoolLimits {
            max_transactions: 100,
            max_bytes: 200_000,
            max_per_sender: 30,
            max_queued_per_sender: 0,
            guaranteed_per_sender: 4,
            min_tip: 7,
            price_bump_percent: 12,
            gapped_until_percent: 50,
            lifetime: Duration::from_secs(60),
            ..PoolLimits::default()
        };
        assert_eq!(checker.pool(&toml::from_str(text).unwrap()), expected);
        assert_eq!(checker.into_problems(), Vec::<String>::new());
    }

    #[test]
    fn senseless_limits_are_refused_with_advice() {
        for (text, words) in [
            ("max_transactions = 0", "pool.max_transactions = 0 is outside 1 to 10000000"),
            ("max_bytes = 0", "pool.max_bytes = 0 is outside 131072 to"),
            ("max_per_sender = 0", "pool.max_per_sender = 0 is outside 1 to"),
            ("max_transactions = 63", "lower pool.max_per_sender or raise pool.max_transactions"),
            ("max_queued_per_sender = 20001", "pool.max_queued_per_sender = 20001 is above"),
            ("guaranteed_per_sender = 65", "a sender cannot be sure of more than it may have"),
            ("price_bump_percent = 0", "10 is usual"),
            ("price_bump_percent = 101", "is outside 0 to 100"),
            ("gapped_until_percent = 0", "pool.gapped_until_percent = 0 is outside 1 to 100"),
            ("lifetime_ms = 999", "pool.lifetime_ms = 999 is outside 1000 to"),
        ] {
            let found = problems(text, None);
            assert!(found.iter().any(|problem| problem.contains(words)), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_pool_that_memory_cannot_hold_is_refused() {
        let large = "max_bytes = 8589934592";
        assert!(problems(large, None).is_empty());
        assert!(problems(large, Some(32 << 30)).is_empty());
        let found = problems(large, Some(16 << 30));
        assert!(found.iter().any(|problem| problem.contains("of this machine's memory")));
        let many = "max_transactions = 10000000";
        assert!(!problems(many, Some(16 << 30)).is_empty());
    }
}
