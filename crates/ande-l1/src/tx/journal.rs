//! The journal as the manager uses it.

use alloy::{
    consensus::{Transaction as _, TxEip1559, TxEnvelope},
    eips::{Decodable2718 as _, Encodable2718 as _},
    network::TxSignerSync as _,
    primitives::{Address, B256, Bytes, TxKind, U256},
    signers::local::PrivateKeySigner,
};
use ande_store::L1TxRow;

use super::{Fees, TxError};

/// Everything that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) nonce: u64,
    pub(super) to: Address,
    pub(super) input: Bytes,
    pub(super) gas: u64,
    pub(super) fees: Fees,
}

impl Draft {
    /// What a journaled transaction contains.
    pub(super) fn of(row: &L1TxRow) -> Result<Self, TxError> {
        let unreadable =
            |why: &str| TxError::Signing(format!("journaled transaction {}: {why}", row.hash));
        let envelope = TxEnvelope::decode_2718(&mut row.raw.as_ref())
            .map_err(|error| unreadable(&error.to_string()))?;
        let to = envelope.to().ok_or_else(|| unreadable("it creates a contract"))?;
        Ok(Self {
            nonce: envelope.nonce(),
            to,
            input: envelope.input().clone(),
            gas: envelope.gas_limit(),
            fees: Fees {
                tip: envelope.max_priority_fee_per_gas().unwrap_or_default(),
                cap: envelope.max_fee_per_gas(),
            },
        })
    }

    /// Hash and bytes of the signed transaction.
    pub(super) fn sign(
        &self,
        chain_id: u64,
        signer: &PrivateKeySigner,
    ) -> Result<(B256, Bytes), TxError> {
        let mut transaction = TxEip1559 {
            chain_id,
            nonce: self.nonce,
            gas_limit: self.gas,
            max_fee_per_gas: self.fees.cap,
            max_priority_fee_per_gas: self.fees.tip,
            to: TxKind::Call(self.to),
            value: U256::ZERO,
            input: self.input.clone(),
            ..Default::default()
        };
        let signature = signer
            .sign_transaction_sync(&mut transaction)
            .map_err(|error| TxError::Signing(error.to_string()))?;
        let envelope: TxEnvelope =
            alloy::consensus::SignableTransaction::into_signed(transaction, signature).into();
        Ok((*envelope.tx_hash(), envelope.encoded_2718().into()))
    }
}
