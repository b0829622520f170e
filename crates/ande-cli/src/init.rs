//! New networks.

use std::{path::PathBuf, time::Duration};

use ande_devnet::{ENV_FILE, Owner, Testnet, TestnetContracts, TestnetOptions, parse_duration};
use clap::{Args, Subcommand};
use eyre::{Result, ensure};
use serde::Serialize;
use url::Url;

use crate::output::{Output, note};

/// User of the containers unless it is said otherwise.
const CONTAINER_USER: u32 = 10_001;
/// Shortest time between blocks.
const SHORTEST_BLOCK: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(crate) enum InitCommand {
    /// Make the directory that docker-compose-testnet.yml needs
    ///
    /// Genesis, keys and configuration of four validators, the load balancer's configuration, targets
    /// for Prometheus, a random password for Grafana. Doing it again writes configuration again and
    /// leaves keys, genesis and password as they are.
    #[command(after_help = "Example:\n  \
        ande init testnet --dir testnet\n  \
        docker compose --env-file testnet/compose.env -f docker-compose-testnet.yml up --wait")]
    Testnet(Options),
    /// Deploy the contracts of such a directory on a fresh anvil and register its validators
    ///
    /// What an earlier run did is not done again, also when it was interrupted.
    #[command(after_help = "Example:\n  \
        ande init contracts --dir testnet --l1-rpc http://127.0.0.1:18545")]
    Contracts {
        /// Directory of the testnet
        #[arg(long, value_name = "DIR", default_value = "testnet")]
        dir: PathBuf,
        /// Endpoint of the settlement chain
        #[arg(long, value_name = "URL", env = "CONSENSUS_RPC_URL")]
        l1_rpc: Url,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Directory; made when it is not there
    #[arg(long, value_name = "DIR", default_value = "testnet")]
    dir: PathBuf,
    /// Time between blocks under load, for example 500ms; 2s unless given
    #[arg(long, value_parser = parse_duration)]
    block_time: Option<Duration>,
    /// Heights per window; 10 unless given
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rotation: Option<u32>,
    /// Windows per epoch; 6 unless given
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epoch_windows: Option<u32>,
    /// User that the containers run as and that gets the secrets; without the right to give files
    /// away it is the user who runs this
    #[arg(long, value_name = "UID", default_value_t = CONTAINER_USER)]
    uid: u32,
    /// Group of the containers
    #[arg(long, value_name = "GID", default_value_t = CONTAINER_USER)]
    gid: u32,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    dir: PathBuf,
    /// File for `docker compose --env-file`.
    env_file: PathBuf,
    uid: u32,
    gid: u32,
    testnet: Testnet,
}

impl InitCommand {
    pub(crate) async fn run(self, output: Output) -> Result<()> {
        match self {
            Self::Testnet(options) => {
                let made = options.make()?;
                output.show(&made, Made::lines)
            }
            Self::Contracts { dir, l1_rpc } => {
                let contracts = ande_devnet::launch(&dir, l1_rpc.as_str(), &note).await?;
                output.show(&contracts, |it: &TestnetContracts| {
                    format!(
                        "token        {}\nconsensus    {}\ncoordinator  {}\n",
                        it.token, it.consensus, it.coordinator
                    )
                })
            }
        }
    }
}

impl Options {
    fn make(self) -> Result<Made> {
        let block_time = self.block_time.map(|time| time.as_millis().try_into()).transpose()?;
        ensure!(
            self.block_time.is_none_or(|time| time >= SHORTEST_BLOCK),
            "--block-time must be at least {SHORTEST_BLOCK:?}"
        );
        let options = TestnetOptions {
            block_time_ms: block_time,
            rotation: self.rotation,
            windows_per_epoch: self.epoch_windows,
        };
        let owner = Owner { uid: self.uid, gid: self.gid };
        let (testnet, owner) = ande_devnet::init(&self.dir, options, owner)?;
        let env_file = self.dir.join(ENV_FILE);
        Ok(Made { dir: self.dir, env_file, uid: owner.uid, gid: owner.gid, testnet })
    }
}

impl Made {
    fn lines(&self) -> String {
        let mut text = String::new();
        for validator in &self.testnet.validators {
            text.push_str(&format!(
                "{}  {}  {}\n",
                validator.name, validator.address, validator.node_id
            ));
        }
        text.push_str(&format!(
            "\n{dir} is ready; its secrets belong to user {uid}. Next:\n  \
             docker compose --env-file {env} -f docker-compose-testnet.yml up --wait\n",
            dir = self.dir.display(),
            uid = self.uid,
            env = self.env_file.display(),
        ));
        text
    }
}
