//! Why a settlement transaction has no outcome.

use alloy::primitives::Address;
use ande_contracts::Reverted;
use ande_store::StoreError;

use crate::L1Error;

/// Why a settlement transaction has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum TxError {
    /// The call would revert, so nothing was signed.
    #[error("the transaction would be refused: {0}")]
    WouldRevert(Reverted),
    /// The key cannot pay.
    #[error("{address} cannot pay for the transaction: {message}")]
    InsufficientFunds {
        /// The paying account.
        address: Address,
        /// What the endpoint said.
        message: String,
    },
    /// The fee needed is above the limit.
    #[error("the settlement chain asks for {needed} wei per gas, the limit is {limit}")]
    FeeLimit {
        /// Needed.
        needed: u128,
        /// Limit.
        limit: u128,
    },
    /// The blob fee needed is above the limit.
    #[error("the settlement chain asks for {needed} wei per blob gas, the limit is {limit}")]
    BlobFeeLimit {
        /// Needed.
        needed: u128,
        /// Limit.
        limit: u128,
    },
    /// Not mined in time. It stays in the journal; the next call goes on with it.
    #[error("transaction {purpose} is not in a block after {seconds} s; it will be resumed")]
    Timeout {
        /// What it is for.
        purpose: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The endpoint refuses the transaction for a reason that waiting does not change.
    #[error("the settlement chain refuses the transaction: {0}")]
    Refused(String),
    /// Somebody else uses the key.
    #[error(
        "nonce {nonce} of {address} was used by a transaction that this node did not send; give every node its own key"
    )]
    ForeignTransaction {
        /// The account.
        address: Address,
        /// The nonce.
        nonce: u64,
    },
    /// The key could not sign.
    #[error("the transaction could not be signed: {0}")]
    Signing(String),
    /// The journal could not be written, so nothing was sent.
    #[error("the journal of settlement transactions failed")]
    Journal(#[from] StoreError),
    /// The chain could not be asked.
    #[error(transparent)]
    L1(#[from] L1Error),
}
