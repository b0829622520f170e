//! Whether a node works, for supervisors of containers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ande_devnet::{EthBlock, Rpc, parse_duration};
use clap::Args;
use eyre::{Context as _, ContextCompat as _, Result, ensure};
use serde::Serialize;
use url::Url;

use crate::output::Output;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 0 when all of it holds, else 1 and the reason on standard error.\n\n\
    Example:\n  ande healthcheck --url http://127.0.0.1:8545 --max-age 60s"
)]
pub(crate) struct HealthcheckArgs {
    /// JSON-RPC endpoint of the node
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8545")]
    url: Url,
    /// Oldest that the latest certified block may be
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    max_age: Duration,
    /// Longest wait for an answer
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    timeout: Duration,
}

/// A node that works.
#[derive(Debug, Serialize)]
struct Healthy {
    height: u64,
    age_seconds: u64,
}

impl HealthcheckArgs {
    pub(crate) async fn run(self, output: Output) -> Result<()> {
        let rpc = Rpc::new(self.url.as_str(), self.timeout)?;
        let latest = rpc.block("latest").await;
        let latest = latest.wrap_err("the node does not answer")?;
        let latest = latest.wrap_err("the node has no block")?;
        let ready = self.url.join("/readyz")?;
        let client = reqwest::Client::builder().timeout(self.timeout).build()?;
        let answer = client.get(ready).send().await.wrap_err("the node does not answer")?;
        let status = answer.status();
        let why = answer.text().await.unwrap_or_default();
        ensure!(status.is_success(), "the node is not ready: {why}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let healthy = judge(&latest, now, self.max_age)?;
        output.show(&healthy, |it| format!("height {}, {} s old\n", it.height, it.age_seconds))
    }
}

/// Whether the latest block is certified and young. Block 0 is not certified by anybody.
fn judge(latest: &EthBlock, now: Duration, max_age: Duration) -> Result<Healthy> {
    let height = latest.number.0;
    ensure!(height > 0, "no block is certified yet");
    let age = now.saturating_sub(Duration::from_secs(latest.timestamp.0));
    ensure!(age <= max_age, "block {height}, the latest, is {} s old", age.as_secs());
    Ok(Healthy { height, age_seconds: age.as_secs() })
}

#[cfg(test)]
mod tests {
    use ande_devnet::Hex;

    use super::*;

    #[test]
    fn blocks_must_be_certified_and_young() {
        let block = |number, timestamp| EthBlock {
            number: Hex(number),
            hash: Default::default(),
            parent_hash: Default::default(),
            timestamp: Hex(timestamp),
            transactions: Vec::new(),
        };
        let (now, limit) = (Duration::from_secs(1_000), Duration::from_secs(60));
        assert_eq!(judge(&block(7, 940), now, limit).unwrap().age_seconds, 60);
        // A clock behind the proposer's.
        assert_eq!(judge(&block(7, 1_001), now, limit).unwrap().age_seconds, 0);
        assert!(judge(&block(0, 1_000), now, limit).is_err());
        assert!(judge(&block(7, 939), now, limit).is_err());
    }
}
