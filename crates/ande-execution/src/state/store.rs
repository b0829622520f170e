//! The state of the chain.

use std::{
    collections::VecDeque,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, keccak256};
use parking_lot::{Mutex, RwLock};

use super::{
    AccountProof, BlockChanges, BlockMeta, Damage, Prepared, StateError, StateOptions, StateView,
    codec::{Table, put_block},
    codes::Codes,
    disk::{Disk, GENESIS, HEAD, OLDEST, OLDEST_RECEIPTS, missing},
    load::load,
    proof::prove,
    world::World,
    writer::{Job, Queue, put_state, write_blocks},
};

/// The state of the chain: the newest blocks in memory, all of it on disk, a few blocks behind.
///
/// Copies are the same store. When the last one is dropped, what was applied is written first; a
/// [`StateView`] may live longer. All methods may wait for the disk: call them from threads that
/// may.
#[derive(Clone)]
pub struct StateStore {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    history_blocks: u64,
    keep: usize,
    /// Held while the head moves.
    turn: Mutex<()>,
    writer: Option<JoinHandle<()>>,
}

/// What views need of the store.
pub(super) struct Shared {
    pub(super) disk: Disk,
    pub(super) codes: Codes,
    pub(super) queue: Queue,
    pub(super) chain: RwLock<Chain>,
}

/// The blocks in memory.
#[derive(Default)]
pub(super) struct Chain {
    genesis: Option<BlockMeta>,
    /// Consecutive, the head last.
    recent: VecDeque<Recent>,
}

#[derive(Clone)]
pub(super) struct Recent {
    pub(super) meta: BlockMeta,
    pub(super) world: World,
}

impl Chain {
    pub(super) fn recent(&self, number: u64) -> Option<&Recent> {
        let first = self.recent.front()?.meta.number;
        self.recent.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }
}

impl std::fmt::Debug for StateStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateStore").field("head", &self.head()).finish_non_exhaustive()
    }
}

impl StateStore {
    /// Opens or creates the store in a directory of its own, and rebuilds the state of the newest
    /// durable block.
    ///
    /// # Errors
    /// Another process has the directory, or its content is damaged: [`StateError::Damaged`] names
    /// the entry, or the root that the content should have.
    pub fn open(dir: &Path, options: StateOptions) -> Result<Self, StateError> {
        let disk = Disk::open(dir, options.cache_bytes)?;
        let chain = read_chain(&disk)?;
        let durable = chain.recent.back().map_or(0, |head| head.meta.number);
        let shared = Arc::new(Shared {
            disk,
            codes: Codes::default(),
            queue: Queue::new(options.queue, durable),
            chain: RwLock::new(chain),
        });
        let (served, kept) = (Arc::clone(&shared), options.clone());
        let writer = thread::Builder::new().name("state-writer".to_owned()).spawn(move || {
            served.queue.serve(|jobs| write_blocks(&served.disk, jobs, &kept));
        });
        let writer = writer.map_err(|error| StateError::Thread(error.to_string()))?;
        let inner = Inner {
            shared,
            history_blocks: options.history_blocks,
            keep: options.recent.max(1),
            turn: Mutex::new(()),
            writer: Some(writer),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Stores the genesis and its state, durably. Does nothing if it is stored already.
    ///
    /// # Errors
    /// Another genesis is stored, or the state has not the root of the block.
    pub fn initialise(&self, genesis: BlockMeta, state: BlockChanges) -> Result<(), StateError> {
        let _turn = self.inner.turn.lock();
        let shared = &self.inner.shared;
        if let Some(stored) = self.genesis() {
            if stored == genesis {
                return Ok(());
            }
            let (stored, given) = (Box::new(stored), Box::new(genesis));
            return Err(StateError::WrongGenesis { stored, given });
        }
        let mut world = World::default();
        let deltas = world.change(&state)?;
        self.check_codes(&deltas_code(&deltas), &state)?;
        let found = world.root_in_parallel();
        if found != genesis.state_root {
            let (number, expected) = (genesis.number, genesis.state_root);
            return Err(StateError::WrongRoot { number, expected, found });
        }
        let job = Job { meta: genesis, deltas, codes: state.codes, receipts: Bytes::new() };
        let mut batch = shared.disk.batch();
        put_state(&mut batch, &job);
        batch.put(Table::Meta, GENESIS, put_block(&genesis));
        batch.put(Table::Meta, OLDEST, genesis.number.to_be_bytes().to_vec());
        batch.put_format();
        batch.commit()?;
        shared.disk.sync()?;
        let mut chain = shared.chain.write();
        shared.queue.start_at(genesis.number);
        chain.genesis = Some(genesis);
        chain.recent.push_back(Recent { meta: genesis, world });
        Ok(())
    }

    /// The genesis, once stored.
    #[must_use]
    pub fn genesis(&self) -> Option<BlockMeta> {
        self.inner.shared.chain.read().genesis
    }

    /// The newest applied block.
    #[must_use]
    pub fn head(&self) -> Option<BlockMeta> {
        self.inner.shared.chain.read().recent.back().map(|recent| recent.meta)
    }

    /// The newest block that survives a crash; 0 before the genesis is stored.
    #[must_use]
    pub fn persisted(&self) -> u64 {
        self.inner.shared.queue.durable()
    }

    /// The state after a candidate on the head. Any number of rivals may be prepared; nothing is
    /// stored before [`StateStore::apply`].
    ///
    /// # Errors
    /// There is no genesis yet, the changes contradict themselves, or refer to code that is not
    /// known.
    pub fn prepare(&self, changes: BlockChanges) -> Result<Prepared, StateError> {
        let Recent { meta: base, mut world } = self.newest()?;
        let deltas = world.change(&changes)?;
        self.check_codes(&deltas_code(&deltas), &changes)?;
        let root = world.root_after(&deltas);
        Ok(Prepared { base, world, root, deltas, codes: changes.codes })
    }

    /// Makes a prepared state the head. The head moves at once, the disk follows; when too many
    /// blocks wait for the disk, this waits too. `receipts` is returned by
    /// [`StateStore::receipts`].
    ///
    /// # Errors
    /// The state was not prepared on the present head, the block does not follow it or has another
    /// state root, or an earlier block could not be written: then nothing can be applied until
    /// the store is opened again.
    pub fn apply(
        &self,
        meta: BlockMeta,
        prepared: Prepared,
        receipts: Bytes,
    ) -> Result<(), StateError> {
        let _turn = self.inner.turn.lock();
        let shared = &self.inner.shared;
        let head = self.head().ok_or(StateError::NoGenesis)?;
        let Prepared { base, world, root, deltas, codes } = prepared;
        if base != head {
            return Err(StateError::NotOnHead {
                base: base.number,
                base_hash: base.hash,
                head: head.number,
                head_hash: head.hash,
            });
        }
        if head.number.checked_add(1) != Some(meta.number) {
            return Err(StateError::NotNext { given: meta.number, head: head.number });
        }
        if root != meta.state_root {
            let (number, expected) = (meta.number, meta.state_root);
            return Err(StateError::WrongRoot { number, expected, found: root });
        }
        shared.queue.wait_for_room()?;
        let mut chain = shared.chain.write();
        shared.queue.put(Job { meta, deltas, codes, receipts });
        chain.recent.push_back(Recent { meta, world });
        // What is not on disk is read from memory only.
        let durable = shared.queue.durable();
        let mut forgotten = Vec::new();
        while chain.recent.len() > self.inner.keep
            && chain.recent.front().is_some_and(|oldest| oldest.meta.number <= durable)
        {
            forgotten.extend(chain.recent.pop_front());
        }
        drop(chain);
        // Freed after the lock is.
        drop(forgotten);
        Ok(())
    }

    /// The state after the head.
    ///
    /// # Errors
    /// There is no genesis yet.
    pub fn at_head(&self) -> Result<StateView, StateError> {
        let Recent { meta, world } = self.newest()?;
        Ok(StateView::in_memory(meta, world, Arc::clone(&self.inner.shared)))
    }

    /// The state after a block, from memory or from the history on disk.
    ///
    /// # Errors
    /// The block is unknown or pruned, or the tables cannot be read.
    pub fn at(&self, number: u64) -> Result<StateView, StateError> {
        let shared = &self.inner.shared;
        let head = {
            let chain = shared.chain.read();
            if let Some(Recent { meta, world }) = chain.recent(number).cloned() {
                return Ok(StateView::in_memory(meta, world, Arc::clone(shared)));
            }
            let genesis = chain.genesis.ok_or(StateError::NoGenesis)?.number;
            let head = chain.recent.back().ok_or(StateError::NoGenesis)?.meta.number;
            if number < genesis || number > head {
                return Err(StateError::Unknown { number, head });
            }
            head
        };
        let snapshot = shared.disk.moment();
        let view = shared.disk.view_at(snapshot.clone());
        let oldest = view.oldest()?;
        if number < oldest {
            return Err(StateError::Pruned { number, oldest });
        }
        // Older than what is in memory, so it was written before.
        let durable = view.head()?.ok_or_else(|| missing(Table::Meta, HEAD))?;
        if number > durable.number {
            return Err(StateError::Unknown { number, head });
        }
        let meta = shared.stored_block(number)?;
        Ok(StateView::on_disk(meta, snapshot, Arc::clone(shared)))
    }

    /// A proof against the state root of a block in memory.
    ///
    /// # Errors
    /// The block is unknown, or its trie is no longer in memory.
    pub fn proof(
        &self,
        number: u64,
        address: Address,
        slots: &[B256],
    ) -> Result<AccountProof, StateError> {
        let recent = {
            let chain = self.inner.shared.chain.read();
            let (Some(oldest), Some(head)) = (chain.recent.front(), chain.recent.back()) else {
                return Err(StateError::NoGenesis);
            };
            let (oldest, head) = (oldest.meta.number, head.meta.number);
            match chain.recent(number).cloned() {
                Some(recent) => recent,
                None if number > head => return Err(StateError::Unknown { number, head }),
                None => return Err(StateError::NotProvable { number, oldest, head }),
            }
        };
        Ok(prove(&recent.world, address, slots))
    }

    /// A block by number.
    ///
    /// # Errors
    /// The stored entry is damaged or cannot be read.
    pub fn block(&self, number: u64) -> Result<Option<BlockMeta>, StateError> {
        self.inner.shared.block(number)
    }

    /// The receipts of a block as they were given to [`StateStore::apply`]; empty for the genesis,
    /// none for an unknown block.
    ///
    /// # Errors
    /// The receipts are pruned, or the stored entry is damaged or cannot be read.
    pub fn receipts(&self, number: u64) -> Result<Option<Bytes>, StateError> {
        let shared = &self.inner.shared;
        let queued = |job: &Arc<Job>| (job.meta.number == number).then(|| job.receipts.clone());
        // The queue first: what leaves it is on disk.
        if let Some(receipts) = shared.queue.find(queued) {
            return Ok(Some(receipts));
        }
        let read = |receipts: &[u8]| Some(Bytes::copy_from_slice(receipts));
        let view = shared.disk.snapshot();
        if let Some(receipts) = view.read(Table::Receipts, &number.to_be_bytes(), read)? {
            return Ok(Some(receipts));
        }
        let oldest = view.oldest_receipts()?;
        if number < oldest { Err(StateError::NoReceipts { number, oldest }) } else { Ok(None) }
    }

    /// Waits until the present head survives a crash.
    ///
    /// # Errors
    /// A block could not be written.
    pub fn flush(&self) -> Result<(), StateError> {
        match self.head() {
            Some(head) => self.inner.shared.queue.wait_for(head.number),
            None => Ok(()),
        }
    }

    /// The configured depth of history, in blocks.
    #[must_use]
    pub fn history_blocks(&self) -> u64 {
        self.inner.history_blocks
    }

    fn newest(&self) -> Result<Recent, StateError> {
        self.inner.shared.chain.read().recent.back().cloned().ok_or(StateError::NoGenesis)
    }

    /// New code has the hash it is given under, and accounts have code that is known.
    fn check_codes(
        &self,
        used: &[(Address, B256)],
        changes: &BlockChanges,
    ) -> Result<(), StateError> {
        for (given, code) in &changes.codes {
            let found = keccak256(code);
            if found != *given {
                return Err(StateError::BadCode { given: *given, found });
            }
        }
        for (address, hash) in used {
            if !changes.codes.contains_key(hash) && !self.inner.shared.has_code(hash)? {
                let reason = "its code is not known";
                return Err(StateError::BadChange { address: *address, reason });
            }
        }
        Ok(())
    }
}

/// The accounts that got code.
fn deltas_code(deltas: &[super::delta::AccountDelta]) -> Vec<(Address, B256)> {
    let with_code = deltas.iter().filter_map(|delta| {
        let hash = delta.after?.code_hash;
        let held = delta.before.map_or(KECCAK256_EMPTY, |account| account.code_hash);
        (hash != held).then_some((delta.address, hash))
    });
    with_code.collect()
}

fn read_chain(disk: &Disk) -> Result<Chain, StateError> {
    let view = disk.snapshot();
    let (genesis, head) = match (view.genesis()?, view.head()?) {
        (None, None) => return Ok(Chain::default()),
        (Some(genesis), Some(head)) => (genesis, head),
        (None, Some(_)) => return Err(missing(Table::Meta, GENESIS).into()),
        (Some(_), None) => return Err(missing(Table::Meta, HEAD).into()),
    };
    let wrong =
        |table: Table, key: &[u8]| -> Damage { table.damage(key, "it contradicts the head") };
    if head.number < genesis.number {
        return Err(wrong(Table::Meta, GENESIS).into());
    }
    let oldest = view.oldest()?;
    if oldest < genesis.number || oldest > head.number {
        return Err(wrong(Table::Meta, OLDEST).into());
    }
    if view.oldest_receipts()? > head.number.saturating_add(1) {
        return Err(wrong(Table::Meta, OLDEST_RECEIPTS).into());
    }
    for meta in [genesis, head] {
        let key = meta.number.to_be_bytes();
        if view.block(meta.number)? != Some(meta) {
            return Err(wrong(Table::Blocks, &key).into());
        }
    }
    let world = load(disk, &head)?;
    let recent = VecDeque::from([Recent { meta: head, world }]);
    Ok(Chain { genesis: Some(genesis), recent })
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the thread that writes the state panicked");
        }
    }
}
