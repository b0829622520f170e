//! `/tx/{hash}` and `/batch/{hash}`: the same answers as JSON-RPC for people and scripts.

use std::sync::Arc;

use alloy::consensus::Transaction as _;
use alloy_primitives::B256;
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{BatchView, RpcError, blocks::eth_transaction, context::Context, eth::locate};

pub(crate) async fn tx(State(context): State<Arc<Context>>, Path(hash): Path<String>) -> Response {
    answer(find_tx(&context, &hash).await, "transaction not found")
}

pub(crate) async fn batch(
    State(context): State<Arc<Context>>,
    Path(hash): Path<String>,
) -> Response {
    answer(find_batch(&context, &hash).await, "batch not found")
}

async fn find_tx(context: &Context, hash: &str) -> Result<Option<Value>, RpcError> {
    let hash = parse(hash)?;
    let store = &context.services.store;
    let describe = |raw: &[u8]| -> Result<Value, RpcError> {
        let tx = eth_transaction(raw, None, None)?;
        Ok(json!({
            "tx_hash": hash,
            "chain_id": tx.chain_id(),
            "from": tx.inner.signer(),
            "nonce": tx.nonce(),
            "payload_size": raw.len(),
        }))
    };
    if let Some(located) = locate(context, hash).await? {
        let mut view = describe(&located.raw)?;
        let batch = store.batch_of_height(located.height).await?.map(BatchView::from);
        let heads = context.heads();
        let finality = if located.height <= heads.finalized {
            "finalized"
        } else if located.height <= heads.safe {
            "safe"
        } else {
            "certified"
        };
        merge(
            &mut view,
            json!({
                "status": "included",
                "finality": finality,
                "block_number": located.height,
                "block_hash": located.sealed.hash,
                "index": located.index,
                "batch_number": batch.as_ref().map(|batch| batch.index),
                "batch_hash": batch.as_ref().map(|batch| batch.batch_hash),
                "batch_state": batch.as_ref().map(|batch| batch.state),
            }),
        );
        return Ok(Some(view));
    }
    let Some(raw) = context.services.ingress.pending(hash) else { return Ok(None) };
    let mut view = describe(&raw)?;
    merge(&mut view, json!({ "status": "pending" }));
    Ok(Some(view))
}

async fn find_batch(context: &Context, hash: &str) -> Result<Option<Value>, RpcError> {
    let row = context.services.store.batch_by_content_hash(parse(hash)?).await?;
    Ok(row.map(|row| {
        let view = BatchView::from(row);
        json!({
            "batch_hash": view.batch_hash,
            "chain_id": context.services.info.l2_chain_id,
            "batch_number": view.index,
            "tx_count": view.header.tx_count,
            "created_ms": view.created_at_ms,
            "start_height": view.header.start_height,
            "end_height": view.header.end_height,
            "state": view.state,
            "l1_tx": view.l1_tx,
            "l1_block": view.l1_block,
        })
    }))
}

fn parse(hash: &str) -> Result<B256, RpcError> {
    hash.parse().map_err(|_| RpcError::InvalidParams("not a hash of 32 bytes in hex".into()))
}

fn merge(view: &mut Value, more: Value) {
    if let (Value::Object(view), Value::Object(more)) = (view, more) {
        view.extend(more);
    }
}

fn answer(found: Result<Option<Value>, RpcError>, absent: &str) -> Response {
    let error =
        |status: StatusCode, text: &str| (status, Json(json!({ "error": text }))).into_response();
    match found {
        Ok(Some(view)) => Json(view).into_response(),
        Ok(None) => error(StatusCode::NOT_FOUND, absent),
        Err(RpcError::InvalidParams(text)) => error(StatusCode::BAD_REQUEST, &text),
        Err(other) => error(StatusCode::INTERNAL_SERVER_ERROR, &other.to_string()),
    }
}
