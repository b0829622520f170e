//! The parts of a node's status document that are read here. What else is in it is passed on as it
//! is.

use alloy::primitives::Address;
use ande_primitives::QuorumFraction;
use serde::Deserialize;

/// What a node says of itself: `ande_status`, `/status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeStatus {
    pub(crate) time_ms: u64,
    pub(crate) uptime_ms: u64,
    pub(crate) ready: bool,
    pub(crate) draining: bool,
    pub(crate) warnings: Vec<String>,
    pub(crate) node: NodeName,
    pub(crate) fault_tolerance: Option<u64>,
    pub(crate) chain: Chain,
    pub(crate) consensus: Consensus,
    pub(crate) validators: Option<Vec<Validator>>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) queue: Queue,
    pub(crate) posting: Option<Posting>,
    pub(crate) forced: Option<Forced>,
    pub(crate) l1: Settlement,
    pub(crate) execution_client: Option<ExecutionClient>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeName {
    pub(crate) name: String,
    pub(crate) signer: Option<Address>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chain {
    pub(crate) l2_chain_id: u64,
    pub(crate) block_time_ms: u64,
    pub(crate) heartbeat_ms: u64,
    pub(crate) latest: u64,
    pub(crate) safe: u64,
    pub(crate) finalized: u64,
    pub(crate) lag_blocks: u64,
}

/// Phase of the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    #[default]
    Starting,
    WaitingForSet,
    Idle,
    Deciding,
    Halted,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Consensus {
    pub(crate) phase: Phase,
    pub(crate) halted: Option<String>,
    pub(crate) height: u64,
    pub(crate) round: u32,
    pub(crate) round_ms: Option<u64>,
    pub(crate) proposer_wait_ms: u64,
    pub(crate) proposal: bool,
    pub(crate) epoch: u64,
    pub(crate) window: Option<u64>,
    pub(crate) skip: u64,
    pub(crate) proposer: Option<Address>,
    pub(crate) quorum: Option<QuorumFraction>,
    pub(crate) total_weight: Option<u64>,
    pub(crate) rotation: Option<Rotation>,
    pub(crate) peers: u64,
}

/// Until the next scheduled proposer.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Rotation {
    pub(crate) blocks: u64,
    pub(crate) millis: u64,
}

/// A member of the committee.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Validator {
    pub(crate) id: u32,
    pub(crate) signer: Address,
    pub(crate) weight: u64,
    pub(crate) name: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) connected: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Block {
    pub(crate) timestamp_ms: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Queue {
    pub(crate) pending: u64,
    pub(crate) depth: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Posting {
    pub(crate) pending: u64,
    pub(crate) posted: u64,
    pub(crate) confirmed: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Forced {
    pub(crate) waiting: u64,
    pub(crate) oldest_time: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Settlement {
    pub(crate) up: bool,
    pub(crate) age_ms: Option<u64>,
    pub(crate) error: Option<String>,
    pub(crate) latest: u64,
    #[serde(rename = "final")]
    pub(crate) final_block: u64,
    pub(crate) last_frozen_epoch: Option<u64>,
    pub(crate) tip: Option<Tip>,
}

/// The last accepted batch.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Tip {
    pub(crate) index: u64,
    pub(crate) end_height: u64,
    pub(crate) accepted_at: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ExecutionClient {
    pub(crate) health: String,
    pub(crate) error: Option<String>,
}

impl NodeStatus {
    /// Age of the latest block by the node's own clock; time since its start before the first one.
    pub(crate) fn block_age_ms(&self) -> u64 {
        match self.blocks.first() {
            Some(block) => self.time_ms.saturating_sub(block.timestamp_ms),
            None => self.uptime_ms,
        }
    }

    pub(crate) fn validators(&self) -> &[Validator] {
        self.validators.as_deref().unwrap_or_default()
    }

    /// Why the node does not vote although it answers.
    pub(crate) fn silent(&self) -> Option<String> {
        if let Some(reason) = &self.consensus.halted {
            return Some(format!("is halted: {reason}"));
        }
        let client = self.execution_client.as_ref().filter(|client| client.health != "up")?;
        let why = client.error.as_deref().unwrap_or(&client.health);
        Some(format!("has no execution client that gives verdicts: {why}"))
    }
}
