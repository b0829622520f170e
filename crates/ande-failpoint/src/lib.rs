//! Named places at which tests stop the process.
//!
//! With the cargo feature `enabled` the environment variable `ANDE_FAILPOINT=<name>:<action>` makes
//! the first pass of the named point `abort` the process (as `kill -9` would: nothing is flushed,
//! nothing is unwound), `panic`, or `hang` for ever; `corrupt` makes a fault of [`FAULTS`] happen at
//! every pass. Without the feature the points are empty.

#[cfg(feature = "enabled")]
mod armed;

#[cfg(feature = "enabled")]
pub use armed::{arm, is_armed};

/// Where a batch goes to the settlement chain, in the order in which it passes the points.
pub const SETTLEMENT: [&str; 8] = [
    "batcher-after-create",
    "batcher-after-sign",
    "batcher-after-certify",
    "tx-after-journal",
    "tx-after-broadcast",
    "tx-after-mined",
    "batcher-after-post",
    "batcher-after-include",
];

/// Where the data of a batch gets onto a data layer, before it is certified.
pub const LAYER: [&str; 2] = ["batcher-before-put", "batcher-after-put"];

/// Where a transaction gets into a block and a block into the chain and its state on the disk.
pub const CHAIN: [&str; 25] = [
    "ingress-before-journal",
    "ingress-after-journal",
    "build-before-execute",
    "build-after-execute",
    "build-after-store",
    "validate-before-execute",
    "validate-after-execute",
    "validate-after-store",
    "execute-after-run",
    "execute-after-prepare",
    "sign-before-guard",
    "sign-after-guard",
    "commit-before-execute",
    "commit-after-execute",
    "store-before-commit",
    "store-after-commit",
    "commit-after-store",
    "commit-after-apply",
    "commit-after-pool",
    "state-before-write",
    "state-before-commit",
    "state-before-sync",
    "state-after-sync",
    "state-before-prune",
    "state-after-prune",
];

/// Passed only at the start of a node whose state is behind its chain.
pub const REPLAY: [&str; 2] = ["replay-after-execute", "replay-after-commit"];

/// Where `corrupt` makes a node faulty: a wrong balance, a validator that contradicts itself, or a
/// proposer that leaves the forced transactions out.
pub const FAULTS: [&str; 3] = ["execute-balance", "sign-twice", "build-without-forced"];

/// Whether a fault happens here.
#[cfg(not(feature = "enabled"))]
#[inline]
#[must_use]
pub const fn corrupts(_name: &'static str) -> bool {
    false
}

/// Whether a fault happens here.
#[cfg(feature = "enabled")]
#[must_use]
pub fn corrupts(name: &'static str) -> bool {
    armed::is_corrupt(name)
}

/// Passes a point.
#[cfg(not(feature = "enabled"))]
#[inline]
pub async fn reach(_name: &'static str) {}

/// Passes a point outside asynchronous code.
#[cfg(not(feature = "enabled"))]
#[inline]
pub const fn reach_blocking(_name: &'static str) {}

/// Passes a point.
#[cfg(feature = "enabled")]
pub async fn reach(name: &'static str) {
    if armed::act(name) {
        std::future::pending().await
    }
}

/// Passes a point outside asynchronous code.
#[cfg(feature = "enabled")]
pub fn reach_blocking(name: &'static str) {
    if armed::act(name) {
        loop {
            std::thread::park();
        }
    }
}
