//! The executor of the node and what others read of it.

use std::sync::Arc;

use ande_execution::{
    ClientStatus, EmbeddedExecutor, EngineClient, EngineConfig, EngineExecutor, EvmConfig,
    EvmGenesis, EvmReader, Executor, JwtSecret, MAX_GENESIS_BYTES, NoneExecutor, NoneGenesis,
    Patience, Payload, state::StateOptions,
};
use ande_pool::{AccountSource, UnknownAccounts};
use ande_sequencer::{EvmAccounts, Ordering, SenderCache, StoreIndex};
use ande_store::Store;
use tokio::sync::watch;
use tracing::warn;

use crate::{
    config::{ExecutorConfig, NodeConfig},
    error::{GenesisFault, NodeError},
};

/// Directory of the EVM's state below the data directory.
pub(crate) const STATE_DIR: &str = "state";

/// Block 0 of the configured chain.
pub(crate) enum Genesis {
    /// Of the EVM, and how much of its past is kept.
    Evm(Box<EvmGenesis>, StateOptions),
    /// Of a chain that executes nothing.
    None(NoneGenesis),
}

impl Genesis {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// A file that is no genesis of this chain.
    pub(crate) fn read(config: &NodeConfig) -> Result<Self, NodeError> {
        let ExecutorConfig::Evm { genesis: path, kept } = &config.executor else {
            return Ok(Self::None(NoneGenesis::new(config.l2_chain_id)));
        };
        let wrong = |source: GenesisFault| NodeError::Genesis { path: path.clone(), source };
        let size = std::fs::metadata(path).map_err(|error| wrong(error.into()))?.len();
        if size > MAX_GENESIS_BYTES as u64 {
            let error = std::io::Error::other(format!("{size} bytes are too many"));
            return Err(wrong(error.into()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.into()))?;
        let genesis = EvmGenesis::from_json(&text).map_err(|error| wrong(error.into()))?;
        let (found, expected) = (genesis.chain_id(), config.l2_chain_id);
        if found != expected {
            return Err(wrong(GenesisFault::Chain { found, expected }));
        }
        Ok(Self::Evm(Box::new(genesis), kept.clone()))
    }

    /// Block 0.
    pub(crate) fn payload(&self) -> Payload {
        match self {
            Self::Evm(genesis, _) => genesis.payload(),
            Self::None(genesis) => genesis.payload(),
        }
    }

    /// Order inside blocks: one that validators check wherever tips mean something.
    pub(crate) const fn ordering(&self) -> Ordering {
        match self {
            Self::Evm(..) => Ordering::TipDescending,
            Self::None(_) => Ordering::Arrival,
        }
    }
}

/// An open executor.
pub(crate) struct Execution {
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) accounts: Arc<dyn AccountSource>,
    pub(crate) gas_limit: u64,
    evm: Option<EmbeddedExecutor>,
    client: Option<watch::Receiver<ClientStatus>>,
}

impl Execution {
    /// Reads the state, if there is one.
    pub(crate) fn reader(&self) -> Option<EvmReader> {
        self.evm.as_ref().map(EmbeddedExecutor::reader)
    }

    /// How the external execution client is doing, if there is one.
    pub(crate) fn client(&self) -> Option<watch::Receiver<ClientStatus>> {
        self.client.clone()
    }

    /// Writes what is not on disk yet.
    pub(crate) async fn close(&self) {
        if let Some(evm) = &self.evm
            && let Err(error) = evm.flush().await
        {
            warn!(%error, "the state could not be written; it is made again from the blocks");
        }
    }
}

/// An external execution client and how long it is waited for.
pub(crate) struct Client {
    engine: EngineClient,
    patience: Patience,
}

/// The configured execution client, not connected to yet.
///
/// # Errors
/// A URL that cannot be asked.
pub(crate) fn client(
    config: &NodeConfig,
    secret: Option<JwtSecret>,
) -> Result<Option<Client>, NodeError> {
    let (Some(client), Some(secret)) = (&config.client, secret) else { return Ok(None) };
    let engine = EngineClient::new(EngineConfig {
        request_timeout: client.request_timeout,
        builder: client.builder.clone(),
        ..EngineConfig::new(client.url.clone(), secret)
    })
    .map_err(NodeError::Client)?;
    let patience = Patience {
        verdict: client.verdict_timeout,
        build: client.build_timeout,
        start: client.start_timeout,
        ..Patience::default()
    };
    Ok(Some(Client { engine, patience }))
}

/// Opens the executor of a genesis.
///
/// # Errors
/// A state that cannot be read or is another chain's.
pub(crate) async fn open(
    genesis: Genesis,
    client: Option<Client>,
    config: &NodeConfig,
    store: &Store,
    senders: Arc<SenderCache>,
) -> Result<Execution, NodeError> {
    let (genesis, state) = match genesis {
        Genesis::None(genesis) => {
            return Ok(Execution {
                executor: Arc::new(NoneExecutor::new(genesis, Arc::new(StoreIndex(store.clone())))),
                accounts: Arc::new(UnknownAccounts),
                gas_limit: u64::MAX,
                evm: None,
                client: None,
            });
        }
        Genesis::Evm(genesis, kept) => (*genesis, kept),
    };
    let settings = EvmConfig { genesis, dir: config.data_dir.join(STATE_DIR), state };
    // Reads the whole state of a long-lived chain.
    let evm = tokio::task::spawn_blocking(move || EmbeddedExecutor::open(settings, senders))
        .await
        .map_err(|_| NodeError::Service("opening the state"))??;
    let reader = evm.reader();
    let (executor, client): (Arc<dyn Executor>, _) = match client {
        None => (Arc::new(evm.clone()), None),
        Some(Client { engine, patience }) => {
            let source = Arc::new(StoreIndex(store.clone()));
            let joined = EngineExecutor::new(evm.clone(), engine, source, patience);
            let status = joined.status();
            (Arc::new(joined), Some(status))
        }
    };
    Ok(Execution {
        executor,
        gas_limit: reader.gas_limit(),
        accounts: Arc::new(EvmAccounts(reader)),
        evm: Some(evm),
        client,
    })
}
