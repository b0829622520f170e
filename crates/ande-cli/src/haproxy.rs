//! The load balancer's configuration.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use ande_haproxy::{Backend, LoadBalancer, Tls, Trust};
use clap::{Args, Subcommand};
use eyre::{Context as _, Result, ensure, eyre};
use serde::Serialize;

use crate::{
    deployment::Place,
    output::Output,
    validator::{Shown, list},
};

#[derive(Debug, Subcommand)]
pub(crate) enum HaproxyCommand {
    /// Print the configuration of HAProxy (2.6 or later) in front of the nodes
    ///
    /// The nodes are the active validators of the contract, or those given with --node. Of the
    /// validators' endpoints, which strangers chose, those are left out that are no plain host and
    /// port, that another validator registered before, or that are addresses of this machine or its
    /// network; standard error says which and why. Writes go straight to the proposer where a
    /// server's name is the `name` of its node; the servers of validators have their signers'
    /// addresses, and nodes bring writes to the proposer themselves.
    #[command(after_help = "Examples:\n  \
        ande haproxy render --node node-1=http://10.0.0.1:8545 --node node-2=http://10.0.0.2:8545,ws://10.0.0.2:8546\n  \
        ande haproxy render --l1-rpc http://127.0.0.1:18545 --consensus 0x5FbD... --out /etc/haproxy/haproxy.cfg\n  \
        ande haproxy render --config node.toml --tls-bind 0.0.0.0:443 --tls-certs /etc/haproxy/certs/")]
    Render(Box<Render>),
}

#[derive(Debug, Args)]
pub(crate) struct Render {
    /// A node, in place of the contract's validators; WebSocket is at the same endpoint unless given
    #[arg(long = "node", value_name = "NAME=URL[,WS-URL]", value_parser = parse_node)]
    nodes: Vec<Backend>,
    /// Listener for HTTP
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8545")]
    rpc_bind: SocketAddr,
    /// Listener for WebSocket
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8546")]
    ws_bind: SocketAddr,
    /// Listener for statistics and metrics; not for the public
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8404")]
    stats_bind: SocketAddr,
    /// Listener for HTTPS and secure WebSocket
    #[arg(long, value_name = "ADDRESS", requires = "tls_certs")]
    tls_bind: Option<SocketAddr>,
    /// File, or directory of files, with certificate chain and key
    #[arg(long, value_name = "PATH", requires = "tls_bind")]
    tls_certs: Option<String>,
    /// Most transactions of one client in ten seconds
    #[arg(long, value_name = "N", default_value_t = LoadBalancer::WRITES_PER_10S)]
    writes_per_10s: u32,
    /// Most other requests of one client in ten seconds
    #[arg(long, value_name = "N", default_value_t = LoadBalancer::READS_PER_10S)]
    reads_per_10s: u32,
    /// Take validators whose endpoints are addresses of this machine or its network, too
    #[arg(long)]
    allow_private: bool,
    /// Write to this file; a running HAProxy sees the old or the new one, never half of it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Rendered {
    nodes: Vec<Server>,
    skipped: Vec<Skipped>,
    /// Where the configuration was written.
    file: Option<PathBuf>,
    config: String,
}

/// A node of the configuration.
#[derive(Debug, Serialize)]
struct Server {
    name: String,
    rpc: String,
    ws: String,
    tls: bool,
}

/// A validator that gets no requests.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Skipped {
    validator: u32,
    /// Escaped.
    endpoint: String,
    reason: String,
}

impl HaproxyCommand {
    pub(crate) async fn run(self, place: &Place, output: Output) -> Result<()> {
        let Self::Render(render) = self;
        let (nodes, skipped) = if render.nodes.is_empty() {
            let validators = list(&place.open().await?).await?;
            let trust = if render.allow_private { Trust::Operator } else { Trust::Stranger };
            of_validators(&validators, trust)
        } else {
            (render.nodes.clone(), Vec::new())
        };
        for Skipped { validator, endpoint, reason } in &skipped {
            crate::output::note(&format!(
                "validator {validator} is left out, its endpoint is \"{endpoint}\": {reason}"
            ));
        }
        ensure!(
            !nodes.is_empty(),
            "no validator has an endpoint that requests can be sent to ({} left out)",
            skipped.len()
        );
        let config = render.balancer(nodes.clone()).render()?;
        if let Some(file) = &render.out {
            replace(file, &config)?;
        }
        let rendered = Rendered {
            nodes: nodes.into_iter().map(Server::of).collect(),
            skipped,
            file: render.out,
            config,
        };
        output.show(&rendered, |it| match &it.file {
            Some(file) => format!("wrote {} with {} nodes\n", file.display(), it.nodes.len()),
            None => it.config.clone(),
        })
    }
}

impl Render {
    fn balancer(&self, nodes: Vec<Backend>) -> LoadBalancer {
        let tls = self.tls_bind.zip(self.tls_certs.clone());
        LoadBalancer {
            rpc_bind: self.rpc_bind,
            ws_bind: self.ws_bind,
            stats_bind: self.stats_bind,
            tls: tls.map(|(bind, certs)| Tls { bind, certs }),
            writes_per_10s: self.writes_per_10s,
            reads_per_10s: self.reads_per_10s,
            nodes,
        }
    }
}

impl Server {
    fn of(node: Backend) -> Self {
        Self { name: node.name, rpc: node.rpc, ws: node.ws, tls: node.tls_host.is_some() }
    }
}

fn parse_node(text: &str) -> Result<Backend> {
    let (name, urls) = text.split_once('=').ok_or_else(|| eyre!("expected NAME=URL"))?;
    let (rpc, ws) = urls.split_once(',').map_or((urls, None), |(rpc, ws)| (rpc, Some(ws)));
    let backend = Backend::of(name, rpc, ws, Trust::Operator);
    backend.map_err(|error| eyre!("this endpoint cannot be used: {error}"))
}

/// The active validators whose endpoints can be used, and the others.
fn of_validators(validators: &[Shown], trust: Trust) -> (Vec<Backend>, Vec<Skipped>) {
    let mut nodes: Vec<Backend> = Vec::new();
    let mut skipped = Vec::new();
    for validator in validators.iter().filter(|validator| validator.status == "active") {
        let name = validator.signer.to_string();
        let reason = match Backend::of(name, &validator.endpoint, None, trust) {
            Ok(node) if nodes.iter().all(|other| other.rpc != node.rpc) => {
                nodes.push(node);
                continue;
            }
            Ok(_) => "another validator registered it before".to_owned(),
            Err(error) => error.to_string(),
        };
        let endpoint = validator.endpoint.clone();
        skipped.push(Skipped { validator: validator.id, endpoint, reason });
    }
    (nodes, skipped)
}

/// Puts a new file in the place of an old one.
fn replace(file: &Path, text: &str) -> Result<()> {
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    let write = || {
        std::fs::write(&new, text)?;
        std::fs::rename(&new, file)
    };
    write().wrap_err_with(|| format!("cannot write {}", file.display()))
}
