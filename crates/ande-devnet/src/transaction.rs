//! Signed L2 transactions of the three supported types.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEnvelope, TxLegacy},
    eips::eip2718::Encodable2718 as _,
    primitives::{Address, B256, Bytes, TxKind, U256},
    signers::{Signature, SignerSync as _, local::PrivateKeySigner},
};
use eyre::Result;

const GAS_LIMIT: u64 = 21_000;
const FEE_WEI: u128 = 2_000_000_000;

/// A transaction ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTransaction {
    /// EIP-2718 bytes.
    pub raw: Bytes,
    /// Its hash.
    pub hash: B256,
    /// Who signed.
    pub sender: Address,
    /// Its nonce.
    pub nonce: u64,
}

/// An account of the L2 that counts its own nonces.
#[derive(Clone, Debug)]
pub struct Wallet {
    key: PrivateKeySigner,
    chain_id: u64,
    nonce: u64,
}

impl Wallet {
    /// A wallet with a fresh key.
    #[must_use]
    pub fn random(chain_id: u64) -> Self {
        Self::new(PrivateKeySigner::random(), chain_id, 0)
    }

    /// A wallet with this key whose next transaction has this nonce.
    #[must_use]
    pub const fn new(key: PrivateKeySigner, chain_id: u64, nonce: u64) -> Self {
        Self { key, chain_id, nonce }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// Signs the next transfer; types 0, 1 and 2 in turn.
    ///
    /// # Errors
    /// When signing fails.
    pub fn next_transfer(&mut self) -> Result<SignedTransaction> {
        let nonce = self.nonce;
        self.nonce += 1;
        let to = TxKind::Call(self.key.address());
        let value = U256::from(1);
        match nonce % 3 {
            0 => sign(
                &self.key,
                TxEip1559 {
                    chain_id: self.chain_id,
                    nonce,
                    gas_limit: GAS_LIMIT,
                    max_fee_per_gas: FEE_WEI,
                    max_priority_fee_per_gas: FEE_WEI,
                    to,
                    value,
                    ..Default::default()
                },
            ),
            1 => sign(
                &self.key,
                TxLegacy {
                    chain_id: Some(self.chain_id),
                    nonce,
                    gas_price: FEE_WEI,
                    gas_limit: GAS_LIMIT,
                    to,
                    value,
                    input: Bytes::new(),
                },
            ),
            _ => sign(
                &self.key,
                TxEip2930 {
                    chain_id: self.chain_id,
                    nonce,
                    gas_price: FEE_WEI,
                    gas_limit: GAS_LIMIT,
                    to,
                    value,
                    ..Default::default()
                },
            ),
        }
    }
}

/// Signs a transaction.
///
/// # Errors
/// When signing fails.
pub fn sign<T>(key: &PrivateKeySigner, tx: T) -> Result<SignedTransaction>
where
    T: SignableTransaction<Signature>,
    TxEnvelope: From<alloy::consensus::Signed<T>>,
{
    let nonce = tx.nonce();
    let signature = key.sign_hash_sync(&tx.signature_hash())?;
    let envelope = TxEnvelope::from(tx.into_signed(signature));
    Ok(SignedTransaction {
        raw: envelope.encoded_2718().into(),
        hash: *envelope.tx_hash(),
        sender: key.address(),
        nonce,
    })
}

#[cfg(test)]
mod tests {
    use alloy::consensus::transaction::SignerRecoverable as _;
    use alloy::eips::eip2718::Decodable2718 as _;

    use super::*;

    #[test]
    fn the_three_types_come_in_turn_and_recover_to_their_sender() {
        let mut wallet = Wallet::random(6174);
        for (nonce, kind) in [(0, 2), (1, 0), (2, 1), (3, 2)] {
            let signed = wallet.next_transfer().unwrap();
            let decoded = TxEnvelope::decode_2718(&mut signed.raw.as_ref()).unwrap();
            assert_eq!(u8::from(decoded.tx_type()), kind);
            assert_eq!(decoded.recover_signer().unwrap(), wallet.address());
            assert_eq!(*decoded.tx_hash(), signed.hash);
            assert_eq!(signed.nonce, nonce);
        }
    }
}
