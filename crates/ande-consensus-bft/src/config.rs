//! Settings of the engine.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ande_consensus::EngineError;
use ande_primitives::{NodeId, NodeKey, Round};
use malachitebft_config::{
    ChannelNames, ConsensusConfig, DiscoveryConfig, P2pConfig, ProtocolNames,
    PubSubMaxSizePerTopic, ValuePayload, ValueSyncConfig,
};
use malachitebft_core_types::{LinearTimeouts, Round as EngineRound, Timeout};
use multiaddr::Multiaddr;

/// Name of the engine's log in the data directory.
const LOG_FILE: &str = "engine.wal";
/// Nodes behind one address: several nodes of one machine or one translated network.
const CONNECTIONS_PER_IP: usize = 1024;
/// Connection slots in each direction; the committee limit with room for registered others.
const CONNECTIONS: usize = 512;
/// Upper bound of all round timeouts, or four times the first one if that is longer.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a node waits for the blocks it asked a peer for.
const SYNC_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Blocks asked for at once.
const SYNC_BATCH: usize = 32;

/// Settings of one engine.
#[derive(Clone, Debug)]
pub struct BftConfig {
    /// Directory of the engine's own log. Created if missing; used by one engine at a time.
    pub data_dir: PathBuf,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Identity of the node on the network.
    pub node_key: NodeKey,
    /// Name in logs and metrics.
    pub moniker: String,
    /// Chain id of the L2; networks of other chains are not spoken to.
    pub l2_chain_id: u64,
    /// Target time between blocks.
    pub block_time: Duration,
    /// How long round 0 waits for the proposer.
    pub propose_timeout: Duration,
    /// Growth of `propose_timeout` per round.
    pub propose_delta: Duration,
    /// How long a voting step of round 0 waits for more votes.
    pub vote_timeout: Duration,
    /// Growth of `vote_timeout` per round.
    pub vote_delta: Duration,
    /// Longest wait for a quorum of peers before the first height of a new chain.
    pub start_delay: Duration,
}

impl BftConfig {
    /// Settings with the default timeouts for a block time.
    #[must_use]
    pub fn new(
        data_dir: PathBuf,
        listen: SocketAddr,
        node_key: NodeKey,
        moniker: String,
        l2_chain_id: u64,
        block_time: Duration,
    ) -> Self {
        let propose_timeout = (2 * block_time).max(Duration::from_millis(500));
        let vote_timeout = (block_time / 2).max(Duration::from_millis(100));
        Self {
            data_dir,
            listen,
            node_key,
            moniker,
            l2_chain_id,
            block_time,
            propose_timeout,
            propose_delta: propose_timeout / 4,
            vote_timeout,
            vote_delta: vote_timeout / 2,
            start_delay: Duration::from_secs(2),
        }
    }

    pub(crate) fn check(&self) -> Result<(), EngineError> {
        for (name, value) in [
            ("block time", self.block_time),
            ("propose timeout", self.propose_timeout),
            ("vote timeout", self.vote_timeout),
        ] {
            if value.is_zero() {
                return Err(EngineError::Start(format!("the {name} must not be zero")));
            }
        }
        Ok(())
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.data_dir.join(LOG_FILE)
    }

    pub(crate) fn timeouts(&self) -> LinearTimeouts {
        LinearTimeouts {
            propose: self.propose_timeout,
            propose_delta: self.propose_delta,
            prevote: self.vote_timeout,
            prevote_delta: self.vote_delta,
            precommit: self.vote_timeout,
            precommit_delta: self.vote_delta,
            rebroadcast: self.propose_timeout + 2 * self.vote_timeout,
            max_timeout: MAX_TIMEOUT.max(4 * self.propose_timeout),
        }
    }

    /// How long a round waits for its proposer.
    pub(crate) fn proposer_wait(&self, round: Round) -> Duration {
        self.timeouts().duration_for(Timeout::propose(EngineRound::new(round.0)))
    }

    pub(crate) fn consensus(&self, peers: Vec<Multiaddr>) -> Result<ConsensusConfig, EngineError> {
        let ip = match self.listen {
            SocketAddr::V4(address) => format!("/ip4/{}", address.ip()),
            SocketAddr::V6(address) => format!("/ip6/{}", address.ip()),
        };
        let listen_addr = format!("{ip}/tcp/{}", self.listen.port())
            .parse()
            .map_err(|_| EngineError::Start(format!("cannot listen on {}", self.listen)))?;
        let chain = self.l2_chain_id;
        let p2p = P2pConfig {
            listen_addr,
            persistent_peers: peers,
            persistent_peers_only: true,
            discovery: DiscoveryConfig {
                enabled: false,
                num_outbound_peers: CONNECTIONS,
                num_inbound_peers: CONNECTIONS,
                max_connections_per_ip: CONNECTIONS_PER_IP,
                // Only peers with literal addresses would be exempt from the throttle; peers with
                // host names would wait half a minute after a restart. Peers are pinned anyway.
                ip_throttle_duration: Duration::ZERO,
                ..DiscoveryConfig::default()
            },
            // What the codec would refuse is not even buffered.
            pubsub_max_size_per_topic: PubSubMaxSizePerTopic {
                consensus: "4 KiB".parse().ok(),
                proposal_parts: "160 KiB".parse().ok(),
                liveness: "192 KiB".parse().ok(),
            },
            protocol_names: ProtocolNames {
                consensus: format!("/ande/{chain}/consensus/1"),
                discovery_kad: format!("/ande/{chain}/kad/1"),
                discovery_regres: format!("/ande/{chain}/discovery/1"),
                sync: format!("/ande/{chain}/sync/1"),
                validator_proof: format!("/ande/{chain}/validator-proof/1"),
            },
            channel_names: ChannelNames {
                consensus: format!("/ande/{chain}/votes"),
                proposal_parts: format!("/ande/{chain}/parts"),
                sync: format!("/ande/{chain}/status"),
                liveness: format!("/ande/{chain}/liveness"),
            },
            ..P2pConfig::default()
        };
        Ok(ConsensusConfig {
            p2p,
            value_payload: ValuePayload::ProposalAndParts,
            ..ConsensusConfig::default()
        })
    }

    pub(crate) fn value_sync(&self) -> ValueSyncConfig {
        ValueSyncConfig {
            status_update_interval: self
                .block_time
                .clamp(Duration::from_millis(200), Duration::from_secs(1)),
            request_timeout: SYNC_REQUEST_TIMEOUT,
            batch_size: SYNC_BATCH,
            ..ValueSyncConfig::default()
        }
    }
}

/// A peer to keep a connection with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnginePeer {
    /// Its identity. Nobody else is accepted at its address.
    pub node_id: NodeId,
    /// `host:port` of its consensus listener.
    pub address: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> BftConfig {
        BftConfig::new(
            "data".into(),
            "127.0.0.1:30303".parse().unwrap(),
            NodeKey::from_seed(&[1; 32]),
            "node".to_owned(),
            6174,
            Duration::from_secs(2),
        )
    }

    #[test]
    fn defaults_follow_the_block_time() {
        let config = config();
        assert_eq!(config.propose_timeout, Duration::from_secs(4));
        assert_eq!(config.vote_timeout, Duration::from_secs(1));
        assert!(config.check().is_ok());
    }

    #[test]
    fn networks_of_two_chains_do_not_meet() {
        let other = BftConfig { l2_chain_id: 6175, ..config() };
        let (ours, theirs) =
            (config().consensus(Vec::new()).unwrap(), other.consensus(Vec::new()).unwrap());
        assert_ne!(ours.p2p.protocol_names.consensus, theirs.p2p.protocol_names.consensus);
        assert_ne!(ours.p2p.channel_names.consensus, theirs.p2p.channel_names.consensus);
        ours.p2p.channel_names.validate().unwrap();
    }

    #[test]
    fn only_configured_peers_are_spoken_to() {
        let p2p = config().consensus(Vec::new()).unwrap().p2p;
        assert!(p2p.persistent_peers_only);
        assert!(!p2p.discovery.enabled);
        assert!(p2p.discovery.ip_throttle_duration.is_zero());
        let sizes = p2p.pubsub_max_size_per_topic;
        assert!(sizes.consensus.is_some() && sizes.liveness.is_some());
        assert!(sizes.proposal_parts.is_some());
    }

    #[test]
    fn zero_times_are_refused() {
        let zero = BftConfig { block_time: Duration::ZERO, ..config() };
        assert!(zero.check().is_err());
    }
}
