//! The pool's view of the state.

use alloy_primitives::Address;
use ande_execution::EvmReader;
use ande_pool::{Account, AccountError, AccountSource};

/// Answers the pool from the head of the embedded EVM, which is in memory.
#[derive(Clone, Debug)]
pub struct EvmAccounts(pub EvmReader);

impl AccountSource for EvmAccounts {
    fn account(&self, sender: Address) -> Result<Option<Account>, AccountError> {
        let head = self.0.head().number;
        match self.0.account(head, sender) {
            Ok(account) => Ok(Some(Account { nonce: account.nonce, balance: account.balance })),
            Err(error) => Err(AccountError(error.to_string())),
        }
    }

    fn next_base_fee(&self) -> u128 {
        u128::from(self.0.next_base_fee())
    }
}
