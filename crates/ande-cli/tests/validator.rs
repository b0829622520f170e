//! The tool against the real contracts on anvil.

#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    process::{Command, Stdio},
};

use alloy::{
    network::{EthereumWallet, TransactionBuilder as _},
    providers::{Provider as _, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
};
use ande_l1::test_support::{Plan, TestL1, TestValidator, eventually};
use serde_json::Value;

const PLAN: Plan = Plan { rotation: 5, windows: 4, min_validators: 2 };

/// Runs `ande`; what it printed on both outputs, and whether it was content.
fn ande(l1: &TestL1, words: &[&str]) -> (bool, String, String) {
    let (group, rest) = words.split_first().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ande"))
        .arg(group)
        .args(["--l1-rpc", l1.anvil.url().as_str(), "--consensus", &l1.consensus.to_string()])
        .args(rest)
        .env_remove("ANDE_CONFIG")
        .env_remove("ANDE_PASSWORD_FILE")
        .env_remove("ANDE_KEYSTORE_PASSWORD")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

fn json(l1: &TestL1, words: &[&str]) -> Value {
    let (ok, out, err) = ande(l1, words);
    assert!(ok, "{words:?}: {err}");
    serde_json::from_str(&out).unwrap()
}

fn key_file(dir: &Path, validator: &TestValidator) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let file = dir.join(validator.key.address().to_string());
    std::fs::write(&file, hex::encode(validator.key.signing_key().to_bytes())).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_registers_adds_stake_and_moves() {
    let dir = tempfile::tempdir().unwrap();
    let l1 = TestL1::start(PLAN).await;
    let other = TestValidator::new(1, "http://127.0.0.1:1");
    l1.register(&other).await;

    let mine = TestValidator::new(2, "http://127.0.0.1:2");
    let key = key_file(dir.path(), &mine);
    let node = mine.node.id().to_string();
    let register = |stake: &'static str| {
        ["validator", "register", "--key", key.as_str(), "--node-id", node.as_str()]
            .into_iter()
            .chain(["--endpoint", "https://mine.example:8545", "--stake", stake])
            .collect::<Vec<_>>()
    };
    // Nothing to pay with, then nothing to stake.
    l1.fund(mine.key.address()).await;
    let (ok, _, err) = ande(&l1, &register("1000"));
    assert!(!ok && err.contains("has 0 tokens"), "{err}");
    l1.give_tokens(mine.key.address(), 2_000).await;
    let (ok, _, err) = ande(&l1, &register("0.5"));
    assert!(!ok && err.contains("the contract refuses"), "{err}");

    // A dry run sends nothing and says what cast would send.
    let mut words = register("1000");
    words.push("--dry-run");
    let (ok, out, err) = ande(&l1, &words);
    assert!(ok, "{err}");
    assert!(out.contains("'approve(address,uint256)'"), "{out}");
    assert!(out.contains("'registerValidator(bytes32,string,uint256)'"), "{out}");
    assert!(!out.contains(&hex::encode(mine.key.signing_key().to_bytes())));
    assert_eq!(json(&l1, &["validator", "list", "--json"]).as_array().unwrap().len(), 1);

    let mut words = register("1000");
    words.push("--json");
    let done = json(&l1, &words);
    assert_eq!(done["validator"], 2);
    assert_eq!(done["steps"].as_array().unwrap().len(), 2);
    let (ok, _, err) = ande(&l1, &register("1000"));
    assert!(!ok && err.contains("owns a validator already"), "{err}");

    let (ok, _, err) = ande(&l1, &["validator", "top-up", "--key", &key, "--stake", "500.25"]);
    assert!(ok, "{err}");
    // The same owner out of a keystore.
    let (keystore, password) = (dir.path().join("owner.json"), dir.path().join("password"));
    ande_node::write_keystore(&keystore, &mine.key, "word").unwrap();
    ande_node::write_secret(&password, "word\n").unwrap();
    let (keystore, password) = (keystore.to_str().unwrap(), password.to_str().unwrap());
    let words = ["validator", "top-up", "--keystore", keystore, "--stake", "1", "--dry-run"];
    let opened = [&words[..], &["--password-file", password, "--json"]].concat();
    let planned = json(&l1, &opened);
    assert_eq!(planned["owner"], serde_json::json!(mine.key.address()));
    let (ok, _, err) = ande(&l1, &words);
    assert!(!ok && err.contains("--password-file"), "{err}");
    let (ok, _, err) = ande(&l1, &[&words[..], &["--key", &key]].concat());
    assert!(!ok && err.contains("cannot be used with"), "{err}");
    let shown = json(&l1, &["validator", "show", "2", "--json"]);
    assert_eq!(shown["stake"], "1500.25");
    assert_eq!(shown["endpoint"], "https://mine.example:8545");
    assert_eq!(shown["node"], node.as_str());
    let address = mine.key.address().to_string();
    assert_eq!(json(&l1, &["validator", "show", &address, "--json"]), shown);
    let (ok, out, _) = ande(&l1, &["validator", "list"]);
    assert!(ok && out.lines().count() == 3, "{out}");

    // Two validators launch the chain: there is a schedule.
    let turns = json(&l1, &["schedule", "--windows", "12", "--json"]);
    let turns = turns.as_array().unwrap();
    assert_eq!(turns.len(), 12);
    assert_eq!((&turns[0]["from_height"], &turns[0]["to_height"]), (&1.into(), &5.into()));
    let members = [other.key.address().to_string(), address];
    for turn in &turns[..8] {
        let proposer = turn["proposer"].as_str().unwrap().to_lowercase();
        assert!(members.iter().any(|member| member.to_lowercase() == proposer), "{turn}");
    }
    assert!(turns[8]["proposer"].is_null(), "epoch 2 is not frozen");
    assert_eq!(json(&l1, &["batches", "--json"]), serde_json::json!([]));

    // Its votes come from a new key, which agreed.
    let next = TestValidator::new(3, "");
    let new_key = key_file(dir.path(), &next);
    let rotate = ["validator", "rotate-signer", "--key", key.as_str(), "--new-key", &new_key];
    let (ok, out, err) = ande(&l1, &[&rotate[..], &["--dry-run"]].concat());
    assert!(ok && out.contains("'rotateSigner(uint32,address,uint256,bytes)' 2"), "{out} {err}");
    let (ok, _, err) = ande(&l1, &rotate);
    assert!(ok, "{err}");
    let signer = json(&l1, &["validator", "show", "2", "--json"])["signer"].clone();
    assert_eq!(signer, format!("{:#x}", next.key.address()));
    let (ok, _, err) = ande(&l1, &rotate);
    assert!(!ok && err.contains("the contract refuses"), "{err}");

    // It leaves; its stake stays locked.
    let (ok, _, err) = ande(&l1, &["validator", "unjail", "--key", &key]);
    assert!(!ok && err.contains("the contract refuses"), "{err}");
    let (ok, out, _) = ande(&l1, &["validator", "exit", "--key", &key, "--dry-run"]);
    assert!(ok && out.contains("'requestExit(uint32)' 2"), "{out}");
    assert_eq!(json(&l1, &["validator", "show", "2", "--json"])["status"], "active");
    let (ok, _, err) = ande(&l1, &["validator", "exit", "--key", &key]);
    assert!(ok, "{err}");
    assert_eq!(json(&l1, &["validator", "show", "2", "--json"])["status"], "exiting");
    let (ok, _, err) = ande(&l1, &["validator", "claim", "--key", &key]);
    assert!(!ok && err.contains("the contract refuses"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_places_are_refused_with_advice() {
    let l1 = TestL1::start(PLAN).await;
    let run = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ande"))
            .args(words)
            .env_remove("ANDE_CONFIG")
            .env_remove("CONSENSUS_RPC_URL")
            .output()
            .unwrap();
        assert!(!output.status.success(), "{words:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let url = l1.anvil.url().to_string();
    let consensus = l1.consensus.to_string();
    assert!(run(&["validator", "list"]).contains("--config or --l1-rpc"));
    assert!(run(&["validator", "--l1-rpc", &url, "list"]).contains("--config or --consensus"));
    let nobody = "0x00000000000000000000000000000000000000aa";
    let error = run(&["validator", "--l1-rpc", &url, "--consensus", nobody, "list"]);
    assert!(error.contains("there is no contract at"), "{error}");
    let token = l1.token.to_string();
    let error = run(&["validator", "--l1-rpc", &url, "--consensus", &token, "list"]);
    assert!(error.contains("is not AndeConsensus"), "{error}");
    let closed = format!("http://127.0.0.1:{}", ande_ports::reserve().unwrap());
    let error = run(&["validator", "--l1-rpc", &closed, "--consensus", &consensus, "list"]);
    assert!(error.contains("does not answer"), "{error}");
    let error = run(&["schedule", "--l1-rpc", &url, "--consensus", &consensus]);
    assert!(error.contains("not launched"), "{error}");
    let place = ["--l1-rpc", url.as_str(), "--consensus", consensus.as_str()];
    let error = run(&[&["validator", "show", "7"], &place[..]].concat());
    assert!(error.contains("7"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_another_transaction_took_is_no_loss() {
    let dir = tempfile::tempdir().unwrap();
    let l1 = TestL1::start(PLAN).await;
    let mine = TestValidator::new(1, "http://127.0.0.1:1");
    l1.register(&mine).await;
    let address = mine.key.address();
    l1.give_tokens(address, 100).await;
    let signer = PrivateKeySigner::from_signing_key(mine.key.signing_key().clone());
    let provider = ProviderBuilder::new()
        .wallet(EthereumWallet::from(signer))
        .connect_http(l1.anvil.url().as_str().parse().unwrap());
    let nonce = provider.get_transaction_count(address).await.unwrap();

    l1.rpc("evm_setAutomine", (false,)).await;
    let tool = Command::new(env!("CARGO_BIN_EXE_ande"))
        .args(["validator", "top-up", "--l1-rpc", l1.anvil.url().as_str()])
        .args(["--consensus", &l1.consensus.to_string(), "--stake", "100", "--json"])
        .args(["--key", &key_file(dir.path(), &mine)])
        .env_remove("ANDE_CONFIG")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    eventually("the tool has sent its first transaction", async || {
        let pending = provider.get_transaction_count(address).pending().await.unwrap();
        (pending > nonce).then_some(())
    })
    .await;
    // As a node does that posts batches with the same key.
    let other = TransactionRequest::default()
        .with_to(address)
        .with_nonce(nonce)
        .with_gas_limit(21_000)
        .with_max_fee_per_gas(100_000_000_000)
        .with_max_priority_fee_per_gas(50_000_000_000);
    let _other = provider.send_transaction(other).await.unwrap();
    l1.rpc("evm_setAutomine", (true,)).await;
    l1.mine(1).await;
    let output = tokio::task::spawn_blocking(|| tool.wait_with_output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The other one, approval and stake.
    assert_eq!(provider.get_transaction_count(address).await.unwrap(), nonce + 3);
}
