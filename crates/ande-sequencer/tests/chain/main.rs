//! The chain over a real store and executor: what it promises to every engine.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub)]

mod client;
mod evm;
mod fixture;
mod forced;
mod hostile;
mod lists;
mod none;
