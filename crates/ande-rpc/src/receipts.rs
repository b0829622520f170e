//! Receipts.

use std::sync::Arc;

use alloy::{
    consensus::Transaction as _,
    rpc::types::{Log, TransactionReceipt},
};
use alloy_primitives::B256;
use ande_execution::BlockReceipts;

use crate::{
    RpcError,
    args::Args,
    blocks::{Body, Sealed, envelope},
    context::Context,
    eth::locate,
    reads::blocking,
};

pub(crate) async fn get_transaction_receipt(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<TransactionReceipt>, RpcError> {
    receipt(&context, args.required(0)?).await
}

/// The receipt of a transaction in a block that clients see.
pub(crate) async fn receipt(
    context: &Context,
    hash: B256,
) -> Result<Option<TransactionReceipt>, RpcError> {
    let Some(located) = locate(context, hash).await? else { return Ok(None) };
    let receipts = context.receipts(located.height.0).await?;
    convert(&located.sealed, &receipts, located.index as usize, &located.raw).map(Some)
}

pub(crate) async fn get_block_receipts(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<Vec<TransactionReceipt>>, RpcError> {
    let Some(height) = context.eth_height(args.block(0)?).await? else { return Ok(None) };
    let Some(body) = context.body(height).await? else { return Ok(None) };
    let receipts = context.receipts(height.0).await?;
    blocking(&context.heavy_reads, move || all(&body, &receipts)).await.map(Some)
}

/// The receipts of a block in Ethereum's form.
pub(crate) fn all(
    body: &Body,
    receipts: &BlockReceipts,
) -> Result<Vec<TransactionReceipt>, RpcError> {
    let mut first_log = 0;
    let indexed = body.transactions.iter().enumerate();
    indexed
        .map(|(index, raw)| {
            let receipt = convert_at(&body.sealed, receipts, index, raw, first_log)?;
            first_log += receipt.inner.logs().len() as u64;
            Ok(receipt)
        })
        .collect()
}

fn convert(
    sealed: &Sealed,
    receipts: &BlockReceipts,
    index: usize,
    raw: &[u8],
) -> Result<TransactionReceipt, RpcError> {
    let before = receipts.receipts.iter().take(index);
    let first_log = before.map(|entry| entry.receipt.logs().len() as u64).sum();
    convert_at(sealed, receipts, index, raw, first_log)
}

fn convert_at(
    sealed: &Sealed,
    receipts: &BlockReceipts,
    index: usize,
    raw: &[u8],
    first_log: u64,
) -> Result<TransactionReceipt, RpcError> {
    let executed = receipts.receipts.get(index).ok_or_else(|| {
        tracing::error!(number = sealed.header.number, index, "a receipt is missing");
        RpcError::Internal("a receipt of the block is missing")
    })?;
    let transaction = envelope(raw)?;
    let hash = *transaction.tx_hash();
    let mut log_index = first_log;
    let inner = executed.receipt.clone().map_logs(|log| {
        let log = Log {
            inner: log,
            block_hash: Some(sealed.hash),
            block_number: Some(sealed.header.number),
            block_timestamp: Some(sealed.header.timestamp),
            transaction_hash: Some(hash),
            transaction_index: Some(index as u64),
            log_index: Some(log_index),
            removed: false,
        };
        log_index += 1;
        log
    });
    Ok(TransactionReceipt {
        inner,
        transaction_hash: hash,
        transaction_index: Some(index as u64),
        block_hash: Some(sealed.hash),
        block_number: Some(sealed.header.number),
        gas_used: executed.gas_used,
        effective_gas_price: transaction.effective_gas_price(sealed.header.base_fee_per_gas),
        blob_gas_used: None,
        blob_gas_price: None,
        from: executed.sender,
        to: transaction.to(),
        contract_address: executed.contract_address,
    })
}
