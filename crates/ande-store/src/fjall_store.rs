//! The hot store on disk.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::{KvBatch, KvError, KvStore, KvWrite, Space};

/// Memory for blocks of the index that were read lately.
const CACHE_BYTES: u64 = 32 << 20;
/// Entries held in memory before they are sorted to disk; read again at the start.
const MEMTABLE_BYTES: u64 = 8 << 20;
const JOURNAL_BYTES: u64 = 128 << 20;

/// [`KvStore`] over a log-structured merge tree.
pub struct FjallStore {
    database: Database,
    meta: Keyspace,
    transactions: Keyspace,
}

impl std::fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FjallStore").finish_non_exhaustive()
    }
}

fn failed(doing: &'static str) -> impl FnOnce(fjall::Error) -> KvError {
    move |source| KvError { doing, source: Box::new(source) }
}

impl FjallStore {
    /// Opens or creates the store in a directory of its own.
    ///
    /// # Errors
    /// The directory cannot be used or its content is damaged.
    pub fn open(dir: &Path) -> Result<Self, KvError> {
        let database = Database::builder(dir)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(1)
            .open()
            .map_err(failed("open it"))?;
        let open = |space: Space| {
            database
                .keyspace(space.name(), || {
                    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
                })
                .map_err(failed("open a keyspace"))
        };
        let (meta, transactions) = (open(Space::Meta)?, open(Space::Transactions)?);
        Ok(Self { database, meta, transactions })
    }

    const fn keyspace(&self, space: Space) -> &Keyspace {
        match space {
            Space::Meta => &self.meta,
            Space::Transactions => &self.transactions,
        }
    }
}

impl KvStore for FjallStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        let value = self.keyspace(space).get(key).map_err(failed("read a key"))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn write(&self, batch: KvBatch) -> Result<(), KvError> {
        let mut writes = self.database.batch();
        for KvWrite { space, key, value } in batch.writes {
            match value {
                Some(value) => writes.insert(self.keyspace(space), key, value),
                None => writes.remove(self.keyspace(space), key),
            }
        }
        writes.commit().map_err(failed("write a batch"))
    }

    fn clear(&self, space: Space) -> Result<(), KvError> {
        self.keyspace(space).clear().map_err(failed("clear a keyspace"))
    }

    fn sync(&self) -> Result<(), KvError> {
        self.database.persist(PersistMode::SyncAll).map_err(failed("sync"))
    }
}
