//! The compose file, run with images made of what was built.

use std::{path::Path, process::Command};

use eyre::Result;

use crate::steps::{root, step, succeeds, target_dir};

/// Where packages put what runs a testnet besides the programs of this repository.
const NEEDED: [&str; 6] = [
    "/usr/sbin/dockerd",
    "/usr/bin/docker-compose",
    "/usr/bin/busybox",
    "/usr/sbin/haproxy",
    "/usr/bin/prometheus",
    "/usr/bin/prometheus-alertmanager",
];

/// Brings the testnet up, registers a validator in it, takes it down and looks for leftovers.
///
/// # Errors
/// What did not happen in time, with the ends of the logs.
pub(crate) fn check() -> Result<()> {
    let missing = NEEDED.into_iter().find(|program| !Path::new(program).is_file());
    let reason = match missing {
        Some(program) => format!("{program} is not installed"),
        None if succeeds("unshare", &["--mount", "--net", "--pid", "--fork", "true"]) => {
            let mut command = Command::new(root().join("deploy/try-testnet.sh"));
            command.arg(root().join(target_dir()).join("debug")).current_dir(root());
            return step("testnet with docker compose", &mut command);
        }
        None => "this user may not make namespaces".to_owned(),
    };
    println!("    {reason}: the testnet with docker compose is left out");
    Ok(())
}
