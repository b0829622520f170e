//! Bounded pool of signed Ethereum transactions that wait for a block.
//!
//! [`PooledTransaction::recover`] does the expensive part (decoding, signature) and needs no pool,
//! so callers run it outside of their lock; [`Pool::insert`] compares, and reads one account
//! through an [`AccountSource`]. The pool is synchronous and pure: no I/O, no clock, no randomness
//! that decides anything. Every transaction that leaves it is named to the caller: replaced,
//! evicted, expired, made impossible by a block, or removed on request.
//!
//! [`order_by_tip`] and [`check_order`] are the order inside a block that every node can check.

mod account;
mod error;
mod intrinsic;
mod limits;
mod order;
mod pool;
mod queue;
mod selection;
mod transaction;
mod upkeep;

pub use account::{Account, AccountError, AccountSource, UnknownAccounts};
pub use error::PoolError;
pub use limits::PoolLimits;
pub use order::{Rank, check_order, order_by_tip};
pub use pool::{InsertKind, Inserted, Pool, PoolStatus};
pub use selection::BlockRoom;
pub use transaction::{PooledTransaction, TransactionSummary};
