//! The chain as a file.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use ande_node::{
    Exported, Imported,
    config::{self, Overrides},
    export_snapshot, import_snapshot,
};
use ande_primitives::Height;
use clap::Subcommand;
use eyre::Result;

use crate::{
    deployment::ConfigFile,
    output::{Output, note},
};

/// Time between reports of long work.
const REPORT: Duration = Duration::from_secs(2);

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Write every block and its certificate into a new file; the node may run
    #[command(after_help = "Example:\n  \
        ande snapshot export --config node.toml chain.snapshot")]
    Export {
        #[command(flatten)]
        config: ConfigFile,
        /// File to write; an existing one is never replaced
        file: PathBuf,
    },
    /// Make the data directory of a node that has none out of such a file
    ///
    /// The file need not come from somebody you trust. Every block must extend the one before it, be
    /// signed by a quorum of the validators that the settlement chain names for its epoch, and
    /// execute to what it says. At the first that does not, this ends and leaves nothing behind.
    /// Keys and sign guard stay where they are.
    #[command(after_help = "Example:\n  \
        ande snapshot import --config node.toml chain.snapshot")]
    Import {
        #[command(flatten)]
        config: ConfigFile,
        /// File to read
        file: PathBuf,
    },
}

impl SnapshotCommand {
    pub(crate) async fn run(self, output: Output) -> Result<()> {
        let (Self::Export { config, .. } | Self::Import { config, .. }) = &self;
        let node = config::load(&config.path, &Overrides::default())?;
        match self {
            Self::Export { file, .. } => {
                let exported = export_snapshot(&node, &file, reporter()).await?;
                output.show(&exported, |it: &Exported| {
                    format!(
                        "blocks       {} with {} transactions\n\
                         block        {}\n\
                         file         {} ({} bytes)\n",
                        it.height,
                        it.transactions,
                        it.block_hash,
                        file.display(),
                        it.bytes
                    )
                })
            }
            Self::Import { file, .. } => {
                let imported = import_snapshot(&node, &file, reporter()).await?;
                output.show(&imported, |it: &Imported| {
                    format!(
                        "blocks       {} with {} transactions, all proved\n\
                         block        {}\n\
                         state root   {}\n\
                         directory    {}\n",
                        it.height,
                        it.transactions,
                        it.execution_hash,
                        it.state_root,
                        node.data_dir.display()
                    )
                })
            }
        }
    }
}

/// Tells now and then how far it is.
fn reporter() -> impl FnMut(Height, Height) {
    let mut last = Instant::now();
    move |at, of| {
        if last.elapsed() >= REPORT {
            last = Instant::now();
            note(&format!("block {at} of {of}"));
        }
    }
}
