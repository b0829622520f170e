//! Health, readiness and the load balancer's question.

use std::time::{Duration, Instant};

use ande_consensus::EnginePhase;
use ande_l1::{BatchTip, L1View};
use ande_primitives::Height;
use serde_json::{Value, json};

use crate::fixture::{Node, hello, node_key};

async fn ready(node: &Node) -> (u16, u16, Value) {
    let lbz = node.get("/lbz").await.status().as_u16();
    let response = node.get("/readyz").await;
    (response.status().as_u16(), lbz, response.json().await.unwrap())
}

#[tokio::test]
async fn a_healthy_node_is_ready_on_both_listeners() {
    let node = Node::start().await;
    for path in ["/healthz", "/livez", "/readyz", "/lbz"] {
        assert_eq!(node.get(path).await.status(), 200, "{path}");
        assert_eq!(node.ops(path).await.status(), 200, "{path}");
    }
    let (_, _, body) = ready(&node).await;
    assert_eq!(body["ready"], true);
    assert_eq!(body["checks"]["db"], true);
    assert_eq!(body["warnings"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn operators_get_a_page_that_loads_nothing_from_elsewhere() {
    let node = Node::start().await;
    for (path, kind) in
        [("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")]
    {
        let answer = node.ops(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-type").starts_with(kind), "{path}");
        assert!(header("content-security-policy").starts_with("default-src 'none'; "), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-frame-options"), "DENY");
        let text = answer.text().await.unwrap();
        assert!(!text.contains("://") && !text.contains("innerHTML"), "{path}");
    }
    // JSON-RPC stays at the same path, and the public listeners have no page.
    assert_eq!(node.call_ops("ande_status", json!([])).await.unwrap()["mode"], "contract");
    for path in ["/page.js", "/page.css"] {
        assert_eq!(node.get(path).await.status(), 404, "{path}");
    }
    let public = node.get("/").await;
    assert_eq!(public.status(), 405);
    assert!(!public.text().await.unwrap().contains("<html"));
}

#[tokio::test]
async fn the_engine_decides_too() {
    let node = Node::start().await;
    let cases = [
        (EnginePhase::Starting, 503),
        (EnginePhase::Halted("disk full".into()), 503),
        (EnginePhase::WaitingForSet, 200),
        (EnginePhase::Deciding, 200),
    ];
    for (phase, expected) in cases {
        node.view.send_modify(|view| view.phase = phase.clone());
        let (readyz, lbz, body) = ready(&node).await;
        assert_eq!((readyz, lbz), (expected, expected), "{phase:?}: {body}");
        assert_eq!(node.get("/healthz").await.status(), 200, "alive in any phase");
    }
}

#[tokio::test]
async fn a_node_behind_is_not_ready_but_one_liar_does_not_make_it_so() {
    let node = Node::start().await;
    node.peers.send_modify(|book| {
        book.insert(node_key(2).id(), hello(2, "liar", u64::MAX));
        // Not a validator: counts for nothing.
        book.insert(node_key(9).id(), hello(9, "stranger", u64::MAX));
    });
    assert_eq!(ready(&node).await.0, 200);
    node.peers.send_modify(|book| {
        book.insert(node_key(3).id(), hello(3, "honest", 11));
    });
    let (readyz, lbz, body) = ready(&node).await;
    assert_eq!((readyz, lbz, &body["lag_blocks"]), (503, 503, &Value::from(11)));
    node.peers.send_modify(|book| {
        book.insert(node_key(3).id(), hello(3, "honest", 10));
    });
    assert_eq!(ready(&node).await.0, 200, "ten blocks behind is allowed");
    // The settlement chain does not lie.
    node.l1.send_modify(|l1| {
        l1.tip = Some(BatchTip { index: 4, end_height: Height(500), ..BatchTip::default() });
    });
    assert_eq!(ready(&node).await.2["lag_blocks"], 500);
}

#[tokio::test]
async fn an_unreachable_settlement_chain_is_a_warning() {
    let node = Node::start().await;
    let long_ago = Instant::now().checked_sub(Duration::from_secs(61)).unwrap();
    for l1 in [
        L1View::default(),
        L1View { last_ok: Some(long_ago), error: Some("refused".into()), ..L1View::default() },
    ] {
        node.l1.send_replace(l1);
        let (readyz, lbz, body) = ready(&node).await;
        assert_eq!((readyz, lbz), (200, 200));
        assert_eq!(body["checks"]["l1"], false);
        assert_eq!(body["warnings"].as_array().unwrap().len(), 1, "{body}");
    }
}

#[tokio::test]
async fn a_draining_node_leaves_the_load_balancer_and_goes_on_answering() {
    let node = Node::start().await;
    assert!(node.get("/healthz").await.headers().get("connection").is_none());
    assert_eq!(node.call_ops("admin_drain", json!([])).await.unwrap(), true);
    let (readyz, lbz, body) = ready(&node).await;
    assert_eq!((readyz, lbz, &body["checks"]["draining"]), (503, 404, &Value::from(true)));
    let answer = node.post("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\"}").await;
    assert_eq!(answer.headers()["connection"], "close");
    assert_eq!(answer.json::<Value>().await.unwrap()["result"], "0x181e");
    let metrics = node.ops("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("\nande_node_draining 1\n"));
}

#[tokio::test]
async fn a_closed_database_is_not_ready() {
    let node = Node::start().await;
    node.store.close().await;
    let (readyz, lbz, body) = ready(&node).await;
    assert_eq!((readyz, lbz, &body["checks"]["db"]), (503, 503, &Value::from(false)));
    let error =
        node.call("eth_getTransactionByHash", serde_json::json!([alloy_primitives::B256::ZERO]));
    let error = error.await.unwrap_err();
    assert_eq!(error["code"], -32603);
    assert_eq!(error["message"], "the node's database cannot be read");
}
