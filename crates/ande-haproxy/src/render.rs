//! The template and its values.

use std::{collections::BTreeSet, net::SocketAddr};

use crate::Backend;

const TEMPLATE: &str = include_str!("../../../haproxy/haproxy.cfg.template");
/// What the template calls the proposer while nobody knows it.
const NOBODY: &str = "none";

/// Values of the configuration template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    /// Listener for HTTP.
    pub rpc_bind: SocketAddr,
    /// Listener for WebSocket.
    pub ws_bind: SocketAddr,
    /// Listener for statistics.
    pub stats_bind: SocketAddr,
    /// Listener for HTTPS and secure WebSocket, if there is one.
    pub tls: Option<Tls>,
    /// Most transactions of one client in ten seconds.
    pub writes_per_10s: u32,
    /// Most other requests of one client in ten seconds.
    pub reads_per_10s: u32,
    /// The nodes.
    pub nodes: Vec<Backend>,
}

/// The listener with TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Its address.
    pub bind: SocketAddr,
    /// File, or directory of files, with certificate chain and key.
    pub certs: String,
}

/// A value that cannot stand in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Nobody to send requests to.
    #[error("there is no node to balance")]
    NoNodes,
    /// Not one plain word.
    #[error("{0:?} cannot stand in a load balancer configuration")]
    Word(String),
    /// Two nodes of one name.
    #[error("two nodes are called {0:?}")]
    Twice(String),
}

impl LoadBalancer {
    /// Most transactions of one client in ten seconds unless the operator says otherwise.
    pub const WRITES_PER_10S: u32 = 200;
    /// Most other requests of one client in ten seconds unless the operator says otherwise.
    pub const READS_PER_10S: u32 = 2_000;

    /// Text of the configuration file.
    ///
    /// # Errors
    /// [`RenderError`] when a value would not be one word of the configuration, when two nodes have
    /// one name, or when there are none.
    pub fn render(&self) -> Result<String, RenderError> {
        self.check()?;
        let values = [
            ("{{rpc_bind}}", self.rpc_bind.to_string()),
            ("{{ws_bind}}", self.ws_bind.to_string()),
            ("{{stats_bind}}", self.stats_bind.to_string()),
            (
                "{{tls_bind}}",
                self.tls.as_ref().map_or_else(String::new, |tls| tls.bind.to_string()),
            ),
            ("{{tls_certs}}", self.tls.as_ref().map_or_else(String::new, |tls| tls.certs.clone())),
            ("{{writes_per_10s}}", self.writes_per_10s.to_string()),
            ("{{reads_per_10s}}", self.reads_per_10s.to_string()),
        ];
        let has_names = self.nodes.iter().any(Backend::has_host_name);
        let mut text = String::new();
        for line in TEMPLATE.lines().skip_while(|line| line.starts_with('#')) {
            let indent = &line[..line.len() - line.trim_start().len()];
            let (mark, rest) = match line.trim_start().strip_prefix('@') {
                Some(marked) => marked.split_once(' ').unwrap_or((marked, "")),
                None => ("", line.trim_start()),
            };
            let wanted = match mark {
                "node" => {
                    for node in &self.nodes {
                        text.push_str(&format!("{indent}{}\n", server(rest, node)));
                    }
                    continue;
                }
                "names" => has_names,
                "tls" => self.tls.is_some(),
                _ => true,
            };
            if wanted {
                let filled = values
                    .iter()
                    .fold(rest.to_owned(), |line, (key, value)| line.replace(key, value));
                text.push_str(format!("{indent}{filled}").trim_end());
                text.push('\n');
            }
        }
        Ok(text)
    }

    fn check(&self) -> Result<(), RenderError> {
        if self.nodes.is_empty() {
            return Err(RenderError::NoNodes);
        }
        let mut names = BTreeSet::new();
        for node in &self.nodes {
            let hosts = node.tls_host.iter();
            for one in [&node.name, &node.rpc, &node.ws].into_iter().chain(hosts) {
                word(one, "-_.:[]")?;
            }
            if node.name == NOBODY {
                return Err(RenderError::Word(node.name.clone()));
            }
            if !names.insert(&node.name) {
                return Err(RenderError::Twice(node.name.clone()));
            }
        }
        self.tls.as_ref().map_or(Ok(()), |tls| word(&tls.certs, "-_./"))
    }
}

/// Whether a text is one word that HAProxy takes as it is.
fn word(text: &str, also: &str) -> Result<(), RenderError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
    if text.is_empty() || !text.chars().all(plain) {
        return Err(RenderError::Word(text.to_owned()));
    }
    Ok(())
}

/// A line of a node.
fn server(line: &str, node: &Backend) -> String {
    let tls = node.tls_host.as_ref().map_or_else(String::new, |host| {
        format!(" ssl verify required ca-file @system-ca sni str({host}) check-sni {host}")
    });
    line.replace("{name}", &node.name)
        .replace("{rpc}", &node.rpc)
        .replace("{ws}", &node.ws)
        .replace("{tls}", &tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balancer(nodes: usize) -> LoadBalancer {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        LoadBalancer {
            rpc_bind: at(8080),
            ws_bind: at(8081),
            stats_bind: at(8404),
            tls: None,
            writes_per_10s: LoadBalancer::WRITES_PER_10S,
            reads_per_10s: LoadBalancer::READS_PER_10S,
            nodes: (1..=nodes)
                .map(|i| Backend {
                    name: format!("node-{i}"),
                    rpc: format!("127.0.0.1:{}", 8543 + 2 * i),
                    ws: format!("127.0.0.1:{}", 8544 + 2 * i),
                    tls_host: None,
                })
                .collect(),
        }
    }

    #[test]
    fn every_node_is_in_every_backend_and_nothing_is_left_open() {
        let text = balancer(7).render().unwrap();
        assert!(!text.contains("{{") && !text.contains("\n@") && !text.contains(" @"), "{text}");
        assert!(!text.contains("{tls}") && !text.contains("resolvers"), "{text}");
        for i in 1..=7 {
            assert_eq!(text.matches(&format!("server node-{i} ")).count(), 4);
        }
        assert!(text.contains("deny_status 404 if { path_beg /peer /metrics /status"));
    }

    #[test]
    fn words_that_would_inject_configuration_are_refused() {
        for bad in ["x\n    stats admin if TRUE", "x y", "", "x#", "$HOME", "\"x\"", "none"] {
            let mut balancer = balancer(1);
            balancer.nodes[0].name = bad.into();
            assert_eq!(balancer.render(), Err(RenderError::Word(bad.into())));
        }
        for bad in ["x) check-sni str(y", "a,b", "%[env(HOME)]", "é"] {
            let mut balancer = balancer(1);
            balancer.nodes[0].tls_host = Some(bad.into());
            assert_eq!(balancer.render(), Err(RenderError::Word(bad.into())));
        }
        let mut balancer = balancer(2);
        balancer.tls = Some(Tls { bind: balancer.rpc_bind, certs: "/certs verify none".into() });
        assert!(balancer.render().is_err());
        balancer.tls = None;
        balancer.nodes[1].name = "node-1".into();
        assert_eq!(balancer.render(), Err(RenderError::Twice("node-1".into())));
        balancer.nodes.clear();
        assert_eq!(balancer.render(), Err(RenderError::NoNodes));
    }
}
