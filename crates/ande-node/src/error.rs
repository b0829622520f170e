//! Why a node does not run, and the exit code that says so.

use std::{net::SocketAddr, path::PathBuf};

use ande_consensus::EngineError;
use ande_execution::{ExecutionError, GenesisError};
use ande_l1::{DeploymentError, L1Error, ReaderError, TimingError};
use ande_primitives::Era;
use ande_sequencer::SequencerError;
use ande_store::{GuardError, StoreError};

use crate::{KeyFileError, config::ConfigError};

/// Exit code of a wrong key or a refused sign guard (EX_NOPERM).
const EXIT_KEY: u8 = 77;
/// Exit code of a wrong configuration or deployment (EX_CONFIG).
const EXIT_CONFIG: u8 = 78;

/// What each exit code of a node means.
pub const EXIT_CODES: [(u8, &str); 4] = [
    (0, "stopped as asked"),
    (1, "failed while running"),
    (EXIT_KEY, "key or sign guard refused"),
    (EXIT_CONFIG, "configuration or deployment is wrong"),
];

/// What is wrong with a genesis file.
#[derive(Debug, thiserror::Error)]
pub enum GenesisFault {
    /// It cannot be read.
    #[error("it cannot be read; chain.genesis must name a file")]
    Read(#[from] std::io::Error),
    /// Not a genesis that this executor runs.
    #[error(transparent)]
    Content(#[from] GenesisError),
    /// The genesis of another chain.
    #[error("it is of chain {found}, the configuration says {expected}")]
    Chain {
        /// Chain id in the file.
        found: u64,
        /// `chain.l2_chain_id`.
        expected: u64,
    },
}

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The sign guard.
    #[error("the sign guard refuses this process")]
    Guard(#[from] GuardError),
    /// The sign guard could not be written.
    #[error("the sign guard cannot be written")]
    Sign(#[source] ande_consensus::SignError),
    /// The async runtime.
    #[error("the runtime cannot start")]
    Runtime(#[source] std::io::Error),
    /// Logging.
    #[error("logging cannot start")]
    Log(#[from] ande_telemetry::TelemetryError),
    /// A listener.
    #[error("cannot listen on {address} for {purpose}; is another process using it?")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What for.
        purpose: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No settlement chain is configured.
    #[error("the settlement chain cannot be used")]
    Settlement(#[from] L1Error),
    /// The deployment is not this node's.
    #[error("the deployment on the settlement chain does not fit this node")]
    Deployment(#[from] DeploymentError),
    /// The configured times cannot work together.
    #[error("the configured times do not fit the contract")]
    Timing(#[from] TimingError),
    /// The reader's data is in doubt.
    #[error("the settlement chain contradicts what this node stored")]
    Reader(#[from] ReaderError),
    /// The database.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// The genesis file.
    #[error("genesis file {path}")]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: GenesisFault,
    },
    /// The state of the executor.
    #[error("the state of the L2 cannot be used")]
    Execution(#[from] ExecutionError),
    /// The state cannot be made again.
    #[error("the state cannot be made again: {reason}")]
    Resync {
        /// What stands in the way.
        reason: &'static str,
        /// Why, if the file system knows.
        #[source]
        source: Option<std::io::Error>,
    },
    /// What a new era made void cannot be removed.
    #[error("what is void in the new era cannot be removed")]
    Rewind {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The settlement contract began a new era: the node starts again from the settled block.
    #[error("era {0} began on the settlement chain")]
    NewEra(Era),
    /// The external execution client.
    #[error("the execution client cannot be used")]
    Client(#[source] ande_execution::EngineError),
    /// The Celestia node.
    #[error("[celestia] cannot be used")]
    Celestia(#[from] ande_celestia::CelestiaError),
    /// The Celestia node, asked.
    #[error(transparent)]
    DataLayer(#[from] ande_consensus::DataLayerError),
    /// The chain.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
    /// The batcher.
    #[error("the batches of this node are in doubt")]
    Batcher(#[from] ande_batcher::BatcherError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A service ended that should not have.
    #[error("{0} ended unexpectedly; see the log")]
    Service(&'static str),
    /// Peer-to-peer client.
    #[error("the peer client cannot start")]
    Peer(#[from] ande_peer::PeerError),
}

impl NodeError {
    /// The exit code for a supervisor: 77 and 78 are not worth a restart.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Deployment(_)
            | Self::Timing(_)
            | Self::Settlement(_)
            | Self::Client(_)
            | Self::Celestia(_)
            | Self::Genesis { .. } => EXIT_CONFIG,
            Self::Key(_) | Self::Guard(_) | Self::Sign(_) => EXIT_KEY,
            _ => 1,
        }
    }
}
