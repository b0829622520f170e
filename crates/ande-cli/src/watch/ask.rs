//! Finds the nodes and asks them.

use std::{collections::BTreeSet, time::Duration};

use ande_devnet::parse_duration;
use clap::Args;
use eyre::{Context as _, Result, ensure};
use futures::future::join_all;
use serde_json::{Value, json};
use url::Url;

use super::document::NodeStatus;
use crate::{
    deployment::{Place, local_url},
    output::{note, plain},
    validator,
};

/// Largest status document that is read: nodes of others may answer with anything.
const MAX_ANSWER: usize = 4 << 20;

/// Which nodes are asked.
#[derive(Clone, Debug, Args)]
pub(crate) struct Nodes {
    /// JSON-RPC or ops endpoint of a node; repeat it for several. Without it, all validators of the
    /// configured node or of the contract are asked
    #[arg(long = "node", value_name = "URL")]
    nodes: Vec<Url>,
    /// Longest wait for a node's answer
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_duration)]
    timeout: Duration,
}

/// A node and what it said.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) url: String,
    pub(crate) answer: Result<NodeStatus, String>,
    /// The document as it came.
    pub(crate) document: Option<Value>,
}

impl Nodes {
    /// Asks all nodes at the same time.
    ///
    /// # Errors
    /// When nothing says which nodes there are.
    pub(crate) async fn ask(&self, place: &Place) -> Result<Vec<Asked>> {
        let http = reqwest::Client::builder().timeout(self.timeout).build()?;
        if !self.nodes.is_empty() {
            return Ok(ask_all(&http, self.nodes.iter().map(Url::to_string)).await);
        }
        // The own node knows the others even while the settlement chain is down.
        if let Some(config) = place.node()? {
            let own = ask_all(&http, [local_url(config.ops_listen)]).await;
            if let Some(status) = own.first().and_then(|asked| asked.answer.as_ref().ok()) {
                let others: BTreeSet<String> = status
                    .validators()
                    .iter()
                    .filter(|validator| Some(validator.signer) != status.node.signer)
                    .filter_map(|validator| validator.endpoint.clone())
                    .collect();
                let mut all = own;
                all.extend(ask_all(&http, others).await);
                return Ok(all);
            }
            note("the configured node does not answer; asking the validators of the contract");
        }
        let deployment = place.open().await.wrap_err("name nodes with --node")?;
        let validators = validator::list(&deployment).await?.into_iter();
        let there = validators.filter(|it| !matches!(it.status, "tombstoned" | "exited"));
        let endpoints: BTreeSet<String> = there.map(|validator| validator.endpoint).collect();
        ensure!(!endpoints.is_empty(), "the contract knows no validators");
        Ok(ask_all(&http, endpoints).await)
    }
}

async fn ask_all(http: &reqwest::Client, urls: impl IntoIterator<Item = String>) -> Vec<Asked> {
    join_all(urls.into_iter().map(|url| async move {
        let document = ask(http, &url).await;
        let answer = document.clone().and_then(read);
        Asked { url: plain(&url), answer, document: document.ok() }
    }))
    .await
}

/// What the node at an endpoint says of itself.
pub(crate) async fn ask_one(http: &reqwest::Client, url: &str) -> Result<NodeStatus, String> {
    ask(http, url).await.and_then(read)
}

fn read(document: Value) -> Result<NodeStatus, String> {
    serde_json::from_value(document).map_err(|error| format!("unknown answer: {error}"))
}

async fn ask(http: &reqwest::Client, url: &str) -> Result<Value, String> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "ande_status", "params": [] });
    let short = |error: reqwest::Error| {
        if error.is_timeout() { "timeout".to_owned() } else { cause(&error) }
    };
    let mut response = http.post(url).json(&body).send().await.map_err(short)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(short)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_ANSWER {
            return Err("its answer is too long".to_owned());
        }
    }
    let status = response.status();
    let mut answer: Value =
        serde_json::from_slice(&bytes).map_err(|_| format!("HTTP {status}, not JSON-RPC"))?;
    if let Some(message) = answer.pointer("/error/message").and_then(Value::as_str) {
        return Err(plain(message));
    }
    Ok(answer["result"].take())
}

/// The innermost cause: the outer ones only repeat the address.
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    plain(&innermost.to_string())
}
