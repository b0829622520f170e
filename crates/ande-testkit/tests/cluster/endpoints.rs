//! Endpoints of the settlement chain that lie to some of the nodes.

use std::{fs, time::Duration};

use ande_devnet::wait_until;
use ande_l1::test_support::{Liar, Lie};
use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};
use serde_json::Value;

const BUSY: Duration = Duration::from_secs(120);
/// Two epochs of the plan and a window: no node comes so far without sets read meanwhile.
const BLOCKS: u64 = 130;

/// Has a node read the settlement chain over these endpoints from now on.
async fn read_over(cluster: &mut TestCluster, index: usize, liars: &[Liar]) -> Result<()> {
    cluster.kill(index).await?;
    let old = format!("[\"{}\"]", cluster.cluster().l1_url());
    let urls: Vec<String> = liars.iter().map(|liar| format!("\"{}\"", liar.url())).collect();
    let path = cluster.cluster().nodes()[index].dir().join("node.toml");
    let text = fs::read_to_string(&path)?;
    ensure!(text.contains(&old), "{old} is not in {}", path.display());
    fs::write(&path, text.replace(&old, &format!("[{}]", urls.join(", "))))?;
    cluster.restart(index)
}

/// How the first endpoint of a node compares with the others.
async fn standing(cluster: &TestCluster, index: usize) -> Option<String> {
    let url = format!("{}/status", cluster.cluster().nodes()[index].ops_url());
    let status: Value = reqwest::get(url).await.ok()?.json().await.ok()?;
    status["l1"]["endpoints"][0]["standing"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn nodes_with_a_lying_endpoint_among_three_go_on() -> Result<()> {
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            let upstream: reqwest::Url = cluster.cluster().l1_url().parse()?;
            let mut liars: Vec<Vec<Liar>> = Vec::new();
            for index in 0..2 {
                let mut three = Vec::new();
                for _ in 0..3 {
                    three.push(Liar::start(upstream.clone()).await);
                }
                read_over(cluster, index, &three).await?;
                let height = cluster.height().await;
                cluster.wait_height(index, height, BUSY).await?;
                liars.push(three);
            }
            let load = cluster.load(20).await?;
            let lies = [
                [(Lie::Older(2), "behind"), (Lie::Fork, "differs")],
                [(Lie::Errors, ""), (Lie::State, "agrees")],
            ];
            for pair in lies {
                for (index, (lie, expected)) in pair.into_iter().enumerate() {
                    let liar = liars.get(index).and_then(|three| three.first());
                    liar.wrap_err("no endpoint")?.tell(lie);
                    if !expected.is_empty() {
                        let what = format!("node {index} calls {lie:?} {expected}");
                        wait_until(&what, BUSY, async || {
                            let standing = standing(cluster, index).await;
                            Ok(standing.filter(|standing| standing == expected))
                        })
                        .await?;
                    }
                }
                let from = cluster.height().await;
                for index in 0..cluster.size() {
                    cluster.wait_height(index, from + BLOCKS, BUSY).await?;
                }
                let batch = cluster.wait_batched(from + BLOCKS, BUSY).await?;
                cluster.say(&format!("{pair:?}: {BLOCKS} blocks on all nodes, batch {batch}"));
            }
            let report = load.finish().await?;
            let top = cluster.wait_in_sync(BUSY).await?;
            cluster.wait_batched(top, BUSY).await?;
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
