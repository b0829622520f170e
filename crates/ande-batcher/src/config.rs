//! Settings of the batcher, already checked by the node's configuration.

use std::time::Duration;

use ande_batch::{BatchLimits, MAX_BLOB_DATA_BYTES, MAX_BLOBS};
use ande_l1::BlobForm;

use crate::DataChoice;

/// How batches are cut and posted.
///
/// `interval` and `max_data_bytes` decide where batches end. Every validator computes the same cut
/// and signs no other, so both must be equal on all validators of a chain; a node that differs says
/// so when it is asked to sign, and when it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatcherConfig {
    /// Whether this node posts. It signs and follows batches in any case.
    pub enabled: bool,
    /// Span of block timestamps in one batch. Not below two settlement blocks: batches are posted
    /// one after the other.
    pub interval: Duration,
    /// Most bytes of data in one batch.
    pub max_data_bytes: usize,
    /// What decides where the data goes.
    pub data: DataChoice,
    /// Most blobs of one batch; 0 posts everything as calldata.
    pub max_blobs: usize,
    /// How the settlement chain wants blobs proved.
    pub blob_form: BlobForm,
    /// Time after which the next validator in schedule order posts a batch that the one before did
    /// not; at least three settlement blocks, as seen of late.
    pub takeover: Duration,
}

impl Default for BatcherConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Duration::from_secs(10),
            max_data_bytes: MAX_BLOB_DATA_BYTES,
            data: DataChoice::Auto,
            max_blobs: MAX_BLOBS,
            blob_form: BlobForm::default(),
            takeover: Duration::from_secs(5),
        }
    }
}

impl BatcherConfig {
    /// The rules that decide where batches end.
    #[must_use]
    pub fn cut_rules(&self) -> crate::CutRules {
        crate::CutRules {
            interval_ms: u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX),
            max_data_bytes: self.max_data_bytes,
        }
    }

    /// Most bytes of RLP-encoded transactions that a block may have so that a batch can hold it.
    /// Proposers must keep to it: a larger block can never be posted and stops the chain at the end
    /// of the next epoch.
    #[must_use]
    pub const fn max_block_transaction_bytes(&self, committee_size: usize) -> usize {
        BatchLimits { max_data_bytes: self.max_data_bytes, max_blocks: 1 }
            .max_block_transaction_bytes(committee_size)
    }
}
