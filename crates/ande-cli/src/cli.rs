//! Commands and exit codes.

use std::process::ExitCode;

use ande_node::exit_codes;
use clap::{CommandFactory as _, Parser, Subcommand};
use eyre::Result;

use crate::{
    deployment::Place,
    devnet::DevnetArgs,
    doctor::DoctorArgs,
    drain::DrainArgs,
    evidence::EvidenceArgs,
    haproxy::HaproxyCommand,
    healthcheck::HealthcheckArgs,
    init::InitCommand,
    keys::KeysCommand,
    manual::ManArgs,
    output::{BadNews, Output, note},
    reference::markdown,
    schedule::{BatchesArgs, ScheduleArgs},
    settings::ConfigCommand,
    snapshot::SnapshotCommand,
    tx::TxArgs,
    validator::ValidatorCommand,
    verify_l1::VerifyL1Args,
    watch::{StatusArgs, WhyStalledArgs},
};

/// What each exit code means.
pub(crate) const EXIT_CODES: [(u8, &str); 4] = [
    (0, "done"),
    (FAILED, "failed"),
    (2, "wrong command line"),
    (BAD_NEWS, "done and something is wrong"),
];
const FAILED: u8 = 1;
const BAD_NEWS: u8 = 3;

const EXAMPLES: &str = "Examples:\n  \
    ande keys new --dir keys\n  \
    ande validator list --config node.toml\n  \
    ande validator register --config node.toml --endpoint https://node.example:8545 --stake 1000 --dry-run\n  \
    ande schedule --l1-rpc http://127.0.0.1:18545 --consensus 0x5FbD... --from 100";

/// Validators, keys, schedule, batches, load balancer and testnets of ANDE chains.
#[derive(Debug, Parser)]
#[command(
    name = "ande",
    version,
    about,
    after_help = format!("{}\n\n{EXAMPLES}", exit_codes(&EXIT_CODES))
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
    /// The chain as a file: write it, or make a node's data out of it
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
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
    /// Validators that were slashed or jailed
    Evidence {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        args: EvidenceArgs,
    },
    /// What became of a transaction
    Tx(TxArgs),
    /// The configuration of a node, as it would use it
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The load balancer in front of the nodes
    Haproxy {
        #[command(flatten)]
        place: Place,
        #[command(subcommand)]
        command: HaproxyCommand,
    },
    /// Run a local network until Ctrl-C: settlement chain, contracts, validators, load balancer
    Devnet(DevnetArgs),
    /// Make a new network
    #[command(subcommand)]
    Init(InitCommand),
    /// Say whether a node works: it is ready and its latest block is certified and young
    Healthcheck(HealthcheckArgs),
    /// Take a node out of the load balancer, and wait until its clients are gone
    Drain(DrainArgs),
    /// Print the manual page, or write the pages of all commands
    Man(ManArgs),
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
        Err(error) if error.is::<BadNews>() => ExitCode::from(BAD_NEWS),
        Err(error) => {
            note(&format!("{error:#}"));
            ExitCode::from(FAILED)
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let output = Output { json: cli.json };
    let mut runtime = match cli.command {
        // Load must not wait for what is shown.
        Command::Devnet(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime.worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Keys(command) => command.run(output),
            Command::Validator { place, command } => command.run(&place, output).await,
            Command::Schedule { place, args } => args.run(&place, output).await,
            Command::Batches { place, args } => args.run(&place, output).await,
            Command::VerifyL1 { place, args } => args.run(&place, output).await,
            Command::Snapshot(command) => command.run(output).await,
            Command::Status { place, args } => args.run(&place, output).await,
            Command::WhyStalled { place, args } => args.run(&place, output).await,
            Command::Doctor(args) => args.run(output).await,
            Command::Evidence { place, args } => args.run(&place, output).await,
            Command::Tx(args) => args.run(output).await,
            Command::Config(command) => command.run(output),
            Command::Haproxy { place, command } => command.run(&place, output).await,
            Command::Devnet(args) => args.run(output).await,
            Command::Init(command) => command.run(output).await,
            Command::Healthcheck(args) => args.run(output).await,
            Command::Drain(args) => args.run(output).await,
            Command::Man(args) => args.run(Cli::command(), output),
            Command::Completions { shell } => {
                let mut text = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "ande", &mut text);
                output.text(&String::from_utf8_lossy(&text))
            }
        }
    })
}

/// The command line as a document: `docs/cli.md`.
#[must_use]
pub fn reference() -> String {
    markdown(Cli::command())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
