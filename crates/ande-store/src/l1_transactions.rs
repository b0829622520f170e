//! This node's transactions on the settlement chain, stored before they are broadcast.

use alloy_primitives::{Address, B256, Bytes};
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use crate::{
    Store, StoreError,
    seal::KeyBytes,
    sql::{self, RowReader, to_sql},
};

const TABLE: &str = "l1_transactions";
const COLUMNS: &str =
    "SELECT id, purpose, sender, nonce, hash, state, mined_block, created_at_ms, raw
FROM l1_transactions ";
const MAX_PURPOSE_BYTES: usize = 256;
/// Largest settlement transaction: blobs with their proofs.
const MAX_RAW_BYTES: usize = 2 << 20;
const NOT_MINED: i64 = -1;

/// How far a settlement transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L1TxState {
    /// Signed and stored; perhaps never sent.
    Prepared,
    /// Accepted by a node of the settlement chain.
    Broadcast,
    /// In a block that may still be reorganised.
    Mined {
        /// Number of that block.
        block: u64,
    },
    /// In a final block. Nothing follows.
    Final,
    /// Another transaction with its nonce is in its place.
    Replaced,
    /// Given up; its nonce is free.
    Dropped,
}

impl L1TxState {
    fn to_sql(self) -> Result<(i64, i64), StoreError> {
        Ok(match self {
            Self::Prepared => (0, NOT_MINED),
            Self::Broadcast => (1, NOT_MINED),
            Self::Mined { block } => (2, to_sql("block number", block)?),
            Self::Final => (3, NOT_MINED),
            Self::Replaced => (4, NOT_MINED),
            Self::Dropped => (5, NOT_MINED),
        })
    }

    fn from_sql(state: i64, mined: i64) -> Option<Self> {
        Some(match state {
            0 => Self::Prepared,
            1 => Self::Broadcast,
            2 => Self::Mined { block: u64::try_from(mined).ok()? },
            3 => Self::Final,
            4 => Self::Replaced,
            5 => Self::Dropped,
            _ => return None,
        })
    }
}

/// A settlement transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1TxRow {
    /// Number of the row, given by [`Store::put_l1_tx`].
    pub id: i64,
    /// What it is for, such as `batch:12`.
    pub purpose: String,
    /// Account that sends it.
    pub sender: Address,
    /// Nonce of the account.
    pub nonce: u64,
    /// Its hash.
    pub hash: B256,
    /// Signed bytes, to send it again.
    pub raw: Bytes,
    /// How far it is.
    pub state: L1TxState,
    /// When it was signed, milliseconds since the Unix epoch.
    pub created_at_ms: u64,
}

impl Store {
    /// Stores a transaction before it is broadcast; durable on return. Returns its row number; the
    /// one in `row` is ignored. The same transaction again gives the number it has.
    ///
    /// # Errors
    /// [`StoreError::NonceUsed`] when a final transaction has its nonce; the database cannot be
    /// written.
    pub async fn put_l1_tx(&self, row: &L1TxRow) -> Result<i64, StoreError> {
        check_sizes(row)?;
        let failed = || StoreError::sql("store a settlement transaction");
        let mut tx = self.inner.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let nonce = to_sql("nonce", row.nonce)?;
        let rivals =
            sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE sender = ? AND nonce = ?")))
                .bind(row.sender.to_vec())
                .bind(nonce)
                .fetch_all(&mut *tx)
                .await
                .map_err(failed())?;
        for rival in &rivals {
            let rival = decode(rival)?;
            if rival.hash == row.hash {
                return Ok(rival.id);
            }
            if rival.state == L1TxState::Final {
                return Err(StoreError::NonceUsed { sender: row.sender, nonce: row.nonce });
            }
        }
        let id = next_id(&mut tx).await?;
        write(&mut tx, &L1TxRow { id, ..row.clone() }).await?;
        tx.commit().await.map_err(failed())?;
        Ok(id)
    }

    /// Writes the new state of a transaction; durable on return. A final one stays as it is.
    ///
    /// # Errors
    /// [`StoreError::UnknownL1Tx`], [`StoreError::NonceUsed`] when it is final and the new state is
    /// another; the database cannot be written.
    pub async fn set_l1_tx_state(&self, id: i64, state: L1TxState) -> Result<(), StoreError> {
        let failed = || StoreError::sql("update a settlement transaction");
        let mut tx = self.inner.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = ?")))
            .bind(id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(failed())?;
        let stored = decode(row.as_ref().ok_or(StoreError::UnknownL1Tx(id))?)?;
        if stored.state == state {
            return Ok(());
        }
        if stored.state == L1TxState::Final {
            return Err(StoreError::NonceUsed { sender: stored.sender, nonce: stored.nonce });
        }
        write(&mut tx, &L1TxRow { state, ..stored }).await?;
        tx.commit().await.map_err(failed())
    }

    /// The transaction with a row number.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn l1_tx(&self, id: i64) -> Result<Option<L1TxRow>, StoreError> {
        Ok(self.l1_txs("WHERE id = ?", |query| query.bind(id)).await?.into_iter().next())
    }

    /// The transaction with a hash.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn l1_tx_by_hash(&self, hash: B256) -> Result<Option<L1TxRow>, StoreError> {
        let rows = self.l1_txs("WHERE hash = ?", |query| query.bind(hash.to_vec())).await?;
        Ok(rows.into_iter().next())
    }

    /// Transactions of a sender that are prepared, broadcast or mined, by nonce, oldest first.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    pub async fn open_l1_txs(&self, sender: Address) -> Result<Vec<L1TxRow>, StoreError> {
        self.l1_txs("WHERE sender = ? AND state <= 2 ORDER BY nonce, id LIMIT 1024", |query| {
            query.bind(sender.to_vec())
        })
        .await
    }

    /// The newest 1024 transactions for a purpose, newest first.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    pub async fn l1_txs_for(&self, purpose: &str) -> Result<Vec<L1TxRow>, StoreError> {
        let purpose = purpose.to_owned();
        self.l1_txs("WHERE purpose = ? ORDER BY id DESC LIMIT 1024", |query| query.bind(purpose))
            .await
    }

    /// The highest nonce that a sender used, dropped transactions not counted.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn highest_l1_nonce(&self, sender: Address) -> Result<Option<u64>, StoreError> {
        let rows = self
            .l1_txs("WHERE sender = ? AND state <> 5 ORDER BY nonce DESC LIMIT 1", |query| {
                query.bind(sender.to_vec())
            })
            .await?;
        Ok(rows.first().map(|row| row.nonce))
    }

    async fn l1_txs(
        &self,
        clause: &'static str,
        bind: impl FnOnce(Query) -> Query + Send,
    ) -> Result<Vec<L1TxRow>, StoreError> {
        let query = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} {clause}")));
        let rows = bind(query)
            .fetch_all(&self.inner.readers)
            .await
            .map_err(StoreError::sql("read settlement transactions"))?;
        rows.iter().map(decode).collect()
    }
}

type Query = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn check_sizes(row: &L1TxRow) -> Result<(), StoreError> {
    let limits = [
        ("a purpose", row.purpose.len(), MAX_PURPOSE_BYTES),
        ("a settlement transaction", row.raw.len(), MAX_RAW_BYTES),
    ];
    match limits.into_iter().find(|(_, size, limit)| size > limit) {
        Some((what, size, limit)) => {
            Err(StoreError::TooLarge { what, size: size as u64, limit: limit as u64 })
        }
        None => Ok(()),
    }
}

async fn next_id(tx: &mut SqliteConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT coalesce(max(id), 0) + 1 AS id FROM l1_transactions")
        .fetch_one(tx)
        .await
        .map_err(StoreError::sql("read settlement transactions"))?;
    RowReader { table: TABLE, row: &row }.int("id")
}

async fn write(tx: &mut SqliteConnection, row: &L1TxRow) -> Result<(), StoreError> {
    let (state, mined) = row.state.to_sql()?;
    let nonce = to_sql("nonce", row.nonce)?;
    let created = to_sql("time", row.created_at_ms)?;
    let key = key([row.id, nonce, state, mined, created], row.hash, row.sender, &row.purpose);
    sqlx::query(
        "INSERT OR REPLACE INTO l1_transactions
         (id, purpose, sender, nonce, hash, state, mined_block, created_at_ms, raw)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(row.id)
    .bind(row.purpose.clone())
    .bind(row.sender.to_vec())
    .bind(nonce)
    .bind(row.hash.to_vec())
    .bind(state)
    .bind(mined)
    .bind(created)
    .bind(key.at(TABLE).seal(row.raw.to_vec()))
    .execute(tx)
    .await
    .map_err(StoreError::sql("write a settlement transaction"))?;
    Ok(())
}

fn key(numbers: [i64; 5], hash: B256, sender: Address, purpose: &str) -> KeyBytes {
    let numbers = numbers.into_iter().fold(KeyBytes::new(), KeyBytes::int);
    numbers
        .bytes(hash.as_slice())
        .bytes(sender.as_slice())
        .int(sql::size_to_sql(purpose.len()))
        .bytes(purpose.as_bytes())
}

fn decode(row: &SqliteRow) -> Result<L1TxRow, StoreError> {
    let row = RowReader { table: TABLE, row };
    let id = row.int("id")?;
    let purpose = row.text("purpose")?;
    let (sender, hash) = (row.address("sender")?, row.hash("hash")?);
    let (state, mined) = (row.int("state")?, row.int("mined_block")?);
    let numbers = [id, row.int("nonce")?, state, mined, row.int("created_at_ms")?];
    let key = key(numbers, hash, sender, &purpose);
    let place = key.at(TABLE);
    let raw = place.unseal(id, row.blob("raw")?)?;
    Ok(L1TxRow {
        id,
        purpose,
        sender,
        nonce: row.unsigned("nonce")?,
        hash,
        raw: raw.into(),
        state: L1TxState::from_sql(state, mined)
            .ok_or_else(|| place.corrupt(id, format!("unknown state {state}")))?,
        created_at_ms: row.unsigned("created_at_ms")?,
    })
}
