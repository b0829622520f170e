//! The answer of every method against schemas written from Ethereum's execution API
//! specification, and against alloy's types.

use std::collections::BTreeSet;

use alloy::rpc::types::{
    Block, EIP1186AccountProofResponse, FeeHistory, FilterChanges, Log, SyncStatus, Transaction,
    TransactionReceipt,
};
use alloy_primitives::{Bytes, TxKind, keccak256};
use ande_rpc::{RpcApis, RpcLimits};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    fixture::{LOGGER, Node, invoke, legacy_paying, log, wallet},
    schema,
};

fn document() -> Value {
    serde_json::from_str(include_str!("schemas.json")).unwrap()
}

/// What alloy reads and writes again is what was sent.
fn round_trip<T: Serialize + DeserializeOwned>(method: &str, answer: &Value) {
    let parsed: T = serde_json::from_value(answer.clone())
        .unwrap_or_else(|error| panic!("{method}: {error}: {answer}"));
    assert_eq!(&serde_json::to_value(parsed).unwrap(), answer, "{method}");
}

#[tokio::test]
async fn every_answer_has_the_specified_shape() {
    let apis = RpcApis { pending_transactions: true, ..RpcApis::default() };
    let mut node = Node::start_evm_with(RpcLimits::default(), apis).await;
    let sender = wallet(11).address();
    let log_filter = node
        .call("eth_newFilter", json!([{ "address": LOGGER, "fromBlock": "0x0" }]))
        .await
        .unwrap();
    let block_filter = node.call("eth_newBlockFilter", json!([])).await.unwrap();
    let included = log(11, 0, 1);
    let create = invoke(12, 0, TxKind::Create, Bytes::from_static(&[0]), 1);
    node.block(vec![included.clone(), legacy_paying(13, 0), create]).await;
    let hash = node.commits[0].block.header.execution_hash;
    let tx = keccak256(&included);
    let waiting = log(11, 1, 2);
    let message = json!({ "from": sender, "to": LOGGER, "data": "0x01" });

    let calls = [
        ("eth_accounts", json!([])),
        ("eth_blobBaseFee", json!([])),
        ("eth_blockNumber", json!([])),
        ("eth_call", json!([message, "latest"])),
        ("eth_chainId", json!([])),
        ("eth_createAccessList", json!([message, "latest"])),
        ("eth_estimateGas", json!([message])),
        ("eth_feeHistory", json!(["0x5", "latest", [10.0, 90.0]])),
        ("eth_gasPrice", json!([])),
        ("eth_getBalance", json!([sender, "latest"])),
        ("eth_getBlockByHash", json!([hash, true])),
        ("eth_getBlockByNumber", json!(["latest", false])),
        ("eth_getBlockByNumber", json!(["earliest", true])),
        ("eth_getBlockReceipts", json!(["latest"])),
        ("eth_getBlockTransactionCountByHash", json!([hash])),
        ("eth_getBlockTransactionCountByNumber", json!(["latest"])),
        ("eth_getCode", json!([LOGGER, "latest"])),
        ("eth_getFilterChanges", json!([log_filter])),
        ("eth_getFilterChanges", json!([block_filter])),
        ("eth_getFilterLogs", json!([log_filter])),
        ("eth_getLogs", json!([{ "fromBlock": "earliest" }])),
        ("eth_getProof", json!([LOGGER, ["0x0"], "latest"])),
        ("eth_getRawTransactionByHash", json!([tx])),
        ("eth_getStorageAt", json!([LOGGER, "0x0", "latest"])),
        ("eth_getTransactionByBlockHashAndIndex", json!([hash, "0x0"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["latest", "0x1"])),
        ("eth_getTransactionByHash", json!([tx])),
        ("eth_getTransactionCount", json!([sender, "pending"])),
        ("eth_getTransactionReceipt", json!([tx])),
        ("eth_getUncleByBlockHashAndIndex", json!([hash, "0x0"])),
        ("eth_getUncleByBlockNumberAndIndex", json!(["latest", "0x0"])),
        ("eth_getUncleCountByBlockHash", json!([hash])),
        ("eth_getUncleCountByBlockNumber", json!(["latest"])),
        ("eth_maxPriorityFeePerGas", json!([])),
        ("eth_newBlockFilter", json!([])),
        ("eth_newFilter", json!([{}])),
        ("eth_newPendingTransactionFilter", json!([])),
        ("eth_sendRawTransaction", json!([waiting])),
        ("eth_getTransactionByHash", json!([keccak256(&waiting)])),
        ("eth_sendRawTransactionSync", json!([included, 1000])),
        ("eth_syncing", json!([])),
        ("eth_uninstallFilter", json!([block_filter])),
        ("net_listening", json!([])),
        ("net_peerCount", json!([])),
        ("net_version", json!([])),
        ("web3_clientVersion", json!([])),
        ("web3_sha3", json!(["0x00"])),
        ("txpool_status", json!([])),
        ("txpool_content", json!([])),
        ("txpool_contentFrom", json!([sender])),
        ("txpool_inspect", json!([])),
        ("debug_getRawBlock", json!(["latest"])),
        ("debug_getRawHeader", json!(["latest"])),
        ("debug_getRawReceipts", json!(["latest"])),
        ("debug_getRawTransaction", json!([tx])),
        ("debug_traceTransaction", json!([tx, { "tracer": "prestateTracer" }])),
        ("debug_traceCall", json!([message, "latest"])),
        ("debug_traceBlockByNumber", json!(["latest", { "tracer": "callTracer" }])),
        ("debug_traceBlockByHash", json!([hash])),
        ("rpc_modules", json!([])),
        ("admin_nodeInfo", json!([])),
        ("admin_peers", json!([])),
        ("admin_drain", json!([])),
    ];
    let document = document();
    let mut asked = BTreeSet::new();
    for (method, params) in calls {
        asked.insert(method.to_owned());
        let operator = method.starts_with("debug_") || method.starts_with("admin_");
        let answer = if operator {
            node.call_ops(method, params.clone()).await
        } else {
            node.call(method, params.clone()).await
        };
        let answer = answer.unwrap_or_else(|error| panic!("{method} {params}: {error}"));
        let schema = &document["results"][method];
        if let Err(fault) = schema::check(&document, schema, &answer) {
            panic!("{method} {params}: {fault}");
        }
        match method {
            "eth_getBlockByHash" | "eth_getBlockByNumber" => round_trip::<Block>(method, &answer),
            "eth_getTransactionByHash"
            | "eth_getTransactionByBlockHashAndIndex"
            | "eth_getTransactionByBlockNumberAndIndex" => {
                round_trip::<Transaction>(method, &answer);
            }
            "eth_getTransactionReceipt" | "eth_sendRawTransactionSync" => {
                round_trip::<TransactionReceipt>(method, &answer);
            }
            "eth_getBlockReceipts" => round_trip::<Vec<TransactionReceipt>>(method, &answer),
            "eth_getLogs" | "eth_getFilterLogs" => round_trip::<Vec<Log>>(method, &answer),
            "eth_getFilterChanges" => round_trip::<FilterChanges>(method, &answer),
            "eth_feeHistory" => round_trip::<FeeHistory>(method, &answer),
            "eth_getProof" => round_trip::<EIP1186AccountProofResponse>(method, &answer),
            "eth_syncing" => round_trip::<SyncStatus>(method, &answer),
            _ => {}
        }
    }
    let described: BTreeSet<String> =
        document["results"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(asked, described, "every described method was asked");
}

#[tokio::test]
async fn an_answer_while_syncing_has_the_specified_shape() {
    let node = Node::start_evm().await;
    node.peers.send_modify(|book| {
        for id in [2, 3] {
            book.insert(crate::fixture::node_key(id).id(), crate::fixture::hello(id, "x", 90));
        }
    });
    let answer = node.call("eth_syncing", json!([])).await.unwrap();
    let document = document();
    schema::check(&document, &document["schemas"]["Syncing"], &answer).unwrap();
    assert!(answer.is_object());
}
