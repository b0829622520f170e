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
    /// Largest fee cap in wei per blob gas; above it the node waits.
    pub max_blob_fee: u128,
}

impl Default for FeePolicy {
    /// Tip from 1 gwei, fee caps up to 500 gwei.
    fn default() -> Self {
        Self { min_tip: GWEI, max_fee: 500 * GWEI, max_blob_fee: 500 * GWEI }
    }
}

/// Fees of one transaction in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// Priority fee.
    pub tip: u128,
    /// Fee cap.
    pub cap: u128,
    /// Fee cap in wei per blob gas; none for a transaction without blobs.
    pub blob_cap: Option<u128>,
}

/// What the settlement chain charges now, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Base fee and a usual tip.
    pub gas: u128,
    /// Blob base fee.
    pub blob_gas: u128,
}

impl Prices {
    /// The prices of the next block, near enough.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub(super) async fn now(client: &L1Client, policy: &FeePolicy) -> Result<Self, L1Error> {
        let (base, tip) = base_and_tip(client, policy).await?;
        Ok(Self { gas: base.saturating_add(tip), blob_gas: client.blob_base_fee().await? })
    }
}

async fn base_and_tip(client: &L1Client, policy: &FeePolicy) -> Result<(u128, u128), L1Error> {
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
    let mut tips: Vec<u128> = history.iter().filter_map(|block| block.first().copied()).collect();
    tips.sort_unstable();
    let usual = tips.get(tips.len() / 2).copied().unwrap_or_default();
    Ok((base, usual.max(policy.min_tip).min(policy.max_fee)))
}

impl Fees {
    /// What a transaction needs now: a usual tip, and room for both base fees to double.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn suggested(
        client: &L1Client,
        policy: &FeePolicy,
        with_blobs: bool,
    ) -> Result<Self, L1Error> {
        let (base, tip) = base_and_tip(client, policy).await?;
        let blob_cap = match with_blobs {
            // Pools do not take less than a gwei in practice; what is not needed is not paid.
            true => Some(client.blob_base_fee().await?.saturating_mul(2).max(GWEI)),
            false => None,
        };
        Ok(Self { tip, cap: base.saturating_mul(2).saturating_add(tip), blob_cap })
    }

    /// Fees that replace a transaction with fees `old`: pools ask for at least a tenth more of
    /// everything, rounded up, and for twice as much when there are blobs.
    #[must_use]
    pub fn replacing(self, old: Self) -> Self {
        let more = |fee: u128| match old.blob_cap {
            Some(_) => fee.saturating_mul(2).max(1),
            None => fee.saturating_add(fee.div_ceil(10)).saturating_add(1),
        };
        let tip = self.tip.max(more(old.tip));
        let blob_cap = match (self.blob_cap, old.blob_cap) {
            (Some(now), Some(old)) => Some(now.max(more(old))),
            (now, _) => now,
        };
        Self { tip, cap: self.cap.max(more(old.cap)).max(tip), blob_cap }
    }

    /// Whether the policy allows them.
    ///
    /// # Errors
    /// [`TxError::FeeLimit`] with both numbers.
    pub const fn check(self, policy: &FeePolicy) -> Result<Self, TxError> {
        if self.cap > policy.max_fee {
            return Err(TxError::FeeLimit { needed: self.cap, limit: policy.max_fee });
        }
        if let Some(needed) = self.blob_cap
            && needed > policy.max_blob_fee
        {
            return Err(TxError::BlobFeeLimit { needed, limit: policy.max_blob_fee });
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
        let old = Fees { tip: GWEI, cap: 3 * GWEI, blob_cap: None };
        let cheap = Fees { tip: 1, cap: 2, blob_cap: None };
        let bumped = cheap.replacing(old);
        assert!(bumped.tip * 10 >= old.tip * 11 && bumped.cap * 10 >= old.cap * 11, "{bumped:?}");
        let dear = Fees { tip: 5 * GWEI, cap: 50 * GWEI, blob_cap: None };
        assert_eq!(dear.replacing(old), dear);
        let zero = Fees { tip: 0, cap: 0, blob_cap: None };
        assert!(zero.replacing(zero).cap >= 1);
    }

    #[test]
    fn fees_above_the_limit_are_not_paid() {
        let policy = FeePolicy { min_tip: 1, max_fee: 10, max_blob_fee: 5 };
        assert!(Fees { tip: 1, cap: 10, blob_cap: None }.check(&policy).is_ok());
        assert!(matches!(
            Fees { tip: 1, cap: 11, blob_cap: None }.check(&policy),
            Err(TxError::FeeLimit { needed: 11, limit: 10 })
        ));
        assert!(Fees { tip: 1, cap: 10, blob_cap: Some(5) }.check(&policy).is_ok());
        assert!(matches!(
            Fees { tip: 1, cap: 10, blob_cap: Some(6) }.check(&policy),
            Err(TxError::BlobFeeLimit { needed: 6, limit: 5 })
        ));
    }

    #[test]
    fn a_replacement_with_blobs_pays_twice_as_much_of_everything() {
        let old = Fees { tip: GWEI, cap: 3 * GWEI, blob_cap: Some(2 * GWEI) };
        let now = Fees { tip: 1, cap: 2, blob_cap: Some(3) };
        let twice = Fees { tip: 2 * GWEI, cap: 6 * GWEI, blob_cap: Some(4 * GWEI) };
        assert_eq!(now.replacing(old), twice);
        let dear = Fees { tip: 9 * GWEI, cap: 50 * GWEI, blob_cap: Some(70 * GWEI) };
        assert_eq!(dear.replacing(old), dear);
    }

    #[test]
    fn the_floor_counts_tokens() {
        assert_eq!(calldata_floor(&[]), 21_000);
        assert_eq!(calldata_floor(&[0, 1, 0]), 21_000 + 10 * 6);
    }
}
