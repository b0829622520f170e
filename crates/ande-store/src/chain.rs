//! The chain: committed blocks with their certificates.

use std::{ops::RangeInclusive, sync::Arc};

use alloy_primitives::B256;
use ande_failpoint::reach;
use ande_primitives::{Block, Canonical as _, Certificate, Commit, Height};
use sqlx::{Row as _, SqliteConnection, SqlitePool, sqlite::SqliteRow};

use crate::{
    ChainIdentity, Store, StoreError,
    index::IndexedBlock,
    seal::KeyBytes,
    sql::{self, RowReader, to_sql},
};

const BLOCKS: &str = "blocks";
const BODIES: &str = "bodies";
/// Most commits that one call returns.
const MAX_COMMITS: i64 = 1024;

/// The last block, genesis at height 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tip {
    pub(crate) height: Height,
    pub(crate) hash: B256,
    /// Set when a write ended in an unknown state: read again before the next one.
    doubtful: bool,
}

/// Committed blocks that are in no final batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxStatus {
    /// The lowest of them.
    pub first: Option<Height>,
    /// How many.
    pub blocks: u64,
    /// Their canonical size in bytes.
    pub bytes: u64,
    /// When the lowest was committed here, milliseconds since the Unix epoch.
    pub since_ms: Option<u64>,
}

impl Tip {
    pub(crate) async fn load(
        readers: &SqlitePool,
        identity: &ChainIdentity,
    ) -> Result<Self, StoreError> {
        let row = sqlx::query("SELECT height, hash FROM blocks ORDER BY height DESC LIMIT 1")
            .fetch_optional(readers)
            .await
            .map_err(StoreError::sql("read the tip"))?;
        let Some(row) = row else {
            return Ok(Self { height: Height(0), hash: identity.genesis_hash, doubtful: false });
        };
        let row = RowReader { table: BLOCKS, row: &row };
        Ok(Self { height: row.height("height")?, hash: row.hash("hash")?, doubtful: false })
    }

    pub(crate) async fn read_commit(
        &self,
        readers: &SqlitePool,
    ) -> Result<Option<Commit>, StoreError> {
        if self.height == Height(0) {
            return Ok(None);
        }
        match read_one(readers, self.height).await? {
            Some(commit) => Ok(Some(commit)),
            None => Err(StoreError::Corrupt {
                table: BLOCKS,
                row: self.height.to_string(),
                reason: "the tip is missing".into(),
            }),
        }
    }
}

impl Store {
    /// The last commit, none before block 1.
    ///
    /// # Errors
    /// None today; the signature leaves room for a store without a cache.
    pub async fn tip(&self) -> Result<Option<Commit>, StoreError> {
        Ok(self.inner.last.read().as_deref().cloned())
    }

    /// Makes a block part of the chain: block, certificate and outbox row in one transaction, durable
    /// on return. Candidates of this and lower heights are dropped. Committing the tip again does
    /// nothing. The certificate is **not** verified here: the caller did, against the epoch's set.
    ///
    /// Completes even if the caller stops waiting.
    ///
    /// # Errors
    /// [`StoreError::NotContiguous`] unless the block extends the tip, [`StoreError::InvalidCommit`]
    /// when block and certificate do not belong together; the database cannot be written.
    pub async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let store = self.clone();
        let commit = Arc::new(commit.clone());
        tokio::spawn(async move { store.commit_whole(commit).await })
            .await
            .map_err(|_| StoreError::Closed)?
    }

    async fn commit_whole(&self, commit: Arc<Commit>) -> Result<(), StoreError> {
        let inner = &self.inner;
        let mut tip = inner.tip.lock().await;
        if tip.doubtful {
            *tip = Tip::load(&inner.readers, &inner.identity).await?;
            let last = tip.read_commit(&inner.readers).await?.map(Arc::new);
            // A block that did get in was never indexed by the failed call.
            if let Some(last) = &last {
                inner.index.add(IndexedBlock::of(&last.block, tip.hash)).await?;
            }
            *inner.last.write() = last;
            let settled = *inner.settled.lock().await;
            self.publish_heads(tip.height, settled);
        }
        let hash = commit.block.hash();
        let height = commit.block.height();
        if height == tip.height && hash == tip.hash {
            return Ok(());
        }
        if height != tip.height.next() || commit.block.header.parent_hash != tip.hash {
            return Err(StoreError::NotContiguous {
                tip: tip.height,
                tip_hash: tip.hash,
                height,
                parent: commit.block.header.parent_hash,
            });
        }
        check_commit(&commit, hash, &inner.identity)?;
        inner.index.check()?;
        tip.doubtful = true;
        self.write_commit(&commit, hash).await?;
        *tip = Tip { height, hash, doubtful: false };
        inner.index.add(IndexedBlock::of(&commit.block, hash)).await?;
        *inner.last.write() = Some(commit);
        let settled = *inner.settled.lock().await;
        self.publish_heads(height, settled);
        Ok(())
    }

    async fn write_commit(&self, commit: &Commit, hash: B256) -> Result<(), StoreError> {
        let failed = || StoreError::sql("commit a block");
        let height = sql::height_to_sql(&commit.block)?;
        let bytes = commit.block.to_canonical();
        let size = sql::size_to_sql(bytes.len());
        let body = body_key(hash, height).at(BODIES).seal(bytes);
        let mut tx = self.inner.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        // The body is usually there as a candidate's and equal; then nothing is written for it.
        sqlx::query(
            "INSERT INTO bodies (hash, height, body) VALUES (?1, ?2, ?3)
             ON CONFLICT (hash) DO UPDATE SET body = excluded.body, height = excluded.height
             WHERE body IS NOT excluded.body OR height IS NOT excluded.height",
        )
        .bind(hash.as_slice())
        .bind(height)
        .bind(body)
        .execute(&mut *tx)
        .await
        .map_err(failed())?;
        let body_id = body_id(&mut tx, hash).await?;
        let execution_hash = commit.block.header.execution_hash;
        let certificate = block_key(height, hash, execution_hash, body_id)
            .at(BLOCKS)
            .seal(commit.certificate.to_canonical());
        sqlx::query(
            "INSERT INTO blocks (height, hash, execution_hash, body_id, certificate)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(height)
        .bind(hash.as_slice())
        .bind(execution_hash.as_slice())
        .bind(body_id)
        .bind(certificate)
        .execute(&mut *tx)
        .await
        .map_err(failed())?;
        sqlx::query("INSERT INTO outbox (height, bytes, committed_at_ms) VALUES (?, ?, ?)")
            .bind(height)
            .bind(size)
            .bind(sql::now_ms())
            .execute(&mut *tx)
            .await
            .map_err(failed())?;
        prune_candidates(&mut tx, height).await?;
        reach("store-before-commit").await;
        tx.commit().await.map_err(failed())?;
        reach("store-after-commit").await;
        Ok(())
    }

    /// The commit of a height.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn commit_at(&self, height: Height) -> Result<Option<Commit>, StoreError> {
        if let Some(last) = self.inner.last.read().as_deref()
            && last.block.height() == height
        {
            return Ok(Some(last.clone()));
        }
        read_one(&self.inner.readers, height).await
    }

    /// Commits of a range, in order, from its start, up to `max_bytes` of stored blocks but at least
    /// one if the first exists, and at most 1024.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    pub async fn commits(
        &self,
        range: RangeInclusive<Height>,
        max_bytes: usize,
    ) -> Result<Vec<Commit>, StoreError> {
        read_range(&self.inner.readers, range, max_bytes).await
    }

    /// Height of the block with this Ethereum hash.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn height_of_block(
        &self,
        execution_hash: B256,
    ) -> Result<Option<Height>, StoreError> {
        let query = sqlx::query("SELECT height FROM blocks WHERE execution_hash = ?")
            .bind(execution_hash.to_vec());
        height_by(&self.inner.readers, query).await
    }

    /// Height of the block with this consensus hash.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn height_of_header(&self, hash: B256) -> Result<Option<Height>, StoreError> {
        let query = sqlx::query("SELECT height FROM blocks WHERE hash = ?").bind(hash.to_vec());
        height_by(&self.inner.readers, query).await
    }

    /// Height and position of a transaction, by the hash of its EIP-2718 bytes.
    ///
    /// # Errors
    /// The index cannot be read.
    pub async fn locate_transaction(&self, tx: B256) -> Result<Option<(Height, u32)>, StoreError> {
        Ok(self.locate(&[tx]).await?.into_iter().next().flatten())
    }

    /// For each hash, whether the transaction is in the chain. Sees every committed block.
    ///
    /// # Errors
    /// The index cannot be read.
    pub async fn included(&self, txs: &[B256]) -> Result<Vec<bool>, StoreError> {
        Ok(self.locate(txs).await?.iter().map(Option::is_some).collect())
    }

    /// As [`included`](Self::included), counting only blocks up to a height.
    ///
    /// # Errors
    /// The index cannot be read.
    pub async fn included_up_to(
        &self,
        up_to: Height,
        txs: &[B256],
    ) -> Result<Vec<bool>, StoreError> {
        let located = self.locate(txs).await?;
        Ok(located.iter().map(|at| at.is_some_and(|(height, _)| height <= up_to)).collect())
    }

    async fn locate(&self, txs: &[B256]) -> Result<Vec<Option<(Height, u32)>>, StoreError> {
        let inner = Arc::clone(&self.inner);
        let txs = txs.to_vec();
        tokio::task::spawn_blocking(move || inner.index.locate(&txs))
            .await
            .map_err(|_| StoreError::Closed)?
    }

    /// What is committed and in no final batch.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn outbox(&self) -> Result<OutboxStatus, StoreError> {
        let row = sqlx::query(
            "SELECT count(*) AS blocks, coalesce(sum(bytes), 0) AS bytes,
                    coalesce(min(height), 0) AS first,
                    coalesce(min(committed_at_ms), 0) AS since FROM outbox",
        )
        .fetch_one(&self.inner.readers)
        .await
        .map_err(StoreError::sql("read the outbox"))?;
        let row = RowReader { table: "outbox", row: &row };
        let blocks = row.unsigned("blocks")?;
        let first = row.height("first")?;
        let since_ms = row.unsigned("since")?;
        Ok(OutboxStatus {
            first: (blocks > 0).then_some(first),
            blocks,
            bytes: row.unsigned("bytes")?,
            since_ms: (blocks > 0).then_some(since_ms),
        })
    }
}

/// Everything that must hold between block, certificate and chain, without judging signatures.
fn check_commit(commit: &Commit, hash: B256, identity: &ChainIdentity) -> Result<(), StoreError> {
    let Commit { block, certificate } = commit;
    let wrong = |reason: String| StoreError::InvalidCommit { height: block.height(), reason };
    block.check().map_err(|error| wrong(error.to_string()))?;
    if block.header.l2_chain_id != identity.l2_chain_id {
        return Err(wrong(format!("it is of chain {}", block.header.l2_chain_id)));
    }
    if certificate.block_hash != hash || certificate.height != block.height() {
        return Err(wrong(format!(
            "its certificate is for block {} {}",
            certificate.height, certificate.block_hash
        )));
    }
    Ok(())
}

pub(crate) fn body_key(hash: B256, height: i64) -> KeyBytes {
    KeyBytes::new().bytes(hash.as_slice()).int(height)
}

fn block_key(height: i64, hash: B256, execution_hash: B256, body_id: i64) -> KeyBytes {
    KeyBytes::new().int(height).bytes(hash.as_slice()).bytes(execution_hash.as_slice()).int(body_id)
}

/// Row of the body with this consensus hash.
pub(crate) async fn body_id(tx: &mut SqliteConnection, hash: B256) -> Result<i64, StoreError> {
    let doing = "find a block body";
    sqlx::query("SELECT id FROM bodies WHERE hash = ?")
        .bind(hash.to_vec())
        .fetch_one(tx)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(StoreError::sql(doing))
}

/// Drops candidates up to a height, and their bodies unless the chain has them.
async fn prune_candidates(tx: &mut SqliteConnection, height: i64) -> Result<(), StoreError> {
    let failed = || StoreError::sql("drop candidates");
    let rows = sqlx::query("DELETE FROM candidates WHERE height <= ? RETURNING body_id")
        .bind(height)
        .fetch_all(&mut *tx)
        .await
        .map_err(failed())?;
    let mut ids: Vec<i64> =
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed())?;
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        sqlx::query(
            "DELETE FROM bodies WHERE id = ?1
             AND NOT EXISTS (SELECT 1 FROM blocks WHERE body_id = ?1)
             AND NOT EXISTS (SELECT 1 FROM candidates WHERE body_id = ?1)",
        )
        .bind(id)
        .execute(&mut *tx)
        .await
        .map_err(failed())?;
    }
    Ok(())
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

async fn height_by(pool: &SqlitePool, query: Query<'_>) -> Result<Option<Height>, StoreError> {
    let row = query.fetch_optional(pool).await.map_err(StoreError::sql("find a block"))?;
    row.map(|row| RowReader { table: BLOCKS, row: &row }.height("height")).transpose()
}

/// Consensus hash of the block at a height.
pub(crate) async fn hash_at(
    readers: &SqlitePool,
    height: Height,
) -> Result<Option<B256>, StoreError> {
    let row = sqlx::query("SELECT hash FROM blocks WHERE height = ?")
        .bind(to_sql("block height", height.0)?)
        .fetch_optional(readers)
        .await
        .map_err(StoreError::sql("find a block"))?;
    row.map(|row| RowReader { table: BLOCKS, row: &row }.hash("hash")).transpose()
}

async fn read_one(readers: &SqlitePool, height: Height) -> Result<Option<Commit>, StoreError> {
    Ok(read_range(readers, height..=height, 0).await?.into_iter().next())
}

pub(crate) async fn read_range(
    readers: &SqlitePool,
    range: RangeInclusive<Height>,
    max_bytes: usize,
) -> Result<Vec<Commit>, StoreError> {
    let doing = "read blocks";
    // No block is above the signed range, so a higher end means "all".
    let clamp = |height: Height| i64::try_from(height.0).unwrap_or(i64::MAX);
    let (first, last) = (clamp(*range.start()), clamp(*range.end()));
    let sizes = sqlx::query(
        "SELECT b.height AS height, length(d.body) AS size
         FROM blocks b LEFT JOIN bodies d ON d.id = b.body_id
         WHERE b.height BETWEEN ? AND ? ORDER BY b.height LIMIT ?",
    )
    .bind(first)
    .bind(last)
    .bind(MAX_COMMITS)
    .fetch_all(readers)
    .await
    .map_err(StoreError::sql(doing))?;
    let mut total = 0u64;
    let mut end = None;
    for (offset, row) in (0i64..).zip(&sizes) {
        let row = RowReader { table: BLOCKS, row };
        let height = row.int("height")?;
        total = total.saturating_add(row.unsigned("size")?);
        if Some(height) != first.checked_add(offset) || (end.is_some() && total > max_bytes as u64)
        {
            break;
        }
        end = Some(height);
    }
    let Some(end) = end else { return Ok(Vec::new()) };
    let rows = sqlx::query(
        "SELECT b.height AS height, b.hash AS hash, b.execution_hash AS execution_hash,
                b.body_id AS body_id, b.certificate AS certificate, d.hash AS body_hash, d.body AS body
         FROM blocks b LEFT JOIN bodies d ON d.id = b.body_id
         WHERE b.height BETWEEN ? AND ? ORDER BY b.height",
    )
    .bind(first)
    .bind(end)
    .fetch_all(readers)
    .await
    .map_err(StoreError::sql(doing))?;
    rows.iter().map(decode_commit).collect()
}

fn decode_commit(row: &SqliteRow) -> Result<Commit, StoreError> {
    let row = RowReader { table: BLOCKS, row };
    let height = row.int("height")?;
    let hash = row.hash("hash")?;
    let execution_hash = row.hash("execution_hash")?;
    let key = block_key(height, hash, execution_hash, row.int("body_id")?);
    let place = key.at(BLOCKS);
    let certificate = place.unseal(height, row.blob("certificate")?)?;
    let certificate = Certificate::from_canonical(&certificate)
        .map_err(|error| place.corrupt(height, error.to_string()))?;
    let block = decode_body(hash, height, row.blob("body")?)?;
    let agree = row.hash("body_hash")? == hash
        && block.header.execution_hash == execution_hash
        && certificate.block_hash == hash
        && certificate.height == block.height();
    if !agree {
        return Err(place.corrupt(height, "block, certificate and row do not belong together"));
    }
    Ok(Commit { block, certificate })
}

/// Reads a stored block and checks that it is the one its row names.
pub(crate) fn decode_body(hash: B256, height: i64, body: Vec<u8>) -> Result<Block, StoreError> {
    let key = body_key(hash, height);
    let place = key.at(BODIES);
    let body = place.unseal(hash, body)?;
    let block =
        Block::from_canonical(&body).map_err(|error| place.corrupt(hash, error.to_string()))?;
    let row_height = u64::try_from(height).ok().map(Height);
    if block.hash() != hash || Some(block.height()) != row_height {
        return Err(place.corrupt(hash, "another block is stored under this hash"));
    }
    Ok(block)
}
