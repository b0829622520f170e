//! Recoverable secp256k1 signatures over 32-byte digests.

use alloy_primitives::{Address, B256, FixedBytes, U256, uint};
use alloy_rlp::{RlpDecodableWrapper, RlpEncodableWrapper};
use serde::{Deserialize, Serialize};

/// Order of the group.
const ORDER: U256 = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
/// The largest `s` that is not malleable.
const HALF_ORDER: U256 =
    uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

/// `r (32) || s (32) || v (1)` with low `s` and `v` 27 or 28, as `ecrecover` takes it.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    RlpEncodableWrapper,
    RlpDecodableWrapper,
)]
#[serde(transparent)]
pub struct Signature(FixedBytes<65>);

/// Bytes that are no acceptable signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// `v` is neither 27 nor 28.
    #[error("recovery byte {0} is neither 27 nor 28")]
    RecoveryByte(u8),
    /// `r` or `s` out of range.
    #[error("r or s is out of range")]
    Scalar,
    /// The malleable twin of a signature.
    #[error("s is in the upper half of the group order")]
    HighS,
    /// No key produces this signature for this digest.
    #[error("no public key recovers from this signature")]
    NotRecoverable,
}

impl Signature {
    /// Takes 65 bytes as they are; [`recover`](Self::recover) judges them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 65]) -> Self {
        Self(FixedBytes(bytes))
    }

    /// `r || s || v`.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 65] {
        &self.0.0
    }

    /// EIP-2098 form `r || (parity << 255 | s)`, as the contracts take it.
    #[must_use]
    pub fn to_compact(&self) -> [u8; 64] {
        let mut compact = [0u8; 64];
        compact.copy_from_slice(&self.0[..64]);
        if self.0[64] == 28 {
            compact[32] |= 0x80;
        }
        compact
    }

    /// Inverse of [`to_compact`](Self::to_compact).
    #[must_use]
    pub fn from_compact(compact: &[u8; 64]) -> Self {
        let mut bytes = [0u8; 65];
        bytes[..64].copy_from_slice(compact);
        bytes[64] = 27 + (compact[32] >> 7);
        bytes[32] &= 0x7f;
        Self(FixedBytes(bytes))
    }

    /// The address whose key signed `digest`.
    ///
    /// # Errors
    /// Malformed, malleable or unrecoverable signatures.
    pub fn recover(&self, digest: B256) -> Result<Address, SignatureError> {
        let odd = match self.0[64] {
            27 => false,
            28 => true,
            other => return Err(SignatureError::RecoveryByte(other)),
        };
        let [r, s] = [&self.0[..32], &self.0[32..64]].map(U256::from_be_slice);
        let in_range = |scalar: U256| !scalar.is_zero() && scalar < ORDER;
        if !in_range(r) || !in_range(s) {
            return Err(SignatureError::Scalar);
        }
        if s > HALF_ORDER {
            return Err(SignatureError::HighS);
        }
        // libsecp256k1, several times faster than the pure Rust curve that signs.
        alloy_primitives::Signature::new(r, s, odd)
            .recover_address_from_prehash(&digest)
            .map_err(|_| SignatureError::NotRecoverable)
    }
}

impl core::fmt::Debug for Signature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Signature({})", self.0)
    }
}

impl core::fmt::Display for Signature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}
