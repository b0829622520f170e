//! The command.

use std::{path::Path, time::Duration};

use ande_devnet::parse_duration;
use ande_node::config::{self, ConfigError, NodeConfig, Overrides};
use clap::Args;
use eyre::Result;
use serde_json::json;

use super::{
    chain, files,
    finding::{Findings, Severity, whole},
    machine, network,
};
use crate::{
    deployment::ConfigFile,
    output::{BadNews, Output},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Reads only; a running node is not disturbed. Exit code 0 without faults, 3 \
    with; warnings alone are no fault.\n\n\
    Examples:\n  \
    ande doctor --config node.toml\n  \
    ande doctor --config node.toml --json"
)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Free space below which the disk of the data is nearly full, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 2_048)]
    min_free: u64,
    /// Settlement balance below which the key that posts batches is poor, in thousandths of a coin
    #[arg(long, value_name = "MILLI", default_value_t = 50)]
    min_balance: u64,
    /// Longest wait for an answer
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_duration)]
    timeout: Duration,
}

impl DoctorArgs {
    pub(crate) async fn run(self, output: Output) -> Result<()> {
        let mut findings = Findings::default();
        if let Some(config) = load(&self.file.path, &mut findings) {
            self.examine(&config, &mut findings).await;
        }
        findings.0.sort_by_key(|finding| finding.severity);
        let answer = json!({ "healthy": !findings.has_fault(), "findings": findings.0 });
        output.show(&answer, |_| text(&findings))?;
        if findings.has_fault() { Err(BadNews.into()) } else { Ok(()) }
    }

    async fn examine(&self, config: &NodeConfig, findings: &mut Findings) {
        let keys = files::keys(config, findings);
        let genesis = files::genesis(config, findings);
        let http = reqwest::Client::builder().timeout(self.timeout).build().unwrap_or_default();
        let running = network::is_running(&http, config, &keys).await;
        files::guard(config, running, findings);
        machine::disk(config, self.min_free, findings);
        machine::open_files(config, findings);
        network::listeners(config, running, findings).await;
        network::advertised(config, findings).await;
        network::others(&http, config, findings).await;
        let balance = alloy::primitives::U256::from(self.min_balance)
            * alloy::primitives::U256::from(10u64).pow(alloy::primitives::U256::from(15u64));
        if let Some(genesis) = genesis
            && chain::settlement(&http, config, genesis, findings).await
        {
            chain::validator(&http, config, &keys, running, findings).await;
            chain::poster(config, &keys, balance, findings).await;
        }
    }
}

fn load(file: &Path, findings: &mut Findings) -> Option<NodeConfig> {
    let name = file.display();
    match config::load(file, &Overrides::default()) {
        Ok(config) => return Some(config),
        Err(error @ ConfigError::Missing(_)) => findings.fault(
            "config-missing",
            whole(&error),
            "name the file with --config, or make one with `ande init testnet`",
        ),
        Err(ConfigError::Parse(error)) => findings.fault(
            "config-unreadable",
            whole(&*error),
            format!("correct {name} or the variable: unknown keys and wrong types are refused"),
        ),
        Err(ConfigError::Problems(problems)) => {
            for problem in problems.0 {
                findings.fault("config-value", problem, format!("correct the value in {name}"));
            }
        }
    }
    None
}

fn text(findings: &Findings) -> String {
    if findings.0.is_empty() {
        return "nothing is wrong\n".to_owned();
    }
    let mut text = String::new();
    for finding in &findings.0 {
        let word = match finding.severity {
            Severity::Fault => "fault",
            Severity::Warning => "warning",
        };
        text.push_str(&format!(
            "{word} [{}] {}\n    {}\n",
            finding.check, finding.what, finding.remedy
        ));
    }
    text
}
