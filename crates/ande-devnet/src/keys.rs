//! Keys of a node, in files that only their owner can read.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use alloy::{
    primitives::{Address, B256},
    signers::local::PrivateKeySigner,
};
use ande_primitives::{NodeId, NodeKey};
use eyre::{Context as _, Result, eyre};

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
        let validator = load_or_create(&dir.join(VALIDATOR_KEY_FILE))?;
        let node = load_or_create(&dir.join(NODE_KEY_FILE))?;
        Ok(Self {
            validator: PrivateKeySigner::from_bytes(&validator)?,
            node: NodeKey::from_seed(&node.0),
        })
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

fn load_or_create(path: &Path) -> Result<B256> {
    if path.exists() {
        let text = fs::read_to_string(path)?;
        let bytes = hex::decode(text.trim())
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .ok_or_else(|| eyre!("{} does not hold 64 hexadecimal digits", path.display()))?;
        return Ok(B256::from(bytes));
    }
    // 32 random bytes that are also a valid secp256k1 scalar.
    let secret = PrivateKeySigner::random().to_bytes();
    write_secret(path, &hex::encode(secret))?;
    Ok(secret)
}

/// Writes a new file with mode 0600.
///
/// # Errors
/// When it exists or cannot be written.
pub fn write_secret(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .wrap_err_with(|| format!("cannot create {}", path.display()))?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    Ok(())
}
