//! Command line of the devnet.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use eyre::{Result, ensure};

use crate::{
    cluster::ClusterConfig, node::NodeSettings, ports::Ports, process::OnOrphan,
    tools::repository_root,
};

const L2_CHAIN_ID: u64 = 6174;
/// Stake of each validator in whole tokens: the contract's minimum.
const STAKE: u64 = 1_000;
const MAX_VALIDATORS: usize = 32;

/// A local network: settlement chain, contracts, validators, load balancer.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask devnet")]
pub struct Options {
    /// Number of validators. Four survive the loss of one, three or fewer of none.
    #[arg(long, default_value_t = 4)]
    pub validators: usize,
    /// Time between blocks under load, for example 200ms or 2s.
    #[arg(long, default_value = "1s", value_parser = parse_duration)]
    pub block_time: Duration,
    /// Heights per window: the proposer changes after so many blocks.
    #[arg(long, default_value_t = 10)]
    pub rotation: u32,
    /// Windows per epoch: the validator set changes after so many windows.
    #[arg(long, default_value_t = 6)]
    pub epoch_windows: u32,
    /// Directory of the network; a restart with the same one continues the same chain.
    /// [default: devnet in the repository]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Added to every port.
    #[arg(long, default_value_t = 0)]
    pub port_offset: u16,
    /// Send this many transactions per second.
    #[arg(long, value_name = "TPS")]
    pub load: Option<u32>,
    /// Stop after this time of good health, for example 60s.
    #[arg(long, value_parser = parse_duration)]
    pub exit_after: Option<Duration>,
}

impl Options {
    /// The cluster that these options describe.
    ///
    /// # Errors
    /// Options that make no network.
    pub fn cluster(&self) -> Result<ClusterConfig> {
        ensure!(
            (1..=MAX_VALIDATORS).contains(&self.validators),
            "--validators must be 1 to {MAX_VALIDATORS}"
        );
        ensure!(self.rotation > 0, "--rotation must be at least 1");
        ensure!(self.epoch_windows > 0, "--epoch-windows must be at least 1");
        let shortest = Duration::from_millis(100);
        ensure!(self.block_time >= shortest, "--block-time must be at least {shortest:?}");
        Ok(ClusterConfig {
            dir: self.dir.clone().unwrap_or_else(|| repository_root().join("devnet")),
            stakes: vec![STAKE; self.validators],
            ports: Ports::documented(self.validators, self.port_offset)?,
            l2_chain_id: L2_CHAIN_ID,
            block_time: self.block_time,
            rotation: self.rotation,
            windows_per_epoch: self.epoch_windows,
            l1_block_time_secs: 1,
            nodes: NodeSettings {
                heartbeat: Duration::from_secs(10).max(self.block_time),
                batch_interval: Duration::from_secs(5),
                takeover: Duration::from_secs(5),
                l1_poll_interval: Duration::from_millis(500),
                drain: Duration::from_millis(500),
                propose_timeout: None,
                log: "info,arc_malachitebft=warn".to_owned(),
            },
            load_balancer: true,
            on_orphan: OnOrphan::Terminate,
        })
    }
}

/// `200ms`, `60s`, `2m`; a bare number is seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| format!("{text:?} is no time such as 60s"))?;
    let seconds = match unit.trim() {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        other => return Err(format!("unknown unit {other:?}: use ms, s, m or h")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse_duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert!(parse_duration("fast").is_err());
        assert!(parse_duration("3 parsecs").is_err());
    }

    #[test]
    fn command_line_is_consistent() {
        Options::command().debug_assert();
        let options = Options::parse_from(["devnet", "--validators", "0"]);
        assert!(options.cluster().is_err());
    }
}
