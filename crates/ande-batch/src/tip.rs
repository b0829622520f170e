//! The batch that the next one extends.

use alloy_primitives::B256;
use ande_primitives::{BatchHeader, Height, Term, genesis_batch_hash};

/// What a batch must know of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchTip {
    /// Number of the batch; 0 before the first.
    pub index: u64,
    /// Content hash of the batch; [`genesis_batch_hash`] before the first.
    pub hash: B256,
    /// Its last height; 0 before the first.
    pub end_height: Height,
    /// Hash of its last consensus header; the genesis hash before the first.
    pub last_block_hash: B256,
    /// Term of its last block.
    pub term: Term,
    /// Forced transactions that the contract counts as consumed after it. An escape batch counts
    /// entries that are only in blocks after it.
    pub forced_up_to: u64,
    /// Accumulator of the queue there.
    pub forced_acc: B256,
}

impl BatchTip {
    /// The tip before batch 1.
    #[must_use]
    pub fn genesis(l2_chain_id: u64, l2_genesis_hash: B256) -> Self {
        Self {
            index: 0,
            hash: genesis_batch_hash(l2_chain_id, l2_genesis_hash),
            end_height: Height(0),
            last_block_hash: l2_genesis_hash,
            term: Term(0),
            forced_up_to: 0,
            forced_acc: B256::ZERO,
        }
    }
}

impl From<&BatchHeader> for BatchTip {
    fn from(header: &BatchHeader) -> Self {
        Self {
            index: header.batch_index,
            hash: header.content_hash(),
            end_height: header.end_height,
            last_block_hash: header.last_block_hash,
            term: header.term,
            forced_up_to: header.forced_up_to,
            forced_acc: header.forced_acc,
        }
    }
}
