//! A second real execution client as a child process: `tools/dev-el`, made of the ethrex libraries.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ande_execution::{EngineClient, EngineConfig, JwtSecret};
use ande_ports::reserve;
use url::Url;

use super::ethereumjs::SECRET;

/// How long it may take until the client answers; it needs less than 1 s of an idle core.
const START_LIMIT: Duration = Duration::from_secs(180);

/// The client; its state is in memory.
pub struct Ethrex {
    dir: tempfile::TempDir,
    /// Of its Engine API and of its JSON-RPC.
    ports: [u16; 2],
    process: Option<Child>,
}

impl Ethrex {
    /// Starts it on a genesis and waits until it answers.
    pub async fn start(genesis: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("genesis.json"), genesis).unwrap();
        std::fs::write(dir.path().join("jwt.hex"), SECRET).unwrap();
        let ports = [reserve().unwrap(), reserve().unwrap()];
        let mut this = Self { dir, ports, process: None };
        this.restart().await;
        this
    }

    /// Starts it again with the same address, as new.
    pub async fn restart(&mut self) {
        assert!(self.process.is_none());
        let path = |name: &str| self.dir.path().join(name);
        let log = File::options().create(true).append(true).open(path("log")).unwrap();
        let process = Command::new(program())
            .args([path("genesis.json"), path("jwt.hex")])
            .args(self.ports.map(|port| port.to_string()))
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("the client runs");
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
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends it without warning.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Has it stand still, or go on.
    pub fn freeze(&self, is_frozen: bool) {
        let signal = if is_frozen { "-STOP" } else { "-CONT" };
        let process = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
    }

    pub fn config(&self) -> EngineConfig {
        let secret = JwtSecret::from_hex(SECRET).unwrap();
        let mut config = EngineConfig::new(local(self.ports[0]), secret);
        config.request_timeout = Duration::from_secs(60);
        config
    }

    pub fn client(&self) -> EngineClient {
        EngineClient::new(self.config()).unwrap()
    }

    /// Where it answers without a token, `testing_buildBlockV1` too.
    pub fn rpc(&self) -> Url {
        local(self.ports[1])
    }

    /// The end of what it wrote.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

fn local(port: u16) -> Url {
    format!("http://127.0.0.1:{port}").parse().unwrap()
}

/// Beside the build of the product: a test runs from `<target>/<profile>/deps`.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(3).unwrap().join("dev-el/debug/dev-el");
    assert!(
        program.exists(),
        "{0} is missing; run `cargo build --locked --manifest-path tools/dev-el/Cargo.toml \
         --target-dir target/dev-el` in the repository root",
        program.display()
    );
    program
}

impl Drop for Ethrex {
    fn drop(&mut self) {
        self.kill();
    }
}
