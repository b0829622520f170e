//! What needs neither a node nor a settlement chain.

#![allow(clippy::unwrap_used)]

use std::process::Command;

use serde_json::{Value, json};

/// Documents that are made of the programs.
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

/// Runs `ande`; its exit code and what it printed on both outputs.
fn ande(words: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ande"))
        .args(words)
        .env_remove("ANDE_CONFIG")
        .env_remove("ANDE_WRITE_DOCS")
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// Set `ANDE_WRITE_DOCS=1` to write the files instead of comparing them.
#[test]
fn the_committed_references_are_the_generated_ones() {
    for (name, generated) in [
        ("cli.md", ande_cli::reference()),
        ("config.md", ande_node::config::reference()),
        ("errors.md", ande_cli::errors()),
    ] {
        let file = format!("{DOCS}/{name}");
        if std::env::var_os("ANDE_WRITE_DOCS").is_some() {
            std::fs::write(&file, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == generated, "docs/{name} is stale: run `cargo xtask gen`");
    }
}

#[test]
fn manual_pages_and_completions_name_every_command() {
    let (code, page, err) = ande(&["man"], &[]);
    assert!(code == 0 && page.contains(".TH ande 1"), "{err}");
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man1");
    let (code, out, err) = ande(&["man", "--dir", pages.to_str().unwrap()], &[]);
    assert!(code == 0 && out.is_empty(), "{err}");
    for command in ["validator-rotate-signer", "why-stalled", "doctor", "config-show", "evidence"] {
        let page = std::fs::read_to_string(pages.join(format!("ande-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{command}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, err) = ande(&["completions", shell], &[]);
        assert_eq!(code, 0, "{err}");
        for word in ["rotate-signer", "why-stalled", "evidence", "min-balance"] {
            assert!(script.contains(word), "{shell} does not complete {word}");
        }
    }
}

#[test]
fn the_configuration_is_shown_with_its_origins_and_without_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let write = |text: &str| {
        let file = dir.path().join("node.toml");
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let file = write(
        "[l1]\nchain_id = 7\nrpc_urls = [\"https://user:word@rpc.example/v3/token\"]\n\
         [keys]\nvalidator = \"validator.key\"\n",
    );
    // Where the tool finds keys and passwords is no key of the configuration.
    let env = [
        ("ANDE_CHAIN__BLOCK_TIME_MS", "750"),
        ("ANDE_OWNER_KEY_FILE", "owner.key"),
        ("ANDE_OWNER_KEYSTORE", "owner.json"),
        ("ANDE_PASSWORD_FILE", "password"),
        ("ANDE_KEYSTORE_PASSWORD", "secret"),
    ];
    let (code, out, err) = ande(&["config", "show", "--config", &file, "--json"], &env);
    assert_eq!(code, 0, "{err}");
    let all: Value = serde_json::from_str(&out).unwrap();
    let of = |key: &str| {
        let found = all.as_array().unwrap().iter().find(|setting| setting["key"] == key);
        let found = found.unwrap_or(&Value::Null);
        (found["origin"].clone(), found["value"].clone())
    };
    assert_eq!(of("chain.block_time_ms"), (json!("environment"), json!(750)));
    assert_eq!(of("l1.chain_id"), (json!("file"), json!(7)));
    assert_eq!(of("l1.rpc_urls").1, json!(["https://rpc.example/(hidden)"]));
    assert_eq!(of("rpc.listen").0, "default");
    assert!(!out.contains("token") && !out.contains("word") && !out.contains("secret"));
    let (code, out, _) = ande(&["config", "show", "--config", &file], &[]);
    assert!(code == 0 && out.starts_with("KEY "), "{out}");
    assert!(out.lines().any(|line| line.starts_with("l1.chain_id ") && line.ends_with(" 7")));

    // The file alone makes no node, and all that is missing is said.
    let (code, _, err) = ande(&["config", "check", "--config", &file], &[]);
    assert_eq!(code, 1);
    assert!(err.contains("keys.node") && err.contains("l1.consensus"), "{err}");
    let file = write("[l1]\nchain = 7\n");
    for command in ["show", "check"] {
        let (code, _, err) = ande(&["config", command, "--config", &file], &[]);
        assert!(code == 1 && err.contains("chain"), "{err}");
    }
    let (code, _, err) = ande(&["config", "check"], &[]);
    assert!(code == 2 && err.contains("--config"), "{err}");
}
