//! What became of a transaction.

use std::{fmt::Write as _, time::Duration};

use alloy::primitives::B256;
use ande_devnet::parse_duration;
use clap::Args;
use eyre::{Context as _, Result, bail, ensure};
use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use crate::output::{Output, plain};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    ande tx 0x5c50... --node http://127.0.0.1:8545\n  \
    ande tx 0x5c50... --json")]
pub(crate) struct TxArgs {
    /// Hash of the transaction
    hash: B256,
    /// Public endpoint of a node
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8545")]
    node: Url,
    /// Longest wait for the answer
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    timeout: Duration,
}

impl TxArgs {
    pub(crate) async fn run(self, output: Output) -> Result<()> {
        let client = reqwest::Client::builder().timeout(self.timeout).build()?;
        let url = self.node.join(&format!("/tx/{}", self.hash))?;
        let answer = client.get(url).send().await;
        let answer =
            answer.wrap_err_with(|| format!("the node at {} does not answer", self.node))?;
        let status = answer.status();
        if status == StatusCode::NOT_FOUND {
            bail!("the node at {} does not know the transaction {}", self.node, self.hash);
        }
        ensure!(status.is_success(), "the node at {} answers {status}", self.node);
        let found: Value = answer.json().await.wrap_err("the answer is not JSON")?;
        output.show(&found, text)
    }
}

/// One line for each thing that is known.
fn text(found: &Value) -> String {
    let mut text = String::new();
    for (key, value) in found.as_object().into_iter().flatten().filter(|(_, it)| !it.is_null()) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = writeln!(text, "{:14} {}", key.replace('_', " "), plain(&value));
    }
    text
}
