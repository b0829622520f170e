//! Ports of a cluster.

use ande_ports::{is_free, reserve};
use eyre::{Result, bail, eyre};
use serde::{Deserialize, Serialize};

const RPC: u16 = 8545;
const P2P: u16 = 30303;
const OPS: u16 = 9090;
/// Prometheus listens here; node metrics step over it.
const PROMETHEUS: u16 = 9093;
const SETTLEMENT: u16 = 18545;
const LB_RPC: u16 = 8080;
const LB_WS: u16 = 8081;
const LB_STATS: u16 = 8404;

/// Ports of one node, all on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePorts {
    /// JSON-RPC over HTTP, health, node-to-node HTTP.
    pub rpc: u16,
    /// JSON-RPC over WebSocket.
    pub ws: u16,
    /// Metrics and status.
    pub ops: u16,
    /// Consensus network.
    pub p2p: u16,
}

/// Ports of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// JSON-RPC of the settlement chain.
    pub settlement: u16,
    /// Load balancer, HTTP.
    pub lb_rpc: u16,
    /// Load balancer, WebSocket.
    pub lb_ws: u16,
    /// Load balancer, statistics.
    pub lb_stats: u16,
    /// The nodes in order.
    pub nodes: Vec<NodePorts>,
}

impl NodePorts {
    fn free() -> Result<Self> {
        Ok(Self { rpc: reserve()?, ws: reserve()?, ops: reserve()?, p2p: reserve()? })
    }
}

impl Ports {
    /// The documented ports of a local network, each plus `offset`.
    ///
    /// # Errors
    /// When a port would exceed 65535 or two would collide.
    pub fn documented(nodes: usize, offset: u16) -> Result<Self> {
        let at = |base: u16, index: u16| {
            base.checked_add(index)
                .and_then(|port| port.checked_add(offset))
                .ok_or_else(|| eyre!("port {base} + {index} + offset {offset} is above 65535"))
        };
        let nodes = u16::try_from(nodes)?;
        let ports = Self {
            settlement: at(SETTLEMENT, 0)?,
            lb_rpc: at(LB_RPC, 0)?,
            lb_ws: at(LB_WS, 0)?,
            lb_stats: at(LB_STATS, 0)?,
            nodes: (0..nodes)
                .map(|i| {
                    let over = u16::from(OPS + i >= PROMETHEUS);
                    Ok(NodePorts {
                        rpc: at(RPC, 2 * i)?,
                        ws: at(RPC, 2 * i + 1)?,
                        ops: at(OPS, i + over)?,
                        p2p: at(P2P, i)?,
                    })
                })
                .collect::<Result<_>>()?,
        };
        let mut all: Vec<u16> = ports.named().into_iter().map(|(_, port)| port).collect();
        all.sort_unstable();
        if let Some(pair) = all.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("port {} would be used twice by {nodes} nodes", pair[0]);
        }
        Ok(ports)
    }

    /// Ports reserved for this process, for tests.
    ///
    /// # Errors
    /// When too few are free.
    pub fn free(nodes: usize) -> Result<Self> {
        Ok(Self {
            settlement: reserve()?,
            lb_rpc: reserve()?,
            lb_ws: reserve()?,
            lb_stats: reserve()?,
            nodes: (0..nodes).map(|_| NodePorts::free()).collect::<Result<_>>()?,
        })
    }

    /// Adds free ports for one more node.
    ///
    /// # Errors
    /// When none are free.
    pub fn add_node(&mut self) -> Result<NodePorts> {
        let node = NodePorts::free()?;
        self.nodes.push(node);
        Ok(node)
    }

    /// Every port with what listens on it.
    #[must_use]
    pub fn named(&self) -> Vec<(String, u16)> {
        let mut all = vec![
            ("settlement chain".to_owned(), self.settlement),
            ("load balancer HTTP".to_owned(), self.lb_rpc),
            ("load balancer WebSocket".to_owned(), self.lb_ws),
            ("load balancer statistics".to_owned(), self.lb_stats),
        ];
        for (i, node) in self.nodes.iter().enumerate() {
            let name = |what: &str| format!("node-{} {what}", i + 1);
            all.extend([
                (name("RPC"), node.rpc),
                (name("WebSocket"), node.ws),
                (name("ops"), node.ops),
                (name("P2P"), node.p2p),
            ]);
        }
        all
    }

    /// Checks that nobody listens on any of the ports.
    ///
    /// # Errors
    /// Names every port that is taken and says what to do.
    pub fn check_free(&self) -> Result<()> {
        let taken: Vec<String> = self
            .named()
            .into_iter()
            .filter(|(_, port)| !is_free(*port))
            .map(|(what, port)| format!("{port} ({what})"))
            .collect();
        if taken.is_empty() {
            return Ok(());
        }
        bail!(
            "ports in use: {}. Stop what listens there (another devnet?) or start with --port-offset 1000",
            taken.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn documented_ports_are_those_of_the_manual() {
        let ports = Ports::documented(4, 0).unwrap();
        let column = |f: fn(&NodePorts) -> u16| ports.nodes.iter().map(f).collect::<Vec<_>>();
        assert_eq!(column(|n| n.rpc), [8545, 8547, 8549, 8551]);
        assert_eq!(column(|n| n.ws), [8546, 8548, 8550, 8552]);
        assert_eq!(column(|n| n.p2p), [30303, 30304, 30305, 30306]);
        assert_eq!(column(|n| n.ops), [9090, 9091, 9092, 9094]);
        assert_eq!(ports.settlement, 18545);
        assert_eq!(Ports::documented(1, 100).unwrap().nodes[0].rpc, 8645);
    }

    #[test]
    fn offset_above_the_range_is_an_error() {
        assert!(Ports::documented(4, 40_000).is_err());
    }

    #[test]
    fn taken_port_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ports = Ports::free(1).unwrap();
        ports.nodes[0].ops = listener.local_addr().unwrap().port();
        let error = ports.check_free().unwrap_err().to_string();
        assert!(error.contains("node-1 ops"), "{error}");
        assert!(error.contains("--port-offset"), "{error}");
    }
}
