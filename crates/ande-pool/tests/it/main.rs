//! Properties of the pool, one file per property.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

mod admission;
mod eviction;
mod limits;
mod model;
mod order;
mod selection;
mod state;
mod state_model;
mod transactions;
