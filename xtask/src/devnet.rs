//! `cargo xtask devnet`: builds the node and the command line tool and becomes `ande devnet`.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use eyre::{Result, bail};

use crate::{
    setup,
    steps::{cargo, step, target_dir},
};

/// Packages whose programs run in a cluster.
const PACKAGES: [&str; 2] = ["ande-node", "ande-cli"];

pub(crate) fn run(args: &[OsString]) -> Result<ExitCode> {
    setup::contracts()?;
    build()?;
    let args: Vec<OsString> = [OsString::from("devnet")].into_iter().chain(args.to_vec()).collect();
    run_instead("debug/ande", &args)
}

/// A built program takes this process' place, so signals reach it and its exit status is ours.
pub(crate) fn run_instead(program: &str, args: &[OsString]) -> Result<ExitCode> {
    let program = target_dir().join(program);
    let error = Command::new(&program).args(args).exec();
    bail!("cannot run {}: {error}", program.display())
}

/// Builds the programs of a cluster.
pub(crate) fn build() -> Result<()> {
    let mut build = cargo();
    build.arg("build");
    for package in PACKAGES {
        build.args(["--package", package]);
    }
    step("build the node and the tool (a first build takes several minutes)", &mut build)
}
