//! Whose turn it is to post a batch.

use std::time::{Duration, Instant};

use alloy_primitives::Address;
use ande_primitives::{BatchHeader, EpochSet, Skip};

/// Place of `signer` in the posting order of a batch: the proposer of its last block, then the ones
/// who would replace it, in schedule order. None outside the committee.
pub(crate) fn posting_rank(set: &EpochSet, header: &BatchHeader, signer: Address) -> Option<u32> {
    let first = header.term.skip().0;
    let size = u32::try_from(set.committee.size()).ok()?;
    // As many skips as there are members visit everyone once.
    (0..size).find(|step| {
        let skip = Skip(first.saturating_add(*step));
        set.proposer_address(header.end_height, skip) == signer
    })
}

/// Since when a task waits, so that everyone after the first gives the ones before time.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    task: Option<u64>,
    since: Option<Instant>,
}

impl Waiting {
    /// Whether `rank` places of `step` each have passed since `task` was first seen.
    pub(crate) fn is_over(&mut self, task: u64, rank: u32, step: Duration) -> bool {
        if self.task != Some(task) {
            self.task = Some(task);
            self.since = Some(Instant::now());
        }
        self.since.is_some_and(|since| since.elapsed() >= step.saturating_mul(rank))
    }
}
