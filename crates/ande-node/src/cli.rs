//! Command line of the node and its exit codes.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
};

use clap::{Parser, Subcommand};

use crate::{
    config::{self, NodeConfig, Overrides},
    eras,
    error::{EXIT_CODES, NodeError},
    node, resync,
};

const AFTER_HELP: &str = "Every key of the file can be set by the environment: \
    ANDE_L1__CHAIN_ID=1 sets chain_id of [l1].\n\n\
    Examples:\n  \
    ande-node --config node.toml --check-config\n  \
    ande-node --config node.toml --log debug\n  \
    ande-node --config node.toml resync";

/// Exit codes as a line of help.
#[must_use]
pub fn exit_codes(table: &[(u8, &str)]) -> String {
    let codes: Vec<_> = table.iter().map(|(code, meaning)| format!("{code} {meaning}")).collect();
    format!("Exit codes: {}.", codes.join(", "))
}

/// Runs one node of a validator-set sequencer.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = format!("{}\n\n{AFTER_HELP}", exit_codes(&EXIT_CODES))
)]
struct Cli {
    /// Configuration file
    #[arg(long, short, value_name = "FILE", env = "ANDE_CONFIG", default_value = "node.toml")]
    config: PathBuf,
    /// Check configuration and keys, then exit
    #[arg(long)]
    check_config: bool,
    #[command(flatten)]
    overrides: Overrides,
    /// What to do instead of running the node
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes the state of the EVM again from the stored blocks
    ///
    /// For a node that reports a damaged state. Every block is executed again and its result compared
    /// with what the validators certified. The node must be stopped; an interrupted run is continued
    /// by the next start of the node.
    Resync,
}

/// Parses the command line, runs the node, and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Two TLS libraries are linked; without a choice the first connection would panic.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if matches!(error, NodeError::NewEra(_)) {
                // Where that fails a supervisor does it.
                report(&NodeError::Runtime(eras::start_again()));
            }
            report(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: &Cli) -> Result<(), NodeError> {
    let config = config::load(&cli.config, &cli.overrides)?;
    if cli.check_config {
        return check_only(&config);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let started = AtomicUsize::new(0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        // The threads that serve are the first ones; those after them do what takes long.
        .thread_name_fn(move || match started.fetch_add(1, Ordering::Relaxed) {
            index if index < cores => "ande-serve".to_owned(),
            _ => "ande-work".to_owned(),
        })
        .enable_all()
        .build()
        .map_err(NodeError::Runtime)?;
    let result = runtime.block_on(async {
        match cli.command {
            None => node::run(config).await,
            Some(Command::Resync) => resync_only(&config).await,
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    result
}

#[allow(clippy::print_stdout, reason = "the answer belongs on standard output")]
async fn resync_only(config: &NodeConfig) -> Result<(), NodeError> {
    let height = resync::resync(config).await?;
    println!("the state was made again up to block {height}");
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the answer of --check-config belongs on standard output")]
fn check_only(config: &NodeConfig) -> Result<(), NodeError> {
    let keys = node::read_keys(config)?;
    println!("configuration is usable");
    println!("validator {}", keys.validator.address());
    println!("node      {}", keys.node.id());
    println!("poster    {}", keys.poster.address());
    Ok(())
}

/// Prints an error with its causes, once.
#[allow(clippy::print_stderr, reason = "logging may not be installed yet")]
fn report(error: &NodeError) {
    eprintln!("ande-node: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        eprintln!("  caused by: {cause}");
        source = cause.source();
    }
}
