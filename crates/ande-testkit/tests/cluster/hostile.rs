//! Configurations that must be refused, each with a message that says what to do.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use ande_devnet::{Launch, OnOrphan, Process, node_binary};
use ande_testkit::{Plan, TestCluster};
use eyre::{Result, ensure};

const REFUSAL: Duration = Duration::from_secs(20);
const BAD_CONFIG: i32 = 78;
const BAD_KEY: i32 = 77;

/// A node directory of its own with the configuration and fresh copies of the keys of another.
struct Attempt {
    dir: PathBuf,
}

impl Attempt {
    fn copy(from: &Path, to: PathBuf) -> Result<Self> {
        fs::create_dir_all(&to)?;
        for file in ["node.toml", "validator.key", "node.key"] {
            fs::copy(from.join(file), to.join(file))?;
        }
        Ok(Self { dir: to })
    }

    fn config(&self) -> PathBuf {
        self.dir.join("node.toml")
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
            log: self.dir.join("node.log"),
            on_orphan: OnOrphan::Kill,
        })?;
        let status = process.wait(REFUSAL).await;
        let text = process.log_since_start();
        let status = status.map_err(|error| error.wrap_err(format!("{what}: {text}")))?;
        let tail = process.log_tail(4);
        ensure!(status.code() == Some(code), "{what}: {status}, expected {code}:\n{text}");
        let lower = text.to_lowercase();
        for word in words {
            ensure!(lower.contains(&word.to_lowercase()), "{what}: no {word:?} in:\n{text}");
        }
        eprintln!("--- {what}: {status}\n{tail}");
        Ok(())
    }
}

#[tokio::test]
async fn hostile_configurations_are_refused_with_advice() -> Result<()> {
    TestCluster::start(Plan::default())
        .await?
        .observed(async |cluster| {
            let node = &cluster.cluster().nodes()[0];
            let (origin, contracts) = (node.dir().to_path_buf(), cluster.cluster().contracts());
            let root = cluster.dir().to_path_buf();
            let attempt = |name: &str| Attempt::copy(&origin, root.join(name));

            let wrong_l1 = attempt("wrong-l1")?;
            wrong_l1.edit("chain_id = 31337", "chain_id = 11155111")?;
            wrong_l1.refused("wrong settlement chain", BAD_CONFIG, &["31337", "11155111"]).await?;

            let wrong_contract = attempt("wrong-contract")?;
            let consensus = contracts.consensus.to_string();
            wrong_contract.edit(&consensus, &contracts.token.to_string())?;
            wrong_contract
                .refused("wrong contract", BAD_CONFIG, &[&contracts.token.to_string()])
                .await?;

            let no_code = attempt("no-code")?;
            no_code.edit(&consensus, "0x00000000000000000000000000000000000000aa")?;
            no_code
                .refused("no contract", BAD_CONFIG, &["0x00000000000000000000000000000000000000aa"])
                .await?;

            let unknown = attempt("unknown-setting")?;
            unknown.edit("heartbeat_ms", "hartbeat_ms")?;
            unknown.refused("unknown setting", BAD_CONFIG, &["hartbeat_ms"]).await?;

            let wrong_key = attempt("wrong-key")?;
            fs::write(wrong_key.dir.join("validator.key"), "not a key\n")?;
            wrong_key.refused("malformed key", BAD_KEY, &["validator.key", "64"]).await?;

            let zero_key = attempt("zero-key")?;
            fs::write(zero_key.dir.join("validator.key"), format!("{}\n", "0".repeat(64)))?;
            zero_key.refused("impossible key", BAD_KEY, &["validator.key"]).await?;

            let open_key = attempt("open-key")?;
            fs::set_permissions(
                open_key.dir.join("validator.key"),
                fs::Permissions::from_mode(0o644),
            )?;
            open_key
                .refused("key readable by others", BAD_KEY, &["validator.key", "chmod 600"])
                .await?;

            // The same files while node-1 runs with them: its directory is in use.
            let second = Attempt { dir: origin.clone() };
            let pid = node.pid();
            let text = second.refused_while_running().await?;
            ensure!(cluster.cluster().nodes()[0].pid() == pid, "node-1 was replaced");
            eprintln!("--- second process on one directory and key\n{text}");

            // The same key file with another data directory: the key itself is in use.
            let other_data = root.join("other-data");
            fs::create_dir_all(&other_data)?;
            let text = fs::read_to_string(origin.join("node.toml"))?;
            let key = |name: &str| format!("\"{}\"", origin.join(name).display());
            let text = text
                .replace("\"validator.key\"", &key("validator.key"))
                .replace("\"node.key\"", &key("node.key"));
            fs::write(other_data.join("node.toml"), text)?;
            let shared = Attempt { dir: other_data };
            shared.refused("second process on one key", BAD_KEY, &["validator.key"]).await?;

            // The cluster took no harm.
            let height = cluster.height().await;
            let signed = cluster.wallet().next_transfer()?;
            cluster.submit(&cluster.rpc(0)?, &signed).await?;
            cluster.wait_height(0, height + 1, Duration::from_secs(15)).await?;
            cluster.check_invariants(&[]).await.map(|_| ())
        })
        .await
}

impl Attempt {
    /// Runs the node on a directory in use; returns what it said.
    async fn refused_while_running(&self) -> Result<String> {
        let log = self.dir.join("second.log");
        let mut process = Process::spawn(&Launch {
            name: "second process".to_owned(),
            program: node_binary()?,
            args: vec!["--config".into(), self.config().into()],
            dir: self.dir.clone(),
            env: Vec::new(),
            log,
            on_orphan: OnOrphan::Kill,
        })?;
        let status = process.wait(REFUSAL).await?;
        let text = process.log_since_start();
        ensure!(!status.success(), "a second process ran on one directory:\n{text}");
        ensure!(
            text.to_lowercase().contains("another process") || text.contains("in use"),
            "the message does not say that another process runs:\n{text}"
        );
        Ok(process.log_tail(4))
    }
}
