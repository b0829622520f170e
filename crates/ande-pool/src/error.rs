//! Why a transaction is not taken.

use alloy_primitives::{Address, U256};

use crate::AccountError;

/// A refused transaction. Where geth has a message for the case it is geth's, because clients
/// match on them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// No byte.
    #[error("empty transaction")]
    Empty,
    /// Above the size limit.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized {
        /// Its size in bytes.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A blob transaction.
    #[error(
        "transaction type not supported: this chain takes no blob transactions (type 3); send types 0, 1 or 2"
    )]
    Blob,
    /// An EIP-7702 transaction.
    #[error(
        "transaction type not supported: this chain takes no set-code transactions (type 4); send types 0, 1 or 2"
    )]
    SetCode,
    /// A type nobody knows.
    #[error("transaction type not supported: {0}")]
    UnknownType(u8),
    /// Not the canonical bytes of a transaction.
    #[error("malformed transaction: {0}")]
    Malformed(String),
    /// Signed for another chain.
    #[error("invalid chain id for signer: have {have} want {want}")]
    ChainId {
        /// Chain id in the transaction.
        have: u64,
        /// Chain id of this chain.
        want: u64,
    },
    /// A legacy transaction without chain id.
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    Unprotected,
    /// No key made this signature, or it is the malleable form.
    #[error("invalid sender")]
    InvalidSender,
    /// Tip above the fee that must contain it.
    #[error(
        "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {max_fee}"
    )]
    TipAboveMaxFee {
        /// Tip per gas in wei.
        tip: u128,
        /// Fee per gas in wei.
        max_fee: u128,
    },
    /// The last nonce cannot be used (EIP-2681).
    #[error("nonce has max value")]
    NonceMax,
    /// Init code above the EIP-3860 limit.
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    InitCodeSize {
        /// Its size in bytes.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Gas below what the bytes alone cost.
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas {
        /// Gas limit of the transaction.
        gas: u64,
        /// Gas that it costs at least.
        needed: u64,
    },
    /// More gas than a block has.
    #[error("exceeds block gas limit: gas {gas}, limit {limit}")]
    BlockGasLimit {
        /// Gas limit of the transaction.
        gas: u64,
        /// Gas of a block.
        limit: u64,
    },
    /// Tip below the minimum of this node, or of a full pool.
    #[error("transaction underpriced: gas tip cap {tip}, minimum needed {needed}")]
    Underpriced {
        /// Tip per gas in wei.
        tip: u128,
        /// Tip that would be taken.
        needed: u128,
    },
    /// Already in the chain.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// Next nonce of the sender.
        next: u64,
        /// Nonce of the transaction.
        nonce: u64,
    },
    /// The sender cannot pay for it and for its transactions before it.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx cost {cost}, overshot {}",
        queued.saturating_add(*cost).saturating_sub(*balance)
    )]
    InsufficientFunds {
        /// Wei that the sender owns.
        balance: U256,
        /// Wei that the sender's transactions with lower nonces cost at most.
        queued: U256,
        /// Wei that this one costs at most.
        cost: U256,
    },
    /// The fee does not cover the base fee of the next block.
    #[error(
        "max fee per gas less than block base fee: address {sender}, maxFeePerGas: {max_fee}, baseFee: {base_fee}"
    )]
    FeeBelowBaseFee {
        /// Account that signed.
        sender: Address,
        /// Fee per gas in wei.
        max_fee: u128,
        /// Base fee of the next block in wei per gas.
        base_fee: u128,
    },
    /// The sender's account cannot be read.
    #[error("the state cannot be read: {0}")]
    State(#[from] AccountError),
    /// Same sender and nonce as a pooled transaction without enough more fee.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// The sender has its share of the pool.
    #[error("account limit exceeded: {limit} transactions of one sender are waiting")]
    AccountLimit {
        /// Transactions allowed.
        limit: usize,
    },
    /// No room, and nothing cheaper to evict.
    #[error("txpool is full")]
    Full,
}

impl PoolError {
    /// A short name of the rule, for counting refusals.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Empty | Self::Malformed(_) => "malformed",
            Self::Oversized { .. } | Self::InitCodeSize { .. } => "oversized",
            Self::Blob | Self::SetCode | Self::UnknownType(_) => "type",
            Self::ChainId { .. } | Self::Unprotected => "chain_id",
            Self::InvalidSender => "signature",
            Self::TipAboveMaxFee { .. } | Self::Underpriced { .. } => "underpriced",
            Self::FeeBelowBaseFee { .. } => "base_fee",
            Self::NonceMax | Self::NonceTooLow { .. } => "nonce",
            Self::IntrinsicGas { .. } | Self::BlockGasLimit { .. } => "gas",
            Self::InsufficientFunds { .. } => "funds",
            Self::ReplacementUnderpriced => "replacement",
            Self::AccountLimit { .. } => "account_limit",
            Self::Full => "full",
            Self::State(_) => "state",
        }
    }

    /// Whether these bytes are wrong in themselves: no honest node passes them on.
    #[must_use]
    pub const fn is_malformed(&self) -> bool {
        matches!(
            self,
            Self::Empty
                | Self::Malformed(_)
                | Self::Oversized { .. }
                | Self::InitCodeSize { .. }
                | Self::Blob
                | Self::SetCode
                | Self::UnknownType(_)
                | Self::ChainId { .. }
                | Self::Unprotected
                | Self::InvalidSender
                | Self::TipAboveMaxFee { .. }
                | Self::NonceMax
                | Self::IntrinsicGas { .. }
        )
    }

    /// Whether the same bytes may be taken later or elsewhere: the pool is at a limit, the
    /// transaction itself is well.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Full | Self::AccountLimit { .. } | Self::Underpriced { .. } | Self::State(_)
        )
    }
}
