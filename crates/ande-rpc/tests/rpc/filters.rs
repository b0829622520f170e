//! Filters of polling clients.

use alloy_primitives::{B256, keccak256};
use ande_rpc::{RpcApis, RpcLimits};
use serde_json::{Value, json};

use crate::fixture::{LOGGER, Node, log, transfer};

async fn changes(node: &Node, id: &Value) -> Vec<Value> {
    let changes = node.call("eth_getFilterChanges", json!([id])).await.unwrap();
    changes.as_array().unwrap().clone()
}

#[tokio::test]
async fn filters_tell_of_everything_once() {
    let mut node = Node::start_evm().await;
    node.block(vec![log(11, 0, 1)]).await;
    let blocks = node.call("eth_newBlockFilter", json!([])).await.unwrap();
    let logs = node.call("eth_newFilter", json!([{ "address": LOGGER }])).await.unwrap();
    let topic = json!([{ "topics": [B256::repeat_byte(2)], "fromBlock": "0x3", "toBlock": "0x3" }]);
    let some = node.call("eth_newFilter", topic).await.unwrap();
    for id in [&blocks, &logs, &some] {
        assert_eq!(changes(&node, id).await.len(), 0, "nothing happened since");
    }
    node.block(vec![log(11, 1, 1), log(11, 2, 2)]).await;
    node.block(vec![log(11, 3, 2)]).await;
    node.block(vec![log(11, 4, 2)]).await;
    let hashes: Vec<Value> =
        node.commits[1..].iter().map(|commit| json!(commit.block.header.execution_hash)).collect();
    assert_eq!(changes(&node, &blocks).await, hashes);
    assert_eq!(changes(&node, &logs).await.len(), 4);
    let only = changes(&node, &some).await;
    assert_eq!((only.len(), &only[0]["blockNumber"]), (1, &json!("0x3")));
    for id in [&blocks, &logs, &some] {
        assert_eq!(changes(&node, id).await.len(), 0, "told once");
    }
    let all = node.call("eth_getFilterLogs", json!([some])).await.unwrap();
    assert_eq!(all.as_array().unwrap().len(), 1);
    assert_eq!(node.call("eth_uninstallFilter", json!([logs])).await.unwrap(), true);
    assert_eq!(node.call("eth_uninstallFilter", json!([logs])).await.unwrap(), false);
    for id in [logs, json!("0x1"), json!(1), json!("")] {
        for method in ["eth_getFilterChanges", "eth_getFilterLogs"] {
            let error = node.call(method, json!([id])).await.unwrap_err();
            assert_eq!(
                (&error["code"], &error["message"]),
                (&json!(-32000), &json!("filter not found"))
            );
        }
    }
    let error = node.call("eth_getFilterLogs", json!([blocks])).await.unwrap_err();
    assert_eq!(error["message"], "filter not found", "only log filters have logs");
}

#[tokio::test]
async fn pending_transactions_are_shown_only_when_allowed() {
    let node = Node::start_evm().await;
    let error = node.call("eth_newPendingTransactionFilter", json!([])).await.unwrap_err();
    assert_eq!(error["code"], -32601);
    let apis = RpcApis { pending_transactions: true, ..RpcApis::default() };
    let node = Node::start_evm_with(RpcLimits::default(), apis).await;
    let hashes = node.call("eth_newPendingTransactionFilter", json!([])).await.unwrap();
    let full = node.call("eth_newPendingTransactionFilter", json!([true])).await.unwrap();
    let raw = transfer(11, 0);
    node.call("eth_sendRawTransaction", json!([raw])).await.unwrap();
    assert_eq!(changes(&node, &hashes).await, [json!(keccak256(&raw))]);
    assert_eq!(changes(&node, &full).await[0]["hash"], json!(keccak256(&raw)));
    assert_eq!(changes(&node, &full).await.len(), 0);
}

#[tokio::test]
async fn filters_are_bounded_and_go_on_after_large_answers() {
    let limits = RpcLimits { filters: 2, logs: 3, log_blocks: 3, ..RpcLimits::default() };
    let mut node = Node::start_evm_with(limits, RpcApis::default()).await;
    let logs = node.call("eth_newFilter", json!([{}])).await.unwrap();
    node.call("eth_newBlockFilter", json!([])).await.unwrap();
    let error = node.call("eth_newBlockFilter", json!([])).await.unwrap_err();
    assert_eq!((&error["code"], &error["message"]), (&json!(-32005), &json!("too many filters")));
    for nonce in 0..5 {
        node.block(vec![log(11, nonce, 1), log(12, nonce, 2)]).await;
    }
    let mut numbers = Vec::new();
    for _ in 0..6 {
        numbers
            .extend(changes(&node, &logs).await.into_iter().map(|log| log["blockNumber"].clone()));
    }
    assert_eq!(numbers.len(), 10, "in pieces, but all of them: {numbers:?}");
    assert!(numbers.is_sorted_by_key(|number| number.as_str().unwrap().to_owned()));
}
