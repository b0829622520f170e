//! Headers: what all executors put into them, compared with each other and with the head.

use alloy_consensus::{
    Header,
    constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_RECEIPTS, EMPTY_ROOT_HASH, EMPTY_WITHDRAWALS},
};
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};

use crate::{Attributes, ExecHead, ExecutionError, Payload, PayloadStatus, transactions_root};

/// What every header has in common: Cancun without withdrawals, blobs and transactions.
pub(crate) fn blank_header() -> Header {
    Header {
        parent_hash: B256::ZERO,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: Address::ZERO,
        state_root: B256::ZERO,
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_RECEIPTS,
        logs_bloom: Bloom::ZERO,
        difficulty: U256::ZERO,
        number: 0,
        gas_limit: 0,
        gas_used: 0,
        timestamp: 0,
        extra_data: Bytes::new(),
        mix_hash: B256::ZERO,
        nonce: B64::ZERO,
        base_fee_per_gas: Some(0),
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: None,
        block_access_list_hash: None,
        slot_number: None,
    }
}

/// A header with everything that consensus gives.
pub(crate) fn header_for(attributes: &Attributes) -> Header {
    Header {
        parent_hash: attributes.parent_execution_hash,
        beneficiary: attributes.fee_recipient,
        number: attributes.number,
        timestamp: attributes.timestamp_ms / 1000,
        parent_beacon_block_root: Some(attributes.parent_consensus_hash),
        ..blank_header()
    }
}

/// The header of a stored tip, if it is that of its transactions.
///
/// # Errors
/// [`ExecutionError::Recover`] when it is not.
pub(crate) fn tip_header(tip: &Payload) -> Result<Header, ExecutionError> {
    let header = tip.decode_header()?;
    let root = transactions_root(&tip.transactions);
    if root == header.transactions_root {
        return Ok(header);
    }
    Err(ExecutionError::Recover(format!(
        "its transactions have root {root}, its header says {}",
        header.transactions_root
    )))
}

/// The head that a block with this header would be.
pub(crate) fn head_of(header: &Header) -> ExecHead {
    ExecHead {
        number: header.number,
        hash: header.hash_slow(),
        state_root: header.state_root,
        timestamp: header.timestamp,
    }
}

/// Whether the attributes are those of a block on the head.
pub(crate) fn is_on(head: &ExecHead, attributes: &Attributes) -> bool {
    head.hash == attributes.parent_execution_hash
        && head.number.checked_add(1) == Some(attributes.number)
}

/// Why a block with these attributes cannot be built.
pub(crate) fn not_on_head(head: &ExecHead, attributes: &Attributes) -> ExecutionError {
    ExecutionError::NotOnHead {
        number: attributes.number,
        parent: attributes.parent_execution_hash,
        head_number: head.number,
        head: head.hash,
    }
}

/// What to say of a block that is not on the head.
pub(crate) fn not_judged(head: &ExecHead, attributes: &Attributes) -> PayloadStatus {
    PayloadStatus::Syncing(format!(
        "block {} on {} cannot be judged on the head, block {} {}",
        attributes.number, attributes.parent_execution_hash, head.number, head.hash
    ))
}

/// What to say of a block whose parent was the head when it was begun.
pub(crate) fn moved() -> PayloadStatus {
    PayloadStatus::Syncing("the head moved meanwhile".into())
}

/// Whether this node may build a block with this header after a parent of that time.
///
/// # Errors
/// [`ExecutionError::Unavailable`] when its clock is behind.
pub(crate) fn check_clock(parent: u64, header: &Header) -> Result<(), ExecutionError> {
    match parent.checked_sub(header.timestamp) {
        None | Some(0) => Ok(()),
        Some(behind) => Err(ExecutionError::Unavailable(format!(
            "the clock is {behind} s behind the parent block"
        ))),
    }
}

/// Says so when somebody else's block is older than its parent.
pub(crate) fn before_parent(parent: u64, header: &Header) -> Option<String> {
    (header.timestamp < parent)
        .then(|| format!("timestamp {} is before the parent's {parent}", header.timestamp))
}

/// Names the first field in which the two headers differ.
pub(crate) fn difference(expected: &Header, got: &Header) -> Option<String> {
    macro_rules! compare {
        ($($field:ident),*) => {
            $(if expected.$field != got.$field {
                return Some(format!(
                    "{} is {:?} in the header and {:?} here",
                    stringify!($field), got.$field, expected.$field
                ));
            })*
        };
    }
    compare!(
        parent_hash,
        number,
        timestamp,
        beneficiary,
        transactions_root,
        state_root,
        receipts_root,
        logs_bloom,
        gas_limit,
        gas_used,
        extra_data,
        mix_hash,
        base_fee_per_gas,
        parent_beacon_block_root
    );
    (expected != got).then(|| "the headers differ".to_owned())
}
