//! Batches on their way to the settlement chain.

use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable as _, Encodable as _, RlpDecodable, RlpEncodable};
use ande_primitives::{BatchHeader, DaPointer, Height, QuorumCertificate};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use crate::{
    Store, StoreError,
    seal::KeyBytes,
    sql::{self, RowReader, to_sql},
};

const TABLE: &str = "batches";
const COLUMNS: &str =
    "SELECT batch_index, content_hash, start_height, end_height, state, record, data FROM batches ";
/// Largest data of a batch: a full set of blobs with room to spare.
const MAX_DATA_BYTES: usize = 4 << 20;
/// Most batches that one call returns.
const MAX_LISTED: usize = 1024;

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum BatchState {
    /// Cut, and perhaps certified.
    Created = 0,
    /// Its transaction was broadcast.
    Submitted = 1,
    /// In a settlement block that may still be reorganised.
    Included = 2,
    /// In a final settlement block.
    Finalized = 3,
    /// Given up; another attempt makes it [`Created`](Self::Created) again.
    Failed = 4,
}

impl BatchState {
    const ALL: [Self; 5] =
        [Self::Created, Self::Submitted, Self::Included, Self::Finalized, Self::Failed];

    fn from_sql(value: i64) -> Option<Self> {
        usize::try_from(value).ok().and_then(|index| Self::ALL.get(index)).copied()
    }

    /// Whether a batch may go from here to `next`. Staying is allowed; a reorganisation takes an
    /// included batch back; nothing leaves [`Finalized`](Self::Finalized).
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Finalized => next == Self::Finalized,
            // Somebody else may have posted the same batch, so it can be found on the settlement
            // chain, final even, from any state.
            _ => true,
        }
    }
}

impl std::fmt::Display for BatchState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Submitted => "submitted",
            Self::Included => "included",
            Self::Finalized => "finalized",
            Self::Failed => "failed",
        })
    }
}

/// A batch with everything needed to post it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRow {
    /// Its header.
    pub header: BatchHeader,
    /// Where its data is.
    pub da: DaPointer,
    /// Posting attempt.
    pub attempt: u32,
    /// How far it is.
    pub state: BatchState,
    /// Encoded skip records.
    pub skips: Bytes,
    /// Encoded blocks.
    pub data: Bytes,
    /// Signatures of the committee over the checkpoint.
    pub qc: Option<QuorumCertificate>,
    /// Hash of the settlement transaction that carries it.
    pub l1_tx: Option<B256>,
    /// Settlement block that includes it.
    pub l1_block: Option<u64>,
    /// When it was cut, milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// When this row was last written, milliseconds since the Unix epoch.
    pub updated_at_ms: u64,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

impl Store {
    /// Stores a new batch; durable on return. A batch of the same number that is not final is
    /// replaced; if its content differs, the batches after it are dropped, for they extend it.
    ///
    /// # Errors
    /// [`StoreError::BatchRefused`] when it does not follow the stored batches or a final batch
    /// stands in its place; the database cannot be written.
    pub async fn put_batch(&self, row: &BatchRow) -> Result<(), StoreError> {
        let failed = || StoreError::sql("store a batch");
        let refused =
            |reason: String| StoreError::BatchRefused { index: row.header.batch_index, reason };
        let index = to_sql("batch index", row.header.batch_index)?;
        let mut tx = self.inner.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        if let Some(previous) = read(&mut tx, index.saturating_sub(1)).await? {
            let parent = previous.header.content_hash();
            if row.header.parent_batch_hash != parent
                || row.header.start_height != previous.header.end_height.next()
            {
                return Err(refused(format!(
                    "its parent is {} and it starts at {}, batch {} is {parent} and ends at {}",
                    row.header.parent_batch_hash,
                    row.header.start_height,
                    previous.header.batch_index,
                    previous.header.end_height,
                )));
            }
        }
        let content = row.header.content_hash();
        if let Some(stored) = read(&mut tx, index).await? {
            let same = stored.header.content_hash() == content;
            if stored.state == BatchState::Finalized && !(same && row.state == stored.state) {
                return Err(refused("a final batch has this number".into()));
            }
            if !same {
                if has_final_after(&mut tx, index).await? {
                    return Err(refused("a final batch extends the one it would replace".into()));
                }
                drop_after(&mut tx, index).await?;
            }
        } else if has_after(&mut tx, index).await? {
            return Err(refused("later batches are stored, this one would leave a gap".into()));
        }
        write(&mut tx, index, content, row).await?;
        tx.commit().await.map_err(failed())
    }

    /// Writes the new state of a stored batch; durable on return. A final batch leaves the outbox.
    ///
    /// # Errors
    /// [`StoreError::BatchRefused`] when no batch with this number and content is stored,
    /// [`StoreError::BatchTransition`] when its state forbids the step; the database cannot be
    /// written.
    pub async fn update_batch(&self, row: &BatchRow) -> Result<(), StoreError> {
        let failed = || StoreError::sql("update a batch");
        let index = to_sql("batch index", row.header.batch_index)?;
        let content = row.header.content_hash();
        let mut tx = self.inner.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let stored = read(&mut tx, index)
            .await?
            .filter(|stored| stored.header.content_hash() == content)
            .ok_or_else(|| StoreError::BatchRefused {
                index: row.header.batch_index,
                reason: "no batch with this content is stored".into(),
            })?;
        if !stored.state.may_become(row.state) {
            return Err(StoreError::BatchTransition {
                index: row.header.batch_index,
                from: stored.state,
                to: row.state,
            });
        }
        write(&mut tx, index, content, row).await?;
        tx.commit().await.map_err(failed())
    }

    /// Drops the batches from a number on; durable on return.
    ///
    /// # Errors
    /// [`StoreError::BatchRefused`] when one of them is final; the database cannot be written.
    pub async fn drop_batches(&self, from: u64) -> Result<(), StoreError> {
        let failed = || StoreError::sql("drop batches");
        let before = to_sql("batch index", from)?.saturating_sub(1);
        let mut tx = self.inner.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        if has_final_after(&mut tx, before).await? {
            let reason = "a final batch stands there".into();
            return Err(StoreError::BatchRefused { index: from, reason });
        }
        drop_after(&mut tx, before).await?;
        tx.commit().await.map_err(failed())
    }

    /// The batch with a number.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn batch(&self, index: u64) -> Result<Option<BatchRow>, StoreError> {
        let index = to_sql("batch index", index)?;
        self.one_batch("WHERE batch_index = ?", |query| query.bind(index)).await
    }

    /// The batch with a content hash.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn batch_by_content_hash(&self, hash: B256) -> Result<Option<BatchRow>, StoreError> {
        self.one_batch("WHERE content_hash = ? ORDER BY batch_index DESC LIMIT 1", |query| {
            query.bind(hash.to_vec())
        })
        .await
    }

    /// Up to `limit` (at most 1024) batches from a number upwards.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    pub async fn batches(&self, from: u64, limit: usize) -> Result<Vec<BatchRow>, StoreError> {
        let from = to_sql("batch index", from)?;
        let limit = sql::size_to_sql(limit.min(MAX_LISTED));
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE batch_index >= ? ORDER BY batch_index LIMIT ?"
        )))
        .bind(from)
        .bind(limit)
        .fetch_all(&self.inner.readers)
        .await
        .map_err(StoreError::sql("read batches"))?;
        rows.iter().map(decode).collect()
    }

    /// How many batches from a number upwards are in each state, in the order of the states.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn batch_counts(&self, from: u64) -> Result<[u64; 5], StoreError> {
        let rows = sqlx::query(
            "SELECT state, COUNT(*) AS count FROM batches WHERE batch_index >= ? GROUP BY state",
        )
        .bind(to_sql("batch index", from)?)
        .fetch_all(&self.inner.readers)
        .await
        .map_err(StoreError::sql("count batches"))?;
        let mut counts = [0; 5];
        for row in &rows {
            let reader = RowReader { table: TABLE, row };
            let state = usize::try_from(reader.int("state")?).ok();
            if let Some(count) = state.and_then(|state| counts.get_mut(state)) {
                *count = reader.unsigned("count")?;
            }
        }
        Ok(counts)
    }

    /// The batch with the highest number.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn last_batch(&self) -> Result<Option<BatchRow>, StoreError> {
        self.one_batch("ORDER BY batch_index DESC LIMIT 1", |query| query).await
    }

    /// The batch with the highest number in a state.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn last_batch_in_state(
        &self,
        state: BatchState,
    ) -> Result<Option<BatchRow>, StoreError> {
        self.one_batch("WHERE state = ? ORDER BY batch_index DESC LIMIT 1", |query| {
            query.bind(i64::from(state as u8))
        })
        .await
    }

    /// The batch that has a block.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn batch_of_height(&self, height: Height) -> Result<Option<BatchRow>, StoreError> {
        let at = to_sql("block height", height.0)?;
        let row = self
            .one_batch(
                // Not an escape batch, which has none.
                "WHERE start_height <= ? AND start_height <= end_height
                 ORDER BY start_height DESC LIMIT 1",
                |query| query.bind(at),
            )
            .await?;
        Ok(row.filter(|row| row.header.end_height >= height))
    }

    async fn one_batch(
        &self,
        clause: &'static str,
        bind: impl FnOnce(Query) -> Query + Send,
    ) -> Result<Option<BatchRow>, StoreError> {
        let query = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} {clause}")));
        let row = bind(query)
            .fetch_optional(&self.inner.readers)
            .await
            .map_err(StoreError::sql("read a batch"))?;
        row.as_ref().map(decode).transpose()
    }
}

type Query = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

async fn read(tx: &mut SqliteConnection, index: i64) -> Result<Option<BatchRow>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE batch_index = ?")))
        .bind(index)
        .fetch_optional(tx)
        .await
        .map_err(StoreError::sql("read a batch"))?;
    row.as_ref().map(decode).transpose()
}

async fn has_after(tx: &mut SqliteConnection, index: i64) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM batches WHERE batch_index > ? LIMIT 1")
        .bind(index)
        .fetch_optional(tx)
        .await
        .map_err(StoreError::sql("read batches"))?;
    Ok(row.is_some())
}

async fn has_final_after(tx: &mut SqliteConnection, index: i64) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM batches WHERE batch_index > ? AND state = ? LIMIT 1")
        .bind(index)
        .bind(i64::from(BatchState::Finalized as u8))
        .fetch_optional(tx)
        .await
        .map_err(StoreError::sql("read batches"))?;
    Ok(row.is_some())
}

async fn drop_after(tx: &mut SqliteConnection, index: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM batches WHERE batch_index > ?")
        .bind(index)
        .execute(tx)
        .await
        .map_err(StoreError::sql("drop replaced batches"))?;
    Ok(())
}

async fn write(
    tx: &mut SqliteConnection,
    index: i64,
    content: B256,
    row: &BatchRow,
) -> Result<(), StoreError> {
    if row.data.len() > MAX_DATA_BYTES {
        return Err(StoreError::TooLarge {
            what: "batch data",
            size: row.data.len() as u64,
            limit: MAX_DATA_BYTES as u64,
        });
    }
    let columns = Columns {
        index,
        content,
        start: to_sql("block height", row.header.start_height.0)?,
        end: to_sql("block height", row.header.end_height.0)?,
        state: i64::from(row.state as u8),
    };
    let key = columns.key();
    sqlx::query(
        "INSERT OR REPLACE INTO batches
         (batch_index, content_hash, start_height, end_height, state, record, data)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(index)
    .bind(content.to_vec())
    .bind(columns.start)
    .bind(columns.end)
    .bind(columns.state)
    .bind(key.at(TABLE).seal(Record::of(row).bytes()))
    .bind(key.at(TABLE).seal(row.data.to_vec()))
    .execute(&mut *tx)
    .await
    .map_err(StoreError::sql("write a batch"))?;
    if row.state == BatchState::Finalized {
        sqlx::query("DELETE FROM outbox WHERE height <= ?")
            .bind(columns.end)
            .execute(tx)
            .await
            .map_err(StoreError::sql("empty the outbox"))?;
    }
    Ok(())
}

struct Columns {
    index: i64,
    content: B256,
    start: i64,
    end: i64,
    state: i64,
}

impl Columns {
    fn key(&self) -> KeyBytes {
        KeyBytes::new()
            .int(self.index)
            .bytes(self.content.as_slice())
            .int(self.start)
            .int(self.end)
            .int(self.state)
    }
}

/// Stored form of everything but the data. Options are lists of at most one element.
#[derive(RlpEncodable, RlpDecodable)]
struct Record {
    header: BatchHeader,
    da: DaPointer,
    attempt: u32,
    skips: Bytes,
    qc: Vec<QuorumCertificate>,
    l1_tx: Vec<B256>,
    l1_block: Vec<u64>,
    created_at_ms: u64,
    updated_at_ms: u64,
    error: Vec<String>,
}

impl Record {
    fn of(row: &BatchRow) -> Self {
        Self {
            header: row.header,
            da: row.da,
            attempt: row.attempt,
            skips: row.skips.clone(),
            qc: row.qc.iter().cloned().collect(),
            l1_tx: row.l1_tx.into_iter().collect(),
            l1_block: row.l1_block.into_iter().collect(),
            created_at_ms: row.created_at_ms,
            updated_at_ms: row.updated_at_ms,
            error: row.error.iter().cloned().collect(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length());
        self.encode(&mut bytes);
        bytes
    }
}

fn decode(row: &SqliteRow) -> Result<BatchRow, StoreError> {
    let row = RowReader { table: TABLE, row };
    let columns = Columns {
        index: row.int("batch_index")?,
        content: row.hash("content_hash")?,
        start: row.int("start_height")?,
        end: row.int("end_height")?,
        state: row.int("state")?,
    };
    let key = columns.key();
    let place = key.at(TABLE);
    let index = columns.index;
    let record = place.unseal(index, row.blob("record")?)?;
    let data = place.unseal(index, row.blob("data")?)?;
    let record = Record::decode(&mut record.as_slice())
        .map_err(|error| place.corrupt(index, error.to_string()))?;
    let state = BatchState::from_sql(columns.state)
        .ok_or_else(|| place.corrupt(index, format!("unknown state {}", columns.state)))?;
    if record.header.content_hash() != columns.content {
        return Err(place.corrupt(index, "the header is not the one the row names"));
    }
    Ok(BatchRow {
        header: record.header,
        da: record.da,
        attempt: record.attempt,
        state,
        skips: record.skips,
        data: data.into(),
        qc: record.qc.into_iter().next(),
        l1_tx: record.l1_tx.into_iter().next(),
        l1_block: record.l1_block.into_iter().next(),
        created_at_ms: record.created_at_ms,
        updated_at_ms: record.updated_at_ms,
        error: record.error.into_iter().next(),
    })
}
