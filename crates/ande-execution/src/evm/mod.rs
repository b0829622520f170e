//! The embedded EVM.

mod error;
mod request;
mod senders;

pub use error::{CallError, ReadError};
pub use request::{BlockReceipts, CallRequest, ExecutedReceipt};
pub use senders::{NoSenders, SenderSource};
