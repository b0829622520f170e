//! Checks of the systemd unit, offline.

use std::process::Command;

use eyre::{Context as _, Result, ensure};

use crate::steps::root;

const UNIT: &str = "deploy/systemd/ande-node.service";
/// Where a package puts the binary.
const INSTALLED: &str = "/usr/bin/ande-node";
/// Highest exposure that passes, in tenths; an unrestricted unit has 96.
const EXPOSURE: &str = "15";

/// Whether systemd understands every line, and how much the unit exposes.
///
/// # Errors
/// Unknown or contradicting settings; an exposure above the limit.
pub(crate) fn check() -> Result<()> {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("    systemd-analyze is not installed: the systemd unit is not checked");
        return Ok(());
    }
    let file = root().join(UNIT);
    let unit = std::fs::read_to_string(&file).wrap_err(UNIT)?;
    ensure!(unit.contains(INSTALLED), "{UNIT} does not start {INSTALLED}");
    // systemd looks whether the program is there; any program will do.
    let here = std::env::current_exe()?;
    let dir = std::env::temp_dir().join(format!("ande-unit-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let copy = dir.join("ande-node.service");
    std::fs::write(&copy, unit.replace(INSTALLED, &here.to_string_lossy()))?;
    let verified = Command::new("systemd-analyze").arg("verify").arg(&copy).output();
    std::fs::remove_dir_all(&dir)?;
    let verified = verified?;
    // It warns of what it does not know and calls that success; other units are not ours.
    let said = String::from_utf8_lossy(&verified.stderr);
    let ours: Vec<_> = said.lines().filter(|line| line.contains("ande-node.service")).collect();
    ensure!(verified.status.success() && ours.is_empty(), "{UNIT}:\n{said}");
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(format!("--threshold={EXPOSURE}"))
        .arg(&file)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the unit exposes too much:\n{text}");
    println!("    {}", text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default());
    Ok(())
}
