//! `devnet.json`: what a running cluster consists of, for scripts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy::primitives::Address;
use eyre::Result;
use serde::{Deserialize, Serialize};

use crate::deploy::write_json;

const MANIFEST_FILE: &str = "devnet.json";

/// A healthy cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// JSON-RPC of the settlement chain.
    pub l1_rpc: String,
    /// Its chain id.
    pub l1_chain_id: u64,
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// Stake token.
    pub token: Address,
    /// `AndeConsensus`.
    pub consensus: Address,
    /// `AndeSequencerCoordinator`.
    pub coordinator: Address,
    /// JSON-RPC through the load balancer, if there is one.
    pub lb_rpc: Option<String>,
    /// WebSocket through the load balancer, if there is one.
    pub lb_ws: Option<String>,
    /// The nodes.
    pub validators: Vec<ManifestNode>,
}

/// One node of a healthy cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestNode {
    /// Contract id of the validator.
    pub id: u32,
    /// Its address.
    pub address: Address,
    /// JSON-RPC.
    pub rpc: String,
    /// WebSocket.
    pub ws: String,
    /// Metrics and status.
    pub ops: String,
    /// Consensus network.
    pub p2p: String,
    /// Process id.
    pub pid: Option<u32>,
    /// Directory with configuration, keys, data and log.
    pub dir: PathBuf,
}

impl Manifest {
    /// Writes the file into `dir` and returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<PathBuf> {
        let path = dir.join(MANIFEST_FILE);
        write_json(&path, self)?;
        Ok(path)
    }

    /// Removes the file of an earlier run: there is none while a cluster is not healthy.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(dir: &Path) -> Result<()> {
        match fs::remove_file(dir.join(MANIFEST_FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}
