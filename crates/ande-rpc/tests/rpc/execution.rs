//! Methods that need the state, asked of a real chain by alloy's provider and by hand.

use alloy::{
    consensus::Transaction as _,
    eips::{BlockId, BlockNumberOrTag},
    providers::{Provider, ProviderBuilder},
    rpc::types::{Block, FeeHistory, Filter, TransactionReceipt, TransactionRequest},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use ande_rpc::RpcLimits;
use serde_json::{Value, json};

use crate::fixture::{
    FUNDS, LOGGER, LOOP, Node, REVERTER, genesis, invoke, legacy, log, transfer, wallet,
};

fn provider(node: &Node) -> impl Provider + use<> {
    ProviderBuilder::new().disable_recommended_fillers().connect_http(node.url().parse().unwrap())
}

/// A chain of three blocks: logs, a failed call, a create.
async fn grown() -> Node {
    let mut node = Node::start_evm().await;
    node.block(vec![log(11, 0, 1), log(12, 0, 2)]).await;
    let init = Bytes::from_static(&[0x60, 0x01, 0x5f, 0x53, 0x60, 0x01, 0x5f, 0xf3]);
    node.block(vec![
        invoke(11, 1, TxKind::Call(REVERTER), Bytes::new(), 2),
        invoke(12, 1, TxKind::Create, init, 3),
        log(13, 0, 1),
    ])
    .await;
    node.block(vec![]).await;
    node
}

#[tokio::test]
async fn accounts_are_read_at_every_block() {
    let node = grown().await;
    let client = provider(&node);
    let (sender, created) = (wallet(12).address(), wallet(12).address().create(1));
    assert_eq!(client.get_balance(sender).number(0).await.unwrap(), U256::from(FUNDS));
    assert!(client.get_balance(sender).await.unwrap() < U256::from(FUNDS));
    for (at, nonce) in [(0, 0), (1, 1), (2, 2), (3, 2)] {
        assert_eq!(client.get_transaction_count(sender).number(at).await.unwrap(), nonce, "{at}");
    }
    assert_eq!(client.get_code_at(created).await.unwrap(), Bytes::from_static(&[1]));
    assert!(client.get_code_at(created).number(1).await.unwrap().is_empty());
    let slot = |at: u64| client.get_storage_at(LOGGER, U256::ZERO).number(at);
    assert_eq!(slot(0).await.unwrap(), U256::ZERO);
    assert_eq!(B256::from(slot(1).await.unwrap()), B256::repeat_byte(2));
    assert_eq!(B256::from(slot(2).await.unwrap()), B256::repeat_byte(1));
    // Everything that names a block names the same one.
    let hash = node.commits[0].block.header.execution_hash;
    for block in [
        json!("0x1"),
        json!(hash),
        json!({ "blockHash": hash, "requireCanonical": true }),
        json!({ "blockNumber": "0x1" }),
    ] {
        let count = node.call("eth_getTransactionCount", json!([sender, block])).await;
        assert_eq!(count.unwrap(), "0x1", "{block}");
    }
    for tag in ["latest", "pending"] {
        assert_eq!(
            node.call("eth_getTransactionCount", json!([sender, tag])).await.unwrap(),
            "0x2"
        );
    }
    for tag in ["earliest", "safe", "finalized"] {
        assert_eq!(
            node.call("eth_getTransactionCount", json!([sender, tag])).await.unwrap(),
            "0x0"
        );
    }
    for unknown in [json!("0x4"), json!(B256::repeat_byte(1)), json!({ "blockNumber": "0x99" })] {
        let error = node.call("eth_getBalance", json!([sender, unknown])).await.unwrap_err();
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!(-32000), &json!("header not found"))
        );
    }
}

#[tokio::test]
async fn pending_nonces_count_what_waits() {
    let node = grown().await;
    let sender = wallet(11).address();
    for nonce in [2, 3, 5] {
        node.call("eth_sendRawTransaction", json!([transfer(11, nonce)])).await.unwrap();
    }
    let count = |tag: &'static str| node.call("eth_getTransactionCount", json!([sender, tag]));
    assert_eq!(count("latest").await.unwrap(), "0x2");
    assert_eq!(count("pending").await.unwrap(), "0x4");
}

#[tokio::test]
async fn proofs_verify_against_the_state_root() {
    let node = grown().await;
    let client = provider(&node);
    let root = client.get_block(BlockId::latest()).await.unwrap().unwrap().header.state_root;
    let keys = vec![B256::ZERO, B256::repeat_byte(9)];
    let proof = client.get_proof(LOGGER, keys.clone()).await.unwrap();
    assert_eq!(proof.address, LOGGER);
    assert!(!proof.account_proof.is_empty());
    assert_eq!(keccak256(&proof.account_proof[0]), root, "the proof starts at the state root");
    assert_eq!(B256::from(proof.storage_proof[0].value), B256::repeat_byte(1));
    assert_eq!(proof.storage_proof[1].value, U256::ZERO);
    // Keys come back as they were written.
    let proof = node.call("eth_getProof", json!([LOGGER, ["0x0"], "latest"])).await.unwrap();
    assert_eq!(proof["storageProof"][0]["key"], "0x0");
    let many = vec!["0x0"; 1025];
    let error = node.call("eth_getProof", json!([LOGGER, many, "latest"])).await.unwrap_err();
    assert_eq!(error["code"], -32602);
}

#[tokio::test]
async fn calls_run_on_any_block_with_overrides() {
    let node = grown().await;
    let client = provider(&node);
    let input = Bytes::from(B256::repeat_byte(7).to_vec());
    let request = TransactionRequest::default().to(LOGGER).input(input.clone().into());
    assert_eq!(client.call(request.clone()).await.unwrap(), input);
    assert!(client.estimate_gas(request.clone()).await.unwrap() > 21_000);
    let list = client.create_access_list(&request).await.unwrap();
    assert_eq!(list.access_list.0[0].address, LOGGER);
    // Code that gives back the balance of the caller: CALLER BALANCE PUSH0 MSTORE 32 PUSH0 RETURN.
    let code = "0x33315f5260205ff3";
    let caller = wallet(19).address();
    let returned = node
        .call(
            "eth_call",
            json!([
                { "from": caller, "to": LOGGER },
                "latest",
                { LOGGER.to_string(): { "code": code }, caller.to_string(): { "balance": "0x5" } },
            ]),
        )
        .await
        .unwrap();
    assert_eq!(returned, json!(B256::with_last_byte(5)));
    // NUMBER and TIMESTAMP as overridden, and those of the named block otherwise.
    let number = "0x435f5260205ff3";
    let at = |block: Value, overrides: Value| {
        node.call(
            "eth_call",
            json!([{ "to": LOGGER }, block, { LOGGER.to_string(): { "code": number } }, overrides]),
        )
    };
    assert_eq!(at(json!("0x1"), json!(null)).await.unwrap(), json!(B256::with_last_byte(1)));
    assert_eq!(at(json!("latest"), json!({})).await.unwrap(), json!(B256::with_last_byte(3)));
    assert_eq!(at(json!("pending"), json!({})).await.unwrap(), json!(B256::with_last_byte(4)));
    let overridden = at(json!("latest"), json!({ "number": "0x63" })).await.unwrap();
    assert_eq!(overridden, json!(B256::with_last_byte(99)));
    // The block parameter may be left out.
    assert_eq!(node.call("eth_call", json!([{ "to": LOGGER }])).await.unwrap(), "0x");
}

#[tokio::test]
async fn failures_have_geths_codes_and_texts() {
    let node = grown().await;
    let call = |request: Value| node.call("eth_call", json!([request, "latest"]));
    for method in ["eth_call", "eth_estimateGas"] {
        let error = node.call(method, json!([{ "to": REVERTER }])).await.unwrap_err();
        assert_eq!(error["code"], 3, "{method}");
        assert_eq!(error["message"], "execution reverted: nope");
        assert!(error["data"].as_str().unwrap().starts_with("0x08c379a0"), "{error}");
    }
    let error = call(json!({ "to": LOOP, "gas": "0x186a0" })).await.unwrap_err();
    assert_eq!(error["code"], -32000);
    assert!(error["message"].as_str().unwrap().contains("out of gas"), "{error}");
    let error = call(json!({ "to": LOGGER, "data": "0x01", "input": "0x02" })).await.unwrap_err();
    assert!(error["message"].as_str().unwrap().starts_with("both \"data\" and \"input\""));
    let error =
        call(json!({ "to": LOGGER, "gasPrice": "0x1", "maxFeePerGas": "0x1" })).await.unwrap_err();
    assert!(error["message"].as_str().unwrap().starts_with("both gasPrice and"), "{error}");
    let poor = json!({ "from": Address::repeat_byte(1), "to": LOGGER, "value": "0x1" });
    let error = call(poor).await.unwrap_err();
    assert_eq!(error["code"], -32000);
    assert!(error["message"].as_str().unwrap().contains("insufficient funds"), "{error}");
}

#[tokio::test]
async fn receipts_say_what_happened() {
    let node = grown().await;
    let client = provider(&node);
    let block = client.get_block_by_number(2.into()).full().await.unwrap().unwrap();
    let hashes: Vec<B256> = block.transactions.hashes().collect();
    let all = client.get_block_receipts(2.into()).await.unwrap().unwrap();
    assert_eq!(all.len(), 3);
    let mut gas = 0;
    for (index, hash) in hashes.iter().enumerate() {
        let receipt = client.get_transaction_receipt(*hash).await.unwrap().unwrap();
        assert_eq!(receipt, all[index]);
        assert_eq!(
            (receipt.transaction_hash, receipt.block_hash),
            (*hash, Some(block.header.hash))
        );
        assert_eq!(receipt.transaction_index, Some(index as u64));
        let tip = block.transactions.as_transactions().unwrap()[index].max_priority_fee_per_gas();
        let base = u128::from(block.header.base_fee_per_gas.unwrap());
        assert_eq!(receipt.effective_gas_price, base + tip.unwrap());
        gas += receipt.gas_used;
        assert_eq!(receipt.inner.cumulative_gas_used(), gas);
    }
    assert_eq!(gas, block.header.gas_used);
    assert_eq!(all.iter().map(TransactionReceipt::status).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(all[1].contract_address, Some(wallet(12).address().create(1)));
    assert_eq!((all[1].to, all[2].to), (None, Some(LOGGER)));
    assert_eq!(all[2].from, wallet(13).address());
    let logged = &all[2].inner.logs()[0];
    assert_eq!((logged.log_index, logged.transaction_index), (Some(0), Some(2)));
    let first = client.get_block_receipts(1.into()).await.unwrap().unwrap();
    assert_eq!(first[1].inner.logs()[0].log_index, Some(1), "counted through the block");
    assert_eq!(client.get_block_receipts(0.into()).await.unwrap().unwrap().len(), 0);
    assert!(client.get_block_receipts(4.into()).await.unwrap().is_none());
    assert!(client.get_transaction_receipt(B256::repeat_byte(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn logs_are_found_by_address_topic_and_range() {
    let node = grown().await;
    let client = provider(&node);
    let all = Filter::new().from_block(BlockNumberOrTag::Earliest).address(LOGGER);
    assert_eq!(client.get_logs(&all).await.unwrap().len(), 3);
    let ones = client.get_logs(&all.clone().event_signature(B256::repeat_byte(1))).await.unwrap();
    assert_eq!(ones.iter().map(|log| log.block_number.unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(ones[1].transaction_index, Some(2));
    assert!(ones.iter().all(|log| !log.removed && log.block_timestamp.is_some()));
    let either = vec![B256::repeat_byte(1), B256::repeat_byte(2)];
    assert_eq!(client.get_logs(&all.clone().event_signature(either)).await.unwrap().len(), 3);
    assert_eq!(client.get_logs(&Filter::new().address(LOOP).from_block(0)).await.unwrap().len(), 0);
    let hash = node.commits[0].block.header.execution_hash;
    assert_eq!(client.get_logs(&Filter::new().at_block_hash(hash)).await.unwrap().len(), 2);
    // Left out, both ends are the latest block.
    assert_eq!(client.get_logs(&Filter::new()).await.unwrap().len(), 0);
    assert_eq!(client.get_logs(&Filter::new().from_block(1).to_block(99)).await.unwrap().len(), 3);
    assert_eq!(client.get_logs(&Filter::new().from_block(50).to_block(99)).await.unwrap().len(), 0);
    for (filter, code, text) in [
        (json!({ "fromBlock": "0x2", "toBlock": "0x1" }), -32602, "invalid block range params"),
        (json!({ "blockHash": B256::repeat_byte(3) }), -32000, "unknown block"),
    ] {
        let error = node.call("eth_getLogs", json!([filter])).await.unwrap_err();
        assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(text)));
    }
}

#[tokio::test]
async fn log_searches_are_bounded() {
    let limits = RpcLimits { log_blocks: 2, logs: 2, ..RpcLimits::default() };
    let mut node = Node::start_evm_with(limits, ande_rpc::RpcApis::default()).await;
    for nonce in 0..3 {
        node.block(vec![log(11, nonce, 1), log(12, nonce, 2)]).await;
    }
    let logs = |from: &'static str, to: &'static str| {
        node.call("eth_getLogs", json!([{ "fromBlock": from, "toBlock": to }]))
    };
    assert_eq!(logs("0x1", "0x1").await.unwrap().as_array().unwrap().len(), 2);
    let error = logs("0x1", "0x3").await.unwrap_err();
    assert_eq!(error["code"], -32005);
    assert!(error["message"].as_str().unwrap().contains("max block range 2"), "{error}");
    let error = logs("0x1", "0x2").await.unwrap_err();
    assert_eq!(error["code"], -32005);
    let expected = "query exceeds max results 2, retry with the range 0x1-0x1";
    assert_eq!(error["message"], expected);
}

#[tokio::test]
async fn fees_follow_the_blocks() {
    let node = grown().await;
    let client = provider(&node);
    let next = {
        let head = client.get_block(BlockId::latest()).await.unwrap().unwrap();
        u128::from(
            head.header
                .next_block_base_fee(alloy::eips::eip1559::BaseFeeParams::ethereum())
                .unwrap(),
        )
    };
    // Tips of 1, 1, 1, 2 and 3 gwei.
    let tip = client.get_max_priority_fee_per_gas().await.unwrap();
    assert_eq!(tip, 1_000_000_000);
    assert_eq!(client.get_gas_price().await.unwrap(), next + tip);
    assert_eq!(client.get_blob_base_fee().await.unwrap(), 1);

    let history: FeeHistory =
        client.get_fee_history(10, BlockNumberOrTag::Latest, &[0.0, 50.0, 100.0]).await.unwrap();
    assert_eq!(history.oldest_block, 0);
    assert_eq!((history.base_fee_per_gas.len(), history.gas_used_ratio.len()), (5, 4));
    assert_eq!((history.base_fee_per_blob_gas.len(), history.blob_gas_used_ratio.len()), (5, 4));
    assert_eq!(history.next_block_base_fee(), Some(next));
    let reward = history.reward.unwrap();
    let gwei = 1_000_000_000;
    assert_eq!(reward[0], [0, 0, 0]);
    assert_eq!(reward[1], [gwei, gwei, gwei]);
    assert_eq!((reward[2][0], reward[2][2]), (gwei, 3 * gwei));
    assert_eq!(reward[3], [0, 0, 0]);
    // alloy's estimator works on it.
    assert!(client.estimate_eip1559_fees().await.unwrap().max_fee_per_gas > next);

    let history = |params: Value| node.call("eth_feeHistory", params);
    let short = history(json!(["0x1", "0x1", []])).await.unwrap();
    assert_eq!((&short["oldestBlock"], &short["reward"]), (&json!("0x1"), &Value::Null));
    assert_eq!(history(json!([2, "latest"])).await.unwrap()["oldestBlock"], "0x2");
    assert_eq!(history(json!(["0x0", "latest", []])).await.unwrap()["oldestBlock"], "0x0");
    for (params, text) in [
        (json!(["0x1", "0x5", []]), "request beyond head block: requested 5, head 3"),
        (json!(["0x1", "latest", [101.0]]), "invalid reward percentile: 101.000000"),
    ] {
        let error = history(params).await.unwrap_err();
        assert_eq!((&error["code"], &error["message"]), (&json!(-32000), &json!(text)));
    }
}

#[tokio::test]
async fn the_first_suggestion_is_the_default() {
    let node = Node::start_evm().await;
    assert_eq!(node.call("eth_maxPriorityFeePerGas", json!([])).await.unwrap(), "0xf4240");
    assert_eq!(node.call("eth_gasPrice", json!([])).await.unwrap(), "0x3436b300");
}

#[tokio::test]
async fn transactions_are_found_by_block_and_position() {
    let node = grown().await;
    let hash = node.commits[0].block.header.execution_hash;
    let at = |method: &'static str, block: Value, index: &'static str| {
        node.call(method, json!([block, index]))
    };
    let by_hash = at("eth_getTransactionByBlockHashAndIndex", json!(hash), "0x1").await.unwrap();
    let by_number =
        at("eth_getTransactionByBlockNumberAndIndex", json!("0x1"), "0x1").await.unwrap();
    assert_eq!(by_hash, by_number);
    assert_eq!(by_hash["hash"], json!(keccak256(log(12, 0, 2))));
    let none = at("eth_getTransactionByBlockNumberAndIndex", json!("0x1"), "0x2").await.unwrap();
    assert_eq!(none, Value::Null);
    for (method, block, count) in [
        ("eth_getBlockTransactionCountByHash", json!(hash), json!("0x2")),
        ("eth_getBlockTransactionCountByNumber", json!("0x2"), json!("0x3")),
        ("eth_getBlockTransactionCountByNumber", json!("0x9"), json!(null)),
        ("eth_getUncleCountByBlockHash", json!(hash), json!("0x0")),
        ("eth_getUncleCountByBlockNumber", json!("latest"), json!("0x0")),
        ("eth_getUncleCountByBlockNumber", json!("0x9"), json!(null)),
    ] {
        assert_eq!(node.call(method, json!([block])).await.unwrap(), count, "{method} {block}");
    }
    assert_eq!(
        at("eth_getUncleByBlockNumberAndIndex", json!("0x1"), "0x0").await.unwrap(),
        json!(null)
    );
    assert_eq!(
        at("eth_getUncleByBlockHashAndIndex", json!(hash), "0x0").await.unwrap(),
        json!(null)
    );
    let raw = node.call("eth_getRawTransactionByHash", json!([keccak256(log(12, 0, 2))])).await;
    assert_eq!(raw.unwrap(), json!(log(12, 0, 2)));
    // Senders of large blocks come from the receipts.
    let mut node = node;
    let many: Vec<Bytes> = (0..20).map(|nonce| log(14, nonce, 1)).collect();
    node.block(many).await;
    let block = node.call("eth_getBlockByNumber", json!(["latest", true])).await.unwrap();
    let block: Block = serde_json::from_value(block).unwrap();
    let sender = wallet(14).address();
    assert!(
        block.transactions.as_transactions().unwrap().iter().all(|tx| tx.inner.signer() == sender)
    );
}

#[tokio::test]
async fn a_transaction_can_be_sent_and_awaited_in_one_call() {
    let mut node = Node::start_evm().await;
    let raw = log(11, 0, 1);
    let waiting = {
        let (url, raw) = (node.url(), raw.clone());
        tokio::spawn(async move {
            let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransactionSync", "params": [raw]});
            let answer = reqwest::Client::new()
                .post(url)
                .header("content-type", "application/json")
                .body(call.to_string())
                .send()
                .await
                .unwrap();
            answer.json::<Value>().await.unwrap()
        })
    };
    let pool = node.pool.clone();
    crate::http::until(move || !pool.taken.lock().unwrap().is_empty()).await;
    node.block(vec![raw.clone()]).await;
    let answer = waiting.await.unwrap();
    let receipt: TransactionReceipt = serde_json::from_value(answer["result"].clone()).unwrap();
    assert_eq!((receipt.transaction_hash, receipt.block_number), (keccak256(&raw), Some(1)));
    // One that is in a block already is answered at once.
    let again = node.call("eth_sendRawTransactionSync", json!([raw, 1])).await.unwrap();
    assert_eq!(again, answer["result"]);
    // Timeouts may be numbers or hex.
    for (nonce, timeout) in [(1, json!(20)), (2, json!("0x14"))] {
        let raw = log(11, nonce, 1);
        let error =
            node.call("eth_sendRawTransactionSync", json!([raw, timeout])).await.unwrap_err();
        assert_eq!((&error["code"], &error["data"]), (&json!(4), &json!(keccak256(&raw))));
        let expected = "The transaction was added to the mempool but wasn't processed in 20ms.";
        assert_eq!(error["message"], expected);
    }
}

#[tokio::test]
async fn the_pool_is_shown_as_geth_shows_it() {
    let node = Node::start_evm().await;
    for raw in [transfer(11, 0), legacy(12, 100)] {
        node.call("eth_sendRawTransaction", json!([raw])).await.unwrap();
    }
    assert_eq!(node.call("txpool_status", json!([])).await.unwrap()["pending"], "0x2");
    let (first, second) = (wallet(11).address(), wallet(12).address());
    let content = node.call("txpool_content", json!([])).await.unwrap();
    assert_eq!(
        content["pending"][first.to_string()]["0"]["hash"],
        json!(keccak256(transfer(11, 0)))
    );
    assert_eq!(content["queued"][second.to_string()]["100"]["nonce"], "0x64");
    assert_eq!(content["queued"][second.to_string()]["100"]["blockHash"], Value::Null);
    let parsed: alloy_rpc_types_txpool::TxpoolContent = serde_json::from_value(content).unwrap();
    assert_eq!((parsed.pending.len(), parsed.queued.len()), (1, 1));
    let from = node.call("txpool_contentFrom", json!([second])).await.unwrap();
    assert_eq!(from["pending"], json!({}));
    assert_eq!(from["queued"]["100"]["nonce"], "0x64");
    let inspect = node.call("txpool_inspect", json!([])).await.unwrap();
    let line = inspect["pending"][first.to_string()]["0"].as_str().unwrap();
    assert!(line.ends_with("0 wei + 21000 gas × 1000 wei"), "{line}");
}

#[tokio::test]
async fn traces_show_calls_and_raw_data_is_exact() {
    let node = grown().await;
    let hash = keccak256(log(13, 0, 1));
    let tracer = json!({ "tracer": "callTracer" });
    let ask = |method: &'static str, params: Value| node.call_ops(method, params);
    let trace = ask("debug_traceTransaction", json!([hash, tracer])).await.unwrap();
    assert_eq!((&trace["type"], &trace["to"]), (&json!("CALL"), &json!(LOGGER)));
    let steps = ask("debug_traceTransaction", json!([hash])).await.unwrap();
    assert_eq!(steps["failed"], false);
    assert_eq!(steps["structLogs"][0]["op"], "CALLDATASIZE");
    let block = ask("debug_traceBlockByNumber", json!(["0x2", tracer])).await.unwrap();
    assert_eq!(block.as_array().unwrap().len(), 3);
    assert_eq!(block[2]["result"], trace);
    assert_eq!(block[2]["txHash"], json!(hash));
    assert_eq!(block[0]["result"]["error"], "execution reverted");
    let same =
        ask("debug_traceBlockByHash", json!([node.commits[1].block.header.execution_hash, tracer]));
    assert_eq!(same.await.unwrap(), block);
    let call = ask("debug_traceCall", json!([{ "to": REVERTER }, "latest", tracer])).await.unwrap();
    assert_eq!(call["error"], "execution reverted");
    for (method, params, text) in [
        ("debug_traceTransaction", json!([B256::repeat_byte(1)]), "transaction not found"),
        ("debug_traceBlockByNumber", json!(["0x0"]), "genesis is not traceable"),
        ("debug_traceBlockByNumber", json!(["0x9"]), "block #9 not found"),
    ] {
        let error = ask(method, params).await.unwrap_err();
        assert_eq!((&error["code"], &error["message"]), (&json!(-32000), &json!(text)));
    }

    let header = ask("debug_getRawHeader", json!(["0x2"])).await.unwrap();
    assert_eq!(header, json!(node.commits[1].block.execution));
    let block: Bytes =
        serde_json::from_value(ask("debug_getRawBlock", json!(["0x2"])).await.unwrap()).unwrap();
    let decoded: alloy::consensus::Block<alloy::consensus::TxEnvelope> =
        alloy_rlp::Decodable::decode(&mut block.as_ref()).unwrap();
    assert_eq!(decoded.header.hash_slow(), node.commits[1].block.header.execution_hash);
    assert_eq!(decoded.body.transactions.len(), 3);
    let size =
        node.call("eth_getBlockByNumber", json!(["0x2", false])).await.unwrap()["size"].clone();
    assert_eq!(size, json!(format!("{:#x}", block.len())), "the size is that of the raw block");
    let raw = ask("debug_getRawTransaction", json!([hash])).await.unwrap();
    assert_eq!(raw, json!(log(13, 0, 1)));
    let receipts = ask("debug_getRawReceipts", json!(["0x2"])).await.unwrap();
    assert_eq!(receipts.as_array().unwrap().len(), 3);
    assert!(receipts[0].as_str().unwrap().starts_with("0x02"));
}

#[tokio::test]
async fn a_slow_call_does_not_outlive_its_time_nor_starve_others() {
    // Together half a minute of work for one place: the last ones wait too long on any machine.
    let gas = 3_000_000_000;
    let limits = RpcLimits {
        call_timeout: std::time::Duration::from_secs(1),
        heavy_reads: 1,
        call_gas: gas,
        ..RpcLimits::default()
    };
    let node = Node::start_evm_with(limits, ande_rpc::RpcApis::default()).await;
    let endless: Vec<Value> = (0..16)
        .map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "eth_call", "params": [{ "to": LOOP, "gas": format!("{gas:#x}") }]}))
        .collect();
    let flood = node.post(json!(endless).to_string());
    let (answers, balance) = tokio::join!(
        async { flood.await.json::<Vec<Value>>().await.unwrap() },
        node.call("eth_getBalance", json!([LOGGER, "latest"])),
    );
    assert_eq!(balance.unwrap(), "0x0", "small reads have their own places");
    assert!(answers.iter().all(|answer| answer["error"].is_object()), "{answers:?}");
    assert!(answers.iter().any(|answer| answer["error"]["message"] == "request timed out"));
}

#[test]
fn the_genesis_of_the_other_tests_is_not_used() {
    assert_ne!(crate::fixture::evm_genesis().hash(), genesis().hash_slow());
}
