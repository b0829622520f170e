//! Fees of settlement transactions.

use alloy::primitives::U256;

use crate::{L1Client, L1Error, TxError};
use alloy::eips::BlockNumberOrTag;

/// One gwei in wei.
const GWEI: u128 = 1_000_000_000;
/// Blocks whose tips are looked at.
const HISTORY: u64 = 5;

/// Limits of the fees a node pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeePolicy {
    /// Smallest tip in wei per gas.
    pub min_tip: u128,
    /// Largest fee cap in wei per gas; above it the node waits.
    pub max_fee: u128,
}

impl Default for FeePolicy {
    /// Tip from 1 gwei, fee cap up to 500 gwei.
    fn default() -> Self {
        Self { min_tip: GWEI, max_fee: 500 * GWEI }
    }
}

/// Fees of one transaction in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// Priority fee.
    pub tip: u128,
    /// Fee cap.
    pub cap: u128,
}

impl Fees {
    /// What a transaction needs now: a usual tip, and room for the base fee to double.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn suggested(client: &L1Client, policy: &FeePolicy) -> Result<Self, L1Error> {
        let latest = client
            .block(BlockNumberOrTag::Latest)
            .await?
            .ok_or_else(|| L1Error::UnknownBlock("latest".to_owned()))?;
        let base = u128::from(latest.base_fee.unwrap_or_default());
        let history = match client.fee_history(HISTORY, 50.0).await {
            Ok(history) => history.reward.unwrap_or_default(),
            // Not every endpoint keeps it; the smallest tip is then enough to be bumped from.
            Err(L1Error::Rpc { .. }) => Vec::new(),
            Err(other) => return Err(other),
        };
        let mut tips: Vec<u128> =
            history.iter().filter_map(|block| block.first().copied()).collect();
        tips.sort_unstable();
        let usual = tips.get(tips.len() / 2).copied().unwrap_or_default();
        let tip = usual.max(policy.min_tip).min(policy.max_fee);
        Ok(Self { tip, cap: base.saturating_mul(2).saturating_add(tip) })
    }

    /// Fees that replace a transaction with fees `old`: pools ask for at least a tenth more of
    /// both, rounded up.
    #[must_use]
    pub fn replacing(self, old: Self) -> Self {
        let more = |fee: u128| fee.saturating_add(fee.div_ceil(10)).saturating_add(1);
        let tip = self.tip.max(more(old.tip));
        Self { tip, cap: self.cap.max(more(old.cap)).max(tip) }
    }

    /// Whether the policy allows them.
    ///
    /// # Errors
    /// [`TxError::FeeLimit`] with both numbers.
    pub const fn check(self, policy: &FeePolicy) -> Result<Self, TxError> {
        if self.cap > policy.max_fee {
            return Err(TxError::FeeLimit { needed: self.cap, limit: policy.max_fee });
        }
        Ok(self)
    }

    /// Most wei that `gas` can cost.
    #[must_use]
    pub fn most_for(self, gas: u64) -> U256 {
        U256::from(self.cap).saturating_mul(U256::from(gas))
    }
}

/// Gas that a transaction with this input needs whatever it does (EIP-7623): 21,000 and 10 per
/// token, a zero byte being one and any other four.
#[must_use]
pub(super) fn calldata_floor(input: &[u8]) -> u64 {
    let zeros = input.iter().filter(|byte| **byte == 0).count();
    let tokens = zeros + (input.len() - zeros) * 4;
    21_000 + 10 * tokens as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_pays_a_tenth_more_of_both() {
        let old = Fees { tip: GWEI, cap: 3 * GWEI };
        let cheap = Fees { tip: 1, cap: 2 };
        let bumped = cheap.replacing(old);
        assert!(bumped.tip * 10 >= old.tip * 11 && bumped.cap * 10 >= old.cap * 11, "{bumped:?}");
        let dear = Fees { tip: 5 * GWEI, cap: 50 * GWEI };
        assert_eq!(dear.replacing(old), dear);
        let zero = Fees { tip: 0, cap: 0 };
        assert!(zero.replacing(zero).cap >= 1);
    }

    #[test]
    fn fees_above_the_limit_are_not_paid() {
        let policy = FeePolicy { min_tip: 1, max_fee: 10 };
        assert!(Fees { tip: 1, cap: 10 }.check(&policy).is_ok());
        assert!(matches!(
            Fees { tip: 1, cap: 11 }.check(&policy),
            Err(TxError::FeeLimit { needed: 11, limit: 10 })
        ));
    }

    #[test]
    fn the_floor_counts_tokens() {
        assert_eq!(calldata_floor(&[]), 21_000);
        assert_eq!(calldata_floor(&[0, 1, 0]), 21_000 + 10 * 6);
    }
}
