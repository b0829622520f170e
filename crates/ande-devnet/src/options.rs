//! Command line of the devnet.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use eyre::{Result, ensure};

use crate::{
    cluster::ClusterConfig, deploy::Deployment, genesis::Executor, node::NodeSettings,
    ports::Ports, process::OnOrphan, tools::repository_root,
};

/// Chain id of local networks.
pub(crate) const L2_CHAIN_ID: u64 = 6174;
/// Stake of each validator in whole tokens: the contract's minimum.
pub(crate) const STAKE: u64 = 1_000;
/// Name of the directory.
const DIR: &str = "devnet";
const MAX_VALIDATORS: usize = 32;

/// A local network: settlement chain, contracts, validators, load balancer.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Number of validators. Four survive the loss of one, three or fewer of none. [default: 4]
    #[arg(long)]
    pub validators: Option<usize>,
    /// Time between blocks under load, for example 200ms or 2s. [default: 1s]
    #[arg(long, value_parser = parse_duration)]
    pub block_time: Option<Duration>,
    /// Heights per window: the proposer changes after so many blocks. [default: 10]
    #[arg(long)]
    pub rotation: Option<u32>,
    /// Windows per epoch: the validator set changes after so many windows. [default: 6]
    #[arg(long)]
    pub epoch_windows: Option<u32>,
    /// What the nodes execute with. [default: evm]
    #[arg(long, value_enum)]
    pub executor: Option<Executor>,
    /// Directory of the network; a restart with the same one continues the same chain with the
    /// options it was made with. [default: devnet in the repository, else here]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Added to every port. [default: 0]
    #[arg(long)]
    pub port_offset: Option<u16>,
    /// Send this many transactions per second.
    #[arg(long, value_name = "TPS")]
    pub load: Option<u32>,
    /// Stop after this time of good health, for example 60s.
    #[arg(long, value_parser = parse_duration)]
    pub exit_after: Option<Duration>,
}

impl Options {
    /// The cluster that these options describe. What is not given is as the chain in the
    /// directory was made, or the default for a new chain.
    ///
    /// # Errors
    /// Options that make no network; a damaged directory.
    pub fn cluster(&self) -> Result<ClusterConfig> {
        let dir = self.dir.clone().unwrap_or_else(|| {
            let root = repository_root();
            // The program may run where it was not built.
            if root.is_dir() { root.join(DIR) } else { PathBuf::from(DIR) }
        });
        let stored = Deployment::load(&dir)?;
        let stored = stored.as_ref();
        let validators =
            self.validators.or(stored.map(|chain| chain.validators.len())).unwrap_or(4);
        ensure!(
            (1..=MAX_VALIDATORS).contains(&validators),
            "--validators must be 1 to {MAX_VALIDATORS}"
        );
        let rotation = self.rotation.or(stored.map(|chain| chain.rotation)).unwrap_or(10);
        ensure!(rotation > 0, "--rotation must be at least 1");
        let windows_per_epoch =
            self.epoch_windows.or(stored.map(|chain| chain.windows_per_epoch)).unwrap_or(6);
        ensure!(windows_per_epoch > 0, "--epoch-windows must be at least 1");
        let block_time = self
            .block_time
            .or(stored.map(|chain| Duration::from_millis(chain.block_time_ms)))
            .unwrap_or(Duration::from_secs(1));
        let shortest = Duration::from_millis(100);
        ensure!(block_time >= shortest, "--block-time must be at least {shortest:?}");
        let ports = match (self.port_offset, stored) {
            (None, Some(chain)) => chain.ports.clone(),
            (offset, _) => Ports::documented(validators, offset.unwrap_or(0))?,
        };
        Ok(ClusterConfig {
            dir,
            stakes: vec![STAKE; validators],
            ports,
            l2_chain_id: L2_CHAIN_ID,
            executor: self.executor.or(stored.map(|chain| chain.executor)).unwrap_or(Executor::Evm),
            other_accounts: 0,
            block_time,
            rotation,
            windows_per_epoch,
            l1_block_time_secs: 1,
            l1_behind: Duration::ZERO,
            nodes: NodeSettings {
                heartbeat: Duration::from_secs(10).max(block_time),
                ..NodeSettings::local()
            },
            load_balancer: true,
            on_orphan: OnOrphan::Terminate,
        })
    }
}

/// `200ms`, `60s`, `2m`. A bare number is refused: nobody can know what was meant.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| format!("{text:?} is no time such as 60s"))?;
    let seconds = match unit.trim() {
        "ms" => number / 1000.0,
        "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        "" => return Err(format!("{text} has no unit: write {text}ms or {text}s")),
        other => return Err(format!("unknown unit {other:?}: use ms, s, m or h")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256};
    use ande_primitives::NodeId;
    use clap::{CommandFactory as _, Parser};

    use super::*;
    use crate::deploy::Registered;

    #[derive(Parser)]
    struct Devnet {
        #[command(flatten)]
        options: Options,
    }

    fn parse(words: &[&str]) -> Options {
        Devnet::parse_from([&["devnet"], words].concat()).options
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse_duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("500"), Err("500 has no unit: write 500ms or 500s".to_owned()));
        assert!(parse_duration("fast").is_err());
        assert!(parse_duration("3 parsecs").is_err());
    }

    #[test]
    fn command_line_is_consistent() {
        Devnet::command().debug_assert();
        let options = parse(&["--validators", "0"]);
        assert!(options.cluster().is_err());
    }

    #[test]
    fn a_restart_keeps_what_is_not_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        let made = Deployment {
            l1_chain_id: 31337,
            l2_chain_id: L2_CHAIN_ID,
            token: Address::ZERO,
            consensus: Address::ZERO,
            coordinator: Address::ZERO,
            executor: Executor::None,
            genesis_hash: B256::ZERO,
            rotation: 7,
            windows_per_epoch: 3,
            block_time_ms: 250,
            ports: Ports::documented(1, 100).unwrap(),
            validators: vec![Registered {
                id: 1,
                address: Address::ZERO,
                node_id: NodeId(B256::repeat_byte(1)),
            }],
        };
        made.save(dir.path()).unwrap();
        let config = parse(&["--dir", path]).cluster().unwrap();
        assert_eq!((config.rotation, config.windows_per_epoch), (7, 3));
        assert_eq!(config.block_time, Duration::from_millis(250));
        assert_eq!(config.stakes.len(), 1);
        assert_eq!(config.ports, made.ports);
        let given = parse(&["--dir", path, "--rotation", "8"]);
        assert_eq!(given.cluster().unwrap().rotation, 8, "refused later, with a clear error");
    }
}
