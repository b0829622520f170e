//! `cargo xtask bench`: builds everything for release and becomes the measuring program.

use std::{ffi::OsString, process::ExitCode};

use eyre::Result;

use crate::{
    devnet, setup,
    steps::{cargo, step},
};

pub(crate) fn run(args: &[OsString]) -> Result<ExitCode> {
    setup::contracts()?;
    let mut build = cargo();
    build.args(["build", "--release", "--package", "ande-node", "--package", "ande-bench"]);
    step("build for release (a first build takes ten minutes and more)", &mut build)?;
    devnet::run_instead("release/ande-bench", args)
}
