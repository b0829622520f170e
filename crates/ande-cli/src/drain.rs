//! Takes a node out of the load balancer.

use std::time::{Duration, Instant};

use ande_devnet::parse_duration;
use clap::Args;
use eyre::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use crate::{
    deployment::ConfigFile,
    output::{BadNews, Output, plain},
};

/// Pause between two looks at the node.
const POLL: Duration = Duration::from_millis(200);
/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
#[command(
    after_help = "The node goes on as a validator and answers who still asks; /lbz says 404, so \
                  that load balancers send nothing new, and every answer asks its client to \
                  connect anew. It stays so until the node is started again. Done when nobody has \
                  called for a while and no subscription is open. Exit code 0 when done, 3 when \
                  clients are still there at the end of the time.\n\n\
                  Examples:\n  \
                  ande drain --config node.toml && systemctl restart ande-node\n  \
                  ande drain --node http://127.0.0.1:9090 --quiet 5s --timeout 2m --json"
)]
pub(crate) struct DrainArgs {
    /// Ops endpoint of the node; that of the configuration when left out
    #[arg(long, value_name = "URL", required_unless_present = "path")]
    node: Option<Url>,
    #[command(flatten)]
    file: Option<ConfigFile>,
    /// Time without any call after which nobody is left; longer than a load balancer needs to notice
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_duration)]
    quiet: Duration,
    /// Longest wait
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    timeout: Duration,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Drained {
    drained: bool,
    /// Open subscriptions of clients.
    subscriptions: u64,
    waited_ms: u64,
}

/// What clients did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Traffic {
    calls: u64,
    subscriptions: u64,
}

impl DrainArgs {
    pub(crate) async fn run(self, output: Output) -> Result<()> {
        let url = match (&self.node, &self.file) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => file.ops_url()?,
            (None, None) => bail!("say which node is meant: --node or --config"),
        };
        let http = reqwest::Client::builder().timeout(ANSWER).build()?;
        tell(&http, &url).await?;
        let start = Instant::now();
        let (mut last, mut since) = (traffic(&http, &url).await?, start);
        let drained = loop {
            if last.subscriptions == 0 && since.elapsed() >= self.quiet {
                break true;
            }
            if start.elapsed() >= self.timeout {
                break false;
            }
            tokio::time::sleep(POLL).await;
            let now = traffic(&http, &url).await?;
            if now.calls != last.calls {
                since = Instant::now();
            }
            last = now;
        };
        let waited_ms = u64::try_from(start.elapsed().as_millis())?;
        let answer = Drained { drained, subscriptions: last.subscriptions, waited_ms };
        output.show(&answer, |answer| text(answer, self.quiet))?;
        if drained { Ok(()) } else { Err(BadNews.into()) }
    }
}

/// Lets the node say that it leaves.
async fn tell(http: &reqwest::Client, url: &Url) -> Result<()> {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "admin_drain", "params": [] });
    let answer = http.post(url.clone()).json(&call).send().await;
    let answer = answer.wrap_err_with(|| format!("the node at {url} does not answer"))?;
    let answer: Value =
        answer.json().await.wrap_err_with(|| format!("{url} is no ops endpoint"))?;
    match answer.pointer("/error/message").and_then(Value::as_str) {
        None => Ok(()),
        Some(error) => bail!("{url} refuses: {}; is it the ops endpoint?", plain(error)),
    }
}

async fn traffic(http: &reqwest::Client, url: &Url) -> Result<Traffic> {
    let answer = http.get(url.join("/metrics")?).send().await?.error_for_status();
    let text = answer.wrap_err("the node shows no metrics")?.text().await?;
    Ok(Traffic::read(&text))
}

impl Traffic {
    /// Reads an export of Prometheus.
    fn read(text: &str) -> Self {
        let sum = |name: &str| -> u64 {
            let lines = text.lines().filter_map(|line| line.strip_prefix(name));
            let values = lines.filter(|rest| rest.starts_with(['{', ' ']));
            values.filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
        };
        Self { calls: sum("ande_rpc_requests_total"), subscriptions: sum("ande_rpc_subscriptions") }
    }
}

fn text(answer: &Drained, quiet: Duration) -> String {
    let waited = Duration::from_millis(answer.waited_ms);
    match (answer.drained, answer.subscriptions) {
        (true, _) => format!("drained after {waited:?}: no call for {quiet:?}\n"),
        (false, 0) => format!("clients still call after {waited:?}\n"),
        (false, open) => format!("{open} subscriptions are still open after {waited:?}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_subscriptions_are_summed() {
        let text = "# TYPE ande_rpc_requests_total counter\n\
                    ande_rpc_requests_total{method=\"a\"} 3\n\
                    ande_rpc_requests_total{method=\"b\"} 4\n\
                    ande_rpc_subscriptions{topic=\"logs\"} 2\n\
                    ande_rpc_subscriptions_ended_total{reason=\"x\"} 9\n";
        assert_eq!(Traffic::read(text), Traffic { calls: 7, subscriptions: 2 });
        assert_eq!(Traffic::read(""), Traffic::default());
    }
}
