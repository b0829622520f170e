//! Where batches end: a pure function of the chain, so that every validator cuts the same batches.
//!
//! Content that depended on who posts, or when, could not survive a crash: validators sign one
//! content per batch number, so two posters with different contents would lock the committee.

use alloy_rlp::Encodable as _;
use ande_batch::MAX_BATCH_BLOCKS;
use ande_primitives::{Commit, EpochSet};

/// Bytes of batch data besides blocks and signatures, generously: body, compression frame.
const FIXED_BYTES: usize = 1024;
/// Bytes of one signature of the certificate.
const SIGNATURE_BYTES: usize = 90;

/// What decides where batches end. Equal on all validators of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutRules {
    /// Milliseconds of block time after the last block of the previous batch.
    pub interval_ms: u64,
    /// Most bytes of data. Blocks are counted uncompressed, because the compressed size depends on
    /// the certificate, of which every node may hold another one.
    pub max_data_bytes: usize,
}

impl CutRules {
    /// Bytes of blocks that fit into one batch of this epoch.
    #[must_use]
    pub fn block_bytes(&self, set: &EpochSet) -> usize {
        let fixed = FIXED_BYTES + set.committee.size() * SIGNATURE_BYTES;
        self.max_data_bytes.saturating_sub(fixed)
    }

    /// How many of `commits` form the next batch; none while it is not complete. `previous_ms` is
    /// the timestamp of the last block of the previous batch, none before the first batch.
    ///
    /// A batch is complete at the end of its epoch, when its last block is `interval_ms` after the
    /// previous batch, or when the next block does not fit any more.
    #[must_use]
    pub fn cut(
        &self,
        previous_ms: Option<u64>,
        commits: &[Commit],
        set: &EpochSet,
    ) -> Option<usize> {
        let since = previous_ms.or_else(|| Some(commits.first()?.block.header.timestamp_ms))?;
        let limit = self.block_bytes(set);
        let mut bytes = 0usize;
        for (index, commit) in commits.iter().enumerate() {
            let header = &commit.block.header;
            bytes = bytes.saturating_add(commit.block.length());
            // A block that is too large alone makes a batch of its own.
            if index > 0 && bytes > limit {
                return Some(index);
            }
            let ends_epoch = !set.contains(header.height.next());
            let is_due = header.timestamp_ms.saturating_sub(since) >= self.interval_ms;
            if ends_epoch || is_due || index + 1 == MAX_BATCH_BLOCKS {
                return Some(index + 1);
            }
        }
        None
    }
}
