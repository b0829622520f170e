//! `cargo xtask test` and `cargo xtask ci`: every check, cheapest first.

use std::{process::Command, time::Instant};

use eyre::Result;

use crate::{
    generate, setup,
    steps::{cargo, node_tool, seconds, step, timed},
};

/// How thorough the checks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// On a developer's machine.
    Local,
    /// Before something lands.
    Ci,
}

pub(crate) fn run(profile: Profile) -> Result<()> {
    let start = Instant::now();
    setup::contracts()?;
    setup::note_load_balancer();
    step("format (Rust)", cargo().args(["fmt", "--all", "--check"]))?;
    timed("generated files are current", || generate::run(true))?;
    contracts(profile)?;
    step(
        "lints",
        cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    tests(profile)?;
    println!("==> all checks passed in {}", seconds(start.elapsed()));
    Ok(())
}

fn contracts(profile: Profile) -> Result<()> {
    let forge = |args: &[&str]| {
        let mut command = node_tool("forge");
        command.args(args);
        if profile == Profile::Ci {
            command.env("FOUNDRY_PROFILE", "ci");
        }
        command
    };
    step("format (contracts)", &mut forge(&["fmt", "--check"]))?;
    step("build the contracts", &mut forge(&["build", "--sizes"]))?;
    step("test the contracts", &mut forge(&["test"]))
}

fn tests(profile: Profile) -> Result<()> {
    // The cluster tests run the node as a process: build it with what the tests are built with.
    step("build", cargo().args(["build", "--workspace", "--bins", "--locked"]))?;
    if setup::has_nextest() {
        let mut nextest = cargo();
        nextest.args(["nextest", "run", "--workspace", "--locked"]);
        if profile == Profile::Ci {
            nextest.args(["--profile", "ci"]);
        }
        return step("test (unit, component, cluster)", &mut nextest);
    }
    println!(
        "    cargo-nextest is not installed: the same tests run with cargo test, one crate after the other"
    );
    let run = |what: &str, command: &mut Command| step(what, command);
    run(
        "test (unit, component)",
        cargo().args(["test", "--workspace", "--exclude", "ande-testkit", "--locked"]),
    )?;
    // Clusters share the machine's two cores badly: one at a time.
    run(
        "test (cluster)",
        cargo().args([
            "test",
            "--package",
            "ande-testkit",
            "--locked",
            "--",
            "--test-threads",
            "1",
        ]),
    )
}
