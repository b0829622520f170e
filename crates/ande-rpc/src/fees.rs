//! What transactions cost: suggestions and history.

use std::{num::NonZeroUsize, sync::Arc};

use alloy::{
    consensus::Transaction as _,
    eips::{eip1559::BaseFeeParams, eip7840::BlobParams},
    rpc::types::FeeHistory,
};
use alloy_primitives::{U64, U256};
use ande_execution::BlockReceipts;
use ande_primitives::Height;
use lru::LruCache;
use parking_lot::Mutex;

use crate::{
    RpcError,
    args::{Args, missing},
    blocks::{Body, envelope},
    context::Context,
    reads::blocking,
};

/// Most blocks of one history, as in geth.
const MAX_BLOCKS: u64 = 1024;
/// Most percentiles of one history, as in geth.
const MAX_PERCENTILES: usize = 100;
/// Blocks whose tips the suggestion follows, as in geth.
const SAMPLED_BLOCKS: u64 = 20;
/// Lowest tips taken from each of them.
const SAMPLES: usize = 3;
/// Percentile of the samples that is suggested.
const PERCENTILE: usize = 60;
/// Highest suggestion in wei, as in geth.
const MAX_TIP: u128 = 500_000_000_000;
/// Blocks whose tips are kept.
const CACHED_BLOCKS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// Tip and gas of one transaction, ordered by tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Paid {
    tip: u128,
    gas: u64,
}

/// Tips of blocks, which never change, and the last suggestion.
#[derive(Debug)]
pub(crate) struct FeeCache {
    paid: Mutex<LruCache<u64, Arc<[Paid]>>>,
    suggested: Mutex<Option<(u64, u128)>>,
}

impl Default for FeeCache {
    fn default() -> Self {
        Self { paid: Mutex::new(LruCache::new(CACHED_BLOCKS)), suggested: Mutex::default() }
    }
}

/// What was paid in a block, ascending by tip.
async fn paid(context: &Context, number: u64) -> Result<Arc<[Paid]>, RpcError> {
    if let Some(paid) = context.fees.paid.lock().get(&number) {
        return Ok(paid.clone());
    }
    let body = context.body(Height(number)).await?.ok_or_else(RpcError::header_not_found)?;
    let receipts = context.receipts(number).await?;
    let paid = blocking(&context.heavy_reads, move || tips(&body, &receipts)).await?;
    context.fees.paid.lock().put(number, paid.clone());
    Ok(paid)
}

fn tips(body: &Body, receipts: &BlockReceipts) -> Result<Arc<[Paid]>, RpcError> {
    let base_fee = body.sealed.header.base_fee_per_gas.unwrap_or_default();
    let mut paid = body
        .transactions
        .iter()
        .zip(&receipts.receipts)
        .map(|(raw, executed)| {
            let tip = envelope(raw)?.effective_tip_per_gas(base_fee).unwrap_or_default();
            Ok(Paid { tip, gas: executed.gas_used })
        })
        .collect::<Result<Vec<_>, RpcError>>()?;
    paid.sort_unstable();
    Ok(paid.into())
}

/// The tip that gets a transaction into a block in time: geth's oracle.
async fn suggested_tip(context: &Context) -> Result<u128, RpcError> {
    let latest = context.heads().latest.0;
    if let Some((at, tip)) = *context.fees.suggested.lock()
        && at == latest
    {
        return Ok(tip);
    }
    let first = latest.saturating_sub(SAMPLED_BLOCKS - 1).max(1);
    let mut samples = Vec::new();
    for number in first..=latest {
        let paid = paid(context, number).await?;
        samples.extend(paid.iter().map(|paid| paid.tip).filter(|tip| *tip > 0).take(SAMPLES));
    }
    let tip = percentile(&mut samples)
        .unwrap_or_else(|| u128::from(context.services.limits.default_tip))
        .min(MAX_TIP);
    *context.fees.suggested.lock() = Some((latest, tip));
    Ok(tip)
}

fn percentile(samples: &mut [u128]) -> Option<u128> {
    samples.sort_unstable();
    let last = samples.len().checked_sub(1)?;
    samples.get(last * PERCENTILE / 100).copied()
}

pub(crate) async fn max_priority_fee(context: Arc<Context>, _: Args) -> Result<U256, RpcError> {
    suggested_tip(&context).await.map(U256::from)
}

pub(crate) async fn gas_price(context: Arc<Context>, _: Args) -> Result<U256, RpcError> {
    let tip = suggested_tip(&context).await?;
    let base_fee = context.read(|evm| Ok(evm.next_base_fee())).await?;
    Ok(U256::from(tip.saturating_add(u128::from(base_fee))))
}

pub(crate) async fn blob_base_fee(context: Arc<Context>, _: Args) -> Result<U64, RpcError> {
    let head = context.sealed(context.heads().latest).await?;
    let fee = head.and_then(|sealed| sealed.header.next_block_blob_fee(BlobParams::cancun()));
    Ok(U64::from(fee.unwrap_or(1)))
}

pub(crate) async fn fee_history(context: Arc<Context>, args: Args) -> Result<FeeHistory, RpcError> {
    let count = args.number(0)?.ok_or_else(|| missing(0))?;
    let newest = args.block(1)?;
    let percentiles: Option<Vec<f64>> = args.optional(2)?;
    check_percentiles(percentiles.as_deref().unwrap_or_default())?;
    let latest = context.heads().latest.0;
    let last = match context.eth_height(newest).await? {
        Some(height) => height.0,
        None => {
            let asked = match newest {
                crate::args::Reference::Block(tag) => tag.as_number().unwrap_or_default(),
                crate::args::Reference::Hash(_) => return Err(RpcError::header_not_found()),
            };
            return Err(RpcError::Failed(format!(
                "request beyond head block: requested {asked}, head {latest}"
            )));
        }
    };
    let count = count.min(MAX_BLOCKS).min(last.saturating_add(1));
    if count == 0 {
        return Ok(FeeHistory::default());
    }
    let oldest = last + 1 - count;
    let headers = context.sealed_range(oldest..=last).await?;
    let mut history = FeeHistory { oldest_block: oldest, ..FeeHistory::default() };
    for sealed in &headers {
        let header = &sealed.header;
        history.base_fee_per_gas.push(header.base_fee_per_gas.unwrap_or_default().into());
        history.gas_used_ratio.push(ratio(header.gas_used, header.gas_limit));
        history
            .base_fee_per_blob_gas
            .push(header.blob_fee(BlobParams::cancun()).unwrap_or_default());
        history.blob_gas_used_ratio.push(ratio(
            header.blob_gas_used.unwrap_or_default(),
            BlobParams::cancun().max_blob_gas_per_block(),
        ));
    }
    if let Some(newest) = headers.last() {
        let next = newest.header.next_block_base_fee(BaseFeeParams::ethereum());
        history.base_fee_per_gas.push(next.unwrap_or_default().into());
        let next = newest.header.next_block_blob_fee(BlobParams::cancun());
        history.base_fee_per_blob_gas.push(next.unwrap_or_default());
    }
    if let Some(percentiles) = percentiles.filter(|percentiles| !percentiles.is_empty()) {
        let mut rows = Vec::with_capacity(headers.len());
        for sealed in &headers {
            let header = &sealed.header;
            let row = if header.gas_used == 0 {
                vec![0; percentiles.len()]
            } else {
                rewards(&paid(&context, header.number).await?, header.gas_used, &percentiles)
            };
            rows.push(row);
        }
        history.reward = Some(rows);
    }
    Ok(history)
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    let invalid = |text: String| Err(RpcError::Failed(format!("invalid reward percentile{text}")));
    if percentiles.len() > MAX_PERCENTILES {
        return invalid(format!(": over the query limit {MAX_PERCENTILES}"));
    }
    let mut before = None;
    for (index, percentile) in percentiles.iter().enumerate() {
        if !(0.0..=100.0).contains(percentile) {
            return invalid(format!(": {percentile:.6}"));
        }
        if let Some(before) = before.filter(|before| before >= &percentile) {
            return invalid(format!(": #{}:{before:.6} >= #{index}:{percentile:.6}", index - 1));
        }
        before = Some(percentile);
    }
    Ok(())
}

/// Tips at percentiles of the gas of a block.
fn rewards(paid: &[Paid], gas_used: u64, percentiles: &[f64]) -> Vec<u128> {
    let mut entries = paid.iter().peekable();
    let mut tip = 0;
    let mut below = 0u64;
    percentiles
        .iter()
        .map(|percentile| {
            let threshold = (gas_used as f64 * percentile / 100.0) as u64;
            if below == 0
                && let Some(first) = entries.next()
            {
                (tip, below) = (first.tip, first.gas);
            }
            while below < threshold
                && let Some(entry) = entries.next()
            {
                tip = entry.tip;
                below += entry.gas;
            }
            tip
        })
        .collect()
}

fn ratio(used: u64, limit: u64) -> f64 {
    if limit == 0 { 0.0 } else { used as f64 / limit as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_follow_the_gas() {
        let paid = [(1, 30), (2, 50), (10, 20)].map(|(tip, gas)| Paid { tip, gas });
        let at = |percentiles: &[f64]| rewards(&paid, 100, percentiles);
        assert_eq!(at(&[0.0, 30.0, 31.0, 80.0, 81.0, 100.0]), [1, 1, 2, 2, 10, 10]);
        assert_eq!(at(&[100.0]), [10]);
        assert_eq!(rewards(&[], 0, &[50.0]), [0]);
    }

    #[test]
    fn percentiles_are_checked_as_in_geth() {
        assert!(check_percentiles(&[]).is_ok());
        assert!(check_percentiles(&[0.0, 50.0, 100.0]).is_ok());
        let error = |percentiles: &[f64]| check_percentiles(percentiles).unwrap_err().to_string();
        assert_eq!(error(&[101.0]), "invalid reward percentile: 101.000000");
        assert_eq!(error(&[-1.0]), "invalid reward percentile: -1.000000");
        assert_eq!(error(&[f64::NAN]), "invalid reward percentile: NaN");
        assert_eq!(error(&[50.0, 10.0]), "invalid reward percentile: #0:50.000000 >= #1:10.000000");
        let many: Vec<f64> = (0..101).map(|n| f64::from(n) / 2.0).collect();
        assert_eq!(error(&many), "invalid reward percentile: over the query limit 100");
    }

    #[test]
    fn the_suggestion_is_a_percentile() {
        assert_eq!(percentile(&mut []), None);
        assert_eq!(percentile(&mut [5]), Some(5));
        assert_eq!(percentile(&mut [9, 1, 5]), Some(5));
        assert_eq!(percentile(&mut (0..=100).collect::<Vec<_>>()), Some(60));
    }
}
