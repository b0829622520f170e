//! Byzantine fault tolerant ordering engine on Malachite.
//!
//! [`BftEngine`] implements the seam's [`OrderingEngine`](ande_consensus::OrderingEngine): a
//! stake-weighted Tendermint with its own network, log and catch-up. No type of the engine library
//! leaves this crate.
//!
//! * A value is the consensus hash of a block. Blocks travel as signed, bounded streams of parts.
//! * Votes are EIP-712 messages signed by the node's guarded signer and verified by recovery, so a
//!   contract can verify certificates and evidence as they are.
//! * The proposer of a round is the schedule's answer for the height and its skip count.
//! * Between heights the engine waits until there is work, here or at another validator.

mod actors;
mod address;
mod assembly;
mod certificate;
mod codec;
mod config;
mod context;
mod engine;
mod evidence;
mod metrics;
mod peers;
mod rules;
mod scheme;
mod scopes;
mod service;
mod signing;
#[cfg(test)]
mod test_support;
mod wire;

pub use address::AddressError;
pub use config::{BftConfig, EnginePeer};
pub use engine::BftEngine;
pub use metrics::export_metrics;
