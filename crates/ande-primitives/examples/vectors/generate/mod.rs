//! Shared test vectors: what the contracts must compute equally. Used by the example that writes
//! the files and by the test that compares them.

#![allow(unreachable_pub, clippy::unwrap_used)]

mod certificates;
mod digests;
mod json;
mod rng;
mod schedule;

pub use json::{Json, Table};
pub use rng::Rng;
#[allow(unused_imports)]
pub use schedule::committee as weighted_committee;

/// Name and content of every vector file.
pub fn files() -> [(&'static str, String); 3] {
    [
        ("schedule.json", schedule::generate().to_string()),
        ("digests.json", digests::generate().to_string()),
        ("certificates.json", certificates::generate().to_string()),
    ]
}
