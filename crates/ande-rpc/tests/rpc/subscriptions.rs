//! `eth_subscribe` with a real WebSocket client.

use std::time::Duration;

use alloy::rpc::types::{Header, Log};
use alloy_primitives::{B256, Bytes, TxKind, keccak256};
use ande_rpc::{RpcApis, RpcLimits};
use ande_telemetry::{SubscriptionEndLabels, TopicLabels};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::{
    fixture::{LOGGER, Node, hello, invoke, log, node_key, transfer},
    http::until,
    schema,
};

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn open(node: &Node) -> Self {
        Self(connect_async(format!("ws://{}", node.ws)).await.unwrap().0)
    }

    async fn send(&mut self, call: Value) {
        self.0.send(Message::text(call.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        let deadline = Duration::from_secs(10);
        loop {
            let message = tokio::time::timeout(deadline, self.0.next()).await.unwrap();
            if let Message::Text(text) = message.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.send(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).await;
        self.next().await
    }

    async fn subscribe(&mut self, params: Value) -> String {
        let answer = self.call("eth_subscribe", params).await;
        answer["result"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The next notification, which is for this subscription.
    async fn told(&mut self, id: &str) -> Value {
        let message = self.next().await;
        assert_eq!(message["method"], "eth_subscription", "{message}");
        assert_eq!(message["params"]["subscription"], id, "{message}");
        message["params"]["result"].clone()
    }
}

#[tokio::test]
async fn heads_and_logs_are_pushed_in_order() {
    let mut node = Node::start_evm().await;
    let mut heads = Client::open(&node).await;
    let mut logs = Client::open(&node).await;
    let head_id = heads.subscribe(json!(["newHeads"])).await;
    assert!(head_id.starts_with("0x") && head_id.len() > 20, "{head_id}");
    let filter = json!(["logs", { "address": LOGGER, "topics": [B256::repeat_byte(2)] }]);
    let log_id = logs.subscribe(filter).await;
    for nonce in 0..3 {
        node.block(vec![log(11, nonce, 1), log(12, nonce, 2)]).await;
    }
    let document: Value = serde_json::from_str(include_str!("schemas.json")).unwrap();
    for number in 1..=3u64 {
        let head = heads.told(&head_id).await;
        schema::check(&document, &document["schemas"]["Header"], &head).unwrap();
        let head: Header = serde_json::from_value(head).unwrap();
        let commit = &node.commits[number as usize - 1];
        assert_eq!((head.number, head.hash), (number, commit.block.header.execution_hash));
        let found = logs.told(&log_id).await;
        schema::check(&document, &document["schemas"]["Log"], &found).unwrap();
        let found: Log = serde_json::from_value(found).unwrap();
        assert_eq!((found.block_number, found.log_index), (Some(number), Some(1)));
        assert!(!found.removed);
    }
    // What a subscriber is told of can be asked for at once.
    assert_eq!(heads.call("eth_blockNumber", json!([])).await["result"], "0x3");
    assert_eq!(heads.call("eth_unsubscribe", json!([head_id])).await["result"], true);
    assert_eq!(heads.call("eth_unsubscribe", json!([head_id])).await["result"], false);
    node.block(vec![]).await;
    assert_eq!(
        heads.call("eth_blockNumber", json!([])).await["result"],
        "0x4",
        "nothing else came"
    );
}

#[tokio::test]
async fn pending_transactions_are_pushed_only_when_allowed() {
    let node = Node::start_evm().await;
    let mut client = Client::open(&node).await;
    let refused = client.call("eth_subscribe", json!(["newPendingTransactions"])).await;
    assert_eq!(refused["error"]["code"], -32601);
    let apis = RpcApis { pending_transactions: true, ..RpcApis::default() };
    let node = Node::start_evm_with(RpcLimits::default(), apis).await;
    let (mut hashes, mut full) = (Client::open(&node).await, Client::open(&node).await);
    let hash_id = hashes.subscribe(json!(["newPendingTransactions"])).await;
    let full_id = full.subscribe(json!(["newPendingTransactions", true])).await;
    let raw = transfer(11, 0);
    node.call("eth_sendRawTransaction", json!([raw])).await.unwrap();
    assert_eq!(hashes.told(&hash_id).await, json!(keccak256(&raw)));
    assert_eq!(full.told(&full_id).await["hash"], json!(keccak256(&raw)));
}

async fn watched_by(client: &mut Client, full: bool) -> TopicLabels {
    client.subscribe(json!(["newPendingTransactions", full])).await;
    TopicLabels::new("newPendingTransactions")
}

#[tokio::test]
async fn subscriptions_and_what_they_push_are_counted() {
    let mut node = Node::start_evm().await;
    let heads = TopicLabels::new("newHeads");
    let mut client = Client::open(&node).await;
    let first = client.subscribe(json!(["newHeads"])).await;
    client.subscribe(json!(["newHeads"])).await;
    until(|| node.metrics.rpc_subscriptions.get(&heads) == 2).await;
    node.block(vec![]).await;
    client.next().await;
    client.next().await;
    until(|| node.metrics.rpc_notifications.get(&heads) == 2).await;
    client.call("eth_unsubscribe", json!([first])).await;
    until(|| node.metrics.rpc_subscriptions.get(&heads) == 1).await;
    drop(client);
    until(|| node.metrics.rpc_subscriptions.get(&heads) == 0).await;
    let ended = &node.metrics.rpc_subscriptions_ended;
    assert_eq!(ended.get(&SubscriptionEndLabels::new("slow")), 0);
}

#[tokio::test]
async fn clients_that_do_not_keep_up_lose_their_subscription() {
    let limits = RpcLimits {
        socket_queue: 1,
        slow_client: Duration::from_millis(20),
        ..RpcLimits::default()
    };
    let apis = RpcApis { pending_transactions: true, ..RpcApis::default() };
    let node = Node::start_evm_with(limits, apis).await;
    let ended =
        |reason| node.metrics.rpc_subscriptions_ended.get(&SubscriptionEndLabels::new(reason));

    // One that reads nothing: its socket fills, then its queue.
    let mut deaf = Client::open(&node).await;
    let topic = watched_by(&mut deaf, true).await;
    for nonce in 0.. {
        let told = node.metrics.rpc_notifications.get(&topic);
        let large = Bytes::from(vec![7; 120_000]);
        let raw = invoke(11, nonce, TxKind::Call(LOGGER), large, 1);
        node.call("eth_sendRawTransaction", json!([raw])).await.unwrap();
        until(|| node.metrics.rpc_notifications.get(&topic) > told || ended("slow") == 1).await;
        if ended("slow") == 1 {
            break;
        }
    }
    until(|| node.metrics.rpc_subscriptions.get(&topic) == 0).await;

    // One that is told more at once than the node remembers for it.
    let mut late = Client::open(&node).await;
    let topic = watched_by(&mut late, false).await;
    for _ in 0..100 {
        node.pool.arrivals.send(B256::ZERO).unwrap();
    }
    until(|| ended("lagging") == 1).await;
    until(|| node.metrics.rpc_subscriptions.get(&topic) == 0).await;
    assert_eq!(ended("slow"), 1);
}

#[tokio::test]
async fn the_state_of_syncing_is_told_at_once_and_when_it_changes() {
    let node = Node::start_evm().await;
    let mut client = Client::open(&node).await;
    let id = client.subscribe(json!(["syncing"])).await;
    assert_eq!(client.told(&id).await, false);
    node.peers.send_modify(|book| {
        for peer in [2, 3] {
            book.insert(node_key(peer).id(), hello(peer, "x", 90));
        }
    });
    let behind = client.told(&id).await;
    assert_eq!((&behind["syncing"], &behind["highestBlock"]), (&json!(true), &json!("0x5a")));
}

#[tokio::test]
async fn wrong_subscriptions_are_refused() {
    let node = Node::start_evm_with(
        RpcLimits { subscriptions: 2, ..RpcLimits::default() },
        RpcApis::default(),
    )
    .await;
    let mut client = Client::open(&node).await;
    for (params, code) in [
        (json!([]), -32602),
        (json!([1]), -32602),
        (json!(["logs", { "address": 1 }]), -32602),
        (json!(["newHeads", 1, 2]), -32602),
        (json!(["newPendingTransactions", "yes"]), -32602),
        (json!(["novelties"]), -32601),
    ] {
        let answer = client.call("eth_subscribe", params.clone()).await;
        assert_eq!(answer["error"]["code"], code, "{params}: {answer}");
    }
    client.subscribe(json!(["newHeads"])).await;
    client.subscribe(json!(["logs", null])).await;
    let third = client.call("eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(third["error"]["code"], -32006, "{third}");
    // Neither over HTTP nor in a batch can there be notifications.
    let error = node.call("eth_subscribe", json!(["newHeads"])).await.unwrap_err();
    let expected = (&json!(-32601), &json!("notifications not supported"));
    assert_eq!((&error["code"], &error["message"]), expected);
    let mut client = Client::open(&node).await;
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]});
    client.send(json!([call])).await;
    let answer = client.next().await;
    assert_eq!((&answer[0]["error"]["code"], &answer[0]["error"]["message"]), expected);
    // Without an executor there are no logs.
    let node = Node::start().await;
    let mut client = Client::open(&node).await;
    client.subscribe(json!(["newHeads"])).await;
    assert_eq!(client.call("eth_subscribe", json!(["logs"])).await["error"]["code"], -32601);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_left_behind() {
    let limits = RpcLimits {
        socket_queue: 2,
        slow_client: Duration::from_millis(100),
        ..RpcLimits::default()
    };
    let apis = RpcApis { pending_transactions: true, ..RpcApis::default() };
    let mut node = Node::start_evm_with(limits, apis).await;
    let mut slow = Client::open(&node).await;
    slow.subscribe(json!(["newPendingTransactions", true])).await;
    assert_eq!(node.pool.arrivals.receiver_count(), 1);
    // Notifications fill the sockets and then the queue; the others go on.
    let raw = crate::fixture::invoke(
        11,
        0,
        alloy_primitives::TxKind::Call(LOGGER),
        vec![7; 100_000].into(),
        1,
    );
    node.call("eth_sendRawTransaction", json!([raw])).await.unwrap();
    let arrivals = node.pool.arrivals.clone();
    let flood = tokio::spawn(async move {
        while arrivals.send(keccak256(&raw)).is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let arrivals = node.pool.arrivals.clone();
    until(move || arrivals.receiver_count() == 0).await;
    flood.await.unwrap();
    let mut fast = Client::open(&node).await;
    let id = fast.subscribe(json!(["newHeads"])).await;
    node.block(vec![]).await;
    assert_eq!(fast.told(&id).await["number"], "0x1");
}

#[tokio::test]
async fn subscriptions_end_with_their_connection_and_with_the_node() {
    let apis = RpcApis { pending_transactions: true, ..RpcApis::default() };
    let node = Node::start_evm_with(RpcLimits::default(), apis).await;
    let mut client = Client::open(&node).await;
    client.subscribe(json!(["newPendingTransactions"])).await;
    let arrivals = node.pool.arrivals.clone();
    assert_eq!(arrivals.receiver_count(), 1);
    drop(client);
    until(move || arrivals.receiver_count() == 0).await;
    let mut client = Client::open(&node).await;
    client.subscribe(json!(["newHeads"])).await;
    node.stop.cancel();
    let closed = tokio::time::timeout(Duration::from_secs(30), async {
        while let Some(Ok(_)) = client.0.next().await {}
    });
    closed.await.unwrap();
}
