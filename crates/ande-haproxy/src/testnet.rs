//! The load balancer of `docker-compose-testnet.yml`.

use std::net::SocketAddr;

use crate::{Backend, LoadBalancer, RenderError};

/// Where the committed configuration lies, from the root of the repository.
pub const TESTNET_FILE: &str = "haproxy/haproxy.cfg";
/// Validators of the testnet: the fewest that survive the loss of one.
pub const TESTNET_NODES: usize = 4;
/// Port of JSON-RPC over HTTP in every container of a node, and of the load balancer's.
pub const TESTNET_RPC: u16 = 8545;
/// Port of JSON-RPC over WebSocket there.
pub const TESTNET_WS: u16 = 8546;
/// Port of the consensus network there.
pub const TESTNET_P2P: u16 = 30303;
/// Port of metrics and status there.
pub const TESTNET_OPS: u16 = 9090;
/// Port of the load balancer's statistics.
pub const TESTNET_STATS: u16 = 8404;

const HEADER: &str = "# Written by `cargo xtask gen` from haproxy/haproxy.cfg.template. Do not edit.\n\
                      # The load balancer of docker-compose-testnet.yml; `ande haproxy render` makes yours.\n";

/// The load balancer of the testnet: the containers `node-1` to `node-4`.
#[must_use]
pub fn testnet() -> LoadBalancer {
    let at = |port: u16| SocketAddr::from(([0, 0, 0, 0], port));
    LoadBalancer {
        rpc_bind: at(TESTNET_RPC),
        ws_bind: at(TESTNET_WS),
        stats_bind: at(TESTNET_STATS),
        tls: None,
        writes_per_10s: LoadBalancer::WRITES_PER_10S,
        reads_per_10s: LoadBalancer::READS_PER_10S,
        nodes: (1..=TESTNET_NODES)
            .map(|number| Backend {
                name: format!("node-{number}"),
                rpc: format!("node-{number}:{TESTNET_RPC}"),
                ws: format!("node-{number}:{TESTNET_WS}"),
                tls_host: None,
            })
            .collect(),
    }
}

/// Text of the committed configuration.
///
/// # Errors
/// Never for this network.
pub fn testnet_file() -> Result<String, RenderError> {
    Ok(format!("{HEADER}{}", testnet().render()?))
}
