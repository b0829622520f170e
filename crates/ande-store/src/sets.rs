//! Validator sets of epochs.

use std::sync::Arc;

use ande_primitives::{Canonical as _, Epoch, EpochSet, Era};
use sqlx::sqlite::SqliteRow;

use crate::{
    Store, StoreError,
    seal::KeyBytes,
    sql::{RowReader, to_sql},
};

const TABLE: &str = "sets";
/// Sets kept in memory; the node needs those of the last few epochs.
const CACHED: usize = 16;

impl Store {
    /// Stores the set of an epoch; durable on return. Storing it again does nothing, whichever
    /// settlement block it was read at.
    ///
    /// # Errors
    /// [`StoreError::SetChanged`] when another set is stored for this era and epoch; the database
    /// cannot be read or written.
    pub async fn put_set(&self, set: &EpochSet) -> Result<(), StoreError> {
        let failed = || StoreError::sql("store a validator set");
        let (era, epoch) = (i64::from(set.era.0), to_sql("epoch", set.epoch.0)?);
        let mut tx = self.inner.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let row = sqlx::query("SELECT era, epoch, body FROM sets WHERE era = ? AND epoch = ?")
            .bind(era)
            .bind(epoch)
            .fetch_optional(&mut *tx)
            .await
            .map_err(failed())?;
        if let Some(row) = row {
            let stored = decode(&row)?;
            return if (EpochSet { l1_block: set.l1_block, ..stored }) == *set {
                Ok(())
            } else {
                Err(StoreError::SetChanged { era: set.era, epoch: set.epoch })
            };
        }
        let body = key(era, epoch).at(TABLE).seal(set.to_canonical());
        sqlx::query("INSERT INTO sets (era, epoch, body) VALUES (?, ?, ?)")
            .bind(era)
            .bind(epoch)
            .bind(body)
            .execute(&mut *tx)
            .await
            .map_err(failed())?;
        tx.commit().await.map_err(failed())?;
        // A higher era may have replaced what the cache says about this epoch.
        self.inner.sets.lock().remove(&set.epoch);
        Ok(())
    }

    /// The set of an epoch, in its highest era.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn set(&self, epoch: Epoch) -> Result<Option<Arc<EpochSet>>, StoreError> {
        if let Some(set) = self.inner.sets.lock().get(&epoch) {
            return Ok(Some(Arc::clone(set)));
        }
        let row = sqlx::query(
            "SELECT era, epoch, body FROM sets WHERE epoch = ? ORDER BY era DESC LIMIT 1",
        )
        .bind(to_sql("epoch", epoch.0)?)
        .fetch_optional(&self.inner.readers)
        .await
        .map_err(StoreError::sql("read a validator set"))?;
        let Some(row) = row else { return Ok(None) };
        let set = Arc::new(decode(&row)?);
        let mut cache = self.inner.sets.lock();
        // Another era may have been stored since the row was read: the higher one stays.
        let set = match cache.get(&epoch) {
            Some(cached) if cached.era > set.era => Arc::clone(cached),
            _ => {
                cache.insert(epoch, Arc::clone(&set));
                set
            }
        };
        while cache.len() > CACHED {
            cache.pop_first();
        }
        Ok(Some(set))
    }

    /// The set of an epoch in an era.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn set_in(
        &self,
        era: Era,
        epoch: Epoch,
    ) -> Result<Option<Arc<EpochSet>>, StoreError> {
        // Nearly always the highest one.
        if let Some(set) = self.set(epoch).await?.filter(|set| set.era == era) {
            return Ok(Some(set));
        }
        let row = sqlx::query("SELECT era, epoch, body FROM sets WHERE era = ? AND epoch = ?")
            .bind(i64::from(era.0))
            .bind(to_sql("epoch", epoch.0)?)
            .fetch_optional(&self.inner.readers)
            .await
            .map_err(StoreError::sql("read a validator set"))?;
        row.as_ref().map(|row| decode(row).map(Arc::new)).transpose()
    }

    /// The set of the highest epoch of the highest era.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn last_set(&self) -> Result<Option<Arc<EpochSet>>, StoreError> {
        let row =
            sqlx::query("SELECT era, epoch, body FROM sets ORDER BY era DESC, epoch DESC LIMIT 1")
                .fetch_optional(&self.inner.readers)
                .await
                .map_err(StoreError::sql("read a validator set"))?;
        row.as_ref().map(|row| decode(row).map(Arc::new)).transpose()
    }
}

fn key(era: i64, epoch: i64) -> KeyBytes {
    KeyBytes::new().int(era).int(epoch)
}

fn decode(row: &SqliteRow) -> Result<EpochSet, StoreError> {
    let row = RowReader { table: TABLE, row };
    let (era, epoch) = (row.int("era")?, row.int("epoch")?);
    let name = format!("era {era} epoch {epoch}");
    let key = key(era, epoch);
    let place = key.at(TABLE);
    let body = place.unseal(&name, row.blob("body")?)?;
    EpochSet::from_canonical(&body).map_err(|error| place.corrupt(&name, error.to_string()))
}
