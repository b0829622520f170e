//! A node on a file system that is nearly full.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

use ande_devnet::{Launch, OnOrphan, Process, in_path, node_binary};
use ande_testkit::TestCluster;
use eyre::{ContextCompat as _, Result, WrapErr as _};
use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// Bytes of the file system.
const SIZE: u64 = 512 << 20;
/// What the ballast leaves of it.
const LEFT: u64 = SIZE / 20;
/// Mounts a file system that only this process sees, then becomes the node.
const START: &str = "mount -t tmpfs -o size=$SIZE,mode=0700 tmpfs \"$DISK\" && \
                     exec setpriv --pdeathsig KILL -- \"$NODE\" --config \"$CONFIG\"";

/// The node and its file system, which ends with it.
pub(super) struct SmallDisk {
    node: Process,
    ballast: PathBuf,
}

impl SmallDisk {
    /// Starts a stopped node of the cluster with an empty data directory; its key and its sign guard
    /// are where they were. None where the system lets us mount nothing.
    pub(super) fn start(cluster: &TestCluster, index: usize) -> Result<Option<Self>> {
        let tools = ["unshare", "sh", "setpriv"].map(in_path);
        let [Some(unshare), Some(_), Some(_)] = tools else {
            cluster.say("unshare or setpriv is not installed: the full disk is left out");
            return Ok(None);
        };
        let namespace = ["--map-root-user", "--mount"];
        let mut may = Command::new(&unshare);
        may.args(namespace).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
        if !may.output()?.status.success() {
            cluster.say("a file system cannot be mounted here: the full disk is left out");
            return Ok(None);
        }
        let node = cluster.cluster().nodes().get(index).wrap_err("no such node")?;
        let disk = node.dir().join("small-disk");
        fs::create_dir_all(&disk)?;
        let data = disk.join("data").display().to_string();
        let config = node.config_file().display().to_string();
        let process = Process::spawn(&Launch {
            name: node.name().to_owned(),
            program: unshare,
            args: namespace.into_iter().chain(["sh", "-c", START]).map(Into::into).collect(),
            dir: node.dir().to_path_buf(),
            env: [
                ("ANDE_DATA_DIR", data),
                ("SIZE", SIZE.to_string()),
                ("DISK", disk.display().to_string()),
                ("NODE", node_binary()?.display().to_string()),
                ("CONFIG", config),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
            log: node.dir().join("node.log"),
            on_orphan: OnOrphan::Kill,
        })?;
        // What the process sees at this path, seen from here.
        let seen = PathBuf::from(format!("/proc/{}/root", process.pid()));
        let ballast = seen.join(disk.strip_prefix("/")?).join("ballast");
        Ok(Some(Self { node: process, ballast }))
    }

    /// Puts in a file that leaves a twentieth.
    pub(super) fn fill(&self) -> Result<()> {
        let file = File::create(&self.ballast).wrap_err("no ballast")?;
        let disk = statvfs(&self.ballast)?;
        let free = disk.f_bavail * disk.f_frsize;
        Ok(fallocate(&file, FallocateFlags::empty(), 0, free.saturating_sub(LEFT))?)
    }

    /// Takes the file away.
    pub(super) fn clear(&self) -> Result<()> {
        Ok(fs::remove_file(&self.ballast)?)
    }

    /// Ends the node, and with it the file system.
    pub(super) async fn end(mut self) -> Result<()> {
        self.node.kill().await.map(|_| ())
    }
}
