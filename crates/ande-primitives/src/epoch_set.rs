//! Everything about one epoch that must be known before its first height starts.

use alloy_primitives::{Address, B256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use serde::Serialize;

use crate::{
    Canonical, Committee, DecodeError, Epoch, Era, Height, MAX_COMMITTEE, Member, QuorumFraction,
    ScheduleRules, Skip,
};

/// The frozen set of an epoch with the rules that schedule its proposers, as read from the
/// contract by epoch number at a final settlement block. Immutable; stored before it is used.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochSet {
    /// Era the set belongs to.
    pub era: Era,
    /// The epoch.
    pub epoch: Epoch,
    /// Contract id of the frozen set.
    pub set_id: u32,
    /// Seed of the schedule.
    pub seed: B256,
    /// Schedule rules.
    pub rules: ScheduleRules,
    /// Weight a certificate needs.
    pub quorum: QuorumFraction,
    /// Members.
    pub committee: Committee,
    /// Number of the final settlement block at which the set was read.
    pub l1_block: u64,
}

impl Canonical for EpochSet {
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 256 + MAX_COMMITTEE * 64;

    fn check_bounds(&self) -> Result<(), DecodeError> {
        if self.quorum.is_sound() {
            Ok(())
        } else {
            let QuorumFraction { num, den } = self.quorum;
            Err(DecodeError::Bounds(format!(
                "a quorum above {num}/{den} is not safe or not reachable"
            )))
        }
    }
}

impl EpochSet {
    /// Whether the height belongs to this epoch.
    #[must_use]
    pub fn contains(&self, height: Height) -> bool {
        self.rules.epoch_of(height) == self.epoch
    }

    /// The scheduled proposer of `height` after `skip` passed-over proposers.
    #[must_use]
    pub fn proposer(&self, height: Height, skip: Skip) -> &Member {
        let index = self.rules.proposer_index(&self.committee, self.seed, height, skip);
        &self.committee.members()[index]
    }

    /// Address of [`proposer`](Self::proposer).
    #[must_use]
    pub fn proposer_address(&self, height: Height, skip: Skip) -> Address {
        self.proposer(height, skip).signer
    }
}
