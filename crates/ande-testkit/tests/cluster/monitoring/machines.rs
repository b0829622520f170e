//! Machines that are in order no more: the disk, the clock.

use std::{fs, path::PathBuf, time::Duration};

use ande_testkit::{Monitoring, TestCluster};
use eyre::Result;

use super::{paged, plan, quiet, small_disk::SmallDisk};

const CAUGHT_UP: Duration = Duration::from_secs(60);
/// The others do not vote for blocks that are more than 5 s ahead of their clocks.
const AHEAD: &str = "+8\n";
const RIGHT: &str = "+0\n";

/// The library that shows a process another time, as Debian installs it.
fn faketime() -> Option<PathBuf> {
    let libraries = fs::read_dir("/usr/lib").ok()?.flatten();
    let mut found = libraries.map(|dir| dir.path().join("faketime/libfaketime.so.1"));
    found.find(|path| path.is_file())
}

#[tokio::test]
async fn a_full_disk_and_a_wrong_clock_wake_somebody_for_themselves_alone() -> Result<()> {
    TestCluster::start(plan())
        .await?
        .observed(async |cluster| {
            let Some(monitoring) = Monitoring::start(cluster).await? else { return Ok(()) };
            cluster.kill(3).await?;
            let disk = SmallDisk::start(cluster, 3)?;
            if disk.is_none() {
                cluster.restart(3)?;
            }
            let clock = cluster.dir().join("clock");
            fs::write(&clock, RIGHT)?;
            let faketime = faketime();
            if let Some(library) = &faketime {
                let env = [
                    ("LD_PRELOAD", library.display().to_string()),
                    ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
                    ("FAKETIME_NO_CACHE", "1".into()),
                    ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
                    ("NO_FAKE_STAT", "1".into()),
                ]
                .map(|(name, value)| (name.to_owned(), value));
                cluster.kill(2).await?;
                cluster.processes().start_node_with(2, &env)?;
            } else {
                cluster.say("faketime is not installed: the wrong clock is left out");
            }
            cluster.wait_in_sync(CAUGHT_UP).await?;
            quiet(cluster, &monitoring).await?;

            if let Some(disk) = disk {
                disk.fill()?;
                paged(cluster, &monitoring, "AndeDiskNearlyFull").await?;
                disk.clear()?;
                quiet(cluster, &monitoring).await?;
                disk.end().await?;
                cluster.restart(3)?;
            }
            if faketime.is_some() {
                fs::write(&clock, AHEAD)?;
                paged(cluster, &monitoring, "AndeClockSkew").await?;
                fs::write(&clock, RIGHT)?;
                quiet(cluster, &monitoring).await?;
            }
            cluster.wait_in_sync(CAUGHT_UP).await.map(|_| ())
        })
        .await
}
