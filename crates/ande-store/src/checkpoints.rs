//! Signatures of checkpoints that this node saw, and those that contradict each other.

use alloy_primitives::Address;
use ande_consensus::{CheckpointEvidence, SignedCheckpoint};
use ande_primitives::{Canonical as _, Checkpoint};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use crate::{
    Store, StoreError,
    seal::KeyBytes,
    sql::{self, RowReader, limit_to_sql, to_sql},
};

const SEEN: &str = "checkpoints";
const EVIDENCE: &str = "checkpoint_evidence";
/// Checkpoints of one signer for one place in the chain of batches that are kept: as many as an
/// honest one signs attempts.
const MAX_PER_SLOT: usize = 64;

impl Store {
    /// Keeps signatures of checkpoints with who signed; durable on return. Those known already cost
    /// nothing. Returns what now contradicts an earlier one and is not stored as evidence yet. The
    /// signatures are **not** verified here.
    ///
    /// # Errors
    /// The database cannot be read or written, or a row is damaged.
    pub async fn put_checkpoints(
        &self,
        seen: &[(Address, SignedCheckpoint)],
    ) -> Result<Vec<CheckpointEvidence>, StoreError> {
        let failed = || StoreError::sql("store signatures of checkpoints");
        let mut tx = self.inner.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let mut found = Vec::new();
        for (signer, signed) in seen {
            found.extend(put(&mut tx, *signer, signed).await?);
        }
        tx.commit().await.map_err(failed())?;
        Ok(found)
    }

    /// Forgets signatures seen before a time, milliseconds since the Unix epoch. Evidence stays.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn forget_checkpoints(&self, before_ms: u64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM checkpoints WHERE seen_at_ms < ?")
            .bind(to_sql("time", before_ms)?)
            .execute(&self.inner.writer)
            .await
            .map_err(StoreError::sql("forget signatures of checkpoints"))?;
        Ok(())
    }

    /// Up to `limit` contradictions that are not marked as reported, oldest first.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    pub async fn unreported_checkpoints(
        &self,
        limit: usize,
    ) -> Result<Vec<CheckpointEvidence>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, slot, body FROM checkpoint_evidence WHERE reported = 0
             ORDER BY id LIMIT ?",
        )
        .bind(limit_to_sql(limit))
        .fetch_all(&self.inner.readers)
        .await
        .map_err(StoreError::sql("read contradicting checkpoints"))?;
        rows.iter().map(decode_evidence).collect()
    }

    /// Marks a contradiction as reported to the contract; durable on return.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn mark_checkpoints_reported(
        &self,
        evidence: &CheckpointEvidence,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE checkpoint_evidence SET reported = 1 WHERE slot = ?")
            .bind(slot_of(evidence.signer, &evidence.first.checkpoint))
            .execute(&self.inner.writer)
            .await
            .map_err(StoreError::sql("mark contradicting checkpoints"))?;
        Ok(())
    }
}

async fn put(
    tx: &mut SqliteConnection,
    signer: Address,
    signed: &SignedCheckpoint,
) -> Result<Option<CheckpointEvidence>, StoreError> {
    let failed = || StoreError::sql("store the signature of a checkpoint");
    let slot = slot_of(signer, &signed.checkpoint);
    let rows = sqlx::query("SELECT id, slot, body FROM checkpoints WHERE slot = ? ORDER BY id")
        .bind(slot.clone())
        .fetch_all(&mut *tx)
        .await
        .map_err(failed())?;
    let known: Vec<SignedCheckpoint> = rows.iter().map(decode_seen).collect::<Result<_, _>>()?;
    if known.iter().any(|known| known.checkpoint == signed.checkpoint) {
        return Ok(None);
    }
    if known.len() < MAX_PER_SLOT {
        sqlx::query("INSERT INTO checkpoints (slot, seen_at_ms, body) VALUES (?, ?, ?)")
            .bind(slot.clone())
            .bind(sql::now_ms())
            .bind(key(&slot).at(SEEN).seal(signed.to_canonical()))
            .execute(&mut *tx)
            .await
            .map_err(failed())?;
    }
    let Some(first) = known.into_iter().find(|known| known.contradicts(signed)) else {
        return Ok(None);
    };
    let evidence = CheckpointEvidence { signer, first, second: *signed };
    let body = key(&slot).at(EVIDENCE).seal(evidence.to_canonical());
    let done = sqlx::query(
        "INSERT INTO checkpoint_evidence (slot, reported, body) VALUES (?, 0, ?)
         ON CONFLICT (slot) DO NOTHING",
    )
    .bind(slot)
    .bind(body)
    .execute(&mut *tx)
    .await
    .map_err(failed())?;
    Ok((done.rows_affected() > 0).then_some(evidence))
}

/// Signer and place in the chain of batches: nobody signs two contents there.
fn slot_of(signer: Address, checkpoint: &Checkpoint) -> Vec<u8> {
    let mut slot = signer.to_vec();
    slot.extend_from_slice(&checkpoint.era.0.to_be_bytes());
    slot.extend_from_slice(&checkpoint.batch_index.to_be_bytes());
    slot.extend_from_slice(checkpoint.parent_batch_hash.as_slice());
    slot
}

fn key(slot: &[u8]) -> KeyBytes {
    KeyBytes::new().bytes(slot)
}

fn decode_seen(row: &SqliteRow) -> Result<SignedCheckpoint, StoreError> {
    let row = RowReader { table: SEEN, row };
    let id = row.int("id")?;
    let slot = row.blob("slot")?;
    let key = key(&slot);
    let place = key.at(SEEN);
    let body = place.unseal(id, row.blob("body")?)?;
    SignedCheckpoint::from_canonical(&body).map_err(|error| place.corrupt(id, error.to_string()))
}

fn decode_evidence(row: &SqliteRow) -> Result<CheckpointEvidence, StoreError> {
    let row = RowReader { table: EVIDENCE, row };
    let id = row.int("id")?;
    let slot = row.blob("slot")?;
    let key = key(&slot);
    let place = key.at(EVIDENCE);
    let body = place.unseal(id, row.blob("body")?)?;
    let evidence = CheckpointEvidence::from_canonical(&body)
        .map_err(|error| place.corrupt(id, error.to_string()))?;
    if slot_of(evidence.signer, &evidence.first.checkpoint) == slot {
        Ok(evidence)
    } else {
        Err(place.corrupt(id, "the checkpoints are not of the slot the row names"))
    }
}
