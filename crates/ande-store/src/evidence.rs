//! Proofs of misbehaviour, kept until they are reported and for ever after.

use ande_consensus::Evidence;
use ande_primitives::Canonical as _;
use sqlx::{Row as _, sqlite::SqliteRow};

use crate::{
    Store, StoreError,
    seal::KeyBytes,
    sql::{RowReader, limit_to_sql},
};

const TABLE: &str = "evidence";
/// Proofs kept against one validator. One slashes it; the rest only documents.
const MAX_PER_SIGNER: i64 = 64;

impl Store {
    /// Stores evidence; durable on return. One proof for a slot is enough: another one for it, or
    /// one beyond 64 of a signer, is not stored. Returns whether this one was. The signatures are
    /// **not** verified here.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn put_evidence(&self, evidence: &Evidence) -> Result<bool, StoreError> {
        let slot = slot_of(evidence);
        let body = key(&slot).at(TABLE).seal(evidence.to_canonical());
        let done = sqlx::query(
            "INSERT INTO evidence (slot, signer, reported, body)
             SELECT ?1, ?2, 0, ?3
             WHERE (SELECT count(*) FROM evidence WHERE signer = ?2) < ?4
             ON CONFLICT (slot) DO NOTHING",
        )
        .bind(slot)
        .bind(evidence.signer.to_vec())
        .bind(body)
        .bind(MAX_PER_SIGNER)
        .execute(&self.inner.writer)
        .await
        .map_err(StoreError::sql("store evidence"))?;
        Ok(done.rows_affected() > 0)
    }

    /// Up to `limit` proofs, oldest first.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    pub async fn evidence(&self, limit: usize) -> Result<Vec<Evidence>, StoreError> {
        let rows = sqlx::query("SELECT id, slot, body FROM evidence ORDER BY id LIMIT ?")
            .bind(limit_to_sql(limit))
            .fetch_all(&self.inner.readers)
            .await
            .map_err(StoreError::sql("read evidence"))?;
        rows.iter().map(decode).collect()
    }

    /// Up to `limit` proofs that are not marked as reported, oldest first.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    pub async fn unreported_evidence(&self, limit: usize) -> Result<Vec<Evidence>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, slot, body FROM evidence WHERE reported = 0 ORDER BY id LIMIT ?",
        )
        .bind(limit_to_sql(limit))
        .fetch_all(&self.inner.readers)
        .await
        .map_err(StoreError::sql("read evidence"))?;
        rows.iter().map(decode).collect()
    }

    /// Marks evidence as reported to the contract; durable on return.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn mark_reported(&self, evidence: &Evidence) -> Result<(), StoreError> {
        sqlx::query("UPDATE evidence SET reported = 1 WHERE slot = ?")
            .bind(slot_of(evidence))
            .execute(&self.inner.writer)
            .await
            .map_err(StoreError::sql("mark evidence"))?;
        Ok(())
    }

    /// How many proofs are stored.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn evidence_count(&self) -> Result<u64, StoreError> {
        let failed = || StoreError::sql("count evidence");
        let row = sqlx::query("SELECT count(*) FROM evidence")
            .fetch_one(&self.inner.readers)
            .await
            .map_err(failed())?;
        let count: i64 = row.try_get(0).map_err(failed())?;
        Ok(count.unsigned_abs())
    }
}

/// Offender and slot.
fn slot_of(evidence: &Evidence) -> Vec<u8> {
    let vote = &evidence.first.vote;
    let mut slot = evidence.signer.to_vec();
    slot.extend_from_slice(&vote.era.0.to_be_bytes());
    slot.extend_from_slice(&vote.epoch.0.to_be_bytes());
    slot.extend_from_slice(&vote.height.0.to_be_bytes());
    slot.extend_from_slice(&vote.round.0.to_be_bytes());
    slot.push(vote.kind as u8);
    slot
}

fn key(slot: &[u8]) -> KeyBytes {
    KeyBytes::new().bytes(slot)
}

fn decode(row: &SqliteRow) -> Result<Evidence, StoreError> {
    let row = RowReader { table: TABLE, row };
    let id = row.int("id")?;
    let slot = row.blob("slot")?;
    let key = key(&slot);
    let place = key.at(TABLE);
    let body = place.unseal(id, row.blob("body")?)?;
    let evidence =
        Evidence::from_canonical(&body).map_err(|error| place.corrupt(id, error.to_string()))?;
    if slot_of(&evidence) == slot {
        Ok(evidence)
    } else {
        Err(place.corrupt(id, "the votes are not of the slot the row names"))
    }
}
