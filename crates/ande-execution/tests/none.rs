//! The executor that only orders: what it leaves out, what it refuses, and that every node computes
//! the same bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use alloy_consensus::{
    Header,
    constants::{EMPTY_ROOT_HASH, EMPTY_WITHDRAWALS},
};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::Decodable as _;
use ande_execution::{
    Attributes, ExecHead, ExecutionError, Executor, InclusionIndex, MAX_PAYLOAD_BYTES,
    NoneExecutor, NoneGenesis, Payload, PayloadError, PayloadStatus, Recovery, transactions_root,
};
use ande_primitives::{MAX_BLOCK_TRANSACTIONS, MAX_TRANSACTION_BYTES};
use proptest::prelude::*;

#[derive(Debug, Default)]
struct Index(Mutex<HashMap<B256, u64>>);

impl Index {
    fn add(&self, number: u64, payload: &Payload) {
        let mut map = self.0.lock().unwrap();
        map.extend(payload.transaction_hashes().into_iter().map(|hash| (hash, number)));
    }
}

#[async_trait::async_trait]
impl InclusionIndex for Index {
    async fn included(&self, up_to: u64, hashes: &[B256]) -> Result<Vec<bool>, ExecutionError> {
        let map = self.0.lock().unwrap();
        Ok(hashes.iter().map(|hash| map.get(hash).is_some_and(|at| *at <= up_to)).collect())
    }
}

fn node() -> (Arc<Index>, NoneExecutor) {
    let index = Arc::new(Index::default());
    (index.clone(), NoneExecutor::new(NoneGenesis::new(6174), index))
}

fn after(head: &ExecHead) -> Attributes {
    Attributes {
        number: head.number + 1,
        timestamp_ms: (head.timestamp + 2) * 1000 + 345,
        fee_recipient: Address::repeat_byte(7),
        parent_execution_hash: head.hash,
        parent_consensus_hash: keccak256(head.hash),
    }
}

fn tx(seed: u64, bytes: usize) -> Bytes {
    let mut raw = seed.to_be_bytes().to_vec();
    raw.resize(bytes.max(8), 0xaa);
    raw.into()
}

async fn grow(index: &Index, executor: &NoneExecutor, txs: Vec<Bytes>) -> Payload {
    let payload = executor.propose(after(&executor.head().await), txs).await.unwrap();
    executor.commit(payload.hash()).await.unwrap();
    index.add(executor.head().await.number, &payload);
    payload
}

#[tokio::test]
async fn genesis_depends_on_the_chain_id_alone() {
    let (_, one) = node();
    let (_, same) = node();
    let other = NoneExecutor::new(NoneGenesis::new(6175), Arc::new(Index::default()));
    assert_eq!(one.genesis(), same.genesis());
    assert_ne!(one.genesis().hash(), other.genesis().hash());
    assert_eq!(one.head().await.hash, one.genesis().hash());
    assert_eq!(one.genesis().number(), Ok(0));
    // Frozen: it is written into the contract at deployment.
    assert_eq!(one.genesis().hash().to_string(), GENESIS_6174);
}

const GENESIS_6174: &str = "0x51e30e90e32c84a321e997c9725fe1e69927df69f2549427dd4715dc0e185178";

#[tokio::test]
async fn headers_are_cancun_headers() {
    let (index, executor) = node();
    let genesis = executor.head().await;
    let attributes = after(&genesis);
    let payload = grow(&index, &executor, vec![tx(1, 8), tx(2, 300)]).await;
    let header = payload.decode_header().unwrap();
    assert_eq!(header.parent_hash, genesis.hash);
    assert_eq!(header.number, 1);
    assert_eq!(header.timestamp, attributes.timestamp_ms / 1000);
    assert_eq!(header.beneficiary, attributes.fee_recipient);
    assert_eq!(header.transactions_root, transactions_root(&payload.transactions));
    assert_eq!(header.receipts_root, EMPTY_ROOT_HASH);
    assert_eq!(header.withdrawals_root, Some(EMPTY_WITHDRAWALS));
    assert_eq!(header.parent_beacon_block_root, Some(attributes.parent_consensus_hash));
    assert_eq!((header.blob_gas_used, header.excess_blob_gas), (Some(0), Some(0)));
    assert_eq!(header.base_fee_per_gas, Some(0));
    assert_eq!(header.hash_slow(), payload.hash());
    let hashes = payload.transaction_hashes();
    let running = [genesis.state_root.as_slice(), hashes[0].as_slice(), hashes[1].as_slice()];
    assert_eq!(header.state_root, keccak256(running.concat()));
    assert_eq!(payload.state_root(), Ok(header.state_root));
    let head = executor.head().await;
    assert_eq!((head.number, head.hash, head.state_root), (1, payload.hash(), header.state_root));
}

#[tokio::test]
async fn proposals_keep_the_order_and_leave_out_what_cannot_be_in_them() {
    let (index, executor) = node();
    grow(&index, &executor, vec![tx(1, 8)]).await;
    let too_long = tx(9, MAX_TRANSACTION_BYTES + 1);
    let given = vec![
        tx(3, 8),
        tx(1, 8),
        Bytes::new(),
        tx(2, 8),
        tx(3, 8),
        too_long,
        tx(4, MAX_TRANSACTION_BYTES),
    ];
    let payload = grow(&index, &executor, given).await;
    assert_eq!(payload.transactions, vec![tx(3, 8), tx(2, 8), tx(4, MAX_TRANSACTION_BYTES)]);
}

#[tokio::test]
async fn proposals_stay_within_the_limits_of_a_block() {
    let (_, executor) = node();
    let attributes = after(&executor.head().await);
    let many = (0..MAX_BLOCK_TRANSACTIONS as u64 + 5).map(|seed| tx(seed, 8)).collect();
    let payload = executor.propose(attributes, many).await.unwrap();
    assert_eq!(payload.transactions.len(), MAX_BLOCK_TRANSACTIONS);
    let large = (0..40).map(|seed| tx(seed, MAX_TRANSACTION_BYTES)).chain([tx(99, 100)]).collect();
    let payload = executor.propose(attributes, large).await.unwrap();
    let size: usize = payload.transactions.iter().map(|tx| tx.len()).sum();
    assert!(size <= MAX_PAYLOAD_BYTES && size > MAX_PAYLOAD_BYTES - MAX_TRANSACTION_BYTES - 16);
    assert_eq!(payload.transactions.last(), Some(&tx(99, 100)), "a small one still fits");
    assert_eq!(executor.validate(&attributes, &payload).await, Ok(PayloadStatus::Valid));
}

#[tokio::test]
async fn repeated_transactions_are_invalid() {
    let (index, executor) = node();
    let (_, other) = node();
    let first = grow(&index, &executor, vec![tx(1, 8)]).await;
    // `other` does not know that transaction 1 is in block 1: its index is empty.
    other.recover(Some(&first)).await.unwrap();
    let attributes = after(&other.head().await);
    let again = other.propose(attributes, vec![tx(1, 8)]).await.unwrap();
    let status = executor.validate(&attributes, &again).await.unwrap();
    assert!(matches!(status, PayloadStatus::Invalid(ref why) if why.contains("in the chain")));

    let twice = Payload { transactions: vec![tx(5, 8), tx(5, 8)], ..again };
    let status = executor.validate(&attributes, &twice).await.unwrap();
    assert!(matches!(status, PayloadStatus::Invalid(ref why) if why.contains("twice")));
    assert!(matches!(twice.check_transactions(), Err(PayloadError::Duplicate(_))));
}

#[tokio::test]
async fn an_index_ahead_of_the_head_does_not_make_a_block_invalid() {
    let (index, executor) = node();
    let attributes = after(&executor.head().await);
    let payload = executor.propose(attributes, vec![tx(1, 8)]).await.unwrap();
    // The store has block 1 already, the executor is told a moment later.
    index.add(1, &payload);
    assert_eq!(executor.validate(&attributes, &payload).await, Ok(PayloadStatus::Valid));
}

#[tokio::test]
async fn only_blocks_on_the_head_are_judged_and_committed() {
    let (index, executor) = node();
    let genesis = executor.head().await;
    let rival = executor.propose(after(&genesis), vec![tx(2, 8)]).await.unwrap();
    let payload = grow(&index, &executor, vec![tx(1, 8)]).await;
    let status = executor.validate(&after(&genesis), &rival).await.unwrap();
    assert!(matches!(status, PayloadStatus::Syncing(_)));
    let error = executor.propose(after(&genesis), Vec::new()).await.unwrap_err();
    assert!(matches!(error, ExecutionError::NotOnHead { head_number: 1, .. }));
    let error = executor.commit(rival.hash()).await.unwrap_err();
    assert!(matches!(error, ExecutionError::NotValidated { .. }));
    executor.commit(payload.hash()).await.expect("committing the head again does nothing");
    let mut skipping = after(&executor.head().await);
    skipping.number += 1;
    let error = executor.propose(skipping, Vec::new()).await.unwrap_err();
    assert!(matches!(error, ExecutionError::NotOnHead { .. }));
}

#[tokio::test]
async fn time_never_goes_back() {
    let (index, executor) = node();
    grow(&index, &executor, Vec::new()).await;
    let head = executor.head().await;
    let equal = Attributes { timestamp_ms: head.timestamp * 1000, ..after(&head) };
    let payload = executor.propose(equal, Vec::new()).await.unwrap();
    assert_eq!(executor.validate(&equal, &payload).await, Ok(PayloadStatus::Valid));
    let back = Attributes { timestamp_ms: head.timestamp * 1000 - 1, ..equal };
    assert!(executor.propose(back, Vec::new()).await.is_err());
    let mut header = payload.decode_header().unwrap();
    header.timestamp -= 1;
    let status = executor.validate(&back, &Payload::new(&header, Vec::new())).await.unwrap();
    assert!(matches!(status, PayloadStatus::Invalid(_)));
}

#[tokio::test]
async fn a_restart_continues_from_the_stored_tip() {
    let (index, executor) = node();
    let mut tip = None;
    for seed in 0..5 {
        tip = Some(grow(&index, &executor, vec![tx(seed, 8)]).await);
    }
    let restarted = NoneExecutor::new(NoneGenesis::new(6174), index.clone());
    assert_eq!(restarted.recover(tip.as_ref()).await, Ok(Recovery::Ready));
    assert_eq!(restarted.head().await, executor.head().await);
    let attributes = after(&executor.head().await);
    let next = executor.propose(attributes, vec![tx(9, 8), tx(3, 8)]).await.unwrap();
    assert_eq!(restarted.validate(&attributes, &next).await, Ok(PayloadStatus::Valid));
    assert_eq!(restarted.recover(None).await, Ok(Recovery::Ready));
    assert_eq!(restarted.head().await.hash, restarted.genesis().hash());
}

#[tokio::test]
async fn a_tip_of_another_executor_is_refused() {
    let (index, executor) = node();
    let tip = grow(&index, &executor, vec![tx(1, 8)]).await;
    let mut header = tip.decode_header().unwrap();
    header.gas_used = 21_000;
    let foreign = Payload::new(&header, tip.transactions.clone());
    assert!(matches!(executor.recover(Some(&foreign)).await, Err(ExecutionError::Recover(_))));
    let torn = Payload { transactions: Vec::new(), ..tip.clone() };
    assert!(matches!(executor.recover(Some(&torn)).await, Err(ExecutionError::Recover(_))));
    let garbage = Payload { header: Bytes::from_static(b"\xc1"), ..tip };
    assert!(matches!(executor.recover(Some(&garbage)).await, Err(ExecutionError::Payload(_))));
}

#[test]
fn lenient_headers_are_not_taken() {
    let (_, executor) = node();
    let genesis = executor.genesis();
    let strip = |change: fn(&mut Header)| {
        let mut header = Header::decode(&mut genesis.header.as_ref()).unwrap();
        change(&mut header);
        Payload::new(&header, Vec::new()).decode_header()
    };
    assert!(strip(|_| ()).is_ok());
    assert!(matches!(strip(|h| h.requests_hash = Some(B256::ZERO)), Err(PayloadError::Shape(_))));
    assert!(matches!(strip(|h| h.excess_blob_gas = Some(1)), Err(PayloadError::Shape(_))));
    assert!(matches!(strip(|h| h.extra_data = vec![0; 33].into()), Err(PayloadError::Shape(_))));
    let long = Payload { header: vec![0xf8; 4096].into(), transactions: Vec::new() };
    assert!(matches!(long.decode_header(), Err(PayloadError::HeaderTooLong(4096))));
    let trailing = Payload { header: [&genesis.header[..], &[0]].concat().into(), ..genesis };
    assert!(matches!(trailing.decode_header(), Err(PayloadError::Header(_))));
}

/// Runs a future of the executor, none of which ever waits.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_nodes_agree_on_every_block(blocks in prop::collection::vec(prop::collection::vec(0u64..40, 0..12), 1..6)) {
        run(async {
            let (index_a, a) = node();
            let (index_b, b) = node();
            for seeds in blocks {
                let attributes = after(&a.head().await);
                let txs: Vec<Bytes> = seeds.iter().map(|seed| tx(*seed, 8 + *seed as usize)).collect();
                let payload = a.propose(attributes, txs).await.unwrap();
                prop_assert_eq!(b.validate(&attributes, &payload).await, Ok(PayloadStatus::Valid));
                a.commit(payload.hash()).await.unwrap();
                b.commit(payload.hash()).await.unwrap();
                index_a.add(attributes.number, &payload);
                index_b.add(attributes.number, &payload);
                prop_assert_eq!(a.head().await, b.head().await);
            }
            Ok(())
        })?;
    }

    #[test]
    fn any_other_byte_makes_a_payload_invalid(at in any::<prop::sample::Index>(), flip in 1u8..=255, in_header: bool) {
        run(async {
            let (_, executor) = node();
            let attributes = after(&executor.head().await);
            let good = executor.propose(attributes, vec![tx(1, 40), tx(2, 90)]).await.unwrap();
            let mut header = good.header.to_vec();
            let mut transactions: Vec<Vec<u8>> = good.transactions.iter().map(|tx| tx.to_vec()).collect();
            let place = if in_header { &mut header } else { &mut transactions[1] };
            let index = at.index(place.len());
            place[index] ^= flip;
            let bad = Payload {
                header: header.into(),
                transactions: transactions.into_iter().map(Bytes::from).collect(),
            };
            let status = executor.validate(&attributes, &bad).await.unwrap();
            prop_assert!(matches!(status, PayloadStatus::Invalid(_)), "{:?}", status);
            Ok(())
        })?;
    }

    #[test]
    fn hostile_bytes_never_panic(header in prop::collection::vec(any::<u8>(), 0..600), txs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
        run(async {
            let (_, executor) = node();
            let attributes = after(&executor.head().await);
            let payload = Payload { header: header.into(), transactions: txs.into_iter().map(Bytes::from).collect() };
            let status = executor.validate(&attributes, &payload).await.unwrap();
            prop_assert!(matches!(status, PayloadStatus::Invalid(_)));
            Ok(())
        })?;
    }
}
