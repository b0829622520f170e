//! A local network.

use ande_devnet::{Options, Voice, operate};
use clap::Args;
use eyre::Result;

use crate::output::Output;

#[derive(Debug, Args)]
#[command(
    after_help = "Needs ande-node beside this program, anvil of Foundry, and HAProxy for the load \
                  balancer. With --json standard output is devnet.json, once the network is \
                  healthy.\n\n\
                  Examples:\n  \
                  ande devnet --dir /tmp/net\n  \
                  ande devnet --dir /tmp/net --validators 7 --block-time 500ms --load 50 --exit-after 60s"
)]
pub(crate) struct DevnetArgs {
    #[command(flatten)]
    options: Options,
}

impl DevnetArgs {
    pub(crate) async fn run(self, output: Output) -> Result<()> {
        let voice = if output.json { Voice::Error } else { Voice::Output };
        operate(&self.options, voice).await
    }
}
