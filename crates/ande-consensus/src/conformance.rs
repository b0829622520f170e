//! What every ordering engine must do, whatever protocol it runs.
//!
//! A crate with an engine writes an [`EngineFactory`] and one test per scenario:
//!
//! ```ignore
//! #[tokio::test(flavor = "multi_thread")]
//! async fn orders_blocks() {
//!     conformance::orders_blocks(Arc::new(MyFactory)).await;
//! }
//! ```
//!
//! Scenarios run real engines over loopback against an in-memory chain that outlives them as a
//! disk would. They wait on observed state with a deadline and panic when a promise of the seam is
//! broken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod cluster;
mod scenarios;
mod signer;

pub use chain::{Judge, MemoryChain};
pub use cluster::{Cluster, EngineFactory, Member, Options, Peer};
pub use scenarios::{
    abstains_when_the_signer_refuses, adds_peers_at_runtime, carries_large_blocks,
    catches_up_what_it_could_not_judge, changes_the_set_at_a_boundary, idles_without_work,
    keeps_what_was_committed, orders_blocks, passes_over_a_silent_proposer,
    recovers_after_a_restart, reports_a_double_signer, restarts_as_a_whole,
    stops_when_a_commit_fails, stops_when_the_guard_fails, waits_for_the_set_at_a_boundary,
    wakes_without_its_proposer,
};
pub use signer::{MemorySigner, SignerMode};
