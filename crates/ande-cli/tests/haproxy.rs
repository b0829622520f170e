//! The load balancer's configuration, of the real contracts on anvil and of given nodes.

#![allow(clippy::unwrap_used)]

use std::{path::Path, process::Command};

use ande_l1::test_support::{Plan, TestL1, TestValidator};
use serde_json::Value;

const PLAN: Plan = Plan { rotation: 5, windows: 4, min_validators: 2 };

/// Runs `ande haproxy render`; what it printed on both outputs, and whether it was content.
fn render(words: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ande"))
        .args(["haproxy", "render"])
        .args(words)
        .env_remove("ANDE_CONFIG")
        .env_remove("CONSENSUS_RPC_URL")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn validators_are_balanced_and_hostile_endpoints_left_out() {
    let l1 = TestL1::start(PLAN).await;
    // Of what the contract takes: it refuses other schemes, spaces and quotes itself.
    let endpoints = [
        "https://one.example",
        "http://two.example:8545/",
        "http://127.0.0.1:8404",
        "http://four.example/rpc",
        "http://two.example:8545",
        "https://1.1.1.1:8545",
    ];
    let mut signers = Vec::new();
    for (number, endpoint) in (1..).zip(endpoints) {
        let validator = TestValidator::new(number, endpoint);
        l1.register(&validator).await;
        signers.push(validator.key.address().to_string());
    }
    let (url, consensus) = (l1.anvil.url().to_string(), l1.consensus.to_string());
    let place = ["--l1-rpc", url.as_str(), "--consensus", consensus.as_str()];

    let (ok, out, err) = render(&[&place[..], &["--json"]].concat());
    assert!(ok, "{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    let names: Vec<_> = answer["nodes"].as_array().unwrap().iter().map(|n| &n["name"]).collect();
    assert_eq!(names, [&signers[0], &signers[1]]);
    assert_eq!(answer["nodes"][0]["rpc"], "one.example:443");
    assert_eq!(answer["nodes"][0]["tls"], true);
    let skipped = answer["skipped"].as_array().unwrap();
    let reasons: Vec<_> = skipped.iter().map(|it| it["validator"].as_u64().unwrap()).collect();
    assert_eq!(reasons, [3, 4, 5, 6]);
    assert!(skipped[2]["reason"].as_str().unwrap().contains("registered it before"), "{skipped:?}");
    let config = answer["config"].as_str().unwrap();
    assert!(!config.contains("four.example") && !config.contains("127.0.0.1:8404 "), "{config}");
    assert!(err.contains("validator 4 is left out") && err.contains("has a path"), "{err}");

    // The same text without --json, and in a file; private addresses only when asked for.
    let (ok, text, _) = render(&place);
    assert!(ok && text == config, "{text}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("haproxy.cfg");
    let out = ["--allow-private", "--out", file.to_str().unwrap()];
    let (ok, said, err) = render(&[&place[..], &out].concat());
    assert!(ok && said.contains("with 3 nodes"), "{said}{err}");
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains(" 127.0.0.1:8404 ") && !written.contains("four.example"), "{written}");
    accepted(&file);
}

#[test]
fn given_nodes_are_balanced_and_mistakes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("haproxy.cfg");
    let nodes = [
        "--node",
        "node-1=http://10.0.0.1:8545",
        "--node",
        "node-2=http://10.0.0.2:8545,ws://10.0.0.2:8546",
    ];
    let (ok, _, err) = render(&[&nodes[..], &["--out", file.to_str().unwrap()]].concat());
    assert!(ok, "{err}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("server node-2 10.0.0.2:8546 track be_write/node-2"), "{text}");
    accepted(&file);

    for (words, complaint) in [
        (&["--node", "http://10.0.0.1"][..], "expected NAME=URL"),
        (&["--node", "a=ftp://x"], "not an http or https URL"),
        (&["--node", "a b=http://x"], "cannot stand in"),
        (&["--node", "a=http://x", "--node", "a=http://y"], "two nodes are called"),
        (&["--node", "a=http://x", "--tls-bind", "0.0.0.0:443"], "--tls-certs"),
        (&[], "--config or --l1-rpc"),
    ] {
        let (ok, _, err) = render(words);
        assert!(!ok && err.contains(complaint), "{words:?}: {err}");
    }
    let (ok, help, _) = render(&["--help"]);
    assert!(ok && help.contains("Examples:"), "{help}");
}

/// HAProxy takes the file, where it is installed.
fn accepted(file: &Path) {
    let Some(haproxy) = ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy", "/usr/bin/haproxy"]
        .into_iter()
        .find(|program| Path::new(program).is_file())
    else {
        return;
    };
    let output = Command::new(haproxy).arg("-c").arg("-f").arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
