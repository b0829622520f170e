//! Prints what one core does: recovery, insertion, choosing a block, removal.

#![allow(clippy::unwrap_used)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::{EthereumTxEnvelope, SignableTransaction, TxEip1559, TxEip4844};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, keccak256};
use ande_pool::{BlockRoom, Pool, PoolLimits, PooledTransaction, UnknownAccounts};
use ande_primitives::ValidatorKey;

const CHAIN_ID: u64 = 6_174;
const SENDERS: u64 = 1_000;
const PER_SENDER: u64 = 20;

fn signed(key: &ValidatorKey, nonce: u64, tip: u128) -> Bytes {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000_000 + tip,
        max_priority_fee_per_gas: tip,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        ..Default::default()
    };
    let signature = key.sign_digest(tx.signature_hash()).unwrap();
    let signature = Signature::from_raw(signature.as_bytes()).unwrap();
    EthereumTxEnvelope::<TxEip4844>::from(tx.into_signed(signature)).encoded_2718().into()
}

fn timed<T>(what: &str, count: usize, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    let each = start.elapsed().as_secs_f64() * 1e6 / count as f64;
    println!("{what:<46} {each:>9.3} us each");
    result
}

fn main() {
    let raws: Vec<Bytes> = (0..SENDERS)
        .flat_map(|sender| {
            let key = ValidatorKey::from_bytes(&keccak256(sender.to_be_bytes()).0).unwrap();
            (0..PER_SENDER)
                .map(|nonce| signed(&key, nonce, u128::from(sender * 7919 % 1_009)))
                .collect::<Vec<_>>()
        })
        .collect();
    let count = raws.len();
    let txs: Vec<PooledTransaction> = timed("recover", count, || {
        raws.into_iter().map(|raw| PooledTransaction::recover(raw, CHAIN_ID).unwrap()).collect()
    });
    let hashes: Vec<B256> = txs.iter().map(PooledTransaction::hash).collect();
    let again = txs.clone();

    let mut pool = Pool::new(PoolLimits::default(), Arc::new(UnknownAccounts));
    timed("insert into a filling pool", count, || {
        txs.into_iter().for_each(|tx| drop(pool.insert(tx, Duration::ZERO).unwrap()));
    });
    timed("insert duplicates", count, || {
        again.iter().for_each(|tx| drop(pool.insert(tx.clone(), Duration::ZERO).unwrap()));
    });
    assert_eq!(pool.len(), count);
    let best = timed("choose 1,000 of a full pool (per transaction)", 1_000, || {
        pool.best(BlockRoom::of(1_000))
    });
    let chosen: Vec<B256> = best.iter().map(|tx| tx.hash()).collect();
    timed("remove a block", chosen.len(), || pool.remove_included(&chosen));
    timed("remove the rest", count - chosen.len(), || pool.remove_included(&hashes));

    let limits = PoolLimits { max_transactions: count / 2, ..PoolLimits::default() };
    let mut small = Pool::new(limits, Arc::new(UnknownAccounts));
    timed("insert into a pool that is full half of the time", count, || {
        again.into_iter().filter(|tx| small.insert(tx.clone(), Duration::ZERO).is_ok()).count()
    });
}
