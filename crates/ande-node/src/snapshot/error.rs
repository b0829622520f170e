//! Why a snapshot is not made or not taken.

use std::{io, path::PathBuf};

use alloy_primitives::B256;
use ande_execution::ExecutionError;
use ande_primitives::{CommitError, Height};
use ande_store::{ChainIdentity, StoreError};

use crate::{NodeError, snapshot::FormatError};

/// Why a block is not the next one of the chain.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not the next height.
    #[error("it says that it is block {got}")]
    Height {
        /// What must come.
        expected: Height,
        /// What came.
        got: Height,
    },
    /// On another block.
    #[error("it extends {got}, the block before it is {expected}")]
    Parent {
        /// Hash of the block before.
        expected: B256,
        /// Parent that it names.
        got: B256,
    },
    /// Not what a quorum of its epoch signed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// It does not execute to what it says.
    #[error("{0}")]
    Execution(String),
    /// The end of the snapshot is not what its header says.
    #[error("the header names {expected}, the block is {got}")]
    Last {
        /// Hash in the header.
        expected: B256,
        /// Hash of the block.
        got: B256,
    },
}

/// Why a snapshot is not made or not taken.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A file operation failed.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Something is there that would be replaced.
    #[error("{0} exists; a snapshot replaces nothing")]
    Exists(PathBuf),
    /// The data directory has something in it.
    #[error(
        "the data directory {0} is not empty: move it away, and leave the sign guard where it is"
    )]
    Occupied(PathBuf),
    /// No block.
    #[error("the chain has no block yet")]
    Empty,
    /// The chain was rewound while it was read.
    #[error(
        "the chain changed while it was read, as it does when a new era begins: export it again"
    )]
    Changed,
    /// A snapshot of another chain.
    #[error("the snapshot is of another chain. snapshot: {found}. configured: {expected}")]
    WrongChain {
        /// Identity in the snapshot.
        found: Box<ChainIdentity>,
        /// Identity in the configuration.
        expected: Box<ChainIdentity>,
    },
    /// The file is no snapshot.
    #[error("{path} is not a snapshot that this software reads")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: FormatError,
    },
    /// The file is damaged.
    #[error("the snapshot is damaged at block {height}")]
    Damaged {
        /// Block that could not be read; the one after the last for what follows it.
        height: Height,
        /// What is wrong.
        #[source]
        source: FormatError,
    },
    /// A block that is none of this chain.
    #[error("block {height} of the snapshot is refused")]
    Refused {
        /// Its place in the snapshot.
        height: Height,
        /// What is wrong.
        #[source]
        source: Refusal,
    },
    /// A block whose validators are not known.
    #[error(
        "the validator set of block {0} is not final on the settlement chain: try again when it is"
    )]
    NoSet(Height),
    /// The settlement contract has no sets.
    #[error("the settlement chain has no validator sets: the chain is not launched, or is halted")]
    NotLaunched,
    /// The settlement chain does not answer.
    #[error("the validator sets cannot be read from the settlement chain: {0}")]
    Settlement(String),
    /// Configuration, settlement chain or state.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
}

/// For `map_err` of file operations.
pub(crate) fn io_error(
    doing: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> SnapshotError {
    let path = path.into();
    move |source| SnapshotError::Io { doing, path, source }
}
