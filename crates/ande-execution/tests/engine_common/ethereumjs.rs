//! A real execution client as a child process: `@ethereumjs/client`, from the package lock of the
//! repository.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ande_execution::{EngineClient, EngineConfig, JwtSecret};
use ande_ports::reserve;

/// How long it may take until the client answers; it needs 8 s of an idle core.
const START_LIMIT: Duration = Duration::from_secs(180);

pub const SECRET: &str = "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// The client with its files, which outlive the process.
pub struct EthereumJs {
    dir: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl EthereumJs {
    /// Starts it on a genesis and waits until it answers.
    pub async fn start(genesis: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("genesis.json"), genesis).unwrap();
        std::fs::write(dir.path().join("jwt.hex"), SECRET).unwrap();
        let mut this = Self { dir, port: reserve().unwrap(), process: None };
        this.restart().await;
        this
    }

    /// Starts it again on its data, with the same address.
    pub async fn restart(&mut self) {
        assert!(self.process.is_none());
        let log =
            File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let process = Command::new("node")
            .arg(program())
            .arg(format!("--gethGenesis={}", self.path("genesis.json")))
            .arg(format!("--dataDir={}", self.path("data")))
            .arg(format!("--jwtSecret={}", self.path("jwt.hex")))
            .args(["--rpcEngine", "--rpcEngineAddr=127.0.0.1"])
            .arg(format!("--rpcEnginePort={}", self.port))
            .arg(format!("--port={}", reserve().unwrap()))
            .args(["--discV4=false", "--discDns=false", "--isSingleNode", "--maxPeers=0"])
            .arg("--logLevel=info")
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("Node.js runs");
        self.process = Some(process);
        let client = self.client();
        let deadline = Instant::now() + START_LIMIT;
        while let Err(error) = client.chain_id().await {
            let exit = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(
                exit.is_none() && Instant::now() < deadline,
                "the client did not start ({error}, {exit:?}):\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends it without warning.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub fn config(&self) -> EngineConfig {
        let url = format!("http://127.0.0.1:{}", self.port).parse().unwrap();
        let mut config = EngineConfig::new(url, JwtSecret::from_hex(SECRET).unwrap());
        config.request_timeout = Duration::from_secs(60);
        config
    }

    pub fn client(&self) -> EngineClient {
        EngineClient::new(self.config()).unwrap()
    }

    /// The end of what it wrote.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }
}

impl Drop for EthereumJs {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = root.join("node_modules/@ethereumjs/client/dist/esm/bin/cli.js");
    assert!(
        program.exists(),
        "{} is missing; run `npm install --no-save` in the repository root",
        program.display()
    );
    program
}
