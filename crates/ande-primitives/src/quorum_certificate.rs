//! Quorum certificates in the form that the settlement chain verifies.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};

use crate::{Committee, MAX_COMMITTEE, QuorumFraction, Signature};

const COMPACT_BYTES: usize = 64;

/// Signatures of committee members over one digest: bit `i` of the bitmap is member `i`, its
/// EIP-2098 signature the next 64 bytes. Equal to the contract's `QuorumCert`.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable, Serialize, Deserialize)]
pub struct QuorumCertificate {
    /// Posting attempt of the signed checkpoint; 0 for other messages.
    pub attempt: u32,
    /// Members that signed.
    pub bitmap: U256,
    /// 64 bytes `r || vs` per set bit, by ascending member index.
    pub signatures: Bytes,
}

/// Why a quorum certificate is not accepted. The same cases as the contract's verifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuorumCertificateError {
    /// No bit set, or a bit beyond the committee.
    #[error("bitmap {bitmap:#x} does not name members of a committee of {size}")]
    Bitmap {
        /// The bitmap.
        bitmap: U256,
        /// Members of the committee.
        size: usize,
    },
    /// Not 64 bytes per set bit.
    #[error("{got} bytes of signatures, the bitmap asks for {expected}")]
    Length {
        /// Bytes that the bitmap asks for.
        expected: usize,
        /// Bytes there are.
        got: usize,
    },
    /// A signature that is not its member's.
    #[error("the signature of member {0} is not its own")]
    Signer(usize),
    /// A signer outside the committee.
    #[error("{0} is not in the committee")]
    NotAMember(Address),
    /// Not enough weight.
    #[error("signed weight {signed} of {total} is no quorum")]
    NoQuorum {
        /// Weight that signed.
        signed: u64,
        /// Weight of the committee.
        total: u64,
    },
}

impl QuorumCertificate {
    /// Puts collected signatures into contract order. All of them go in, so that a quorum holds
    /// even if the caller collected more than it needed; a second one of the same signer is
    /// dropped. Every signature is verified, because one bad one spoils the certificate on chain.
    ///
    /// # Errors
    /// The first signature that is not a member's over `digest`; no signature at all.
    pub fn assemble(
        attempt: u32,
        digest: B256,
        committee: &Committee,
        collected: &[(Address, Signature)],
    ) -> Result<Self, QuorumCertificateError> {
        let mut by_index = std::collections::BTreeMap::new();
        for (signer, signature) in collected {
            let index =
                committee.index_of(*signer).ok_or(QuorumCertificateError::NotAMember(*signer))?;
            if by_index.contains_key(&index) {
                continue;
            }
            if signature.recover(digest) != Ok(*signer) {
                return Err(QuorumCertificateError::Signer(index));
            }
            by_index.insert(index, signature.to_compact());
        }
        let mut bitmap = U256::ZERO;
        let mut signatures = Vec::with_capacity(by_index.len() * COMPACT_BYTES);
        for (index, compact) in by_index {
            bitmap.set_bit(index, true);
            signatures.extend_from_slice(&compact);
        }
        if bitmap.is_zero() {
            return Err(QuorumCertificateError::Bitmap { bitmap, size: committee.size() });
        }
        Ok(Self { attempt, bitmap, signatures: signatures.into() })
    }

    /// The signatures with the members that they should be of. Nothing is verified.
    pub fn entries<'a>(
        &'a self,
        committee: &'a Committee,
    ) -> impl Iterator<Item = (Address, Signature)> + 'a {
        let (compacts, _) = self.signatures.as_chunks::<COMPACT_BYTES>();
        let members = committee.members().iter().enumerate();
        members
            .filter(|(index, _)| self.bitmap.bit(*index))
            .zip(compacts)
            .map(|((_, member), compact)| (member.signer, Signature::from_compact(compact)))
    }

    /// Weight of the members that signed `digest`; mirrors the contract's `IQuorumVerifier`.
    ///
    /// # Errors
    /// Anything that makes the contract's verifier revert.
    pub fn signed_weight(
        &self,
        digest: B256,
        committee: &Committee,
    ) -> Result<u64, QuorumCertificateError> {
        let size = committee.size();
        let beyond = size < MAX_COMMITTEE && self.bitmap >> size != U256::ZERO;
        if self.bitmap.is_zero() || beyond {
            return Err(QuorumCertificateError::Bitmap { bitmap: self.bitmap, size });
        }
        let expected = self.bitmap.count_ones() * COMPACT_BYTES;
        let (compacts, rest) = self.signatures.as_chunks::<COMPACT_BYTES>();
        if self.signatures.len() != expected || !rest.is_empty() {
            return Err(QuorumCertificateError::Length { expected, got: self.signatures.len() });
        }
        let signers =
            committee.members().iter().enumerate().filter(|(index, _)| self.bitmap.bit(*index));
        let mut signed = 0u64;
        for ((index, member), compact) in signers.zip(compacts) {
            if Signature::from_compact(compact).recover(digest) != Ok(member.signer) {
                return Err(QuorumCertificateError::Signer(index));
            }
            signed = signed.saturating_add(member.weight);
        }
        Ok(signed)
    }

    /// Verifies signatures and quorum; returns the signed weight.
    ///
    /// # Errors
    /// See [`signed_weight`](Self::signed_weight); [`QuorumCertificateError::NoQuorum`].
    pub fn verify(
        &self,
        digest: B256,
        committee: &Committee,
        quorum: QuorumFraction,
    ) -> Result<u64, QuorumCertificateError> {
        let signed = self.signed_weight(digest, committee)?;
        let total = committee.total_weight();
        if quorum.is_reached(signed, total) {
            Ok(signed)
        } else {
            Err(QuorumCertificateError::NoQuorum { signed, total })
        }
    }
}
