//! Small bridges between SQLite's types and ours.

use std::{path::Path, time::Duration};

use alloy_primitives::{Address, B256};
use ande_primitives::{Block, Height};
use sqlx::{
    Row, SqlitePool,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
};

use crate::StoreError;

/// Pages of the write-ahead log after which it is copied into the database (4 KiB each).
const CHECKPOINT_PAGES: &str = "4000";
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Readers wait for one of few connections; longer than this means that the node is stuck.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
const READERS: u32 = 4;

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// The one connection that writes.
pub(crate) async fn open_writer(path: &Path) -> Result<SqlitePool, StoreError> {
    pool(1)
        .connect_with(options(path).create_if_missing(true))
        .await
        .map_err(StoreError::sql("open the database"))
}

/// Connections that only read.
pub(crate) async fn open_readers(path: &Path) -> Result<SqlitePool, StoreError> {
    pool(READERS)
        .connect_with(options(path).pragma("query_only", "1"))
        .await
        .map_err(StoreError::sql("open the database for reading"))
}

/// Heights, nonces and times as SQLite stores them.
pub(crate) fn to_sql(what: &'static str, value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::TooLarge {
        what,
        size: value,
        limit: i64::MAX.unsigned_abs(),
    })
}

/// A size as SQLite stores it; no size in memory exceeds 63 bits.
pub(crate) fn size_to_sql(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// One row of a table, read with errors that name it.
#[derive(Debug)]
pub(crate) struct RowReader<'a> {
    pub(crate) table: &'static str,
    pub(crate) row: &'a SqliteRow,
}

impl RowReader<'_> {
    fn wrong(&self, column: &'static str, reason: impl std::fmt::Display) -> StoreError {
        StoreError::Corrupt {
            table: self.table,
            row: format!("(column {column})"),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        self.row.try_get(column).map_err(|error| self.wrong(column, error))
    }

    pub(crate) fn unsigned(&self, column: &'static str) -> Result<u64, StoreError> {
        u64::try_from(self.int(column)?).map_err(|error| self.wrong(column, error))
    }

    pub(crate) fn unsigned32(&self, column: &'static str) -> Result<u32, StoreError> {
        u32::try_from(self.int(column)?).map_err(|error| self.wrong(column, error))
    }

    pub(crate) fn height(&self, column: &'static str) -> Result<Height, StoreError> {
        self.unsigned(column).map(Height)
    }

    pub(crate) fn blob(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        self.row.try_get(column).map_err(|error| self.wrong(column, error))
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.row.try_get(column).map_err(|error| self.wrong(column, error))
    }

    pub(crate) fn hash(&self, column: &'static str) -> Result<B256, StoreError> {
        let bytes = self.blob(column)?;
        B256::try_from(bytes.as_slice()).map_err(|error| self.wrong(column, error))
    }

    pub(crate) fn address(&self, column: &'static str) -> Result<Address, StoreError> {
        let bytes = self.blob(column)?;
        Address::try_from(bytes.as_slice()).map_err(|error| self.wrong(column, error))
    }
}

/// Milliseconds since the Unix epoch, for bookkeeping columns only.
pub(crate) fn now_ms() -> i64 {
    let elapsed =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// Upper bound on the rows that one listing returns.
pub(crate) fn limit_to_sql(limit: usize) -> i64 {
    size_to_sql(limit)
}

/// Key of a block in its checksums.
pub(crate) fn height_to_sql(block: &Block) -> Result<i64, StoreError> {
    to_sql("block height", block.height().0)
}
