//! The chain made again from the settlement chain alone.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use alloy::{
    primitives::B256,
    providers::{Provider as _, ProviderBuilder},
};
use ande_node::{Rebuilt, rebuild};
use clap::Args;
use eyre::{Context as _, ContextCompat as _, Result, bail, ensure};
use serde::Serialize;
use url::Url;

use crate::{
    deployment::Place,
    output::{Output, note},
};

/// Time between two reports.
const REPORT: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
#[command(
    after_help = "Reads every batch that is final on the settlement chain, checks certificates, \
                  hashes and order, and executes all blocks from the genesis on. Of the node's \
                  configuration it uses chain, contracts, endpoints (a majority of them is \
                  believed) and genesis; neither keys nor data. Blobs come from l1.beacon_urls; \
                  those that beacon nodes no longer keep cannot be verified. Batches on Celestia \
                  come from the node in [celestia].\n\n\
                  Examples:\n  \
                  ande verify-l1 --config node.toml\n  \
                  ande verify-l1 --config node.toml --rpc http://127.0.0.1:8545 --json\n  \
                  ande verify-l1 --config node.toml --from-block 21000000 --dir /var/tmp/rebuilt"
)]
pub(crate) struct VerifyL1Args {
    /// Node whose blocks are compared with the result
    #[arg(long, value_name = "URL")]
    rpc: Option<Url>,
    /// Settlement block at or before the one with the first batch
    #[arg(long, value_name = "BLOCK", default_value_t = 0)]
    from_block: u64,
    /// New directory for the state, which is kept; without it a temporary one is used
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The result.
#[derive(Debug, Serialize)]
struct Verified {
    #[serde(flatten)]
    rebuilt: Rebuilt,
    /// Whether the node has the same; none when no node was asked.
    node_agrees: Option<bool>,
}

impl VerifyL1Args {
    pub(crate) async fn run(self, place: &Place, output: Output) -> Result<()> {
        let config = place
            .node()?
            .wrap_err("say which chain is meant: --config with the configuration of a node")?;
        let temporary = tempfile::tempdir().wrap_err("no temporary directory")?;
        let dir = match &self.dir {
            Some(dir) => {
                ensure!(!dir.exists(), "{} exists; name a new directory", dir.display());
                std::fs::create_dir_all(dir).wrap_err_with(|| format!("{}", dir.display()))?;
                dir.as_path()
            }
            None => temporary.path(),
        };
        let mut last = Instant::now();
        let rebuilt = rebuild(&config, dir, self.from_block, |now, batches| {
            if last.elapsed() >= REPORT || now.batches == batches {
                last = Instant::now();
                note(&format!("batch {} of {batches}, block {}", now.batches, now.height));
            }
        })
        .await
        .wrap_err("the settlement chain does not give the chain")?;
        let node_agrees = match &self.rpc {
            None => None,
            Some(url) => Some(compare(url, &rebuilt).await?),
        };
        let verified = Verified { rebuilt, node_agrees };
        output.show(&verified, Verified::text)?;
        if node_agrees == Some(false) {
            bail!("the node's block {} is another one", rebuilt.height);
        }
        Ok(())
    }
}

/// Whether a node has the same block and state.
async fn compare(url: &Url, rebuilt: &Rebuilt) -> Result<bool> {
    let provider = ProviderBuilder::new().connect_http(url.clone());
    let block = provider
        .get_block_by_number(rebuilt.height.into())
        .await
        .wrap_err_with(|| format!("the node at {url} does not answer"))?
        .wrap_err_with(|| format!("the node at {url} has no block {}", rebuilt.height))?;
    let found: (B256, B256) = (block.header.hash, block.header.state_root);
    Ok(found == (rebuilt.execution_hash, rebuilt.state_root))
}

impl Verified {
    fn text(&self) -> String {
        let it = &self.rebuilt;
        let node = match self.node_agrees {
            None => "",
            Some(true) => "node        has the same block and state\n",
            Some(false) => "node        HAS ANOTHER BLOCK OR STATE\n",
        };
        format!(
            "batches     {} ({} bytes of data), final at settlement block {}\n\
             blocks      {} with {} transactions\n\
             block       {}\n\
             state root  {}\n{node}",
            it.batches,
            it.bytes,
            it.l1_block,
            it.height,
            it.transactions,
            it.execution_hash,
            it.state_root
        )
    }
}
