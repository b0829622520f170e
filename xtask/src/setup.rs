//! What must be installed before anything can be built.

use std::{fs, path::Path, process::Command, time::SystemTime};

use eyre::{Context as _, Result, bail};

use crate::steps::{root, step, succeeds};

/// Oldest Node.js that the contract tools run on.
const NODE_MAJOR: u32 = 20;

/// Prepares the compiler and the libraries of the contracts.
pub(crate) fn contracts() -> Result<()> {
    check_programs()?;
    node_modules()
}

/// Whether cargo-nextest is there; without it the tests run with `cargo test`.
pub(crate) fn has_nextest() -> bool {
    succeeds("cargo-nextest", &["nextest", "--version"])
}

/// Says so when HAProxy is missing: what needs it is left out.
pub(crate) fn note_load_balancer() {
    if !Path::new("/usr/sbin/haproxy").is_file() && !succeeds("haproxy", &["-v"]) {
        println!(
            "    HAProxy is not installed (Debian: apt-get install haproxy): what needs it is left out"
        );
    }
}

/// Installs the browser that looks at the status page, where nobody did.
pub(crate) fn browser() -> Result<()> {
    let names = ["chromium-headless-shell", "chromium", "google-chrome"];
    if names.iter().any(|name| succeeds(name, &["--version"])) {
        return Ok(());
    }
    const INSTALL: &str = "apt-get update -q && apt-get install -y -q --no-install-recommends \
                           chromium-headless-shell";
    step("install a browser (apt-get)", Command::new("sh").args(["-c", INSTALL]))
        .wrap_err("install Chromium (Debian: apt-get install chromium-headless-shell)")
}

fn check_programs() -> Result<()> {
    let mut missing = Vec::new();
    for (program, args, hint) in [
        ("node", &["--version"][..], "Node.js 20 or later (Debian: apt-get install nodejs npm)"),
        ("npm", &["--version"], "npm (Debian: apt-get install npm)"),
        ("git", &["--version"], "git (Debian: apt-get install git)"),
        ("cc", &["--version"], "a C compiler (Debian: apt-get install build-essential)"),
    ] {
        if !succeeds(program, args) {
            missing.push(format!("  {program}: install {hint}"));
        }
    }
    if !missing.is_empty() {
        bail!("programs are missing:\n{}", missing.join("\n"));
    }
    let version = Command::new("node").arg("--version").output()?.stdout;
    let version = String::from_utf8_lossy(&version).trim().to_owned();
    let major: Option<u32> =
        version.trim_start_matches('v').split('.').next().and_then(|n| n.parse().ok());
    match major {
        Some(major) if major >= NODE_MAJOR => Ok(()),
        _ => bail!("node is {version}; the contract tools need version {NODE_MAJOR} or later"),
    }
}

/// Installs what the lockfile names when it is missing or older than the lockfile. Not `npm ci`: that
/// refuses a lockfile without the binaries of platforms that a registry does not carry.
fn node_modules() -> Result<()> {
    let root = root();
    // npm writes this file last.
    let installed = modified(&root.join("node_modules/.package-lock.json"));
    let wanted = modified(&root.join("package-lock.json"));
    if installed.is_some() && installed >= wanted {
        return Ok(());
    }
    step(
        "install the contract tools (npm)",
        Command::new("npm")
            .args(["install", "--no-save", "--no-fund", "--no-audit"])
            .current_dir(&root),
    )
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
