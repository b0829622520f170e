//! The configuration of HAProxy in front of N nodes, made of `haproxy/haproxy.cfg.template`.
//!
//! Endpoints of validators were chosen by strangers: [`Backend::of`] takes only what is a host and a
//! port, and [`LoadBalancer::render`] only what is one word of a configuration.

mod backend;
mod render;
mod testnet;

pub use backend::{Backend, EndpointError, MAX_HOST_BYTES, Trust};
pub use render::{LoadBalancer, RenderError, Tls};
pub use testnet::{
    TESTNET_FILE, TESTNET_NODES, TESTNET_OPS, TESTNET_P2P, TESTNET_RPC, TESTNET_STATS, TESTNET_WS,
    testnet, testnet_file,
};
