//! Everything that a node can be given wrong, one at a time, and what `ande doctor` says to it.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use alloy::primitives::U256;
use ande_contracts::{AndeConsensus, AndeSequencerCoordinator};
use ande_l1::test_support::{Plan, TestL1, TestValidator};
use serde_json::Value;

const PLAN: Plan = Plan { rotation: 50, windows: 10, min_validators: 2 };
/// Faults that are looked for at the same time: many wait for somebody who does not answer.
const AT_ONCE: usize = 8;
const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// A node's files.
struct Node {
    dir: tempfile::TempDir,
    /// Keys and values of the configuration, by section.
    values: BTreeMap<(&'static str, &'static str), String>,
    free_mib: &'static str,
}

impl Node {
    /// A node with which nothing is wrong.
    fn healthy(l1: &TestL1, validator: &TestValidator) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let secret = |name: &str, text: String| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        };
        secret("validator.key", hex::encode(validator.key.signing_key().to_bytes()));
        secret("node.key", hex::encode([2; 32]));
        fs::write(dir.path().join("genesis.json"), genesis()).unwrap();
        let mut node = Self { dir, values: BTreeMap::new(), free_mib: "1" };
        node.set("", "mode", "\"contract\"");
        node.set("", "data_dir", "\"data\"");
        node.set("chain", "genesis", "\"genesis.json\"");
        node.set("keys", "validator", "\"validator.key\"");
        node.set("keys", "node", "\"node.key\"");
        node.set("l1", "rpc_urls", &format!("[\"{}\"]", l1.anvil.url()));
        node.set("l1", "chain_id", "31337");
        node.set("l1", "consensus", &format!("\"{}\"", l1.consensus));
        node.set("l1", "coordinator", &format!("\"{}\"", l1.coordinator));
        node.set("l1", "finality", "{ depth = 1 }");
        node.set("l1", "timeout_ms", "3000");
        node.set("rpc", "connections", "100");
        for (section, key) in
            [("p2p", "listen"), ("rpc", "listen"), ("rpc", "ws_listen"), ("ops", "listen")]
        {
            let port = ande_ports::reserve().unwrap();
            node.set(section, key, &format!("\"127.0.0.1:{port}\""));
        }
        node
    }

    fn set(&mut self, section: &'static str, key: &'static str, value: &str) {
        self.values.insert((section, key), value.to_owned());
    }

    fn remove(&mut self, section: &'static str, key: &'static str) {
        self.values.remove(&(section, key)).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        let mut text = String::new();
        let mut open = "";
        for ((section, key), value) in &self.values {
            if open != *section {
                text.push_str(&format!("[{section}]\n"));
                open = section;
            }
            text.push_str(&format!("{key} = {value}\n"));
        }
        self.write("node.toml", &text);
        self.file("node.toml")
    }

    /// Runs `ande doctor`; its findings by check, with their remedies.
    fn examine(&self, config: &Path, shell: &str) -> BTreeMap<String, String> {
        let output = Command::new("sh")
            .args(["-c", &format!("{shell} exec \"$@\""), "sh", env!("CARGO_BIN_EXE_ande")])
            .args(["doctor", "--json", "--timeout", "5s", "--min-free", self.free_mib, "--config"])
            .arg(config)
            .env_remove("ANDE_CONFIG")
            .env_remove("CONSENSUS_RPC_URL")
            .output()
            .unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
        });
        let findings = answer["findings"].as_array().unwrap();
        let faults = findings.iter().any(|finding| finding["severity"] == "fault");
        assert_eq!(answer["healthy"], !faults);
        assert_eq!(output.status.code(), Some(if faults { 3 } else { 0 }));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        findings
            .iter()
            .map(|finding| {
                let (what, remedy) = (text(&finding["what"]), text(&finding["remedy"]));
                assert!(!what.is_empty() && !remedy.is_empty());
                assert!(!what.contains(KEY), "a secret is shown");
                (text(&finding["check"]), format!("{what} -> {remedy}"))
            })
            .collect()
    }
}

/// A genesis of the EVM for the chain of the tests.
fn genesis() -> String {
    let dir = tempfile::tempdir().unwrap();
    ande_devnet::write_genesis(dir.path(), ande_devnet::Executor::Evm, 6174, 0).unwrap();
    fs::read_to_string(ande_devnet::genesis_file(dir.path())).unwrap()
}

/// Answers every request with what `answer` makes of its number.
fn server(head: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n{head}\r\n{body}"
            );
        }
    });
    format!("http://{address}")
}

/// A fault: the check that finds it, a word of the answer, and how it is made.
type Fault = (&'static str, &'static str, Box<dyn Fn(&mut Node) + Send + Sync>);

fn fault(
    check: &'static str,
    word: &'static str,
    make: impl Fn(&mut Node) + Send + Sync + 'static,
) -> Fault {
    (check, word, Box::new(make))
}

fn faults(l1: &TestL1, taken: u16, closed: u16) -> Vec<Fault> {
    let stranger = "\"0x9999999999999999999999999999999999999999\"";
    let (consensus, coordinator) = (l1.consensus, l1.coordinator);
    let down = format!("http://127.0.0.1:{closed}");
    let (l1_down, beacon_down, client_down, celestia_down) =
        (down.clone(), down.clone(), down.clone(), down);
    let skewed = server("date: Mon, 01 Jan 2001 00:00:00 GMT\r\n", "{}");
    vec![
        fault("config-unreadable", "blok_time", |node| node.set("chain", "blok_time", "1")),
        fault("config-unreadable", "invalid type", |node| node.set("l1", "chain_id", "\"one\"")),
        fault("config-value", "block_time_ms = 1 is outside", |node| {
            node.set("chain", "block_time_ms", "1");
        }),
        fault("config-value", "keys.validator is required", |node| {
            node.remove("keys", "validator")
        }),
        fault("config-value", "not host:port", |node| {
            node.set("p2p", "advertise", "\"0.0.0.0:30303\"");
        }),
        fault("config-value", "is not an http(s) URL", |node| {
            node.set("l1", "rpc_urls", "[\"ws://127.0.0.1\"]");
        }),
        fault("key-missing", "validator.key", |node| {
            fs::remove_file(node.file("validator.key")).unwrap();
        }),
        fault("key-permissions", "chmod 600", |node| {
            let all = fs::Permissions::from_mode(0o644);
            fs::set_permissions(node.file("validator.key"), all).unwrap();
        }),
        fault("key-format", "validator.key", |node| node.write("validator.key", "no key")),
        fault("key-format", "node.key", |node| node.write("node.key", "no key")),
        fault("client-secret", "jwt", |node| {
            node.set("engine", "url", "\"http://127.0.0.1:1\"");
            node.set("engine", "jwt_secret", "\"jwt.hex\"");
        }),
        fault("execution-client", "does not answer", move |node| {
            node.set("engine", "url", &format!("\"{client_down}\""));
            node.set("engine", "jwt_secret", "\"validator.key\"");
        }),
        fault("beacon-node", "l1.beacon_urls", move |node| {
            node.set("l1", "beacon_urls", &format!("[\"{beacon_down}\"]"));
        }),
        fault("celestia", "does not answer", move |node| {
            node.set("celestia", "url", &format!("\"{celestia_down}\""));
        }),
        fault("celestia", "cannot be read", |node| {
            node.set("celestia", "url", "\"http://127.0.0.1:1\"");
            node.set("celestia", "token", "\"nowhere.token\"");
        }),
        fault("genesis", "cannot be read", |node| {
            node.set("chain", "genesis", "\"nowhere.json\"");
        }),
        fault("genesis", "genesis.json", |node| node.write("genesis.json", "{}")),
        fault("genesis-mismatch", "genesis", |node| {
            let text = fs::read_to_string(node.file("genesis.json")).unwrap();
            let mut genesis: Value = serde_json::from_str(&text).unwrap();
            genesis["timestamp"] = "0x1234".into();
            node.write("genesis.json", &genesis.to_string());
        }),
        fault("data-dir", "which is a file", |node| node.write("data", "")),
        fault("disk-space", "MiB are free", |node| node.free_mib = "999999999999"),
        fault("port-taken", "rpc.listen", move |node| {
            node.set("rpc", "listen", &format!("\"127.0.0.1:{taken}\""));
        }),
        fault("port-twice", "rpc.listen and ops.listen", |node| {
            let address = node.values[&("rpc", "listen")].clone();
            node.set("ops", "listen", &address);
        }),
        fault("port-taken", "an address that this machine has", |node| {
            node.set("rpc", "listen", "\"203.0.113.7:8545\"");
        }),
        fault("ops-public", "for everybody", |node| {
            let port = node.values[&("ops", "listen")].rsplit_once(':').unwrap().1.to_owned();
            node.set("ops", "listen", &format!("\"0.0.0.0:{port}"));
        }),
        fault("advertise-unknown", "nowhere.invalid", |node| {
            node.set("p2p", "advertise", "\"nowhere.invalid:30303\"");
        }),
        fault("guard-held", "two signers", |node| {
            let file = fs::File::create(node.file("validator.key.guard")).unwrap();
            file.lock().unwrap();
            // Held until the process ends.
            std::mem::forget(file);
        }),
        fault("l1-unreachable", "cannot be reached", move |node| {
            node.set("l1", "rpc_urls", &format!("[\"{l1_down}\"]"));
        }),
        fault("clock", "ahead of", move |node| {
            node.set("l1", "rpc_urls", &format!("[\"{skewed}\"]"));
        }),
        fault("l1-chain-id", "chain", |node| node.set("l1", "chain_id", "1")),
        fault("contract-missing", "no contract", move |node| {
            node.set("l1", "consensus", stranger);
        }),
        fault("contract-wrong", "swapped", move |node| {
            node.set("l1", "consensus", &format!("\"{coordinator}\""));
            node.set("l1", "coordinator", &format!("\"{consensus}\""));
        }),
        fault("l2-chain-id", "govern L2 chain 6174", |node| {
            node.set("chain", "l2_chain_id", "7");
            let text = fs::read_to_string(node.file("genesis.json")).unwrap();
            let mut genesis: Value = serde_json::from_str(&text).unwrap();
            genesis["config"]["chainId"] = 7.into();
            node.write("genesis.json", &genesis.to_string());
        }),
        fault("timing", "windows per epoch", |node| {
            node.set("batcher", "interval_ms", "80000000");
        }),
        fault("not-registered", "validator register", |node| node.write("validator.key", KEY)),
        fault("poster-balance", "wei", |node| {
            node.write("poster.key", &hex::encode([0x77; 32]));
            let own = fs::Permissions::from_mode(0o600);
            fs::set_permissions(node.file("poster.key"), own).unwrap();
            node.set("keys", "poster", "\"poster.key\"");
        }),
        fault("node-id", "keys.node is", |node| node.write("node.key", &hex::encode([9; 32]))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn injected_faults_are_found() {
    let l1 = settlement().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mine = TestValidator::new(2, "http://127.0.0.1:1");
    let node = Node::healthy(&l1, &mine);
    l1.register(&mine).await;

    let found = node.examine(&node.config(), "");
    assert_eq!(found, BTreeMap::new(), "nothing is wrong");
    let found = node.examine(&node.file("nowhere.toml"), "");
    assert!(found["config-missing"].contains("--config"), "{found:?}");
    let found = node.examine(&node.config(), "ulimit -n 300;");
    assert!(found["open-files"].contains("ulimit -n"), "{found:?}");

    let port = taken.local_addr().unwrap().port();
    let all = faults(&l1, port, ande_ports::reserve().unwrap());
    let examine = |(check, word, make): &Fault| {
        let mut node = Node::healthy(&l1, &mine);
        make(&mut node);
        let found = node.examine(&node.config(), "");
        let answer = found.get(*check).unwrap_or_else(|| panic!("{check} {word}: {found:?}"));
        assert!(answer.contains(word), "{check}: {word:?} is not in {answer}");
        format!("{check:18} {answer}\n")
    };
    let mut table = String::new();
    for some in all.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let running: Vec<_> = some.iter().map(|fault| scope.spawn(|| examine(fault))).collect();
            for one in running {
                table.push_str(&one.join().unwrap());
            }
        });
    }
    println!("{table}{} faults", all.len() + 2);
    assert!(all.len() >= 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_registration_are_found() {
    let l1 = settlement().await;
    let other =
        server("", r#"{"jsonrpc":"2.0","id":1,"result":{"node":{"name":"other","signer":null}}}"#);
    let mine = TestValidator::new(2, &other);
    let node = Node::healthy(&l1, &mine);
    l1.register(&mine).await;
    let found = node.examine(&node.config(), "");
    assert!(found["endpoint-of-other"].contains("node \"other\" answers"), "{found:?}");

    let contract = AndeConsensus::new(l1.consensus, l1.provider(&mine.key));
    let endpoint = |text: &str| contract.updateEndpoint(1, mine.node.id().0, text.to_owned());
    endpoint("http://a.example:8545/path").send().await.unwrap().get_receipt().await.unwrap();
    let found = node.examine(&node.config(), "");
    assert!(found["endpoint-form"].contains("validator update --endpoint"), "{found:?}");
    endpoint("http://198.51.100.1:8545").send().await.unwrap().get_receipt().await.unwrap();
    let found = node.examine(&node.config(), "");
    assert!(found["advertise-private"].contains("is only this machine"), "{found:?}");

    contract.requestExit(1).send().await.unwrap().get_receipt().await.unwrap();
    let found = node.examine(&node.config(), "");
    assert!(found["validator-status"].contains("validator 1 is leaving"), "{found:?}");

    // A settlement block of the future: this machine's clock is behind.
    l1.rpc("evm_increaseTime", (U256::from(3_600),)).await;
    l1.mine(1).await;
    let found = node.examine(&node.config(), "");
    assert!(found["clock"].contains("behind block"), "{found:?}");
}

/// A settlement chain whose contracts are of the node's genesis.
async fn settlement() -> TestL1 {
    let mut l1 = TestL1::start(PLAN).await;
    // One connection, which counts its transactions.
    let bank = l1.bank();
    let dir = tempfile::tempdir().unwrap();
    let genesis = ande_devnet::write_genesis(dir.path(), ande_devnet::Executor::Evm, 6174, 0);
    let consensus = AndeConsensus::deploy(bank.clone()).await.unwrap();
    let mut rules = AndeConsensus::new(l1.consensus, bank.clone()).config().call().await.unwrap();
    rules.l2GenesisHash = genesis.unwrap();
    consensus.configure(rules).send().await.unwrap().get_receipt().await.unwrap();
    let coordinator =
        AndeSequencerCoordinator::deploy(bank.clone(), *consensus.address()).await.unwrap();
    let set = consensus.setCoordinator(*coordinator.address());
    set.send().await.unwrap().get_receipt().await.unwrap();
    l1.consensus = *consensus.address();
    l1.coordinator = *coordinator.address();
    l1.token = consensus.stakeToken().call().await.unwrap();
    l1
}
