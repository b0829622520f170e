//! Every command of the other documents runs, or is named here with the reason why it does not.

use std::{collections::BTreeMap, fs};

use alloy::{
    hex,
    primitives::{keccak256, utils::parse_ether},
    signers::local::PrivateKeySigner,
};
use ande_devnet::{Account, fund, repository_root, wait_until};
use ande_testkit::{Plan, TestCluster, cast};
use eyre::{Result, WrapErr as _, ensure};

use super::{LIMIT, STAKE, can_run, contracts, path, read, run};

/// Documents whose commands run here.
const RUN: [&str; 2] = ["README.md", "contracts/README.md"];
/// Documents whose commands other tests run, or that are written by `cargo xtask gen`.
const ELSEWHERE: [&str; 3] = ["docs/operator-guide.md", "docs/runbooks", "docs/cli.md"];
/// Beginnings of commands that do not run here, and why.
const LEFT_OUT: [(&str, &str); 12] = [
    ("cargo xtask", "builds, runs these tests, or goes on until Ctrl-C"),
    ("docker ", "needs images from a registry"),
    ("prometheus", "the tests of `monitoring` start it with the same files on free ports"),
    ("npm install", "was done before the tests were built"),
    ("export PATH=", "the test has a path of its own"),
    ("forge build", "the checks build the contracts before these tests"),
    ("forge test", "the checks test the contracts before these tests"),
    ("FOUNDRY_PROFILE=ci forge test", "the checks test the contracts before these tests"),
    ("forge fmt", "the checks look at the format before these tests"),
    (
        "forge script script/DeployMainnet.s.sol",
        "takes 48 hours; `contracts/test/unit/Deployment.t.sol` runs it",
    ),
    ("export ANDE_", "goes with DeployMainnet"),
    ("cast call $CONSENSUS 'proposerAt", "answers from three validators on; see `seed_plan`"),
];

/// The blocks for a shell: those that begin with `sh`, and indented ones that are no TOML.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    let (mut fence, mut before) = (None, "");
    for line in text.lines() {
        let marker = line.trim_start().strip_prefix("```");
        let inside = match fence {
            Some(language) => marker.is_none() && language == "sh",
            None => marker.is_none() && line.starts_with("    "),
        };
        if inside {
            let first = before.trim().is_empty() || before.trim_start().starts_with("```");
            match blocks.last_mut() {
                Some(block) if !first => block.push(line.trim()),
                _ => blocks.push(vec![line.trim()]),
            }
        }
        if let Some(language) = marker {
            fence = if fence.is_some() { None } else { Some(language) };
        }
        before = line;
    }
    let is_toml = |block: &Vec<&str>| block[0].starts_with('[') || block[0].contains(" = ");
    blocks.retain(|block| !is_toml(block));
    blocks
}

/// Commands with the lines that they go on in, without comments, placeholders and what is left out.
fn commands(text: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for block in blocks(text) {
        let mut goes_on = false;
        for line in block {
            match commands.last_mut() {
                Some(command) if goes_on => *command = format!("{command}\n{line}"),
                _ => commands.push(line.to_owned()),
            }
            goes_on = line.ends_with('\\');
        }
    }
    commands.retain(|command| {
        !command.is_empty()
            && !command.starts_with('#')
            && !command.contains("=0x...")
            && !LEFT_OUT.iter().any(|(beginning, _)| command.starts_with(beginning))
    });
    commands
}

/// Every document of the repository.
fn documents() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for dir in ["", "docs", "docs/adr", "docs/spec", "contracts", "deploy", "haproxy", "monitoring"]
    {
        for entry in fs::read_dir(repository_root().join(dir))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".md") {
                found.push(if dir.is_empty() { name } else { format!("{dir}/{name}") });
            }
        }
    }
    Ok(found)
}

/// A newcomer with funds, its keystore for `cast`, and what else the documents leave to the reader.
async fn variables(cluster: &TestCluster) -> Result<BTreeMap<&'static str, String>> {
    let l1 = cluster.cluster().l1_url();
    let addresses = cluster.cluster().contracts();
    let bank = Account::bank(&l1)?;
    let newcomer = PrivateKeySigner::random();
    fund(&bank, addresses.token, newcomer.address(), STAKE).await?;
    let secret = |key: &PrivateKeySigner| format!("0x{}", hex::encode(key.to_bytes()));
    let keystore = cluster.dir().join("keystore");
    fs::create_dir(&keystore)?;
    let words = ["wallet", "import", "me", "--unsafe-password", "x", "--keystore-dir"];
    let place = keystore.display().to_string();
    let key = secret(&newcomer);
    cast(&[&words[..], &[&place, "--private-key", &key]].concat(), cluster.dir()).await?;
    let password = cluster.dir().join("password");
    fs::write(&password, "x")?;
    let deployer = PrivateKeySigner::random();
    bank.send_ether(deployer.address(), parse_ether("10")?).await?;
    let validator = PrivateKeySigner::random();
    bank.send_ether(validator.address(), parse_ether("10")?).await?;
    Ok(BTreeMap::from([
        ("ETH_KEYSTORE", keystore.join("me").display().to_string()),
        ("ETH_PASSWORD", password.display().to_string()),
        ("L1", l1.clone()),
        ("ETH_RPC_URL", l1),
        ("TOKEN", addresses.token.to_string()),
        ("CONSENSUS", addresses.consensus.to_string()),
        ("COORDINATOR", addresses.coordinator.to_string()),
        ("STAKE", format!("{STAKE}ether")),
        ("NODE_ID", keccak256(newcomer.address()).to_string()),
        ("PEER_ID", keccak256(validator.address()).to_string()),
        ("EPOCH", "0".into()),
        ("FEE", "0.0002ether".into()),
        ("KEY", secret(&deployer)),
        ("VALIDATOR", validator.address().to_string()),
        ("VALIDATOR_KEY", secret(&validator)),
        ("PATH", path()?),
    ]))
}

#[tokio::test]
async fn every_command_of_every_document_runs_or_is_named_with_the_reason() -> Result<()> {
    for document in documents()? {
        let elsewhere = ELSEWHERE.iter().any(|place| document.starts_with(place));
        if elsewhere || RUN.contains(&document.as_str()) {
            continue;
        }
        let commands = commands(&read(&document)?);
        ensure!(commands.is_empty(), "{document} is not run: {commands:#?}");
    }
    let plan = Plan { load_balancer: true, windows_per_epoch: 1_000, ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            if !can_run(cluster) {
                return Ok(());
            }
            let mut variables = variables(cluster).await?;
            let keystore =
                ["ETH_KEYSTORE", "ETH_PASSWORD"].map(|name| variables.remove_entry(name));
            let node = cluster.cluster().nodes()[0].rpc_url();
            let balancer = cluster.cluster().lb_rpc().unwrap_or_else(|| node.clone());
            let places = [
                ("localhost:8545", node),
                ("curl -s localhost ", format!("curl -s {balancer} ")),
                ("http://127.0.0.1:18545", cluster.cluster().l1_url()),
                ("cargo run --release -p ande-cli --", "ande".to_owned()),
            ];
            for document in RUN {
                let commands = commands(&read(document)?);
                ensure!(commands.len() > 5, "only {} commands in {document}", commands.len());
                let mut script = commands.join("\n");
                for (written, here) in &places {
                    script = script.replace(written, here);
                }
                let mut wallet = cluster.wallet().await?;
                let forced = wallet.next_transfer()?;
                let mut variables = variables.clone();
                variables.insert("RAW_TX", forced.raw.to_string());
                let dir = cluster.dir().join(document.replace('/', "-"));
                contracts(&dir)?;
                if document == RUN[0] {
                    variables.extend(keystore.clone().into_iter().flatten());
                }
                let variables = variables.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
                let said = run(&format!("set -x\n{script}"), &variables, &dir)
                    .await
                    .wrap_err_with(|| document.to_owned())?;
                let asked = commands.iter().filter(|line| line.starts_with("curl")).count();
                let answered = said.matches("\"result\":").count();
                ensure!(asked == answered, "{asked} requests, {answered} answers:\n{said}");
                cluster.say(&format!("{} commands of {document} run", commands.len()));
                let rpc = cluster.rpc(0)?;
                wait_until("the forced transaction is in a block", LIMIT, async || {
                    Ok(rpc.transaction_height(forced.hash).await?)
                })
                .await?;
            }
            Ok(())
        })
        .await
}
