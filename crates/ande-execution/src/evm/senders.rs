//! Who signed a transaction: from the pool's memory, else recovered here on all cores.

use alloy_primitives::{Address, B256};

/// Knows the senders of transactions whose signatures were checked before, at admission to the
/// pool or when they came by gossip.
pub trait SenderSource: Send + Sync + 'static {
    /// The signer of the transaction with this hash, if it is known.
    fn sender(&self, hash: &B256) -> Option<Address>;
}

/// Knows nobody: every signature is recovered.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSenders;

impl SenderSource for NoSenders {
    fn sender(&self, _: &B256) -> Option<Address> {
        None
    }
}
