//! Calls, estimates, access lists and traces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use alloy_consensus::TxEip1559;
use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256, map::B256Map};
use alloy_rpc_types_eth::{
    BlockOverrides, TransactionRequest,
    state::{AccountOverride, StateOverride},
};
use alloy_rpc_types_trace::geth::{GethDebugTracingOptions, GethTrace, PreStateFrame, TraceResult};
use alloy_sol_types::{SolCall, SolError as _, SolValue as _};
use ande_execution::{CallError, CallRequest, Payload, ReadError};
use common::*;

fn ask(at: u64, from: u64, to: Address, call: &impl SolCall) -> CallRequest {
    let tx = TransactionRequest::default()
        .from(wallet(from).address)
        .to(to)
        .input(Bytes::from(call.abi_encode()).into());
    CallRequest { tx, at, gas_cap: 50_000_000, ..CallRequest::default() }
}

fn options(json: &str) -> GethDebugTracingOptions {
    serde_json::from_str(json).unwrap()
}

/// A node with a token (block 1), a probe (block 2) and the probe's child (block 3).
async fn node() -> (Node, Address, Address, Address) {
    let node = Node::new();
    let token = node.deploy(0, token_code(U256::from(1000))).await;
    let probe = node.deploy(1, probe_code()).await;
    node.grow(vec![wallet(1).call(0, probe, &makeCall { first: U256::from(7) })]).await;
    (node, token, probe, probe.create(1))
}

#[tokio::test]
async fn calls_read_the_state_of_their_block() {
    let (node, token, ..) = node().await;
    let to = Address::repeat_byte(9);
    node.grow(vec![wallet(0).call(2, token, &transferCall { to, value: U256::from(5) })]).await;
    let reader = node.reader();
    let balance = |at| reader.call(ask(at, 1, token, &balanceOfCall { owner: to }));
    assert_eq!(balance(3).unwrap(), Bytes::from(U256::ZERO.abi_encode()));
    assert_eq!(balance(4).unwrap(), Bytes::from(U256::from(5).abi_encode()));
    assert_eq!(balance(5), Err(CallError::Read(ReadError::Unknown { number: 5, head: 4 })));
    // Before the contract: a call of nothing.
    assert_eq!(balance(0).unwrap(), Bytes::new());
    // A call changes nothing.
    let transfer = transferCall { to, value: U256::from(1) };
    reader.call(ask(4, 0, token, &transfer)).unwrap();
    assert_eq!(balance(4).unwrap(), Bytes::from(U256::from(5).abi_encode()));
}

#[tokio::test]
async fn failures_have_geths_words() {
    let (node, token, probe, child) = node().await;
    let reader = node.reader();
    let transfer = transferCall { to: child, value: U256::from(1) };
    match reader.call(ask(3, 5, token, &transfer)).unwrap_err() {
        error @ CallError::Reverted { .. } => {
            assert_eq!(error.to_string(), "execution reverted: too little");
            let CallError::Reverted { output, .. } = error else { unreachable!() };
            let revert = alloy_sol_types::Revert::abi_decode(&output).unwrap();
            assert_eq!(revert.reason, "too little");
        }
        other => panic!("{other:?}"),
    }
    let panic = reader.call(ask(3, 5, probe, &panicsCall {})).unwrap_err();
    assert_eq!(panic.to_string(), "execution reverted: assert(false)");
    let mut silent = ask(3, 5, probe, &panicsCall {});
    silent.tx.input = Bytes::from_static(&[1, 2, 3, 4]).into();
    assert_eq!(reader.call(silent).unwrap_err().to_string(), "execution reverted");
    let mut endless = ask(3, 5, probe, &foreverCall {});
    endless.gas_cap = 1_000_000;
    assert_eq!(reader.call(endless).unwrap_err().to_string(), "out of gas");

    let poor = Address::repeat_byte(0x77);
    let mut send = ask(3, 1, child, &lastCall {});
    send.tx.from = Some(poor);
    send.tx.value = Some(U256::from(1));
    let error = reader.call(send.clone()).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "err: insufficient funds for gas * price + value: address {poor} have 0 want 1 \
             (supplied gas 50000000)"
        )
    );
    let error = reader.estimate_gas(send.clone()).unwrap_err().to_string();
    assert!(error.contains("insufficient funds for gas * price + value"), "{error}");
    send.tx.gas_price = Some(100 * GWEI);
    let error = reader.estimate_gas(send).unwrap_err().to_string();
    assert_eq!(error, "insufficient funds for transfer");

    let mut cheap = ask(3, 1, token, &lastCall {});
    cheap.tx.gas_price = Some(1);
    let error = reader.call(cheap).unwrap_err().to_string();
    assert!(error.contains("max fee per gas less than block base fee"), "{error}");
    let mut small = ask(3, 1, token, &lastCall {});
    small.tx.gas = Some(20_000);
    let error = reader.call(small).unwrap_err().to_string();
    assert!(error.contains("intrinsic gas too low: have 20000, want 21"), "{error}");
    let mut foreign = ask(3, 1, token, &lastCall {});
    foreign.tx.chain_id = Some(1);
    let error = reader.call(foreign).unwrap_err().to_string();
    assert_eq!(error, "chainId does not match node's (have=1, want=6174)");
}

#[tokio::test]
async fn overrides_replace_accounts_and_the_block() {
    let (node, token, probe, _) = node().await;
    let reader = node.reader();
    let owner = Address::repeat_byte(0x12);
    let slot = keccak256((owner, U256::ZERO).abi_encode());
    let mut request = ask(3, 1, token, &balanceOfCall { owner });
    let value = B256::from(U256::from(99));
    let account = AccountOverride::default()
        .with_state_diff([(slot, value)].into_iter().collect::<B256Map<B256>>());
    request.state_overrides = Some(StateOverride::from_iter([(token, account)]));
    assert_eq!(reader.call(request).unwrap(), Bytes::from(value.0));

    let mut look = ask(3, 1, probe, &lookCall { number: U256::from(2), time: U256::ZERO });
    look.block_overrides = Some(BlockOverrides {
        random: Some(B256::with_last_byte(5)),
        gas_limit: Some(77),
        ..BlockOverrides::default()
    });
    let seen = lookCall::abi_decode_returns(&reader.call(look).unwrap()).unwrap();
    assert_eq!((seen.random, seen.limit), (U256::from(5), U256::from(77)));

    // A contract where there was none, and ether out of nowhere.
    let mut fresh = ask(3, 1, owner, &lastCall {});
    fresh.tx.from = Some(Address::repeat_byte(0x13));
    fresh.tx.value = Some(U256::from(5));
    fresh.state_overrides = Some(StateOverride::from_iter([
        // CALLVALUE, returned.
        (
            owner,
            AccountOverride::default()
                .with_code(Bytes::from_static(&[0x34, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3])),
        ),
        (Address::repeat_byte(0x13), AccountOverride::default().with_balance(U256::from(5))),
    ]));
    assert_eq!(reader.call(fresh).unwrap(), Bytes::from(U256::from(5).abi_encode()));
}

#[tokio::test]
async fn pending_calls_see_the_next_block() {
    let (node, _, probe, _) = node().await;
    let head = node.reader().head();
    let mut look =
        ask(0, 1, probe, &lookCall { number: U256::from(head.number), time: U256::ZERO });
    look.pending = true;
    let seen = lookCall::abi_decode_returns(&node.reader().call(look).unwrap()).unwrap();
    assert_eq!(seen.hash, head.hash);
}

#[tokio::test]
async fn estimates_are_enough_and_not_much_more() {
    let (node, token, probe, child) = node().await;
    let reader = node.reader();
    let plain = CallRequest {
        tx: TransactionRequest::default().from(wallet(5).address).to(Address::repeat_byte(3)),
        at: 3,
        ..CallRequest::default()
    };
    assert_eq!(reader.estimate_gas(plain).unwrap(), 21_000);
    let to = Address::repeat_byte(0x31);
    let calls: Vec<(u64, Address, Bytes)> = vec![
        (0, token, transferCall { to, value: U256::from(5) }.abi_encode().into()),
        (2, probe, makeCall { first: U256::from(5) }.abi_encode().into()),
        (3, probe, nestedCall { value: U256::from(5) }.abi_encode().into()),
        // Its child needs gas that the caller keeps 1/64 of back.
        (4, probe, feedCall { gas_: U256::from(800_000) }.abi_encode().into()),
        (5, probe, makeAndKillCall { heir: to }.abi_encode().into()),
        (6, child, setCall { next: U256::ZERO }.abi_encode().into()),
    ];
    for (from, to, input) in calls {
        let mut request = CallRequest { at: 3, gas_cap: 50_000_000, ..CallRequest::default() };
        request.tx = TransactionRequest::default()
            .from(wallet(from).address)
            .to(to)
            .input(input.clone().into());
        let estimate = reader.estimate_gas(request).unwrap();
        let nonce = reader.account(3, wallet(from).address).unwrap().nonce;
        let with = |gas_limit| {
            wallet(from).raw(TxEip1559 {
                gas_limit,
                to: TxKind::Call(to),
                input: input.clone(),
                ..tx(nonce)
            })
        };
        for (gas_limit, enough) in [(estimate, true), (estimate * 98 / 100, false)] {
            let twin = self::node().await.0;
            twin.grow(vec![with(gas_limit)]).await;
            assert_eq!(twin.outcomes()[0].0, enough, "{from}: {gas_limit} of {estimate}");
        }
    }
    let revert = reader.estimate_gas(ask(3, 5, token, &transferCall { to, value: U256::from(1) }));
    assert_eq!(revert.unwrap_err().to_string(), "execution reverted: too little");
    let mut endless = ask(3, 5, probe, &foreverCall {});
    endless.gas_cap = 500_000;
    let error = reader.estimate_gas(endless).unwrap_err();
    assert_eq!(error.to_string(), "gas required exceeds allowance (500000)");
    let create = TransactionRequest::default().from(wallet(5).address);
    let create =
        TransactionRequest { to: Some(TxKind::Create), ..create }.input(probe_code().into());
    let gas =
        reader.estimate_gas(CallRequest { tx: create, at: 3, ..CallRequest::default() }).unwrap();
    assert!((600_000..1_000_000).contains(&gas), "{gas}");
}

#[tokio::test]
async fn access_lists_name_what_is_touched() {
    let (node, token, probe, child) = node().await;
    let reader = node.reader();
    let to = Address::repeat_byte(0x31);
    let transfer = transferCall { to, value: U256::from(5) };
    let result = reader.create_access_list(ask(3, 0, token, &transfer)).unwrap();
    let mut slots =
        [wallet(0).address, to].map(|owner| keccak256((owner, U256::ZERO).abi_encode()));
    slots.sort();
    assert_eq!(result.access_list.0.len(), 1);
    assert_eq!(result.access_list.0[0].address, token);
    assert_eq!(result.access_list.0[0].storage_keys, slots);
    assert_eq!(result.error, None);
    let nested = reader.create_access_list(ask(3, 0, probe, &nestedCall { value: U256::from(5) }));
    let nested = nested.unwrap();
    let names = |list: &AccessList| list.0.iter().map(|item| item.address).collect::<Vec<_>>();
    assert!(names(&nested.access_list).contains(&child));
    let bad = reader.create_access_list(ask(3, 5, token, &transfer)).unwrap();
    assert_eq!(bad.error.as_deref(), Some("execution reverted: too little"));
    // What it says is what it costs.
    let with = alloy_consensus::TxEip2930 {
        to: TxKind::Call(token),
        input: transfer.abi_encode().into(),
        access_list: result.access_list,
        ..with_list(2)
    };
    node.grow(vec![wallet(0).raw(with)]).await;
    assert_eq!(U256::from(node.outcomes()[0].1), result.gas_used);
}

/// A block with a nested call, a revert and a transfer, and its header.
async fn traced() -> (Node, Payload, Address, Address) {
    let (node, token, probe, child) = node().await;
    let payload = node
        .grow(vec![
            wallet(1).call(1, probe, &nestedCall { value: U256::from(5) }),
            wallet(5).call(0, token, &transferCall { to: child, value: U256::from(1) }),
            wallet(5).transfer(1, Address::repeat_byte(3), 77),
        ])
        .await;
    (node, payload, probe, child)
}

fn traces(node: &Node, payload: &Payload, only: Option<usize>, json: &str) -> Vec<GethTrace> {
    let header = payload.decode_header().unwrap();
    let reader = node.reader();
    let traces = reader.trace_block(&header, &payload.transactions, only, options(json)).unwrap();
    let hashes = payload.transaction_hashes();
    traces
        .into_iter()
        .enumerate()
        .map(|(index, trace)| match trace {
            TraceResult::Success { result, tx_hash } => {
                assert_eq!(tx_hash, Some(hashes[only.unwrap_or(index)]));
                result
            }
            TraceResult::Error { error, .. } => panic!("{error}"),
        })
        .collect()
}

#[tokio::test]
async fn the_call_tracer_shows_the_tree_of_calls() {
    let (node, payload, probe, child) = traced().await;
    let traces = traces(&node, &payload, None, r#"{"tracer": "callTracer"}"#);
    let frames: Vec<_> = traces.into_iter().map(|one| one.try_into_call_frame().unwrap()).collect();
    let root = &frames[0];
    assert_eq!((root.from, root.to), (wallet(1).address, Some(probe)));
    assert_eq!(root.output, Some(Bytes::from(U256::from(6).abi_encode())));
    assert_eq!(root.calls.len(), 2);
    assert_eq!(root.calls[0].to, Some(child));
    assert_eq!(root.calls[0].input, Bytes::from(setCall { next: U256::from(5) }.abi_encode()));
    assert_eq!(root.calls[1].error.as_deref(), Some("execution reverted"));
    assert_eq!(root.calls[1].revert_reason.as_deref(), Some("child failed"));
    assert_eq!(frames[1].revert_reason.as_deref(), Some("too little"));
    assert_eq!(frames[2].value, Some(U256::from(77)));
    let gas: Vec<u64> = frames.iter().map(|frame| frame.gas_used.to()).collect();
    let charged: Vec<u64> = node.outcomes().iter().map(|(_, gas)| *gas).collect();
    assert_eq!(gas, charged);
}

#[tokio::test]
async fn struct_logs_show_every_step() {
    let (node, payload, probe, _) = traced().await;
    let one = traces(&node, &payload, Some(0), "{}").remove(0).try_into_default_frame().unwrap();
    assert!(!one.failed);
    assert_eq!(one.gas, node.outcomes()[0].1);
    assert_eq!(one.struct_logs[0].op, "PUSH1");
    assert_eq!(one.struct_logs[0].depth, 1);
    assert!(one.struct_logs.iter().any(|log| log.op == "SSTORE" && log.depth == 2));
    assert!(one.struct_logs.iter().any(|log| log.op == "REVERT" && log.depth == 2));
    let lean = r#"{"disableStack": true, "disableStorage": true, "limit": 3}"#;
    let lean = traces(&node, &payload, Some(0), lean).remove(0).try_into_default_frame().unwrap();
    assert_eq!(lean.struct_logs.len(), 3);
    assert_eq!(lean.struct_logs[0].stack, None);
    // A trace that would take too much memory is refused instead.
    let endless = ask(4, 1, probe, &foreverCall {});
    let error = node.reader().trace_call(endless, options("{}")).unwrap_err();
    assert!(error.to_string().contains("the trace exceeds 256 MiB"), "{error}");
}

#[tokio::test]
async fn the_other_tracers_answer() {
    let (node, payload, probe, child) = traced().await;
    let pre = traces(&node, &payload, Some(0), r#"{"tracer": "prestateTracer"}"#).remove(0);
    let GethTrace::PreStateTracer(PreStateFrame::Default(pre)) = pre else { panic!("{pre:?}") };
    assert_eq!(pre.0[&wallet(1).address].nonce, Some(1));
    assert_eq!(pre.0[&child].storage[&B256::ZERO], B256::from(U256::from(7)));
    let diff = r#"{"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}}"#;
    let diff = traces(&node, &payload, Some(0), diff).remove(0);
    let GethTrace::PreStateTracer(PreStateFrame::Diff(diff)) = diff else { panic!("{diff:?}") };
    assert_eq!(diff.post[&child].storage[&B256::ZERO], B256::from(U256::from(5)));
    assert_eq!(diff.post[&wallet(1).address].nonce, Some(2));
    assert!(diff.post.contains_key(&probe));
    let four = traces(&node, &payload, Some(1), r#"{"tracer": "4byteTracer"}"#).remove(0);
    let GethTrace::FourByteTracer(four) = four else { panic!("{four:?}") };
    assert_eq!(four.0["0xa9059cbb-64"], 1);
    let noop = traces(&node, &payload, Some(2), r#"{"tracer": "noopTracer"}"#).remove(0);
    assert!(noop.is_noop());
    let mux = r#"{"tracer": "muxTracer", "tracerConfig": {"callTracer": {}, "4byteTracer": null}}"#;
    assert!(traces(&node, &payload, Some(0), mux).remove(0).is_mux());
    let header = payload.decode_header().unwrap();
    let ask = |json: &str, only| {
        node.reader().trace_block(&header, &payload.transactions, only, options(json))
    };
    assert!(matches!(ask(r#"{"tracer": "function() {}"}"#, None), Err(CallError::Invalid(_))));
    assert!(matches!(ask("{}", Some(3)), Err(CallError::Invalid(_))));
    let genesis = genesis();
    let first = node.reader().trace_block(genesis.header(), &[], None, options("{}"));
    assert_eq!(first, Err(CallError::Invalid("genesis is not traceable".into())));
}

#[tokio::test]
async fn calls_can_be_traced() {
    let (node, _, probe, child) = traced().await;
    let request = ask(4, 2, probe, &nestedCall { value: U256::from(8) });
    let trace = node
        .reader()
        .trace_call(request.clone(), options(r#"{"tracer": "callTracer"}"#))
        .unwrap()
        .try_into_call_frame()
        .unwrap();
    assert_eq!(trace.calls[0].to, Some(child));
    let result = node.reader().call(request).unwrap();
    assert_eq!(trace.output, Some(result));
}

#[tokio::test]
async fn the_deepest_calls_fit_on_the_stack_of_a_thread() {
    let node = Node::new();
    // Calls itself with all its gas, up to the depth of 1024.
    let code = [0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x30, 0x5a, 0xf1, 0x00];
    let deep = Address::repeat_byte(0x99);
    let account = AccountOverride::default().with_code(Bytes::copy_from_slice(&code));
    let request = CallRequest {
        tx: TransactionRequest::default().to(deep),
        gas_cap: u64::MAX / 4,
        state_overrides: Some(StateOverride::from_iter([(deep, account)])),
        ..CallRequest::default()
    };
    let reader = node.reader();
    // As small as the threads that a runtime starts for blocking work.
    let work = move || {
        for json in ["{}", r#"{"tracer": "callTracer"}"#, r#"{"tracer": "prestateTracer"}"#] {
            let trace = reader.trace_call(request.clone(), options(json)).unwrap();
            let text = serde_json::to_string(&trace).unwrap();
            assert!(!json.contains("callTracer") || text.matches("CALL").count() > 1_000);
            drop(trace);
        }
        reader.create_access_list(request.clone()).unwrap();
        reader.call(request).unwrap();
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}
