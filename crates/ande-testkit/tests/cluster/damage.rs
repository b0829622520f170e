//! A node whose state is wrong leaves the vote to the others, says what is wrong, and is repaired.

use std::{path::Path, time::Duration};

use ande_devnet::{node_binary, wait_until};
use ande_testkit::{Plan, TestCluster, run_program};
use eyre::{ContextCompat as _, Result, ensure};

const VICTIM: usize = 1;
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn node_with_a_wrong_state_stops_voting_and_is_repaired() -> Result<()> {
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            let load = cluster.load(50).await?;

            // A balance that differs in memory: the state root of the next block is another one.
            cluster.kill(VICTIM).await?;
            let fault = [("ANDE_FAILPOINT".to_owned(), "execute-balance:corrupt".to_owned())];
            cluster.processes().start_node_with(VICTIM, &fault)?;
            let line = logged(cluster, "another result than its header says").await?;
            cluster.say(&line);
            for word in ["number=", "state_root", "accounts=", "balance"] {
                ensure!(line.contains(word), "no {word:?} in {line}");
            }
            let bad = line.split("number=").nth(1).and_then(|rest| rest.split(' ').next());
            let bad: u64 = bad.wrap_err("no number")?.parse()?;
            others_go_on(cluster).await?;
            // Asked to vote for the block it does not; given the block with its certificate it ends.
            match cluster.rpc(VICTIM)?.height().await {
                Ok(height) => ensure!(height < bad, "it has block {height}, not {bad} to vote for"),
                Err(_) => ends(cluster).await?,
            }
            cluster.kill(VICTIM).await?;
            cluster.restart(VICTIM)?;
            let height = cluster.height().await;
            cluster.wait_height(VICTIM, height, Duration::from_secs(30)).await?;

            // A bit that flipped on the disk.
            cluster.kill(VICTIM).await?;
            let dir = cluster.cluster().nodes()[VICTIM].dir().to_path_buf();
            flip_a_bit(&dir.join("data/state"))?;
            cluster.restart(VICTIM)?;
            let line = logged(cluster, "damaged").await?;
            cluster.say(&line);
            for word in ["table accounts", "ande-node resync"] {
                ensure!(line.contains(word), "no {word:?} in {line}");
            }
            ends(cluster).await?;
            others_go_on(cluster).await?;
            let config = cluster.cluster().nodes()[VICTIM].config_file();
            let config = config.to_str().wrap_err("the path is text")?;
            let log = run_program(&node_binary()?, &["--config", config, "resync"], &dir).await?;
            cluster.say(log.lines().last().unwrap_or_default());
            ensure!(log.contains("the state was made again"), "{log}");
            cluster.restart(VICTIM)?;

            let report = load.finish().await?;
            cluster.wait_in_sync(Duration::from_secs(30)).await?;
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}

/// Waits until the victim has logged a text; the line.
async fn logged(cluster: &mut TestCluster, text: &str) -> Result<String> {
    let process = cluster.processes().node_mut(VICTIM)?.process().wrap_err("it was started")?;
    wait_until(text, LIMIT, async || {
        let log = process.log_since_start();
        Ok(log.lines().find(|line| line.contains(text)).map(str::to_owned))
    })
    .await
}

/// Waits until the victim's process has ended by itself.
async fn ends(cluster: &mut TestCluster) -> Result<()> {
    let node = cluster.processes().node_mut(VICTIM)?;
    wait_until("it ends", LIMIT, async || Ok((!node.is_running()).then_some(()))).await
}

async fn others_go_on(cluster: &TestCluster) -> Result<()> {
    let height = cluster.height().await;
    cluster.wait_height(0, height + 5, Duration::from_secs(20)).await
}

fn flip_a_bit(state: &Path) -> Result<()> {
    let database = fjall::Database::builder(state).worker_threads(1).open()?;
    let accounts = database.keyspace("accounts", fjall::KeyspaceCreateOptions::default)?;
    let entry = accounts.iter().next().wrap_err("no accounts")?;
    let (key, value) = entry.into_inner()?;
    let mut value = value.to_vec();
    *value.last_mut().wrap_err("an empty account")? ^= 1;
    accounts.insert(key, value)?;
    database.persist(fjall::PersistMode::SyncAll)?;
    Ok(())
}
