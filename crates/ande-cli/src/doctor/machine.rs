//! Disk and limits of the process.

use std::path::Path;

use ande_node::config::NodeConfig;

use super::finding::{Findings, whole};

/// Files that a node has open beside its clients' connections: database, state, peers.
const OWN_FILES: u64 = 512;

/// The data directory and the space it has.
pub(super) fn disk(config: &NodeConfig, min_free_mib: u64, findings: &mut Findings) {
    let dir = &config.data_dir;
    // It is made at the first start, so what is there of its path decides.
    let Some(there) = dir.ancestors().find(|path| path.exists()) else { return };
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    if !there.is_dir() {
        findings.fault(
            "data-dir",
            format!("data_dir {} lies below {}, which is a file", dir.display(), there.display()),
            "let data_dir name a directory",
        );
        return;
    }
    if let Err(error) = rustix::fs::access(there, rustix::fs::Access::WRITE_OK) {
        findings.fault(
            "data-dir",
            format!("data_dir {} cannot be written: {}", there.display(), whole(&error)),
            "give the directory to the user of the node: chown",
        );
    }
    if let Ok(disk) = rustix::fs::statvfs(there) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
        if free < min_free_mib {
            findings.fault(
                "disk-space",
                format!("{free} MiB are free below {}, {min_free_mib} are wanted", there.display()),
                "make room or move data_dir to a larger disk; a full disk stops the node",
            );
        }
    }
}

/// Files that may be open at one time: here, which need not be where the service runs.
pub(super) fn open_files(config: &NodeConfig, findings: &mut Findings) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let Some(soft) = limit.current else { return };
    let wanted = OWN_FILES.saturating_add(config.rpc_limits.connections as u64);
    if soft < wanted {
        findings.warning(
            "open-files",
            format!(
                "this user may open {soft} files; {} connections and the node's own take {wanted}",
                config.rpc_limits.connections
            ),
            "raise the limit (LimitNOFILE=, ulimit -n) or lower rpc.connections",
        );
    }
}
