//! The header of a batch, computed.

use alloy_primitives::{Address, B256, keccak256};
use ande_primitives::{
    BatchHeader, Block, EpochSet, Header, Height, MAX_FORCED_PER_BATCH, MAX_SKIP_RECORDS, Skip,
    SkipRecord, Window, encode_skip_records, inclusion_root,
};

use crate::{BatchContent, BatchError, BatchTip, ContentError, ExecutionRoots};

/// Header and encoded skip records of the batch that follows `previous` with these blocks; a pure
/// function, so that every validator gets the same.
///
/// # Errors
/// The content contradicts itself, does not extend `previous`, or is not of the epoch of `set`.
pub fn derive_header(
    previous: &BatchTip,
    content: &BatchContent,
    set: &EpochSet,
    fee_recipient: Address,
) -> Result<(BatchHeader, Vec<u8>), BatchError> {
    content.check()?;
    let last_block_hash = content.certificate.block_hash;
    derive(previous, &content.blocks, last_block_hash, set, fee_recipient)
}

/// [`derive_header`] of blocks that were checked already.
pub(crate) fn derive(
    previous: &BatchTip,
    blocks: &[Block],
    last_block_hash: B256,
    set: &EpochSet,
    fee_recipient: Address,
) -> Result<(BatchHeader, Vec<u8>), BatchError> {
    let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else {
        return Err(ContentError::Empty.into());
    };
    check_start(previous, first, set)?;
    if !set.contains(last.height()) {
        return Err(wrong_epoch(last, set));
    }
    let records = skip_records(previous, blocks, set);
    if records.len() > MAX_SKIP_RECORDS {
        return Err(BatchError::TooManySkips(records.len()));
    }
    // Behind an escape batch the blocks come after what it consumed.
    let (forced_up_to, forced_acc) = match last.header.forced_up_to {
        up_to if up_to > previous.forced_up_to => (up_to, last.header.forced_acc),
        _ => (previous.forced_up_to, previous.forced_acc),
    };
    let forced = forced_up_to.saturating_sub(previous.forced_up_to);
    if forced > MAX_FORCED_PER_BATCH {
        return Err(BatchError::TooManyForced(forced));
    }
    let skips = encode_skip_records(&records);
    let hashes: Vec<B256> = blocks.iter().flat_map(Block::transaction_hashes).collect();
    let header = BatchHeader {
        era: last.header.era,
        epoch: last.header.epoch,
        batch_index: previous.index.saturating_add(1),
        start_height: first.height(),
        end_height: last.height(),
        term: last.header.term(&set.rules),
        forced_up_to,
        tx_count: u32::try_from(hashes.len()).unwrap_or(u32::MAX),
        parent_batch_hash: previous.hash,
        last_block_hash,
        state_root: ExecutionRoots::of(last)?.state,
        tx_root: inclusion_root(&hashes),
        forced_acc,
        skips_hash: keccak256(&skips),
        fee_recipient,
    };
    Ok((header, skips))
}

/// Checks that a first block extends the previous batch and is of the epoch of the set.
pub(crate) fn check_start(
    previous: &BatchTip,
    first: &Block,
    set: &EpochSet,
) -> Result<(), BatchError> {
    let header = &first.header;
    if previous.end_height.0.checked_add(1) != Some(header.height.0) {
        let expected = Height(previous.end_height.0.saturating_add(1));
        return Err(ContentError::NotContiguous { expected, got: header.height }.into());
    }
    if header.parent_hash != previous.last_block_hash {
        return Err(ContentError::WrongParent {
            height: header.height,
            expected: previous.last_block_hash,
            got: header.parent_hash,
        }
        .into());
    }
    if (header.era, header.epoch) != (set.era, set.epoch) || !set.contains(header.height) {
        return Err(wrong_epoch(first, set));
    }
    Ok(())
}

fn wrong_epoch(block: &Block, set: &EpochSet) -> BatchError {
    BatchError::WrongEpoch {
        era: block.header.era,
        epoch: block.header.epoch,
        set_era: set.era,
        set_epoch: set.epoch,
    }
}

/// One record per window in which more proposers were passed over than the previous batch
/// reported.
fn skip_records(previous: &BatchTip, blocks: &[Block], set: &EpochSet) -> Vec<SkipRecord> {
    let mut records: Vec<SkipRecord> = Vec::new();
    for header in blocks.iter().map(|block| &block.header) {
        let Some(window) = skipped_window(previous, header, set) else { continue };
        match records.last_mut() {
            Some(last) if last.window == window => last.skip = last.skip.max(header.skip),
            _ => records.push(SkipRecord { window, skip: header.skip }),
        }
    }
    records
}

/// The window of a block if it has skips that the previous batch did not report.
pub(crate) fn skipped_window(
    previous: &BatchTip,
    header: &Header,
    set: &EpochSet,
) -> Option<Window> {
    let window = set.rules.window_of(header.height);
    let reported = if previous.term.window() == window { previous.term.skip() } else { Skip(0) };
    (header.skip > reported).then_some(window)
}
