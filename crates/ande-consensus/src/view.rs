//! What an engine shows of itself.

use std::time::{Duration, Instant};

use alloy_primitives::Address;
use ande_primitives::{Epoch, Height, NodeId, Round, Skip};

/// What the engine is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EnginePhase {
    /// Not started yet.
    #[default]
    Starting,
    /// The set of the next epoch is not final on the settlement chain.
    WaitingForSet,
    /// Nothing to order; the next height starts with the next transaction or heartbeat.
    Idle,
    /// Deciding a height.
    Deciding,
    /// The engine refuses to go on; the process must be restarted by an operator.
    Halted(String),
}

/// A hint for people, metrics, forwarding and the load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// What it is doing.
    pub phase: EnginePhase,
    /// Height being decided or about to be.
    pub height: Height,
    /// Round of that height.
    pub round: Round,
    /// When that round started; none before the first one of the height.
    pub round_since: Option<Instant>,
    /// How long that round waits for its proposer before the next one starts.
    pub proposer_wait: Duration,
    /// Whether that round's proposal came from its proposer. Votes on it have no timeout before
    /// more than two thirds of the weight voted.
    pub proposal: bool,
    /// Epoch of that height.
    pub epoch: Epoch,
    /// Skip count of that round.
    pub skip: Skip,
    /// Proposer of that round.
    pub proposer: Option<Address>,
    /// Whether that is this node.
    pub is_proposer: bool,
    /// Whether this node is in the committee of the height.
    pub is_validator: bool,
    /// Peers with an open consensus connection.
    pub peers: Vec<NodeId>,
    /// Rounds above 0 since the start of the process.
    pub timeouts: u64,
}
