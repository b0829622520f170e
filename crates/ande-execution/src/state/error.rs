//! What can go wrong with the state.

use std::{path::PathBuf, sync::Arc};

use alloy_primitives::{Address, B256, Bytes};

use super::BlockMeta;

/// Why the state was not read or not changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has the directory open.
    #[error("the state directory {path} is in use: stop the other process, or use another one")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory holds something else.
    #[error("the state directory {path} holds files that are no database: use another one")]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// The database failed.
    #[error("the state database failed to {doing}: {cause}")]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        cause: Arc<fjall::Error>,
    },
    /// The writing thread could not be started.
    #[error("the thread that writes the state cannot be started: {0}")]
    Thread(String),
    /// An earlier write failed: what is on disk is behind and stays so.
    #[error("the state is no longer written since an error: {0}")]
    Failed(String),
    /// The database holds something this software did not write.
    #[error(
        "the state database is damaged: {0}. `ande-node resync` makes it again from the blocks"
    )]
    Damaged(Damage),
    /// Written by a newer version of this software.
    #[error("the state database has format {found}, this software reads {known}")]
    Format {
        /// Format in the database.
        found: u32,
        /// Format of this software.
        known: u32,
    },
    /// Nothing was stored yet.
    #[error("the state has no genesis yet")]
    NoGenesis,
    /// The database belongs to another chain.
    #[error("the state belongs to the chain of genesis {}, not {}", stored.hash, given.hash)]
    WrongGenesis {
        /// Genesis in the database.
        stored: Box<BlockMeta>,
        /// Genesis asked for.
        given: Box<BlockMeta>,
    },
    /// A change that contradicts itself.
    #[error("the change of account {address} is wrong: {reason}")]
    BadChange {
        /// The account.
        address: Address,
        /// What is wrong.
        reason: &'static str,
    },
    /// New code under a hash that it does not have.
    #[error("the code given as {given} has hash {found}")]
    BadCode {
        /// Hash it was given under.
        given: B256,
        /// Its hash.
        found: B256,
    },
    /// The state was prepared on a block that is no longer the head.
    #[error("the state was prepared on block {base} {base_hash}, the head is {head} {head_hash}")]
    NotOnHead {
        /// Number of the block it was prepared on.
        base: u64,
        /// Its hash.
        base_hash: B256,
        /// Number of the head.
        head: u64,
        /// Its hash.
        head_hash: B256,
    },
    /// A block that does not follow the head.
    #[error("block {given} does not follow the head {head}")]
    NotNext {
        /// Number of the block.
        given: u64,
        /// Number of the head.
        head: u64,
    },
    /// The changes lead to another root than the block says.
    #[error("block {number} has state root {expected}, its changes lead to {found}")]
    WrongRoot {
        /// Number of the block.
        number: u64,
        /// Root in the block.
        expected: B256,
        /// Root after the changes.
        found: B256,
    },
    /// Above the head, or below the genesis.
    #[error("block {number} is not known, the head is {head}")]
    Unknown {
        /// Block asked for.
        number: u64,
        /// Newest block.
        head: u64,
    },
    /// Below the kept history.
    #[error("the state of block {number} is pruned, the oldest kept is {oldest}")]
    Pruned {
        /// Block asked for.
        number: u64,
        /// Oldest block with state.
        oldest: u64,
    },
    /// The block's trie is no longer in memory.
    #[error("block {number} cannot be proven any more, proofs reach from block {oldest} to {head}")]
    NotProvable {
        /// Block asked for.
        number: u64,
        /// Oldest block in memory.
        oldest: u64,
        /// Newest block.
        head: u64,
    },
    /// The receipts of the block are no longer kept.
    #[error("the receipts of block {number} are pruned, the oldest kept are of block {oldest}")]
    NoReceipts {
        /// Block asked for.
        number: u64,
        /// Oldest block with receipts.
        oldest: u64,
    },
    /// No code has this hash.
    #[error("the code {0} is not stored")]
    NoCode(B256),
}

/// What is damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// An entry of a table.
    #[error("key {key} of table {table}: {reason}")]
    Entry {
        /// The table.
        table: &'static str,
        /// The key; of accounts and slots their hashes, then the block number in a history.
        key: Bytes,
        /// What is wrong.
        reason: &'static str,
    },
    /// The files behind the tables.
    #[error("its files (noticed while trying to {doing}): {reason}")]
    Files {
        /// What was tried.
        doing: &'static str,
        /// What the storage library says.
        reason: String,
    },
    /// The accounts and slots are not those of the head.
    #[error("the accounts and slots of block {number} have root {found}, expected is {expected}")]
    Root {
        /// The newest durable block.
        number: u64,
        /// Root of that block.
        expected: B256,
        /// Root of what is stored.
        found: B256,
    },
}

impl From<Damage> for StateError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}
