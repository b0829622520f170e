//! Cutting a batch from stored commits.

use alloy_primitives::{Address, Bytes};
use ande_primitives::{
    BatchHeader, Block, Commit, DaPointer, EpochSet, MAX_COMMITTEE, MAX_FORCED_PER_BATCH,
    MAX_SKIP_RECORDS,
};

use crate::{
    BatchError, BatchTip, CodecError, ContentError, MAX_BATCH_BLOCKS, MAX_BATCH_TRANSACTIONS,
    MAX_BODY_BYTES, MAX_DATA_BYTES, codec, content,
    derive::{check_start, derive, skipped_window},
};

/// Bytes of a body besides its blocks and signatures, generously.
const BODY_OVERHEAD: usize = 256;
/// Bytes of one certificate signature in a body.
const SIGNATURE_BYTES: usize = 90;
/// Bytes of a block in a body besides its transactions: execution header, forced accumulator, ...
const BLOCK_OVERHEAD: usize = 256 + ande_primitives::MAX_EXECUTION_HEADER_BYTES;

/// Bytes of a body besides its blocks, at most.
const MAX_BODY_REST: usize = BODY_OVERHEAD + MAX_COMMITTEE * SIGNATURE_BYTES;

/// Upper limits of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Data bytes, as posted.
    pub max_data_bytes: usize,
    /// Blocks.
    pub max_blocks: usize,
}

impl Default for BatchLimits {
    /// 100,000 bytes of calldata (settlement nodes relay transactions up to 128 KiB) and as many
    /// blocks as a batch can hold.
    fn default() -> Self {
        Self { max_data_bytes: 100_000, max_blocks: MAX_BATCH_BLOCKS }
    }
}

impl BatchLimits {
    /// Most bytes of RLP-encoded transactions in a block such that a batch of this block alone
    /// fits, however badly it compresses. Proposers must keep to it, or the block is never posted.
    #[must_use]
    pub const fn max_block_transaction_bytes(&self, committee_size: usize) -> usize {
        let limit =
            if self.max_data_bytes < MAX_DATA_BYTES { self.max_data_bytes } else { MAX_DATA_BYTES };
        // A frame of incompressible bytes grows by 3 bytes per 128 KiB block and its header.
        let frame = 32 + 3 * (limit / (128 << 10) + 1);
        let fixed = frame + BODY_OVERHEAD + BLOCK_OVERHEAD + committee_size * SIGNATURE_BYTES;
        limit.saturating_sub(fixed)
    }
}

/// A batch ready to be certified and posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its header.
    pub header: BatchHeader,
    /// Encoded skip records.
    pub skips: Bytes,
    /// Its data.
    pub data: Bytes,
    /// Pointer to the data as calldata.
    pub da: DaPointer,
}

/// Builds the batch that follows `previous` from a prefix of `commits`: as many as are of the
/// epoch of `set` and fit into the limits. `header.end_height` tells how far it got.
///
/// The limit on data bytes counts the certificate, of which every node may hold another one. Nodes
/// that must cut equally therefore bound the uncompressed blocks and give this a limit that cannot
/// decide; all other limits depend on the blocks only.
///
/// # Errors
/// No commit; commits that do not extend `previous` or each other; a first block of another epoch;
/// a first block that no batch can hold.
pub fn build(
    previous: &BatchTip,
    commits: &[Commit],
    set: &EpochSet,
    fee_recipient: Address,
    limits: &BatchLimits,
) -> Result<Built, BatchError> {
    let first = commits.first().ok_or(ContentError::Empty)?;
    check_start(previous, &first.block, set)?;
    let prefix = &commits[..structural_cut(previous, commits, set, limits)];
    let (data, prefix) = largest_that_fits(prefix, limits)?;
    let certificate = &prefix.last().ok_or(ContentError::Empty)?.certificate;
    let blocks: Vec<Block> = prefix.iter().map(|commit| commit.block.clone()).collect();
    content::check(&blocks, certificate)?;
    let (header, skips) = derive(previous, &blocks, certificate.block_hash, set, fee_recipient)?;
    let da = DaPointer::calldata(&data);
    Ok(Built { header, skips: skips.into(), data, da })
}

/// Commits at the start that obey every limit but the one on bytes; at least 1 of a first one that
/// is of the epoch.
fn structural_cut(
    previous: &BatchTip,
    commits: &[Commit],
    set: &EpochSet,
    limits: &BatchLimits,
) -> usize {
    let mut transactions = 0usize;
    let mut skipped_windows = 0usize;
    let mut last_skipped = None;
    let mut fits = |commit: &Commit| {
        let header = &commit.block.header;
        if let Some(window) = skipped_window(previous, header, set)
            && last_skipped != Some(window)
        {
            skipped_windows += 1;
            last_skipped = Some(window);
        }
        transactions += commit.block.transactions.len();
        (header.era, header.epoch) == (set.era, set.epoch)
            && set.contains(header.height)
            && transactions <= MAX_BATCH_TRANSACTIONS
            && skipped_windows <= MAX_SKIP_RECORDS
            && header.forced_up_to.saturating_sub(previous.forced_up_to) <= MAX_FORCED_PER_BATCH
    };
    let max_blocks = limits.max_blocks.clamp(1, MAX_BATCH_BLOCKS);
    commits.iter().take(max_blocks).take_while(|commit| fits(commit)).count()
}

/// Data of the longest prefix found that fits, and the prefix. Compressed size is not exactly
/// monotone and trying every prefix is not worth the time, so this stops close to the limit.
fn largest_that_fits<'a>(
    commits: &'a [Commit],
    limits: &BatchLimits,
) -> Result<(Bytes, &'a [Commit]), BatchError> {
    let limit = limits.max_data_bytes.min(MAX_DATA_BYTES);
    let first = commits.first().ok_or(ContentError::Empty)?;
    let (bytes, ends) = encode_blocks(commits);
    let data_of = |count: usize| -> Result<Bytes, CodecError> {
        let certificate = &commits[count - 1].certificate;
        let body = codec::encode_body(&first.block.header, &bytes[..ends[count - 1]], certificate);
        codec::compress(&body)
    };

    // `low` commits fit, `high` do not (or are not there).
    let alone = data_of(1)?;
    if alone.len() > limit {
        return Err(BatchError::BlockTooLarge {
            height: first.block.height(),
            bytes: alone.len(),
            limit,
        });
    }
    let (mut low, mut high, mut best) = (1, ends.len() + 1, alone);
    let mut guesses = 0;
    while high - low > 1 && best.len() < limit - limit / 16 {
        // A few guesses from the ratio so far, then halving.
        let by_ratio = ends[low - 1].saturating_mul(limit) / best.len().max(1);
        let guess = ends.partition_point(|end| *end <= by_ratio);
        let count = if guesses < 3 { guess } else { low + (high - low) / 2 };
        let count = count.clamp(low + 1, high - 1);
        guesses += 1;
        let data = data_of(count)?;
        if data.len() <= limit {
            (low, best) = (count, data);
        } else {
            high = count;
        }
    }
    Ok((best, &commits[..low]))
}

/// Blocks in body form one after the other, and where each ends; no more than a body holds.
fn encode_blocks(commits: &[Commit]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    let mut ends = Vec::with_capacity(commits.len());
    let mut previous_ms = 0;
    for commit in commits {
        codec::encode_block(&commit.block, previous_ms, &mut bytes);
        previous_ms = commit.block.header.timestamp_ms;
        if !ends.is_empty() && bytes.len() > MAX_BODY_BYTES - MAX_BODY_REST {
            break;
        }
        ends.push(bytes.len());
    }
    (bytes, ends)
}
