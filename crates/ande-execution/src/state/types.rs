//! Accounts, blocks and what a block changes.

use std::collections::BTreeMap;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};

use super::{StateError, world::World};

/// An account without its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent, or contracts created by the contract.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// Hash of the code; the hash of nothing for an account without code.
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

impl Account {
    /// Whether the account has code.
    #[must_use]
    pub fn has_code(&self) -> bool {
        self.code_hash != KECCAK256_EMPTY
    }

    /// Whether the account counts as absent (EIP-161).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads one state.
pub trait StateRead: Send + Sync {
    /// The account, if it exists.
    ///
    /// # Errors
    /// The stored entry is damaged or cannot be read.
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError>;

    /// The value of a storage slot, zero if never written.
    ///
    /// # Errors
    /// As [`StateRead::account`].
    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError>;

    /// The code with this hash.
    ///
    /// # Errors
    /// The code is not stored, is damaged, or cannot be read.
    fn code(&self, code_hash: &B256) -> Result<Bytes, StateError>;

    /// The hash of a block up to the one of this state.
    ///
    /// # Errors
    /// The block is unknown, or its entry is damaged or cannot be read.
    fn block_hash(&self, number: u64) -> Result<B256, StateError>;
}

/// What a block does to one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// The account after the block; none: it is deleted, with its storage.
    pub account: Option<Account>,
    /// The storage is emptied before `slots` are written.
    pub wiped: bool,
    /// Slots after the block; zero removes.
    pub slots: BTreeMap<U256, U256>,
}

/// What a block does to the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockChanges {
    /// Changed accounts. Naming what did not change does no harm.
    pub accounts: BTreeMap<Address, AccountChange>,
    /// New code by its hash.
    pub codes: BTreeMap<B256, Bytes>,
}

/// A block as the state knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockMeta {
    /// Its number.
    pub number: u64,
    /// Hash of its header.
    pub hash: B256,
    /// Root of the state after it.
    pub state_root: B256,
    /// Its time in seconds since 1970.
    pub timestamp: u64,
}

impl BlockMeta {
    /// The block with this header.
    pub(crate) fn of(header: &Header) -> Self {
        Self {
            number: header.number,
            hash: header.hash_slow(),
            state_root: header.state_root,
            timestamp: header.timestamp,
        }
    }
}

/// The root of the state that consists of these changes only: of a genesis.
///
/// # Errors
/// The changes contradict themselves, as in [`StateStore::prepare`](super::StateStore::prepare).
pub fn state_root(changes: &BlockChanges) -> Result<B256, StateError> {
    let mut world = World::default();
    world.change(changes)?;
    Ok(world.root_in_parallel())
}
