//! Everything durable but the engines' own logs.
//!
//! * [`Store`]: one SQLite database (WAL, `synchronous=FULL`, one writer) with the chain, undecided
//!   blocks, validator sets, the transaction journal, batches, settlement transactions, evidence
//!   and peers; and beside it a hot store with the transaction index, written one block behind and
//!   replayed at the start.
//! * [`GuardedSigner`]: the validator's key behind a guard file that is durable before a signature
//!   is released.
//!
//! Every stored value is checked when it is read: damaged data gives an error that names the table
//! and says what to do.

mod batches;
mod candidates;
mod chain;
mod checkpoints;
mod eras;
mod error;
mod evidence;
mod fjall_store;
mod forced;
mod guard;
mod identity;
mod index;
mod journal;
mod kv;
mod l1_transactions;
mod lock;
mod meta;
mod peers;
mod reader;
mod seal;
mod sets;
mod sql;
mod store;

pub use batches::{BatchRow, BatchState};
pub use chain::OutboxStatus;
pub use eras::EraStart;
pub use error::StoreError;
pub use fjall_store::FjallStore;
pub use guard::{GuardError, GuardedSigner, HighWater};
pub use identity::ChainIdentity;
pub use journal::{MAX_JOURNAL_BYTES, MAX_JOURNAL_GROUP_BYTES};
pub use kv::{KvBatch, KvError, KvStore, KvWrite, MemoryStore, Space};
pub use l1_transactions::{L1TxRow, L1TxState};
pub use meta::L1Cursor;
pub use reader::ChainReader;
pub use store::{STORAGE_VERSION, Store, StoreOptions};
