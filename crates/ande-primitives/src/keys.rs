//! Validator keys (secp256k1: votes, proposals, checkpoints) and node keys (ed25519: peer identity).

use alloy_primitives::{Address, B256};
use ed25519_dalek::Signer as _;
use k256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};

use crate::Signature;

/// Bytes that are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Zero or not below the group order.
    #[error("not a secp256k1 private key")]
    Secp256k1,
    /// Not a point on the curve.
    #[error("not an ed25519 public key")]
    Ed25519,
    /// The signing operation failed.
    #[error("signing failed")]
    Signing,
}

/// A validator's secp256k1 key. Never printed; zeroed when dropped.
#[derive(Clone)]
pub struct ValidatorKey {
    key: SigningKey,
    address: Address,
}

impl ValidatorKey {
    /// Takes a 32-byte private key.
    ///
    /// # Errors
    /// [`KeyError::Secp256k1`] when it is zero or too large.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = SigningKey::from_slice(bytes).map_err(|_| KeyError::Secp256k1)?;
        let address = Address::from_public_key(key.verifying_key());
        Ok(Self { key, address })
    }

    /// Address of the key: the validator's signer.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The key for libraries that sign transactions.
    #[must_use]
    pub const fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// Deterministic (RFC 6979) low-s signature of a digest. Consensus messages must go through a
    /// guarded signer instead of calling this.
    ///
    /// # Errors
    /// [`KeyError::Signing`] in the cryptographically impossible case of a zero scalar.
    pub fn sign_digest(&self, digest: B256) -> Result<Signature, KeyError> {
        let (signature, recovery) =
            self.key.sign_prehash_recoverable(digest.as_slice()).map_err(|_| KeyError::Signing)?;
        let mut bytes = [0u8; 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        bytes[64] = 27 + u8::from(recovery.is_y_odd());
        Ok(Signature::from_bytes(bytes))
    }
}

impl core::fmt::Debug for ValidatorKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ValidatorKey").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Identity of a node: its raw ed25519 public key, equal to the contract's `p2pPeerId`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub B256);

impl NodeId {
    /// Verifies an ed25519 signature of this node.
    ///
    /// # Errors
    /// [`KeyError::Ed25519`] when the id is no curve point or the signature is not its own.
    pub fn verify(&self, message: &[u8], signature: &NodeSignature) -> Result<(), KeyError> {
        let key =
            ed25519_dalek::VerifyingKey::from_bytes(&self.0.0).map_err(|_| KeyError::Ed25519)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(message, &signature).map_err(|_| KeyError::Ed25519)
    }
}

impl core::fmt::Display for NodeId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

impl core::fmt::Debug for NodeId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "NodeId({})", self.0)
    }
}

/// A 64-byte ed25519 signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeSignature(pub [u8; 64]);

/// A node's ed25519 key. Never printed; zeroed when dropped.
#[derive(Clone)]
pub struct NodeKey(ed25519_dalek::SigningKey);

impl NodeKey {
    /// Takes a 32-byte seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, for libraries that keep their own key type.
    #[must_use]
    pub fn seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }

    /// Public identity.
    #[must_use]
    pub fn id(&self) -> NodeId {
        NodeId(B256::from(self.0.verifying_key().to_bytes()))
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> NodeSignature {
        NodeSignature(self.0.sign(message).to_bytes())
    }
}

impl core::fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "NodeKey({})", self.id())
    }
}
