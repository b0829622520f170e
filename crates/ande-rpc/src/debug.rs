//! `debug_*`: traces and raw data.

use std::sync::Arc;

use alloy::{eips::Encodable2718 as _, rpc::types::TransactionRequest};
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_trace::geth::{
    GethDebugTracingCallOptions, GethDebugTracingOptions, GethTrace, TraceResult,
};

use crate::{
    RpcError,
    args::{Args, Reference, missing},
    blocks::{Body, block_rlp},
    context::Context,
    eth::locate,
    execution,
};

pub(crate) async fn trace_transaction(
    context: Arc<Context>,
    args: Args,
) -> Result<GethTrace, RpcError> {
    let hash: B256 = args.required(0)?;
    let options: GethDebugTracingOptions = args.object(1)?.unwrap_or_default();
    let located = locate(&context, hash).await?;
    let located = located.ok_or_else(|| RpcError::Failed("transaction not found".into()))?;
    let (header, transactions) = (located.sealed, located.transactions);
    let only = located.index as usize;
    let traces = context
        .read_heavy(move |evm| {
            Ok(evm.trace_block(&header.header, &transactions, Some(only), options)?)
        })
        .await?;
    match traces.into_iter().next() {
        Some(TraceResult::Success { result, .. }) => Ok(result),
        Some(TraceResult::Error { error, .. }) => Err(RpcError::Failed(error)),
        None => Err(RpcError::Internal("the trace is empty")),
    }
}

pub(crate) async fn trace_call(context: Arc<Context>, args: Args) -> Result<GethTrace, RpcError> {
    let tx: TransactionRequest = args.object(0)?.ok_or_else(|| missing(0))?;
    let at = context.state_at(args.block(1)?).await?;
    let options: GethDebugTracingCallOptions = args.object(2)?.unwrap_or_default();
    let GethDebugTracingCallOptions { tracing_options, state_overrides, block_overrides, tx_index } =
        options;
    if tx_index.is_some() {
        return Err(RpcError::InvalidParams("invalid argument 2: txIndex is not supported".into()));
    }
    let request = execution::build(&context, tx, at, state_overrides, block_overrides)?;
    context.read_heavy(move |evm| Ok(evm.trace_call(request, tracing_options)?)).await
}

/// The block of a parameter, or geth's error.
async fn body(context: &Context, reference: Reference) -> Result<Body, RpcError> {
    let found = match context.eth_height(reference).await? {
        Some(height) => context.body(height).await?,
        None => None,
    };
    found.ok_or_else(|| {
        let name = match reference {
            Reference::Hash(hash) => hash.to_string(),
            Reference::Block(tag) => match tag.as_number() {
                Some(number) => format!("#{number}"),
                None => tag.to_string(),
            },
        };
        RpcError::Failed(format!("block {name} not found"))
    })
}

async fn trace_block(
    context: &Context,
    reference: Reference,
    options: Option<GethDebugTracingOptions>,
) -> Result<Vec<TraceResult>, RpcError> {
    let body = body(context, reference).await?;
    if body.sealed.header.number == 0 {
        return Err(RpcError::Failed("genesis is not traceable".into()));
    }
    let options = options.unwrap_or_default();
    context
        .read_heavy(move |evm| {
            Ok(evm.trace_block(&body.sealed.header, &body.transactions, None, options)?)
        })
        .await
}

pub(crate) async fn trace_block_by_number(
    context: Arc<Context>,
    args: Args,
) -> Result<Vec<TraceResult>, RpcError> {
    trace_block(&context, Reference::Block(args.tag(0)?), args.object(1)?).await
}

pub(crate) async fn trace_block_by_hash(
    context: Arc<Context>,
    args: Args,
) -> Result<Vec<TraceResult>, RpcError> {
    trace_block(&context, Reference::Hash(args.required(0)?), args.object(1)?).await
}

pub(crate) async fn get_raw_header(context: Arc<Context>, args: Args) -> Result<Bytes, RpcError> {
    let body = body(&context, args.block(0)?).await?;
    Ok(alloy_rlp::encode(&body.sealed.header).into())
}

pub(crate) async fn get_raw_block(context: Arc<Context>, args: Args) -> Result<Bytes, RpcError> {
    Ok(block_rlp(&body(&context, args.block(0)?).await?))
}

/// EIP-2718 receipts with their blooms.
pub(crate) async fn get_raw_receipts(
    context: Arc<Context>,
    args: Args,
) -> Result<Vec<Bytes>, RpcError> {
    let body = body(&context, args.block(0)?).await?;
    let receipts = context.receipts(body.sealed.header.number).await?;
    Ok(receipts.receipts.iter().map(|executed| executed.receipt.encoded_2718().into()).collect())
}
