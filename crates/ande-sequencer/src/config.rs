//! Settings of the sequencer, already checked by the node's configuration.

use std::time::Duration;

use crate::Ordering;
use ande_primitives::{MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS};

/// How this node builds and judges blocks.
#[derive(Clone, Debug)]
pub struct SequencerConfig {
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// Longest time without a block on an idle chain.
    pub heartbeat: Duration,
    /// Most transactions in a block built here.
    pub max_block_transactions: usize,
    /// Most bytes of RLP-encoded transactions in a block. A larger proposal is invalid, so it must
    /// be equal on all validators: a block that no batch can hold could never be settled.
    pub max_block_bytes: usize,
    /// Bytes of blocks that are not in an accepted batch from which on blocks built here get smaller.
    pub max_unposted_bytes: usize,
    /// Order inside blocks; must be equal on all validators.
    pub ordering: Ordering,
    /// How far ahead of the local clock a proposal's timestamp may be before this node abstains.
    pub clock_tolerance: Duration,
    /// How long this node has known a forced transaction to be final before it puts it into a
    /// block, so that the others know it too when they are asked for a vote.
    pub forced_settling: Duration,
    /// Whether each block built here has a second of its own, which nodes with an external
    /// execution client insist on. For block times of at least a second.
    pub own_second: bool,
}

impl SequencerConfig {
    /// Defaults for a chain.
    #[must_use]
    pub const fn new(l2_chain_id: u64) -> Self {
        Self {
            l2_chain_id,
            heartbeat: Duration::from_secs(10),
            max_block_transactions: MAX_BLOCK_TRANSACTIONS,
            max_block_bytes: MAX_BLOCK_BYTES / 2,
            max_unposted_bytes: 64 << 20,
            ordering: Ordering::Arrival,
            clock_tolerance: Duration::from_secs(5),
            forced_settling: Duration::from_secs(4),
            own_second: false,
        }
    }
}
