//! The hot store on disk.

use std::path::Path;

use ande_kv::Sizes;
use fjall::{Database, Keyspace, PersistMode};

use crate::{KvBatch, KvError, KvStore, KvWrite, Space};

const SIZES: Sizes = Sizes { cache: 32 << 20, memtable: 8 << 20, journal: 128 << 20 };

/// [`KvStore`] over a log-structured merge tree.
pub struct FjallStore {
    database: Database,
    /// In the order of [`Space::ALL`].
    spaces: Vec<Keyspace>,
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
        let (database, spaces) = ande_kv::open(dir, SIZES, &Space::ALL.map(Space::name))
            .map_err(|source| KvError { doing: "open it", source: Box::new(source) })?;
        Ok(Self { database, spaces })
    }

    fn keyspace(&self, space: Space) -> &Keyspace {
        &self.spaces[space as usize]
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
