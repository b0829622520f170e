//! What the node knows of the settlement chain.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, U256};
use ande_contracts::{AndeConsensus, AndeSequencerCoordinator as Coordinator};
use ande_primitives::{Epoch, Era, Height, Member, NodeId, QuorumFraction, ScheduleRules, Term};
use serde::{Deserialize, Serialize};

use crate::EndpointStatus;

/// The last batch that the contract accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchTip {
    /// Its number; 0 before the first batch.
    pub index: u64,
    /// Its last height.
    pub end_height: Height,
    /// Its term.
    pub term: Term,
    /// Settlement time of its acceptance, Unix seconds.
    pub accepted_at: u64,
    /// Its content hash; the genesis hash for index 0.
    pub hash: B256,
}

impl BatchTip {
    pub(crate) fn new(tip: &Coordinator::BatchTip, hash: B256) -> Self {
        Self {
            index: tip.batchIndex,
            end_height: Height(tip.endHeight),
            term: Term(tip.term),
            accepted_at: tip.acceptedAt,
            hash,
        }
    }
}

/// Life cycle of a validator, as the contract names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidatorStatus {
    /// Not registered.
    None,
    /// In the next sets.
    Active,
    /// Out for downtime until it returns.
    Jailed,
    /// Leaving.
    Exiting,
    /// Out for ever after a contradiction.
    Tombstoned,
    /// Gone.
    Exited,
}

impl From<u8> for ValidatorStatus {
    fn from(status: u8) -> Self {
        match status {
            1 => Self::Active,
            2 => Self::Jailed,
            3 => Self::Exiting,
            4 => Self::Tombstoned,
            5 => Self::Exited,
            _ => Self::None,
        }
    }
}

/// A registered validator. Endpoint and ids were chosen by its owner: hostile until proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatorInfo {
    /// Contract id.
    pub id: u32,
    /// Account that owns the stake.
    pub owner: Address,
    /// Consensus key.
    pub signer: Address,
    /// Node identity.
    pub node_id: NodeId,
    /// Public HTTP endpoint.
    pub rpc_endpoint: String,
    /// Stake in token wei.
    pub stake: U256,
    /// Weight that the next set would give it.
    pub weight: U256,
    /// Life cycle.
    pub status: ValidatorStatus,
}

impl From<AndeConsensus::ValidatorView> for ValidatorInfo {
    fn from(view: AndeConsensus::ValidatorView) -> Self {
        Self {
            id: view.id,
            owner: view.owner,
            signer: view.signer,
            node_id: NodeId(view.p2pPeerId),
            rpc_endpoint: view.rpcEndpoint,
            stake: view.stake,
            weight: view.weight,
            status: view.status.into(),
        }
    }
}

/// The contract's parameters that nodes use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractConfig {
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// Schedule of the sets.
    pub rules: ScheduleRules,
    /// Quorum of the next set.
    pub quorum: QuorumFraction,
    /// Candidates needed to launch.
    pub min_validators: u16,
    /// Largest set.
    pub max_validators: u16,
    /// Smallest stake in token wei.
    pub min_stake: u128,
    /// Whether the contract launches by itself when enough candidates are there.
    pub auto_launch: bool,
}

/// Growth of the forced queue that is remembered.
const GROWTHS: usize = 16;

/// The forced queue at the final block. Its entries are in the store before they are counted here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForcedView {
    /// Entries ever queued.
    pub tail: u64,
    /// When it grew of late, and from what.
    grown: Vec<(Instant, u64)>,
}

impl ForcedView {
    /// Entries that were known at the start.
    pub(crate) const fn known(tail: u64) -> Self {
        Self { tail, grown: Vec::new() }
    }

    /// Entries that this node has known for at least `settling`: others have seen them too.
    #[must_use]
    pub fn settled(&self, settling: Duration) -> u64 {
        let young = self.grown.iter().find(|(at, _)| at.elapsed() < settling);
        young.map_or(self.tail, |(_, before)| *before)
    }

    pub(crate) fn grow(&mut self, tail: u64) {
        if tail > self.tail {
            if self.grown.len() == GROWTHS {
                self.grown.remove(0);
            }
            self.grown.push((Instant::now(), self.tail));
            self.tail = tail;
        }
    }
}

/// What the node knows of the settlement chain. Replaced as a whole; read without waiting.
#[derive(Clone, Debug, Default)]
pub struct L1View {
    /// Latest block seen.
    pub latest: u64,
    /// Its hash.
    pub latest_hash: B256,
    /// Its Unix time in seconds.
    pub latest_time: u64,
    /// Time between two blocks, as seen of late; none before two were.
    pub block_time: Option<Duration>,
    /// Latest final block seen.
    pub final_block: u64,
    /// Its hash.
    pub final_hash: B256,
    /// When the chain was last read without an error.
    pub last_ok: Option<Instant>,
    /// The endpoints and how they compared at the last look.
    pub endpoints: Vec<EndpointStatus>,
    /// Why the last read failed; none after a successful one.
    pub error: Option<String>,
    /// Era at the final block.
    pub era: Era,
    /// Whether the sets are launched, at the final block.
    pub launched: bool,
    /// Highest frozen epoch at the final block.
    pub last_frozen_epoch: Option<Epoch>,
    /// Last accepted batch at the latest block.
    pub tip: Option<BatchTip>,
    /// Last accepted batch at the final block.
    pub final_tip: Option<BatchTip>,
    /// The forced queue at the final block.
    pub forced: ForcedView,
    /// Lowest term that the next batch may carry, at the latest block.
    pub last_term: Term,
    /// All registered validators at the latest block, by id.
    pub validators: Vec<ValidatorInfo>,
    /// Parameters at the latest block.
    pub config: Option<ContractConfig>,
}

impl L1View {
    /// Whether the last read succeeded.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.last_ok.is_some() && self.error.is_none()
    }

    /// Age of the last successful read; none before the first.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.last_ok.map(|at| at.elapsed())
    }

    /// Identities of all registered validators that may still be in a set.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.validators.iter().map(|validator| validator.node_id)
    }

    /// The validator that signs with this key.
    #[must_use]
    pub fn validator_of(&self, signer: Address) -> Option<&ValidatorInfo> {
        self.validators.iter().find(|validator| validator.signer == signer)
    }

    /// Where the member of a committee can be asked.
    #[must_use]
    pub fn endpoint_of(&self, member: &Member) -> Option<&ValidatorInfo> {
        self.validators.iter().find(|validator| validator.id == member.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn young_entries_are_not_settled() {
        let mut view = ForcedView::known(3);
        let (never, long) = (Duration::ZERO, Duration::from_secs(3_600));
        assert_eq!((view.settled(never), view.settled(long)), (3, 3));
        view.grow(5);
        view.grow(5);
        view.grow(6);
        assert_eq!((view.tail, view.settled(never), view.settled(long)), (6, 6, 3));
        for tail in 7..100 {
            view.grow(tail);
        }
        assert_eq!((view.tail, view.settled(never), view.grown.len()), (99, 99, GROWTHS));
    }
}
