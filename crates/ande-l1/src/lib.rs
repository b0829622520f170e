//! Settlement chain: what is final there, which validators the contract froze, and a transaction
//! manager that never loses or repeats a transaction.
//!
//! * [`L1Client`] asks the chain over several endpoints.
//! * [`check_deployment`] refuses contracts that are not this node's; [`check_timing`] refuses
//!   times with which the chain would stop at every epoch.

mod client;
mod config;
mod deployment;
mod error;
mod timing;
mod view;

pub use client::{L1Block, L1Client};
pub use config::{Finality, L1Config};
pub use deployment::{check_deployment, read_config};
pub use error::{DeploymentError, L1Error};
pub use timing::{Timing, TimingError, check_timing};
pub use view::{BatchTip, ContractConfig, L1View, ValidatorInfo, ValidatorStatus};
