//! Bodies that no honest client sends.

use std::time::Duration;

use ande_rpc::RpcLimits;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::{
    fixture::{Node, transfer},
    http::until,
};

/// Longer than any test: calls that take it stay where they are.
const FOR_EVER: Duration = Duration::from_secs(3600);

fn call(id: u64, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

#[tokio::test]
async fn without_a_place_whole_requests_are_refused_with_429() {
    let limits = RpcLimits { calls_waiting: 2, call_timeout: FOR_EVER, ..RpcLimits::default() };
    let node = Node::start_with(limits).await;
    *node.pool.delay.lock().unwrap() = Some(FOR_EVER);
    let slow = |nonce| {
        let body = call(1, "eth_sendRawTransaction", json!([transfer(11, nonce)])).to_string();
        let request = reqwest::Client::new().post(node.url());
        let request = request.header("content-type", "application/json").body(body);
        tokio::spawn(request.send())
    };
    let waiting = [slow(0), slow(1)];
    until(|| node.pool.order.lock().unwrap().len() == 2).await;
    let refused = node.post(call(7, "eth_chainId", json!([])).to_string()).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    let answer: Value = refused.json().await.unwrap();
    assert_eq!(answer["error"]["code"], -32005, "{answer}");
    assert_eq!(answer["error"]["message"], "too many requests at the same time");
    // What the load balancer asks is not a call.
    assert_eq!(node.get("/healthz").await.status(), 200);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    let free = async || node.call("eth_chainId", json!([])).await.is_ok();
    tokio::time::timeout(Duration::from_secs(60), async {
        while !free().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("clients that went away still have their places");
}

#[tokio::test]
async fn one_socket_cannot_take_the_places_of_all() {
    let limits = RpcLimits { calls_per_socket: 2, call_timeout: FOR_EVER, ..RpcLimits::default() };
    let node = Node::start_with(limits).await;
    *node.pool.delay.lock().unwrap() = Some(FOR_EVER);
    let open = async || connect_async(format!("ws://{}", node.ws)).await.unwrap().0;
    let (mut greedy, mut honest) = (open().await, open().await);
    for id in 0..2 {
        let slow = call(id, "eth_sendRawTransaction", json!([transfer(11, id)]));
        greedy.send(Message::text(slow.to_string())).await.unwrap();
    }
    until(|| node.pool.order.lock().unwrap().len() == 2).await;
    for (socket, expected) in [(&mut greedy, json!(-32005)), (&mut honest, Value::Null)] {
        let quick = call(9, "eth_chainId", json!([]));
        socket.send(Message::text(quick.to_string())).await.unwrap();
        // Pings come in between.
        let answer: Value = loop {
            if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                break serde_json::from_str(&text).unwrap();
            }
        };
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(9), &expected), "{answer}");
    }
}

#[tokio::test]
async fn unknown_methods_are_not_found() {
    let node = Node::start().await;
    for method in
        ["eth_call", "debug_traceTransaction", "anvil_nodeInfo", "admin_peers", "", "eth_chainid"]
    {
        let error = node.call(method, json!([])).await.unwrap_err();
        assert_eq!(error["code"], -32601, "{method}");
        let expected = format!("the method {method} does not exist/is not available");
        assert_eq!(error["message"], expected);
    }
}

#[tokio::test]
async fn malformed_bodies_are_answered_as_the_protocol_says() {
    let node = Node::start().await;
    let mut deep = "[".repeat(100_000);
    deep.push_str(&"]".repeat(100_000));
    let cases: Vec<(Vec<u8>, i64)> = vec![
        (b"".to_vec(), -32700),
        (b"{".to_vec(), -32700),
        (b"nonsense".to_vec(), -32700),
        (vec![0xff, 0xfe, 0x00], -32700),
        // A batch of one thing that is no call.
        (deep.into_bytes(), -32600),
        (b"{}".to_vec(), -32600),
        (b"5".to_vec(), -32600),
        (b"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"eth_chainId\"}".to_vec(), -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}".to_vec(), -32600),
        (b"[]".to_vec(), -32600),
    ];
    for (body, code) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = node.post(body).await;
        let text = answer.text().await.unwrap();
        let answer: Value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{shown}: {text}"));
        let answer = answer.get(0).unwrap_or(&answer);
        let got = answer["error"]["code"].as_i64().unwrap();
        // JSON that is no request may be called either.
        assert!(got == code || (code == -32600 && got == -32700), "{shown}: {answer}");
    }
    assert_eq!(node.call("eth_chainId", json!([])).await.unwrap(), "0x181e");
}

#[tokio::test]
async fn wrong_types_and_sizes_are_refused_by_http() {
    let node = Node::start_with(RpcLimits { body_bytes: 1000, ..RpcLimits::default() }).await;
    let call = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\"}";
    let plain = reqwest::Client::new().post(node.url()).body(call).send().await.unwrap();
    assert_eq!(plain.status(), 415);
    assert_eq!(node.get("/").await.status(), 405);
    let put = reqwest::Client::new().put(node.url()).body(call).send().await.unwrap();
    assert_eq!(put.status(), 405);
    let large = node.post(" ".repeat(1001)).await;
    assert_eq!(large.status(), 413);
    let delete =
        reqwest::Client::new().delete(format!("{}/tx/0x00", node.url())).send().await.unwrap();
    assert_eq!(delete.status(), 405);
}

#[tokio::test]
async fn batches_keep_their_order_and_their_limits() {
    let node = Node::start_with(RpcLimits { batch_calls: 70, ..RpcLimits::default() }).await;
    let mut batch: Vec<Value> = vec![
        call(0, "eth_chainId", json!([])),
        call(1, "debug_secret", json!([])),
        json!({"jsonrpc": "2.0", "method": "eth_chainId"}),
        json!(5),
    ];
    let txs: Vec<_> = (0..60).map(|nonce| transfer(11, nonce)).collect();
    for (index, raw) in txs.iter().enumerate() {
        batch.push(call(index as u64 + 4, "eth_sendRawTransaction", json!([raw])));
    }
    let answers: Vec<Value> = node.post(json!(batch).to_string()).await.json().await.unwrap();
    assert_eq!(answers.len(), 63, "a notification has no answer");
    assert_eq!(answers[0]["result"], "0x181e");
    assert_eq!(answers[1]["error"]["code"], -32601, "also inside a batch");
    assert_eq!(answers[2]["error"]["code"], -32600);
    for (index, raw) in txs.iter().enumerate() {
        let hash = alloy_primitives::keccak256(raw);
        assert_eq!(answers[index + 3]["id"], index as u64 + 4);
        assert_eq!(answers[index + 3]["result"], json!(hash));
        assert_eq!(node.pool.order.lock().unwrap()[index], hash, "started in order");
    }
    let many: Vec<Value> = (0..71).map(|id| call(id, "eth_chainId", json!([]))).collect();
    let answer: Value = node.post(json!(many).to_string()).await.json().await.unwrap();
    assert_eq!(answer["error"]["code"], -32010, "{answer}");
    let notifications = json!([{"jsonrpc": "2.0", "method": "eth_chainId"}]);
    let answer = node.post(notifications.to_string()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "null", "acknowledged without an answer");
}

#[tokio::test]
async fn answers_have_a_limit_too() {
    let mut node = Node::start_with(RpcLimits { answer_bytes: 2000, ..RpcLimits::default() }).await;
    node.block((0..40).map(|nonce| transfer(11, nonce)).collect()).await;
    let error = node.call("eth_getBlockByNumber", json!(["latest", true])).await.unwrap_err();
    assert_eq!(error["code"], -32008);
    let batch: Vec<Value> = (0..50)
        .map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "web3_clientVersion"}))
        .collect();
    let answer: Value = node.post(json!(batch).to_string()).await.json().await.unwrap();
    assert_eq!(answer["error"]["code"], -32011, "{answer}");
}
