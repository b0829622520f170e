//! One node: configuration, keys, the one `match` on the mode, supervision and shutdown.

mod cli;
pub mod config;
mod data_layer;
mod eras;
mod error;
mod execution;
mod keyfile;
mod keystore;
mod node;
mod observe;
mod peer_service;
mod probe;
mod rebuild;
mod resync;
mod settlement;
mod shutdown;
mod snapshot;

pub use ande_rpc::ERROR_CODES;
pub use cli::{exit_codes, main};
pub use error::{EXIT_CODES, NodeError};
pub use keyfile::{
    KeyFileError, create_node_key, create_password, create_validator_key, parse_node_key,
    parse_validator_key, random_validator_key, read_node_key, read_password, read_secret,
    read_validator_key, write_node_key, write_secret, write_validator_key,
};
pub use keystore::{is_keystore, read_keystore, write_keystore};
pub use probe::{check_celestia, check_client_secret, check_settlement, genesis_hash};
pub use rebuild::{Rebuilt, rebuild};
pub use snapshot::{
    Exported, FormatError, Imported, Refusal, SnapshotError, export_snapshot, import_snapshot,
};
