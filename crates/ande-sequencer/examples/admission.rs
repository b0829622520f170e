//! Prints how many transactions per second a node takes: signature, pool on the state of the
//! embedded EVM, durable journal. Then how long choosing and judging a full block takes.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718 as _,
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use alloy_primitives::{Address, Bytes, TxKind, keccak256};
use ande_execution::{EmbeddedExecutor, EvmConfig, EvmGenesis, state::StateOptions};
use ande_pool::{Pool, PoolLimits};
use ande_sequencer::{EvmAccounts, Ordering, SenderCache, SequencerConfig, TransactionPool};
use ande_store::{ChainIdentity, Store};
use ande_telemetry::Metrics;

const CHAIN: u64 = 6174;
const SENDERS: u64 = 500;
const PER_SENDER: u64 = 40;
const CLIENTS: usize = 256;

fn signer(index: u64) -> PrivateKeySigner {
    PrivateKeySigner::from_slice(keccak256(index.to_be_bytes()).as_slice()).unwrap()
}

fn transaction(signer: &PrivateKeySigner, nonce: u64) -> Bytes {
    let tx = TxEip1559 {
        chain_id: CHAIN,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(Address::repeat_byte(3)),
        ..Default::default()
    };
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

fn genesis(signers: &[PrivateKeySigner]) -> EvmGenesis {
    let alloc: Vec<String> = signers
        .iter()
        .map(|signer| format!(r#""{}": {{"balance": "0x3635c9adc5dea00000"}}"#, signer.address()))
        .collect();
    EvmGenesis::from_json(&format!(
        r#"{{"config": {{"chainId": {CHAIN}, "homesteadBlock": 0, "eip150Block": 0,
            "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
            "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
            "mergeNetsplitBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0,
            "cancunTime": 0}}, "nonce": "0x0", "timestamp": "0x0", "extraData": "0x",
            "gasLimit": "0x3b9aca00", "difficulty": "0x0",
            "coinbase": "0x0000000000000000000000000000000000000000",
            "baseFeePerGas": "0x3b9aca00", "alloc": {{{}}}}}"#,
        alloc.join(",")
    ))
    .unwrap()
}

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let signers: Vec<PrivateKeySigner> = (0..SENDERS).map(signer).collect();
    let raws: Vec<Bytes> = (0..PER_SENDER)
        .flat_map(|nonce| signers.iter().map(move |signer| transaction(signer, nonce)))
        .collect();
    let (genesis, senders) = (genesis(&signers), Arc::new(SenderCache::new()));
    let identity = ChainIdentity {
        l1_chain_id: 1,
        consensus: Address::ZERO,
        coordinator: Address::ZERO,
        l2_chain_id: CHAIN,
        genesis_hash: genesis.hash(),
    };
    let store = Store::open(dir.path(), identity).await.unwrap();
    let state =
        EvmConfig { genesis, dir: dir.path().join("state"), state: StateOptions::default() };
    let executor = EmbeddedExecutor::open(state, senders.clone()).unwrap();
    let limits = PoolLimits { block_gas_limit: 1_000_000_000, ..PoolLimits::default() };
    let pool = Pool::new(limits, Arc::new(EvmAccounts(executor.reader())));
    let config =
        SequencerConfig { ordering: Ordering::TipDescending, ..SequencerConfig::new(CHAIN) };
    let pool = TransactionPool::open(pool, store.clone(), &config, senders, Metrics::new());
    let pool = Arc::new(pool.await.unwrap());

    let raws = Arc::new(raws);
    for what in ["taken", "known already"] {
        let next = Arc::new(AtomicUsize::new(0));
        let start = Instant::now();
        let clients = (0..CLIENTS).map(|_| {
            let (pool, raws, next) = (pool.clone(), raws.clone(), next.clone());
            tokio::spawn(async move {
                while let Some(raw) = raws.get(next.fetch_add(1, Relaxed)) {
                    pool.admit(raw.clone()).await.unwrap();
                }
            })
        });
        futures::future::join_all(clients).await;
        let seconds = start.elapsed().as_secs_f64();
        println!("{what:<16} {:>9.0} transactions per second", raws.len() as f64 / seconds);
    }
    let start = Instant::now();
    let best = pool.best(usize::MAX, config.max_block_bytes);
    println!("choosing {} took {:?}", best.len(), start.elapsed());
    drop(pool);
    store.close().await;
}
