//! A network made by `ande devnet`.

use std::{process::Stdio, time::Duration};

use ande_devnet::{Ports, Rpc, cli_binary, wait_until};
use eyre::{ContextCompat as _, Result, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

/// Limit of what a busy machine does late.
const BUSY: Duration = Duration::from_secs(120);

/// Added to the documented ports, so that none is in use.
fn offset() -> Result<u16> {
    (1..15)
        .map(|hundreds| hundreds * 100)
        .find(|offset| Ports::documented(1, *offset).is_ok_and(|ports| ports.check_free().is_ok()))
        .wrap_err("no free ports")
}

#[tokio::test]
async fn a_network_of_one_command_runs_stops_and_goes_on() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let offset = offset()?.to_string();
    let mut last = 0;
    for _ in 0..2 {
        let mut child = Command::new(cli_binary()?)
            .args(["devnet", "--json", "--validators", "1", "--block-time", "200ms"])
            .args(["--port-offset", &offset, "--dir"])
            .arg(dir.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().wrap_err("no output")?).lines();
        let mut text = String::new();
        let manifest: Value = loop {
            let line = timeout(BUSY, lines.next_line()).await??.wrap_err("it ended")?;
            text.push_str(&line);
            if let Ok(manifest) = serde_json::from_str(&text) {
                break manifest;
            }
        };
        let url = manifest["validators"][0]["rpc"].as_str().wrap_err("no endpoint")?;
        let rpc = Rpc::new(url, Duration::from_secs(3))?;
        last = wait_until("blocks come", BUSY, async || {
            Ok(rpc.height().await.ok().filter(|height| *height > last))
        })
        .await?;
        let pid = child.id().wrap_err("it ended")?.to_string();
        ensure!(Command::new("kill").args(["-s", "TERM", &pid]).status().await?.success());
        let status = timeout(BUSY, child.wait()).await??;
        ensure!(status.success(), "{status}");
        ensure!(rpc.height().await.is_err(), "its node still runs");
    }
    Ok(())
}
