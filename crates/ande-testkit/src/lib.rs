//! Clusters of real processes for tests: faults, checks of what must always hold, measurements.
//!
//! A [`TestCluster`] is the local cluster of `ande-devnet` in a temporary directory on free ports.
//! Whatever a test does to it, [`TestCluster::check_invariants`] must pass afterwards.

mod browser;
mod chain;
mod client;
mod cluster;
mod invariants;
mod measure;
mod monitoring;
mod plan;
mod tools;
mod verify;

pub use browser::Browser;
pub use chain::{ChainApi, ConsensusBlock};
pub use client::ExecutionClient;
pub use cluster::TestCluster;
pub use invariants::PostedBatch;
pub use measure::{Gaps, HeightWatch};
pub use monitoring::Monitoring;
pub use plan::Plan;
pub use tools::{cast, forge, json_in, run_program};
pub use verify::CertificateCheck;
