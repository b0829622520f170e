//! The engine behind the seam.

use std::sync::Arc;

use ande_consensus::{
    Application, ConsensusSigner, EngineError, EnginePhase, OrderingEngine, View,
};
use async_trait::async_trait;
use malachitebft_codec::Codec as _;
use malachitebft_engine::network::NetworkIdentity;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    BftConfig, EnginePeer,
    actors::{Actors, Parts},
    address::{keypair, peer_id},
    codec::Codec,
    context::Address,
    peers::addresses,
    scopes::Scopes,
    service::Service,
    signing::{EngineSigner, EngineVerifier},
};

/// Byzantine fault tolerant ordering on Malachite.
///
/// A node whose key is not in the committee of a height follows it and becomes a validator at the
/// height whose committee has it, without a restart.
pub struct BftEngine {
    config: BftConfig,
    signer: Arc<dyn ConsensusSigner>,
    peers: watch::Receiver<Vec<EnginePeer>>,
    view: watch::Sender<View>,
}

impl core::fmt::Debug for BftEngine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BftEngine").field("config", &self.config).finish_non_exhaustive()
    }
}

impl BftEngine {
    /// An engine that signs with `signer` and talks to `peers`, which may change while it runs.
    ///
    /// # Errors
    /// [`EngineError::Start`] for settings that cannot work or do not fit the signer.
    pub fn new(
        config: BftConfig,
        signer: Arc<dyn ConsensusSigner>,
        peers: watch::Receiver<Vec<EnginePeer>>,
    ) -> Result<Self, EngineError> {
        config.check()?;
        let signs_for = signer.domain().l2_chain_id();
        if signs_for != config.l2_chain_id {
            return Err(EngineError::Start(format!(
                "the signer signs for L2 chain {signs_for}, the engine runs {}",
                config.l2_chain_id
            )));
        }
        Ok(Self { config, signer, peers, view: watch::Sender::new(View::default()) })
    }

    async fn start(&mut self, app: Arc<dyn Application>) -> Result<(Service, Actors), EngineError> {
        let start = |error: &dyn core::fmt::Display| EngineError::Start(error.to_string());
        // The network library ends without a word if it cannot listen, and it shares the port with
        // another process that does the same.
        std::net::TcpListener::bind(self.config.listen).map_err(|error| {
            EngineError::Start(format!("cannot listen on {}: {error}", self.config.listen))
        })?;
        let domain = self.signer.domain().clone();
        let scopes = Scopes::default();
        let (faults, fault_reports) = mpsc::unbounded_channel();
        let signer = EngineSigner::new(self.signer.clone(), scopes.clone(), faults);
        let verifier = EngineVerifier::new(domain.clone(), scopes.clone());

        let node_key = &self.config.node_key;
        let peer = peer_id(node_key.id()).map_err(|error| start(&error))?;
        let proof = signer.prove_peer(peer.to_bytes()).await.map_err(|error| start(&error))?;
        let proof = Codec.encode(&proof).map_err(|error| start(&error))?;
        let address = self.signer.address();
        let identity = NetworkIdentity::new_validator(
            self.config.moniker.clone(),
            keypair(node_key).map_err(|error| start(&error))?,
            address.to_string(),
            proof,
        );
        let dial = addresses(node_key.id(), &self.peers.borrow_and_update());
        let (actors, inboxes) = Actors::start(Parts {
            config: self.config.clone(),
            peers: dial.values().cloned().collect(),
            identity,
            address: Address(address),
            verifier: verifier.clone(),
            signer: signer.clone(),
        })
        .await?;
        info!(
            node_id = %node_key.id(), %peer, signer = %address, listen = %self.config.listen,
            peers = dial.len(), "consensus engine started"
        );
        let service = Service::new(crate::service::Setup {
            app,
            config: self.config.clone(),
            domain,
            address,
            scopes,
            signer,
            verifier,
            consensus: actors.consensus.clone(),
            network: actors.network.clone(),
            inboxes,
            faults: fault_reports,
            peers: self.peers.clone(),
            dial,
            view: self.view.clone(),
        });
        Ok((service, actors))
    }
}

#[async_trait]
impl OrderingEngine for BftEngine {
    fn view(&self) -> watch::Receiver<View> {
        self.view.subscribe()
    }

    async fn run(
        mut self: Box<Self>,
        app: Arc<dyn Application>,
        shutdown: CancellationToken,
    ) -> Result<(), EngineError> {
        let result = match self.start(app).await {
            Ok((service, mut actors)) => {
                let result = service.run(&mut actors, shutdown).await;
                actors.stop().await;
                result
            }
            Err(error) => Err(error),
        };
        match &result {
            Ok(()) => info!("consensus engine stopped"),
            Err(error) => {
                error!(%error, "consensus engine halted");
                self.view.send_modify(|view| view.phase = EnginePhase::Halted(error.to_string()));
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ande_consensus::conformance::{MemoryChain, MemorySigner};
    use ande_ports::reserve;
    use ande_primitives::NodeKey;

    use super::*;
    use crate::test_support::{CHAIN, domain, key, set};

    /// A lone validator of four, so that nothing is decided.
    fn engine(dir: &std::path::Path, port: u16) -> BftEngine {
        let config = BftConfig::new(
            dir.to_owned(),
            ([127, 0, 0, 1], port).into(),
            NodeKey::from_seed(&[1; 32]),
            "lone".to_owned(),
            CHAIN,
            Duration::from_millis(200),
        );
        let config = BftConfig { start_delay: Duration::ZERO, ..config };
        let signer = Arc::new(MemorySigner::new(key(0), domain()));
        BftEngine::new(config, signer, watch::Sender::new(Vec::new()).subscribe()).unwrap()
    }

    fn chain() -> Arc<MemoryChain> {
        let chain = MemoryChain::new(CHAIN, true);
        chain.put_set(set());
        Arc::new(chain)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_log_that_failed_halts_the_engine() {
        let dir = tempfile::tempdir().unwrap();
        let mut engine = engine(dir.path(), reserve().unwrap());
        let (service, mut actors) = engine.start(chain()).await.unwrap();
        actors.fail_safety("told to");
        let result = service.run(&mut actors, CancellationToken::new()).await;
        assert!(matches!(result, Err(EngineError::Stopped(_))), "{result:?}");
        actors.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn stopping_releases_log_and_port() {
        let dir = tempfile::tempdir().unwrap();
        let port = reserve().unwrap();
        for _ in 0..3 {
            let engine = Box::new(engine(dir.path(), port));
            let (mut view, shutdown) = (engine.view(), CancellationToken::new());
            let task = tokio::spawn(engine.run(chain(), shutdown.clone()));
            let deciding = view.wait_for(|view| view.phase == EnginePhase::Deciding);
            tokio::time::timeout(Duration::from_secs(30), deciding).await.unwrap().unwrap();
            shutdown.cancel();
            task.await.unwrap().unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_directory_has_one_engine() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = engine(dir.path(), reserve().unwrap());
        let (service, actors) = first.start(chain()).await.unwrap();
        let second = engine(dir.path(), reserve().unwrap()).start(chain()).await;
        assert!(matches!(second, Err(EngineError::Start(_))));
        drop(service);
        actors.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_taken_port_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let result = engine(dir.path(), port).start(chain()).await;
        let Err(EngineError::Start(reason)) = result else {
            panic!("it starts");
        };
        assert!(reason.contains(&port.to_string()), "{reason}");
    }

    #[test]
    fn signer_and_engine_must_be_of_one_chain() {
        let config = BftConfig::new(
            "data".into(),
            ([127, 0, 0, 1], 1).into(),
            NodeKey::from_seed(&[1; 32]),
            "lone".to_owned(),
            CHAIN + 1,
            Duration::from_secs(1),
        );
        let signer = Arc::new(MemorySigner::new(key(0), domain()));
        let peers = watch::Sender::new(Vec::new()).subscribe();
        assert!(BftEngine::new(config, signer, peers).is_err());
    }
}
