//! The files and contracts of `docker-compose-testnet.yml`.

mod contracts;
mod files;

use std::{fs, path::Path};

use alloy::{
    primitives::{Address, B256},
    signers::local::PrivateKeySigner,
};
use ande_haproxy::{TESTNET_NODES, TESTNET_RPC};
use ande_primitives::NodeId;
use eyre::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

pub use contracts::{TestnetContracts, launch};
pub use files::{ENV_FILE, GRAFANA_PASSWORD_FILE, Owner, SECRETS_DIR, init};

use crate::{
    anvil::{BANK_KEY, L1_CHAIN_ID},
    deploy::{Chain, Contracts, write_json},
    genesis::Executor,
    options::{L2_CHAIN_ID, STAKE},
};

const FILE: &str = "testnet.json";
/// Time between settlement blocks in seconds; the compose file starts anvil with it.
pub const L1_BLOCK_TIME_SECS: u64 = 1;

/// What a testnet may be asked to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct TestnetOptions {
    /// Time between blocks under load in milliseconds; 2000 unless given.
    pub block_time_ms: Option<u64>,
    /// Heights per window; 10 unless given.
    pub rotation: Option<u32>,
    /// Windows per epoch; 6 unless given.
    pub windows_per_epoch: Option<u32>,
}

/// What a testnet is: decided when its directory is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Testnet {
    /// Chain id of the settlement chain.
    pub l1_chain_id: u64,
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// Hash of block 0.
    pub genesis_hash: B256,
    /// `AndeConsensus`: the address that it will get.
    pub consensus: Address,
    /// `AndeSequencerCoordinator`: the address that it will get.
    pub coordinator: Address,
    /// Time between blocks under load in milliseconds.
    pub block_time_ms: u64,
    /// Heights per window.
    pub rotation: u32,
    /// Windows per epoch.
    pub windows_per_epoch: u32,
    /// Whole tokens that each validator stakes.
    pub stake: u64,
    /// The validators in the order of their containers.
    pub validators: Vec<TestnetValidator>,
}

/// One validator of a testnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestnetValidator {
    /// Name of node and container.
    pub name: String,
    /// Endpoint that it registers.
    pub endpoint: String,
    /// Owner and signer.
    pub address: Address,
    /// Network identity.
    pub node_id: NodeId,
}

impl Testnet {
    /// The testnet of these keys; what is not asked for is as it was `before`, or the default.
    fn new(
        options: TestnetOptions,
        before: Option<&Self>,
        genesis_hash: B256,
        validators: Vec<TestnetValidator>,
    ) -> Result<Self> {
        let bank: PrivateKeySigner = BANK_KEY.parse()?;
        let (consensus, coordinator) = Contracts::first_of(bank.address());
        Ok(Self {
            l1_chain_id: L1_CHAIN_ID,
            l2_chain_id: L2_CHAIN_ID,
            genesis_hash,
            consensus,
            coordinator,
            block_time_ms: options
                .block_time_ms
                .or(before.map(|it| it.block_time_ms))
                .unwrap_or(2_000),
            rotation: options.rotation.or(before.map(|it| it.rotation)).unwrap_or(10),
            windows_per_epoch: options
                .windows_per_epoch
                .or(before.map(|it| it.windows_per_epoch))
                .unwrap_or(6),
            stake: STAKE,
            validators,
        })
    }

    /// Reads the testnet of a directory.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub fn load(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path)?;
        let testnet = serde_json::from_str(&text);
        testnet.map(Some).wrap_err_with(|| format!("{} is damaged", path.display()))
    }

    fn save(&self, dir: &Path) -> Result<()> {
        write_json(&dir.join(FILE), self)
    }

    /// What the configuration of its nodes says of the chain.
    fn chain(&self) -> Chain {
        Chain {
            l1_chain_id: self.l1_chain_id,
            l2_chain_id: self.l2_chain_id,
            consensus: self.consensus,
            coordinator: self.coordinator,
            executor: Executor::Evm,
            block_time_ms: self.block_time_ms,
        }
    }

    /// A chain cannot change its rules once its contracts may be deployed.
    fn check_unchanged(&self, before: &Self, dir: &Path) -> Result<()> {
        if self == before {
            return Ok(());
        }
        let mut differences = Vec::new();
        let mut compare = |what: &str, have: String, want: String| {
            if have != want {
                differences.push(format!("{what}: {have}, now {want}"));
            }
        };
        let text = |number: u32| number.to_string();
        compare(
            "block time",
            format!("{} ms", before.block_time_ms),
            format!("{} ms", self.block_time_ms),
        );
        compare("rotation", text(before.rotation), text(self.rotation));
        compare("windows per epoch", text(before.windows_per_epoch), text(self.windows_per_epoch));
        compare("genesis", before.genesis_hash.to_string(), self.genesis_hash.to_string());
        if differences.is_empty() {
            differences.push("keys or contracts are others".to_owned());
        }
        bail!(
            "the testnet in {dir} was made otherwise ({}). Ask for the same, or choose another directory",
            differences.join("; "),
            dir = dir.display()
        )
    }
}

/// Names of the nodes.
fn names() -> impl Iterator<Item = String> {
    (1..=TESTNET_NODES).map(|number| format!("node-{number}"))
}

/// What a node registers.
fn endpoint(name: &str) -> String {
    format!("http://{name}:{TESTNET_RPC}")
}
