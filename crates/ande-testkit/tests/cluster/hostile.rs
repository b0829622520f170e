//! Configurations that must be refused, each with a message that says what to do.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use ande_devnet::{
    Launch, NODE_KEY_FILE, Node, OnOrphan, Ports, Process, VALIDATOR_KEY_FILE, node_binary,
};
use ande_node::write_secret;
use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};

const CONFIG: &str = "node.toml";

const REFUSAL: Duration = Duration::from_secs(20);
const BAD_CONFIG: i32 = 78;
const BAD_KEY: i32 = 77;

/// A node directory of its own with configuration and keys copied from a running node.
struct Attempt {
    dir: PathBuf,
}

impl Attempt {
    /// The copy listens on ports of its own: a taken port would be refused before anything else.
    fn copy(node: &Node, to: PathBuf) -> Result<Self> {
        fs::create_dir_all(&to)?;
        for file in [CONFIG, VALIDATOR_KEY_FILE, NODE_KEY_FILE] {
            fs::copy(node.dir().join(file), to.join(file))?;
        }
        let attempt = Self { dir: to };
        let (old, free) = (node.ports(), Ports::free(1)?);
        let new = free.nodes.first().wrap_err("no free ports")?;
        for (old, new) in
            [(old.rpc, new.rpc), (old.ws, new.ws), (old.ops, new.ops), (old.p2p, new.p2p)]
        {
            attempt.edit(&format!(":{old}\""), &format!(":{new}\""))?;
        }
        Ok(attempt)
    }

    fn config(&self) -> PathBuf {
        self.dir.join(CONFIG)
    }

    /// Replaces every occurrence in the configuration.
    fn edit(&self, from: &str, to: &str) -> Result<()> {
        let text = fs::read_to_string(self.config())?;
        ensure!(text.contains(from), "{from:?} is not in the configuration");
        fs::write(self.config(), text.replace(from, to))?;
        Ok(())
    }

    /// Runs the node until it ends and checks exit code and message.
    async fn refused(&self, what: &str, code: i32, words: &[&str]) -> Result<()> {
        let mut process = Process::spawn(&Launch {
            name: what.to_owned(),
            program: node_binary()?,
            args: vec!["--config".into(), self.config().into()],
            dir: self.dir.clone(),
            env: Vec::new(),
            log: self.dir.join("attempt.log"),
            on_orphan: OnOrphan::Kill,
        })?;
        let status = process.wait(REFUSAL).await;
        let text = process.log_since_start();
        let status = status.map_err(|error| error.wrap_err(format!("{what}: {text}")))?;
        ensure!(status.code() == Some(code), "{what}: {status}, expected {code}:\n{text}");
        let lower = text.to_lowercase();
        for word in words {
            ensure!(lower.contains(&word.to_lowercase()), "{what}: no {word:?} in:\n{text}");
        }
        eprintln!("--- {what}: {status}\n{}", process.log_tail(3));
        Ok(())
    }
}

#[tokio::test]
async fn hostile_configurations_are_refused_with_advice() -> Result<()> {
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            let node = &cluster.cluster().nodes()[0];
            let origin = node.dir().to_path_buf();
            let contracts = cluster.cluster().contracts();
            let (consensus, token) = (contracts.consensus.to_string(), contracts.token.to_string());
            let attempt = |name: &str| Attempt::copy(node, cluster.dir().join(name));

            let wrong_l1 = attempt("wrong-l1")?;
            wrong_l1.edit("chain_id = 31337", "chain_id = 11155111")?;
            wrong_l1.refused("wrong settlement chain", BAD_CONFIG, &["31337", "11155111"]).await?;

            let wrong_contract = attempt("wrong-contract")?;
            wrong_contract.edit(&consensus, &token)?;
            wrong_contract.refused("wrong contract", BAD_CONFIG, &[&token]).await?;

            let no_code = attempt("no-code")?;
            let nobody = "0x00000000000000000000000000000000000000aa";
            no_code.edit(&consensus, nobody)?;
            no_code.refused("no contract", BAD_CONFIG, &["no contract at", nobody]).await?;

            let swapped = attempt("wrong-coordinator")?;
            swapped.edit(&contracts.coordinator.to_string(), &token)?;
            swapped.refused("wrong coordinator", BAD_CONFIG, &[&token]).await?;

            let other_l2 = attempt("wrong-l2")?;
            other_l2.edit("l2_chain_id = 6174", "l2_chain_id = 6175")?;
            other_l2.refused("wrong L2 chain", BAD_CONFIG, &["6174", "6175"]).await?;

            let no_genesis = attempt("no-genesis")?;
            no_genesis.edit("../genesis.json", "nowhere.json")?;
            let words = ["nowhere.json", "chain.genesis"];
            no_genesis.refused("no genesis file", BAD_CONFIG, &words).await?;

            let other_genesis = attempt("other-genesis")?;
            other_genesis.edit("../genesis.json", "genesis.json")?;
            let text = fs::read_to_string(cluster.dir().join("genesis.json"))?;
            let other = text.replace("\"timestamp\": \"0x0\"", "\"timestamp\": \"0x1\"");
            ensure!(other != text, "the genesis has another form");
            fs::write(other_genesis.dir.join("genesis.json"), other)?;
            other_genesis.refused("genesis of another chain", BAD_CONFIG, &["genesis"]).await?;

            let unknown = attempt("unknown-setting")?;
            unknown.edit("heartbeat_ms", "hartbeat_ms")?;
            unknown.refused("unknown setting", BAD_CONFIG, &["hartbeat_ms"]).await?;

            let limits = attempt("senseless-limits")?;
            limits.edit("[rpc]\n", "[rpc]\nconnections = 0\ncalls_waiting = 10\n")?;
            let pool = "[pool]\nmax_transactions = 10\nmax_bytes = 17179869185\n\n[ops]\n";
            limits.edit("[ops]\n", pool)?;
            let words = [
                "rpc.connections = 0 is outside",
                "lower rpc.calls_at_once or raise rpc.calls_waiting",
                "pool.max_bytes = 17179869185 is outside",
                "lower pool.max_per_sender or raise pool.max_transactions",
            ];
            limits.refused("limits that make no node", BAD_CONFIG, &words).await?;

            let wrong_key = attempt("wrong-key")?;
            fs::write(wrong_key.dir.join(VALIDATOR_KEY_FILE), "not a key\n")?;
            wrong_key.refused("malformed key", BAD_KEY, &[VALIDATOR_KEY_FILE, "64 hex"]).await?;

            let zero_key = attempt("zero-key")?;
            fs::write(zero_key.dir.join(VALIDATOR_KEY_FILE), format!("{}\n", "0".repeat(64)))?;
            zero_key.refused("impossible key", BAD_KEY, &[VALIDATOR_KEY_FILE]).await?;

            let open_key = attempt("open-key")?;
            let file = open_key.dir.join(VALIDATOR_KEY_FILE);
            fs::set_permissions(file, fs::Permissions::from_mode(0o644))?;
            open_key.refused("key readable by others", BAD_KEY, &["chmod 600"]).await?;

            // A key that node-1 signs with, from another directory.
            let quoted = |path: PathBuf| format!("\"{}\"", path.display());
            let shared_key = attempt("shared-key")?;
            let key = quoted(origin.join(VALIDATOR_KEY_FILE));
            shared_key.edit(&format!("\"{VALIDATOR_KEY_FILE}\""), &key)?;
            shared_key.refused("second process on one key", BAD_KEY, &["another process"]).await?;

            // Another key on the data directory of node-1.
            let shared_data = attempt("shared-data")?;
            fs::remove_file(shared_data.dir.join(VALIDATOR_KEY_FILE))?;
            let fresh = hex_digits(shared_data.dir.to_string_lossy().as_bytes());
            write_secret(&shared_data.dir.join(VALIDATOR_KEY_FILE), &fresh)?;
            shared_data.edit(
                "data_dir = \"data\"",
                &format!("data_dir = {}", quoted(origin.join("data"))),
            )?;
            shared_data.refused("second process on one data directory", 1, &["in use"]).await?;

            // The running configuration itself: its ports are taken.
            let same = Attempt { dir: origin.clone() };
            same.refused("same configuration twice", 1, &["another process"]).await?;

            // The cluster took no harm.
            let height = cluster.height().await;
            let signed = cluster.wallet().await?.next_transfer()?;
            cluster.submit(&cluster.rpc(0)?, &signed).await?;
            cluster.wait_height(0, height + 1, Duration::from_secs(15)).await?;
            cluster.check_invariants(&[]).await.map(|_| ())
        })
        .await
}

/// 64 digits made of some bytes.
fn hex_digits(seed: &[u8]) -> String {
    let digits: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.repeat(64).chars().take(64).collect()
}
