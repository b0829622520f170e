//! Where the settlement chain is and what counts as final there.

use std::time::Duration;

use alloy::primitives::Address;
use ande_primitives::Domain;
use url::Url;

/// What counts as final on the settlement chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// The chain's own `finalized` block.
    Finalized,
    /// The chain's own `safe` block.
    Safe,
    /// So many blocks behind the latest one; 0 means the latest itself. For development chains and
    /// chains without finality.
    Depth(u64),
}

/// The settlement chain of a deployment.
#[derive(Clone, Debug)]
pub struct L1Config {
    /// HTTP endpoints of the settlement chain. What the view says is what a majority of them says;
    /// for anything else the first that works is used.
    pub rpc_urls: Vec<Url>,
    /// Expected chain id; every endpoint is checked before it is used.
    pub chain_id: u64,
    /// The `AndeConsensus` contract.
    pub consensus: Address,
    /// The `AndeSequencerCoordinator` contract.
    pub coordinator: Address,
    /// What counts as final.
    pub finality: Finality,
    /// Shortest pause between two looks at the chain.
    pub poll_interval: Duration,
    /// Pause between two looks while nobody waits for anything there.
    pub idle_interval: Duration,
    /// Longest wait for one answer.
    pub timeout: Duration,
}

impl L1Config {
    /// Pause between two looks when nothing else is configured.
    pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_millis(500);
    /// Longest wait for one answer when nothing else is configured.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

    /// EIP-712 domain of the deployment.
    #[must_use]
    pub fn domain(&self, l2_chain_id: u64) -> Domain {
        Domain::new(self.chain_id, self.consensus, l2_chain_id)
    }
}
