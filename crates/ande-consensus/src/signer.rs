//! The only way a consensus signature is made.

use alloy_primitives::Address;
use ande_primitives::{Checkpoint, Domain, Signature, Vote};
use async_trait::async_trait;

/// Why a signature was refused.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// Another digest was signed for this slot, or the slot is older than one already signed.
    #[error("refused to sign {what}: {reason}")]
    Refused {
        /// What was to be signed.
        what: String,
        /// Which rule forbids it.
        reason: String,
    },
    /// The guard could not be made durable, so nothing was released.
    #[error("the sign guard cannot be written, nothing was signed")]
    Guard(#[source] std::io::Error),
    /// The key could not sign.
    #[error(transparent)]
    Key(#[from] ande_primitives::KeyError),
}

/// Signs consensus messages under a guard that is durable before a signature is released: one
/// digest per slot, never an older slot, and the same bytes again after a restart.
#[async_trait]
pub trait ConsensusSigner: Send + Sync + 'static {
    /// Address of the key.
    fn address(&self) -> Address;

    /// The domain all signatures are bound to.
    fn domain(&self) -> &Domain;

    /// Signs a vote or proposal.
    async fn sign_vote(&self, vote: &Vote) -> Result<Signature, SignError>;

    /// Signs a checkpoint.
    async fn sign_checkpoint(&self, checkpoint: &Checkpoint) -> Result<Signature, SignError>;

    /// Signs bytes of the engine's own protocol (a proof of peer identity, the envelope of a
    /// proposal) under [`Domain::engine_digest`], which no contract accepts. Not guarded.
    async fn sign_engine(&self, tag: &str, message: &[u8]) -> Result<Signature, SignError>;
}
