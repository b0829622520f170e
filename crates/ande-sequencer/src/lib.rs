//! Runs one ordering engine over the chain: builds, validates and commits blocks, takes
//! transactions in and gossips them, and knows where the other validators are.

mod accounts;
mod admission;
mod chain;
mod client_block;
mod config;
mod directory;
mod error;
mod follow;
mod forced;
mod gossip;
mod index;
mod ingress;
mod journal;
mod ordering;
mod pool;
mod quota;
mod recovery;
mod replay;
mod rules;
mod senders;
mod unposted;

pub use accounts::EvmAccounts;
pub use chain::{Chain, ChainParts, recover};
pub use config::SequencerConfig;
pub use directory::{PeerAddress, PeerDirectory};
pub use error::SequencerError;
pub use gossip::Gossip;
pub use index::StoreIndex;
pub use ingress::Ingress;
pub use ordering::Ordering;
pub use pool::TransactionPool;
pub use replay::Replay;
pub use senders::SenderCache;
