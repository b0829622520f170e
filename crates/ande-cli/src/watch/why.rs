//! `ande why-stalled`.

use std::time::Duration;

use ande_devnet::parse_duration;
use clap::Args;
use eyre::Result;

use super::{ask::Nodes, verdict::judge};
use crate::{
    deployment::Place,
    output::{BadNews, Output},
};

#[derive(Debug, Args)]
#[command(after_help = "One line: the cause, who is missing, which round, which timer. Exit code \
    0 when blocks come, 3 when they do not.\n\n\
    Examples:\n  \
    ande why-stalled --config node.toml\n  \
    ande why-stalled --node http://10.0.0.1:8545 --node http://10.0.0.2:8545 --json")]
pub(crate) struct WhyStalledArgs {
    #[command(flatten)]
    nodes: Nodes,
    /// How late a block may be before the chain is called stalled
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    after: Duration,
}

impl WhyStalledArgs {
    pub(crate) async fn run(self, place: &Place, output: Output) -> Result<()> {
        let nodes = self.nodes.ask(place).await?;
        let patience = u64::try_from(self.after.as_millis()).unwrap_or(u64::MAX);
        let verdict = judge(&nodes, patience);
        output.show(&verdict, |verdict| format!("{}\n", verdict.reason))?;
        if verdict.stalled { Err(BadNews.into()) } else { Ok(()) }
    }
}
