//! The journal as the manager uses it.

use alloy::{
    consensus::{
        SignableTransaction as _, Transaction as _, TxEip1559, TxEip4844, TxEip4844Variant,
        TxEip4844WithSidecar, TxEnvelope,
    },
    eips::{
        Decodable2718 as _, Encodable2718 as _,
        eip7594::{BlobTransactionSidecarVariant as Sidecar, CELLS_PER_EXT_BLOB},
    },
    network::TxSignerSync as _,
    primitives::{Address, B256, Bytes, TxKind, U256},
    signers::local::PrivateKeySigner,
};
use ande_store::L1TxRow;

use super::{Fees, TxError, fees::calldata_floor};

/// Everything that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) nonce: u64,
    pub(super) to: Address,
    pub(super) input: Bytes,
    pub(super) gas: u64,
    pub(super) fees: Fees,
    /// With what the pools get.
    pub(super) blobs: Option<Sidecar>,
}

impl Draft {
    /// What a journaled transaction contains.
    pub(super) fn of(row: &L1TxRow) -> Result<Self, TxError> {
        let unreadable =
            |why: &str| TxError::Signing(format!("journaled transaction {}: {why}", row.hash));
        let envelope = TxEnvelope::decode_2718(&mut row.raw.as_ref())
            .map_err(|error| unreadable(&error.to_string()))?;
        let to = envelope.to().ok_or_else(|| unreadable("it creates a contract"))?;
        let mut draft = Self {
            nonce: envelope.nonce(),
            to,
            input: envelope.input().clone(),
            gas: envelope.gas_limit(),
            fees: Fees {
                tip: envelope.max_priority_fee_per_gas().unwrap_or_default(),
                cap: envelope.max_fee_per_gas(),
                blob_cap: envelope.max_fee_per_blob_gas(),
            },
            blobs: None,
        };
        if let TxEnvelope::Eip4844(signed) = envelope {
            match signed.into_parts().0 {
                TxEip4844Variant::TxEip4844WithSidecar(with) => draft.blobs = Some(with.sidecar),
                TxEip4844Variant::TxEip4844(_) => return Err(unreadable("it lacks its blobs")),
            }
        }
        Ok(draft)
    }

    /// The cheapest transaction of the same nonce and pool: one to `own` account without input, with
    /// one blob where there are blobs, because their pool takes nothing else.
    pub(super) fn emptied(mut self, own: Address) -> Self {
        (self.to, self.input, self.gas) = (own, Bytes::new(), calldata_floor(&[]));
        match &mut self.blobs {
            None => {}
            Some(Sidecar::Eip4844(sidecar)) => {
                sidecar.blobs.truncate(1);
                sidecar.commitments.truncate(1);
                sidecar.proofs.truncate(1);
            }
            Some(Sidecar::Eip7594(sidecar)) => {
                sidecar.blobs.truncate(1);
                sidecar.commitments.truncate(1);
                sidecar.cell_proofs.truncate(CELLS_PER_EXT_BLOB);
            }
        }
        self
    }

    /// Hash and bytes of the signed transaction, as pools take it.
    pub(super) fn sign(
        &self,
        chain_id: u64,
        signer: &PrivateKeySigner,
    ) -> Result<(B256, Bytes), TxError> {
        let failed = |error: alloy::signers::Error| TxError::Signing(error.to_string());
        let envelope: TxEnvelope = match &self.blobs {
            None => {
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
                let signature = signer.sign_transaction_sync(&mut transaction).map_err(failed)?;
                transaction.into_signed(signature).into()
            }
            Some(sidecar) => {
                let mut transaction = TxEip4844 {
                    chain_id,
                    nonce: self.nonce,
                    gas_limit: self.gas,
                    max_fee_per_gas: self.fees.cap,
                    max_priority_fee_per_gas: self.fees.tip,
                    max_fee_per_blob_gas: self.fees.blob_cap.unwrap_or_default(),
                    to: self.to,
                    value: U256::ZERO,
                    input: self.input.clone(),
                    blob_versioned_hashes: sidecar.versioned_hashes().collect(),
                    ..Default::default()
                };
                let signature = signer.sign_transaction_sync(&mut transaction).map_err(failed)?;
                let with = TxEip4844WithSidecar::from_tx_and_sidecar(transaction, sidecar.clone());
                TxEip4844Variant::TxEip4844WithSidecar(with).into_signed(signature).into()
            }
        };
        Ok((*envelope.tx_hash(), envelope.encoded_2718().into()))
    }
}
