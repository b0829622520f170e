//! Bounded pool of signed Ethereum transactions that wait for a block.
//!
//! [`PooledTransaction::recover`] does the expensive part (decoding, signature) and needs no pool,
//! so callers run it outside of their lock; [`Pool::insert`] only compares. The pool is
//! synchronous and pure: no I/O, no clock, no randomness that decides anything. Every transaction
//! that leaves it is named to the caller: replaced, evicted, or removed on request.

mod error;
mod intrinsic;
mod limits;
mod nonces;
mod pool;
mod selection;
mod transaction;

pub use error::PoolError;
pub use limits::PoolLimits;
pub use nonces::{NonceSource, UnknownNonces};
pub use pool::{InsertKind, Inserted, Pool, PoolStatus};
pub use transaction::PooledTransaction;
