//! HTTP and WebSocket surface of a node.
//!
//! Two kinds of listeners: the **public** ones serve clients, the load balancer and other nodes
//! (JSON-RPC over HTTP and WebSocket, `/tx`, `/batch`, `/healthz`, `/readyz`, `/lbz`, `/peer/v1`);
//! the **ops** one serves operators (`/metrics`, `/status`, the health endpoints, and JSON-RPC with
//! the `debug` and `admin` namespaces) and belongs on a private address. Every answer says which node gave it (`x-ande-node`) and who proposes now
//! (`x-ande-proposer`), so that a load balancer can bring writes straight to the proposer.

mod admin;
mod ande;
mod args;
mod blocks;
mod call;
mod certificate;
mod codes;
mod context;
mod debug;
mod error;
mod eth;
mod execution;
mod feed;
mod fees;
mod filters;
mod forced;
mod headers;
mod health;
mod listener;
mod logs;
mod methods;
mod namespaces;
mod openrpc;
mod page;
mod reads;
mod receipts;
mod recent;
mod rest;
mod server;
mod services;
mod state;
mod status;
mod submit;
mod subscriptions;
mod txpool;
mod views;

pub use ande::TransactionProof;
pub use certificate::{CertificateView, SignatureView};
pub use codes::{ERROR_CODES, ErrorCode};
pub use error::RpcError;
pub use forced::{ForcedStatus, ForcedView};
pub use headers::{HEADER_NODE, HEADER_PROPOSER};
pub use health::{Checks, Readiness};
pub use namespaces::{Namespace, RpcApis, UnknownNamespace};
pub use openrpc::openrpc;
pub use server::{serve_ops, serve_public};
pub use services::{NodeInfo, PeerBook, RpcLimits, RpcServices};
pub use views::{BatchView, CommitteeView, ScheduleEntry};
