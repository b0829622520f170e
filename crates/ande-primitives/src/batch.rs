//! What the settlement chain sees of a batch: header, data pointer, skip records.

use alloy_primitives::{Address, B256, keccak256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use crate::{Canonical, Epoch, Era, Height, Skip, Term, Window};

/// Version of [`BatchHeader`].
pub const BATCH_HEADER_VERSION: u8 = 1;
/// Most skip records in one batch.
pub const MAX_SKIP_RECORDS: usize = 16;
const SKIP_RECORD_BYTES: usize = 12;

mod sol_types {
    alloy_sol_types::sol! {
        struct BatchHeader {
            uint8 version;
            uint32 era;
            uint64 epoch;
            uint64 batchIndex;
            uint64 startHeight;
            uint64 endHeight;
            uint64 term;
            uint64 forcedUpTo;
            uint32 txCount;
            bytes32 parentBatchHash;
            bytes32 lastBlockHash;
            bytes32 stateRoot;
            bytes32 txRoot;
            bytes32 forcedAcc;
            bytes32 skipsHash;
            address feeRecipient;
        }
        struct DaPointer {
            uint8 kind;
            uint64 height;
            bytes32 commitment;
            uint32 size;
        }
    }
}

/// Header of a batch, hashed like the contract's struct of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchHeader {
    /// Era of all its blocks.
    pub era: Era,
    /// Epoch of all its blocks.
    pub epoch: Epoch,
    /// Number of the batch, from 1.
    pub batch_index: u64,
    /// First height.
    pub start_height: Height,
    /// Last height, inclusive.
    pub end_height: Height,
    /// Term of the last block.
    pub term: Term,
    /// Forced transactions consumed up to the last block.
    pub forced_up_to: u64,
    /// Transactions in all blocks.
    pub tx_count: u32,
    /// Hash of the previous batch, [`genesis_batch_hash`] for batch 1.
    pub parent_batch_hash: B256,
    /// Hash of the last consensus header.
    pub last_block_hash: B256,
    /// State root after the last block.
    pub state_root: B256,
    /// [`inclusion_root`](crate::inclusion_root) of all transaction hashes in order.
    pub tx_root: B256,
    /// Accumulator of the forced queue at `forced_up_to`.
    pub forced_acc: B256,
    /// Keccak-256 of the encoded skip records.
    pub skips_hash: B256,
    /// Receives the forced-transaction fees.
    pub fee_recipient: Address,
}

impl Canonical for BatchHeader {
    const VERSION: u8 = BATCH_HEADER_VERSION;
    const MAX_BYTES: usize = 512;
}

impl BatchHeader {
    /// `keccak256(abi.encode(header))`: the hash of the batch on the settlement chain.
    #[must_use]
    pub fn content_hash(&self) -> B256 {
        keccak256(
            sol_types::BatchHeader {
                version: BATCH_HEADER_VERSION,
                era: self.era.0,
                epoch: self.epoch.0,
                batchIndex: self.batch_index,
                startHeight: self.start_height.0,
                endHeight: self.end_height.0,
                term: self.term.0,
                forcedUpTo: self.forced_up_to,
                txCount: self.tx_count,
                parentBatchHash: self.parent_batch_hash,
                lastBlockHash: self.last_block_hash,
                stateRoot: self.state_root,
                txRoot: self.tx_root,
                forcedAcc: self.forced_acc,
                skipsHash: self.skips_hash,
                feeRecipient: self.fee_recipient,
            }
            .abi_encode(),
        )
    }
}

/// Where the data of a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum DaKind {
    /// In the calldata of the posting transaction.
    Calldata = 0,
    /// In EIP-4844 blobs of the posting transaction.
    Blobs = 1,
    /// In a Celestia block.
    Celestia = 2,
}

impl TryFrom<u8> for DaKind {
    type Error = u8;
    fn try_from(value: u8) -> Result<Self, u8> {
        match value {
            0 => Ok(Self::Calldata),
            1 => Ok(Self::Blobs),
            2 => Ok(Self::Celestia),
            other => Err(other),
        }
    }
}

impl alloy_rlp::Encodable for DaKind {
    fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
        (*self as u8).encode(out);
    }
    fn length(&self) -> usize {
        (*self as u8).length()
    }
}

impl alloy_rlp::Decodable for DaKind {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        Self::try_from(u8::decode(buf)?).map_err(|_| alloy_rlp::Error::Custom("data kind"))
    }
}

/// Pointer to the data of a batch, hashed like the contract's struct of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable, Serialize, Deserialize)]
pub struct DaPointer {
    /// Kind of place.
    pub kind: DaKind,
    /// Height on the data chain; 0 for the settlement chain itself.
    pub height: u64,
    /// Keccak-256 of calldata, or of the blobs' versioned hashes, or the Celestia commitment.
    pub commitment: B256,
    /// Size of the data in bytes.
    pub size: u32,
}

impl DaPointer {
    /// Pointer to `data` carried as calldata.
    #[must_use]
    pub fn calldata(data: &[u8]) -> Self {
        let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
        Self { kind: DaKind::Calldata, height: 0, commitment: keccak256(data), size }
    }

    /// Pointer to `size` bytes of data in the blobs of one transaction, in this order.
    #[must_use]
    pub fn blobs(versioned_hashes: &[B256], size: u32) -> Self {
        Self { kind: DaKind::Blobs, height: 0, commitment: blob_commitment(versioned_hashes), size }
    }

    /// Pointer to `size` bytes of data in the Celestia block at `height`, above 0.
    #[must_use]
    pub const fn celestia(height: u64, commitment: B256, size: u32) -> Self {
        Self { kind: DaKind::Celestia, height, commitment, size }
    }

    /// Whether the coordinator takes a pointer of this form: there is a height only where the data
    /// is on another chain.
    #[must_use]
    pub const fn is_well_formed(&self) -> bool {
        match self.kind {
            DaKind::Calldata | DaKind::Blobs => self.height == 0,
            DaKind::Celestia => self.height != 0,
        }
    }

    /// `keccak256(abi.encode(pointer))`.
    #[must_use]
    pub fn da_hash(&self) -> B256 {
        keccak256(
            sol_types::DaPointer {
                kind: self.kind as u8,
                height: self.height,
                commitment: self.commitment,
                size: self.size,
            }
            .abi_encode(),
        )
    }
}

/// Commitment of a pointer to blobs: `keccak256(abi.encode(versionedHashes))`.
#[must_use]
pub fn blob_commitment(versioned_hashes: &[B256]) -> B256 {
    keccak256(versioned_hashes.abi_encode())
}

/// Accumulator of the forced queue after entry `index`:
/// `keccak256(abi.encode(previous, sender, index, l1Block, l1Timestamp, keccak256(rawTx)))`.
/// `previous` is that of the entry before, zero for entry 0.
#[must_use]
pub fn forced_accumulator(
    previous: B256,
    sender: Address,
    index: u64,
    l1_block: u64,
    l1_timestamp: u64,
    raw_transaction: &[u8],
) -> B256 {
    let entry = (previous, sender, index, l1_block, l1_timestamp, keccak256(raw_transaction));
    keccak256(entry.abi_encode_params())
}

/// Parent hash of batch 1: `keccak256(abi.encode("ANDE_GENESIS", l2ChainId, l2GenesisHash))`.
#[must_use]
pub fn genesis_batch_hash(l2_chain_id: u64, l2_genesis_hash: B256) -> B256 {
    keccak256(("ANDE_GENESIS".to_owned(), l2_chain_id, l2_genesis_hash).abi_encode_params())
}

/// Final skip count of one window, certified by the batch that contains its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkipRecord {
    /// The window.
    pub window: Window,
    /// Proposers passed over in it so far; above 0.
    pub skip: Skip,
}

/// Bytes that are no list of skip records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipRecordError {
    /// Not a multiple of 12 bytes, or too many.
    #[error("{0} bytes are not at most {MAX_SKIP_RECORDS} records of 12 bytes")]
    Length(usize),
    /// Windows not strictly ascending, or a zero skip.
    #[error("record {0} is out of order or has no skip")]
    Order(usize),
}

/// `uint64 window || uint32 skip`, big-endian, per record.
#[must_use]
pub fn encode_skip_records(records: &[SkipRecord]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(records.len() * SKIP_RECORD_BYTES);
    for record in records {
        bytes.extend_from_slice(&record.window.0.to_be_bytes());
        bytes.extend_from_slice(&record.skip.0.to_be_bytes());
    }
    bytes
}

/// Inverse of [`encode_skip_records`].
///
/// # Errors
/// Wrong length, more than [`MAX_SKIP_RECORDS`], windows out of order, or a zero skip.
pub fn decode_skip_records(bytes: &[u8]) -> Result<Vec<SkipRecord>, SkipRecordError> {
    let (chunks, rest) = bytes.as_chunks::<SKIP_RECORD_BYTES>();
    if !rest.is_empty() || chunks.len() > MAX_SKIP_RECORDS {
        return Err(SkipRecordError::Length(bytes.len()));
    }
    let mut records: Vec<SkipRecord> = Vec::with_capacity(chunks.len());
    for (index, chunk) in chunks.iter().enumerate() {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *chunk;
        let record = SkipRecord {
            window: Window(u64::from_be_bytes([a, b, c, d, e, f, g, h])),
            skip: Skip(u32::from_be_bytes([i, j, k, l])),
        };
        let ascending = records.last().is_none_or(|last| last.window < record.window);
        if record.skip.0 == 0 || !ascending {
            return Err(SkipRecordError::Order(index));
        }
        records.push(record);
    }
    Ok(records)
}
