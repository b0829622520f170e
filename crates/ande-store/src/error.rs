//! What can go wrong in the store.

use std::path::PathBuf;

use alloy_primitives::{Address, B256};
use ande_primitives::{Epoch, Era, Height, Round};

use crate::{BatchState, ChainIdentity, KvError, STORAGE_VERSION};

/// Why the store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the data directory open.
    #[error(
        "the data directory {path} is in use by {holder}: stop that process, or give this one a \
         data directory of its own"
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// Who holds it.
        holder: String,
    },
    /// Nothing to read.
    #[error("there is no chain in the data directory {path}")]
    NoChain {
        /// The data directory.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The data directory belongs to another chain.
    #[error(
        "the data directory {path} belongs to another chain. stored: {stored}. configured: \
         {given}. Correct the configuration, or use another data directory"
    )]
    WrongChain {
        /// The data directory.
        path: PathBuf,
        /// Identity in the database.
        stored: Box<ChainIdentity>,
        /// Identity in the configuration.
        given: Box<ChainIdentity>,
    },
    /// Written by a newer version of this software.
    #[error(
        "the database has storage version {found}, this software reads up to {STORAGE_VERSION}: \
         run the version that wrote it, or a newer one"
    )]
    NewerVersion {
        /// Version in the database.
        found: u32,
    },
    /// A file that is no database of this software.
    #[error("{path} is a database of another program: move it away, or use another data directory")]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// The schema could not be brought up to date.
    #[error("the database schema cannot be brought up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The database failed.
    #[error("the database failed to {doing}")]
    Sql {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: sqlx::Error,
    },
    /// The database file is damaged.
    #[error(
        "the database file is damaged (noticed while trying to {doing}): restore the data \
         directory from a backup, or move it away and let the node fetch the chain from its peers; \
         keep the sign guard file in either case"
    )]
    Damaged {
        /// What was tried.
        doing: &'static str,
        /// What the database says.
        #[source]
        source: sqlx::Error,
    },
    /// A stored value is not what was written.
    #[error(
        "table {table}, row {row}: {reason}. The database is damaged: restore the data directory \
         from a backup, or move it away and let the node fetch the chain from its peers; keep the \
         sign guard file in either case"
    )]
    Corrupt {
        /// Table of the value.
        table: &'static str,
        /// Key of its row.
        row: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The transaction index failed.
    #[error("the transaction index failed: {source}; {advice}")]
    Hot {
        /// What to do.
        advice: String,
        /// Why it failed.
        #[source]
        source: KvError,
    },
    /// A block that does not extend the tip.
    #[error("block {height} on {parent} does not extend the tip, which is block {tip} {tip_hash}")]
    NotContiguous {
        /// Height of the tip.
        tip: Height,
        /// Consensus hash of the tip.
        tip_hash: B256,
        /// Height of the block.
        height: Height,
        /// Parent that the block names.
        parent: B256,
    },
    /// A commit that contradicts itself.
    #[error("the commit of block {height} contradicts itself: {reason}")]
    InvalidCommit {
        /// Height of the block.
        height: Height,
        /// What is wrong.
        reason: String,
    },
    /// Entries that do not extend the stored forced queue.
    #[error(
        "entry {got} does not extend the stored forced queue, which expects {expected}; the \
         settlement chain was replaced or an endpoint lies"
    )]
    ForcedQueue {
        /// Index of the next entry.
        expected: u64,
        /// Index of the refused one.
        got: u64,
    },
    /// The set of an epoch changed.
    #[error(
        "the validator set of era {era} epoch {epoch} differs from the stored one: sets are \
         immutable, so the settlement node answers for another chain or reorganised beyond \
         finality"
    )]
    SetChanged {
        /// Era of the set.
        era: Era,
        /// Epoch of the set.
        epoch: Epoch,
    },
    /// An era without the one before it.
    #[error("era {got} is said to follow era {last}")]
    EraGap {
        /// Last known era.
        last: Era,
        /// The one given.
        got: Era,
    },
    /// A second block for one turn.
    #[error("another block, {stored}, was built here for height {height} round {round}")]
    TurnTaken {
        /// Height of the turn.
        height: Height,
        /// Round of the turn.
        round: Round,
        /// The block built first.
        stored: B256,
    },
    /// More different proposals for one round than are kept.
    #[error("height {height} round {round} has {limit} candidates already")]
    TooManyCandidates {
        /// Height of the candidate.
        height: Height,
        /// Round of the candidate.
        round: Round,
        /// Most that are kept.
        limit: usize,
    },
    /// A value above its limit.
    #[error("{what} of {size} exceeds the limit of {limit}")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The journal could not be made durable.
    #[error("the transaction journal cannot be written: {0}")]
    Journal(String),
    /// A batch that does not follow the stored ones.
    #[error("batch {index}: {reason}")]
    BatchRefused {
        /// Number of the batch.
        index: u64,
        /// Which rule forbids it.
        reason: String,
    },
    /// A step that the batch's state does not allow.
    #[error("batch {index} cannot go from {from} to {to}")]
    BatchTransition {
        /// Number of the batch.
        index: u64,
        /// Its state.
        from: BatchState,
        /// State asked for.
        to: BatchState,
    },
    /// No such settlement transaction.
    #[error("there is no settlement transaction {0}")]
    UnknownL1Tx(i64),
    /// Another settlement transaction of the sender is final for this nonce.
    #[error("nonce {nonce} of {sender} is used by a final transaction")]
    NonceUsed {
        /// The account.
        sender: Address,
        /// The nonce.
        nonce: u64,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Names what was tried when the database failed.
    pub(crate) fn sql(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| {
            // SQLITE_CORRUPT and SQLITE_NOTADB with their extended codes.
            let damaged = source
                .as_database_error()
                .and_then(|error| error.code())
                .and_then(|code| code.parse::<i32>().ok())
                .is_some_and(|code| matches!(code & 0xff, 11 | 26));
            if damaged {
                Self::Damaged { doing, source }
            } else if matches!(source, sqlx::Error::PoolClosed) {
                Self::Closed
            } else {
                Self::Sql { doing, source }
            }
        }
    }
}
