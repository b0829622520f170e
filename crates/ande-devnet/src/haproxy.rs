//! The load balancer in front of the nodes.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use eyre::{Result, bail};

use crate::{
    process::{Launch, OnOrphan, Process},
    tools,
};

const TEMPLATE: &str = include_str!("../../../haproxy/haproxy.cfg.template");

/// A node as the load balancer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Name: equals the `x-ande-node` header of its answers.
    pub name: String,
    /// `host:port` of JSON-RPC over HTTP.
    pub rpc: String,
    /// `host:port` of JSON-RPC over WebSocket.
    pub ws: String,
}

/// Values of the configuration template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancer {
    /// Listener for HTTP.
    pub rpc_bind: SocketAddr,
    /// Listener for WebSocket.
    pub ws_bind: SocketAddr,
    /// Listener for statistics.
    pub stats_bind: SocketAddr,
    /// Most transactions of one client in ten seconds.
    pub writes_per_10s: u32,
    /// Most other requests of one client in ten seconds.
    pub reads_per_10s: u32,
    /// The nodes.
    pub nodes: Vec<Backend>,
}

impl LoadBalancer {
    /// Text of the configuration file.
    ///
    /// # Errors
    /// A node name or address that would not be one word of the configuration.
    pub fn render(&self) -> Result<String> {
        for node in &self.nodes {
            for word in [&node.name, &node.rpc, &node.ws] {
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
                if word.is_empty() || !word.chars().all(plain) {
                    bail!("{word:?} cannot stand in a load balancer configuration");
                }
            }
        }
        let values = [
            ("{{rpc_bind}}", self.rpc_bind.to_string()),
            ("{{ws_bind}}", self.ws_bind.to_string()),
            ("{{stats_bind}}", self.stats_bind.to_string()),
            ("{{writes_per_10s}}", self.writes_per_10s.to_string()),
            ("{{reads_per_10s}}", self.reads_per_10s.to_string()),
        ];
        let mut text = String::new();
        for line in TEMPLATE.lines().skip_while(|line| line.starts_with('#')) {
            if let Some(per_node) = line.trim_start().strip_prefix("@node ") {
                for node in &self.nodes {
                    let line = per_node
                        .replace("{name}", &node.name)
                        .replace("{rpc}", &node.rpc)
                        .replace("{ws}", &node.ws);
                    text.push_str("    ");
                    text.push_str(&line);
                    text.push('\n');
                }
            } else {
                let line = values
                    .iter()
                    .fold(line.to_owned(), |line, (key, value)| line.replace(key, value));
                text.push_str(&line);
                text.push('\n');
            }
        }
        Ok(text)
    }

    /// Writes the configuration into `dir`, checks it and starts HAProxy with it. None when
    /// HAProxy is not installed.
    ///
    /// # Errors
    /// When HAProxy refuses the configuration or does not start.
    pub fn start(&self, dir: &Path, on_orphan: OnOrphan) -> Result<Option<Process>> {
        let Some(program) = tools::haproxy_binary() else { return Ok(None) };
        let file = self.write(dir)?;
        check(&program, &file)?;
        Process::spawn(&Launch {
            name: "haproxy".into(),
            program,
            args: vec!["-db".into(), "-f".into(), file.into()],
            dir: dir.to_path_buf(),
            env: Vec::new(),
            log: dir.join("haproxy.log"),
            on_orphan,
        })
        .map(Some)
    }

    fn write(&self, dir: &Path) -> Result<PathBuf> {
        fs::create_dir_all(dir)?;
        let file = dir.join("haproxy.cfg");
        fs::write(&file, self.render()?)?;
        Ok(file)
    }
}

/// Lets HAProxy parse a configuration file.
///
/// # Errors
/// Its complaint.
pub(crate) fn check(program: &Path, file: &Path) -> Result<()> {
    let output = Command::new(program).arg("-c").arg("-f").arg(file).output()?;
    if output.status.success() {
        return Ok(());
    }
    bail!("haproxy refuses {}:\n{}", file.display(), String::from_utf8_lossy(&output.stderr))
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
            writes_per_10s: 200,
            reads_per_10s: 2000,
            nodes: (1..=nodes)
                .map(|i| Backend {
                    name: format!("node-{i}"),
                    rpc: format!("127.0.0.1:{}", 8543 + 2 * i),
                    ws: format!("127.0.0.1:{}", 8544 + 2 * i),
                })
                .collect(),
        }
    }

    #[test]
    fn every_node_is_in_every_backend_and_nothing_is_left_open() {
        let text = balancer(7).render().unwrap();
        assert!(!text.contains("{{") && !text.contains("@node"), "{text}");
        for i in 1..=7 {
            assert_eq!(text.matches(&format!("server node-{i} ")).count(), 4);
        }
        assert!(text.contains("deny_status 404 if { path_beg /peer /metrics /status"));
    }

    #[test]
    fn names_that_would_inject_configuration_are_refused() {
        let mut bad = balancer(1);
        bad.nodes[0].name = "x\n    stats admin if TRUE".into();
        assert!(bad.render().is_err());
        bad.nodes[0].name = "x y".into();
        assert!(bad.render().is_err());
    }

    #[test]
    fn haproxy_accepts_the_configuration() {
        let Some(program) = tools::haproxy_binary() else { return };
        let dir = std::env::temp_dir().join(format!("ande-haproxy-{}", std::process::id()));
        let file = balancer(4).write(&dir).unwrap();
        check(&program, &file).unwrap();
        fs::remove_dir_all(dir).unwrap();
    }
}
