//! Taking transactions.

use std::{sync::Arc, time::Duration};

use alloy::rpc::types::TransactionReceipt;
use alloy_primitives::{B256, Bytes};
use ande_primitives::MAX_TRANSACTION_BYTES;
use tokio::sync::broadcast::error::RecvError;

use crate::{RpcError, args::Args, context::Context, receipts};

pub(crate) async fn send_raw_transaction(
    context: Arc<Context>,
    args: Args,
) -> Result<B256, RpcError> {
    let raw: Bytes = args.required(0)?;
    take(&context, raw).await
}

/// Checks the size, submits and counts.
async fn take(context: &Context, raw: Bytes) -> Result<B256, RpcError> {
    let metrics = &context.services.metrics;
    // The pool says the same; this spares it the copy.
    if raw.len() > MAX_TRANSACTION_BYTES {
        metrics.tx_rejected.inc();
        return Err(RpcError::Rejected(format!(
            "oversized data: transaction size {}, limit {MAX_TRANSACTION_BYTES}",
            raw.len()
        )));
    }
    let submitted = submit(context, raw).await;
    let counter = if submitted.is_ok() { &metrics.tx_submitted } else { &metrics.tx_rejected };
    counter.inc();
    submitted
}

/// Submits in a task of its own: a client that hangs up, or a call that times out, must not leave
/// a transaction half taken.
async fn submit(context: &Context, raw: Bytes) -> Result<B256, RpcError> {
    let slot = context.submissions.clone().try_acquire_owned();
    let Ok(slot) = slot else {
        return Err(RpcError::Unavailable("too many transactions at the same time".into()));
    };
    let ingress = context.services.ingress.clone();
    let task = tokio::spawn(async move {
        let submitted = ingress.submit(raw.0).await;
        drop(slot);
        submitted
    });
    match task.await {
        Ok(submitted) => Ok(submitted?),
        Err(error) => {
            tracing::error!(%error, "a transaction could not be handled");
            Err(RpcError::Internal("the transaction could not be handled"))
        }
    }
}

/// EIP-7966: takes a transaction and answers with its receipt.
pub(crate) async fn send_raw_transaction_sync(
    context: Arc<Context>,
    args: Args,
) -> Result<TransactionReceipt, RpcError> {
    let raw: Bytes = args.required(0)?;
    let limits = &context.services.limits;
    let wait = match args.number(1)? {
        None | Some(0) => limits.sync_wait,
        Some(millis) => Duration::from_millis(millis),
    };
    let wait = wait.min(limits.max_sync_wait);
    let place = context.sync_waits.clone().try_acquire_owned();
    let Ok(_place) = place else {
        return Err(RpcError::Unavailable("too many clients wait for receipts".into()));
    };
    // Watched from before the submission on, so that no block is missed.
    let mut blocks = context.feed.subscribe();
    let hash = take(&context, raw).await?;
    // Not bounded by the wait: what is in a block already is never called unprocessed, however
    // short the wait is and however long the read takes.
    if let Some(receipt) = receipts::receipt(&context, hash).await? {
        return Ok(receipt);
    }
    let included = async {
        loop {
            match blocks.recv().await {
                Ok(block) if !block.contains(&hash) => {}
                Ok(_) | Err(RecvError::Lagged(_)) => {
                    if let Some(receipt) = receipts::receipt(&context, hash).await? {
                        return Ok(receipt);
                    }
                }
                Err(RecvError::Closed) => {
                    return Err(RpcError::Unavailable("the node is stopping".into()));
                }
            }
        }
    };
    tokio::time::timeout(wait, included).await.unwrap_or_else(|_| {
        let millis = wait.as_millis();
        Err(RpcError::NotYetIncluded {
            message: format!(
                "The transaction was added to the mempool but wasn't processed in {millis}ms."
            ),
            hash,
        })
    })
}
