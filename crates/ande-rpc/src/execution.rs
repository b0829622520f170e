//! `eth_call` and its kin.

use std::sync::Arc;

use alloy::{
    eips::eip2930::AccessListResult,
    rpc::types::{BlockOverrides, TransactionRequest, state::StateOverride},
};
use alloy_primitives::{Bytes, U64};
use ande_execution::CallRequest;

use crate::{
    RpcError,
    args::{Args, missing},
    context::Context,
    reads::StateAt,
};

/// The message in argument 0 on the block in argument 1, with overrides after it.
async fn request(context: &Context, args: &Args) -> Result<CallRequest, RpcError> {
    let tx: TransactionRequest = args.object(0)?.ok_or_else(|| missing(0))?;
    let at = context.state_at(args.block(1)?).await?;
    build(context, tx, at, args.object(2)?, args.object(3)?)
}

pub(crate) fn build(
    context: &Context,
    tx: TransactionRequest,
    at: StateAt,
    state_overrides: Option<StateOverride>,
    block_overrides: Option<BlockOverrides>,
) -> Result<CallRequest, RpcError> {
    if tx.input.unique_input().is_err() {
        return Err(RpcError::Failed(
            "both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass \
             transaction call data"
                .into(),
        ));
    }
    if tx.gas_price.is_some()
        && (tx.max_fee_per_gas.is_some() || tx.max_priority_fee_per_gas.is_some())
    {
        return Err(RpcError::Failed(
            "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified".into(),
        ));
    }
    let gas_cap = context.services.limits.call_gas;
    let StateAt { number, pending } = at;
    Ok(CallRequest { tx, at: number, pending, block_overrides, state_overrides, gas_cap })
}

pub(crate) async fn call(context: Arc<Context>, args: Args) -> Result<Bytes, RpcError> {
    let request = request(&context, &args).await?;
    context.read_heavy(move |evm| Ok(evm.call(request)?)).await
}

pub(crate) async fn estimate_gas(context: Arc<Context>, args: Args) -> Result<U64, RpcError> {
    let request = request(&context, &args).await?;
    context.read_heavy(move |evm| Ok(U64::from(evm.estimate_gas(request)?))).await
}

pub(crate) async fn create_access_list(
    context: Arc<Context>,
    args: Args,
) -> Result<AccessListResult, RpcError> {
    let request = request(&context, &args).await?;
    context.read_heavy(move |evm| Ok(evm.create_access_list(request)?)).await
}
