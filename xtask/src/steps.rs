//! Running programs as named, timed steps.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use eyre::{Context as _, Result, bail};

/// Root of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where cargo puts what it builds, seen from the root.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that runs this task.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Variables that this cargo set for xtask would make the inner one rebuild its dependencies.
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&key);
        }
    }
    command.current_dir(root());
    command
}

/// The `forge` that npm installed, run in the repository root. Not the script in `node_modules/.bin`:
/// that one succeeds whatever `forge` says.
pub(crate) fn forge() -> Command {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let package = format!("node_modules/@foundry-rs/forge-{os}-{arch}");
    let mut command = Command::new(root().join(package).join("bin/forge"));
    command.current_dir(root());
    command
}

/// Says what starts, runs it with its output shown, and says how long it took.
pub(crate) fn step(what: &str, command: &mut Command) -> Result<()> {
    timed(what, || {
        let status =
            command.status().wrap_err_with(|| format!("cannot run {:?}", command.get_program()))?;
        if !status.success() {
            bail!("{what}: {} ended with {status}", program(command));
        }
        Ok(())
    })
}

/// Says what starts, does it, and says how long it took.
pub(crate) fn timed(what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("==> {what}");
    let start = Instant::now();
    work()?;
    println!("    {what}: done in {}", seconds(start.elapsed()));
    Ok(())
}

/// Whether a program can be run with these arguments and succeeds.
pub(crate) fn succeeds(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

pub(crate) fn seconds(duration: Duration) -> String {
    let secs = duration.as_secs();
    if secs < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", secs / 60, secs % 60)
    }
}

fn program(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}
