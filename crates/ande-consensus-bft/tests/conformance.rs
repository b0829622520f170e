//! The engine against the seam's conformance suite.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use ande_consensus::{
    OrderingEngine,
    conformance::{self, EngineFactory, Member, Peer},
};
use ande_consensus_bft::{BftConfig, BftEngine, EnginePeer};
use tokio::sync::watch;

struct Bft;

fn engine_peers(peers: &[Peer]) -> Vec<EnginePeer> {
    peers
        .iter()
        .map(|peer| EnginePeer { node_id: peer.node_id, address: peer.address.to_string() })
        .collect()
}

impl EngineFactory for Bft {
    fn engine(&self, member: &Member) -> Box<dyn OrderingEngine> {
        let mut members = member.peers.clone();
        let peers = watch::Sender::new(engine_peers(&members.borrow_and_update()));
        let list = peers.subscribe();
        tokio::spawn(async move {
            while members.changed().await.is_ok() {
                let now = engine_peers(&members.borrow_and_update());
                peers.send_replace(now);
            }
        });
        let config = BftConfig {
            // Generous: test machines are slow and a timeout is never what is tested by chance.
            propose_timeout: Duration::from_millis(2000),
            propose_delta: Duration::from_millis(500),
            vote_timeout: Duration::from_millis(500),
            vote_delta: Duration::from_millis(250),
            ..BftConfig::new(
                member.dir.clone(),
                member.listen,
                member.node_key.clone(),
                format!("node-{}", member.index),
                member.l2_chain_id,
                member.block_time,
            )
        };
        Box::new(BftEngine::new(config, member.signer.clone(), list).unwrap())
    }
}

fn factory() -> Arc<dyn EngineFactory> {
    // A second test in the process keeps the first one's subscriber.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
    Arc::new(Bft)
}

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            conformance::$name(factory()).await;
        }
    )*};
}

scenarios!(
    orders_blocks,
    recovers_after_a_restart,
    restarts_as_a_whole,
    idles_without_work,
    passes_over_a_silent_proposer,
    changes_the_set_at_a_boundary,
    waits_for_the_set_at_a_boundary,
    stops_when_a_commit_fails,
    keeps_what_was_committed,
    catches_up_what_it_could_not_judge,
    adds_peers_at_runtime,
    wakes_without_its_proposer,
    abstains_when_the_signer_refuses,
    stops_when_the_guard_fails,
    reports_a_double_signer,
    carries_large_blocks,
);
