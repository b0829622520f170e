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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alloy_primitives::{B256, LogData};
    use proptest::prelude::*;

    use super::*;

    fn record(gas: &[(u64, bool, u8, usize)]) -> Record {
        let mut cumulative_gas_used = 0;
        let receipts = gas
            .iter()
            .enumerate()
            .map(|(index, (gas_used, success, kind, logs))| {
                cumulative_gas_used += gas_used;
                let log = |topics: usize| Log {
                    address: Address::repeat_byte(index as u8),
                    data: LogData::new_unchecked(
                        vec![B256::repeat_byte(7); topics % 5],
                        vec![1; topics].into(),
                    ),
                };
                let receipt = Receipt {
                    status: Eip658Value::Eip658(*success),
                    cumulative_gas_used,
                    logs: (0..*logs).map(log).collect(),
                }
                .with_bloom();
                let (receipt, contract_address) = match kind % 3 {
                    0 => (ReceiptEnvelope::Legacy(receipt), None),
                    1 => (ReceiptEnvelope::Eip2930(receipt), None),
                    _ => (ReceiptEnvelope::Eip1559(receipt), Some(Address::repeat_byte(9))),
                };
                let sender = Address::repeat_byte(1);
                ExecutedReceipt { sender, receipt, gas_used: *gas_used, contract_address }
            })
            .collect();
        let receipts = BlockReceipts::new(receipts);
        let header = Header {
            gas_used: cumulative_gas_used,
            logs_bloom: receipts.bloom,
            receipts_root: receipts.root(),
            ..Header::default()
        };
        Record { header: Arc::new(header), receipts: Arc::new(receipts) }
    }

    fn any_gas() -> impl Strategy<Value = Vec<(u64, bool, u8, usize)>> {
        let one = (0..1_000_000u64, any::<bool>(), any::<u8>(), 0..4usize);
        proptest::collection::vec(one, 0..20)
    }

    #[test]
    fn records_of_other_versions_and_without_bytes_are_refused() {
        assert_eq!(Record::decode(&[]), Err(RecordError::Version(None)));
        assert_eq!(Record::decode(&[2, 0xc0]), Err(RecordError::Version(Some(2))));
        let mut long = record(&[(21_000, true, 0, 1)]).encode().to_vec();
        long.push(0);
        assert!(matches!(Record::decode(&long), Err(RecordError::Rlp(_))));
    }

    #[test]
    fn receipts_that_the_header_does_not_commit_to_are_refused() {
        let good = record(&[(21_000, true, 0, 1), (30_000, true, 2, 0)]);
        let other = record(&[(21_000, false, 0, 1), (30_000, true, 2, 0)]);
        let mixed = Record { header: good.header.clone(), receipts: other.receipts };
        let refused = Record::decode(&mixed.encode());
        assert_eq!(refused, Err(RecordError::Header("receiptsRoot")));
        let shorter = record(&[(21_000, true, 0, 1)]);
        let mixed = Record { header: good.header, receipts: shorter.receipts };
        assert_eq!(Record::decode(&mixed.encode()), Err(RecordError::Header("gasUsed")));
    }

    proptest! {
        #[test]
        fn records_survive(gas in any_gas()) {
            let record = record(&gas);
            let bytes = record.encode();
            prop_assert_eq!(Record::decode(&bytes).unwrap(), record);
        }

        #[test]
        fn damaged_records_are_refused_or_are_another_canonical_record(
            gas in any_gas(),
            at in any::<prop::sample::Index>(),
            bit in 0..8u8,
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = record(&gas).encode().to_vec();
            prop_assert!(Record::decode(&bytes[..cut.index(bytes.len())]).is_err());
            let mut changed = bytes;
            let at = at.index(changed.len());
            changed[at] ^= 1 << bit;
            if let Ok(decoded) = Record::decode(&changed) {
                prop_assert_eq!(decoded.encode().to_vec(), changed);
            }
        }
    }
}
