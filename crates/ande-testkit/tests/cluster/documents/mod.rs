//! Commands that the documents show, run as they stand.

mod guide;
mod pages;
mod seed_plan;

use std::{collections::BTreeMap, fs, path::Path, process::Stdio, time::Duration};

use ande_devnet::{cli_binary, foundry_binary, in_path, node_binary, repository_root};
use ande_testkit::TestCluster;
use eyre::{ContextCompat as _, Result, WrapErr as _, bail, ensure};
use tokio::process::Command;

/// Whole tokens of a newcomer.
const STAKE: u64 = 1000;
/// The contracts are compiled where nobody has yet.
const LIMIT: Duration = Duration::from_secs(300);

/// A document of the repository.
fn read(document: &str) -> Result<String> {
    fs::read_to_string(repository_root().join(document)).wrap_err_with(|| document.to_owned())
}

/// The blocks that begin with `sh`.
fn fenced(text: &str) -> Vec<&str> {
    text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Whether what the documents take for granted is installed.
fn can_run(cluster: &TestCluster) -> bool {
    let missing = ["bash", "curl", "jq"].into_iter().find(|tool| in_path(tool).is_none());
    if let Some(tool) = missing {
        cluster.say(&format!("{tool} is not installed: left out"));
    }
    missing.is_none()
}

/// `PATH` with the programs of the repository.
fn path() -> Result<String> {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    for program in
        [foundry_binary("cast")?, foundry_binary("forge")?, cli_binary()?, node_binary()?]
    {
        path.push(":");
        path.push(program.parent().wrap_err("no directory")?);
    }
    Ok(path.to_string_lossy().into_owned())
}

/// A copy of the contracts as Foundry builds them, so that nothing is left behind.
fn contracts(dir: &Path) -> Result<()> {
    let source = repository_root();
    fs::create_dir_all(dir.join("node_modules"))?;
    for part in ["contracts", "foundry.toml", "node_modules/@openzeppelin"] {
        let mut copy = std::process::Command::new("cp");
        let copied = copy.arg("-rpL").args([source.join(part), dir.join(part)]).status()?;
        ensure!(copied.success(), "cannot copy {part}");
    }
    // The compiler behind it is found from where the script is.
    Ok(std::os::unix::fs::symlink(source.join("tools"), dir.join("tools"))?)
}

/// Runs one block and gives what it said; what it starts in the background goes on.
async fn run(block: &str, variables: &BTreeMap<String, String>, dir: &Path) -> Result<String> {
    let output = dir.join("said");
    let said = fs::File::create(&output)?;
    let mut shell = Command::new(in_path("bash").wrap_err("no shell")?)
        .args(["-euo", "pipefail", "-c", block])
        .envs(variables)
        .env_remove("CI")
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said)
        .kill_on_drop(true)
        .spawn()?;
    let ended = tokio::time::timeout(LIMIT, shell.wait()).await;
    let said = fs::read_to_string(output)?;
    match ended {
        Ok(status) => ensure!(status?.success(), "{block}\nsaid:\n{said}"),
        Err(_) => bail!("does not end:\n{block}\nsaid:\n{said}"),
    }
    Ok(said)
}
