//! Tasks of the repository: `cargo xtask <task>`.

#[path = "gen.rs"]
mod generate;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Tasks of the repository")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Compile the contracts and write the files the bindings are made from.
    Gen {
        /// Write nothing; fail when a file differs.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> eyre::Result<()> {
    match Cli::parse().task {
        Task::Gen { check } => generate::run(check),
    }
}
