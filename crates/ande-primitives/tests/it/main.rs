//! Properties of the nouns, one file per property.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

mod canonical;
mod certificates;
mod digests;
mod generators;
mod merkle;
mod quorum;
mod schedule;
mod shared_vectors;
mod signatures;
mod skip_records;

#[path = "../../examples/vectors/generate/mod.rs"]
mod generate;
