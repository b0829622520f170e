//! Headers, routes, metrics, peers, limits and the end.

use std::time::Duration;

use ande_peer::{PeerClient, PeerTarget, PeerTimeouts};
use ande_rpc::{HEADER_NODE, HEADER_PROPOSER, RpcLimits};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::fixture::{CHAIN, Node, hello, key, node_key, transfer};

#[tokio::test]
async fn every_answer_names_node_and_proposer() {
    let node = Node::start().await;
    let rpc = node.post("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\"}").await;
    let wrong = node.post("nonsense").await;
    let mut answers = vec![rpc, wrong];
    for path in [
        "/healthz",
        "/readyz",
        "/lbz",
        "/tx/0x12",
        "/batch/0x12",
        "/nothing",
        "/",
        "/peer/v1/hello",
        "/peer/v1/x",
    ] {
        answers.push(node.get(path).await);
    }
    answers.push(node.ops("/metrics").await);
    answers.push(node.ops("/status").await);
    for answer in answers {
        let url = answer.url().clone();
        assert_eq!(answer.headers()[HEADER_NODE], "node-1", "{url}");
        assert_eq!(answer.headers()[HEADER_PROPOSER], "node-1", "{url}");
    }
}

#[tokio::test]
async fn the_proposer_is_named_as_it_names_itself() {
    let node = Node::start().await;
    let proposer = || async {
        node.get("/healthz").await.headers()[HEADER_PROPOSER].to_str().unwrap().to_owned()
    };
    node.view.send_modify(|view| view.proposer = None);
    assert_eq!(proposer().await, "none");
    node.view.send_modify(|view| view.proposer = Some(key(2).address()));
    assert_eq!(proposer().await, key(2).address().to_string());
    node.peers.send_modify(|book| {
        book.insert(node_key(2).id(), hello(2, "node-2", 0));
    });
    assert_eq!(proposer().await, "node-2");
    for hostile in ["node 2", "a\r\nset-cookie: x", "", "\u{e9}"] {
        node.peers.send_modify(|book| {
            book.insert(node_key(2).id(), hello(2, hostile, 0));
        });
        assert_eq!(proposer().await, key(2).address().to_string(), "{hostile:?}");
    }
}

#[tokio::test]
async fn operators_routes_are_not_public() {
    let node = Node::start().await;
    for path in ["/metrics", "/status", "/admin", "/debug/pprof", "/ws", "/peer", "/peer/v1"] {
        assert_eq!(node.get(path).await.status(), 404, "{path}");
    }
    assert_eq!(node.ops("/metrics").await.status(), 200);
    assert_eq!(node.get("/").await.status(), 405, "JSON-RPC is posted");
    for path in ["/tx/0x00", "/peer/v1/hello"] {
        assert_eq!(node.ops(path).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn the_export_has_the_exact_type_and_counts_calls() {
    let node = Node::start().await;
    node.call("eth_chainId", json!([])).await.unwrap();
    node.call("eth_getBlockByNumber", json!([])).await.unwrap_err();
    node.call("debug_traceTransaction", json!([])).await.unwrap_err();
    node.call("made_up_by_a_client", json!([])).await.unwrap_err();
    let answer = node.ops("/metrics").await;
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4");
    let text = answer.text().await.unwrap();
    for line in [
        "ande_rpc_requests_total{method=\"eth_chainId\"} 1",
        "ande_rpc_errors_total{method=\"eth_getBlockByNumber\"} 1",
        "ande_rpc_requests_total{method=\"other\"} 2",
        "ande_build_info{version=\"1.2.3\",git_sha=\"abcdef\"} 1",
        "ande_chain_sync_lag_blocks 0",
        "engine_rounds_total 4",
    ] {
        assert!(text.lines().any(|have| have == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("made_up_by_a_client"), "clients must not make series");
}

#[tokio::test]
async fn browsers_may_ask() {
    let node = Node::start().await;
    let client = reqwest::Client::new();
    let preflight = client
        .request(reqwest::Method::OPTIONS, node.url())
        .header("origin", "https://wallet.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 200);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    let answer = node.get("/healthz").await;
    assert_eq!(answer.headers()["access-control-expose-headers"], "x-ande-node,x-ande-proposer");
    assert!(node.ops("/healthz").await.headers().get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn peers_are_served_on_the_public_listener() {
    let node = Node::start().await;
    let client = PeerClient::new(node_key(2), CHAIN, PeerTimeouts::default()).unwrap();
    let target = PeerTarget::new(node_key(1).id(), &node.url()).unwrap();
    assert_eq!(client.hello(&target.url, target.node_id).await.unwrap().name, "node-1");
    client.send_transactions(&target, &[transfer(11, 0)]).await.unwrap();
    let stranger = PeerClient::new(node_key(3), CHAIN, PeerTimeouts::default()).unwrap();
    stranger.send_transactions(&target, &[transfer(11, 0)]).await.unwrap_err();
    let text = node.ops("/metrics").await.text().await.unwrap();
    for line in [
        "ande_peer_requests_total{route=\"hello\",outcome=\"ok\"} 1",
        "ande_peer_requests_total{route=\"transactions\",outcome=\"ok\"} 1",
        "ande_peer_requests_total{route=\"transactions\",outcome=\"refused\"} 1",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn connections_are_counted_and_bounded() {
    let node = Node::start_with(RpcLimits { connections: 2, ..RpcLimits::default() }).await;
    let one = tokio::net::TcpStream::connect(node.rpc).await.unwrap();
    let two = tokio::net::TcpStream::connect(node.ws).await.unwrap();
    until(|| node.metrics.rpc_connections.get() == 2).await;
    let mut third = tokio::net::TcpStream::connect(node.rpc).await.unwrap();
    let _ = third.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut answer = Vec::new();
    // Closed without an answer, by an end or by a reset.
    assert!(third.read_to_end(&mut answer).await.is_err() || answer.is_empty());
    drop((one, two));
    until(|| node.metrics.rpc_connections.get() == 0).await;
    assert_eq!(node.get("/healthz").await.status(), 200);
    assert_eq!(node.ops("/healthz").await.status(), 200);
}

#[tokio::test]
async fn a_head_that_does_not_arrive_is_cut_off() {
    let limits = RpcLimits { head_timeout: Duration::from_millis(100), ..RpcLimits::default() };
    let node = Node::start_with(limits).await;
    let mut slow = tokio::net::TcpStream::connect(node.rpc).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), slow.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection stays open");
}

#[tokio::test]
async fn calls_and_requests_have_time_limits() {
    let limits = RpcLimits { call_timeout: Duration::from_secs(1), ..RpcLimits::default() };
    let node = Node::start_with(limits).await;
    *node.pool.delay.lock().unwrap() = Some(Duration::from_secs(30));
    let error = node.call("eth_sendRawTransaction", json!([transfer(11, 0)])).await.unwrap_err();
    assert_eq!((&error["code"], &error["message"]), (&json!(-32002), &json!("request timed out")));
    assert_eq!(node.call("eth_chainId", json!([])).await.unwrap(), "0x181e");

    let limits = RpcLimits { request_timeout: Duration::from_millis(100), ..RpcLimits::default() };
    let node = Node::start_with(limits).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{";
    let mut slow = tokio::net::TcpStream::connect(node.rpc).await.unwrap();
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read =
        tokio::time::timeout(Duration::from_secs(30), slow.read_to_string(&mut answer)).await;
    assert!(read.is_ok());
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_no_transaction_half_taken() {
    let node = Node::start().await;
    *node.pool.delay.lock().unwrap() = Some(Duration::from_millis(300));
    let raw = transfer(11, 0);
    let hash = alloy_primitives::keccak256(&raw);
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]});
    let impatient = reqwest::Client::new()
        .post(node.url())
        .header("content-type", "application/json")
        .body(call.to_string())
        .send();
    let impatient = tokio::spawn(impatient);
    until(|| !node.pool.order.lock().unwrap().is_empty()).await;
    impatient.abort();
    until(|| node.metrics.rpc_connections.get() == 0).await;
    until(|| node.pool.taken.lock().unwrap().contains_key(&hash)).await;
}

#[tokio::test]
async fn the_end_waits_for_open_requests_and_for_nothing_else() {
    let limits = RpcLimits { grace: Duration::from_secs(300), ..RpcLimits::default() };
    let mut node = Node::start_with(limits).await;
    *node.pool.delay.lock().unwrap() = Some(Duration::from_millis(500));
    // An idle keep-alive connection must not hold the end up.
    let idle = reqwest::Client::new();
    idle.get(format!("{}/healthz", node.url())).send().await.unwrap();
    let raw = transfer(11, 0);
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]});
    let post = reqwest::Client::new()
        .post(node.url())
        .header("content-type", "application/json")
        .body(call.to_string())
        .send();
    let in_flight = tokio::spawn(post);
    let pool = node.pool.clone();
    until(move || !pool.order.lock().unwrap().is_empty()).await;
    node.stop.cancel();
    let answer: Value = in_flight.await.unwrap().unwrap().json().await.unwrap();
    assert!(answer["result"].is_string(), "{answer}");
    tokio::time::timeout(Duration::from_secs(30), &mut node.public)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(tokio::net::TcpStream::connect(node.rpc).await.is_err());
}

/// Waits until something is so.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
