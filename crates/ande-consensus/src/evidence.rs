//! Proof that a validator contradicted itself.

use alloy_primitives::Address;
use alloy_rlp::{RlpDecodable, RlpEncodable};
use ande_primitives::{Canonical, Domain, Signature, Vote};

/// A vote with its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct SignedVote {
    /// The vote.
    pub vote: Vote,
    /// Signature over its digest.
    pub signature: Signature,
}

/// Two votes of one validator for one slot with different block hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Evidence {
    /// The offender.
    pub signer: Address,
    /// One vote.
    pub first: SignedVote,
    /// The other.
    pub second: SignedVote,
}

impl Canonical for Evidence {
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 512;
}

impl Evidence {
    /// Whether both signatures are the offender's and the votes contradict each other.
    #[must_use]
    pub fn is_proof(&self, domain: &Domain) -> bool {
        let slot = |vote: &Vote| (vote.era, vote.epoch, vote.height, vote.round, vote.kind);
        let signed_by = |signed: &SignedVote| {
            signed.signature.recover(domain.vote_digest(&signed.vote)) == Ok(self.signer)
        };
        slot(&self.first.vote) == slot(&self.second.vote)
            && self.first.vote.block_hash != self.second.vote.block_hash
            && signed_by(&self.first)
            && signed_by(&self.second)
    }
}
