//! `txpool_*`: what waits.

use std::{collections::BTreeMap, sync::Arc};

use alloy::rpc::types::Transaction;
use alloy_primitives::Address;
use alloy_rpc_types_txpool::{
    TxpoolContent, TxpoolContentFrom, TxpoolInspect, TxpoolInspectSummary, TxpoolStatus,
};
use ande_consensus::PooledEntry;

use crate::{
    RpcError,
    args::Args,
    blocks::{envelope, eth_transaction},
    context::Context,
    reads::blocking,
};

pub(crate) async fn status(context: Arc<Context>, _: Args) -> Result<TxpoolStatus, RpcError> {
    let status = context.services.ingress.status();
    Ok(TxpoolStatus { pending: status.pending as u64, queued: status.queued as u64 })
}

fn transaction(entry: &PooledEntry) -> Result<Transaction, RpcError> {
    eth_transaction(&entry.raw, None, Some(entry.sender))
}

type BySender<T> = BTreeMap<Address, BTreeMap<String, T>>;

/// Sorts the pool into what can be in the next block and what waits for something.
fn sorted<T>(
    entries: &[PooledEntry],
    show: impl Fn(&PooledEntry) -> Result<T, RpcError>,
) -> Result<(BySender<T>, BySender<T>), RpcError> {
    let (mut pending, mut queued) = (BySender::new(), BySender::new());
    for entry in entries {
        let side = if entry.executable { &mut pending } else { &mut queued };
        side.entry(entry.sender).or_default().insert(entry.nonce.to_string(), show(entry)?);
    }
    Ok((pending, queued))
}

pub(crate) async fn content(context: Arc<Context>, _: Args) -> Result<TxpoolContent, RpcError> {
    let ingress = context.services.ingress.clone();
    blocking(&context.heavy_reads, move || {
        let (pending, queued) = sorted(&ingress.content(None), transaction)?;
        Ok(TxpoolContent { pending, queued })
    })
    .await
}

pub(crate) async fn content_from(
    context: Arc<Context>,
    args: Args,
) -> Result<TxpoolContentFrom, RpcError> {
    let sender: Address = args.required(0)?;
    let ingress = context.services.ingress.clone();
    blocking(&context.heavy_reads, move || {
        let (pending, queued) = sorted(&ingress.content(Some(sender)), transaction)?;
        Ok(TxpoolContent { pending, queued }.remove_from(&sender))
    })
    .await
}

pub(crate) async fn inspect(context: Arc<Context>, _: Args) -> Result<TxpoolInspect, RpcError> {
    let ingress = context.services.ingress.clone();
    blocking(&context.heavy_reads, move || {
        let summary =
            |entry: &PooledEntry| Ok(TxpoolInspectSummary::from_tx(envelope(&entry.raw)?));
        let (pending, queued) = sorted(&ingress.content(None), summary)?;
        Ok(TxpoolInspect { pending, queued })
    })
    .await
}
