//! The load balancer configuration of the testnet.

use std::fs;

use ande_haproxy::{TESTNET_FILE, testnet_file};
use eyre::{Context as _, Result, ensure};

use crate::steps::root;

/// Writes the file, or with `check` only compares it.
///
/// # Errors
/// With `check` when the file differs from the template.
pub(crate) fn generate(check: bool) -> Result<()> {
    let path = root().join(TESTNET_FILE);
    let text = testnet_file()?;
    if fs::read_to_string(&path).is_ok_and(|current| current == text) {
        return Ok(());
    }
    ensure!(
        !check,
        "{TESTNET_FILE} differs from its template; run `cargo xtask gen` and commit the result"
    );
    fs::write(&path, text).wrap_err_with(|| format!("cannot write {TESTNET_FILE}"))?;
    println!("wrote {TESTNET_FILE}");
    Ok(())
}
