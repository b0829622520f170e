//! A checked transaction.

use alloy_consensus::{
    EthereumTxEnvelope, Transaction as _, TxEip4844, transaction::SignerRecoverable as _,
};
use alloy_eips::eip2718::{Decodable2718 as _, Encodable2718 as _};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use ande_primitives::MAX_TRANSACTION_BYTES;

use crate::{PoolError, Rank, intrinsic::intrinsic_gas};

const TYPE_BLOB: u8 = 3;
const TYPE_SET_CODE: u8 = 4;
/// First byte of an RLP list: a legacy transaction has no type byte.
const RLP_LIST: u8 = 0xc0;

/// A signed transaction of type 0, 1 or 2 whose signature was recovered and which no state could
/// make invalid by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PooledTransaction {
    raw: Bytes,
    hash: B256,
    summary: TransactionSummary,
    gas_limit: u64,
    intrinsic_gas: u64,
    cost: U256,
}

/// What is worth remembering of a transaction whose bytes are elsewhere: who signed it, which took
/// a signature recovery to know, and what its place in a block depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionSummary {
    /// Account that signed.
    pub sender: Address,
    /// Position among the sender's transactions.
    pub nonce: u64,
    /// Most wei per gas; the gas price of types 0 and 1.
    pub max_fee_per_gas: u128,
    /// Most wei per gas for the proposer; the gas price of types 0 and 1.
    pub max_priority_fee_per_gas: u128,
}

impl TransactionSummary {
    /// Wei per gas for the proposer at a base fee; none when the fee does not cover the base fee.
    #[must_use]
    pub fn effective_tip(&self, base_fee: u128) -> Option<u128> {
        let above_base = self.max_fee_per_gas.checked_sub(base_fee)?;
        Some(above_base.min(self.max_priority_fee_per_gas))
    }

    /// What the transaction's place in a block with this base fee is judged by; none when the fee
    /// does not cover the base fee.
    #[must_use]
    pub fn rank(&self, hash: B256, base_fee: u128) -> Option<Rank> {
        let tip = self.effective_tip(base_fee)?;
        Some(Rank { sender: self.sender, nonce: self.nonce, tip, hash })
    }
}

impl PooledTransaction {
    /// Decodes and checks EIP-2718 bytes and recovers the sender: everything that needs neither a
    /// pool nor a state. Takes tens of microseconds; call it outside of locks, once per
    /// transaction. Cheap checks come first.
    ///
    /// # Errors
    /// The first rule that the transaction breaks.
    pub fn recover(raw: Bytes, chain_id: u64) -> Result<Self, PoolError> {
        Self::decode(raw, chain_id, None)
    }

    /// As [`recover`](Self::recover) for bytes whose sender was recovered before: takes a
    /// microsecond.
    ///
    /// # Errors
    /// The first rule that the transaction breaks.
    pub fn of_sender(raw: Bytes, chain_id: u64, sender: Address) -> Result<Self, PoolError> {
        Self::decode(raw, chain_id, Some(sender))
    }

    fn decode(raw: Bytes, chain_id: u64, sender: Option<Address>) -> Result<Self, PoolError> {
        let tx = decode(&raw)?;
        match tx.chain_id() {
            Some(have) if have != chain_id => {
                return Err(PoolError::ChainId { have, want: chain_id });
            }
            Some(_) => {}
            None => return Err(PoolError::Unprotected),
        }
        let max_fee_per_gas = tx.max_fee_per_gas();
        let max_priority_fee_per_gas = tx.priority_fee_or_price();
        if max_priority_fee_per_gas > max_fee_per_gas {
            return Err(PoolError::TipAboveMaxFee {
                tip: max_priority_fee_per_gas,
                max_fee: max_fee_per_gas,
            });
        }
        if tx.nonce() == u64::MAX {
            return Err(PoolError::NonceMax);
        }
        let (gas, needed) = (tx.gas_limit(), intrinsic_gas(&tx)?);
        if gas < needed {
            return Err(PoolError::IntrinsicGas { gas, needed });
        }
        let sender = match sender {
            Some(known) => known,
            None => tx.recover_signer().map_err(|_| PoolError::InvalidSender)?,
        };
        Ok(Self {
            hash: keccak256(&raw),
            raw,
            summary: TransactionSummary {
                sender,
                nonce: tx.nonce(),
                max_fee_per_gas,
                max_priority_fee_per_gas,
            },
            gas_limit: gas,
            intrinsic_gas: needed,
            // A 64-bit and a 128-bit number: only the sum can overflow.
            cost: (U256::from(gas) * U256::from(max_fee_per_gas)).saturating_add(tx.value()),
        })
    }

    /// The EIP-2718 bytes.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Keccak-256 of the bytes.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// Account that signed.
    #[must_use]
    pub const fn sender(&self) -> Address {
        self.summary.sender
    }

    /// Position among the sender's transactions.
    #[must_use]
    pub const fn nonce(&self) -> u64 {
        self.summary.nonce
    }

    /// Most gas it may use.
    #[must_use]
    pub const fn gas_limit(&self) -> u64 {
        self.gas_limit
    }

    /// Most wei per gas; the gas price of types 0 and 1.
    #[must_use]
    pub const fn max_fee_per_gas(&self) -> u128 {
        self.summary.max_fee_per_gas
    }

    /// Most wei per gas for the proposer; the gas price of types 0 and 1.
    #[must_use]
    pub const fn max_priority_fee_per_gas(&self) -> u128 {
        self.summary.max_priority_fee_per_gas
    }

    /// Wei per gas for the proposer at a base fee; none when the fee does not cover the base fee.
    #[must_use]
    pub fn effective_tip(&self, base_fee: u128) -> Option<u128> {
        self.summary.effective_tip(base_fee)
    }

    /// Sender, nonce and prices.
    #[must_use]
    pub const fn summary(&self) -> TransactionSummary {
        self.summary
    }

    /// Gas that it uses at least.
    #[must_use]
    pub const fn intrinsic_gas(&self) -> u64 {
        self.intrinsic_gas
    }

    /// Most wei that it can take from its sender: gas limit times fee, plus value.
    #[must_use]
    pub const fn cost(&self) -> U256 {
        self.cost
    }

    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.raw.len()
    }
}

fn decode(raw: &Bytes) -> Result<EthereumTxEnvelope<TxEip4844>, PoolError> {
    let first = *raw.first().ok_or(PoolError::Empty)?;
    if raw.len() > MAX_TRANSACTION_BYTES {
        return Err(PoolError::Oversized { size: raw.len(), limit: MAX_TRANSACTION_BYTES });
    }
    match first {
        1 | 2 | RLP_LIST.. => {}
        TYPE_BLOB => return Err(PoolError::Blob),
        TYPE_SET_CODE => return Err(PoolError::SetCode),
        other => return Err(PoolError::UnknownType(other)),
    }
    let tx = EthereumTxEnvelope::<TxEip4844>::decode_2718_exact(raw)
        .map_err(|error| PoolError::Malformed(error.to_string()))?;
    // The hash of the bytes is the transaction's only if nobody could write it in another way.
    if tx.encoded_2718() != raw.as_ref() {
        return Err(PoolError::Malformed("not the canonical encoding".to_owned()));
    }
    Ok(tx)
}
