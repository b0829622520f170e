//! The state in the words of revm.

use alloy_primitives::{Address, B256, U256};
use lru::LruCache;
use parking_lot::Mutex;
use revm::{Database, DatabaseRef, bytecode::Bytecode, context::DBErrorMarker, state::AccountInfo};
use std::{fmt, num::NonZeroUsize, sync::Arc};

use crate::state::{StateError, StateRead};

/// Codes kept with their jump tables. The longest code has 24 KiB.
const KEPT_CODES: NonZeroUsize = NonZeroUsize::new(2048).unwrap();

/// A state that did not answer while code ran: says nothing about the code.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct DatabaseError(#[from] pub(crate) StateError);

impl DBErrorMarker for DatabaseError {}

/// Codes that were analysed before, shared by everything that runs code.
#[derive(Clone)]
pub(crate) struct CodeCache(Arc<Mutex<LruCache<B256, Bytecode>>>);

impl Default for CodeCache {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(KEPT_CODES))))
    }
}

impl fmt::Debug for CodeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CodeCache").field(&self.0.lock().len()).finish()
    }
}

impl CodeCache {
    fn load<S: StateRead + ?Sized>(&self, state: &S, hash: B256) -> Result<Bytecode, StateError> {
        if let Some(code) = self.0.lock().get(&hash) {
            return Ok(code.clone());
        }
        // A Cancun chain has no delegations: whatever the code begins with, it is plain code.
        let code = Bytecode::new_legacy(state.code(&hash)?);
        self.0.lock().put(hash, code.clone());
        Ok(code)
    }
}

/// A state that revm reads.
pub(crate) struct StateDatabase<S> {
    state: S,
    codes: CodeCache,
}

impl<S> fmt::Debug for StateDatabase<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateDatabase").field("codes", &self.codes).finish_non_exhaustive()
    }
}

impl<S: StateRead> StateDatabase<S> {
    pub(crate) const fn new(state: S, codes: CodeCache) -> Self {
        Self { state, codes }
    }
}

impl<S: StateRead> DatabaseRef for StateDatabase<S> {
    type Error = DatabaseError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, DatabaseError> {
        Ok(self.state.account(&address)?.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            account_id: None,
            code: None,
        }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, DatabaseError> {
        Ok(self.codes.load(&self.state, code_hash)?)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, DatabaseError> {
        Ok(self.state.storage(&address, &slot)?)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, DatabaseError> {
        Ok(self.state.block_hash(number)?)
    }
}

impl<S: StateRead> Database for StateDatabase<S> {
    type Error = DatabaseError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, DatabaseError> {
        self.basic_ref(address)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, DatabaseError> {
        self.code_by_hash_ref(code_hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, DatabaseError> {
        self.storage_ref(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, DatabaseError> {
        self.block_hash_ref(number)
    }
}
