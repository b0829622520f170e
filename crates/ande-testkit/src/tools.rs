//! Programs of other people, run against a node.

use std::{ffi::OsStr, path::Path, process::Stdio, time::Duration};

use ande_devnet::foundry_binary;
use eyre::{ContextCompat as _, Result, WrapErr as _, bail};
use serde_json::Value;
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(60);

/// Runs a program to its end and gives what it printed on standard output.
///
/// # Errors
/// With everything it printed, when it fails or takes longer than a minute.
pub async fn run_program<A: AsRef<OsStr>>(
    program: &Path,
    args: &[A],
    dir: &Path,
) -> Result<String> {
    let line = || {
        let args: Vec<_> = args.iter().map(|arg| arg.as_ref().to_string_lossy()).collect();
        format!("{} {}", program.display(), args.join(" "))
    };
    let child = Command::new(program)
        .args(args)
        .current_dir(dir)
        .env_remove("ETH_RPC_URL")
        .env_remove("CONSENSUS_RPC_URL")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, child)
        .await
        .wrap_err_with(|| format!("{} does not end", line()))?
        .wrap_err_with(line)?;
    let stdout = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}\n{stdout}\n{stderr}", line(), output.status);
    }
    Ok(stdout)
}

/// `cast` with these words.
///
/// # Errors
/// As [`run_program`].
pub async fn cast(args: &[&str], dir: &Path) -> Result<String> {
    run_program(&foundry_binary("cast")?, args, dir).await
}

/// `forge` with these words.
///
/// # Errors
/// As [`run_program`].
pub async fn forge(args: &[&str], dir: &Path) -> Result<String> {
    run_program(&foundry_binary("forge")?, args, dir).await
}

/// The JSON object in an output that may begin with other lines.
///
/// # Errors
/// When there is none.
pub fn json_in(output: &str) -> Result<Value> {
    let start = output.find('{').wrap_err_with(|| format!("no JSON: {output}"))?;
    let mut values = serde_json::Deserializer::from_str(&output[start..]).into_iter();
    let value = values.next().wrap_err("no JSON")?;
    value.wrap_err_with(|| format!("no JSON: {output}"))
}
