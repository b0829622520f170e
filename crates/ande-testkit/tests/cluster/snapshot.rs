//! The chain as a file, for a node that lost its data.

use std::{fs, path::Path, process::Output, time::Duration};

use ande_devnet::{cli_binary, wait_until};
use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

const SOURCE: usize = 0;
const LOST: usize = 1;
const LIMIT: Duration = Duration::from_secs(60);
const FILE: &str = "chain.snapshot";

/// `ande snapshot` with the configuration of a directory.
async fn snapshot(verb: &str, dir: &Path, file: &Path) -> Result<Output> {
    let mut command = Command::new(cli_binary()?);
    command.args(["snapshot", verb, "--json", "--config", "node.toml"]).arg(file);
    Ok(command.current_dir(dir).output().await?)
}

/// What it answered.
async fn done(verb: &str, dir: &Path, file: &Path) -> Result<Value> {
    let output = snapshot(verb, dir, file).await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{verb}: {errors}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What it says against a file; it must leave nothing behind.
async fn refused(dir: &Path, file: &Path) -> Result<String> {
    let before = names(dir)?;
    let output = snapshot("import", dir, file).await?;
    ensure!(!output.status.success(), "{} is taken", file.display());
    ensure!(names(dir)? == before, "left behind: {:?}, before: {before:?}", names(dir)?);
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn names(dir: &Path) -> Result<Vec<std::ffi::OsString>> {
    let mut names = fs::read_dir(dir)?.map(|it| Ok(it?.file_name())).collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

#[tokio::test]
async fn a_node_that_lost_its_data_has_the_chain_again_from_a_snapshot() -> Result<()> {
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            let load = cluster.load(50).await?;
            let height = cluster.height().await;
            cluster.wait_height(SOURCE, height + 30, LIMIT).await?;
            let nodes = cluster.cluster().nodes();
            let source = nodes[SOURCE].dir().to_path_buf();
            let lost = nodes[LOST].dir().to_path_buf();
            let file = cluster.dir().join(FILE);

            // Of a node that runs, and of one that ended in the middle of its work.
            let exported = done("export", &source, &file).await?;
            cluster.say(&format!("exported: {exported}"));
            let top = exported["height"].as_u64().wrap_err("no height")?;
            ensure!(top >= height + 30, "{exported}");
            ensure!(!snapshot("export", &source, &file).await?.status.success(), "replaced");
            cluster.kill(LOST).await?;
            let second = done("export", &lost, &file.with_extension("second")).await?;
            ensure!(second["height"].as_u64() >= Some(height), "{second}");

            let said = refused(&lost, &file).await?;
            ensure!(said.contains("is not empty"), "{said}");
            fs::remove_dir_all(lost.join("data"))?;
            let bytes = fs::read(&file)?;
            let changed = file.with_extension("changed");
            let mut flipped = bytes.clone();
            flipped[bytes.len() / 2] ^= 1;
            fs::write(&changed, &flipped)?;
            let said = refused(&lost, &changed).await?;
            // Where it falls decides who notices: compression, format, signatures or execution.
            let is_named = [
                "that this software reads: it cannot be read",
                "snapshot is damaged at block ",
                "of the snapshot is refused: ",
            ];
            ensure!(is_named.iter().any(|words| said.contains(words)), "{said}");
            cluster.say(&format!("with a flipped bit: {}", said.trim()));
            fs::write(&changed, &bytes[..bytes.len() - 1])?;
            let said = refused(&lost, &changed).await?;
            ensure!(said.contains("the file ends in the middle"), "{said}");

            let imported = done("import", &lost, &file).await?;
            cluster.say(&format!("imported: {imported}"));
            for key in ["height", "transactions", "block_hash"] {
                ensure!(imported[key] == exported[key], "{key}: {imported}");
            }
            let block = cluster.rpc(SOURCE)?.block(top).await?.wrap_err("no block")?;
            ensure!(imported["execution_hash"] == block.hash.to_string(), "{imported}");

            // It goes on from there, not from the beginning.
            cluster.restart(LOST)?;
            let opened = format!("chain opened height={top} ");
            let process = cluster.processes().node_mut(LOST)?.process().wrap_err("not started")?;
            wait_until("it opens the chain", LIMIT, async || {
                let log = process.log_since_start();
                Ok(log.lines().any(|line| line.contains(&opened)).then_some(()))
            })
            .await?;
            let report = load.finish().await?;
            cluster.wait_in_sync(LIMIT).await?;
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
