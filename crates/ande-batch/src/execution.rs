//! What an execution header says of its block.

use alloy_primitives::{Address, B256};
use alloy_rlp::Decodable;
use ande_primitives::Block;

use crate::BatchError;

/// Roots in the RLP of an Ethereum header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionRoots {
    /// State after the block.
    pub state: B256,
    /// Ordered trie of the transactions.
    pub transactions: B256,
}

impl ExecutionRoots {
    /// Reads the first fields of an Ethereum header; none when the bytes are no such header.
    #[must_use]
    pub fn decode(execution: &[u8]) -> Option<Self> {
        let mut rest = execution;
        let mut fields = alloy_rlp::Header::decode_bytes(&mut rest, true).ok()?;
        let _parent_hash = B256::decode(&mut fields).ok()?;
        let _ommers_hash = B256::decode(&mut fields).ok()?;
        let _beneficiary = Address::decode(&mut fields).ok()?;
        let state = B256::decode(&mut fields).ok()?;
        let transactions = B256::decode(&mut fields).ok()?;
        rest.is_empty().then_some(Self { state, transactions })
    }

    pub(crate) fn of(block: &Block) -> Result<Self, BatchError> {
        Self::decode(&block.execution).ok_or(BatchError::ExecutionHeader(block.height()))
    }
}

/// Checks that the transactions of a block are those of its execution header: a vote covers them
/// only through it, and a batch header knows only all transactions of all blocks in a row.
pub(crate) fn check_transactions(block: &Block) -> Result<(), BatchError> {
    let got = alloy_trie::root::ordered_trie_root_encoded(&block.transactions);
    if got == ExecutionRoots::of(block)?.transactions {
        Ok(())
    } else {
        Err(BatchError::Transactions(block.height()))
    }
}
