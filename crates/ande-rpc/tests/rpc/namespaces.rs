//! Who serves what.

use ande_rpc::{Namespace, RpcApis, RpcLimits};
use serde_json::json;

use crate::fixture::Node;

#[tokio::test]
async fn listeners_serve_their_namespaces() {
    let node = Node::start_evm().await;
    let modules = node.call("rpc_modules", json!([])).await.unwrap();
    assert_eq!(
        modules,
        json!({ "ande": "1.0", "eth": "1.0", "net": "1.0", "rpc": "1.0", "txpool": "1.0", "web3": "1.0" })
    );
    assert!(node.call_ops("rpc_modules", json!([])).await.unwrap()["debug"].is_string());
    for method in ["debug_getRawHeader", "debug_traceCall", "admin_peers", "admin_drain"] {
        let error = node.call(method, json!(["latest"])).await.unwrap_err();
        assert_eq!(error["code"], -32601, "{method}");
    }
    let info = node.call_ops("admin_nodeInfo", json!([])).await.unwrap();
    assert_eq!((&info["name"], &info["chainId"]), (&json!("node-1"), &json!(6174)));
    assert_eq!(node.call_ops("eth_chainId", json!([])).await.unwrap(), "0x181e");
}

#[tokio::test]
async fn namespaces_are_configured() {
    let apis = RpcApis {
        public: [Namespace::Eth, Namespace::Debug].into(),
        ops: [Namespace::Net].into(),
        pending_transactions: false,
    };
    let node = Node::start_evm_with(RpcLimits::default(), apis).await;
    assert!(node.call("debug_getRawHeader", json!(["latest"])).await.is_ok());
    assert_eq!(node.call("net_version", json!([])).await.unwrap_err()["code"], -32601);
    assert_eq!(node.call("txpool_status", json!([])).await.unwrap_err()["code"], -32601);
    assert_eq!(node.call_ops("net_version", json!([])).await.unwrap(), "6174");
    assert_eq!(node.call_ops("eth_chainId", json!([])).await.unwrap_err()["code"], -32601);
}

#[tokio::test]
async fn tools_learn_that_this_is_no_test_chain() {
    let node = Node::start_evm().await;
    for method in [
        "anvil_nodeInfo",
        "hardhat_metadata",
        "eth_getAccountInfo",
        "eth_protocolVersion",
        "evm_mine",
    ] {
        let error = node.call(method, json!([])).await.unwrap_err();
        assert_eq!(error["code"], -32601, "{method}");
        let text = format!("the method {method} does not exist/is not available");
        assert_eq!(error["message"], text);
    }
    // Without an executor there is no state to ask for.
    let node = Node::start().await;
    for method in
        ["eth_getBalance", "eth_call", "eth_getLogs", "eth_getTransactionReceipt", "eth_newFilter"]
    {
        assert_eq!(node.call(method, json!([])).await.unwrap_err()["code"], -32601, "{method}");
    }
    assert!(node.call("eth_newBlockFilter", json!([])).await.is_ok());
}
