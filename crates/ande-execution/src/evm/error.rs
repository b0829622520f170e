//! Why a question to the EVM has no answer.

use alloy_primitives::Bytes;

/// State or receipts that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Above the head.
    #[error("block {number} is not known, the head is {head}")]
    Unknown {
        /// Block asked for.
        number: u64,
        /// Newest block.
        head: u64,
    },
    /// Below the kept history.
    #[error("the state of block {number} is pruned, the oldest kept is {oldest}")]
    Pruned {
        /// Block asked for.
        number: u64,
        /// Oldest block with state.
        oldest: u64,
    },
    /// The trie of the block is not in memory any more.
    #[error("block {number} cannot be proven any more, proofs reach from block {oldest} to {head}")]
    NotProvable {
        /// Block asked for.
        number: u64,
        /// Oldest block with a trie.
        oldest: u64,
        /// Newest block.
        head: u64,
    },
    /// Receipts and logs of the block are not kept any more.
    #[error("the receipts of block {number} are pruned, the oldest kept are of block {oldest}")]
    NoRecord {
        /// Block asked for.
        number: u64,
        /// Oldest block with receipts.
        oldest: u64,
    },
    /// The store did not answer or its content is damaged.
    #[error("state: {0}")]
    State(String),
}

/// Why a call, an estimate or a trace has no result. The texts are geth's where geth has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The code reverted.
    #[error("execution reverted{}", reason.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Reverted {
        /// Return data.
        output: Bytes,
        /// Decoded `Error(string)` or `Panic(uint256)`.
        reason: Option<String>,
    },
    /// The code failed in another way and used all its gas.
    #[error("{reason}")]
    Halted {
        /// What happened, in geth's words.
        reason: String,
        /// Gas used.
        gas_used: u64,
    },
    /// The message cannot run at all, in geth's words.
    #[error("{0}")]
    Invalid(String),
    /// The state cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}
