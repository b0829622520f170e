//! Whose turn it is to send something to the contract, and when.

use std::time::{Duration, Instant};

use alloy_primitives::Address;
use ande_l1::L1View;
use ande_primitives::{BatchHeader, Committee, EpochSet, Skip};

/// Settlement blocks that a transaction is given at least, and the longest time that they count
/// for.
const TAKEOVER_BLOCKS: u32 = 3;
const MAX_ON_ITS_WAY: Duration = Duration::from_secs(60);
/// First and longest pause after a failed attempt.
const MIN_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(20);

/// How long the next one waits before it does what this one should have done. A transaction on
/// its way is no reason to take over: it may need a few settlement blocks.
pub(crate) fn step(takeover: Duration, view: &L1View) -> Duration {
    let on_its_way = view.block_time.unwrap_or_default().saturating_mul(TAKEOVER_BLOCKS);
    takeover.max(on_its_way.min(MAX_ON_ITS_WAY))
}

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

/// Place of `signer` in the order in which the members do a task that everyone may do; the order
/// begins at another member for every task, so that not always the same one pays. None outside the
/// committee.
pub(crate) fn keeper_rank(committee: &Committee, task: u64, signer: Address) -> Option<u32> {
    let place = committee.index_of(signer)?;
    let size = committee.size();
    let first = usize::try_from(task % size as u64).ok()?;
    u32::try_from((place + size - first) % size).ok()
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

    /// Counts from now on: the ones before could not do it either.
    pub(crate) fn again(&mut self) {
        self.since = Some(Instant::now());
    }
}

/// The pause after failures, which grows with their number.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    failures: u32,
    until: Option<Instant>,
}

impl Pause {
    /// Whether the pause lasts.
    pub(crate) fn is_on(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// Failures in a row.
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Notes a failure; returns how long the pause is.
    pub(crate) fn begin(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let pause = MIN_PAUSE.saturating_mul(1 << self.failures.min(10)).min(MAX_PAUSE);
        self.until = Some(Instant::now() + pause);
        pause
    }

    /// Notes a success.
    pub(crate) const fn end(&mut self) {
        *self = Self { failures: 0, until: None };
    }
}
