//! Keys, genesis, sign guard.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use alloy::primitives::{Address, B256};
use ande_node::{KeyFileError, config::NodeConfig};
use ande_primitives::NodeId;

use super::finding::{Findings, whole};

/// What the key files say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Identities {
    pub(super) validator: Option<Address>,
    pub(super) node: Option<NodeId>,
    pub(super) poster: Option<Address>,
}

/// Reads all keys as the node would.
pub(super) fn keys(config: &NodeConfig, findings: &mut Findings) -> Identities {
    let address = |path: &Path, findings: &mut Findings| match ande_node::read_validator_key(path) {
        Ok(key) => Some(key.address()),
        Err(error) => {
            key_file(&error, "ande keys new --dir keys", findings);
            None
        }
    };
    let validator = address(&config.validator_key, findings);
    let poster = match &config.poster_key {
        Some(path) => address(path, findings),
        None => validator,
    };
    let node = match ande_node::read_node_key(&config.node_key) {
        Ok(key) => Some(key.id()),
        Err(error) => {
            key_file(&error, "ande keys new --dir keys", findings);
            None
        }
    };
    if let Err(error) = ande_node::check_client_secret(config) {
        findings.fault(
            "client-secret",
            whole(&error),
            "let engine.jwt_secret name the secret file of the execution client, mode 0600",
        );
    }
    Identities { validator, node, poster }
}

fn key_file(error: &KeyFileError, make: &str, findings: &mut Findings) {
    let (check, remedy) = match error {
        KeyFileError::Read { .. } | KeyFileError::Write { .. } => (
            "key-missing",
            format!("correct the path under [keys], restore the file, or make one: `{make}`"),
        ),
        KeyFileError::Permissions { path, .. } => {
            ("key-permissions", format!("run: chmod 600 {}", path.display()))
        }
        KeyFileError::Format { .. } | KeyFileError::Key { .. } | KeyFileError::Keystore { .. } => (
            "key-format",
            format!(
                "restore the file from its backup, take the key out of a keystore with `ande keys \
                 import`, or make one: `{make}`"
            ),
        ),
    };
    findings.fault(check, whole(error), remedy);
}

/// Hash of block 0.
pub(super) fn genesis(config: &NodeConfig, findings: &mut Findings) -> Option<B256> {
    match ande_node::genesis_hash(config) {
        Ok(hash) => Some(hash),
        Err(error) => {
            findings.fault(
                "genesis",
                whole(&error),
                "let chain.genesis name the genesis file that all nodes of this chain have",
            );
            None
        }
    }
}

/// A guard that is held while this node does not run: another process signs with the key.
pub(super) fn guard(config: &NodeConfig, running: bool, findings: &mut Findings) {
    let path = &config.guard;
    let Ok(file) = File::open(path) else { return };
    if running {
        return;
    }
    if let Err(TryLockError::WouldBlock) = file.try_lock_shared() {
        findings.fault(
            "guard-held",
            format!("another process holds the sign guard {}", path.display()),
            "stop the other node that uses this validator key: two signers of one key are slashed",
        );
    }
}
