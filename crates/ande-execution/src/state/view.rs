//! The state after one block, for reading.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use fjall::Snapshot;

use super::{
    Account, BlockMeta, StateError, StateRead,
    codec::{Table, get_account, get_slot, slot_key},
    disk::missing,
    store::Shared,
    world::World,
};

/// The state after one block. It stays what it is, whatever is applied or pruned later.
#[derive(Clone)]
pub struct StateView {
    meta: BlockMeta,
    source: Source,
    shared: Arc<Shared>,
}

#[derive(Clone)]
enum Source {
    Memory(World),
    /// Tables in which the block is neither above the head nor pruned.
    Disk(Snapshot),
}

impl std::fmt::Debug for StateView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateView").field("block", &self.meta).finish_non_exhaustive()
    }
}

impl StateView {
    pub(super) const fn in_memory(meta: BlockMeta, world: World, shared: Arc<Shared>) -> Self {
        Self { meta, source: Source::Memory(world), shared }
    }

    pub(super) const fn on_disk(meta: BlockMeta, snapshot: Snapshot, shared: Arc<Shared>) -> Self {
        Self { meta, source: Source::Disk(snapshot), shared }
    }

    /// The block.
    #[must_use]
    pub const fn block(&self) -> BlockMeta {
        self.meta
    }
}

impl StateRead for StateView {
    fn account(&self, address: &Address) -> Result<Option<Account>, StateError> {
        let key = keccak256(address);
        let snapshot = match &self.source {
            Source::Memory(world) => return Ok(world.account(&key).map(|leaf| leaf.account)),
            Source::Disk(snapshot) => snapshot,
        };
        let view = self.shared.disk.view_at(snapshot.clone());
        let (key, number) = (key.as_slice(), self.meta.number);
        match view.replaced_after(Table::AccountHistory, key, number, get_account)? {
            Some(account) => Ok(account),
            None => Ok(view.read(Table::Accounts, key, get_account)?.flatten()),
        }
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        let (account, slot) = (keccak256(address), keccak256(slot.to_be_bytes::<32>()));
        let snapshot = match &self.source {
            Source::Memory(world) => return Ok(world.storage(&account, &slot)),
            Source::Disk(snapshot) => snapshot,
        };
        let view = self.shared.disk.view_at(snapshot.clone());
        let (key, number) = (slot_key(&account, &slot), self.meta.number);
        match view.replaced_after(Table::StorageHistory, &key, number, get_slot)? {
            Some(value) => Ok(value),
            None => Ok(view.read(Table::Storage, &key, get_slot)?.unwrap_or_default()),
        }
    }

    fn code(&self, code_hash: &B256) -> Result<Bytes, StateError> {
        self.shared.code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        if number > self.meta.number {
            return Err(StateError::Unknown { number, head: self.meta.number });
        }
        let block = self.shared.block(number)?;
        let unknown = StateError::Unknown { number, head: self.meta.number };
        block.map(|block| block.hash).ok_or(unknown)
    }
}

impl Shared {
    pub(super) fn code(&self, hash: &B256) -> Result<Bytes, StateError> {
        if *hash == KECCAK256_EMPTY {
            return Ok(Bytes::new());
        }
        if let Some(code) = self.codes.get(hash) {
            return Ok(code);
        }
        // The queue first: what leaves it is on disk.
        let code = match self.queue.find(|job| job.codes.get(hash).cloned()) {
            Some(code) => code,
            None => {
                let key = hash.as_slice();
                let read = |code: &[u8]| Some(Bytes::copy_from_slice(code));
                let code = self.disk.snapshot().read(Table::Code, key, read)?;
                let code = code.ok_or(StateError::NoCode(*hash))?;
                if keccak256(&code) != *hash {
                    return Err(Table::Code.damage(key, "it is other code").into());
                }
                code
            }
        };
        self.codes.put(*hash, code.clone());
        Ok(code)
    }

    /// Whether code is stored, without reading it.
    pub(super) fn has_code(&self, hash: &B256) -> Result<bool, StateError> {
        Ok(*hash == KECCAK256_EMPTY
            || self.codes.get(hash).is_some()
            || self.queue.find(|job| job.codes.contains_key(hash).then_some(())).is_some()
            || self.disk.snapshot().contains(Table::Code, hash.as_slice())?)
    }

    pub(super) fn block(&self, number: u64) -> Result<Option<BlockMeta>, StateError> {
        if let Some(recent) = self.chain.read().recent(number) {
            return Ok(Some(recent.meta));
        }
        self.disk.snapshot().block(number)
    }

    /// A block that must be stored.
    pub(super) fn stored_block(&self, number: u64) -> Result<BlockMeta, StateError> {
        let key = number.to_be_bytes();
        self.block(number)?.ok_or_else(|| missing(Table::Blocks, &key).into())
    }
}
