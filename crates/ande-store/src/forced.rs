//! The forced queue, as far as it is final on the settlement chain.

use alloy_primitives::B256;
use ande_primitives::{Canonical as _, ForcedTransaction};
use sqlx::sqlite::SqliteRow;

use crate::{
    Store, StoreError,
    seal::KeyBytes,
    sql::{RowReader, limit_to_sql, to_sql},
};

const TABLE: &str = "forced";

impl Store {
    /// Appends entries to the stored queue, all or none; durable on return.
    ///
    /// # Errors
    /// [`StoreError::ForcedQueue`] when they do not extend the stored queue or one another; the
    /// database cannot be read or written.
    pub async fn put_forced(&self, entries: &[ForcedTransaction]) -> Result<(), StoreError> {
        let failed = || StoreError::sql("store forced transactions");
        let mut tx = self.inner.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let row =
            sqlx::query("SELECT queue_index, body FROM forced ORDER BY queue_index DESC LIMIT 1")
                .fetch_optional(&mut *tx)
                .await
                .map_err(failed())?;
        let last = row.as_ref().map(decode).transpose()?;
        let (mut next, mut acc) = last.map_or((0, B256::ZERO), |last| (last.index + 1, last.acc));
        for entry in entries {
            if entry.index != next || !entry.extends(acc) {
                return Err(StoreError::ForcedQueue { expected: next, got: entry.index });
            }
            (next, acc) = (next + 1, entry.acc);
            let index = to_sql("forced index", entry.index)?;
            sqlx::query("INSERT INTO forced (queue_index, body) VALUES (?, ?)")
                .bind(index)
                .bind(key(index).at(TABLE).seal(entry.to_canonical()))
                .execute(&mut *tx)
                .await
                .map_err(failed())?;
        }
        tx.commit().await.map_err(failed())
    }

    /// Stored entries from `from` on, in order, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    pub async fn forced(
        &self,
        from: u64,
        limit: usize,
    ) -> Result<Vec<ForcedTransaction>, StoreError> {
        let rows = sqlx::query(
            "SELECT queue_index, body FROM forced WHERE queue_index >= ?
             ORDER BY queue_index LIMIT ?",
        )
        .bind(to_sql("forced index", from)?)
        .bind(limit_to_sql(limit))
        .fetch_all(&self.inner.readers)
        .await
        .map_err(StoreError::sql("read forced transactions"))?;
        rows.iter().map(decode).collect()
    }

    /// The last stored entry.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn last_forced(&self) -> Result<Option<ForcedTransaction>, StoreError> {
        let row =
            sqlx::query("SELECT queue_index, body FROM forced ORDER BY queue_index DESC LIMIT 1")
                .fetch_optional(&self.inner.readers)
                .await
                .map_err(StoreError::sql("read forced transactions"))?;
        row.as_ref().map(decode).transpose()
    }
}

fn key(index: i64) -> KeyBytes {
    KeyBytes::new().int(index)
}

fn decode(row: &SqliteRow) -> Result<ForcedTransaction, StoreError> {
    let row = RowReader { table: TABLE, row };
    let index = row.int("queue_index")?;
    let key = key(index);
    let place = key.at(TABLE);
    let body = place.unseal(index, row.blob("body")?)?;
    ForcedTransaction::from_canonical(&body)
        .map_err(|error| place.corrupt(index, error.to_string()))
}
