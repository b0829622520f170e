//! Settlement transactions of one key: journaled before they are sent, never lost, never repeated.

mod error;
mod fees;
mod journal;
mod manager;
mod send;
mod slot;

pub use error::TxError;
pub use fees::{FeePolicy, Fees, Prices};
pub use manager::{TxConfig, TxManager, TxOutcome, TxRequest, TxStatus};
