//! Commands and exit codes.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use eyre::Result;

use crate::{
    deployment::Place,
    doctor::DoctorArgs,
    haproxy::HaproxyCommand,
    healthcheck::HealthcheckArgs,
    init::InitCommand,
    keys::KeysCommand,
    output::{BadNews, Output, note},
    schedule::{BatchesArgs, ScheduleArgs},
    validator::ValidatorCommand,
    verify_l1::VerifyL1Args,
    watch::{StatusArgs, WhyStalledArgs},
};

/// Validators, keys, schedule, batches, load balancer and testnets of ANDE chains.
#[derive(Debug, Parser)]
#[command(
    name = "ande",
    version,
    about,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 done and something is wrong.\n\n\
                  Examples:\n  \
                  ande keys new --dir keys\n  \
                  ande validator list --config node.toml\n  \
                  ande validator register --config node.toml --endpoint https://node.example:8545 --stake 1000 --dry-run\n  \
                  ande schedule --l1-rpc http://127.0.0.1:18545 --consensus 0x5FbD... --from 100"
)]
struct Cli {
    /// Answer with one JSON document
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make and inspect keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Register and look after a validator
    Validator {
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        command: ValidatorCommand,
    },
    /// Who proposes which heights
    Schedule {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        args: ScheduleArgs,
    },
    /// Batches that the settlement chain accepted
    Batches {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        args: BatchesArgs,
    },
    /// Make the chain again from the settlement chain alone
    VerifyL1 {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        args: VerifyL1Args,
    },
    /// The chain and its nodes on one screen
    Status {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        args: StatusArgs,
    },
    /// Say in one line why no blocks come
    WhyStalled {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        args: WhyStalledArgs,
    },
    /// Find what is wrong with a node's configuration, keys, ports, contracts, clock and disk
    Doctor(DoctorArgs),
    /// The load balancer in front of the nodes
    Haproxy {
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        command: HaproxyCommand,
    },
    /// Make a new network
    #[command(subcommand)]
    Init(InitCommand),
    /// Say whether a node works: it is ready and its latest block is certified and young
    Healthcheck(HealthcheckArgs),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Parses the command line, does it, and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Two TLS libraries are linked; without a choice the first connection would panic.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<BadNews>() => ExitCode::from(3),
        Err(error) => {
            note(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let output = Output { json: cli.json };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Keys(command) => command.run(output),
            Command::Validator { place, command } => command.run(&place, output).await,
            Command::Schedule { place, args } => args.run(&place, output).await,
            Command::Batches { place, args } => args.run(&place, output).await,
            Command::VerifyL1 { place, args } => args.run(&place, output).await,
            Command::Status { place, args } => args.run(&place, output).await,
            Command::WhyStalled { place, args } => args.run(&place, output).await,
            Command::Doctor(args) => args.run(output).await,
            Command::Haproxy { place, command } => command.run(&place, output).await,
            Command::Init(command) => command.run(output).await,
            Command::Healthcheck(args) => args.run(output).await,
            Command::Completions { shell } => {
                let mut text = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "ande", &mut text);
                output.text(&String::from_utf8_lossy(&text))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
