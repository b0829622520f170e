//! The token that is moved: compiled by forge when it is needed.

use std::process::Command;

use ande_devnet::{foundry_binary, repository_root};
use eyre::{ContextCompat as _, Result, ensure};
use serde_json::Value;

/// Its creation code, without the argument of the constructor.
///
/// # Errors
/// When it does not compile.
pub(crate) fn bytecode() -> Result<Vec<u8>> {
    let dir = tempfile::tempdir()?;
    let output = Command::new(foundry_binary("forge")?)
        .arg("build")
        .arg("--root")
        .arg(repository_root().join("crates/ande-testkit/l2"))
        .arg("--out")
        .arg(dir.path().join("out"))
        .arg("--cache-path")
        .arg(dir.path().join("cache"))
        .output()?;
    ensure!(output.status.success(), "forge: {}", String::from_utf8_lossy(&output.stderr));
    let artifact = std::fs::read(dir.path().join("out/Ledger.sol/Ledger.json"))?;
    let artifact: Value = serde_json::from_slice(&artifact)?;
    let code = artifact["bytecode"]["object"].as_str().wrap_err("no bytecode")?;
    Ok(hex::decode(code.trim_start_matches("0x"))?)
}
