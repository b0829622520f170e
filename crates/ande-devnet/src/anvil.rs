//! The settlement chain of a local cluster: anvil, with its state in a file.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use eyre::{Result, bail};
use serde_json::{Value, json};

use crate::{
    process::{Launch, OnOrphan, Process},
    rpc::Rpc,
    tools,
    wait::wait_until,
};

/// Chain id of the settlement chain.
pub const L1_CHAIN_ID: u64 = 31337;
/// The first account of anvil's public test mnemonic: owner and bank of a local cluster. Worth
/// nothing anywhere else.
pub const BANK_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// Blocks below the head that are not final, with one slot in an epoch.
const FINAL_DEPTH: u64 = 2;
const STATE_FILE: &str = "anvil-state.json";
const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_GRACE: Duration = Duration::from_secs(20);

/// A settlement chain: stopped, running or frozen.
#[derive(Debug)]
pub struct Anvil {
    dir: PathBuf,
    port: u16,
    block_time_secs: u64,
    /// How far the clock of a new chain is behind this machine's.
    behind: Duration,
    on_orphan: OnOrphan,
    process: Option<Process>,
}

impl Anvil {
    /// A chain with its state in `dir`, not started yet.
    #[must_use]
    pub fn new(dir: &Path, port: u16, block_time_secs: u64, on_orphan: OnOrphan) -> Self {
        Self {
            dir: dir.to_path_buf(),
            port,
            block_time_secs,
            behind: Duration::ZERO,
            on_orphan,
            process: None,
        }
    }

    /// Sets the clock of a new chain back by whole seconds, so that what happens on it is old at
    /// once. A chain that is continued has the machine's clock.
    #[must_use]
    pub const fn behind(mut self, behind: Duration) -> Self {
        self.behind = behind;
        self
    }

    /// JSON-RPC endpoint.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whether a state file of an earlier run exists.
    #[must_use]
    pub fn has_state(&self) -> bool {
        self.dir.join(STATE_FILE).exists()
    }

    /// Removes the state of an earlier run.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget_state(&self) -> Result<()> {
        match std::fs::remove_file(self.dir.join(STATE_FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The running process.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// Starts the chain, or continues it from its state file, and waits until it answers.
    ///
    /// # Errors
    /// When anvil is missing, ends at once or does not answer.
    pub async fn start(&mut self) -> Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        let continues = self.has_state();
        let mut args = [
            "--host".into(),
            "127.0.0.1".into(),
            "--port".into(),
            self.port.to_string(),
            "--chain-id".into(),
            L1_CHAIN_ID.to_string(),
            "--block-time".into(),
            self.block_time_secs.to_string(),
            // Two blocks below the head are final.
            "--slots-in-an-epoch".into(),
            "1".into(),
            "--order".into(),
            "fifo".into(),
            "--state".into(),
            STATE_FILE.into(),
            "--state-interval".into(),
            "5".into(),
            "--cache-path".into(),
            "anvil-cache".into(),
            "--quiet".into(),
        ]
        .map(|arg: String| OsString::from(arg))
        .to_vec();
        if !continues && !self.behind.is_zero() {
            let begin = SystemTime::now() - self.behind;
            let seconds = begin.duration_since(UNIX_EPOCH)?.as_secs();
            args.extend(["--timestamp".into(), seconds.to_string().into()]);
        }
        let mut process = Process::spawn(&Launch {
            name: "anvil".into(),
            program: tools::foundry_binary("anvil")?,
            args,
            dir: self.dir.clone(),
            env: Vec::new(),
            log: self.dir.join("anvil.log"),
            on_orphan: self.on_orphan,
        })?;
        let rpc = Rpc::new(self.url(), Duration::from_secs(2))?;
        let answered = wait_until("anvil answers", START_LIMIT, async || {
            if let Some(status) = process.try_wait() {
                bail!("anvil ended with {status}:\n{}", process.log_tail(10));
            }
            Ok(rpc.height().await.ok())
        })
        .await;
        answered?;
        if continues {
            // anvil keeps only the state of its last block. Blocks of this run take the place of
            // the final ones, whose state the nodes read.
            rpc.call::<Value>("anvil_mine", json!([FINAL_DEPTH + 1])).await?;
        }
        self.process = Some(process);
        Ok(())
    }

    /// Mines a block for every transaction as it comes, for set-up.
    ///
    /// # Errors
    /// When anvil does not answer.
    pub async fn mine_instantly(&self) -> Result<()> {
        mine_instantly(&self.url()).await
    }

    /// Goes back to one block per block time.
    ///
    /// # Errors
    /// When anvil does not answer.
    pub async fn mine_in_intervals(&self) -> Result<()> {
        mine_in_intervals(&self.url(), self.block_time_secs).await
    }

    /// Stops the chain; it writes its state first.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.stop(STOP_GRACE).await?;
        }
        Ok(())
    }
}

/// Has anvil mine a block for every transaction as it comes, for set-up.
///
/// # Errors
/// When anvil does not answer.
pub(crate) async fn mine_instantly(url: &str) -> Result<()> {
    let rpc = Rpc::new(url, Duration::from_secs(5))?;
    rpc.call::<()>("evm_setIntervalMining", json!([0])).await?;
    rpc.call::<()>("evm_setAutomine", json!([true])).await?;
    Ok(())
}

/// Has anvil mine a block every so many seconds.
///
/// # Errors
/// When anvil does not answer.
pub(crate) async fn mine_in_intervals(url: &str, seconds: u64) -> Result<()> {
    let rpc = Rpc::new(url, Duration::from_secs(5))?;
    rpc.call::<()>("evm_setAutomine", json!([false])).await?;
    rpc.call::<()>("evm_setIntervalMining", json!([seconds])).await?;
    Ok(())
}
