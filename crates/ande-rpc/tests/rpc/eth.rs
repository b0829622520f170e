//! Ethereum's methods, asked by alloy's provider and by hand.

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    providers::{Provider, ProviderBuilder},
    rpc::types::BlockTransactions,
};
use alloy_primitives::{B256, Bytes, U256, keccak256};
use ande_consensus::SubmitError;
use ande_primitives::Height;
use serde_json::{Value, json};

use crate::fixture::{CHAIN, Node, genesis, hello, legacy, node_key, transfer};

fn provider(node: &Node) -> impl Provider + use<> {
    ProviderBuilder::new().connect_http(node.url().parse().unwrap())
}

#[tokio::test]
async fn an_ordinary_client_understands_the_chain() {
    let mut node = Node::start().await;
    let client = provider(&node);
    assert_eq!(client.get_chain_id().await.unwrap(), CHAIN);
    assert_eq!(client.get_net_version().await.unwrap(), CHAIN);
    assert_eq!(client.get_block_number().await.unwrap(), 0);
    let version = client.get_client_version().await.unwrap();
    assert!(version.starts_with("ande/v1.2.3-abcdef/"), "{version}");
    assert!(matches!(client.syncing().await.unwrap(), alloy::rpc::types::SyncStatus::None));

    let txs = vec![transfer(11, 0), legacy(12, 3), transfer(11, 1)];
    let commit = node.block(txs.clone()).await;
    node.block(vec![]).await;
    assert_eq!(client.get_block_number().await.unwrap(), 2);

    let by_number = client.get_block_by_number(1.into()).await.unwrap().unwrap();
    assert_eq!(by_number.header.hash, commit.block.header.execution_hash);
    assert_eq!(by_number.header.inner.hash_slow(), by_number.header.hash);
    assert_eq!(by_number.header.number, 1);
    assert!(by_number.header.size.unwrap() > U256::from(500));
    let hashes: Vec<B256> = txs.iter().map(keccak256).collect();
    assert_eq!(by_number.transactions, BlockTransactions::Hashes(hashes.clone()));

    let full = client.get_block_by_hash(by_number.header.hash).full().await.unwrap().unwrap();
    let BlockTransactions::Full(transactions) = &full.transactions else { panic!("{full:?}") };
    assert_eq!(transactions.len(), 3);
    assert_eq!(full.header, by_number.header);
    for (index, tx) in transactions.iter().enumerate() {
        assert_eq!(*tx.inner.tx_hash(), hashes[index]);
        assert_eq!(tx.transaction_index, Some(index as u64));
        assert_eq!((tx.block_number, tx.block_hash), (Some(1), Some(full.header.hash)));
    }
    let sender = alloy::signers::local::PrivateKeySigner::from_slice(&[11; 32]).unwrap().address();
    assert_eq!(transactions[0].inner.signer(), sender);

    let found = client.get_transaction_by_hash(hashes[1]).await.unwrap().unwrap();
    assert_eq!(found, transactions[1]);
    assert!(client.get_transaction_by_hash(B256::repeat_byte(1)).await.unwrap().is_none());
    assert!(client.get_block_by_hash(B256::repeat_byte(1)).await.unwrap().is_none());
    // The consensus hash is no Ethereum hash.
    assert!(client.get_block_by_hash(commit.block.hash()).await.unwrap().is_none());

    let first = client.get_block(BlockId::earliest()).await.unwrap().unwrap();
    assert_eq!(first.header.hash, genesis().hash_slow());
    let same = client.get_block_by_hash(first.header.hash).await.unwrap().unwrap();
    assert_eq!(same, first);
    assert_eq!(full.header.parent_hash, first.header.hash);
}

#[tokio::test]
async fn large_blocks_are_converted_too() {
    let mut node = Node::start().await;
    let txs: Vec<Bytes> = (0..40).map(|nonce| transfer(11, nonce)).collect();
    node.block(txs).await;
    let block = provider(&node).get_block_by_number(1.into()).full().await.unwrap().unwrap();
    assert_eq!(block.transactions.len(), 40);
}

#[tokio::test]
async fn tags_name_the_heads() {
    let mut node = Node::start().await;
    for _ in 0..5 {
        node.block(vec![]).await;
    }
    node.store.set_settled(Height(3), Height(2)).await.unwrap();
    let client = provider(&node);
    let cases = [
        (BlockNumberOrTag::Latest, 5),
        (BlockNumberOrTag::Pending, 5),
        (BlockNumberOrTag::Safe, 3),
        (BlockNumberOrTag::Finalized, 2),
        (BlockNumberOrTag::Earliest, 0),
        (BlockNumberOrTag::Number(4), 4),
    ];
    for (tag, number) in cases {
        let block = client.get_block_by_number(tag).await.unwrap().unwrap();
        assert_eq!(block.header.number, number, "{tag}");
    }
    for beyond in [6, u64::MAX] {
        assert!(client.get_block_by_number(beyond.into()).await.unwrap().is_none(), "{beyond}");
    }
    assert_eq!(node.call("eth_getBlockByNumber", json!(["0x5"])).await.unwrap()["number"], "0x5");
}

#[tokio::test]
async fn transactions_are_taken_and_shown_while_they_wait() {
    let node = Node::start().await;
    let client = provider(&node);
    let raw = transfer(11, 0);
    let sent = client.send_raw_transaction(&raw).await.unwrap();
    assert_eq!(*sent.tx_hash(), keccak256(&raw));
    // A duplicate is success.
    let again = node.call("eth_sendRawTransaction", json!([raw])).await.unwrap();
    assert_eq!(again, json!(keccak256(&raw)));
    let pending = client.get_transaction_by_hash(keccak256(&raw)).await.unwrap().unwrap();
    assert_eq!(
        (pending.block_hash, pending.block_number, pending.transaction_index),
        (None, None, None)
    );
    assert_eq!(node.metrics.tx_submitted.get(), 2);
}

#[tokio::test]
async fn refusals_have_geths_codes_and_texts() {
    let node = Node::start().await;
    let send = |raw: Value| node.call("eth_sendRawTransaction", json!([raw]));
    for (refusal, code) in [
        (SubmitError::Rejected("nonce too low".into()), -32000),
        (SubmitError::Unavailable("txpool is full".into()), -32002),
    ] {
        *node.pool.refuse.lock().unwrap() = Some(refusal.clone());
        let error = send(json!(transfer(11, 0))).await.unwrap_err();
        assert_eq!(error["code"], code);
        assert_eq!(error["message"], refusal.to_string());
    }
    *node.pool.refuse.lock().unwrap() = None;
    let error = send(json!("0x02ff")).await.unwrap_err();
    assert_eq!(error["code"], -32000);
    let long = format!("0x{}", "00".repeat((128 << 10) + 1));
    let error = send(json!(long)).await.unwrap_err();
    assert_eq!(error["code"], -32000);
    assert!(error["message"].as_str().unwrap().starts_with("oversized data"), "{error}");
    for wrong in [json!("0xzz"), json!("0x123"), json!(5), json!({}), json!(true)] {
        let error = send(wrong.clone()).await.unwrap_err();
        assert_eq!(error["code"], -32602, "{wrong}");
        assert!(error["message"].as_str().unwrap().starts_with("invalid argument 0"), "{error}");
    }
    let error = node.call("eth_sendRawTransaction", json!([])).await.unwrap_err();
    assert_eq!(error["message"], "missing value for required argument 0");
    assert_eq!(node.metrics.tx_rejected.get(), 4);
}

#[tokio::test]
async fn parameters_may_be_absent_null_or_empty() {
    let node = Node::start().await;
    for method in
        ["eth_chainId", "eth_blockNumber", "eth_syncing", "net_version", "web3_clientVersion"]
    {
        for params in ["", ",\"params\":null", ",\"params\":[]"] {
            let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\"{params}}}");
            let answer: Value = node.post(body).await.json().await.unwrap();
            assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        }
        let error = node.call(method, json!([1])).await.unwrap_err();
        assert_eq!(error["code"], -32602, "{method}");
        assert_eq!(error["message"], "too many arguments, want at most 0");
    }
    let error = node.call("eth_getBlockByNumber", json!({"a": 1})).await.unwrap_err();
    assert_eq!((&error["code"], &error["message"]), (&json!(-32602), &json!("non-array args")));
    for wrong in
        [json!(["newest", false]), json!([[], false]), json!(["0x1", "yes"]), json!(["0x", true])]
    {
        let error = node.call("eth_getBlockByNumber", wrong.clone()).await.unwrap_err();
        assert_eq!(error["code"], -32602, "{wrong}");
    }
}

#[tokio::test]
async fn a_node_that_is_behind_says_so() {
    let node = Node::start().await;
    let claims = [(2, 100), (3, 90)];
    node.peers.send_modify(|book| {
        for (id, height) in claims {
            book.insert(node_key(id).id(), hello(id, "x", height));
        }
    });
    let syncing = node.call("eth_syncing", json!([])).await.unwrap();
    assert_eq!(syncing["currentBlock"], "0x0");
    // Two of four claim at least 90; one alone could lie.
    assert_eq!(syncing["highestBlock"], "0x5a");
}
