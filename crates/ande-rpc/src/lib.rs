//! HTTP and WebSocket surface of a node.
//!
//! Two kinds of listeners: the **public** ones serve clients, the load balancer and other nodes
//! (JSON-RPC over HTTP and WebSocket, `/tx`, `/batch`, `/healthz`, `/readyz`, `/lbz`, `/peer/v1`);
//! the **ops** one serves operators (`/metrics`, `/status` and the health endpoints) and belongs on
//! a private address. Every answer says which node gave it (`x-ande-node`) and who proposes now
//! (`x-ande-proposer`), so that a load balancer can bring writes straight to the proposer.

mod ande;
mod args;
mod blocks;
mod call;
mod certificate;
mod context;
mod error;
mod eth;
mod headers;
mod health;
mod listener;
mod rest;
mod server;
mod services;
mod status;
mod views;

pub use ande::TransactionProof;
pub use certificate::{CertificateView, SignatureView};
pub use error::RpcError;
pub use headers::{HEADER_NODE, HEADER_PROPOSER};
pub use health::{Checks, Readiness};
pub use server::{serve_ops, serve_public};
pub use services::{NodeInfo, PeerBook, RpcLimits, RpcServices};
pub use views::{BatchView, CommitteeView, ScheduleEntry};
