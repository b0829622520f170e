//! Our blocks are Ethereum's: independent execution clients take them with equal hashes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;
mod engine_common;

use std::time::Instant;

use ande_execution::{EngineClient, EngineStatus, EvmGenesis, Executor as _, PayloadStatus};
use common::Node;
use engine_common::{ethereumjs::EthereumJs, ethrex::Ethrex, genesis_json, workload::Workload};

/// Transactions of the ordinary tests; `ANDE_DIFFERENTIAL_TXS` asks for another number.
const TRANSACTIONS: usize = 10_000;
/// The same with a client that takes 40 ms for each.
const TRANSACTIONS_SLOWLY: usize = 1_000;

/// Transactions of a block. One client keeps its only thread busy with larger ones.
const PER_BLOCK: usize = 90;

/// Kinds that must have been there, or the test shows less than it says.
const KINDS: usize = 30;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn ethereumjs_takes_our_blocks() {
    let server = EthereumJs::start(&genesis_json()).await;
    takes_our_blocks(&server.client(), TRANSACTIONS_SLOWLY, &|| server.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ethrex_takes_our_blocks() {
    let server = Ethrex::start(&genesis_json()).await;
    takes_our_blocks(&server.client(), TRANSACTIONS, &|| server.log()).await;
}

async fn takes_our_blocks(client: &EngineClient, transactions: usize, log: &dyn Fn() -> String) {
    let wanted = usize::try_from(number("ANDE_DIFFERENTIAL_TXS", transactions as u64)).unwrap();
    let seed = number("ANDE_DIFFERENTIAL_SEED", 6174);
    let genesis = EvmGenesis::from_json(&genesis_json()).unwrap();
    let (ours, follower) = (Node::with(genesis.clone()), Node::with(genesis.clone()));
    assert_eq!(client.chain_id().await.unwrap(), genesis.chain_id());
    let first = client.head().await.unwrap();
    assert_eq!((first.number, first.hash), (0, genesis.hash()), "the genesis differs");

    let begin = Instant::now();
    let mut workload = Workload::new(seed);
    let (mut sent, mut succeeded) = (0, 0);
    while sent < wanted {
        let transactions = workload.block(PER_BLOCK.min(wanted - sent));
        let payload = ours.grow(transactions).await;
        let (number, hash) = (payload.number().unwrap(), payload.hash());
        let status = client.new_payload(&payload).await;
        assert_eq!(
            status,
            Ok(EngineStatus::Valid),
            "block {number} {hash} of seed {seed}:\n{}",
            log()
        );
        assert_eq!(client.forkchoice(hash).await, Ok(EngineStatus::Valid), "block {number}");
        assert_eq!(follower.validate(&payload).await, PayloadStatus::Valid);
        follower.commit(&payload).await;
        sent += payload.transactions.len();
        succeeded += ours.outcomes().iter().filter(|(success, _)| *success).count();
    }
    let (head, end) = (ours.executor.head().await, client.head().await.unwrap());
    assert_eq!((end.number, end.hash), (head.number, head.hash));
    println!(
        "{sent} transactions in {} blocks, {succeeded} without failure, VALID with equal hashes \
         after {:.1?}\n{:#?}",
        head.number,
        begin.elapsed(),
        workload.kinds
    );
    if wanted >= TRANSACTIONS_SLOWLY {
        assert!(workload.kinds.len() >= KINDS, "only {:?}", workload.kinds);
        assert!(succeeded * 10 > sent * 5 && succeeded * 10 < sent * 9);
    }
}

/// Were these to fail, the differential tests would prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn ethereumjs_refuses_a_block_with_one_wrong_bit() {
    let server = EthereumJs::start(&genesis_json()).await;
    refuses_wrong_bits(&server.client()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ethrex_refuses_a_block_with_one_wrong_bit() {
    let server = Ethrex::start(&genesis_json()).await;
    refuses_wrong_bits(&server.client()).await;
}

async fn refuses_wrong_bits(client: &EngineClient) {
    let genesis = EvmGenesis::from_json(&genesis_json()).unwrap();
    let ours = Node::with(genesis);
    let payload = ours.build(Workload::new(1).block(20)).await;
    for change in 0..3 {
        let wrong = common::with_header(&payload, |header| match change {
            0 => header.state_root.0[31] ^= 1,
            1 => header.gas_used += 1,
            _ => header.receipts_root.0[0] ^= 0x80,
        });
        let status = client.new_payload(&wrong).await.unwrap();
        assert!(matches!(status, EngineStatus::Invalid(_)), "change {change}: {status:?}");
    }
    assert_eq!(client.new_payload(&payload).await, Ok(EngineStatus::Valid));
}
