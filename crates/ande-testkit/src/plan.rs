//! What cluster a test wants.

use std::time::Duration;

use ande_devnet::Executor;

/// Parameters of a test cluster. The default has four equal validators, 200 ms blocks, windows of
/// ten blocks and epochs of six windows (12 s under load).
#[derive(Clone, Debug)]
pub struct Plan {
    /// Stake of each validator in whole tokens.
    pub stakes: Vec<u64>,
    /// What the nodes execute with.
    pub executor: Executor,
    /// Time between blocks.
    pub block_time: Duration,
    /// Longest time without a block.
    pub heartbeat: Duration,
    /// Heights per window.
    pub rotation: u32,
    /// Windows per epoch.
    pub windows_per_epoch: u32,
    /// Longest time between batches.
    pub batch_interval: Duration,
    /// Delay after which the next in the schedule posts a batch.
    pub takeover: Duration,
    /// Wait for a proposal; longer than needed, so that a busy machine is not taken for a fault.
    pub propose_timeout: Duration,
    /// How far the clock of the settlement chain is behind.
    pub l1_behind: Duration,
    /// JSON-RPC of the Celestia node that batches go to; to the settlement chain when none.
    pub celestia: Option<String>,
    /// Whether HAProxy stands in front.
    pub load_balancer: bool,
    /// Log filter of the nodes.
    pub log: String,
    /// Additional environment of the nodes.
    pub env: Vec<(String, String)>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            stakes: vec![1000; 4],
            executor: Executor::Evm,
            block_time: Duration::from_millis(200),
            heartbeat: Duration::from_secs(2),
            rotation: 10,
            windows_per_epoch: 6,
            batch_interval: Duration::from_millis(1500),
            takeover: Duration::from_secs(2),
            propose_timeout: Duration::from_secs(2),
            l1_behind: Duration::ZERO,
            celestia: None,
            load_balancer: false,
            log: "info,arc_malachitebft=warn".to_owned(),
            env: Vec::new(),
        }
    }
}
