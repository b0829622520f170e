//! Blocks of the embedded EVM: every kind of transaction, what is left out, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use alloy_consensus::{
    Header, SignableTransaction as _, Transaction as _, TxEip1559, TxEip2930, TxEnvelope, TxLegacy,
    transaction::SignerRecoverable as _,
};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{
    Address, B256, Bloom, Bytes, Signature, TxKind, U256, address, hex, keccak256,
};
use alloy_sol_types::{SolCall as _, SolValue as _};
use ande_execution::{
    CallRequest, ExecutionError, Executor as _, Payload, PayloadStatus, SenderSource,
};
use common::*;

#[tokio::test]
async fn transfers_move_ether_and_pay_the_recipient_of_fees() {
    let node = Node::new();
    let to = Address::repeat_byte(0x33);
    let before = node.balance(wallet(1).address);
    let payload = node
        .grow(vec![
            wallet(1).transfer(0, to, 5),
            wallet(2).raw(TxLegacy { to: TxKind::Call(to), value: U256::from(6), ..legacy(0) }),
            wallet(3).raw(TxEip2930 { to: TxKind::Call(to), value: U256::from(7), ..with_list(0) }),
        ])
        .await;
    let header = payload.decode_header().unwrap();
    assert_eq!(node.outcomes(), [(true, 21_000); 3]);
    assert_eq!(header.gas_used, 63_000);
    assert_eq!(node.balance(to), U256::from(18));
    let base_fee = u128::from(header.base_fee_per_gas.unwrap());
    let price = base_fee + GWEI;
    assert_eq!(node.balance(wallet(1).address), before - U256::from(5 + 21_000 * price));
    // Base fees are burnt, tips are paid.
    let tips = GWEI + 2 * (100 * GWEI - base_fee);
    assert_eq!(node.balance(FEE_RECIPIENT), U256::from(21_000 * tips));
    let receipts = node.receipts(1);
    assert_eq!(receipts.receipts[1].sender, wallet(2).address);
    assert_eq!(receipts.receipts[2].receipt.cumulative_gas_used(), 63_000);
    assert_eq!(header.logs_bloom, Bloom::ZERO);
}

#[tokio::test]
async fn a_token_keeps_balances_and_logs_are_in_the_bloom_filter() {
    let node = Node::new();
    let token = node.deploy(0, token_code(U256::from(1000))).await;
    assert_eq!(node.receipts(1).receipts[0].contract_address, Some(token));
    let to = Address::repeat_byte(0x44);
    let payload = node
        .grow(vec![
            wallet(0).call(1, token, &transferCall { to, value: U256::from(10) }),
            wallet(1).call(0, token, &transferCall { to, value: U256::from(10) }),
        ])
        .await;
    let receipts = node.receipts(2);
    let (good, bad) = (&receipts.receipts[0], &receipts.receipts[1]);
    assert!(good.receipt.is_success() && !bad.receipt.is_success());
    assert!(bad.receipt.logs().is_empty());
    let log = &good.receipt.logs()[0];
    assert_eq!(log.address, token);
    assert_eq!(log.topics()[0], keccak256("Transfer(address,address,uint256)"));
    assert_eq!(log.topics()[2], to.into_word());
    assert!(receipts.bloom.contains_input(alloy_primitives::BloomInput::Raw(token.as_slice())));
    assert_eq!(payload.decode_header().unwrap().logs_bloom, receipts.bloom);
    let slot = keccak256((to, U256::ZERO).abi_encode());
    let value = node.reader().storage(2, token, slot.into()).unwrap();
    assert_eq!(value, B256::from(U256::from(10)));
}

#[tokio::test]
async fn failing_transactions_pay_and_change_nothing_else() {
    let node = Node::new();
    let probe = node.deploy(0, probe_code()).await;
    let payload = node
        .grow(vec![
            wallet(1).call(0, probe, &panicsCall {}),
            wallet(1).call_with(1, probe, &foreverCall {}, 200_000, 0),
            // Not enough gas for the code that it would leave behind.
            wallet(2).raw(TxEip1559 {
                gas_limit: 120_000,
                to: TxKind::Create,
                input: probe_code(),
                ..tx(0)
            }),
            // A create that reverts at once.
            wallet(2).create(1, Bytes::from_static(&[0x5f, 0x5f, 0xfd])),
        ])
        .await;
    let outcomes = node.outcomes();
    assert!(outcomes.iter().all(|(success, _)| !success));
    assert_eq!(outcomes[1].1, 200_000);
    assert_eq!(outcomes[2].1, 120_000);
    let reader = node.reader();
    assert_eq!(reader.storage(2, probe, U256::from(1)).unwrap(), B256::ZERO);
    assert_eq!(reader.account(2, wallet(2).address).unwrap().nonce, 2);
    let created = wallet(2).address.create(0);
    assert!(reader.code(2, created).unwrap().is_empty());
    assert_eq!(payload.transactions.len(), 4);
}

#[tokio::test]
async fn selfdestruct_follows_cancun() {
    let node = Node::new();
    let child = TxEip1559 {
        gas_limit: 3_000_000,
        to: TxKind::Create,
        value: U256::from(70),
        input: child_code(U256::from(9)),
        ..tx(0)
    };
    node.grow(vec![wallet(0).raw(child)]).await;
    let child = wallet(0).address.create(0);
    let probe = node.deploy(1, probe_code()).await;
    let heir = Address::repeat_byte(0x55);
    node.grow(vec![
        wallet(1).call(0, child, &dieCall { heir }),
        wallet(1).call_with(1, probe, &makeAndKillCall { heir }, 1_000_000, 30),
    ])
    .await;
    assert!(node.outcomes().iter().all(|(success, _)| *success));
    let reader = node.reader();
    // Made before: only its ether is gone.
    assert_eq!(node.balance(heir), U256::from(100));
    assert_eq!(reader.account(3, child).unwrap().balance, U256::ZERO);
    assert!(!reader.code(3, child).unwrap().is_empty());
    assert_eq!(reader.storage(3, child, U256::ZERO).unwrap(), B256::from(U256::from(9)));
    // Made in the same transaction: nothing is left.
    let gone = probe.create(1);
    assert_eq!(reader.account(3, gone).unwrap(), Default::default());
    assert!(reader.code(3, gone).unwrap().is_empty());
    assert_eq!(reader.account(3, probe).unwrap().nonce, 2);
}

#[tokio::test]
async fn access_lists_make_the_first_touch_cheaper_and_cost_gas() {
    let node = Node::new();
    let token = node.deploy(0, token_code(U256::from(1000))).await;
    let call = transferCall { to: Address::repeat_byte(0x66), value: U256::from(1) };
    let list = AccessList(vec![AccessListItem {
        address: token,
        storage_keys: vec![
            keccak256((wallet(0).address, U256::ZERO).abi_encode()),
            keccak256((call.to, U256::ZERO).abi_encode()),
        ],
    }]);
    let twin = Node::new();
    twin.deploy(0, token_code(U256::from(1000))).await;
    let with = TxEip2930 {
        to: TxKind::Call(token),
        input: call.abi_encode().into(),
        access_list: list,
        ..with_list(1)
    };
    let without = TxEip2930 { access_list: AccessList::default(), ..with.clone() };
    node.grow(vec![wallet(0).raw(with)]).await;
    twin.grow(vec![wallet(0).raw(without)]).await;
    let (with, without) = (node.outcomes()[0].1, twin.outcomes()[0].1);
    // The account of a call is warm anyway: 2400 for naming it, 2 * (2100 - 1900 - 100) saved.
    assert_eq!(with, without + 2_400 - 200);
}

#[tokio::test]
async fn precompiles_answer() {
    let node = Node::new();
    let probe = node.deploy(0, probe_code()).await;
    let reader = node.reader();
    let ask = |number: u8, input: Vec<u8>| {
        let mut precompile = [0; 20];
        precompile[19] = number;
        let call = askCall { precompile: precompile.into(), input: input.into() };
        let mut request = CallRequest { at: 1, ..CallRequest::default() };
        request.tx.to = Some(probe.into());
        request.tx.input = Bytes::from(call.abi_encode()).into();
        let answer = askCall::abi_decode_returns(&reader.call(request).unwrap()).unwrap();
        (answer.ok, answer.out)
    };
    // sha256("") and ripemd160("").
    let sha = hex!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(ask(2, vec![]), (true, sha.into()));
    let ripemd = hex!("0000000000000000000000009c1185a5c5e9fc54612808977ee8f548b2258d31");
    assert_eq!(ask(3, vec![]), (true, ripemd.into()));
    assert_eq!(ask(4, b"same".to_vec()), (true, Bytes::from_static(b"same")));
    // 3^5 mod 7 = 5.
    let modexp = (U256::from(1), U256::from(1), U256::from(1)).abi_encode();
    assert_eq!(ask(5, [modexp, vec![3, 5, 7]].concat()), (true, Bytes::from_static(&[5])));
    // The generator plus itself, and times two, on the curve of EIP-196.
    let g = (U256::from(1), U256::from(2)).abi_encode();
    let sum = ask(6, [g.clone(), g.clone()].concat());
    let product = ask(7, [g, U256::from(2).abi_encode()].concat());
    assert!(sum.0 && sum == product && sum.1.len() == 64);
    // An empty product of pairings is one.
    assert_eq!(ask(8, vec![]).1, Bytes::from(U256::from(1).abi_encode()));
    // The point of EIP-4844 that proves nothing at all is refused.
    assert!(!ask(10, vec![0; 192]).0);
    // The identity commitment to the zero polynomial is zero everywhere.
    let infinity = [&[0xc0_u8][..], &[0; 47]].concat();
    let mut versioned = <[u8; 32]>::from(sha2_256(&infinity));
    versioned[0] = 1;
    let input = [&versioned[..], &[0; 64], &infinity, &infinity].concat();
    let (ok, out) = ask(10, input);
    assert!(ok, "the point evaluation precompile refuses a correct proof");
    assert_eq!(U256::from_be_slice(&out[..32]), U256::from(4096));
    // BLS12-381 comes after Cancun: an empty account.
    assert_eq!(ask(11, vec![1]), (true, Bytes::new()));
    // They also run inside blocks.
    let call = askCall {
        precompile: address!("0000000000000000000000000000000000000002"),
        input: Bytes::new(),
    };
    node.grow(vec![wallet(1).call(0, probe, &call)]).await;
    let expected = keccak256((true, Bytes::from(sha)).abi_encode_params());
    assert_eq!(node.reader().storage(2, probe, U256::from(1)).unwrap(), expected);
}

fn sha2_256(bytes: &[u8]) -> B256 {
    // Through the precompile of a fresh machine would be the same; the test asks it anyway.
    use k256::sha2::{Digest as _, Sha256};
    B256::from_slice(&Sha256::digest(bytes))
}

#[tokio::test]
async fn code_sees_the_block_it_is_in() {
    let node = Node::new();
    let probe = node.deploy(0, probe_code()).await;
    let reader = node.reader();
    let header = node.grow(vec![]).await.decode_header().unwrap();
    let call = lookCall { number: U256::from(1), time: U256::from(header.timestamp) };
    let mut request = CallRequest { at: 2, ..CallRequest::default() };
    request.tx.to = Some(probe.into());
    request.tx.input = Bytes::from(call.abi_encode()).into();
    let seen = lookCall::abi_decode_returns(&reader.call(request.clone()).unwrap()).unwrap();
    assert_eq!(seen.hash, header.parent_hash);
    assert_eq!(seen.root, consensus_hash(1), "the call of EIP-4788");
    assert_eq!(seen.limit, U256::from(GAS_LIMIT));
    assert_eq!(seen.chain, U256::from(CHAIN_ID));
    assert_eq!(seen.random, U256::ZERO);
    // Who offers no price does not see the base fee, as in geth.
    assert_eq!(seen.fee, U256::ZERO);
    request.tx.from = Some(wallet(1).address);
    request.tx.gas = Some(100_000);
    request.tx.gas_price = Some(50 * GWEI);
    let seen = lookCall::abi_decode_returns(&reader.call(request).unwrap()).unwrap();
    assert_eq!(seen.fee, U256::from(header.base_fee_per_gas.unwrap()));
    node.grow(vec![wallet(1).call(0, probe, &transientCall { value: U256::from(3) })]).await;
    assert_eq!(reader.storage(3, probe, U256::from(1)).unwrap(), B256::from(U256::from(3)));
}

#[tokio::test]
async fn the_base_fee_follows_the_load() {
    let node = Node::new();
    let probe = node.deploy(0, probe_code()).await;
    let mut fees = vec![];
    for block in 0..4u64 {
        let burn = wallet(1).call_with(block, probe, &foreverCall {}, 29_000_000, 0);
        let header = node.grow(vec![burn]).await.decode_header().unwrap();
        fees.push(header.base_fee_per_gas.unwrap());
        assert_eq!(node.reader().next_base_fee(), next(&header));
    }
    assert!(fees.is_sorted() && fees[3] > fees[0]);
    let empty = node.grow(vec![]).await.decode_header().unwrap();
    assert_eq!(node.reader().next_base_fee(), empty.base_fee_per_gas.unwrap() * 7 / 8 + 1);
    assert!(node.reader().next_base_fee() < empty.base_fee_per_gas.unwrap());
}

/// EIP-1559 written down once more.
fn next(parent: &Header) -> u64 {
    let (base, used) = (parent.base_fee_per_gas.unwrap(), parent.gas_used);
    let target = parent.gas_limit / 2;
    let part = |gas: u64| (u128::from(base) * u128::from(gas) / u128::from(target) / 8) as u64;
    if used >= target {
        base + part(used - target).max(u64::from(used > target))
    } else {
        base - part(target - used)
    }
}

#[tokio::test]
async fn a_proposal_leaves_out_what_does_not_fit() {
    let node = Node::new();
    let probe = node.deploy(0, probe_code()).await;
    let to = Address::repeat_byte(1);
    let transfer = |from: u64, nonce| wallet(from).transfer(nonce, to, 1);
    let good = [
        transfer(1, 0),
        transfer(1, 1),
        wallet(2).call_with(0, probe, &foreverCall {}, 29_920_000, 0),
        transfer(3, 0),
    ];
    let mut broken = transfer(4, 0).to_vec();
    let length = broken.len();
    broken[length - 1] ^= 1;
    let mut long = transfer(4, 0).to_vec();
    long.push(0);
    let given = vec![
        good[0].clone(),
        Bytes::from_static(b"nonsense"),
        Bytes::new(),
        good[0].clone(),
        transfer(1, 5),
        wallet(FUNDED + 1).transfer(0, to, 1),
        long.into(),
        // Another chain, a fee below the base fee, a gas limit below the intrinsic gas.
        wallet(4).raw(TxEip1559 { chain_id: 1, to: TxKind::Call(to), gas_limit: 21_000, ..tx(0) }),
        wallet(4).raw(TxEip1559 {
            max_fee_per_gas: 5,
            max_priority_fee_per_gas: 0,
            to: TxKind::Call(to),
            gas_limit: 21_000,
            ..tx(0)
        }),
        wallet(4).raw(TxEip1559 { to: TxKind::Call(to), gas_limit: 20_999, ..tx(0) }),
        blob_transaction(),
        good[1].clone(),
        good[2].clone(),
        // No room for its gas limit any more.
        wallet(5).call_with(0, probe, &foreverCall {}, 60_000, 0),
        good[3].clone(),
        // No room for anything.
        transfer(6, 0),
        transfer(7, 0),
    ];
    let payload = node.build(given).await;
    // The damaged signature is of somebody without ether or of nobody.
    let payload_again = node.build([vec![broken.into()], good.to_vec()].concat()).await;
    assert_eq!(payload.transactions, good);
    assert_eq!(payload, payload_again);
    let header = payload.decode_header().unwrap();
    assert_eq!(header.gas_used, 29_920_000 + 3 * 21_000);
    let twin = Node::new();
    twin.deploy(0, probe_code()).await;
    assert_eq!(twin.validate(&payload).await, PayloadStatus::Valid);
}

fn blob_transaction() -> Bytes {
    let tx = alloy_consensus::TxEip4844 {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: 100 * GWEI,
        max_priority_fee_per_gas: GWEI,
        max_fee_per_blob_gas: GWEI,
        blob_versioned_hashes: vec![B256::with_last_byte(1)],
        ..Default::default()
    };
    let signature = Signature::new(U256::from(1), U256::from(1), false);
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

#[tokio::test]
async fn what_one_node_proposes_the_others_find_valid() {
    let (proposer, follower) = (Node::new(), Node::new());
    assert_eq!(proposer.executor.genesis(), follower.executor.genesis());
    let mixed = |round: u64| {
        let token = wallet(0).address.create(0);
        let probe = wallet(0).address.create(1);
        let to = Address::from_word(keccak256(round.to_be_bytes()));
        vec![
            wallet(1).transfer(round, to, 1),
            wallet(2).call(3 * round, probe, &makeCall { first: U256::from(round) }),
            wallet(2).call(3 * round + 1, probe, &nestedCall { value: U256::from(round) }),
            wallet(2).call(3 * round + 2, probe, &makeAndKillCall { heir: to }),
            wallet(0).call(2 + round, token, &transferCall { to, value: U256::from(round) }),
            wallet(3).call(
                round,
                probe,
                &fillCall {
                    from: U256::from(round / 2),
                    count: U256::from(5),
                    value: U256::from(round % 3),
                },
            ),
            wallet(4).call(round, probe, &panicsCall {}),
        ]
    };
    let deploy =
        vec![wallet(0).create(0, token_code(U256::from(1000))), wallet(0).create(1, probe_code())];
    follower.follow(&proposer.grow(deploy).await).await;
    for round in 0..8 {
        let payload = proposer.grow(mixed(round)).await;
        follower.follow(&payload).await;
        assert_eq!(proposer.executor.head().await, follower.executor.head().await);
        assert_eq!(*proposer.receipts(round + 2), *follower.receipts(round + 2));
    }
}

type Change = fn(&mut Header);

#[tokio::test]
async fn every_wrong_header_field_is_named() {
    let (proposer, node) = (Node::new(), Node::new());
    let token = proposer.deploy(0, token_code(U256::from(1000))).await;
    node.deploy(0, token_code(U256::from(1000))).await;
    let call = transferCall { to: Address::repeat_byte(9), value: U256::from(1) };
    let payload = proposer.build(vec![wallet(0).call(1, token, &call)]).await;
    let wrong: [(&str, Change); 19] = [
        ("parent_hash", |header| header.parent_hash = B256::repeat_byte(1)),
        ("number", |header| header.number += 1),
        ("timestamp", |header| header.timestamp += 1),
        ("beneficiary", |header| header.beneficiary = Address::repeat_byte(1)),
        ("transactions_root", |header| header.transactions_root = B256::repeat_byte(1)),
        ("state_root", |header| header.state_root = B256::repeat_byte(1)),
        ("receipts_root", |header| header.receipts_root = B256::repeat_byte(1)),
        ("logs_bloom", |header| header.logs_bloom = Bloom::repeat_byte(1)),
        ("gas_limit", |header| header.gas_limit += 1),
        ("gas_used", |header| header.gas_used += 1),
        ("extra_data", |header| header.extra_data = Bytes::from_static(b"x")),
        ("mix_hash", |header| header.mix_hash = B256::repeat_byte(1)),
        ("base_fee_per_gas", |header| header.base_fee_per_gas = Some(1)),
        ("parent_beacon_block_root", |header| {
            header.parent_beacon_block_root = Some(B256::repeat_byte(1));
        }),
        ("ommersHash", |header| header.ommers_hash = B256::repeat_byte(1)),
        ("difficulty", |header| header.difficulty = U256::from(1)),
        ("withdrawalsRoot", |header| header.withdrawals_root = Some(B256::repeat_byte(1))),
        ("blobGasUsed", |header| header.blob_gas_used = Some(131_072)),
        ("excessBlobGas", |header| header.excess_blob_gas = Some(131_072)),
    ];
    for (field, change) in wrong {
        match node.validate(&with_header(&payload, change)).await {
            PayloadStatus::Invalid(reason) => {
                assert!(reason.contains(field), "{field}: {reason}");
            }
            other => panic!("{field}: {other:?}"),
        }
    }
    assert_eq!(node.validate(&payload).await, PayloadStatus::Valid);
}

#[tokio::test]
async fn a_block_with_a_transaction_that_cannot_be_in_it_is_refused() {
    let node = Node::new();
    let to = Address::repeat_byte(1);
    let honest = node.build(vec![wallet(1).transfer(0, to, 1)]).await;
    let with = |transactions: Vec<Bytes>| {
        let root = ande_execution::transactions_root(&transactions);
        let payload = with_header(&honest, |header| header.transactions_root = root);
        Payload { transactions, ..payload }
    };
    for (transactions, reason) in [
        (vec![wallet(1).transfer(1, to, 1)], "nonce 1 too high"),
        (vec![Bytes::from_static(b"nonsense")], "transaction"),
        (vec![wallet(FUNDED + 1).transfer(0, to, 1)], "lack of funds"),
        (vec![blob_transaction()], "no blobs"),
        (vec![wallet(1).call_with(0, to, &lastCall {}, GAS_LIMIT + 1, 0)], "gas limit"),
        (
            vec![wallet(1).raw(TxEip1559 {
                chain_id: 7,
                to: TxKind::Call(to),
                gas_limit: 21_000,
                ..tx(0)
            })],
            "chain ID",
        ),
    ] {
        match node.validate(&with(transactions)).await {
            PayloadStatus::Invalid(text) => assert!(text.contains(reason), "{reason}: {text}"),
            other => panic!("{reason}: {other:?}"),
        }
    }
    // The header of an honest block around other transactions.
    let swapped = Payload { transactions: vec![], ..honest.clone() };
    assert!(matches!(node.validate(&swapped).await, PayloadStatus::Invalid(_)));
    assert_eq!(node.validate(&honest).await, PayloadStatus::Valid);
}

#[tokio::test]
async fn rivals_are_kept_until_one_is_committed() {
    let node = Node::new();
    let to = Address::repeat_byte(1);
    let attributes = node.attributes().await;
    let mut rivals = vec![];
    for value in 0..40 {
        rivals.push(node.build(vec![wallet(1).transfer(0, to, value)]).await);
    }
    // Old rivals are forgotten, but can be judged again.
    let forgotten = node.executor.commit(rivals[0].hash()).await;
    assert!(matches!(forgotten, Err(ExecutionError::NotValidated { .. })));
    assert_eq!(node.validate(&rivals[0]).await, PayloadStatus::Valid);
    node.commit(&rivals[0]).await;
    node.commit(&rivals[0]).await;
    let late = node.executor.commit(rivals[39].hash()).await;
    assert!(matches!(late, Err(ExecutionError::NotValidated { .. })));
    let judged = node.executor.validate(&attributes, &rivals[39]).await.unwrap();
    assert!(matches!(judged, PayloadStatus::Syncing(_)));
    let built = node.executor.propose(attributes, vec![]).await;
    assert!(matches!(built, Err(ExecutionError::NotOnHead { .. })));
    assert_eq!(node.balance(to), U256::ZERO);
}

#[tokio::test]
async fn time_does_not_run_backwards_but_may_stand_still() {
    let node = Node::new();
    node.grow(vec![]).await;
    let mut attributes = node.attributes().await;
    attributes.timestamp_ms = 2_000;
    let payload = node.executor.propose(attributes, vec![]).await.unwrap();
    let twin = Node::new();
    twin.grow(vec![]).await;
    assert_eq!(twin.executor.validate(&attributes, &payload).await, Ok(PayloadStatus::Valid));
    attributes.timestamp_ms = 1_999;
    let behind = node.executor.propose(attributes, vec![]).await;
    assert!(matches!(behind, Err(ExecutionError::Unavailable(_))));
    let early = with_header(&payload, |header| header.timestamp = 1);
    let judged = twin.executor.validate(&attributes, &early).await.unwrap();
    assert!(matches!(judged, PayloadStatus::Invalid(reason) if reason.contains("timestamp")));
}

#[derive(Default)]
struct Remembered(AtomicUsize);

impl SenderSource for Remembered {
    fn sender(&self, hash: &B256) -> Option<Address> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let known = wallet(1).transfer(0, Address::repeat_byte(1), 1);
        (keccak256(&known) == *hash).then(|| wallet(1).address)
    }
}

#[tokio::test]
async fn known_senders_are_not_recovered_again() {
    let dir = tempfile::tempdir().unwrap();
    let senders = Arc::new(Remembered::default());
    let executor = open(dir.path(), genesis(), senders.clone());
    let transactions =
        (0..10).map(|n| wallet(1 + n).transfer(0, Address::repeat_byte(1), 1)).collect();
    let attributes = after(&executor.head().await);
    let payload = executor.propose(attributes, transactions).await.unwrap();
    assert_eq!(payload.transactions.len(), 10);
    assert_eq!(senders.0.load(Ordering::Relaxed), 10);
    assert_eq!(Node::new().validate(&payload).await, PayloadStatus::Valid);
}

#[test]
fn transactions_of_the_tests_are_what_they_seem() {
    let tx = wallet(1).sign(TxEip1559 { gas_limit: 21_000, ..tx(7) });
    assert_eq!(tx.nonce(), 7);
    assert_eq!(tx.recover_signer().unwrap(), wallet(1).address);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_is_not_condemned_because_the_head_moves_meanwhile() {
    let (proposer, node) = (Node::new(), Node::new());
    for round in 0..6 {
        let to = Address::repeat_byte(0x20);
        let attributes = proposer.attributes().await;
        let mut rivals = vec![];
        for rival in 0..6 {
            let transactions = (0..20).map(|from| {
                let nonce =
                    proposer.reader().account(round, wallet(from % FUNDED).address).unwrap().nonce;
                wallet(from % FUNDED).transfer(nonce, to, 100 * rival + from)
            });
            rivals.push(proposer.build(transactions.collect()).await);
        }
        assert_eq!(node.validate(&rivals[0]).await, PayloadStatus::Valid);
        let judging: Vec<_> = rivals[1..]
            .iter()
            .cloned()
            .map(|rival| {
                let executor = node.executor.clone();
                tokio::spawn(async move { executor.validate(&attributes, &rival).await.unwrap() })
            })
            .collect();
        node.commit(&rivals[0]).await;
        proposer.commit(&rivals[0]).await;
        for status in judging {
            let status = status.await.unwrap();
            assert!(!matches!(status, PayloadStatus::Invalid(_)), "{status:?}");
        }
    }
    assert_eq!(node.executor.head().await, proposer.executor.head().await);
}
