//! What goes over the wire: payloads and orders for blocks there, verdicts and blocks back.

use alloy_consensus::Header;
use alloy_primitives::{Address, B64, B256, Bytes, U64, U256};
use alloy_rpc_types_engine::{ExecutionPayloadV1, ExecutionPayloadV2, ExecutionPayloadV3};
use serde::{Deserialize, Serialize};

use crate::{
    Attributes, Payload, PayloadError,
    header::{blank_header, header_for},
    transactions_root,
};

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

/// The payload that a client built, if its hash is that of its fields. The rest is for those who
/// validate it.
pub(super) fn payload_of(
    built: ExecutionPayloadV3,
    beacon_root: B256,
) -> Result<Payload, &'static str> {
    let ExecutionPayloadV3 { payload_inner, blob_gas_used, excess_blob_gas } = built;
    let ExecutionPayloadV2 { payload_inner: first, withdrawals } = payload_inner;
    if !withdrawals.is_empty() {
        return Err("it has withdrawals");
    }
    let header = Header {
        parent_hash: first.parent_hash,
        beneficiary: first.fee_recipient,
        state_root: first.state_root,
        transactions_root: transactions_root(&first.transactions),
        receipts_root: first.receipts_root,
        logs_bloom: first.logs_bloom,
        number: first.block_number,
        gas_limit: first.gas_limit,
        gas_used: first.gas_used,
        timestamp: first.timestamp,
        extra_data: first.extra_data,
        mix_hash: first.prev_randao,
        base_fee_per_gas: Some(
            first.base_fee_per_gas.try_into().map_err(|_| "its base fee exceeds 64 bits")?,
        ),
        blob_gas_used: Some(blob_gas_used),
        excess_blob_gas: Some(excess_blob_gas),
        parent_beacon_block_root: Some(beacon_root),
        ..blank_header()
    };
    let payload = Payload::new(&header, first.transactions);
    if payload.hash() == first.block_hash { Ok(payload) } else { Err("its hash is another one") }
}

/// `PayloadAttributesV3`, with what ev-reth takes besides.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireAttributes<'a> {
    timestamp: U64,
    prev_randao: B256,
    suggested_fee_recipient: Address,
    withdrawals: [(); 0],
    parent_beacon_block_root: B256,
    #[serde(skip_serializing_if = "Option::is_none")]
    transactions: Option<&'a [Bytes]>,
    /// A plain number there, as an exception.
    #[serde(skip_serializing_if = "Option::is_none")]
    gas_limit: Option<u64>,
}

impl<'a> WireAttributes<'a> {
    pub(super) fn new(attributes: &Attributes) -> Self {
        let header = header_for(attributes);
        Self {
            timestamp: U64::from(header.timestamp),
            prev_randao: header.mix_hash,
            suggested_fee_recipient: header.beneficiary,
            withdrawals: [],
            parent_beacon_block_root: attributes.parent_consensus_hash,
            transactions: None,
            gas_limit: None,
        }
    }

    /// The same block out of these transactions.
    pub(super) const fn with(self, transactions: &'a [Bytes], gas_limit: u64) -> Self {
        Self { transactions: Some(transactions), gas_limit: Some(gas_limit), ..self }
    }
}

/// What is needed of the answer of `engine_getPayloadV3` and `testing_buildBlockV1`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireBuilt {
    pub(super) execution_payload: ExecutionPayloadV3,
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
    #[serde(default)]
    pub(super) payload_id: Option<B64>,
}

/// What is needed of a block of the `eth_` methods.
#[derive(Debug, Deserialize)]
pub(super) struct WireBlock {
    pub(super) number: U64,
    pub(super) hash: B256,
}
