//! The order inside blocks.

use alloy_primitives::{B256, Bytes};
use ande_pool::{Rank, TransactionSummary, check_order, order_by_tip};

/// Which order the transactions of a block have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ordering {
    /// As the proposer's pool gives them: by tip and turn. Nobody else can check that.
    #[default]
    Arrival,
    /// *Tip-descending, nonce-respecting*, see [`check_order`]: a proposal in another order is
    /// invalid. Must be the same on all validators.
    TipDescending,
}

/// Puts the transactions of a block with this base fee into their order.
pub(crate) fn reorder(
    known: &[(B256, TransactionSummary)],
    transactions: Vec<Bytes>,
    base_fee: u128,
) -> Vec<Bytes> {
    let (ranks, raws): (Vec<Rank>, Vec<Bytes>) = known
        .iter()
        .zip(transactions)
        .filter_map(|((hash, summary), raw)| Some((summary.rank(*hash, base_fee)?, raw)))
        .unzip();
    order_by_tip(&ranks).into_iter().map(|index| raws[index].clone()).collect()
}

/// Checks the order of the transactions of a block with this base fee.
///
/// # Errors
/// Says which transaction is in the wrong place.
pub(crate) fn judge_order(
    transactions: &[(B256, TransactionSummary)],
    base_fee: u128,
) -> Result<(), String> {
    let ranks = transactions
        .iter()
        .map(|(hash, summary)| {
            summary.rank(*hash, base_fee).ok_or_else(|| {
                format!(
                    "transaction {hash}: max fee per gas less than block base fee: maxFeePerGas: \
                     {}, baseFee: {base_fee}",
                    summary.max_fee_per_gas
                )
            })
        })
        .collect::<Result<Vec<Rank>, String>>()?;
    check_order(&ranks).map_err(|index| {
        format!(
            "transaction {} at index {index} is not the next one by tip and nonce",
            ranks[index].hash
        )
    })
}
