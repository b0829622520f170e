//! The currency of executors: an Ethereum header with its transactions.

use std::collections::HashSet;

use alloy_consensus::{
    Header,
    constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_WITHDRAWALS},
};
use alloy_primitives::{B64, B256, Bytes, U256, keccak256};
use alloy_rlp::{Decodable, Encodable};
use ande_primitives::{
    Block, ForcedOutcome, MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, MAX_EXECUTION_HEADER_BYTES,
    MAX_TRANSACTION_BYTES,
};

use crate::PayloadError;

/// Largest RLP of all transactions of a payload. What is left of [`MAX_BLOCK_BYTES`] holds the two
/// headers and the list prefixes.
pub const MAX_PAYLOAD_BYTES: usize = MAX_BLOCK_BYTES - MAX_EXECUTION_HEADER_BYTES - 1024;

/// An execution block as it travels inside a consensus block.
///
/// Together with the chain's fixed values (no withdrawals, no blobs, no requests) it holds exactly
/// what an `ExecutionPayloadV3` plus `parentBeaconBlockRoot` holds: every field of that structure is
/// a field of the header, and `blockHash` is [`hash`](Self::hash).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// RLP of the Ethereum header.
    pub header: Bytes,
    /// Transactions in EIP-2718 form, in order.
    pub transactions: Vec<Bytes>,
}

impl Payload {
    /// The payload of a header and its transactions.
    #[must_use]
    pub fn new(header: &Header, transactions: Vec<Bytes>) -> Self {
        Self { header: alloy_rlp::encode(header).into(), transactions }
    }

    /// The payload inside a consensus block.
    #[must_use]
    pub fn of_block(block: &Block) -> Self {
        Self { header: block.execution.clone(), transactions: block.transactions.clone() }
    }

    /// Keccak-256 of the header: the hash that Ethereum clients know the block by.
    #[must_use]
    pub fn hash(&self) -> B256 {
        keccak256(&self.header)
    }

    /// The decoded header.
    ///
    /// # Errors
    /// Anything but the canonical RLP of a Cancun header without withdrawals and blobs.
    pub fn decode_header(&self) -> Result<Header, PayloadError> {
        if self.header.len() > MAX_EXECUTION_HEADER_BYTES {
            return Err(PayloadError::HeaderTooLong(self.header.len()));
        }
        let mut rest = self.header.as_ref();
        let header =
            Header::decode(&mut rest).map_err(|error| PayloadError::Header(error.to_string()))?;
        if !rest.is_empty() {
            return Err(PayloadError::Header(format!("{} bytes after it", rest.len())));
        }
        // The decoder is lenient about optional fields; equal bytes make it strict.
        if alloy_rlp::encode(&header) != self.header.as_ref() {
            return Err(PayloadError::Header("not the canonical encoding".into()));
        }
        check_shape(&header)?;
        Ok(header)
    }

    /// Number of the block.
    ///
    /// # Errors
    /// As [`decode_header`](Self::decode_header).
    pub fn number(&self) -> Result<u64, PayloadError> {
        Ok(self.decode_header()?.number)
    }

    /// What became of the forced entries that the block consumes, in order.
    ///
    /// # Errors
    /// As [`decode_header`](Self::decode_header); extra data that is no list of outcomes.
    pub fn forced_outcomes(&self) -> Result<Vec<ForcedOutcome>, PayloadError> {
        let header = self.decode_header()?;
        let outcomes = header.extra_data.iter().map(|number| ForcedOutcome::try_from(*number));
        outcomes.collect::<Result<_, _>>().map_err(|_| PayloadError::Shape("extraData"))
    }

    /// State root after the block.
    ///
    /// # Errors
    /// As [`decode_header`](Self::decode_header).
    pub fn state_root(&self) -> Result<B256, PayloadError> {
        Ok(self.decode_header()?.state_root)
    }

    /// Hashes of the transactions, in order.
    #[must_use]
    pub fn transaction_hashes(&self) -> Vec<B256> {
        self.transactions.iter().map(transaction_hash).collect()
    }

    /// Checks the limits and that no transaction is there twice; returns the transaction hashes.
    ///
    /// # Errors
    /// The first violated limit.
    pub fn check_transactions(&self) -> Result<Vec<B256>, PayloadError> {
        if self.transactions.len() > MAX_BLOCK_TRANSACTIONS {
            return Err(PayloadError::TooManyTransactions(self.transactions.len()));
        }
        let mut total = 0usize;
        for (index, tx) in self.transactions.iter().enumerate() {
            if !is_allowed_length(tx.len()) {
                return Err(PayloadError::TransactionLength { index, bytes: tx.len() });
            }
            total += tx.length();
        }
        if total > MAX_PAYLOAD_BYTES {
            return Err(PayloadError::TooLong(total));
        }
        let hashes = self.transaction_hashes();
        let mut seen = HashSet::with_capacity(hashes.len());
        match hashes.iter().find(|hash| !seen.insert(**hash)) {
            Some(hash) => Err(PayloadError::Duplicate(*hash)),
            None => Ok(hashes),
        }
    }
}

/// How many forced transactions a block with this extra data begins with.
pub(crate) fn forced_included(extra_data: &[u8]) -> usize {
    extra_data.iter().filter(|outcome| **outcome == ForcedOutcome::Included as u8).count()
}

/// Whether a transaction of this many bytes may be in a payload at all.
pub(crate) const fn is_allowed_length(bytes: usize) -> bool {
    bytes >= 1 && bytes <= MAX_TRANSACTION_BYTES
}

/// Hash of a transaction in EIP-2718 form.
#[must_use]
pub fn transaction_hash(raw: &Bytes) -> B256 {
    keccak256(raw)
}

/// Root of the ordered transaction trie, as in an Ethereum header.
#[must_use]
pub fn transactions_root(transactions: &[Bytes]) -> B256 {
    alloy_trie::root::ordered_trie_root_encoded(transactions)
}

/// Everything that is the same in every block of a Cancun chain without withdrawals and blobs.
fn check_shape(header: &Header) -> Result<(), PayloadError> {
    let rules = [
        ("ommersHash", header.ommers_hash == EMPTY_OMMER_ROOT_HASH),
        ("difficulty", header.difficulty == U256::ZERO),
        ("nonce", header.nonce == B64::ZERO),
        ("extraData", header.extra_data.len() <= 32),
        ("baseFeePerGas", header.base_fee_per_gas.is_some()),
        ("withdrawalsRoot", header.withdrawals_root == Some(EMPTY_WITHDRAWALS)),
        ("blobGasUsed", header.blob_gas_used == Some(0)),
        ("excessBlobGas", header.excess_blob_gas == Some(0)),
        ("parentBeaconBlockRoot", header.parent_beacon_block_root.is_some()),
        ("requestsHash", header.requests_hash.is_none()),
        ("blockAccessListHash", header.block_access_list_hash.is_none()),
        ("slotNumber", header.slot_number.is_none()),
    ];
    match rules.iter().find(|(_, holds)| !holds) {
        Some((field, _)) => Err(PayloadError::Shape(field)),
        None => Ok(()),
    }
}
