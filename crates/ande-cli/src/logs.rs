//! Events of the contracts, the newest first.

use alloy::{
    providers::Provider,
    rpc::types::{Filter, Log},
};
use clap::Args;
use eyre::Result;

/// Settlement blocks asked for at once.
const LOG_RANGE: u64 = 5_000;

/// How far back to look.
#[derive(Debug, Args)]
pub(crate) struct Newest {
    /// How many of the newest to show
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    last: u64,
    /// Settlement block before which nothing is looked for; that of the deployment saves time
    #[arg(long, value_name = "BLOCK", default_value_t = 0)]
    from_block: u64,
}

impl Newest {
    /// Whatever `take` makes of the logs of `filter`.
    pub(crate) async fn find<T>(
        &self,
        provider: &impl Provider,
        filter: Filter,
        mut take: impl FnMut(&Log) -> Result<Option<T>>,
    ) -> Result<Vec<T>> {
        let last = usize::try_from(self.last)?;
        let mut found = Vec::new();
        let mut top = Some(provider.get_block_number().await?);
        while let Some(to) = top.filter(|to| found.len() < last && *to >= self.from_block) {
            let from = to.saturating_sub(LOG_RANGE - 1).max(self.from_block);
            let range = filter.clone().from_block(from).to_block(to);
            for log in provider.get_logs(&range).await?.iter().rev() {
                found.extend(take(log)?);
            }
            top = from.checked_sub(1);
        }
        found.truncate(last);
        Ok(found)
    }
}
