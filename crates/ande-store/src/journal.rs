//! The journal of acknowledged transactions that are in no block.
//!
//! One task owns it. Requests that arrive while a transaction is being made durable are written
//! together in the next one, many in one row, so the cost of durability is shared. A row is removed
//! when none of its transactions is pending any more; rows with few pending ones are rewritten.

use std::collections::{BTreeMap, HashMap, HashSet};

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Decodable as _;
use ande_primitives::MAX_TRANSACTION_BYTES;
use parking_lot::Mutex;
use sqlx::{Row as _, SqliteConnection, SqlitePool, sqlite::SqliteRow};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use crate::{Store, StoreError, seal::KeyBytes, sql};

const TABLE: &str = "journal";
/// Largest row before its checksum and list prefix.
pub const MAX_JOURNAL_GROUP_BYTES: usize = 4 << 20;
/// Largest journal: well above what a pool holds, so that only a fault reaches it.
pub const MAX_JOURNAL_BYTES: usize = 512 << 20;
/// Requests that may wait; more callers wait for a place.
const QUEUE: usize = 1024;
/// Bytes gathered for one database transaction.
const GATHER_BYTES: usize = 8 << 20;
/// Finished rows that may wait for the next write to remove them.
const MAX_DEAD_ROWS: usize = 64;
/// Bytes of finished transactions in unfinished rows below which nothing is rewritten.
const REWRITE_BYTES: usize = 8 << 20;

type Ack = oneshot::Sender<Result<(), StoreError>>;

enum Request {
    Append(Vec<(B256, Bytes)>, Ack),
    Prune(Vec<B256>, Ack),
    Load(oneshot::Sender<Result<Vec<(B256, Bytes)>, StoreError>>),
}

/// Handle of the journal's task.
#[derive(Debug)]
pub(crate) struct Journal {
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Stores transactions with their hashes; durable on return. Those already stored cost nothing.
    /// Concurrent calls share one write.
    ///
    /// # Errors
    /// A transaction is too long, the journal is full, or the database cannot be written; then none
    /// of the given ones may be acknowledged.
    pub async fn journal_append(&self, raws: &[(B256, Bytes)]) -> Result<(), StoreError> {
        if let Some((_, raw)) = raws.iter().find(|(_, raw)| raw.len() > MAX_TRANSACTION_BYTES) {
            return Err(StoreError::TooLarge {
                what: "a transaction",
                size: raw.len() as u64,
                limit: MAX_TRANSACTION_BYTES as u64,
            });
        }
        let (ack, done) = oneshot::channel();
        self.inner.journal.send(Request::Append(raws.to_vec(), ack)).await?;
        done.await.map_err(|_| StoreError::Closed)?
    }

    /// The stored transactions that are in no block, in the order in which they were stored.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    pub async fn journal_load(&self) -> Result<Vec<Bytes>, StoreError> {
        let (ack, done) = oneshot::channel();
        self.inner.journal.send(Request::Load(ack)).await?;
        let stored = done.await.map_err(|_| StoreError::Closed)??;
        let hashes: Vec<B256> = stored.iter().map(|(hash, _)| *hash).collect();
        let included = self.included(&hashes).await?;
        let pending = stored.into_iter().zip(included).filter(|(_, included)| !included);
        Ok(pending.map(|((_, raw), _)| raw).collect())
    }

    /// Forgets transactions. They may come back from [`journal_load`](Self::journal_load) after a
    /// crash, unless they are in the chain.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn journal_prune(&self, gone: &[B256]) -> Result<(), StoreError> {
        let (ack, done) = oneshot::channel();
        self.inner.journal.send(Request::Prune(gone.to_vec(), ack)).await?;
        done.await.map_err(|_| StoreError::Closed)?
    }
}

impl Journal {
    pub(crate) async fn start(
        writer: SqlitePool,
        readers: &SqlitePool,
    ) -> Result<Self, StoreError> {
        let mut owner = Owner {
            writer,
            rows: BTreeMap::new(),
            pending: HashMap::new(),
            dead: Vec::new(),
            waste: 0,
        };
        for id in owner.row_ids(readers).await? {
            let transactions = read_row(readers, id).await?;
            owner.adopt(id, transactions.iter().map(|(hash, raw)| (*hash, raw.len())));
        }
        let (sender, receiver) = mpsc::channel(QUEUE);
        let task = tokio::spawn(owner.run(receiver));
        Ok(Self { queue: Mutex::new(Some(sender)), task: Mutex::new(Some(task)) })
    }

    async fn send(&self, request: Request) -> Result<(), StoreError> {
        let queue = self.queue.lock().clone().ok_or(StoreError::Closed)?;
        queue.send(request).await.map_err(|_| StoreError::Closed)
    }

    /// Answers what waits, then ends the task.
    pub(crate) async fn close(&self) {
        drop(self.queue.lock().take());
        let task = self.task.lock().take();
        if let Some(task) = task
            && task.await.is_err()
        {
            tracing::error!("the task of the transaction journal panicked");
        }
    }
}

/// What is known of a row without reading it.
#[derive(Debug, Default)]
struct RowState {
    /// Transactions of the row that are pending.
    live: usize,
    live_bytes: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Owner {
    writer: SqlitePool,
    rows: BTreeMap<i64, RowState>,
    /// Row and size of every pending transaction.
    pending: HashMap<B256, (i64, usize)>,
    /// Rows without pending transactions that are still in the database.
    dead: Vec<i64>,
    /// Bytes of finished transactions in rows that have pending ones.
    waste: usize,
}

impl Owner {
    async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        while let Some(first) = queue.recv().await {
            let mut appends = Vec::new();
            let mut bytes = 0;
            let mut next = Some(first);
            // Requests are answered in order; appends next to each other become one write.
            while let Some(request) = next {
                match request {
                    Request::Append(raws, ack) => {
                        bytes += raws.iter().map(|(_, raw)| raw.len()).sum::<usize>();
                        appends.push((raws, ack));
                    }
                    other => {
                        self.append(std::mem::take(&mut appends)).await;
                        self.answer(other).await;
                        break;
                    }
                }
                next = if bytes < GATHER_BYTES { queue.try_recv().ok() } else { None };
            }
            self.append(appends).await;
        }
        if let Err(error) = self.remove_dead().await {
            tracing::warn!(%error, "finished journal rows stay until the next start");
        }
        // A checkpoint of the log would only delay the end; the next open replays it.
    }

    async fn answer(&mut self, request: Request) {
        // A caller that stopped waiting needs no answer.
        match request {
            Request::Append(raws, ack) => self.append(vec![(raws, ack)]).await,
            Request::Prune(gone, ack) => drop(ack.send(self.prune(&gone).await)),
            Request::Load(ack) => drop(ack.send(self.load().await)),
        }
    }

    async fn append(&mut self, requests: Vec<(Vec<(B256, Bytes)>, Ack)>) {
        if requests.is_empty() {
            return;
        }
        let mut seen = HashSet::new();
        let mut fresh = Vec::new();
        let mut acks = Vec::with_capacity(requests.len());
        for (raws, ack) in requests {
            fresh.extend(
                raws.into_iter()
                    .filter(|(hash, _)| !self.pending.contains_key(hash) && seen.insert(*hash)),
            );
            acks.push(ack);
        }
        let result = if fresh.is_empty() { Ok(()) } else { self.write(fresh).await };
        let failure = result.err().map(|error| {
            tracing::error!(error = %chain_of(&error), "the transaction journal cannot be written");
            chain_of(&error)
        });
        for ack in acks {
            let answer = match &failure {
                None => Ok(()),
                Some(reason) => Err(StoreError::Journal(reason.clone())),
            };
            // A caller that stopped waiting needs no answer.
            let _ = ack.send(answer);
        }
    }

    async fn write(&mut self, fresh: Vec<(B256, Bytes)>) -> Result<(), StoreError> {
        let size: usize = fresh.iter().map(|(_, raw)| raw.len()).sum();
        let stored: usize = self.rows.values().map(|row| row.bytes).sum();
        if stored + size > MAX_JOURNAL_BYTES {
            return Err(StoreError::TooLarge {
                what: "the transaction journal",
                size: (stored + size) as u64,
                limit: MAX_JOURNAL_BYTES as u64,
            });
        }
        let failed = || StoreError::sql("write the transaction journal");
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let dead = std::mem::take(&mut self.dead);
        delete_rows(&mut tx, &dead).await?;
        let mut written = Vec::new();
        for group in groups(&fresh) {
            written.push((insert_row(&mut tx, group).await?, group));
        }
        tx.commit().await.map_err(failed())?;
        for (id, group) in written {
            self.adopt(id, group.iter().map(|(hash, raw)| (*hash, raw.len())));
        }
        Ok(())
    }

    /// Takes over a row that is in the database.
    fn adopt(&mut self, id: i64, transactions: impl Iterator<Item = (B256, usize)>) {
        let mut row = RowState::default();
        for (hash, bytes) in transactions {
            row.bytes += bytes;
            // A crash between write and removal of a rewritten row is impossible, both are one
            // transaction; a second copy here is damage that costs nothing.
            if let std::collections::hash_map::Entry::Vacant(entry) = self.pending.entry(hash) {
                entry.insert((id, bytes));
                row.live += 1;
                row.live_bytes += bytes;
            }
        }
        if row.live == 0 {
            self.dead.push(id);
        } else {
            self.waste += row.bytes - row.live_bytes;
            self.rows.insert(id, row);
        }
    }

    async fn prune(&mut self, gone: &[B256]) -> Result<(), StoreError> {
        for hash in gone {
            let Some((id, bytes)) = self.pending.remove(hash) else { continue };
            let Some(row) = self.rows.get_mut(&id) else { continue };
            row.live -= 1;
            row.live_bytes -= bytes;
            self.waste += bytes;
            if row.live == 0 {
                self.waste -= row.bytes;
                self.rows.remove(&id);
                self.dead.push(id);
            }
        }
        let live: usize = self.rows.values().map(|row| row.live_bytes).sum();
        if self.waste > REWRITE_BYTES.max(live) {
            self.rewrite().await
        } else if self.dead.len() > MAX_DEAD_ROWS {
            self.remove_dead().await
        } else {
            Ok(())
        }
    }

    async fn remove_dead(&mut self) -> Result<(), StoreError> {
        if self.dead.is_empty() {
            return Ok(());
        }
        let failed = || StoreError::sql("prune the transaction journal");
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        delete_rows(&mut tx, &self.dead).await?;
        tx.commit().await.map_err(failed())?;
        self.dead.clear();
        Ok(())
    }

    /// Moves the pending transactions of mostly finished rows into new rows.
    async fn rewrite(&mut self) -> Result<(), StoreError> {
        let failed = || StoreError::sql("rewrite the transaction journal");
        let old: Vec<i64> = self
            .rows
            .iter()
            .filter(|(_, row)| row.live_bytes * 2 <= row.bytes)
            .map(|(id, _)| *id)
            .collect();
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let mut kept = Vec::new();
        for id in &old {
            for (hash, raw) in read_row(&mut *tx, *id).await? {
                if self.pending.get(&hash).is_some_and(|(row, _)| row == id) {
                    kept.push((hash, raw));
                }
            }
        }
        delete_rows(&mut tx, &old).await?;
        delete_rows(&mut tx, &self.dead).await?;
        let mut written = Vec::new();
        for group in groups(&kept) {
            written.push((insert_row(&mut tx, group).await?, group));
        }
        tx.commit().await.map_err(failed())?;
        self.dead.clear();
        for id in old {
            if let Some(row) = self.rows.remove(&id) {
                self.waste -= row.bytes - row.live_bytes;
            }
        }
        for (id, group) in written {
            for (hash, _) in group {
                self.pending.remove(hash);
            }
            self.adopt(id, group.iter().map(|(hash, raw)| (*hash, raw.len())));
        }
        Ok(())
    }

    async fn load(&self) -> Result<Vec<(B256, Bytes)>, StoreError> {
        let mut stored = Vec::with_capacity(self.pending.len());
        for id in self.rows.keys() {
            let row = read_row(&self.writer, *id).await?;
            stored.extend(
                row.into_iter()
                    .filter(|(hash, _)| self.pending.get(hash).is_some_and(|(row, _)| row == id)),
            );
        }
        Ok(stored)
    }

    async fn row_ids(&self, readers: &SqlitePool) -> Result<Vec<i64>, StoreError> {
        let failed = || StoreError::sql("read the transaction journal");
        let rows = sqlx::query("SELECT id FROM journal ORDER BY id")
            .fetch_all(readers)
            .await
            .map_err(failed())?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed())
    }
}

/// Cuts transactions into rows of bounded size.
fn groups(mut transactions: &[(B256, Bytes)]) -> Vec<&[(B256, Bytes)]> {
    let mut groups = Vec::new();
    while !transactions.is_empty() {
        let mut bytes = 0;
        let fitting = transactions
            .iter()
            .take_while(|(_, raw)| {
                bytes += raw.len();
                bytes <= MAX_JOURNAL_GROUP_BYTES
            })
            .count();
        let (group, rest) = transactions.split_at(fitting.max(1));
        groups.push(group);
        transactions = rest;
    }
    groups
}

async fn insert_row(tx: &mut SqliteConnection, group: &[(B256, Bytes)]) -> Result<i64, StoreError> {
    let mut body = Vec::new();
    let raws: Vec<&Bytes> = group.iter().map(|(_, raw)| raw).collect();
    alloy_rlp::encode_list::<_, Bytes>(&raws, &mut body);
    let count = sql::size_to_sql(group.len());
    let done = sqlx::query("INSERT INTO journal (count, body) VALUES (?, ?)")
        .bind(count)
        .bind(KeyBytes::new().int(count).at(TABLE).seal(body))
        .execute(tx)
        .await
        .map_err(StoreError::sql("write the transaction journal"))?;
    Ok(done.last_insert_rowid())
}

async fn delete_rows(tx: &mut SqliteConnection, ids: &[i64]) -> Result<(), StoreError> {
    for id in ids {
        sqlx::query("DELETE FROM journal WHERE id = ?")
            .bind(*id)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::sql("prune the transaction journal"))?;
    }
    Ok(())
}

async fn read_row<'c>(
    from: impl sqlx::SqliteExecutor<'c>,
    id: i64,
) -> Result<Vec<(B256, Bytes)>, StoreError> {
    let row = sqlx::query("SELECT id, count, body FROM journal WHERE id = ?")
        .bind(id)
        .fetch_one(from)
        .await
        .map_err(StoreError::sql("read the transaction journal"))?;
    decode(&row)
}

fn decode(row: &SqliteRow) -> Result<Vec<(B256, Bytes)>, StoreError> {
    let row = sql::RowReader { table: TABLE, row };
    let (id, count) = (row.int("id")?, row.int("count")?);
    let key = KeyBytes::new().int(count);
    let place = key.at(TABLE);
    let body = place.unseal(id, row.blob("body")?)?;
    let raws = Vec::<Bytes>::decode(&mut body.as_slice())
        .map_err(|error| place.corrupt(id, error.to_string()))?;
    if sql::size_to_sql(raws.len()) != count {
        return Err(place.corrupt(id, "the number of transactions differs"));
    }
    Ok(raws.into_iter().map(|raw| (keccak256(&raw), raw)).collect())
}

/// An error with its causes, for callers that share it.
fn chain_of(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
