//! Where the contracts are.

use std::path::{Path, PathBuf};

use alloy::{
    network::EthereumWallet,
    primitives::Address,
    providers::{DynProvider, Provider as _, ProviderBuilder},
    signers::local::PrivateKeySigner,
};
use ande_contracts::AndeConsensus::{self, AndeConsensusInstance};
use ande_node::config::{self, NodeConfig, Overrides};
use eyre::{Context as _, ContextCompat as _, Result, ensure};
use url::Url;

/// The settlement chain and the contract on it: from a node's configuration, or given.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Place {
    /// Configuration of a node: says where the contracts are and which keys it has
    #[arg(long, short, value_name = "FILE", env = "ANDE_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// Endpoint of the settlement chain
    #[arg(long, value_name = "URL", env = "CONSENSUS_RPC_URL", global = true)]
    l1_rpc: Option<Url>,
    /// Address of AndeConsensus
    #[arg(long, value_name = "ADDRESS", global = true)]
    consensus: Option<Address>,
}

/// A contract that was found.
pub(crate) struct Deployment {
    pub(crate) url: Url,
    pub(crate) consensus: AndeConsensusInstance<DynProvider>,
}

impl Place {
    /// The node's configuration, where one is given.
    pub(crate) fn node(&self) -> Result<Option<NodeConfig>> {
        let load = |file: &PathBuf| config::load(file, &Overrides::default());
        Ok(self.config.as_ref().map(load).transpose()?)
    }

    /// Finds the contract and asks it for its version.
    ///
    /// # Errors
    /// When nothing says where it is, the endpoint does not answer, or something else is there.
    pub(crate) async fn open(&self) -> Result<Deployment> {
        self.connect(ProviderBuilder::new().connect_http(self.url()?).erased()).await
    }

    /// [`Place::open`] with a key that pays for transactions.
    pub(crate) async fn open_with(&self, signer: PrivateKeySigner) -> Result<Deployment> {
        let wallet = EthereumWallet::from(signer);
        self.connect(ProviderBuilder::new().wallet(wallet).connect_http(self.url()?).erased()).await
    }

    fn url(&self) -> Result<Url> {
        if let Some(url) = &self.l1_rpc {
            return Ok(url.clone());
        }
        let node =
            self.node()?.wrap_err("say where the settlement chain is: --config or --l1-rpc")?;
        node.l1_urls.first().cloned().wrap_err("the configuration names no settlement endpoint")
    }

    fn address(&self) -> Result<Address> {
        match (self.consensus, self.node()?) {
            (Some(address), _) => Ok(address),
            (None, Some(node)) => Ok(node.consensus),
            (None, None) => eyre::bail!("say which contract is meant: --config or --consensus"),
        }
    }

    async fn connect(&self, provider: DynProvider) -> Result<Deployment> {
        let (url, address) = (self.url()?, self.address()?);
        let code = provider.get_code_at(address).await;
        let code =
            code.wrap_err_with(|| format!("the settlement chain at {url} does not answer"))?;
        ensure!(!code.is_empty(), "there is no contract at {address} on the chain of {url}");
        let consensus = AndeConsensus::new(address, provider);
        let version = consensus.version().call().await;
        version.wrap_err_with(|| format!("the contract at {address} is not AndeConsensus"))?;
        Ok(Deployment { url, consensus })
    }
}

/// Reads a secp256k1 key file that pays and signs.
pub(crate) fn signer(path: &Path) -> Result<PrivateKeySigner> {
    let key = ande_node::read_validator_key(path)?;
    Ok(PrivateKeySigner::from_signing_key(key.signing_key().clone()))
}
