//! Headers compared with each other and with the head.

use alloy_consensus::Header;

use crate::{Attributes, ExecHead, ExecutionError};

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
