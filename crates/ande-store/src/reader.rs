//! The chain in a data directory, read beside the node that may be running on it.

use std::{ops::RangeInclusive, path::Path};

use ande_primitives::{Commit, Height};
use sqlx::SqlitePool;

use crate::{
    ChainIdentity, STORAGE_VERSION, StoreError,
    chain::{self, Tip},
    meta, sql,
    store::DATABASE,
};

/// Reads blocks and certificates, and nothing else. Takes no lock and changes nothing.
#[derive(Debug)]
pub struct ChainReader {
    readers: SqlitePool,
    identity: ChainIdentity,
}

impl ChainReader {
    /// Opens the chain in `dir`.
    ///
    /// # Errors
    /// There is none, it is another one, or software newer than this wrote it.
    pub async fn open(dir: &Path, identity: ChainIdentity) -> Result<Self, StoreError> {
        let database = dir.join(DATABASE);
        if !database.is_file() {
            return Err(StoreError::NoChain { path: dir.to_owned() });
        }
        let readers = sql::open_readers(&database).await?;
        match meta::storage_version(&readers, &database).await? {
            None => return Err(StoreError::NoChain { path: dir.to_owned() }),
            Some(found) if found > STORAGE_VERSION => {
                return Err(StoreError::NewerVersion { found });
            }
            Some(_) => {}
        }
        match meta::load_identity(&readers).await? {
            Some(stored) if stored == identity => Ok(Self { readers, identity }),
            Some(stored) => Err(StoreError::WrongChain {
                path: dir.to_owned(),
                stored: Box::new(stored),
                given: Box::new(identity),
            }),
            None => Err(StoreError::NoChain { path: dir.to_owned() }),
        }
    }

    /// The last commit, none before block 1.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    pub async fn tip(&self) -> Result<Option<Commit>, StoreError> {
        Tip::load(&self.readers, &self.identity).await?.read_commit(&self.readers).await
    }

    /// As [`Store::commits`](crate::Store::commits).
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    pub async fn commits(
        &self,
        range: RangeInclusive<Height>,
        max_bytes: usize,
    ) -> Result<Vec<Commit>, StoreError> {
        chain::read_range(&self.readers, range, max_bytes).await
    }

    /// Lets go of the database.
    pub async fn close(&self) {
        self.readers.close().await;
    }
}
