//! New testnets and health checks from the command line.

#![allow(clippy::unwrap_used)]

use std::{os::unix::fs::MetadataExt as _, path::Path, process::Command};

use serde_json::Value;

/// Runs `ande`; what it printed on both outputs, and whether it was content.
fn ande(words: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ande"));
    let output = command.args(words).env_remove("CONSENSUS_RPC_URL").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_testnet_is_made_and_made_again() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("net");
    let dir = dir.to_str().unwrap();
    let us = std::fs::metadata(root.path()).unwrap();
    let (uid, gid) = (us.uid().to_string(), us.gid().to_string());
    let make = |more: &[&str]| {
        let words = ["init", "testnet", "--dir", dir, "--uid", &uid, "--gid", &gid];
        ande(&[&words[..], more].concat())
    };
    let (ok, out, err) = make(&["--json", "--block-time", "500ms", "--rotation", "5"]);
    assert!(ok, "{err}");
    let made: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(made["testnet"]["block_time_ms"], 500);
    assert_eq!(made["testnet"]["validators"].as_array().unwrap().len(), 4);
    let env = std::fs::read_to_string(made["env_file"].as_str().unwrap()).unwrap();
    assert!(env.contains(&format!("\nANDE_UID={uid}\n")), "{env}");
    assert!(!out.contains("secret_key") && !env.contains("PASSWORD"));

    let (ok, again, err) = make(&["--json"]);
    assert!(ok, "{err}");
    assert_eq!(serde_json::from_str::<Value>(&again).unwrap(), made);
    let (ok, out, _) = make(&[]);
    assert!(ok && out.contains("docker compose --env-file"), "{out}");
    for (words, complaint) in [
        (&["--rotation", "6"][..], "rotation: 5, now 6"),
        (&["--block-time", "1ms"], "at least 200ms"),
        (&["--rotation", "0"], "0 is not in"),
    ] {
        let (ok, _, err) = make(words);
        assert!(!ok && err.contains(complaint), "{words:?}: {err}");
    }
    for file in ["genesis.json", "nodes/node-4/node.toml", "haproxy/haproxy.cfg"] {
        assert!(Path::new(dir).join(file).is_file(), "{file}");
    }
}

#[test]
fn a_node_that_does_not_answer_is_not_healthy() {
    let closed = format!("http://127.0.0.1:{}", ande_ports::reserve().unwrap());
    let (ok, _, err) = ande(&["healthcheck", "--url", &closed]);
    assert!(!ok && err.contains("does not answer"), "{err}");
    let (ok, _, err) = ande(&["init", "contracts", "--dir", "/nonexistent", "--l1-rpc", &closed]);
    assert!(!ok && err.contains("ande init testnet"), "{err}");
}
