//! Tasks of the repository: `cargo xtask <task>`.

mod balancer;
mod bench;
mod check;
mod coverage;
mod devnet;
mod gas;
#[path = "gen.rs"]
mod generate;
mod layout;
mod monitoring;
mod mutants;
mod reference;
mod rules;
mod setup;
mod steps;
mod testnet;
mod unit;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Tasks of the repository")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build and run a local cluster: settlement chain, contracts, validators, load balancer.
    #[command(disable_help_flag = true)]
    Devnet {
        /// Options of the devnet; `cargo xtask devnet --help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
    /// Build for release and measure one node, a cluster and anvil.
    #[command(disable_help_flag = true)]
    Bench {
        /// Options of the measurement; `cargo xtask bench --help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
    /// Run every check: generated files, contracts, format, lints, unit and cluster tests.
    Test,
    /// The same checks with the settings of continuous integration.
    Ci,
    /// Break the contracts in known places; the tests must notice each.
    Mutants {
        /// What to break.
        #[arg(value_parser = ["contracts"])]
        what: String,
        /// Only mutants with one of these in their name.
        filters: Vec<String>,
    },
    /// Run the tests of the contracts and show which lines and branches they reach.
    Coverage {
        /// What to look at.
        #[arg(value_parser = ["contracts"])]
        what: String,
    },
    /// Write the files that are made from others: bindings of the contracts, rules, alerts, runbooks,
    /// dashboards, the testnet's load balancer, the references of commands, configuration, errors and
    /// `ande_*` methods.
    Gen {
        /// Write nothing; fail when a file differs.
        #[arg(long)]
        check: bool,
    },
    /// Ask a Prometheus that watches a live network for every panel and every recording rule.
    CheckMonitoring {
        /// Address of Prometheus.
        #[arg(long, default_value = "http://127.0.0.1:9093")]
        prometheus: String,
    },
}

fn generated(check: bool) -> eyre::Result<()> {
    monitoring::generate(check)?;
    balancer::generate(check)?;
    if check {
        rules::check()?;
    }
    setup::contracts()?;
    generate::run(check)?;
    reference::generate(check)
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Devnet { args } => devnet::run(&args),
        Task::Bench { args } => bench::run(&args),
        Task::Test => check::run(check::Profile::Local).map(|()| ExitCode::SUCCESS),
        Task::Ci => check::run(check::Profile::Ci).map(|()| ExitCode::SUCCESS),
        Task::Mutants { what: _, filters } => {
            setup::contracts().and_then(|()| mutants::run(&filters)).map(|()| ExitCode::SUCCESS)
        }
        Task::Coverage { what: _ } => {
            setup::contracts().and_then(|()| coverage::run()).map(|()| ExitCode::SUCCESS)
        }
        Task::CheckMonitoring { prometheus } => {
            monitoring::live(&prometheus).map(|()| ExitCode::SUCCESS)
        }
        Task::Gen { check } => generated(check).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
