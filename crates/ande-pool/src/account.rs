//! What is known of senders.

use alloy_primitives::{Address, U256};

/// An account at the head of the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Nonce that its next transaction must have.
    pub nonce: u64,
    /// Wei that it owns.
    pub balance: U256,
}

/// The state cannot be read now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AccountError(pub String);

/// Accounts and base fee as the executed chain has them at its head.
pub trait AccountSource: core::fmt::Debug + Send + Sync {
    /// The account of a sender, with zeros for one that never was; none when the chain does not
    /// execute, and then every nonce and every cost is executable and only the order per sender
    /// is kept. Called under the pool's lock: must not wait for anything.
    ///
    /// # Errors
    /// The state cannot be read.
    fn account(&self, sender: Address) -> Result<Option<Account>, AccountError>;

    /// Base fee of the next block in wei per gas.
    fn next_base_fee(&self) -> u128;
}

/// For a chain that orders without executing.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnknownAccounts;

impl AccountSource for UnknownAccounts {
    fn account(&self, _sender: Address) -> Result<Option<Account>, AccountError> {
        Ok(None)
    }

    fn next_base_fee(&self) -> u128 {
        0
    }
}
