//! Quorum certificates of blocks.

use alloy_primitives::{Address, B256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};

use crate::{
    Canonical, Domain, Epoch, EpochSet, Era, Height, MAX_COMMITTEE, Round, Signature, Vote,
    VoteKind,
};

/// One validator's precommit.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable, Serialize, Deserialize)]
pub struct CommitSignature {
    /// Address that signed.
    pub signer: Address,
    /// Signature over the precommit's digest.
    pub signature: Signature,
}

/// Precommits of one round for one block, ascending by signer address.
///
/// Two honest nodes may hold certificates of different rounds or signer sets for one block, so
/// nothing that must be agreed may depend on a certificate.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Era of the votes.
    pub era: Era,
    /// Epoch of the votes.
    pub epoch: Epoch,
    /// Height of the block.
    pub height: Height,
    /// Round in which the quorum formed.
    pub round: Round,
    /// Hash of the consensus header.
    pub block_hash: B256,
    /// The precommits.
    pub signatures: Vec<CommitSignature>,
}

impl Canonical for Certificate {
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 128 + MAX_COMMITTEE * 96;
}

/// Why a certificate does not certify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Certificate and set are of different epochs or eras.
    #[error("certificate of era {era} epoch {epoch}, set of era {set_era} epoch {set_epoch}")]
    WrongEpoch {
        /// Era in the certificate.
        era: Era,
        /// Epoch in the certificate.
        epoch: Epoch,
        /// Era of the set.
        set_era: Era,
        /// Epoch of the set.
        set_epoch: Epoch,
    },
    /// A height of another epoch.
    #[error("height {0} is not in the epoch of the certificate")]
    WrongHeight(Height),
    /// A quorum for nothing.
    #[error("a certificate for nil certifies no block")]
    Nil,
    /// Not strictly ascending by signer.
    #[error("signatures are not in strictly ascending order of their signers at index {0}")]
    Order(usize),
    /// Signed by somebody outside the committee.
    #[error("{0} is not in the committee")]
    NotAMember(Address),
    /// A signature that is not the named signer's.
    #[error("signature {index} is not by {signer}")]
    BadSignature {
        /// Position.
        index: usize,
        /// Named signer.
        signer: Address,
    },
    /// Not enough weight.
    #[error("signed weight {signed} of {total} is no quorum")]
    NoQuorum {
        /// Weight that signed.
        signed: u64,
        /// Weight of the committee.
        total: u64,
    },
}

impl Certificate {
    /// The precommit that every signer signed.
    #[must_use]
    pub const fn vote(&self) -> Vote {
        Vote {
            era: self.era,
            epoch: self.epoch,
            height: self.height,
            round: self.round,
            kind: VoteKind::Precommit,
            block_hash: self.block_hash,
        }
    }

    /// Verifies every signature and the quorum against the epoch's set; returns the signed weight.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self, domain: &Domain, set: &EpochSet) -> Result<u64, CertificateError> {
        if (self.era, self.epoch) != (set.era, set.epoch) {
            return Err(CertificateError::WrongEpoch {
                era: self.era,
                epoch: self.epoch,
                set_era: set.era,
                set_epoch: set.epoch,
            });
        }
        if !set.contains(self.height) {
            return Err(CertificateError::WrongHeight(self.height));
        }
        if self.block_hash.is_zero() {
            return Err(CertificateError::Nil);
        }
        let digest = domain.vote_digest(&self.vote());
        let mut signed = 0u64;
        let mut last: Option<Address> = None;
        for (index, entry) in self.signatures.iter().enumerate() {
            if last.is_some_and(|last| last >= entry.signer) {
                return Err(CertificateError::Order(index));
            }
            last = Some(entry.signer);
            let member = set
                .committee
                .get(entry.signer)
                .ok_or(CertificateError::NotAMember(entry.signer))?;
            if entry.signature.recover(digest) != Ok(entry.signer) {
                return Err(CertificateError::BadSignature { index, signer: entry.signer });
            }
            signed = signed.saturating_add(member.weight);
        }
        let total = set.committee.total_weight();
        if set.quorum.is_reached(signed, total) {
            Ok(signed)
        } else {
            Err(CertificateError::NoQuorum { signed, total })
        }
    }
}
