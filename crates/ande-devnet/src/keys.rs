//! Keys of a node, in files that only their owner can read.

use std::{fs, path::Path};

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use ande_primitives::{NodeId, NodeKey};
use eyre::Result;

/// File of the validator key in a node's directory.
pub const VALIDATOR_KEY_FILE: &str = "validator.key";
/// File of the node key in a node's directory.
pub const NODE_KEY_FILE: &str = "node.key";

/// Keys of one validator.
#[derive(Clone)]
pub struct NodeKeys {
    /// Signs votes, checkpoints and its owner's transactions on the settlement chain.
    pub validator: PrivateKeySigner,
    /// Network identity.
    pub node: NodeKey,
}

impl NodeKeys {
    /// Reads the keys in `dir`, or makes and stores new ones.
    ///
    /// # Errors
    /// Unreadable or malformed files.
    pub fn load_or_create(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let (validator, node) = (dir.join(VALIDATOR_KEY_FILE), dir.join(NODE_KEY_FILE));
        if !validator.exists() {
            ande_node::create_validator_key(&validator)?;
        }
        if !node.exists() {
            ande_node::create_node_key(&node)?;
        }
        Self::load(dir)
    }

    /// Reads the keys in `dir`.
    ///
    /// # Errors
    /// Missing, unreadable or malformed files.
    pub fn load(dir: &Path) -> Result<Self> {
        let validator = ande_node::read_validator_key(&dir.join(VALIDATOR_KEY_FILE))?;
        let node = ande_node::read_node_key(&dir.join(NODE_KEY_FILE))?;
        let validator = PrivateKeySigner::from_signing_key(validator.signing_key().clone());
        Ok(Self { validator, node })
    }

    /// Address of the validator key.
    #[must_use]
    pub fn address(&self) -> Address {
        self.validator.address()
    }

    /// Network identity.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.node.id()
    }
}

impl core::fmt::Debug for NodeKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("NodeKeys")
            .field("address", &self.address())
            .field("node_id", &self.node_id())
            .finish()
    }
}
