//! Blocks that are proposed and not decided.

use alloy_primitives::B256;
use ande_consensus::Candidate;
use ande_primitives::{Canonical as _, Height, Round};
use sqlx::{Sqlite, Transaction, sqlite::SqliteRow};

use crate::{
    Store, StoreError,
    chain::{body_id, body_key, decode_body},
    seal::KeyBytes,
    sql::{self, RowReader, to_sql},
};

const TABLE: &str = "candidates";
/// Most different candidates kept for one round. An honest proposer makes one; more are the work of
/// an equivocator and need no place.
const MAX_PER_ROUND: usize = 16;
const NO_ROUND: i64 = -1;
const SELECT: &str = "SELECT c.height AS height, c.round AS round, c.valid_round AS valid_round,
       c.proposer AS proposer, c.built_here AS built_here, c.seal AS seal,
       d.hash AS hash, d.body AS body
FROM candidates c LEFT JOIN bodies d ON d.id = c.body_id ";

impl Store {
    /// Stores an undecided block; durable on return. Storing it again does nothing, but may mark it
    /// as built here. Candidates of committed heights are of no use and not stored.
    ///
    /// # Errors
    /// [`StoreError::TurnTaken`] when another block was built here for this turn,
    /// [`StoreError::TooManyCandidates`] for a flood; the database cannot be written.
    pub async fn put_candidate(
        &self,
        candidate: &Candidate,
        built_here: bool,
    ) -> Result<(), StoreError> {
        let latest = self.latest();
        if candidate.block.height() <= latest {
            tracing::debug!(height = %candidate.block.height(), "candidate of a decided height not stored");
            return Ok(());
        }
        let failed = || StoreError::sql("store a candidate");
        let mut tx = self.inner.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        if insert(&mut tx, candidate, built_here).await? {
            tx.commit().await.map_err(failed())?;
        }
        Ok(())
    }

    /// Stored candidates of a height, by ascending round.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    pub async fn candidates(&self, height: Height) -> Result<Vec<Candidate>, StoreError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{SELECT} WHERE c.height = ? ORDER BY c.round, c.body_id"
        )))
        .bind(to_sql("block height", height.0)?)
        .fetch_all(&self.inner.readers)
        .await
        .map_err(StoreError::sql("read candidates"))?;
        rows.iter().map(decode).collect()
    }

    /// The block that was built here for a turn.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn built_candidate(
        &self,
        height: Height,
        round: Round,
    ) -> Result<Option<Candidate>, StoreError> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{SELECT} WHERE c.height = ? AND c.round = ? AND c.built_here = 1"
        )))
        .bind(to_sql("block height", height.0)?)
        .bind(i64::from(round.0))
        .fetch_optional(&self.inner.readers)
        .await
        .map_err(StoreError::sql("read candidates"))?;
        row.as_ref().map(decode).transpose()
    }
}

/// Returns whether anything was written.
async fn insert(
    tx: &mut Transaction<'_, Sqlite>,
    candidate: &Candidate,
    built_here: bool,
) -> Result<bool, StoreError> {
    let failed = || StoreError::sql("store a candidate");
    let hash = candidate.block.hash();
    let height = sql::height_to_sql(&candidate.block)?;
    let round = i64::from(candidate.round.0);
    let present = sqlx::query(
        "SELECT d.hash AS hash, c.built_here AS built_here
         FROM candidates c JOIN bodies d ON d.id = c.body_id WHERE c.height = ? AND c.round = ?",
    )
    .bind(height)
    .bind(round)
    .fetch_all(&mut **tx)
    .await
    .map_err(failed())?;
    let mut known = false;
    for row in &present {
        let row = RowReader { table: TABLE, row };
        let (stored, was_built) = (row.hash("hash")?, row.int("built_here")? == 1);
        if stored == hash {
            if was_built || !built_here {
                return Ok(false);
            }
            known = true;
        } else if was_built && built_here {
            return Err(StoreError::TurnTaken {
                height: candidate.block.height(),
                round: candidate.round,
                stored,
            });
        }
    }
    // The own block always has a place.
    if !known && !built_here && present.len() >= MAX_PER_ROUND {
        return Err(StoreError::TooManyCandidates {
            height: candidate.block.height(),
            round: candidate.round,
            limit: MAX_PER_ROUND,
        });
    }
    let body = body_key(hash, height).at("bodies").seal(candidate.block.to_canonical());
    sqlx::query(
        "INSERT INTO bodies (hash, height, body) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING",
    )
    .bind(hash.to_vec())
    .bind(height)
    .bind(body)
    .execute(&mut **tx)
    .await
    .map_err(failed())?;
    let body_id = body_id(tx, hash).await?;
    let valid_round = candidate.valid_round.map_or(NO_ROUND, |round| i64::from(round.0));
    let columns = Columns { height, round, valid_round, built_here: i64::from(built_here), hash };
    sqlx::query(
        "INSERT OR REPLACE INTO candidates
         (height, round, body_id, valid_round, proposer, built_here, seal)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(height)
    .bind(round)
    .bind(body_id)
    .bind(valid_round)
    .bind(candidate.proposer.to_vec())
    .bind(columns.built_here)
    .bind(columns.key(candidate.proposer.as_slice()).at(TABLE).seal(Vec::new()))
    .execute(&mut **tx)
    .await
    .map_err(failed())?;
    Ok(true)
}

struct Columns {
    height: i64,
    round: i64,
    valid_round: i64,
    built_here: i64,
    hash: B256,
}

impl Columns {
    fn key(&self, proposer: &[u8]) -> KeyBytes {
        KeyBytes::new()
            .int(self.height)
            .int(self.round)
            .int(self.valid_round)
            .int(self.built_here)
            .bytes(self.hash.as_slice())
            .bytes(proposer)
    }
}

fn decode(row: &SqliteRow) -> Result<Candidate, StoreError> {
    let row = RowReader { table: TABLE, row };
    let columns = Columns {
        height: row.int("height")?,
        round: row.int("round")?,
        valid_round: row.int("valid_round")?,
        built_here: row.int("built_here")?,
        hash: row.hash("hash")?,
    };
    let proposer = row.address("proposer")?;
    let name = format!("height {} round {}", columns.height, columns.round);
    columns.key(proposer.as_slice()).at(TABLE).unseal(&name, row.blob("seal")?)?;
    let valid_round = match columns.valid_round {
        NO_ROUND => None,
        _ => Some(Round(row.unsigned32("valid_round")?)),
    };
    Ok(Candidate {
        block: decode_body(columns.hash, columns.height, row.blob("body")?)?,
        round: Round(row.unsigned32("round")?),
        valid_round,
        proposer,
    })
}
