//! `ande status`.

use std::{io::IsTerminal as _, time::Duration};

use ande_devnet::parse_duration;
use clap::Args;
use eyre::Result;
use serde_json::{Value, json};

use super::{
    ask::{Asked, Nodes},
    screen::screen,
    verdict::judge,
};
use crate::{deployment::Place, output::Output};

/// How late a block may be before the last line says why.
const PATIENCE_MS: u64 = 10_000;
/// Clears a terminal and goes to its top.
const CLEAR: &str = "\x1b[H\x1b[2J";

#[derive(Debug, Args)]
#[command(
    after_help = "With --json the documents of the nodes as they came; with --watch one line \
    for each look.\n\n\
    Examples:\n  \
    ande status --config node.toml --watch\n  \
    ande status --node http://10.0.0.1:8545 --node http://10.0.0.2:8545\n  \
    ande status --l1-rpc http://127.0.0.1:18545 --consensus 0x5FbD... --json"
)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    nodes: Nodes,
    /// Look again and again
    #[arg(long)]
    watch: bool,
    /// Time between two looks
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    interval: Duration,
}

impl StatusArgs {
    pub(crate) async fn run(self, place: &Place, output: Output) -> Result<()> {
        loop {
            let nodes = self.nodes.ask(place).await?;
            self.show(&nodes, output)?;
            if !self.watch {
                return Ok(());
            }
            tokio::time::sleep(self.interval).await;
        }
    }

    fn show(&self, nodes: &[Asked], output: Output) -> Result<()> {
        let verdict = judge(nodes, PATIENCE_MS);
        if !output.json {
            let clear = if self.watch && std::io::stdout().is_terminal() { CLEAR } else { "" };
            return output.text(&format!("{clear}{}", screen(nodes, &verdict)));
        }
        let documents: Vec<Value> = nodes
            .iter()
            .map(|asked| match (&asked.answer, &asked.document) {
                (Ok(_), Some(document)) => json!({ "node": asked.url, "status": document }),
                (Err(error), _) => json!({ "node": asked.url, "error": error }),
                (Ok(_), None) => json!({ "node": asked.url }),
            })
            .collect();
        let answer = json!({ "verdict": verdict, "nodes": documents });
        if self.watch {
            return output.text(&format!("{answer}\n"));
        }
        output.show(&answer, |_| String::new())
    }
}
