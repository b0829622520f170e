//! What is known about the nonces of senders.

use alloy_primitives::Address;

/// Next nonces as the executed chain has them.
pub trait NonceSource: core::fmt::Debug + Send + Sync {
    /// Nonce that the sender's next transaction must have; none when the chain does not know, and
    /// then every nonce is executable and only the order per sender is kept. Called under the
    /// pool's lock: must not block.
    fn next_nonce(&self, sender: Address) -> Option<u64>;
}

/// For a chain that orders without executing.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnknownNonces;

impl NonceSource for UnknownNonces {
    fn next_nonce(&self, _sender: Address) -> Option<u64> {
        None
    }
}
