//! Proof that a validator contradicted itself.

use alloy_primitives::Address;
use alloy_rlp::{RlpDecodable, RlpEncodable};
use ande_primitives::{Canonical, Checkpoint, Domain, Signature, Vote};

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

/// A checkpoint with its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct SignedCheckpoint {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Signature over its digest.
    pub signature: Signature,
}

impl Canonical for SignedCheckpoint {
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 384;
}

impl SignedCheckpoint {
    /// Whether nobody may sign both: for one batch after one parent another content, or other data
    /// in the same attempt.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        let (a, b) = (&self.checkpoint, &other.checkpoint);
        let place = |of: &Checkpoint| (of.era, of.batch_index, of.parent_batch_hash);
        place(a) == place(b)
            && (a.content_hash != b.content_hash
                || (a.attempt == b.attempt && a.da_hash != b.da_hash))
    }
}

/// Two checkpoints of one validator that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct CheckpointEvidence {
    /// The offender.
    pub signer: Address,
    /// One checkpoint.
    pub first: SignedCheckpoint,
    /// The other.
    pub second: SignedCheckpoint,
}

impl Canonical for CheckpointEvidence {
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 768;
}
