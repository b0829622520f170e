//! Where the contracts are.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use alloy::{
    network::EthereumWallet,
    primitives::Address,
    providers::{DynProvider, Provider as _, ProviderBuilder},
    signers::local::PrivateKeySigner,
};
use ande_contracts::AndeConsensus::{self, AndeConsensusInstance};
use ande_node::config::{self, NodeConfig, Overrides};
use ande_primitives::ValidatorKey;
use eyre::{Context as _, ContextCompat as _, Result, bail, ensure};
use url::Url;

/// The settlement chain and the contract on it: from a node's configuration, or given.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Place {
    /// Configuration of a node: says where the contracts are and which keys it has
    #[arg(
        long,
        short,
        value_name = "FILE",
        env = "ANDE_CONFIG",
        hide_env_values = true,
        global = true
    )]
    config: Option<PathBuf>,
    /// Endpoint of the settlement chain
    #[arg(
        long,
        value_name = "URL",
        env = "CONSENSUS_RPC_URL",
        hide_env_values = true,
        global = true
    )]
    l1_rpc: Option<Url>,
    /// Address of AndeConsensus
    #[arg(long, value_name = "ADDRESS", global = true)]
    consensus: Option<Address>,
}

/// The configuration file of a node.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ConfigFile {
    /// Configuration of the node
    #[arg(
        long = "config",
        short,
        value_name = "FILE",
        env = "ANDE_CONFIG",
        hide_env_values = true
    )]
    pub(crate) path: PathBuf,
}

/// A contract that was found.
pub(crate) struct Deployment {
    pub(crate) url: Url,
    pub(crate) consensus: AndeConsensusInstance<DynProvider>,
}

impl ConfigFile {
    /// Where the node of the file is asked by operators on this machine.
    pub(crate) fn ops_url(&self) -> Result<Url> {
        let listen = config::load(&self.path, &Overrides::default())?.ops_listen;
        Ok(local_url(listen).parse()?)
    }
}

/// Where a listener of this machine is asked.
pub(crate) fn local_url(listen: SocketAddr) -> String {
    let ip: IpAddr = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}/", SocketAddr::new(ip, listen.port()))
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
        let (url, address) = self.find()?;
        let provider = ProviderBuilder::new().connect_http(url.clone()).erased();
        connect(url, address, provider).await
    }

    /// [`Place::open`] with a key that pays for transactions.
    pub(crate) async fn open_with(&self, signer: PrivateKeySigner) -> Result<Deployment> {
        let (url, address) = self.find()?;
        let wallet = EthereumWallet::from(signer);
        let provider = ProviderBuilder::new().wallet(wallet).connect_http(url.clone()).erased();
        connect(url, address, provider).await
    }

    /// Endpoint and contract; what is given comes before the configuration.
    fn find(&self) -> Result<(Url, Address)> {
        let node = self.node()?;
        let url = match (&self.l1_rpc, &node) {
            (Some(url), _) => url.clone(),
            (None, Some(node)) => node
                .l1_urls
                .first()
                .cloned()
                .wrap_err("the configuration names no settlement endpoint")?,
            (None, None) => bail!("say where the settlement chain is: --config or --l1-rpc"),
        };
        let address = self
            .consensus
            .or(node.map(|node| node.consensus))
            .wrap_err("say which contract is meant: --config or --consensus")?;
        Ok((url, address))
    }
}

async fn connect(url: Url, address: Address, provider: DynProvider) -> Result<Deployment> {
    let code = provider.get_code_at(address).await;
    let code = code.wrap_err_with(|| format!("the settlement chain at {url} does not answer"))?;
    ensure!(!code.is_empty(), "there is no contract at {address} on the chain of {url}");
    let consensus = AndeConsensus::new(address, provider);
    let version = consensus.version().call().await;
    version.wrap_err_with(|| format!("the contract at {address} is not AndeConsensus"))?;
    Ok(Deployment { url, consensus })
}

/// A key that pays and signs.
pub(crate) fn signer(key: &ValidatorKey) -> PrivateKeySigner {
    PrivateKeySigner::from_signing_key(key.signing_key().clone())
}
