//! The content of a batch.

use alloy_primitives::B256;
use ande_primitives::{Block, Certificate, Height};

use crate::ContentError;

/// Most blocks in one batch.
pub const MAX_BATCH_BLOCKS: usize = 1 << 13;
/// Most transactions in one batch; above what one block may have.
pub const MAX_BATCH_TRANSACTIONS: usize = 1 << 17;

/// Consecutive blocks of one chain, era and epoch, and the certificate of the last one. Through
/// the parent hashes that certificate covers all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchContent {
    /// The blocks, ascending.
    pub blocks: Vec<Block>,
    /// Certificate of the last block.
    pub certificate: Certificate,
}

impl BatchContent {
    /// Hashes of all transactions, in order.
    #[must_use]
    pub fn transaction_hashes(&self) -> Vec<B256> {
        self.blocks.iter().flat_map(Block::transaction_hashes).collect()
    }

    /// Checks every rule that needs nothing but the content.
    ///
    /// # Errors
    /// The first violated rule.
    pub fn check(&self) -> Result<(), ContentError> {
        check(&self.blocks, &self.certificate)
    }
}

/// [`BatchContent::check`] on borrowed parts.
pub(crate) fn check(blocks: &[Block], certificate: &Certificate) -> Result<(), ContentError> {
    let last = check_chain(blocks)?;
    let tip = blocks.last().map(|block| &block.header).ok_or(ContentError::Empty)?;
    let named = (certificate.era, certificate.epoch, certificate.height, certificate.block_hash);
    if named != (tip.era, tip.epoch, tip.height, last) {
        return Err(ContentError::OtherCertificate(tip.height));
    }
    Ok(())
}

/// Checks limits and that each block extends the one before it; gives the hash of the last.
pub(crate) fn check_chain(blocks: &[Block]) -> Result<B256, ContentError> {
    too_many("blocks", blocks.len(), MAX_BATCH_BLOCKS)?;
    let transactions = blocks.iter().map(|block| block.transactions.len()).sum();
    too_many("transactions", transactions, MAX_BATCH_TRANSACTIONS)?;
    let first = &blocks.first().ok_or(ContentError::Empty)?.header;
    let mut previous: Option<(&ande_primitives::Header, B256)> = None;
    for block in blocks {
        let header = &block.header;
        let height = header.height;
        block.check().map_err(|source| ContentError::Block { height, source })?;
        if (header.l2_chain_id, header.era, header.epoch)
            != (first.l2_chain_id, first.era, first.epoch)
        {
            return Err(ContentError::Mixed(height));
        }
        if let Some((parent, parent_hash)) = previous {
            check_link(parent, parent_hash, header)?;
        }
        previous = Some((header, header.hash()));
    }
    previous.map(|(_, hash)| hash).ok_or(ContentError::Empty)
}

fn check_link(
    parent: &ande_primitives::Header,
    parent_hash: B256,
    header: &ande_primitives::Header,
) -> Result<(), ContentError> {
    let height = header.height;
    // Not `next()`: at the end of the number range that is the height itself.
    if parent.height.0.checked_add(1) != Some(height.0) {
        let expected = Height(parent.height.0.saturating_add(1));
        return Err(ContentError::NotContiguous { expected, got: height });
    }
    if header.parent_hash != parent_hash {
        return Err(ContentError::WrongParent {
            height,
            expected: parent_hash,
            got: header.parent_hash,
        });
    }
    if header.timestamp_ms < parent.timestamp_ms {
        return Err(ContentError::GoesBack { what: "timestamp", height });
    }
    if header.forced_up_to < parent.forced_up_to {
        return Err(ContentError::GoesBack { what: "forced index", height });
    }
    Ok(())
}

fn too_many(what: &'static str, got: usize, limit: usize) -> Result<(), ContentError> {
    if got > limit { Err(ContentError::TooMany { what, got, limit }) } else { Ok(()) }
}
