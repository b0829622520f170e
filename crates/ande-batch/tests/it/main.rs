//! Properties of batches, one file per property.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

mod blobs;
mod chain;
mod cutting;
mod hostile;
mod round_trip;
mod verification;
