//! Which set a height belongs to, for code that sees only a vote.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::B256;
use ande_primitives::{EpochSet, Height, Round, Vote, VoteKind};
use parking_lot::RwLock;

/// Heights kept behind the newest: late votes of these can still prove an equivocation.
pub(crate) const KEPT_HEIGHTS: u64 = 32;

/// Sets of the last started heights.
///
/// The engine verifies votes, proposals and certificates only at the height it runs and buffers
/// those of later heights, so a height is entered here before it is started and a height that is
/// not here fails verification.
#[derive(Clone, Default)]
pub(crate) struct Scopes(Arc<RwLock<BTreeMap<Height, Arc<EpochSet>>>>);

impl Scopes {
    /// Enters a height and forgets those too far behind it.
    pub(crate) fn insert(&self, height: Height, set: Arc<EpochSet>) {
        let mut scopes = self.0.write();
        scopes.insert(height, set);
        let oldest = Height(height.0.saturating_sub(KEPT_HEIGHTS));
        *scopes = scopes.split_off(&oldest);
    }

    /// The set of a height, if it was started.
    pub(crate) fn get(&self, height: Height) -> Option<Arc<EpochSet>> {
        self.0.read().get(&height).cloned()
    }

    /// The vote with the era and epoch of its height; none for an unknown height.
    pub(crate) fn vote(
        &self,
        kind: VoteKind,
        height: Height,
        round: Round,
        block_hash: B256,
    ) -> Option<Vote> {
        let set = self.get(height)?;
        Some(Vote { era: set.era, epoch: set.epoch, height, round, kind, block_hash })
    }
}
