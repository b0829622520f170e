//! The tables on disk.

use std::{ops::Bound, path::Path, sync::Arc};

use ande_kv::{OpenError, Sizes};
use fjall::{Database, Guard, Keyspace, OwnedWriteBatch, PersistMode, Readable as _, Snapshot};

use super::{
    BlockMeta, Damage, StateError,
    codec::{Table, get_block, get_u64, history_key},
};

/// Entries held in memory per table before they are sorted to disk; read again at the start.
const MEMTABLE_BYTES: u64 = 8 << 20;
/// What is replayed at most at the start.
const JOURNAL_BYTES: u64 = 128 << 20;
const FORMAT: u32 = 1;

/// Keys of [`Table::Meta`].
pub(super) const HEAD: &[u8] = b"head";
pub(super) const GENESIS: &[u8] = b"genesis";
pub(super) const OLDEST: &[u8] = b"oldest";
pub(super) const OLDEST_RECEIPTS: &[u8] = b"oldest receipts";
const FORMAT_KEY: &[u8] = b"format";

pub(super) struct Disk {
    database: Database,
    /// In the order of [`Table::ALL`].
    tables: Vec<Keyspace>,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

/// Whether the files are to blame, and not what they are stored on or who uses them.
const fn is_damage(error: &fjall::Error) -> bool {
    use fjall::{Error, LsmError};
    !matches!(
        error,
        Error::Io(_)
            | Error::Storage(LsmError::Io(_))
            | Error::Poisoned
            | Error::KeyspaceDeleted
            | Error::Locked
    )
}

fn failed(doing: &'static str) -> impl Fn(fjall::Error) -> StateError {
    move |source| match is_damage(&source) {
        true => Damage::Files { doing, reason: source.to_string() }.into(),
        false => StateError::Disk { doing, cause: Arc::new(source) },
    }
}

fn unreadable(table: Table, key: &[u8]) -> impl Fn(fjall::Error) -> StateError {
    move |source| match is_damage(&source) {
        true => table.damage(key, "the file that would hold it is damaged").into(),
        false => failed("read a key")(source),
    }
}

impl Disk {
    pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, StateError> {
        let sizes = Sizes { cache: cache_bytes, memtable: MEMTABLE_BYTES, journal: JOURNAL_BYTES };
        let opened = ande_kv::open(dir, sizes, &Table::ALL.map(Table::name));
        let (database, tables) = opened.map_err(|error| match error {
            OpenError::InUse(path) => StateError::InUse { path },
            OpenError::Occupied(path) => StateError::Occupied { path },
            OpenError::Journal => {
                Damage::Files { doing: "open it", reason: error.to_string() }.into()
            }
            OpenError::Database(source) => failed("open it")(source),
        })?;
        let disk = Self { database, tables };
        disk.check_format()?;
        Ok(disk)
    }

    fn check_format(&self) -> Result<(), StateError> {
        let decode = |content: &[u8]| content.try_into().ok().map(u32::from_be_bytes);
        match self.snapshot().read(Table::Meta, FORMAT_KEY, decode)? {
            Some(FORMAT) => Ok(()),
            Some(found) => Err(StateError::Format { found, known: FORMAT }),
            None if self.snapshot().genesis()?.is_some() => {
                Err(Table::Meta.damage(FORMAT_KEY, "it is missing").into())
            }
            None => Ok(()),
        }
    }

    fn keyspace(&self, table: Table) -> &Keyspace {
        &self.tables[table as usize]
    }

    /// What is stored now, whatever is written later.
    pub(super) fn snapshot(&self) -> DiskView<'_> {
        DiskView { disk: self, snapshot: self.database.snapshot() }
    }

    /// A [`DiskView`] for holding.
    pub(super) fn moment(&self) -> Snapshot {
        self.database.snapshot()
    }

    pub(super) const fn view_at(&self, snapshot: Snapshot) -> DiskView<'_> {
        DiskView { disk: self, snapshot }
    }

    /// Changes that are made together or not at all.
    pub(super) fn batch(&self) -> Batch<'_> {
        Batch { disk: self, batch: self.database.batch() }
    }

    /// Waits until all batches survive a power failure.
    pub(super) fn sync(&self) -> Result<(), StateError> {
        self.database.persist(PersistMode::SyncData).map_err(failed("sync"))
    }
}

pub(super) struct Batch<'a> {
    disk: &'a Disk,
    batch: OwnedWriteBatch,
}

impl Batch<'_> {
    pub(super) fn put(&mut self, table: Table, key: &[u8], content: Vec<u8>) {
        self.batch.insert(self.disk.keyspace(table), key, table.seal(key, content));
    }

    pub(super) fn remove(&mut self, table: Table, key: &[u8]) {
        self.batch.remove(self.disk.keyspace(table), key);
    }

    pub(super) fn put_format(&mut self) {
        self.put(Table::Meta, FORMAT_KEY, FORMAT.to_be_bytes().to_vec());
    }

    pub(super) fn commit(self) -> Result<(), StateError> {
        self.batch.commit().map_err(failed("write a block"))
    }
}

/// All tables at one moment.
pub(super) struct DiskView<'a> {
    disk: &'a Disk,
    snapshot: Snapshot,
}

type Entry = (Vec<u8>, Vec<u8>);

impl DiskView<'_> {
    /// Reads and decodes a value.
    pub(super) fn read<T>(
        &self,
        table: Table,
        key: &[u8],
        decode: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, StateError> {
        let value = self.snapshot.get(self.disk.keyspace(table), key);
        let Some(value) = value.map_err(unreadable(table, key))? else { return Ok(None) };
        Ok(Some(table.read(key, &value, decode)?))
    }

    pub(super) fn contains(&self, table: Table, key: &[u8]) -> Result<bool, StateError> {
        let found = self.snapshot.contains_key(self.disk.keyspace(table), key);
        found.map_err(unreadable(table, key))
    }

    /// The entries of a table in key order, the values with their checksums.
    pub(super) fn entries(
        &self,
        table: Table,
        range: (Bound<[u8; 1]>, Bound<[u8; 1]>),
    ) -> impl Iterator<Item = Result<Entry, StateError>> {
        let entries = self.snapshot.range(self.disk.keyspace(table), range);
        entries.map(move |guard| entry(guard, table))
    }

    /// The value of `key` before the first block after `number` that changed it, if one did.
    pub(super) fn replaced_after<T>(
        &self,
        history: Table,
        key: &[u8],
        number: u64,
        decode: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, StateError> {
        let Some(next) = number.checked_add(1) else { return Ok(None) };
        let range = history_key(key, next)..=history_key(key, u64::MAX);
        let Some(first) = self.snapshot.range(self.disk.keyspace(history), range).next() else {
            return Ok(None);
        };
        let (key, value) = entry(first, history)?;
        Ok(Some(history.read(&key, &value, decode)?))
    }

    pub(super) fn head(&self) -> Result<Option<BlockMeta>, StateError> {
        self.read(Table::Meta, HEAD, get_block)
    }

    pub(super) fn genesis(&self) -> Result<Option<BlockMeta>, StateError> {
        self.read(Table::Meta, GENESIS, get_block)
    }

    /// The oldest block whose state can be read.
    pub(super) fn oldest(&self) -> Result<u64, StateError> {
        let oldest = self.read(Table::Meta, OLDEST, get_u64)?;
        oldest.ok_or_else(|| Table::Meta.damage(OLDEST, "it is missing").into())
    }

    /// The oldest block after the genesis whose receipts can be read.
    pub(super) fn oldest_receipts(&self) -> Result<u64, StateError> {
        // Written by the first removal.
        Ok(self.read(Table::Meta, OLDEST_RECEIPTS, get_u64)?.unwrap_or(1))
    }

    pub(super) fn block(&self, number: u64) -> Result<Option<BlockMeta>, StateError> {
        let key = number.to_be_bytes();
        let Some(meta) = self.read(Table::Blocks, &key, get_block)? else { return Ok(None) };
        if meta.number == number {
            Ok(Some(meta))
        } else {
            Err(Table::Blocks.damage(&key, "it is another block").into())
        }
    }
}

fn entry(guard: Guard, table: Table) -> Result<Entry, StateError> {
    let (key, value) = guard.into_inner().map_err(failed(table.reading()))?;
    Ok((key.to_vec(), value.to_vec()))
}

/// A [`Damage`] of an entry that should be there.
pub(super) fn missing(table: Table, key: &[u8]) -> Damage {
    table.damage(key, "it is missing")
}
