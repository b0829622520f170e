//! Restarts: nothing is lost that was not lost elsewhere too, and damage is seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use alloy_primitives::{Address, U256, keccak256};
use ande_execution::{
    EmbeddedExecutor, EvmConfig, EvmGenesis, ExecutionError, Executor as _, NoSenders, Payload,
    PayloadStatus, Recovery, state::StateOptions,
};
use common::*;

async fn chain(blocks: u64) -> (Node, Vec<Payload>) {
    let node = Node::new();
    let mut payloads = vec![];
    for block in 0..blocks {
        let to = Address::repeat_byte(0x80 + block as u8);
        let mut transactions = vec![wallet(1).transfer(block, to, 5)];
        if block == 0 {
            transactions.push(wallet(0).create(0, token_code(U256::from(1000))));
        } else {
            let token = wallet(0).address.create(0);
            transactions.push(wallet(0).call(
                block,
                token,
                &transferCall { to, value: U256::from(block) },
            ));
        }
        payloads.push(node.grow(transactions).await);
    }
    (node, payloads)
}

#[tokio::test]
async fn a_node_goes_on_where_it_stopped() {
    let (node, payloads) = chain(5).await;
    let head = node.executor.head().await;
    let receipts = node.receipts(5);
    let dir = node.dir.clone();
    drop(node);
    let executor = open(dir.path(), genesis(), Arc::new(NoSenders));
    assert_eq!(executor.head().await, head);
    assert_eq!(executor.recover(payloads.last()).await, Ok(Recovery::Ready));
    let node = Node { dir, executor };
    assert_eq!(node.receipts(5), receipts);
    node.grow(vec![wallet(1).transfer(5, Address::ZERO, 1)]).await;
}

#[tokio::test]
async fn a_node_that_is_behind_replays_to_the_same_root() {
    let (node, payloads) = chain(6).await;
    let behind = Node::new();
    for payload in &payloads[..2] {
        behind.follow(payload).await;
    }
    let tip = payloads.last();
    let Ok(Recovery::Behind { number: 2 }) = behind.executor.recover(tip).await else {
        panic!("the node does not see that it is behind");
    };
    for payload in &payloads[2..] {
        behind.follow(payload).await;
    }
    assert_eq!(behind.executor.recover(tip).await, Ok(Recovery::Ready));
    assert_eq!(behind.executor.head().await, node.executor.head().await);
    assert_eq!(Node::new().executor.recover(None).await, Ok(Recovery::Ready));
}

#[tokio::test]
async fn a_tip_that_is_not_of_this_chain_is_refused() {
    let (node, payloads) = chain(3).await;
    let refuse = async |tip: Option<&Payload>| {
        let error = node.executor.recover(tip).await.unwrap_err();
        assert!(matches!(error, ExecutionError::Recover(_)), "{error}");
        error.to_string()
    };
    // The chain lost blocks that the state has.
    refuse(Some(&payloads[1])).await;
    refuse(None).await;
    let other = with_header(&payloads[2], |header| header.gas_used += 1);
    assert!(refuse(Some(&other)).await.contains("block 3"));
    let emptied = Payload { transactions: vec![], ..payloads[2].clone() };
    assert!(refuse(Some(&emptied)).await.contains("root"));
}

#[tokio::test]
async fn another_genesis_does_not_open_the_directory() {
    let (node, _) = chain(1).await;
    let dir = node.dir.clone();
    drop(node);
    let other = EvmGenesis::from_json(&genesis_json_with("", "")).unwrap();
    let config =
        EvmConfig { genesis: other, dir: dir.path().to_path_buf(), state: StateOptions::default() };
    let error = EmbeddedExecutor::open(config, Arc::new(NoSenders)).unwrap_err();
    assert!(matches!(error, ExecutionError::State(_)), "{error}");
    assert!(error.to_string().contains("genesis"), "{error}");
}

#[tokio::test]
async fn blocks_are_refused_while_the_state_is_another() {
    // A node whose genesis gives one account one wei more: the headers of the others are wrong.
    let (_, payloads) = chain(1).await;
    let rich = genesis_json().replacen("0x3635c9adc5dea00000", "0x3635c9adc5dea00001", 1);
    let odd = Node::with(EvmGenesis::from_json(&rich).unwrap());
    let mut attributes = odd.attributes().await;
    let payload = with_header(&payloads[0], |header| {
        header.parent_hash = attributes.parent_execution_hash;
    });
    attributes.parent_consensus_hash = consensus_hash(0);
    match odd.executor.validate(&attributes, &payload).await.unwrap() {
        PayloadStatus::Invalid(reason) => assert!(reason.starts_with("state_root"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_changed_account_on_disk_is_reported_with_the_block_and_both_roots() {
    let (node, payloads) = chain(3).await;
    node.executor.flush().await.unwrap();
    let (dir, head) = (node.dir.clone(), node.executor.head().await);
    drop(node);
    // An account of the accounts table loses a wei: nonce, balance, code hash, checksum.
    let rewrite = |value: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let database = fjall::Database::builder(dir.path()).worker_threads(1).open().unwrap();
        let table = database.keyspace("accounts", fjall::KeyspaceCreateOptions::default).unwrap();
        let key = keccak256(Address::repeat_byte(0x81));
        let old = table.get(key).unwrap().unwrap().to_vec();
        table.insert(key.as_slice(), value(old.clone())).unwrap();
        old
    };
    let reopen = || {
        let config = EvmConfig {
            genesis: genesis(),
            dir: dir.path().to_path_buf(),
            state: StateOptions::default(),
        };
        EmbeddedExecutor::open(config, Arc::new(NoSenders))
    };
    let old = rewrite(&|mut value| {
        let content = value.len() - 4;
        let at = value[..content].iter().position(|byte| *byte == 5).unwrap();
        value[at] = 4;
        let key = keccak256(Address::repeat_byte(0x81));
        let sum = crc32fast::hash(&[b"accounts\0", key.as_slice(), &value[..content]].concat());
        value[content..].copy_from_slice(&sum.to_be_bytes());
        value
    });
    let error = reopen().unwrap_err().to_string();
    assert!(error.contains("block 3"), "{error}");
    assert!(error.contains(&head.state_root.to_string()), "{error}");
    // A flipped bit is found even before.
    rewrite(&|_| {
        let mut value = old.clone();
        value[1] ^= 1;
        value
    });
    let error = reopen().unwrap_err().to_string();
    assert!(error.contains("accounts"), "{error}");
    rewrite(&|_| old.clone());
    let executor = reopen().unwrap();
    assert_eq!(executor.recover(payloads.last()).await, Ok(Recovery::Ready));
}
