//! Blocks: the consensus header that is voted on, wrapped around an execution block.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::{Decodable, Encodable as _, RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};

use crate::{Canonical, DecodeError, Epoch, Era, Height, ScheduleRules, Skip, Term};

/// Largest canonical block in bytes.
pub const MAX_BLOCK_BYTES: usize = 4 << 20;
/// Most transactions in one block.
pub const MAX_BLOCK_TRANSACTIONS: usize = 1 << 16;
/// Largest signed transaction in bytes (geth's `txMaxSize`).
pub const MAX_TRANSACTION_BYTES: usize = 128 << 10;
/// Largest RLP of an execution header in bytes.
pub const MAX_EXECUTION_HEADER_BYTES: usize = 2 << 10;

/// The consensus header. Its [`hash`](Header::hash) is what validators vote on.
///
/// `execution_hash` is the hash of the Ethereum header carried by the block and so commits to its
/// transactions, state and receipts; nothing of these is repeated here.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// Era the block was made in.
    pub era: Era,
    /// Epoch of `height`.
    pub epoch: Epoch,
    /// Position in the chain.
    pub height: Height,
    /// Proposers passed over in this window when the block was **first** proposed.
    pub skip: Skip,
    /// Hash of the previous consensus header; the genesis hash for height 1.
    pub parent_hash: B256,
    /// Signer of the validator that built the block: the schedule's answer to `(height, skip)`.
    pub proposer: Address,
    /// Milliseconds since the Unix epoch; never smaller than the parent's.
    pub timestamp_ms: u64,
    /// Forced transactions consumed up to and including this block.
    pub forced_up_to: u64,
    /// Accumulator of the forced queue at `forced_up_to`.
    pub forced_acc: B256,
    /// Hash of the execution (Ethereum) block.
    pub execution_hash: B256,
}

impl Canonical for Header {
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 512;
}

impl Header {
    /// Keccak-256 of the canonical bytes: the block hash of consensus.
    #[must_use]
    pub fn hash(&self) -> B256 {
        keccak256(self.to_canonical())
    }

    /// Term of the block under `rules`.
    #[must_use]
    pub fn term(&self, rules: &ScheduleRules) -> Term {
        Term::new(rules.window_of(self.height), self.skip)
    }
}

/// A consensus header with the execution block it wraps.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable)]
pub struct Block {
    /// What is voted on.
    pub header: Header,
    /// RLP of the Ethereum header; `keccak256(execution) == header.execution_hash`.
    pub execution: Bytes,
    /// Signed transactions in EIP-2718 form, in execution order.
    pub transactions: Vec<Bytes>,
}

impl Canonical for Block {
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = MAX_BLOCK_BYTES;

    fn check_bounds(&self) -> Result<(), DecodeError> {
        self.check().map_err(|error| DecodeError::Bounds(error.to_string()))
    }
}

impl Decodable for Block {
    /// Stops at the transaction above the limit: a list of empty strings would otherwise cost 32
    /// times its size in memory before anybody could count it.
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        let mut payload = alloy_rlp::Header::decode_bytes(buf, true)?;
        let header = Header::decode(&mut payload)?;
        let execution = Bytes::decode(&mut payload)?;
        let mut list = alloy_rlp::Header::decode_bytes(&mut payload, true)?;
        let mut transactions = Vec::new();
        while !list.is_empty() {
            if transactions.len() == MAX_BLOCK_TRANSACTIONS {
                return Err(alloy_rlp::Error::Custom("too many transactions"));
            }
            transactions.push(Bytes::decode(&mut list)?);
        }
        if !payload.is_empty() {
            return Err(alloy_rlp::Error::UnexpectedLength);
        }
        Ok(Self { header, execution, transactions })
    }
}

/// A block that contradicts itself, whatever the chain says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Too many transactions.
    #[error("{0} transactions exceed the limit of {MAX_BLOCK_TRANSACTIONS}")]
    TooManyTransactions(usize),
    /// A transaction without a byte.
    #[error("transaction {0} is empty")]
    EmptyTransaction(usize),
    /// More bytes than a block may have.
    #[error("{0} bytes exceed the limit of {MAX_BLOCK_BYTES}")]
    TooLong(usize),
    /// A transaction above the size limit.
    #[error("transaction {index} has {bytes} bytes, the limit is {MAX_TRANSACTION_BYTES}")]
    TransactionTooLong {
        /// Position in the block.
        index: usize,
        /// Its size.
        bytes: usize,
    },
    /// An execution header above the size limit.
    #[error("execution header of {0} bytes exceeds the limit of {MAX_EXECUTION_HEADER_BYTES}")]
    ExecutionHeaderTooLong(usize),
    /// The execution header is not the one the consensus header names.
    #[error("execution header hashes to {got}, the consensus header names {expected}")]
    ExecutionHash {
        /// Hash in the consensus header.
        expected: B256,
        /// Hash of the bytes.
        got: B256,
    },
}

impl Block {
    /// Hash of the consensus header.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.header.hash()
    }

    /// Height of the block.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.header.height
    }

    /// Hashes of the transactions, in order. The hash of a signed transaction is that of its bytes.
    pub fn transaction_hashes(&self) -> impl Iterator<Item = B256> + '_ {
        self.transactions.iter().map(keccak256)
    }

    /// Checks limits and that the execution header is the named one.
    ///
    /// # Errors
    /// The first violated rule.
    pub fn check(&self) -> Result<(), BlockError> {
        if self.transactions.len() > MAX_BLOCK_TRANSACTIONS {
            return Err(BlockError::TooManyTransactions(self.transactions.len()));
        }
        if let Some((index, tx)) =
            self.transactions.iter().enumerate().find(|(_, tx)| tx.len() > MAX_TRANSACTION_BYTES)
        {
            return Err(BlockError::TransactionTooLong { index, bytes: tx.len() });
        }
        if let Some(index) = self.transactions.iter().position(|tx| tx.is_empty()) {
            return Err(BlockError::EmptyTransaction(index));
        }
        let bytes = 1 + self.length();
        if bytes > MAX_BLOCK_BYTES {
            return Err(BlockError::TooLong(bytes));
        }
        if self.execution.len() > MAX_EXECUTION_HEADER_BYTES {
            return Err(BlockError::ExecutionHeaderTooLong(self.execution.len()));
        }
        let got = keccak256(&self.execution);
        if got != self.header.execution_hash {
            return Err(BlockError::ExecutionHash { expected: self.header.execution_hash, got });
        }
        Ok(())
    }
}
