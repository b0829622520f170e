//! A node leaves the load balancer before it is stopped, and nobody notices.

use std::{process::Command, time::Duration};

use alloy::providers::{Provider as _, ProviderBuilder, WsConnect};
use ande_devnet::{LOAD_SENDERS, Load, LoadPlan, cli_binary, wait_until};
use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};
use serde_json::Value;

/// Limit of what a busy machine does late.
const BUSY: Duration = Duration::from_secs(120);

/// Runs `ande drain` for node 0; its exit code and answer.
async fn drain(cluster: &TestCluster, more: &[&str]) -> Result<(i32, Value)> {
    let mut command = Command::new(cli_binary()?);
    command.args(["drain", "--json", "--config"]);
    command.arg(cluster.cluster().nodes()[0].config_file()).args(more);
    command.env_remove("ANDE_CONFIG");
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let code = output.status.code().wrap_err("ended by a signal")?;
    let answer = serde_json::from_slice(&output.stdout)?;
    cluster.say(&format!("drain: {code} {answer}"));
    Ok((code, answer))
}

/// What node 0 says to load balancers.
async fn lbz(cluster: &TestCluster) -> Option<u16> {
    let url = format!("{}/lbz", cluster.cluster().nodes()[0].rpc_url());
    reqwest::get(url).await.ok().map(|answer| answer.status().as_u16())
}

#[tokio::test]
async fn a_drained_node_is_left_by_its_clients() -> Result<()> {
    let plan = Plan { load_balancer: true, ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            // A subscription keeps the node from being done, and says so.
            let url = cluster.cluster().nodes()[0].ws_url();
            let socket = ProviderBuilder::new().connect_ws(WsConnect::new(url)).await?;
            let heads = socket.subscribe_blocks().await?;
            let (code, answer) = drain(cluster, &["--timeout", "1s"]).await?;
            ensure!(code == 3 && answer["drained"] == false, "{code}: {answer}");
            ensure!(answer["subscriptions"] == 1, "{answer}");
            ensure!(lbz(cluster).await == Some(404), "it did not leave");
            drop(heads);
            drop(socket);

            // Clients of the load balancer are served by the others meanwhile.
            let load = Load::start(LoadPlan {
                wallets: cluster.cluster().wallets(LOAD_SENDERS).await?,
                endpoints: match cluster.cluster().lb_rpc() {
                    Some(url) => vec![url],
                    None => {
                        cluster.say("HAProxy is not installed: the load goes to another node");
                        vec![cluster.cluster().nodes()[1].rpc_url()]
                    }
                },
                per_second: 20,
                answer_limit: BUSY,
                give_up: BUSY,
            })?;
            let (code, answer) = drain(cluster, &["--timeout", "100s"]).await?;
            ensure!(code == 0 && answer["drained"] == true, "{code}: {answer}");
            cluster.processes().node_mut(0)?.stop().await?;
            cluster.restart(0)?;
            wait_until("the node is back in the load balancer", BUSY, async || {
                Ok((lbz(cluster).await == Some(200)).then_some(()))
            })
            .await?;
            let report = load.finish().await?;
            ensure!(report.refused.is_empty() && report.unanswered.is_empty(), "{report:?}");
            cluster.check_invariants(&report.acknowledged).await.map(|_| ())
        })
        .await
}
