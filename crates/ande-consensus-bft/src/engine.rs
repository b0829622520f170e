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

    async fn start(
        &mut self,
        app: Arc<dyn Application>,
    ) -> Result<(Service, Actors), EngineError> {
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
        let proof =
            signer.prove_peer(peer.to_bytes()).await.map_err(|error| start(&error))?;
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
        let (service, mut actors) = self.start(app).await?;
        let result = service.run(&mut actors, shutdown).await;
        actors.stop().await;
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
