//! The embedded EVM: Cancun from the first block, Ethereum's blocks to the bit.
//!
//! A block is run on an immutable view of the state ([`block`]); what it changed becomes a new trie
//! beside the others ([`changes`]), and its header and receipts a record ([`record`]).
//! [`EmbeddedExecutor`] keeps the candidates of one number until one is committed; [`EvmReader`]
//! answers questions on any state that is still kept.

mod access_list;
mod block;
mod call;
mod chain;
mod changes;
mod database;
mod embedded;
mod error;
mod estimate;
mod forced;
mod genesis;
mod reader;
mod record;
mod request;
mod senders;
mod spec;
mod trace;
mod words;

pub use chain::EvmConfig;
pub use embedded::EmbeddedExecutor;
pub use error::{CallError, ReadError};
pub use genesis::{EvmGenesis, GenesisError, MAX_GENESIS_BYTES};
pub use reader::EvmReader;
pub use request::{BlockReceipts, CallRequest, ExecutedReceipt};
pub use senders::{NoSenders, SenderSource};
