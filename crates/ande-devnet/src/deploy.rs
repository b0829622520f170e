//! The contracts of a local cluster: deployed, configured, validators registered.

use std::{fs, path::Path, time::Duration};

use alloy::{
    network::{Ethereum, EthereumWallet, TransactionBuilder as _},
    primitives::{Address, B256, U256, utils::parse_ether},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::{TransactionReceipt, TransactionRequest},
    signers::local::PrivateKeySigner,
};
use ande_contracts::{AndeConsensus, AndeSequencerCoordinator, AndeToken, Reverted};
use ande_primitives::NodeId;
use eyre::{Context as _, Result, bail, ensure, eyre};
use serde::{Deserialize, Serialize};

use crate::{anvil, genesis::Executor, keys::NodeKeys, ports::Ports};

/// File in the cluster's directory that says what was deployed.
const DEPLOYMENT_FILE: &str = "deployment.json";
/// Ether given to each validator for its own transactions and for posting batches.
const VALIDATOR_ETHER: &str = "1000";
const POLL: Duration = Duration::from_millis(50);

/// What cannot change once the contracts are deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Chain id of the settlement chain.
    pub l1_chain_id: u64,
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// Stake token.
    pub token: Address,
    /// `AndeConsensus`.
    pub consensus: Address,
    /// `AndeSequencerCoordinator`.
    pub coordinator: Address,
    /// What the nodes execute with.
    pub executor: Executor,
    /// Hash of the L2 genesis block.
    pub genesis_hash: B256,
    /// Heights per window.
    pub rotation: u32,
    /// Windows per epoch.
    pub windows_per_epoch: u32,
    /// Time between blocks in milliseconds.
    pub block_time_ms: u64,
    /// All ports; the validators' endpoints are registered in the contract.
    pub ports: Ports,
    /// Registered validators in the order of their nodes.
    pub validators: Vec<Registered>,
}

/// One registered validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Contract id.
    pub id: u32,
    /// Owner and signer.
    pub address: Address,
    /// Network identity.
    pub node_id: NodeId,
}

impl Deployment {
    /// Reads the deployment of an earlier run.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub fn load(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(DEPLOYMENT_FILE);
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path)?;
        serde_json::from_str(&text).map(Some).wrap_err_with(|| {
            format!("{} is damaged; remove {} to start anew", path.display(), dir.display())
        })
    }

    /// What the configuration of its nodes says of the chain.
    pub(crate) const fn chain(&self) -> Chain {
        Chain {
            l1_chain_id: self.l1_chain_id,
            l2_chain_id: self.l2_chain_id,
            consensus: self.consensus,
            coordinator: self.coordinator,
            executor: self.executor,
            block_time_ms: self.block_time_ms,
        }
    }

    /// Stores the deployment.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        write_json(&dir.join(DEPLOYMENT_FILE), self)
    }
}

/// What the configuration of a node says of the chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    pub(crate) l1_chain_id: u64,
    pub(crate) l2_chain_id: u64,
    pub(crate) consensus: Address,
    pub(crate) coordinator: Address,
    pub(crate) executor: Executor,
    pub(crate) block_time_ms: u64,
}

/// Writes a JSON file so that a reader sees either the old or the new one.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let new = path.with_extension("json.new");
    fs::write(&new, format!("{}\n", serde_json::to_string_pretty(value)?))?;
    fs::rename(&new, path)?;
    Ok(())
}

/// Parameters of a deployment.
#[derive(Clone, Debug)]
pub struct DeployPlan {
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// Hash of the L2 genesis block.
    pub genesis_hash: B256,
    /// Heights per window.
    pub rotation: u32,
    /// Windows per epoch.
    pub windows_per_epoch: u32,
    /// Validators that must register before the chain launches.
    pub min_validators: u16,
}

/// The settlement chain as one account sees it.
#[derive(Clone, Debug)]
pub struct Account {
    provider: DynProvider<Ethereum>,
    address: Address,
}

impl Account {
    /// An account with its key on the chain at `url`.
    ///
    /// # Errors
    /// A malformed address.
    pub fn new(url: &str, key: PrivateKeySigner) -> Result<Self> {
        let address = key.address();
        let provider = ProviderBuilder::new()
            .wallet(EthereumWallet::from(key))
            .connect_http(url.parse().wrap_err("settlement chain address")?)
            .erased();
        provider.client().set_poll_interval(POLL);
        Ok(Self { provider, address })
    }

    /// The owner and bank of a local cluster.
    ///
    /// # Errors
    /// A malformed address.
    pub fn bank(url: &str) -> Result<Self> {
        Self::new(url, anvil::BANK_KEY.parse()?)
    }

    /// The connection.
    #[must_use]
    pub const fn provider(&self) -> &DynProvider<Ethereum> {
        &self.provider
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Transactions that it sent.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn nonce(&self) -> Result<u64> {
        Ok(self.provider.get_transaction_count(self.address).await?)
    }

    /// Sends a transaction and waits for its success.
    ///
    /// # Errors
    /// A revert, with the contract's reason.
    pub async fn send(
        &self,
        what: &str,
        request: TransactionRequest,
    ) -> Result<TransactionReceipt> {
        let pending = self.provider.send_transaction(request).await.map_err(|error| {
            let revert = error.as_error_resp().and_then(|answer| answer.as_revert_data());
            eyre!(
                "{what}: {}",
                revert.map_or_else(|| error.to_string(), |d| Reverted::decode(d).to_string())
            )
        })?;
        let receipt = pending.get_receipt().await.wrap_err_with(|| what.to_owned())?;
        if !receipt.status() {
            bail!("{what}: transaction {} reverted", receipt.transaction_hash);
        }
        Ok(receipt)
    }

    /// Sends ether.
    ///
    /// # Errors
    /// When the transaction fails.
    pub async fn send_ether(&self, to: Address, wei: U256) -> Result<()> {
        let request = TransactionRequest::default().with_to(to).with_value(wei);
        self.send("send ether", request).await.map(|_| ())
    }
}

/// Addresses of fresh contracts.
#[derive(Clone, Copy, Debug)]
pub struct Contracts {
    /// Stake token.
    pub token: Address,
    /// `AndeConsensus`.
    pub consensus: Address,
    /// `AndeSequencerCoordinator`.
    pub coordinator: Address,
}

impl Contracts {
    /// Addresses that the consensus contract and the coordinator get from the first transactions of
    /// an account.
    pub(crate) fn first_of(account: Address) -> (Address, Address) {
        (account.create(CONSENSUS_STEP), account.create(COORDINATOR_STEP))
    }
}

/// Position of the transaction that makes the consensus contract.
const CONSENSUS_STEP: u64 = 0;
/// Position of the transaction that makes the coordinator.
const COORDINATOR_STEP: u64 = 2;
/// Transactions of a deployment.
pub(crate) const STEPS: u64 = 4;

/// Deploys and configures the contracts with the first transactions of the bank. Its nonce says how
/// far an earlier run came.
///
/// # Errors
/// When a transaction fails, or the first transactions of the bank were others.
pub async fn deploy(bank: &Account, plan: &DeployPlan) -> Result<Contracts> {
    let provider = bank.provider();
    let (consensus, coordinator) = Contracts::first_of(bank.address());
    let done = bank.nonce().await?;
    if done == CONSENSUS_STEP {
        AndeConsensus::deploy(provider.clone()).await.wrap_err("deploy AndeConsensus")?;
    }
    let contract = AndeConsensus::new(consensus, provider.clone());
    if done <= CONSENSUS_STEP + 1 {
        let mut config = contract.config().call().await?;
        config.l2ChainId = plan.l2_chain_id;
        config.l2GenesisHash = plan.genesis_hash;
        config.rotationInterval = plan.rotation;
        config.windowsPerEpoch = plan.windows_per_epoch;
        config.minValidators = plan.min_validators;
        config.autoLaunch = true;
        bank.send("configure", contract.configure(config).into_transaction_request()).await?;
    }
    if done <= COORDINATOR_STEP {
        AndeSequencerCoordinator::deploy(provider.clone(), consensus)
            .await
            .wrap_err("deploy AndeSequencerCoordinator")?;
    }
    if done < STEPS {
        let call = contract.setCoordinator(coordinator);
        bank.send("setCoordinator", call.into_transaction_request()).await?;
    }
    existing(bank).await
}

/// The contracts that the first transactions of the bank made.
///
/// # Errors
/// When they made something else.
pub(crate) async fn existing(bank: &Account) -> Result<Contracts> {
    let (consensus, coordinator) = Contracts::first_of(bank.address());
    let contract = AndeConsensus::new(consensus, bank.provider());
    let found = contract.coordinator().call().await;
    ensure!(
        found.is_ok_and(|found| found == coordinator),
        "the settlement chain does not answer for the contract at {consensus}, or its account {} was \
         used for something else before; start with a new chain",
        bank.address()
    );
    Ok(Contracts { token: contract.stakeToken().call().await?, consensus, coordinator })
}

/// Gives ether and tokens to a future validator.
///
/// # Errors
/// When a transaction fails.
pub async fn fund(bank: &Account, token: Address, to: Address, tokens: u64) -> Result<()> {
    bank.send_ether(to, parse_ether(VALIDATOR_ETHER)?).await?;
    let token = AndeToken::new(token, bank.provider());
    bank.send("transfer", token.transfer(to, wei(tokens)).into_transaction_request()).await?;
    Ok(())
}

/// Approves the stake and registers a validator with its own key; returns its id.
///
/// # Errors
/// When a transaction fails.
pub async fn register(
    url: &str,
    contracts: &Contracts,
    keys: &NodeKeys,
    endpoint: &str,
    tokens: u64,
) -> Result<u32> {
    let account = Account::new(url, keys.validator.clone())?;
    let token = AndeToken::new(contracts.token, account.provider());
    account
        .send("approve", token.approve(contracts.consensus, wei(tokens)).into_transaction_request())
        .await?;
    let consensus = AndeConsensus::new(contracts.consensus, account.provider());
    let call = consensus.registerValidator(keys.node_id().0, endpoint.to_owned(), wei(tokens));
    account.send("registerValidator", call.into_transaction_request()).await?;
    Ok(consensus.idOfSigner(keys.address()).call().await?)
}

/// Whole tokens (or ether) in their smallest unit.
#[must_use]
pub fn wei(tokens: u64) -> U256 {
    U256::from(tokens) * U256::from(10u64).pow(U256::from(18u64))
}
