//! The surface over real sockets and a real store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ande;
mod eth;
mod execution;
mod fixture;
mod health;
mod hostile;
mod http;
mod socket;
