//! Reads of accounts.

use std::sync::Arc;

use alloy::{rpc::types::EIP1186AccountProofResponse, serde::JsonStorageKey};
use alloy_primitives::{Address, B256, Bytes, U64, U256};

use crate::{RpcError, args::Args, context::Context};

/// Most storage keys of one proof, as in geth.
const MAX_PROOF_KEYS: usize = 1024;

pub(crate) async fn get_balance(context: Arc<Context>, args: Args) -> Result<U256, RpcError> {
    let address: Address = args.required(0)?;
    let at = context.state_at(args.block(1)?).await?;
    context.read(move |evm| Ok(evm.account(at.number, address)?.balance)).await
}

/// With `pending` the nonce after the consecutive transactions that wait in the pool.
pub(crate) async fn get_transaction_count(
    context: Arc<Context>,
    args: Args,
) -> Result<U64, RpcError> {
    let address: Address = args.required(0)?;
    let at = context.state_at(args.block(1)?).await?;
    let mut nonce = context.read(move |evm| Ok(evm.account(at.number, address)?.nonce)).await?;
    if !at.pending {
        return Ok(U64::from(nonce));
    }
    loop {
        let next = context.services.ingress.next_nonce(address, nonce);
        // A block may have taken transactions out of the pool since the state was read.
        let now =
            context.read(move |evm| Ok(evm.account(evm.head().number, address)?.nonce)).await?;
        if now <= nonce {
            return Ok(U64::from(next));
        }
        nonce = now;
    }
}

pub(crate) async fn get_code(context: Arc<Context>, args: Args) -> Result<Bytes, RpcError> {
    let address: Address = args.required(0)?;
    let at = context.state_at(args.block(1)?).await?;
    context.read(move |evm| Ok(evm.code(at.number, address)?)).await
}

pub(crate) async fn get_storage_at(context: Arc<Context>, args: Args) -> Result<B256, RpcError> {
    let address: Address = args.required(0)?;
    let slot: JsonStorageKey = args.required(1)?;
    let at = context.state_at(args.block(2)?).await?;
    let slot = U256::from_be_bytes(slot.as_b256().0);
    context.read(move |evm| Ok(evm.storage(at.number, address, slot)?)).await
}

pub(crate) async fn get_proof(
    context: Arc<Context>,
    args: Args,
) -> Result<EIP1186AccountProofResponse, RpcError> {
    let address: Address = args.required(0)?;
    let keys: Vec<JsonStorageKey> = args.optional(1)?.unwrap_or_default();
    if keys.len() > MAX_PROOF_KEYS {
        return Err(RpcError::InvalidParams(format!(
            "too many keys: {}, limit {MAX_PROOF_KEYS}",
            keys.len()
        )));
    }
    let at = context.state_at(args.block(2)?).await?;
    context
        .read_heavy(move |evm| {
            let slots: Vec<B256> = keys.iter().map(JsonStorageKey::as_b256).collect();
            let mut proof = evm.proof(at.number, address, &slots)?;
            // Keys come back as the client wrote them.
            for (entry, key) in proof.storage_proof.iter_mut().zip(keys) {
                entry.key = key;
            }
            Ok(proof)
        })
        .await
}
