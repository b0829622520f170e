//! What goes over the wire: payloads there, verdicts and blocks back.

use alloy_primitives::{B256, U64, U256};
use alloy_rpc_types_engine::{ExecutionPayloadV1, ExecutionPayloadV2, ExecutionPayloadV3};
use serde::Deserialize;

use crate::{Payload, PayloadError};

/// A payload as the Engine API has it, with its `parentBeaconBlockRoot`.
pub(super) fn execution_payload(
    payload: &Payload,
) -> Result<(ExecutionPayloadV3, B256), PayloadError> {
    let header = payload.decode_header()?;
    let first = ExecutionPayloadV1 {
        parent_hash: header.parent_hash,
        fee_recipient: header.beneficiary,
        state_root: header.state_root,
        receipts_root: header.receipts_root,
        logs_bloom: header.logs_bloom,
        prev_randao: header.mix_hash,
        block_number: header.number,
        gas_limit: header.gas_limit,
        gas_used: header.gas_used,
        timestamp: header.timestamp,
        extra_data: header.extra_data,
        // The shape of the header was checked: both are there.
        base_fee_per_gas: U256::from(header.base_fee_per_gas.unwrap_or_default()),
        block_hash: payload.hash(),
        transactions: payload.transactions.clone(),
    };
    let payload = ExecutionPayloadV3 {
        payload_inner: ExecutionPayloadV2 { payload_inner: first, withdrawals: Vec::new() },
        blob_gas_used: 0,
        excess_blob_gas: 0,
    };
    Ok((payload, header.parent_beacon_block_root.unwrap_or_default()))
}

/// `PayloadStatusV1`. Clients differ in whether they send the error text.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireStatus {
    pub(super) status: WireVerdict,
    #[serde(default)]
    pub(super) latest_valid_hash: Option<B256>,
    #[serde(default)]
    pub(super) validation_error: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum WireVerdict {
    Valid,
    Invalid,
    InvalidBlockHash,
    Syncing,
    Accepted,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireForkchoice {
    pub(super) payload_status: WireStatus,
}

/// What is needed of a block of the `eth_` methods.
#[derive(Debug, Deserialize)]
pub(super) struct WireBlock {
    pub(super) number: U64,
    pub(super) hash: B256,
}
