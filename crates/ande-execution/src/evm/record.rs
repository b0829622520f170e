//! A block's header and receipts as the state keeps them.

use std::sync::Arc;

use alloy_consensus::{Eip658Value, Header, Receipt, ReceiptEnvelope, TxType};
use alloy_primitives::{Address, Bytes, Log};
use alloy_rlp::{Decodable as _, RlpDecodable, RlpEncodable};
use ande_primitives::MAX_BLOCK_TRANSACTIONS;

use super::{BlockReceipts, ExecutedReceipt};

/// Longest record that is read: 8 gas per byte of a log, with a gas limit of 2 billion.
const MAX_RECORD_BYTES: usize = 256 << 20;

/// Version in front of every record.
const VERSION: u8 = 1;

/// Bytes that are no record of a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("{0} bytes exceed the limit of {MAX_RECORD_BYTES}")]
    TooLong(usize),
    #[error("version {0:?} is unknown")]
    Version(Option<u8>),
    #[error("{0}")]
    Rlp(#[from] alloy_rlp::Error),
    #[error("receipt {index}: {problem}")]
    Receipt { index: usize, problem: &'static str },
    #[error("{0} of the header is not that of the receipts")]
    Header(&'static str),
}

/// What is kept of an executed block besides its state changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) header: Arc<Header>,
    pub(crate) receipts: Arc<BlockReceipts>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct Stored {
    header: Header,
    receipts: Vec<StoredReceipt>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct StoredReceipt {
    kind: u8,
    success: bool,
    cumulative_gas_used: u64,
    sender: Address,
    /// Empty, or 20 bytes.
    contract: Bytes,
    logs: Vec<Log>,
}

impl Record {
    /// The canonical bytes: a version byte and an RLP list. Bloom filters and the gas of single
    /// transactions follow from the rest and are left out.
    pub(crate) fn encode(&self) -> Bytes {
        let receipts = self.receipts.receipts.iter().map(|one| StoredReceipt {
            kind: one.receipt.tx_type() as u8,
            success: one.receipt.status(),
            cumulative_gas_used: one.receipt.cumulative_gas_used(),
            sender: one.sender,
            contract: one
                .contract_address
                .map(|address| Bytes::copy_from_slice(address.as_slice()))
                .unwrap_or_default(),
            logs: one.receipt.logs().to_vec(),
        });
        let stored = Stored { header: (*self.header).clone(), receipts: receipts.collect() };
        let mut bytes = vec![VERSION];
        alloy_rlp::Encodable::encode(&stored, &mut bytes);
        bytes.into()
    }

    /// Reads a record and checks that the header commits to the receipts.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLong(bytes.len()));
        }
        let Some((&VERSION, mut rest)) = bytes.split_first() else {
            return Err(RecordError::Version(bytes.first().copied()));
        };
        let stored = Stored::decode(&mut rest)?;
        if !rest.is_empty() {
            return Err(alloy_rlp::Error::UnexpectedLength.into());
        }
        if stored.receipts.len() > MAX_BLOCK_TRANSACTIONS {
            return Err(RecordError::Header("the number of transactions"));
        }
        let mut gas_before = 0;
        let mut receipts = Vec::with_capacity(stored.receipts.len());
        for (index, one) in stored.receipts.into_iter().enumerate() {
            let gas_after = one.cumulative_gas_used;
            let receipt =
                one.read(gas_before).map_err(|problem| RecordError::Receipt { index, problem })?;
            gas_before = gas_after;
            receipts.push(receipt);
        }
        let receipts = BlockReceipts::new(receipts);
        let header = stored.header;
        if header.gas_used != gas_before {
            return Err(RecordError::Header("gasUsed"));
        }
        if header.logs_bloom != receipts.bloom {
            return Err(RecordError::Header("logsBloom"));
        }
        if header.receipts_root != receipts.root() {
            return Err(RecordError::Header("receiptsRoot"));
        }
        Ok(Self { header: Arc::new(header), receipts: Arc::new(receipts) })
    }
}

impl StoredReceipt {
    fn read(self, gas_before: u64) -> Result<ExecutedReceipt, &'static str> {
        let gas_used = self
            .cumulative_gas_used
            .checked_sub(gas_before)
            .ok_or("the gas of the block shrinks")?;
        let contract_address = match self.contract.len() {
            0 => None,
            20 => Some(Address::from_slice(&self.contract)),
            _ => return Err("the contract's address has a wrong length"),
        };
        if self.logs.iter().any(|log| log.topics().len() > 4) {
            return Err("a log with more than 4 topics");
        }
        let receipt = Receipt {
            status: Eip658Value::Eip658(self.success),
            cumulative_gas_used: self.cumulative_gas_used,
            logs: self.logs,
        }
        .with_bloom();
        let receipt = match TxType::try_from(self.kind) {
            Ok(TxType::Legacy) => ReceiptEnvelope::Legacy(receipt),
            Ok(TxType::Eip2930) => ReceiptEnvelope::Eip2930(receipt),
            Ok(TxType::Eip1559) => ReceiptEnvelope::Eip1559(receipt),
            _ => return Err("a transaction type that the chain does not have"),
        };
        Ok(ExecutedReceipt { sender: self.sender, receipt, gas_used, contract_address })
    }
}
