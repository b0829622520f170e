//! Settlement chain: what is final there, which validators the contract froze, and a transaction
//! manager that never loses or repeats a transaction.
//!
//! * [`L1Client`] asks the chain over several endpoints: one of them, or a majority.
//! * [`check_deployment`] refuses contracts that are not this node's; [`check_timing`] refuses
//!   times with which the chain would stop at every epoch.
//! * [`L1Reader`] follows the chain, stores frozen sets by epoch and the forced queue, and publishes
//!   an [`L1View`].
//! * [`TxManager`] sends the transactions of one key.
//! * [`BlobBundle`] computes what EIP-4844 blobs are sent with, [`BlobSource`] reads them back.

mod backlog;
mod blobs;
mod client;
mod config;
mod deployment;
mod endpoints;
mod eras;
mod error;
mod forced;
mod heads;
mod pace;
mod quorum;
mod reader;
mod sets;
#[cfg(feature = "test-support")]
pub mod test_support;
mod timing;
mod tx;
mod view;

pub use backlog::ForcedBacklog;
pub use blobs::{
    Blob, BlobBundle, BlobForm, BlobSource, CommitmentAndProof, KzgError, versioned_hash,
};
pub use client::{Answer, L1Block, L1Client, Params};
pub use config::{Finality, L1Config};
pub use deployment::{check_deployment, read_config};
pub use endpoints::{EndpointStatus, Standing};
pub use error::{DeploymentError, L1Error};
pub use pace::Pace;
pub use reader::{L1Reader, ReaderError, read_tip};
pub use sets::read_set;
pub use timing::{Timing, TimingError, check_timing};
pub use tx::{
    FeePolicy, Fees, Prices, TxConfig, TxError, TxManager, TxOutcome, TxRequest, TxStatus,
};
pub use view::{BatchTip, ContractConfig, ForcedView, L1View, ValidatorInfo, ValidatorStatus};
