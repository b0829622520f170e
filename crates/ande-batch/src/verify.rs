//! What a validator checks before it signs a checkpoint.

use ande_primitives::{BatchHeader, DaPointer, Domain, EpochSet};

use crate::{
    BatchContent, BatchError, BatchTip, decode, derive_header, execution::check_transactions,
};

/// A batch as a poster claims it.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Header.
    pub header: &'a BatchHeader,
    /// Pointer to the data.
    pub da: &'a DaPointer,
    /// Encoded skip records.
    pub skips: &'a [u8],
    /// Data bytes.
    pub data: &'a [u8],
}

/// Checks a claimed batch that follows `previous`: the data decodes, its last block is certified
/// and through the parent hashes all others are, every block has the transactions that its
/// execution header commits to, and header, skip records and (for calldata) pointer are exactly
/// what the data gives. The fee recipient is the poster's choice. Returns the content. For other
/// data layers the caller still has to fetch the data back.
///
/// # Errors
/// The first difference.
pub fn verify(
    claim: &Claim<'_>,
    previous: &BatchTip,
    set: &EpochSet,
    domain: &Domain,
) -> Result<BatchContent, BatchError> {
    if claim.da.kind == ande_primitives::DaKind::Calldata
        && *claim.da != DaPointer::calldata(claim.data)
    {
        return Err(BatchError::Claim { field: "data pointer" });
    }
    let content = decode(claim.data)?;
    let got = content.blocks.first().map_or(0, |block| block.header.l2_chain_id);
    if got != domain.l2_chain_id() {
        return Err(BatchError::WrongChain { expected: domain.l2_chain_id(), got });
    }
    let (header, skips) = derive_header(previous, &content, set, claim.header.fee_recipient)?;
    if header != *claim.header {
        return Err(BatchError::Claim { field: "header" });
    }
    if skips != claim.skips {
        return Err(BatchError::Claim { field: "skip records" });
    }
    content.certificate.verify(domain, set)?;
    content.blocks.iter().try_for_each(check_transactions)?;
    Ok(content)
}
