//! The batches of the chain as rows of the store, cut here or adopted from the settlement chain.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{Address, B256};
use ande_batch::{BatchLimits, BatchTip, MAX_BATCH_BLOCKS, MAX_DATA_BYTES};
use ande_failpoint::reach;
use ande_primitives::{BatchHeader, Commit, EpochSet, Era, Header, Height};
use ande_store::{BatchRow, BatchState, Store};
use tokio::sync::Mutex;
use tracing::{debug, info};

use crate::{BatcherError, CutRules};

/// The batches of this node's chain. Clones share one lock: rows are written one at a time.
#[derive(Clone, Debug)]
pub struct Ledger {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    l2_chain_id: u64,
    l2_genesis_hash: B256,
    rules: CutRules,
    /// Key whose place in the committee gives the number of the first attempt.
    signer: Address,
    writing: Mutex<()>,
}

impl Ledger {
    /// The ledger of a store. `signer` is this node's validator key, known to the store's chain or
    /// not.
    #[must_use]
    pub fn new(
        store: Store,
        l2_chain_id: u64,
        l2_genesis_hash: B256,
        rules: CutRules,
        signer: Address,
    ) -> Self {
        let inner =
            Inner { store, l2_chain_id, l2_genesis_hash, rules, signer, writing: Mutex::new(()) };
        Self { inner: Arc::new(inner) }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The rules that decide where batches end.
    #[must_use]
    pub fn rules(&self) -> &CutRules {
        &self.inner.rules
    }

    /// The batch before batch 1.
    #[must_use]
    pub fn genesis(&self) -> BatchTip {
        BatchTip::genesis(self.inner.l2_chain_id, self.inner.l2_genesis_hash)
    }

    /// What the batch after `index` extends; none when `index` is not stored.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tip_at(&self, index: u64) -> Result<Option<BatchTip>, BatcherError> {
        if index == 0 {
            return Ok(Some(self.genesis()));
        }
        match self.inner.store.batch(index).await? {
            Some(row) => self.tip_of(&row.header).await.map(Some),
            None => Ok(None),
        }
    }

    /// The last stored batch.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tip(&self) -> Result<BatchTip, BatcherError> {
        match self.inner.store.last_batch().await? {
            Some(row) => self.tip_of(&row.header).await,
            None => Ok(self.genesis()),
        }
    }

    /// A stored batch as the one before. An escape batch has no blocks: what the next one extends is
    /// the last block before it.
    async fn tip_of(&self, header: &BatchHeader) -> Result<BatchTip, BatcherError> {
        let (tip, mut last) = (BatchTip::from(header), *header);
        while is_escape(&last) {
            let index = last.batch_index.saturating_sub(1);
            if index == 0 {
                return Ok(BatchTip { last_block_hash: self.inner.l2_genesis_hash, ..tip });
            }
            let before = self.inner.store.batch(index).await?;
            last = before.ok_or(BatcherError::MissingBatch(index))?.header;
        }
        Ok(BatchTip { last_block_hash: last.last_block_hash, ..tip })
    }

    /// Cuts every batch that the chain completes and stores it as created; returns how many.
    ///
    /// # Errors
    /// When the store fails or stored blocks do not form a batch.
    pub async fn extend(&self) -> Result<u64, BatcherError> {
        let mut count = 0;
        let _writing = self.inner.writing.lock().await;
        while self.cut_one().await? {
            count += 1;
            reach("batcher-after-create").await;
        }
        Ok(count)
    }

    async fn cut_one(&self) -> Result<bool, BatcherError> {
        let store = &self.inner.store;
        let previous = self.tip().await?;
        let first = previous.end_height.next();
        let Some(next) = store.commit_at(first).await? else { return Ok(false) };
        let Header { era, epoch, .. } = next.block.header;
        if era < store.era_of(first) || era < self.last_era().await? {
            debug!(height = %first, "blocks of an ended era are in no batch");
            return Ok(false);
        }
        let set = store.set_in(era, epoch).await?.ok_or(BatcherError::MissingSet(epoch))?;
        // One block more than fits tells that the batch is full.
        let bytes = self.inner.rules.block_bytes(&set).saturating_mul(2).max(1 << 16);
        let until = Height(first.0.saturating_add(MAX_BATCH_BLOCKS as u64));
        let Some((commits, count)) = self.complete(&previous, &set, first..=until, bytes).await?
        else {
            return Ok(false);
        };
        let index = previous.index + 1;
        let slice = &commits[..count];
        // The data limit never decides: the cut is by uncompressed size, which is deterministic.
        let limits = BatchLimits { max_data_bytes: MAX_DATA_BYTES, max_blocks: MAX_BATCH_BLOCKS };
        let recipient = fee_recipient(slice);
        let built = ande_batch::build(&previous, slice, &set, recipient, &limits)
            .map_err(|source| BatcherError::Cut { index, source })?;
        let now = now_ms();
        let row = BatchRow {
            header: built.header,
            da: built.da,
            attempt: self.first_attempt(&set),
            state: BatchState::Created,
            skips: built.skips,
            data: built.data,
            qc: None,
            l1_tx: None,
            l1_block: None,
            created_at_ms: now,
            updated_at_ms: now,
            error: None,
        };
        store.put_batch(&row).await?;
        info!(
            batch = index,
            start = %row.header.start_height,
            end = %row.header.end_height,
            transactions = row.header.tx_count,
            bytes = row.data.len(),
            "batch cut"
        );
        Ok(true)
    }

    /// Stored commits and how many of them form the next batch.
    async fn complete(
        &self,
        previous: &BatchTip,
        set: &EpochSet,
        range: std::ops::RangeInclusive<Height>,
        bytes: usize,
    ) -> Result<Option<(Vec<Commit>, usize)>, BatcherError> {
        let store = &self.inner.store;
        let previous_ms = match previous.end_height {
            Height(0) => None,
            _ => store.commit_at(previous.end_height).await?.map(|c| c.block.header.timestamp_ms),
        };
        if previous.end_height > Height(0) && previous_ms.is_none() {
            // Adopted from the settlement chain before the blocks arrived.
            debug!(height = %previous.end_height, "blocks of the last batch are not here yet");
            return Ok(None);
        }
        // The store returns at most a page; a batch of small blocks may need several.
        let mut commits: Vec<Commit> = Vec::new();
        loop {
            let from = commits.last().map_or(*range.start(), |last| last.block.height().next());
            let page = match from <= *range.end() {
                true => store.commits(from..=*range.end(), bytes).await?,
                false => Vec::new(),
            };
            let last_page = page.is_empty();
            commits.extend(page);
            let forced = previous.forced_up_to;
            if let Some(count) = self.inner.rules.cut(previous_ms, forced, &commits, set) {
                return Ok(Some((commits, count)));
            }
            if last_page {
                return Ok(None);
            }
        }
    }

    /// Era of the last stored batch: an escape batch begins one before that is final.
    async fn last_era(&self) -> Result<Era, BatcherError> {
        let last = self.inner.store.last_batch().await?;
        Ok(last.map_or(Era(0), |row| row.header.era))
    }

    /// Attempts of different posters differ, because each may hold other data for the same content:
    /// the place in the committee, then in steps of its size.
    fn first_attempt(&self, set: &EpochSet) -> u32 {
        let place = set.committee.index_of(self.inner.signer).unwrap_or(0);
        u32::try_from(place).unwrap_or(0)
    }

    /// The next attempt of this node.
    #[must_use]
    pub fn next_attempt(&self, set: &EpochSet, attempt: u32) -> u32 {
        attempt.saturating_add(u32::try_from(set.committee.size()).unwrap_or(1).max(1))
    }

    /// Changes a stored batch; nothing happens when its content is another by now or `change`
    /// leaves it as it is. Returns the row as stored.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn update(
        &self,
        index: u64,
        content: B256,
        change: impl FnOnce(&mut BatchRow) + Send,
    ) -> Result<Option<BatchRow>, BatcherError> {
        let _writing = self.inner.writing.lock().await;
        let Some(mut row) = self.inner.store.batch(index).await? else { return Ok(None) };
        if row.header.content_hash() != content {
            return Ok(None);
        }
        let before = row.clone();
        change(&mut row);
        if row != before {
            row.updated_at_ms = now_ms();
            self.inner.store.update_batch(&row).await?;
        }
        Ok(Some(row))
    }

    /// Forgets an escape batch that a reorganisation took away, and what was cut after it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget(&self, index: u64) -> Result<(), BatcherError> {
        let _writing = self.inner.writing.lock().await;
        Ok(self.inner.store.drop_batches(index).await?)
    }

    /// Stores an accepted batch in place of whatever is there; batches after another content go.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn adopt(&self, row: &BatchRow) -> Result<(), BatcherError> {
        let _writing = self.inner.writing.lock().await;
        Ok(self.inner.store.put_batch(row).await?)
    }
}

/// Whether a batch is one of the contract's own, without certificate and blocks.
pub(crate) fn is_escape(header: &BatchHeader) -> bool {
    header.start_height > header.end_height
}

/// Receives the fees of forced transactions: the proposer of the last block. Part of the content,
/// so it must not depend on who posts.
pub(crate) fn fee_recipient(commits: &[Commit]) -> Address {
    commits.last().map_or(Address::ZERO, |commit| commit.block.header.proposer)
}

pub(crate) fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
