//! `eth_*`, `net_*` and `web3_*`.

use std::sync::Arc;

use alloy::rpc::types::{Block, SyncInfo, SyncStatus, Transaction};
use alloy_primitives::{B256, Bytes, U64, U256, keccak256};
use ande_consensus::Origin;
use ande_primitives::{Height, MAX_TRANSACTION_BYTES};

use crate::{
    RpcError,
    args::{Args, Reference, missing},
    blocks::{Position, eth_block, eth_transaction},
    context::{Context, eth_header},
};

pub(crate) async fn chain_id(context: Arc<Context>, _: Args) -> Result<U64, RpcError> {
    Ok(U64::from(context.services.info.l2_chain_id))
}

pub(crate) async fn net_version(context: Arc<Context>, _: Args) -> Result<String, RpcError> {
    Ok(context.services.info.l2_chain_id.to_string())
}

pub(crate) async fn client_version(context: Arc<Context>, _: Args) -> Result<String, RpcError> {
    let info = &context.services.info;
    let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    Ok(format!("ande/v{}-{}/{platform}", info.version, info.git_sha))
}

pub(crate) async fn block_number(context: Arc<Context>, _: Args) -> Result<U64, RpcError> {
    Ok(U64::from(context.heads().latest.0))
}

pub(crate) async fn syncing(context: Arc<Context>, _: Args) -> Result<SyncStatus, RpcError> {
    let set = context.current_set().await?;
    let highest = context.known_height(set.as_deref());
    let latest = context.heads().latest;
    if highest.0.saturating_sub(latest.0) <= context.services.limits.ready_lag {
        return Ok(SyncStatus::None);
    }
    Ok(SyncStatus::Info(Box::new(SyncInfo {
        starting_block: U256::ZERO,
        current_block: U256::from(latest.0),
        highest_block: U256::from(highest.0),
        ..SyncInfo::default()
    })))
}

pub(crate) async fn send_raw_transaction(
    context: Arc<Context>,
    args: Args,
) -> Result<B256, RpcError> {
    let raw: Bytes = args.required(0)?;
    let metrics = &context.services.metrics;
    // The pool says the same; this spares it the copy.
    if raw.len() > MAX_TRANSACTION_BYTES {
        metrics.tx_rejected.inc();
        return Err(RpcError::Rejected(format!(
            "oversized data: transaction size {}, limit {MAX_TRANSACTION_BYTES}",
            raw.len()
        )));
    }
    let submitted = submit(&context, raw).await;
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
        let submitted = ingress.submit(raw.0, Origin::Client).await;
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

pub(crate) async fn get_block_by_number(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<Block>, RpcError> {
    let tag = args.tag(0)?;
    let full = args.optional(1)?.unwrap_or(false);
    match context.height_of_tag(tag) {
        Some(height) => block(&context, height, full).await,
        None => Ok(None),
    }
}

pub(crate) async fn get_block_by_hash(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<Block>, RpcError> {
    let hash: B256 = args.required(0)?;
    let full = args.optional(1)?.unwrap_or(false);
    let height = if hash == context.genesis_hash {
        Some(Height(0))
    } else {
        // Only Ethereum hashes: a client compares the answer's hash with the one it asked for.
        context.services.store.height_of_block(hash).await?
    };
    match height {
        Some(height) => block(&context, height, full).await,
        None => Ok(None),
    }
}

async fn block(context: &Context, height: Height, full: bool) -> Result<Option<Block>, RpcError> {
    if height == Height(0) {
        return eth_block(context.services.info.genesis.clone(), Vec::new(), full).await.map(Some);
    }
    match context.commit_at(height).await? {
        Some(commit) => {
            eth_block(commit.block.execution, commit.block.transactions, full).await.map(Some)
        }
        None => Ok(None),
    }
}

pub(crate) async fn get_transaction_by_hash(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<Transaction>, RpcError> {
    let hash: B256 = args.required(0)?;
    transaction(&context, hash).await
}

/// A transaction in a block or in the pool.
async fn transaction(context: &Context, hash: B256) -> Result<Option<Transaction>, RpcError> {
    if let Some(located) = locate(context, hash).await? {
        let header = eth_header(&located.execution)?;
        let position = Position {
            header: &header,
            hash: keccak256(&located.execution),
            index: u64::from(located.index),
        };
        return eth_transaction(&located.raw, Some(position)).map(Some);
    }
    match context.services.ingress.pending(hash) {
        Some(raw) => eth_transaction(&raw, None).map(Some),
        None => Ok(None),
    }
}

/// A transaction of a committed block.
pub(crate) struct Located {
    pub(crate) height: Height,
    pub(crate) index: u32,
    pub(crate) execution: Bytes,
    pub(crate) raw: Bytes,
}

pub(crate) async fn locate(context: &Context, hash: B256) -> Result<Option<Located>, RpcError> {
    let Some((height, index)) = context.services.store.locate_transaction(hash).await? else {
        return Ok(None);
    };
    let Some(commit) = context.commit_at(height).await? else { return Ok(None) };
    let block = commit.block;
    let raw = block.transactions.into_iter().nth(index as usize);
    match raw.filter(|raw| keccak256(raw) == hash) {
        Some(raw) => Ok(Some(Located { height, index, execution: block.execution, raw })),
        None => {
            tracing::error!(%hash, %height, index, "the transaction index points to another one");
            Err(RpcError::Internal("the transaction index is damaged"))
        }
    }
}

/// The reference in argument `index`, or the latest block.
pub(crate) fn reference_or_missing(args: &Args, index: usize) -> Result<Reference, RpcError> {
    args.reference(index)?.ok_or_else(|| missing(index))
}
