//! Which chain a data directory belongs to.

use alloy_primitives::{Address, B256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use ande_primitives::Canonical;

/// Everything that makes two chains different. Bound to the data directory by the first open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct ChainIdentity {
    /// Chain id of the settlement chain.
    pub l1_chain_id: u64,
    /// The `AndeConsensus` contract.
    pub consensus: Address,
    /// The `AndeSequencerCoordinator` contract.
    pub coordinator: Address,
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// Genesis hash of the L2: the parent of block 1.
    pub genesis_hash: B256,
}

impl Canonical for ChainIdentity {
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 160;
}

impl std::fmt::Display for ChainIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "L1 chain id {}, consensus contract {}, coordinator contract {}, L2 chain id {}, L2 \
             genesis {}",
            self.l1_chain_id, self.consensus, self.coordinator, self.l2_chain_id, self.genesis_hash
        )
    }
}
