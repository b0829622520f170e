//! Blocks and transactions in Ethereum's JSON form.

use alloy::{
    consensus::{
        Header as EthHeader, Transaction as _, TxEnvelope, transaction::SignerRecoverable as _,
    },
    eips::{Decodable2718 as _, eip4895::Withdrawals},
    rpc::types::{Block, BlockTransactions, Header, Transaction},
};
use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_rlp::Encodable as _;

use crate::{RpcError, context::eth_header};

/// Blocks with more transactions are converted off the async threads: every sender is recovered.
const INLINE_TRANSACTIONS: usize = 16;

/// Where a transaction is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position<'a> {
    pub(crate) header: &'a EthHeader,
    pub(crate) hash: B256,
    pub(crate) index: u64,
}

/// The block with full transactions or their hashes.
pub(crate) async fn eth_block(
    execution: Bytes,
    transactions: Vec<Bytes>,
    full: bool,
) -> Result<Block, RpcError> {
    if !full || transactions.len() <= INLINE_TRANSACTIONS {
        return convert(&execution, &transactions, full);
    }
    tokio::task::spawn_blocking(move || convert(&execution, &transactions, true))
        .await
        .unwrap_or(Err(RpcError::Internal("the block cannot be converted")))
}

fn convert(execution: &[u8], transactions: &[Bytes], full: bool) -> Result<Block, RpcError> {
    let inner = eth_header(execution)?;
    let hash = keccak256(execution);
    let size = block_size(&inner, transactions);
    let body = if full {
        let at = |index: u64| Some(Position { header: &inner, hash, index });
        BlockTransactions::Full(
            (0u64..)
                .zip(transactions)
                .map(|(index, raw)| eth_transaction(raw, at(index)))
                .collect::<Result<_, _>>()?,
        )
    } else {
        BlockTransactions::Hashes(transactions.iter().map(keccak256).collect())
    };
    let withdrawals = inner.withdrawals_root.map(|_| Withdrawals::default());
    Ok(Block {
        header: Header { hash, inner, total_difficulty: None, size: Some(U256::from(size)) },
        uncles: Vec::new(),
        transactions: body,
        withdrawals,
    })
}

/// A signed transaction, with its place if it is in a block.
pub(crate) fn eth_transaction(
    raw: &[u8],
    position: Option<Position<'_>>,
) -> Result<Transaction, RpcError> {
    let damaged = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "a stored transaction cannot be decoded");
        RpcError::Internal("a stored transaction cannot be decoded")
    };
    let envelope = TxEnvelope::decode_2718_exact(raw).map_err(|error| damaged(&error))?;
    let inner = envelope.try_into_recovered().map_err(|error| damaged(&error))?;
    let base_fee = position.and_then(|position| position.header.base_fee_per_gas);
    Ok(Transaction {
        effective_gas_price: Some(inner.effective_gas_price(base_fee)),
        inner,
        block_hash: position.map(|position| position.hash),
        block_number: position.map(|position| position.header.number),
        transaction_index: position.map(|position| position.index),
        block_timestamp: position.map(|position| position.header.timestamp),
    })
}

/// Length of the block's RLP as Ethereum nodes report it.
fn block_size(header: &EthHeader, transactions: &[Bytes]) -> usize {
    let list = |payload: usize| payload + alloy_rlp::length_of_length(payload);
    let bodies = transactions
        .iter()
        // Legacy transactions are lists of their own, typed ones travel as strings.
        .map(|raw| match raw.first() {
            Some(first) if *first >= 0xc0 => raw.len(),
            _ => raw.length(),
        })
        .sum();
    let withdrawals = usize::from(header.withdrawals_root.is_some());
    list(header.length() + list(bodies) + 1 + withdrawals)
}
