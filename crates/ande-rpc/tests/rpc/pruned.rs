//! What a node no longer keeps is said to be pruned, and not to be nothing.

use alloy_primitives::keccak256;
use ande_execution::state::StateOptions;
use serde_json::json;

use crate::fixture::{LOGGER, Node, log};

#[tokio::test]
async fn pruned_receipts_proofs_and_states_are_named_with_what_is_kept() {
    let kept = StateOptions {
        history_blocks: 3,
        receipt_blocks: Some(4),
        recent: 2,
        queue: 1,
        ..StateOptions::default()
    };
    let mut node = Node::start_evm_keeping(kept).await;
    let transactions: Vec<_> = (0..80).map(|nonce| log(11, nonce, 1)).collect();
    for raw in &transactions {
        node.block(vec![raw.clone()]).await;
    }
    node.evm.as_ref().unwrap().flush().await.unwrap();
    let (old, new) = (keccak256(&transactions[0]), keccak256(&transactions[79]));

    let text = "pruned history unavailable: the receipts of block 1 are pruned, the oldest kept are \
                of block 76";
    let filter = json!({ "fromBlock": "0x1", "toBlock": "0x2", "address": LOGGER });
    for (method, params) in [
        ("eth_getTransactionReceipt", json!([old])),
        ("eth_getBlockReceipts", json!(["0x1"])),
        ("eth_getLogs", json!([filter])),
        ("eth_feeHistory", json!(["0x1", "0x1", [50]])),
    ] {
        let error = node.call(method, params).await.unwrap_err();
        assert_eq!((&error["code"], &error["message"]), (&json!(4444), &json!(text)), "{method}");
    }
    // Blocks and transactions outlive their receipts.
    let block = node.call("eth_getBlockByNumber", json!(["0x1", true])).await.unwrap();
    assert_eq!(block["transactions"][0]["hash"], json!(old));
    let transaction = node.call("eth_getTransactionByHash", json!([old])).await.unwrap();
    assert_eq!(transaction["blockNumber"], "0x1");
    let receipt = node.call("eth_getTransactionReceipt", json!([new])).await.unwrap();
    assert_eq!(receipt["blockNumber"], "0x50");
    let filter = json!({ "fromBlock": "0x4c", "address": LOGGER });
    let logs = node.call("eth_getLogs", json!([filter])).await.unwrap();
    assert_eq!(logs.as_array().unwrap().len(), 5);

    let error = node.call("eth_getProof", json!([LOGGER, [], "0x40"])).await.unwrap_err();
    let text = "required historical state unavailable: block 64 cannot be proven any more, proofs \
                reach from block 79 to 80";
    assert_eq!((&error["code"], &error["message"]), (&json!(-32000), &json!(text)));
    node.call("eth_getProof", json!([LOGGER, [], "0x4f"])).await.unwrap();
    let error = node.call("eth_getBalance", json!([LOGGER, "0x4c"])).await.unwrap_err();
    let text = "required historical state unavailable: the state of block 76 is pruned, the oldest \
                kept is 77";
    assert_eq!(error["message"], text);
    node.call("eth_getBalance", json!([LOGGER, "0x4d"])).await.unwrap();
}
