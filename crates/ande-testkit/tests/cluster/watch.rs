//! What operators see with `ande status`, `ande why-stalled` and `ande doctor`.

use std::{process::Command, time::Duration};

use alloy::primitives::B256;
use ande_devnet::{cli_binary, wait_until};
use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};
use serde_json::Value;

/// Limit of what a busy machine does late.
const BUSY: Duration = Duration::from_secs(120);

/// Runs `ande` over the nodes at `indexes`; its exit code and what it printed.
async fn ande(cluster: &TestCluster, words: &[&str], indexes: &[usize]) -> Result<(i32, String)> {
    let mut command = Command::new(cli_binary()?);
    command.args(words).env_remove("ANDE_CONFIG").env_remove("CONSENSUS_RPC_URL");
    for index in indexes {
        command.args(["--node", &cluster.cluster().nodes()[*index].ops_url()]);
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let code = output.status.code().wrap_err("ended by a signal")?;
    Ok((code, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Waits until `ande why-stalled` gives a cause; its whole answer.
async fn wait_cause(cluster: &TestCluster, cause: &str, indexes: &[usize]) -> Result<Value> {
    let what = format!("why-stalled says {cause}");
    let answer = wait_until(&what, BUSY, async || {
        let (code, text) = ande(cluster, &["why-stalled", "--json"], indexes).await?;
        let answer: Value = serde_json::from_str(&text)?;
        ensure!(code == if answer["stalled"] == true { 3 } else { 0 }, "code {code}: {answer}");
        Ok((answer["cause"] == cause).then_some(answer))
    })
    .await?;
    cluster.say(answer["reason"].as_str().unwrap_or_default());
    Ok(answer)
}

#[tokio::test]
async fn a_lost_quorum_and_a_lost_settlement_chain_are_named() -> Result<()> {
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            let all = [0, 1, 2, 3];
            wait_until("the screen shows the chain", BUSY, async || {
                let (code, screen) = ande(cluster, &["status"], &all).await?;
                ensure!(code == 0, "code {code}");
                let parts = ["chain 6174", "proposer validator", "rotation in", "settlement"];
                let names = ["node-1", "node-4"];
                let mut wanted = parts.iter().chain(&names);
                Ok(wanted.all(|part| screen.contains(part)).then_some(()))
            })
            .await?;
            wait_until("the document has validators and signers", BUSY, async || {
                let (_, text) = ande(cluster, &["status", "--json"], &all).await?;
                let answer: Value = serde_json::from_str(&text)?;
                let status = &answer["nodes"][0]["status"];
                let many = |pointer: &str| status.pointer(pointer).and_then(Value::as_array);
                let validators = many("/validators").is_some_and(|all| all.len() == 4);
                let signers = many("/blocks/0/signers").is_some_and(|all| all.len() >= 3);
                Ok((validators && signers).then_some(()))
            })
            .await?;

            // Nothing is wrong with a node that runs; disk and open files are the machine's, and
            // answers that come late are too.
            let config = cluster.cluster().nodes()[0].config_file();
            let config = config.to_str().wrap_err("path")?;
            let words = ["doctor", "--json", "--min-free", "1", "--timeout", "60s", "--config"];
            wait_until("doctor finds nothing", BUSY, async || {
                let (code, text) = ande(cluster, &[&words[..], &[config]].concat(), &[]).await?;
                let answer: Value = serde_json::from_str(&text)?;
                let findings = answer["findings"].as_array().wrap_err("no findings")?;
                let ours = |finding: &&Value| finding["check"] != "open-files";
                let ours: Vec<&Value> = findings.iter().filter(ours).collect();
                if !ours.is_empty() {
                    cluster.say(&format!("doctor: {ours:?}"));
                }
                Ok((code == 0 && ours.is_empty()).then_some(()))
            })
            .await?;

            // A transaction is found wherever it is.
            let (mut wallet, rpc) = (cluster.wallet().await?, cluster.rpc(0)?);
            let sent = wallet.next_transfer()?;
            cluster.submit(&rpc, &sent).await?;
            let (hash, node) = (sent.hash.to_string(), rpc.url().to_owned());
            let words = ["tx", &hash, "--json", "--timeout", "30s", "--node", &node];
            let found = wait_until("the transaction is included", BUSY, async || {
                let (code, text) = ande(cluster, &words, &[]).await?;
                // Between the pool and the store it is nowhere for a moment.
                let found: Value = serde_json::from_str(&text).unwrap_or_default();
                Ok((code == 0 && found["status"] == "included").then_some(found))
            })
            .await?;
            ensure!(found["tx_hash"] == hash && found["block_number"].is_u64(), "{found}");
            let unknown = B256::repeat_byte(1).to_string();
            let (code, _) = ande(cluster, &["tx", &unknown, "--node", &node], &[]).await?;
            ensure!(code == 1, "an unknown transaction: code {code}");

            // One of four is missing: blocks come, and it is named.
            cluster.kill(3).await?;
            let lost = cluster.cluster().nodes()[3].id();
            let what = "a chain with a missing validator is not stalled";
            wait_until(what, BUSY, async || {
                let (code, text) = ande(cluster, &["why-stalled", "--json"], &all).await?;
                let answer: Value = serde_json::from_str(&text)?;
                let named = !answer["missing"][lost.to_string()].is_null();
                Ok((code == 0 && named).then_some(()))
            })
            .await?;

            // A frozen one more: its connections are open, and the quorum is lost.
            cluster.freeze(2, true)?;
            let answer = wait_cause(cluster, "quorum_missing", &all).await?;
            let missing = answer["missing"].as_object().wrap_err("nobody is missing")?;
            ensure!(missing.len() >= 2, "{answer}");
            let line = answer["reason"].as_str().wrap_err("no reason")?;
            ensure!(line.lines().count() == 1 && line.starts_with("quorum missing"), "{line}");
            cluster.freeze(2, false)?;
            cluster.restart(3)?;
            wait_cause(cluster, "not_stalled", &all).await?;

            // Without the settlement chain blocks go on until a set is needed that it would freeze.
            let load = cluster.load(5).await?;
            cluster.processes().anvil().stop().await?;
            wait_cause(cluster, "settlement_down", &all).await?;
            cluster.processes().anvil().start().await?;
            wait_cause(cluster, "not_stalled", &all).await?;
            load.finish().await?;
            Ok(())
        })
        .await
}
