//! Random parameters: every answer is a result or an error of JSON-RPC, and the node lives on.

use ande_rpc::{ERROR_CODES, RpcApis, RpcLimits};
use proptest::{
    prelude::*,
    sample::Index,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::fixture::{LOGGER, Node, log, wallet};

/// Calls in a batch.
const BATCH: u32 = 40;

/// How often each thing is tried; `PROPTEST_CASES` asks for more.
fn cases(default: u32) -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    asked.unwrap_or(default).max(default)
}

/// The same values in every run.
fn runner() -> TestRunner {
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    TestRunner::new_with_rng(Config::default(), seed)
}

const METHODS: [&str; 49] = [
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
    "ande_forcedTransaction",
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
    let mut runner = runner();
    let params = proptest::collection::vec(value(), 0..5);
    let methods =
        METHODS.iter().flat_map(|method| (0..cases(BATCH).div_ceil(BATCH)).map(|_| *method));
    for method in methods {
        // In batches: what matters is the parameters, not the requests.
        let batch: Vec<Value> = (0..BATCH)
            .map(|id| {
                let params = params.new_tree(&mut runner).unwrap().current();
                json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
            })
            .collect();
        let body = json!(batch).to_string();
        let address = if method.starts_with("debug_") { node.ops } else { node.rpc };
        let answers: Vec<Value> = node.post_to(address, body).await.json().await.unwrap();
        assert_eq!(answers.len(), BATCH as usize, "{method}");
        for (call, answer) in batch.iter().zip(&answers) {
            let Some(error) = answer.get("error") else {
                assert!(answer.get("result").is_some(), "{call}: {answer}");
                continue;
            };
            let code = error["code"].as_i64().unwrap();
            let is_known = ERROR_CODES.iter().any(|known| i64::from(known.code) == code);
            assert!(is_known && code != -32603, "{call}: {answer}");
        }
    }
    assert_eq!(node.call("eth_blockNumber", json!([])).await.unwrap(), "0x1");
}

/// What happens to a body on its way.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Cut(Index, u8),
    Repeat(Index, u8),
    Insert(Index, Vec<u8>),
}

impl Change {
    fn apply(&self, body: &mut Vec<u8>) {
        if body.is_empty() {
            return;
        }
        let piece = |at: usize, length: u8| at..(at + usize::from(length)).min(body.len());
        match self {
            Self::Flip(at, with) => {
                let at = at.index(body.len());
                body[at] ^= with;
            }
            Self::Cut(at, length) => drop(body.drain(piece(at.index(body.len()), *length))),
            Self::Repeat(at, length) => {
                let piece = piece(at.index(body.len()), *length);
                let (end, again) = (piece.end, body[piece].to_vec());
                body.splice(end..end, again);
            }
            Self::Insert(at, bytes) => {
                let at = at.index(body.len());
                body.splice(at..at, bytes.iter().copied());
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let telling = proptest::sample::select(vec![
        &b"\""[..],
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\\",
        b"\\u0000",
        b"\xff",
        b"\0",
        b"1e999",
        b"-0",
        b"null",
        b"99999999999999999999",
        b"\"jsonrpc\":\"2.0\",",
        b"/*",
        b"\xef\xbb\xbf",
    ]);
    prop_oneof![
        (any::<Index>(), 1u8..).prop_map(|(at, with)| Change::Flip(at, with)),
        (any::<Index>(), 1u8..).prop_map(|(at, length)| Change::Cut(at, length)),
        (any::<Index>(), 1u8..).prop_map(|(at, length)| Change::Repeat(at, length)),
        (any::<Index>(), telling).prop_map(|(at, bytes)| Change::Insert(at, bytes.to_vec())),
    ]
}

#[tokio::test]
async fn damaged_bodies_are_answered_within_the_limits() {
    const LARGEST: u32 = 20_000;
    let limits = RpcLimits { body_bytes: 10_000, answer_bytes: LARGEST, ..RpcLimits::default() };
    let mut node = Node::start_evm_with(limits, RpcApis::default()).await;
    node.block((0..20).map(|nonce| log(11, nonce, 1)).collect()).await;
    let call = |method: &str, params: Value| json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let (block, proof) = (json!(["latest", true]), json!([LOGGER, ["0x1", "0x2"], "latest"]));
    let logs =
        json!([{ "fromBlock": "0x0", "toBlock": "latest", "address": [LOGGER], "topics": [] }]);
    let bodies = [
        call("eth_getBlockByNumber", block.clone()),
        call("eth_getProof", proof.clone()),
        call("eth_getLogs", logs.clone()),
        call("eth_sendRawTransaction", json!([log(11, 20, 1)])),
        call("eth_call", json!([{ "to": LOGGER, "data": "0x01" }, "latest"])),
        json!([
            call("eth_getProof", proof),
            call("eth_getLogs", logs),
            call("eth_getBlockByNumber", block)
        ]),
        json!((0..60).map(|_| call("eth_chainId", json!([]))).collect::<Vec<_>>()),
    ];
    let (mut runner, changes) = (runner(), proptest::collection::vec(change(), 1..6));
    for body in &bodies {
        for _ in 0..cases(BATCH) {
            let mut damaged = body.to_string().into_bytes();
            for change in changes.new_tree(&mut runner).unwrap().current() {
                change.apply(&mut damaged);
            }
            let shown = String::from_utf8_lossy(&damaged).into_owned();
            let answer = node.post(damaged).await;
            let status = answer.status().as_u16();
            assert!([200, 400, 413].contains(&status), "{status}: {shown}");
            let answer = answer.bytes().await.unwrap();
            assert!(answer.len() <= LARGEST as usize, "{} bytes: {shown}", answer.len());
            if status == 200 {
                serde_json::from_slice::<Value>(&answer).unwrap_or_else(|_| panic!("{shown}"));
            }
        }
    }
    assert_eq!(node.call("eth_blockNumber", json!([])).await.unwrap(), "0x1");
}

#[tokio::test]
async fn proofs_of_any_keys_are_bounded_and_never_fail_inside() {
    let mut node = Node::start_evm().await;
    node.block(vec![log(11, 0, 1)]).await;
    let key = prop_oneof![
        6 => "0x[0-9a-f]{0,64}".prop_map(Value::String),
        1 => "0x[0-9a-f]{65,70}".prop_map(Value::String),
        1 => any::<u64>().prop_map(|number| json!(number)),
        1 => leaf(),
    ];
    let keys = prop_oneof![
        9 => proptest::collection::vec(key, 0..8),
        1 => (1020usize..1030).prop_map(|count| vec![json!("0x0"); count]),
    ];
    let mut runner = runner();
    for _ in 0..cases(BATCH) {
        let keys = keys.new_tree(&mut runner).unwrap().current();
        let count = keys.len();
        match node.call("eth_getProof", json!([LOGGER, keys, "latest"])).await {
            Ok(proof) => {
                assert!(count <= 1024, "{count} keys");
                assert_eq!(proof["storageProof"].as_array().unwrap().len(), count);
            }
            Err(error) => assert_eq!(error["code"], -32602, "{error}"),
        }
    }
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
