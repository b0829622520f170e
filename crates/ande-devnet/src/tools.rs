//! Where the programs are that a cluster is made of.

use std::{
    env,
    path::{Path, PathBuf},
};

use eyre::{Result, bail};

/// Root of the repository this crate was built from.
#[must_use]
pub fn repository_root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_path_buf()
}

/// The node binary: `$ANDE_NODE_BIN`, else `ande-node` beside the running program.
///
/// # Errors
/// When there is none; the text says how to build it.
pub fn node_binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os("ANDE_NODE_BIN") {
        let path = PathBuf::from(path);
        if path.is_file() {
            return Ok(path);
        }
        bail!("ANDE_NODE_BIN names {}, which is no file", path.display());
    }
    built_beside("ande-node", "ande-node")
}

/// The command line tool `ande` beside the running program.
///
/// # Errors
/// When there is none; the text says how to build it.
pub fn cli_binary() -> Result<PathBuf> {
    built_beside("ande", "ande-cli")
}

fn built_beside(name: &str, package: &str) -> Result<PathBuf> {
    let exe = env::current_exe()?;
    // A test runs from target/<profile>/deps, the devnet from target/<profile>.
    exe.ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            eyre::eyre!(
                "{name} is not built beside {}; run `cargo build -p {package}`",
                exe.display()
            )
        })
}

/// A Foundry program (`anvil`, `cast`, `forge`) of the repository's `node_modules`, else of `PATH`.
///
/// The native binary and not npm's wrapper script: signals must reach the program itself.
///
/// # Errors
/// When it is nowhere; the text says how to install it.
pub fn foundry_binary(name: &str) -> Result<PathBuf> {
    let arch = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let os = match env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let pinned = repository_root()
        .join("node_modules/@foundry-rs")
        .join(format!("{name}-{os}-{arch}/bin/{name}"));
    if pinned.is_file() {
        return Ok(pinned);
    }
    in_path(name).ok_or_else(|| {
        eyre::eyre!(
            "{name} is not installed; run `npm install --no-save` in {}",
            repository_root().display()
        )
    })
}

/// The HAProxy binary, if there is one.
#[must_use]
pub fn haproxy_binary() -> Option<PathBuf> {
    in_path("haproxy").or_else(|| {
        ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"]
            .iter()
            .map(PathBuf::from)
            .find(|path| path.is_file())
    })
}

/// A browser that can be driven without a window: Debian's program itself before its wrapper script,
/// which would get the signals, and before whatever `PATH` has.
///
/// # Errors
/// When there is none; the text says how to install one.
pub fn browser_binary() -> Result<PathBuf> {
    let debian = ["/usr/lib/chromium/chromium-headless-shell", "/usr/lib/chromium/chromium"];
    debian
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
        .or_else(|| ["chromium", "google-chrome"].into_iter().find_map(in_path))
        .ok_or_else(|| eyre::eyre!("no Chromium; run `apt-get install chromium-headless-shell`"))
}

/// The first file called `name` in the directories of `PATH`.
#[must_use]
pub fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}
