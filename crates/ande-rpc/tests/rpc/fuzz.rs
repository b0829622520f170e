//! Random parameters: every answer is a result or an error of JSON-RPC, and the node lives on.

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::fixture::{LOGGER, Node, log, wallet};

/// Calls for every method.
const ROUNDS: usize = 40;

const METHODS: [&str; 48] = [
    "eth_getBalance",
    "eth_getTransactionCount",
    "eth_getCode",
    "eth_getStorageAt",
    "eth_getProof",
    "eth_call",
    "eth_estimateGas",
    "eth_createAccessList",
    "eth_feeHistory",
    "eth_getBlockByNumber",
    "eth_getBlockByHash",
    "eth_getBlockReceipts",
    "eth_getTransactionReceipt",
    "eth_getTransactionByHash",
    "eth_getRawTransactionByHash",
    "eth_getTransactionByBlockHashAndIndex",
    "eth_getTransactionByBlockNumberAndIndex",
    "eth_getBlockTransactionCountByHash",
    "eth_getBlockTransactionCountByNumber",
    "eth_getUncleCountByBlockHash",
    "eth_getUncleByBlockNumberAndIndex",
    "eth_getLogs",
    "eth_newFilter",
    "eth_newBlockFilter",
    "eth_newPendingTransactionFilter",
    "eth_getFilterChanges",
    "eth_getFilterLogs",
    "eth_uninstallFilter",
    "eth_sendRawTransaction",
    "eth_subscribe",
    "eth_unsubscribe",
    "web3_sha3",
    "txpool_contentFrom",
    "ande_getCertificate",
    "ande_getValidators",
    "ande_getSchedule",
    "ande_getBatch",
    "ande_getBatches",
    "ande_getTransactionProof",
    "debug_traceTransaction",
    "debug_traceCall",
    "debug_traceBlockByNumber",
    "debug_traceBlockByHash",
    "debug_getRawTransaction",
    "debug_getRawHeader",
    "debug_getRawBlock",
    "debug_getRawReceipts",
    "eth_chainId",
];

/// Values that a careless reader might take for something else.
fn leaf() -> BoxedStrategy<Value> {
    let words = [
        "latest",
        "pending",
        "safe",
        "finalized",
        "earliest",
        "",
        "0x",
        "0x0",
        "0x1",
        "0x01",
        "0x2",
        "-0x1",
        "0xffffffffffffffff",
        "0x10000000000000000",
        "1",
        "logs",
        "newHeads",
        "\u{0}",
        "ü",
        "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "callTracer",
        "{}",
    ];
    prop_oneof![
        4 => proptest::sample::select(words.to_vec()).prop_map(|word| json!(word)),
        1 => Just(json!(LOGGER)),
        1 => Just(json!(wallet(11).address())),
        1 => Just(json!(alloy_primitives::keccak256(log(11, 0, 1)))),
        1 => any::<i64>().prop_map(|number| json!(number)),
        1 => any::<u64>().prop_map(|number| json!(format!("{number:#x}"))),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => Just(Value::Null),
        1 => ".{0,40}".prop_map(Value::String),
        1 => "0x[0-9a-f]{0,140}".prop_map(Value::String),
    ]
    .boxed()
}

fn value() -> BoxedStrategy<Value> {
    let names = [
        "from",
        "to",
        "gas",
        "gasPrice",
        "value",
        "data",
        "input",
        "nonce",
        "type",
        "accessList",
        "maxFeePerGas",
        "fromBlock",
        "toBlock",
        "address",
        "topics",
        "blockHash",
        "blockNumber",
        "requireCanonical",
        "tracer",
        "tracerConfig",
        "timeout",
        "stateOverrides",
        "balance",
        "code",
        "state",
        "stateDiff",
        "number",
        "time",
        "limit",
        "chainId",
        "blobVersionedHashes",
        "0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
    ];
    leaf()
        .prop_recursive(3, 24, 6, move |inner| {
            let name = proptest::sample::select(names.to_vec());
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                proptest::collection::vec((name, inner), 0..6).prop_map(|members| {
                    Value::Object(
                        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                    )
                }),
            ]
        })
        .boxed()
}

#[tokio::test]
async fn random_parameters_are_answered() {
    let mut node = Node::start_evm().await;
    node.block(vec![log(11, 0, 1)]).await;
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), seed);
    let params = proptest::collection::vec(value(), 0..5);
    for method in METHODS {
        // In batches: what matters is the parameters, not the requests.
        let batch: Vec<Value> = (0..ROUNDS)
            .map(|id| {
                let params = params.new_tree(&mut runner).unwrap().current();
                json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
            })
            .collect();
        let body = json!(batch).to_string();
        let address = if method.starts_with("debug_") { node.ops } else { node.rpc };
        let answers: Vec<Value> = node.post_to(address, body).await.json().await.unwrap();
        assert_eq!(answers.len(), ROUNDS, "{method}");
        for (call, answer) in batch.iter().zip(&answers) {
            let Some(error) = answer.get("error") else {
                assert!(answer.get("result").is_some(), "{call}: {answer}");
                continue;
            };
            let code = error["code"].as_i64().unwrap();
            let known = [-32602, -32601, -32000, -32002, -32005, 3, 4];
            assert!(known.contains(&code), "{call}: {answer}");
        }
    }
    assert_eq!(node.call("eth_blockNumber", json!([])).await.unwrap(), "0x1");
}

#[tokio::test]
async fn wrong_types_are_invalid_parameters() {
    let node = Node::start_evm().await;
    let address = json!(LOGGER);
    for (method, params) in [
        ("eth_getBalance", json!([])),
        ("eth_getBalance", json!(["0x1"])),
        ("eth_getBalance", json!([address, 1])),
        ("eth_getBalance", json!([address, "newest"])),
        ("eth_getBalance", json!([address, {}])),
        ("eth_getBalance", json!([address, "latest", 1])),
        ("eth_getBalance", json!({ "address": address })),
        ("eth_getStorageAt", json!([address, {}, "latest"])),
        ("eth_getProof", json!([address, "0x0", "latest"])),
        ("eth_call", json!([])),
        ("eth_call", json!(["0x", "latest"])),
        ("eth_call", json!([{ "to": "0x1" }, "latest"])),
        ("eth_call", json!([{ "to": address }, "latest", { "0x1": {} }])),
        ("eth_call", json!([{ "to": address }, "latest", {}, []])),
        ("eth_estimateGas", json!([{ "gas": "many" }])),
        ("eth_feeHistory", json!([])),
        ("eth_feeHistory", json!(["many", "latest"])),
        ("eth_feeHistory", json!(["0x1", "latest", ["a"]])),
        ("eth_getLogs", json!([])),
        ("eth_getLogs", json!([[]])),
        ("eth_getLogs", json!([{ "address": 1 }])),
        ("eth_getTransactionReceipt", json!(["0x1"])),
        ("eth_getBlockReceipts", json!([true])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["latest"])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["latest", "x"])),
        ("eth_getUncleByBlockHashAndIndex", json!(["latest", "0x0"])),
        ("eth_getFilterChanges", json!([{}])),
        ("eth_sendRawTransactionSync", json!(["0x", {}])),
        ("web3_sha3", json!(["zz"])),
        ("txpool_contentFrom", json!([])),
        ("eth_chainId", json!([1])),
    ] {
        let error = node.call(method, params.clone()).await.unwrap_err();
        assert_eq!(error["code"], -32602, "{method} {params}: {error}");
    }
}
