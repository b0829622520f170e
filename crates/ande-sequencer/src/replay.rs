//! Executes certified blocks one after the other.

use ande_execution::{Executor, Payload, PayloadStatus};
use ande_failpoint::reach;
use ande_primitives::{Block, Height};

use crate::{
    SequencerError,
    chain::{Tip, attributes},
};

/// Brings an executor forward by certified blocks and compares every result with the block.
#[derive(Debug)]
pub struct Replay<'a, E: Executor + ?Sized> {
    executor: &'a E,
    tip: Tip,
}

impl<'a, E: Executor + ?Sized> Replay<'a, E> {
    /// From block 0 on, for an executor that has nothing but it.
    #[must_use]
    pub fn from_genesis(executor: &'a E) -> Self {
        Self { executor, tip: Tip::genesis(executor.genesis().hash()) }
    }

    pub(crate) const fn after(executor: &'a E, tip: Tip) -> Self {
        Self { executor, tip }
    }

    /// Height of the last block.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.tip.parent.height
    }

    /// Executes the next block and makes it the head.
    ///
    /// # Errors
    /// [`SequencerError::Inconsistent`] when its results are others than its header says.
    pub async fn block(&mut self, block: &Block) -> Result<(), SequencerError> {
        let header = &block.header;
        let attributes = attributes(&self.tip, header.timestamp_ms, header.proposer);
        let status = self.executor.adopt(&attributes, &Payload::of_block(block)).await?;
        if status != PayloadStatus::Valid {
            return Err(SequencerError::Inconsistent(format!(
                "block {} does not execute to what was certified: {status:?}",
                header.height
            )));
        }
        reach("replay-after-execute").await;
        self.executor.commit(header.execution_hash).await?;
        reach("replay-after-commit").await;
        self.tip = Tip::of(header);
        Ok(())
    }
}
