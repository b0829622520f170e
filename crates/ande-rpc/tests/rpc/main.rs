//! The surface over real sockets and a real store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ande;
mod eth;
mod execution;
mod filters;
mod fixture;
mod fuzz;
mod health;
mod hostile;
mod http;
mod namespaces;
mod openrpc;
mod pruned;
mod schema;
mod schemas;
mod socket;
mod subscriptions;
