//! A settlement chain with the real contracts, for the tests of this and other crates. Behind the
//! cargo feature `test-support`; never part of a node.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod liar;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alloy::{
    network::{Ethereum, EthereumWallet},
    primitives::{Address, B256, Bytes, U256},
    providers::{DynProvider, Provider as _, ProviderBuilder},
    signers::local::PrivateKeySigner,
};
use ande_contracts::{AndeConsensus, AndeSequencerCoordinator as Coordinator, AndeToken};
use ande_primitives::{Domain, NodeKey, ValidatorKey};
use url::Url;

pub use self::liar::{Liar, Lie};
use crate::{Finality, L1Client, L1Config};

/// Chain id of the test chain.
pub const L1_CHAIN_ID: u64 = 31_337;
/// Chain id of the L2 that the contracts govern.
pub const L2_CHAIN_ID: u64 = 6_174;
/// Hash of the L2 genesis block.
pub const GENESIS: B256 = B256::repeat_byte(0x47);
/// First account of anvil's public mnemonic: deploys, owns and pays.
const BANK: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
/// Generous: anvil loads the setup of blobs with the first one, seconds of a core.
const LIMIT: Duration = Duration::from_secs(120);

/// Waits until `condition` holds.
///
/// # Panics
/// After 120 s.
pub async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "not in {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Installs what TLS needs once per process.
pub fn init() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A running anvil. Killed when dropped.
#[derive(Debug)]
pub struct Anvil {
    port: u16,
    dir: tempfile::TempDir,
    child: Option<Child>,
}

impl Anvil {
    /// Starts anvil; two blocks behind the latest one are final, a block is made for every
    /// transaction.
    ///
    /// # Panics
    /// When anvil is not installed (`npm install --no-save`) or does not answer.
    pub async fn start() -> Self {
        init();
        let mut anvil = Self {
            port: ande_ports::reserve().unwrap(),
            dir: tempfile::tempdir().unwrap(),
            child: None,
        };
        anvil.launch().await;
        anvil
    }

    async fn launch(&mut self) {
        let mut command =
            match ["/usr/bin/setpriv", "/bin/setpriv"].iter().find(|p| Path::new(p).exists()) {
                Some(setpriv) => {
                    let mut command = Command::new(setpriv);
                    command.args(["--pdeathsig", "KILL", "--"]).arg(binary());
                    command
                }
                None => Command::new(binary()),
            };
        let child = command
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--chain-id", &L1_CHAIN_ID.to_string(), "--slots-in-an-epoch", "1"])
            .args(["--order", "fifo", "--quiet", "--state", "state.json"])
            .arg("--preserve-historical-states")
            .args(["--cache-path", "cache"])
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil starts");
        self.child = Some(child);
        let client = L1Client::new(&[self.url()], L1_CHAIN_ID, Duration::from_secs(2)).unwrap();
        eventually("anvil answers", async || client.latest_number().await.ok()).await;
    }

    /// HTTP endpoint.
    #[must_use]
    pub fn url(&self) -> Url {
        format!("http://127.0.0.1:{}", self.port).parse().unwrap()
    }

    /// Stops anvil; its state is kept.
    pub async fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        signal(&child, "TERM");
        eventually("anvil ends", async || child.try_wait().unwrap()).await;
    }

    /// Starts anvil again with its state.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.launch().await;
    }

    /// Starts anvil again as a fresh chain.
    pub async fn replace(&mut self) {
        self.stop().await;
        let _ = std::fs::remove_file(self.dir.path().join("state.json"));
        self.launch().await;
    }

    /// Freezes the process: connections stay open and nothing answers.
    pub fn freeze(&self) {
        signal(self.child.as_ref().unwrap(), "STOP");
    }

    /// Ends a freeze.
    pub fn thaw(&self) {
        signal(self.child.as_ref().unwrap(), "CONT");
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

fn binary() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let path = root.join(format!("node_modules/@foundry-rs/anvil-{os}-{arch}/bin/anvil"));
    assert!(
        path.exists(),
        "anvil is not installed; run `npm install --no-save` in the repository root"
    );
    path
}

/// Keys of one validator.
#[derive(Clone, Debug)]
pub struct TestValidator {
    /// Votes, checkpoints, settlement transactions.
    pub key: ValidatorKey,
    /// Node identity.
    pub node: NodeKey,
    /// Registered endpoint.
    pub endpoint: String,
}

impl TestValidator {
    /// Deterministic keys, endpoint as given.
    #[must_use]
    pub fn new(number: u8, endpoint: &str) -> Self {
        Self {
            key: ValidatorKey::from_bytes(&[number.max(1); 32]).unwrap(),
            node: NodeKey::from_seed(&[number; 32]),
            endpoint: endpoint.to_owned(),
        }
    }
}

/// What the contracts are configured with.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Heights per window.
    pub rotation: u32,
    /// Windows per epoch.
    pub windows: u32,
    /// Registrations that launch the chain.
    pub min_validators: u16,
}

/// Anvil with the contracts.
#[derive(Debug)]
pub struct TestL1 {
    /// The process.
    pub anvil: Anvil,
    /// `AndeConsensus`.
    pub consensus: Address,
    /// `AndeSequencerCoordinator`.
    pub coordinator: Address,
    /// Stake token.
    pub token: Address,
}

impl TestL1 {
    /// Starts anvil, deploys and configures the contracts.
    pub async fn start(plan: Plan) -> Self {
        let anvil = Anvil::start().await;
        let provider = provider(&anvil.url(), BANK.parse().unwrap());
        let consensus = AndeConsensus::deploy(provider.clone()).await.unwrap();
        let mut config = consensus.config().call().await.unwrap();
        config.l2ChainId = L2_CHAIN_ID;
        config.l2GenesisHash = GENESIS;
        config.rotationInterval = plan.rotation;
        config.windowsPerEpoch = plan.windows;
        config.minValidators = plan.min_validators;
        config.autoLaunch = true;
        consensus.configure(config).send().await.unwrap().get_receipt().await.unwrap();
        let coordinator =
            Coordinator::deploy(provider.clone(), *consensus.address()).await.unwrap();
        let set = consensus.setCoordinator(*coordinator.address());
        set.send().await.unwrap().get_receipt().await.unwrap();
        Self {
            consensus: *consensus.address(),
            coordinator: *coordinator.address(),
            token: consensus.stakeToken().call().await.unwrap(),
            anvil,
        }
    }

    /// Registers a validator with a stake of 1000 tokens, from its own account.
    pub async fn register(&self, validator: &TestValidator) {
        let stake = U256::from(1_000u64) * U256::from(10u64).pow(U256::from(18u64));
        self.fund(validator.key.address()).await;
        self.give_tokens(validator.key.address(), 1_000).await;
        let own = self.provider(&validator.key);
        let token = AndeToken::new(self.token, own.clone());
        let approve = token.approve(self.consensus, stake);
        approve.send().await.unwrap().get_receipt().await.unwrap();
        let consensus = AndeConsensus::new(self.consensus, own);
        let register =
            consensus.registerValidator(validator.node.id().0, validator.endpoint.clone(), stake);
        register.send().await.unwrap().get_receipt().await.unwrap();
    }

    /// Puts bytes into the forced queue, as the owner of the contracts; returns the fee paid.
    pub async fn force(&self, raw: &[u8]) -> U256 {
        let coordinator = Coordinator::new(self.coordinator, self.bank());
        let fee = coordinator.forcedState().call().await.unwrap().fee;
        let enqueue = coordinator.enqueueForced(Bytes::copy_from_slice(raw)).value(fee);
        enqueue.send().await.unwrap().get_receipt().await.unwrap();
        fee
    }

    /// Gives an account whole stake tokens.
    pub async fn give_tokens(&self, account: Address, tokens: u64) {
        let amount = U256::from(tokens) * U256::from(10u64).pow(U256::from(18u64));
        let token = AndeToken::new(self.token, self.bank());
        let transfer = token.transfer(account, amount);
        transfer.send().await.unwrap().get_receipt().await.unwrap();
    }

    /// Gives an account 100 ether.
    pub async fn fund(&self, account: Address) {
        let wei = U256::from(100u64) * U256::from(10u64).pow(U256::from(18u64));
        self.rpc("anvil_setBalance", (account, wei)).await;
    }

    /// Connection of the owner of the contracts.
    #[must_use]
    pub fn bank(&self) -> DynProvider<Ethereum> {
        provider(&self.anvil.url(), BANK.parse().unwrap())
    }

    /// Connection with a validator's key.
    #[must_use]
    pub fn provider(&self, key: &ValidatorKey) -> DynProvider<Ethereum> {
        let signer = PrivateKeySigner::from_signing_key(key.signing_key().clone());
        provider(&self.anvil.url(), signer)
    }

    /// Makes empty blocks.
    pub async fn mine(&self, blocks: u64) {
        self.rpc("anvil_mine", (U256::from(blocks),)).await;
    }

    /// Whether every transaction gets a block at once.
    pub async fn automine(&self, on: bool) {
        self.rpc("evm_setAutomine", (on,)).await;
    }

    /// Any request to anvil.
    pub async fn rpc(&self, method: &'static str, params: impl crate::Params) {
        let client =
            L1Client::new(&[self.anvil.url()], L1_CHAIN_ID, Duration::from_secs(5)).unwrap();
        let _: serde_json::Value = client.request(method, params).await.unwrap();
    }

    /// A client of this chain.
    #[must_use]
    pub fn client(&self) -> L1Client {
        L1Client::new(&[self.anvil.url()], L1_CHAIN_ID, Duration::from_secs(2)).unwrap()
    }

    /// Configuration of a node of this deployment that looks ten times a second.
    #[must_use]
    pub fn config(&self, finality: Finality) -> L1Config {
        L1Config {
            rpc_urls: vec![self.anvil.url()],
            chain_id: L1_CHAIN_ID,
            consensus: self.consensus,
            coordinator: self.coordinator,
            finality,
            poll_interval: Duration::from_millis(100),
            idle_interval: Duration::from_millis(100),
            timeout: Duration::from_millis(1_500),
        }
    }

    /// EIP-712 domain of this deployment.
    #[must_use]
    pub fn domain(&self) -> Domain {
        Domain::new(L1_CHAIN_ID, self.consensus, L2_CHAIN_ID)
    }

    /// Deploys code that is no contract of ours: it returns 32 zero bytes to every call.
    pub async fn deploy_stranger(&self) -> Address {
        let address = Address::repeat_byte(0x99);
        // PUSH1 32 PUSH1 0 RETURN
        self.rpc("anvil_setCode", (address, Bytes::from_static(&[0x60, 0x20, 0x60, 0x00, 0xf3])))
            .await;
        address
    }
}

fn provider(url: &Url, signer: PrivateKeySigner) -> DynProvider<Ethereum> {
    let provider = ProviderBuilder::new()
        .wallet(EthereumWallet::from(signer))
        .connect_http(url.clone())
        .erased();
    provider.client().set_poll_interval(Duration::from_millis(20));
    provider
}
