//! Signed transactions for tests.

use std::{sync::Arc, time::Duration};

use alloy_consensus::{
    EthereumTxEnvelope, SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxLegacy,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, keccak256};
use ande_pool::{Inserted, Pool, PoolError, PoolLimits, PooledTransaction, UnknownAccounts};
use ande_primitives::ValidatorKey;

pub const CHAIN_ID: u64 = 6_174;

/// Key number `index`, always the same.
pub fn key(index: u8) -> ValidatorKey {
    ValidatorKey::from_bytes(&keccak256([index]).0).unwrap()
}

fn sign<T>(tx: T, key: &ValidatorKey) -> Bytes
where
    T: SignableTransaction<Signature>,
    EthereumTxEnvelope<TxEip4844>: From<alloy_consensus::Signed<T>>,
{
    let signature = key.sign_digest(tx.signature_hash()).unwrap();
    let signature = Signature::from_raw(signature.as_bytes()).unwrap();
    EthereumTxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

pub fn dynamic() -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce: 0,
        gas_limit: 21_000,
        max_fee_per_gas: 100,
        max_priority_fee_per_gas: 2,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        value: U256::from(1),
        ..Default::default()
    }
}

pub fn access_list() -> TxEip2930 {
    TxEip2930 {
        chain_id: CHAIN_ID,
        nonce: 1,
        gas_price: 50,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        ..Default::default()
    }
}

pub fn legacy() -> TxLegacy {
    TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce: 2,
        gas_price: 60,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        ..Default::default()
    }
}

pub fn raw<T>(tx: T) -> Bytes
where
    T: SignableTransaction<Signature>,
    EthereumTxEnvelope<TxEip4844>: From<alloy_consensus::Signed<T>>,
{
    sign(tx, &key(0))
}

/// What matters to a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    pub sender: u8,
    pub nonce: u64,
    pub tip: u128,
    pub fee: u128,
    /// Bytes of input.
    pub input: usize,
    pub value: u128,
}

impl Spec {
    /// A small transaction whose fee is far above its tip.
    pub const fn new(sender: u8, nonce: u64, tip: u128) -> Self {
        Self { sender, nonce, tip, fee: tip.saturating_add(1_000_000), input: 0, value: 1 }
    }

    pub fn signed(&self) -> PooledTransaction {
        let tx = TxEip1559 {
            nonce: self.nonce,
            max_priority_fee_per_gas: self.tip,
            max_fee_per_gas: self.fee,
            value: U256::from(self.value),
            gas_limit: 21_000 + 16 * self.input as u64,
            input: vec![1; self.input].into(),
            ..dynamic()
        };
        PooledTransaction::recover(sign(tx, &key(self.sender)), CHAIN_ID).unwrap()
    }
}

pub fn pool(limits: PoolLimits) -> Pool {
    Pool::new(limits, Arc::new(UnknownAccounts))
}

/// Inserts at the beginning of time.
pub fn insert(pool: &mut Pool, tx: PooledTransaction) -> Result<Inserted, PoolError> {
    pool.insert(tx, Duration::ZERO)
}
