//! The state of the chain: one trie in memory, flat tables on disk.
//!
//! A state is a persistent (copy-on-write) Merkle Patricia trie whose leaves hold the accounts and
//! their storage tries. Rival candidates and the last blocks are just other roots that share all
//! unchanged nodes. On disk are flat tables: the accounts and slots of the newest durable block,
//! what every block replaced (so that old blocks can be read), code, receipts and block numbers.
//! [`StateStore::open`] rebuilds the trie from them and compares its root.
//!
//! The disk follows a few blocks behind; a crash loses only blocks that the chain can replay.
//! Keys on disk are the hashed keys of the trie, every value carries a checksum.

mod codec;
mod codes;
mod delta;
mod disk;
mod error;
mod load;
mod nibbles;
mod node;
mod options;
mod proof;
mod store;
mod trie;
#[cfg(test)]
mod trie_tests;
mod types;
mod view;
mod world;
#[cfg(test)]
mod world_tests;
mod writer;

pub use delta::Prepared;
pub use error::{Damage, StateError};
pub use options::StateOptions;
pub use proof::{AccountProof, StorageProof};
pub use store::StateStore;
pub use types::{Account, AccountChange, BlockChanges, BlockMeta, StateRead, state_root};
pub use view::StateView;
