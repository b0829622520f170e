//! `cargo xtask bench`: builds everything for release and becomes the measuring program.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use eyre::{Result, bail};

use crate::{
    devnet::target_dir,
    setup,
    steps::{cargo, step},
};

pub(crate) fn run(args: &[OsString]) -> Result<ExitCode> {
    setup::contracts()?;
    let mut build = cargo();
    build.args(["build", "--release", "--package", "ande-node", "--package", "ande-bench"]);
    step("build for release (a first build takes ten minutes and more)", &mut build)?;
    let program = target_dir().join("release/ande-bench");
    let error = Command::new(&program).args(args).exec();
    bail!("cannot run {}: {error}", program.display())
}
