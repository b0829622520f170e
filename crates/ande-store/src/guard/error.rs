//! Why a guard cannot be opened.

use std::path::PathBuf;

use alloy_primitives::{Address, B256};

use super::file::VERSION;

/// Why the sign guard cannot be used. Nothing is signed then.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Another process has the guard open.
    #[error(
        "the sign guard {path} is in use: another process signs with this validator key. Stop it \
         first; two processes with one key get the validator slashed"
    )]
    InUse {
        /// The guard file.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("cannot {doing} the sign guard {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The guard file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Others may write the file.
    #[error(
        "the sign guard {path} can be written by other users (mode {mode:o}): whoever changes it \
         can get the validator slashed. Check who did, then run: chmod 600 {path}"
    )]
    Permissions {
        /// The guard file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The guard of another key.
    #[error(
        "the sign guard {path} belongs to validator key {stored}, the configured key is {given}: \
         every key needs a guard file of its own"
    )]
    WrongKey {
        /// The guard file.
        path: PathBuf,
        /// Key in the file.
        stored: Address,
        /// Configured key.
        given: Address,
    },
    /// The guard of another chain.
    #[error(
        "the sign guard {path} belongs to L2 chain id {stored_chain} with signing domain \
         {stored_domain}, configured are {given_chain} and {given_domain}: every chain needs a \
         guard file of its own"
    )]
    WrongDomain {
        /// The guard file.
        path: PathBuf,
        /// L2 chain id in the file.
        stored_chain: u64,
        /// Domain separator in the file.
        stored_domain: B256,
        /// Configured L2 chain id.
        given_chain: u64,
        /// Configured domain separator.
        given_domain: B256,
    },
    /// Written by newer software.
    #[error(
        "the sign guard {path} has version {found}, this software reads version {VERSION}: run the \
         version that wrote it, or a newer one"
    )]
    NewerVersion {
        /// The guard file.
        path: PathBuf,
        /// Version in the file.
        found: u16,
    },
    /// The file is not what was written.
    #[error(
        "the sign guard {path} is damaged ({reason}). Do not delete it and do not restore an older \
         copy: a validator that forgot what it signed can sign twice and be slashed. Keep this node \
         from voting and give the validator a new signer key"
    )]
    Damaged {
        /// The guard file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
