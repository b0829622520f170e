//! Cuts, certifies, posts and follows batches.
//!
//! Where a batch ends is a pure function of the chain ([`CutRules`]), so every validator holds the
//! same batches without talking about them ([`Ledger`]), signs exactly these
//! ([`CheckpointService`]) and can post any of them ([`Batcher`]). Whoever posts, the contract takes
//! each number once; every node then follows the contract: its rows go from created over submitted
//! and included to finalized, and the `safe` and `finalized` heads move.
//!
//! Nothing is lost or repeated by a crash: a batch is stored before signatures are asked for, the
//! certificate before anything is sent, the transaction before it is broadcast. Data that goes onto a
//! data layer is there, and read back, before anybody is asked to sign the pointer to it.

mod accepted;
mod batcher;
mod certify;
mod checkpoint;
mod config;
mod cut;
mod data;
mod error;
mod follower;
mod history;
mod keeper;
mod layer;
mod ledger;
mod place;
mod poster;
mod turn;
mod witness;

pub use batcher::{Batcher, BatcherParts};
pub use checkpoint::CheckpointService;
pub use config::BatcherConfig;
pub use cut::CutRules;
pub use data::DataRules;
pub use error::BatcherError;
pub use history::{History, HistorySource, ProvenBatch};
pub use ledger::Ledger;
pub use place::{DataChoice, MAX_CALLDATA_BYTES, Posting, choose};
