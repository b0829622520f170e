//! Limits of a pool.

use std::time::Duration;

/// Upper limits, each enforced on every insertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Transactions.
    pub max_transactions: usize,
    /// Their size in bytes.
    pub max_bytes: usize,
    /// Executable transactions of one sender. More can only come by the closing of a gap.
    pub max_per_sender: usize,
    /// Transactions of one sender that cannot be executed yet.
    pub max_queued_per_sender: usize,
    /// Executable transactions of one sender that in a full pool leave after everybody's further
    /// ones, and for which these make room whatever they pay.
    pub guaranteed_per_sender: usize,
    /// Gas of a block: no transaction may ask for more.
    pub block_gas_limit: u64,
    /// Lowest tip per gas in wei.
    pub min_tip: u128,
    /// Percentage by which a replacement must raise both fee and tip.
    pub price_bump_percent: u8,
    /// Filling in percent from which transactions that wait for an earlier nonce are refused, so
    /// that transactions that nobody can include do not fill the pool.
    pub gapped_until_percent: u8,
    /// Longest stay of a transaction that no block can take: one that waits for an earlier nonce,
    /// for funds or for a lower base fee.
    pub lifetime: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            max_transactions: 20_000,
            max_bytes: 64 << 20,
            max_per_sender: 64,
            max_queued_per_sender: 64,
            guaranteed_per_sender: 16,
            block_gas_limit: 30_000_000,
            min_tip: 0,
            price_bump_percent: 10,
            gapped_until_percent: 90,
            lifetime: Duration::from_secs(3 * 60 * 60),
        }
    }
}

impl PoolLimits {
    /// Whether so many transactions of so many bytes are too close to the limits for gapped ones.
    pub(crate) const fn refuses_gapped(&self, transactions: usize, bytes: usize) -> bool {
        let percent = self.gapped_until_percent as usize;
        transactions.saturating_mul(100) >= self.max_transactions.saturating_mul(percent)
            || bytes.saturating_mul(100) >= self.max_bytes.saturating_mul(percent)
    }

    /// Whether a new price is enough above an old one to replace it.
    pub(crate) const fn is_bump(&self, old: u128, new: u128) -> bool {
        let percent = self.price_bump_percent as u128;
        // floor(old * percent / 100) without the product.
        let rise = (old / 100).saturating_mul(percent).saturating_add(old % 100 * percent / 100);
        new > old && new >= old.saturating_add(rise)
    }
}
