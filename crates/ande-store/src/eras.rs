//! Eras of the contract: at which heights each begins, and the way back to there.

use std::sync::Arc;

use alloy_primitives::keccak256;
use ande_primitives::{EpochSet, Era, Height};

use crate::{BatchState, Store, StoreError, meta, sql::to_sql};

/// Bytes of blocks read at once.
const PAGE_BYTES: usize = 8 << 20;

/// The beginning of an era. Blocks of earlier eras from its first height on are void: the contract
/// will never take them in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EraStart {
    /// The era.
    pub era: Era,
    /// First height that counts in it: the one after the last block in a certified batch.
    pub first: Height,
    /// Entries of the forced queue that count as consumed since its beginning. An escape batch
    /// consumed the last of them; they are owed the first places of the era's blocks.
    pub forced_up_to: u64,
    /// Settlement block in which it began.
    pub l1_block: u64,
}

impl Store {
    /// The eras after the first one, as far as their beginnings are final, in order.
    #[must_use]
    pub fn eras(&self) -> Vec<EraStart> {
        self.inner.eras.read().clone()
    }

    /// The last known era.
    #[must_use]
    pub fn era(&self) -> Era {
        self.inner.eras.read().last().map_or(Era(0), |start| start.era)
    }

    /// The era in which blocks of this height count.
    #[must_use]
    pub fn era_of(&self, height: Height) -> Era {
        let eras = self.inner.eras.read();
        eras.iter().rev().find(|start| start.first <= height).map_or(Era(0), |start| start.era)
    }

    /// Entries of the forced queue that an escape batch consumed before this height.
    #[must_use]
    pub fn escaped_up_to(&self, height: Height) -> u64 {
        let eras = self.inner.eras.read();
        let begun = eras.iter().rev().find(|start| start.first <= height);
        begun.map_or(0, |start| start.forced_up_to)
    }

    /// The validator set of a height, in the era that counts there.
    ///
    /// # Errors
    /// The database cannot be read or the row is damaged.
    pub async fn set_at(&self, height: Height) -> Result<Option<Arc<EpochSet>>, StoreError> {
        let Some(known) = self.last_set().await? else { return Ok(None) };
        self.set_in(self.era_of(height), known.rules.epoch_of(height)).await
    }

    /// Adds the eras after the last known one; durable on return. Others are ignored.
    ///
    /// # Errors
    /// [`StoreError::EraGap`] when one is missing before it; the database cannot be written.
    pub async fn put_eras(&self, starts: &[EraStart]) -> Result<(), StoreError> {
        let mut next = self.eras();
        for start in starts {
            let last = next.last().map_or(Era(0), |start| start.era);
            if start.era <= last {
                continue;
            }
            if start.era != last.next() {
                return Err(StoreError::EraGap { last, got: start.era });
            }
            next.push(*start);
        }
        meta::store_eras(&self.inner.writer, &next).await?;
        *self.inner.eras.write() = next;
        Ok(())
    }

    /// The lowest height at which this chain has a block of an era that had ended there.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    pub async fn void_from(&self) -> Result<Option<Height>, StoreError> {
        for start in self.eras() {
            let block = self.commit_at(start.first).await?;
            if block.is_some_and(|commit| commit.block.header.era < start.era) {
                return Ok(Some(start.first));
            }
        }
        Ok(None)
    }

    /// Drops everything above a height: blocks, candidates, and batches that are not final. Their
    /// transactions wait for a block again. Closes the store: what is in memory is not true any
    /// more. Interrupted, it has dropped all or nothing.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub async fn rewind(self, to: Height) -> Result<(), StoreError> {
        let dropped = self.drop_above(to).await;
        self.close().await;
        dropped
    }

    async fn drop_above(&self, to: Height) -> Result<(), StoreError> {
        let failed = || StoreError::sql("drop void blocks");
        let height = to_sql("block height", to.0)?;
        let _tip = self.inner.tip.lock().await;
        self.journal_above(to).await?;
        let mut tx = self.inner.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        for statement in [
            "DELETE FROM candidates WHERE height > ?",
            "DELETE FROM outbox WHERE height > ?",
            "DELETE FROM blocks WHERE height > ?",
            "DELETE FROM bodies WHERE height > ?",
        ] {
            sqlx::query(statement).bind(height).execute(&mut *tx).await.map_err(failed())?;
        }
        sqlx::query("DELETE FROM batches WHERE start_height > ? AND state <> ?")
            .bind(height)
            .bind(i64::from(BatchState::Finalized as u8))
            .execute(&mut *tx)
            .await
            .map_err(failed())?;
        tx.commit().await.map_err(failed())
    }

    /// Puts the transactions of blocks above a height back where those wait that are in no block.
    async fn journal_above(&self, height: Height) -> Result<(), StoreError> {
        let mut next = height.next();
        loop {
            let commits = self.commits(next..=Height(u64::MAX), PAGE_BYTES).await?;
            let Some(last) = commits.last() else { return Ok(()) };
            next = last.block.height().next();
            for commit in &commits {
                let raws: Vec<_> = commit
                    .block
                    .transactions
                    .iter()
                    .map(|raw| (keccak256(raw), raw.clone()))
                    .collect();
                if raws.is_empty() {
                    continue;
                }
                if let Err(error) = self.journal_append(&raws).await {
                    // Their senders can send them again; the chain cannot wait for that.
                    tracing::warn!(%error, height = %commit.block.height(), "transactions of void blocks do not wait again");
                    return Ok(());
                }
            }
        }
    }
}
