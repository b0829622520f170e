//! Every panel and every rule shows something, and every command of the runbooks runs.

use std::{collections::BTreeSet, time::Duration};

use alloy::providers::{Provider as _, ProviderBuilder, WsConnect};
use ande_devnet::{
    LOAD_SENDERS, Load, LoadPlan, foundry_binary, in_path, repository_root, wait_until,
};
use ande_testkit::{Monitoring, TestCluster, run_program};
use eyre::{ContextCompat as _, Result, WrapErr as _, ensure};

use super::plan;

/// Rates over minutes need as long.
const FILLED: Duration = Duration::from_secs(240);
const ANSWER: Duration = Duration::from_secs(10);

#[tokio::test]
async fn every_panel_and_every_rule_finds_something() -> Result<()> {
    TestCluster::start(plan())
        .await?
        .observed(async |cluster| {
            let Some(monitoring) = Monitoring::start(cluster).await? else { return Ok(()) };
            // Panels of the load balancer and of subscriptions show something only in use.
            let lb = cluster.cluster().lb_rpc().wrap_err("no load balancer")?;
            let load = Load::start(LoadPlan {
                wallets: cluster.cluster().wallets(LOAD_SENDERS).await?,
                endpoints: vec![lb],
                per_second: 20,
                answer_limit: ANSWER,
                give_up: FILLED,
            })?;
            let socket = cluster.cluster().lb_ws().wrap_err("no load balancer")?;
            let socket = ProviderBuilder::new().connect_ws(WsConnect::new(socket)).await?;
            let heads = socket.subscribe_blocks().await?;
            let queries = ande_monitoring::live_queries();
            let mut empty = Vec::new();
            let filled = wait_until("every query finds something", FILLED, async || {
                empty.clear();
                for (place, expr) in &queries {
                    if monitoring.query(expr).await?.is_empty() {
                        empty.push(format!("{place}: {expr}"));
                    }
                }
                Ok(empty.is_empty().then_some(()))
            })
            .await;
            cluster.say(&format!("{} queries, {} empty", queries.len(), empty.len()));
            filled.wrap_err_with(|| empty.join("\n"))?;
            drop(heads);
            run_runbooks(cluster, &monitoring).await?;
            load.finish().await.map(|_| ())
        })
        .await
}

/// Programs that tell of the machine and not of the node.
const OF_THE_MACHINE: [&str; 5] = ["date", "df", "dmesg", "haproxy", "ss"];
/// What shows nothing while all is well.
const MAY_BE_NOTHING: [&str; 4] = ["last_error", "halted", "draining", "select("];

/// Runs every command that a runbook shows, with the variables that their index explains.
async fn run_runbooks(cluster: &TestCluster, monitoring: &Monitoring) -> Result<()> {
    if in_path("jq").is_none() || in_path("curl").is_none() {
        cluster.say("jq or curl is not installed: the runbooks are left out");
        return Ok(());
    }
    let node = &cluster.cluster().nodes()[0];
    let contracts = cluster.cluster().contracts();
    let stats = cluster.cluster().lb_stats().wrap_err("no load balancer")?;
    let variables = format!(
        "set -e; PROM={}; OPS={}; RPC={}; LOG={log}; DATA={data}; SIGNER={signer}; POSTER={signer}; \
         LB_STATS={}; L1={}; CONSENSUS={}; COORDINATOR={}; PATH=$PATH:{}",
        monitoring.url(),
        node.ops_url(),
        node.rpc_url(),
        // The listener, not the page on it.
        stats.strip_suffix("/stats").unwrap_or(&stats),
        cluster.cluster().l1_url(),
        contracts.consensus,
        contracts.coordinator,
        foundry_binary("cast")?.parent().wrap_err("no directory")?.display(),
        log = node.dir().join("node.log").display(),
        data = node.dir().join("data").display(),
        signer = node.address(),
    );
    let shell = in_path("bash").wrap_err("no shell")?;
    let alerts = ande_monitoring::ALERTS.iter().flat_map(|(_, alerts)| *alerts);
    let commands: BTreeSet<&str> = alerts.flat_map(|alert| alert.look).copied().collect();
    let (mut run, mut faults) = (0, Vec::new());
    for command in &commands {
        if OF_THE_MACHINE.iter().any(|program| command.split(' ').next() == Some(program)) {
            continue;
        }
        let line = format!("{variables}; {command}");
        // What `grep` does not find is no news.
        let line = if command.starts_with("grep") { format!("{line} || [ $? = 1 ]") } else { line };
        match run_program(&shell, &["-c", &line], &repository_root()).await {
            Err(error) => faults.push(format!("{error:#}")),
            Ok(said) => {
                let nothing = command.contains("jq") && ["", "null"].contains(&said.trim());
                if nothing && !MAY_BE_NOTHING.iter().any(|word| command.contains(word)) {
                    faults.push(format!("{command} shows {said:?}"));
                }
            }
        }
        run += 1;
    }
    cluster.say(&format!("{run} of {} commands of the runbooks run", commands.len()));
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}
