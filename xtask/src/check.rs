//! `cargo xtask test` and `cargo xtask ci`: every check, cheapest first.

use std::time::Instant;

use eyre::Result;

use crate::{
    balancer, generate, monitoring, rules, setup,
    steps::{self, cargo, seconds, step, target_dir, timed},
    testnet, unit,
};

/// How thorough the checks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// On a developer's machine.
    Local,
    /// Before something lands.
    Ci,
}

/// Everything but the tasks themselves, whose dependencies would switch on features that the
/// product does not have and so build it differently from `cargo xtask devnet`.
pub(crate) const PRODUCT: [&str; 3] = ["--workspace", "--exclude", "xtask"];
/// The same random tests in every run of the checks; a plain `forge test` tries others.
const FUZZ_SEED: &str = "0x1";
/// Lets the cluster tests stop the node at the steps of posting a batch.
pub(crate) const FAILPOINTS: [&str; 2] = ["--features", "ande-node/failpoints"];

pub(crate) fn run(profile: Profile) -> Result<()> {
    let start = Instant::now();
    setup::contracts()?;
    setup::note_load_balancer();
    setup::browser()?;
    step("format (Rust)", cargo().args(["fmt", "--all", "--check"]))?;
    timed("generated files are current", || {
        monitoring::generate(true)?;
        balancer::generate(true)?;
        generate::run(true)
    })?;
    timed("rules of the contracts have tests", rules::check)?;
    timed("rules, alerts and dashboards (promtool)", monitoring::promtool)?;
    timed("systemd unit", unit::check)?;
    contracts(profile)?;
    let deny = ["--", "-D", "warnings"];
    step(
        "lints",
        cargo().arg("clippy").args(PRODUCT).args(["--all-targets", "--locked"]).args(deny),
    )?;
    step(
        "lints (tasks)",
        cargo().args(["clippy", "--package", "xtask", "--all-targets", "--locked"]).args(deny),
    )?;
    step("test (tasks)", cargo().args(["test", "--package", "xtask", "--locked"]))?;
    execution_client()?;
    tests(profile)?;
    println!("==> all checks passed in {}", seconds(start.elapsed()));
    Ok(())
}

fn contracts(profile: Profile) -> Result<()> {
    let forge = |args: &[&str]| {
        let mut command = steps::forge();
        command.args(args);
        if profile == Profile::Ci {
            command.env("FOUNDRY_PROFILE", "ci");
        }
        command
    };
    step("format (contracts)", &mut forge(&["fmt", "--check"]))?;
    step("build the contracts", &mut forge(&["build", "--sizes"]))?;
    step("test the contracts", &mut forge(&["test", "--fuzz-seed", FUZZ_SEED]))
}

/// The second execution client that blocks are compared with: a project of its own, with its own
/// lockfile. It is built into a directory beside the product's, where the tests look for it.
fn execution_client() -> Result<()> {
    const MANIFEST: [&str; 2] = ["--manifest-path", "tools/dev-el/Cargo.toml"];
    step("format (execution client)", cargo().args(["fmt", "--check"]).args(MANIFEST))?;
    step(
        "build the execution client (a first build takes several minutes)",
        cargo()
            .args(["build", "--locked"])
            .args(MANIFEST)
            .arg("--target-dir")
            .arg(target_dir().join("dev-el")),
    )
}

fn tests(profile: Profile) -> Result<()> {
    // The cluster tests run the node as a process. Tests are built along with it, because their
    // dependencies switch on features: apart, everything would be compiled twice.
    step(
        "build",
        cargo().arg("build").args(PRODUCT).args(["--bins", "--tests", "--locked"]).args(FAILPOINTS),
    )?;
    testnet::check()?;
    if setup::has_nextest() {
        let mut nextest = cargo();
        nextest.args(["nextest", "run", "--locked"]).args(PRODUCT).args(FAILPOINTS);
        if profile == Profile::Ci {
            nextest.args(["--profile", "ci"]);
        }
        return step("test (unit, component, cluster)", &mut nextest);
    }
    println!("    cargo-nextest is not installed: the same tests run with cargo test, more slowly");
    step(
        "test (unit, component)",
        cargo()
            .args(["test", "--locked", "--exclude", "ande-testkit"])
            .args(PRODUCT)
            .args(FAILPOINTS),
    )?;
    // One cluster at a time.
    step(
        "test (cluster)",
        cargo()
            .args(["test", "--locked", "--test", "cluster"])
            .args(PRODUCT)
            .args(FAILPOINTS)
            .args(["--", "--test-threads", "1"]),
    )
}
