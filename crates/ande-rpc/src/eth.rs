//! `eth_*`: the chain, its blocks and transactions. `net_*`, `web3_*` and `rpc_modules`.

use std::{collections::BTreeMap, sync::Arc};

use alloy::rpc::types::{Block, SyncInfo, SyncStatus, Transaction};
use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use ande_primitives::Height;

use crate::{
    RpcError,
    args::{Args, Reference, missing},
    blocks::{Sealed, eth_transaction},
    context::Context,
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

pub(crate) async fn sha3(_: Arc<Context>, args: Args) -> Result<B256, RpcError> {
    let data: Bytes = args.required(0)?;
    Ok(keccak256(data))
}

pub(crate) async fn net_listening(_: Arc<Context>, _: Args) -> Result<bool, RpcError> {
    Ok(true)
}

pub(crate) async fn net_peer_count(context: Arc<Context>, _: Args) -> Result<U64, RpcError> {
    let peers = context.services.view.borrow().peers.len();
    Ok(U64::from(peers))
}

/// The namespaces served here, as geth's `rpc_modules` lists them.
pub(crate) async fn rpc_modules(
    context: Arc<Context>,
    _: Args,
) -> Result<BTreeMap<&'static str, &'static str>, RpcError> {
    let names = context.namespaces.iter().map(|namespace| namespace.name());
    Ok(names.chain(["rpc"]).map(|name| (name, "1.0")).collect())
}

/// The node keeps no keys for others.
pub(crate) async fn accounts(_: Arc<Context>, _: Args) -> Result<Vec<Address>, RpcError> {
    Ok(Vec::new())
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

pub(crate) async fn get_block_by_number(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<Block>, RpcError> {
    let tag = args.tag(0)?;
    let full = args.optional(1)?.unwrap_or(false);
    match context.height_of_tag(tag) {
        Some(height) => context.eth_block(height, full).await,
        None => Ok(None),
    }
}

pub(crate) async fn get_block_by_hash(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<Block>, RpcError> {
    let hash: B256 = args.required(0)?;
    let full = args.optional(1)?.unwrap_or(false);
    match context.eth_height(Reference::Hash(hash)).await? {
        Some(height) => context.eth_block(height, full).await,
        None => Ok(None),
    }
}

/// A block named by its hash or, by methods that say so, its number.
async fn named(context: &Context, args: &Args, by_hash: bool) -> Result<Option<Height>, RpcError> {
    let reference =
        if by_hash { Reference::Hash(args.required(0)?) } else { Reference::Block(args.tag(0)?) };
    context.eth_height(reference).await
}

async fn transaction_count(
    context: &Context,
    args: &Args,
    by_hash: bool,
) -> Result<Option<U64>, RpcError> {
    let Some(height) = named(context, args, by_hash).await? else { return Ok(None) };
    let body = context.body(height).await?;
    Ok(body.map(|body| U64::from(body.transactions.len())))
}

pub(crate) async fn get_transaction_count_by_hash(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<U64>, RpcError> {
    transaction_count(&context, &args, true).await
}

pub(crate) async fn get_transaction_count_by_number(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<U64>, RpcError> {
    transaction_count(&context, &args, false).await
}

async fn uncle_count(
    context: &Context,
    args: &Args,
    by_hash: bool,
) -> Result<Option<U64>, RpcError> {
    Ok(named(context, args, by_hash).await?.map(|_| U64::ZERO))
}

pub(crate) async fn get_uncle_count_by_hash(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<U64>, RpcError> {
    uncle_count(&context, &args, true).await
}

pub(crate) async fn get_uncle_count_by_number(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<U64>, RpcError> {
    uncle_count(&context, &args, false).await
}

pub(crate) async fn get_uncle_by_hash(
    _: Arc<Context>,
    args: Args,
) -> Result<Option<Block>, RpcError> {
    let _: B256 = args.required(0)?;
    args.index(1).map(|_| None)
}

pub(crate) async fn get_uncle_by_number(
    _: Arc<Context>,
    args: Args,
) -> Result<Option<Block>, RpcError> {
    args.tag(0)?;
    args.index(1).map(|_| None)
}

async fn transaction_at(
    context: &Context,
    args: &Args,
    by_hash: bool,
) -> Result<Option<Transaction>, RpcError> {
    let index = args.index(1)?;
    let Some(height) = named(context, args, by_hash).await? else { return Ok(None) };
    let Some(body) = context.body(height).await? else { return Ok(None) };
    let raw = usize::try_from(index).ok().and_then(|index| body.transactions.get(index));
    raw.map(|raw| eth_transaction(raw, Some((body.sealed.as_ref(), index)), None)).transpose()
}

pub(crate) async fn get_transaction_by_block_hash(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<Transaction>, RpcError> {
    transaction_at(&context, &args, true).await
}

pub(crate) async fn get_transaction_by_block_number(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<Transaction>, RpcError> {
    transaction_at(&context, &args, false).await
}

pub(crate) async fn get_transaction_by_hash(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<Transaction>, RpcError> {
    let hash: B256 = args.required(0)?;
    if let Some(located) = locate(&context, hash).await? {
        let position = (located.sealed.as_ref(), u64::from(located.index));
        return eth_transaction(&located.raw, Some(position), None).map(Some);
    }
    match context.services.ingress.pending(hash) {
        Some(raw) => eth_transaction(&raw, None, None).map(Some),
        None => Ok(None),
    }
}

/// The bytes of a transaction in a block or in the pool; `0x` for an unknown one, as geth does.
pub(crate) async fn get_raw_transaction(
    context: Arc<Context>,
    args: Args,
) -> Result<Bytes, RpcError> {
    let hash: B256 = args.required(0)?;
    if let Some(located) = locate(&context, hash).await? {
        return Ok(located.raw);
    }
    Ok(context.services.ingress.pending(hash).map(Bytes::from).unwrap_or_default())
}

/// A transaction of a block that clients see.
pub(crate) struct Located {
    pub(crate) height: Height,
    pub(crate) index: u32,
    pub(crate) sealed: Arc<Sealed>,
    pub(crate) raw: Bytes,
    /// All transactions of the block.
    pub(crate) transactions: Vec<Bytes>,
}

pub(crate) async fn locate(context: &Context, hash: B256) -> Result<Option<Located>, RpcError> {
    let Some((height, index)) = context.services.store.locate_transaction(hash).await? else {
        return Ok(None);
    };
    let Some(body) = context.body(height).await? else { return Ok(None) };
    let raw = body.transactions.get(index as usize).filter(|raw| keccak256(raw) == hash);
    match raw.cloned() {
        Some(raw) => Ok(Some(Located {
            height,
            index,
            sealed: body.sealed,
            raw,
            transactions: body.transactions,
        })),
        None => {
            tracing::error!(%hash, %height, index, "the transaction index points to another one");
            Err(RpcError::Internal("the transaction index is damaged"))
        }
    }
}

/// The reference in argument `index`.
pub(crate) fn reference_or_missing(args: &Args, index: usize) -> Result<Reference, RpcError> {
    args.reference(index)?.ok_or_else(|| missing(index))
}
