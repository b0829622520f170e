//! Keeps the stored batches equal to those of the settlement chain and moves the settled heads.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use ande_failpoint::reach;
use ande_l1::{BatchTip as AcceptedTip, L1View};
use ande_primitives::Height;
use ande_store::{BatchRow, BatchState};
use tracing::{info, warn};

use crate::{
    BatcherError, Ledger,
    accepted::{Acceptance, Accepted, AcceptedBatch},
    ledger::is_escape,
    witness::Witness,
};

/// Batches brought up to date in one go, so that a long history does not hold up everything else.
const MAX_STEPS: u64 = 64;
/// Key of the block up to which acceptances were read and are final.
const CURSOR: &str = "batcher/acceptances_read";

/// Follows the coordinator.
#[derive(Debug)]
pub(crate) struct Follower {
    ledger: Ledger,
    accepted: Accepted,
    witness: Witness,
    /// Acceptances after the cursor, by batch number.
    known: BTreeMap<u64, Acceptance>,
    /// Block up to which they are read; final ones are in the store.
    read_up_to: Option<u64>,
    /// Highest batch whose row is final.
    finalized: u64,
    /// Lowest final batch whose last block was not compared with this node's chain.
    compare_next: u64,
    /// Accepted batches after it whose row and last block agree with the settlement chain.
    agreed: BTreeMap<u64, (B256, Option<Acceptance>)>,
}

impl Follower {
    pub(crate) async fn start(
        ledger: Ledger,
        accepted: Accepted,
        witness: Witness,
    ) -> Result<Self, BatcherError> {
        let store = ledger.store();
        let finalized = store
            .last_batch_in_state(BatchState::Finalized)
            .await?
            .map_or(0, |row| row.header.batch_index);
        let latest = store.heads().borrow().latest;
        // Blocks up to the latest one were compared when they or their batches came.
        let compare_next = match store.batch_of_height(latest).await? {
            Some(row) => row.header.batch_index.min(finalized + 1),
            None if latest == Height(0) => 1,
            None => finalized + 1,
        };
        Ok(Self {
            ledger,
            accepted,
            witness,
            known: BTreeMap::new(),
            read_up_to: None,
            finalized,
            compare_next,
            agreed: BTreeMap::new(),
        })
    }

    /// Makes the rows agree with `view`. Returns true when everything up to the accepted tip does;
    /// false when there is more to do than one call does.
    pub(crate) async fn follow(&mut self, view: &L1View) -> Result<bool, BatcherError> {
        let Some(tip) = view.tip else { return Ok(false) };
        self.take_back(&tip, view.latest).await?;
        if tip.index > self.finalized {
            self.read_acceptances(view).await?;
        }
        let final_index = view.final_tip.map_or(0, |tip| tip.index);
        let mut steps = 0;
        for index in self.finalized + 1..=tip.index {
            let hash = self.hash_of(index, &tip).await?;
            let seen = (hash, self.known.get(&index).copied());
            if index > final_index && self.agreed.get(&index) == Some(&seen) {
                continue;
            }
            if steps == MAX_STEPS {
                return Ok(false);
            }
            steps += 1;
            let row = self.include(index, hash).await?;
            if self.agrees_with_chain(&row).await? {
                self.agreed.insert(index, seen);
            }
            if index <= final_index && index == self.finalized + 1 {
                self.finalize(&row, view).await?;
            }
        }
        self.compare_final().await?;
        let finalized = view.final_tip.map_or(Height(0), |tip| tip.end_height);
        self.ledger.store().set_settled(tip.end_height, finalized).await?;
        Ok(true)
    }

    /// A reorganisation can take an accepted batch away: its row waits to be posted again.
    async fn take_back(&self, tip: &AcceptedTip, latest: u64) -> Result<(), BatcherError> {
        let Some(row) = self.ledger.store().last_batch_in_state(BatchState::Included).await? else {
            return Ok(());
        };
        let mut index = row.header.batch_index;
        while index > tip.index {
            let Some(row) = self.ledger.store().batch(index).await? else { break };
            // The poster knows of its block before the reader does.
            let is_seen = row.l1_block.is_none_or(|block| block <= latest);
            if row.state == BatchState::Included && is_seen {
                warn!(
                    batch = index,
                    "settlement chain was reorganised, batch is not accepted any more"
                );
                if is_escape(&row.header) {
                    self.ledger.forget(index).await?;
                    index -= 1;
                    continue;
                }
                let content = row.header.content_hash();
                self.ledger
                    .update(index, content, |row| {
                        row.state = BatchState::Created;
                        row.l1_tx = None;
                        row.l1_block = None;
                    })
                    .await?;
            }
            index -= 1;
        }
        Ok(())
    }

    async fn read_acceptances(&mut self, view: &L1View) -> Result<(), BatcherError> {
        let cursor = match self.read_up_to {
            Some(block) => block,
            None => self.stored_cursor().await?,
        };
        // Everything after the last final block is read again: it may have been reorganised.
        self.known = self.accepted.in_range(cursor + 1, view.latest).await?;
        // Only what is final and in the rows may be skipped from now on.
        let open = self.known.iter().filter(|(index, _)| **index > self.finalized);
        let first_open = open.map(|(_, acceptance)| acceptance.block).min();
        let next = first_open.map_or(view.final_block, |block| view.final_block.min(block - 1));
        if next > cursor {
            self.ledger.store().put_meta(CURSOR, &next.to_be_bytes()).await?;
            self.read_up_to = Some(next);
        }
        Ok(())
    }

    async fn stored_cursor(&mut self) -> Result<u64, BatcherError> {
        let stored = self.ledger.store().meta(CURSOR).await?;
        let block = stored.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        self.read_up_to = Some(block);
        Ok(block)
    }

    async fn hash_of(&self, index: u64, tip: &AcceptedTip) -> Result<B256, BatcherError> {
        if index == tip.index {
            return Ok(tip.hash);
        }
        match self.known.get(&index) {
            Some(acceptance) => Ok(acceptance.content),
            None => self.accepted.hash_of(index).await,
        }
    }

    /// Marks the stored batch as accepted, or takes over the accepted one.
    async fn include(&self, index: u64, hash: B256) -> Result<BatchRow, BatcherError> {
        let store = self.ledger.store();
        let acceptance = self.known.get(&index).filter(|known| known.content == hash).copied();
        match store.batch(index).await? {
            Some(row) if row.header.content_hash() == hash => {
                if row.state == BatchState::Finalized || is_marked(&row, acceptance) {
                    return Ok(row);
                }
                let row = self.mark(row, acceptance).await?;
                info!(batch = index, end = %row.header.end_height, "batch accepted by the settlement chain");
                reach("batcher-after-include").await;
                Ok(row)
            }
            other => {
                let acceptance = acceptance.ok_or_else(|| BatcherError::Unreadable {
                    index,
                    reason: "no event of its acceptance was found yet".to_owned(),
                })?;
                if let Some(own) = other {
                    warn!(
                        batch = index,
                        own = %own.header.content_hash(),
                        accepted = %hash,
                        "another content was accepted than this node cut; batcher settings differ between validators"
                    );
                    let content = own.header.content_hash();
                    self.ledger
                        .update(index, content, |row| {
                            row.state = BatchState::Failed;
                            row.error = Some(format!("replaced by {hash}"));
                        })
                        .await?;
                }
                let AcceptedBatch { row, missing } = self.accepted.read(index, &acceptance).await?;
                if let Some(reason) = missing {
                    warn!(batch = index, reason, "adopting a batch without its data");
                }
                self.witness.saw_accepted(&row).await?;
                self.ledger.adopt(&row).await?;
                info!(batch = index, end = %row.header.end_height, "batch adopted from the settlement chain");
                reach("batcher-after-include").await;
                Ok(row)
            }
        }
    }

    async fn mark(
        &self,
        row: BatchRow,
        acceptance: Option<Acceptance>,
    ) -> Result<BatchRow, BatcherError> {
        let content = row.header.content_hash();
        let index = row.header.batch_index;
        let updated = self
            .ledger
            .update(index, content, |row| {
                row.state = BatchState::Included;
                row.error = None;
                if let Some(acceptance) = acceptance {
                    row.l1_tx = Some(acceptance.transaction);
                    row.l1_block = Some(acceptance.block);
                }
            })
            .await?;
        Ok(updated.unwrap_or(row))
    }

    /// The accepted batch must end with the block that this node has; false while it has none.
    async fn agrees_with_chain(&self, row: &BatchRow) -> Result<bool, BatcherError> {
        if is_escape(&row.header) {
            return Ok(true);
        }
        let height = row.header.end_height;
        let Some(own) = self.ledger.store().commit_at(height).await? else { return Ok(false) };
        if own.block.header.era < row.header.era {
            // Void, and dropped when the new era is final here.
            return Ok(false);
        }
        if own.certificate.block_hash == row.header.last_block_hash {
            return Ok(true);
        }
        Err(BatcherError::Diverged {
            index: row.header.batch_index,
            height,
            accepted: row.header.last_block_hash,
            own: own.certificate.block_hash,
        })
    }

    /// Compares final batches with blocks that arrived after them.
    async fn compare_final(&mut self) -> Result<(), BatcherError> {
        while self.compare_next <= self.finalized {
            let Some(row) = self.ledger.store().batch(self.compare_next).await? else {
                return Ok(());
            };
            if !self.agrees_with_chain(&row).await? {
                return Ok(());
            }
            self.compare_next += 1;
        }
        Ok(())
    }

    async fn finalize(&mut self, row: &BatchRow, view: &L1View) -> Result<(), BatcherError> {
        let index = row.header.batch_index;
        // A row that was accepted again in a later block is not final yet.
        if row.l1_block.is_some_and(|block| block > view.final_block) {
            return Ok(());
        }
        let content = row.header.content_hash();
        self.ledger.update(index, content, |row| row.state = BatchState::Finalized).await?;
        self.finalized = index;
        self.agreed = self.agreed.split_off(&(index + 1));
        info!(batch = index, end = %row.header.end_height, "batch is final on the settlement chain");
        Ok(())
    }
}

fn is_marked(row: &BatchRow, acceptance: Option<Acceptance>) -> bool {
    row.state == BatchState::Included
        && acceptance.is_none_or(|acceptance| {
            row.l1_tx == Some(acceptance.transaction) && row.l1_block == Some(acceptance.block)
        })
}
