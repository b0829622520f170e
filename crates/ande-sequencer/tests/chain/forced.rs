//! Forced transactions: consumed first and in order, and blocks that get it wrong.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use ande_consensus::{Application as _, StartHeight, Verdict};
use ande_execution::{Attributes, ForcedInput, Payload};
use ande_primitives::{
    Block, ForcedOutcome, ForcedTransaction, MAX_FORCED_PER_BATCH, Round, forced_accumulator,
};

use crate::fixture::{DEADLINE, GWEI, L2_CHAIN, Node, candidate, certify, wallet};

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Entries with these bytes, queued at `enqueued_at`.
pub fn queue(raws: &[Bytes], enqueued_at: u64) -> Vec<ForcedTransaction> {
    let mut acc = B256::ZERO;
    (0u64..)
        .zip(raws)
        .map(|(index, raw)| {
            let sender = Address::repeat_byte(5);
            acc = forced_accumulator(acc, sender, index, 9, enqueued_at, raw);
            ForcedTransaction {
                index,
                sender,
                l1_block: 9,
                enqueued_at,
                deadline: enqueued_at + 3_600,
                acc,
                raw: raw.clone(),
            }
        })
        .collect()
}

/// As the reader does: stored, then shown.
pub async fn final_on(node: &Node, entries: &[ForcedTransaction]) {
    node.store.put_forced(entries).await.unwrap();
    let tail = node.store.last_forced().await.unwrap().map_or(0, |last| last.index + 1);
    node.l1.send_modify(|view| view.forced.tail = tail);
}

fn outcomes(block: &Block) -> Vec<ForcedOutcome> {
    Payload::of_block(block).forced_outcomes().unwrap()
}

async fn judged(node: &Node, start: &StartHeight, block: Block) -> Verdict {
    node.chain.validate(start, &candidate(block, Round(0))).await
}

fn reason(verdict: Verdict) -> (bool, String) {
    match verdict {
        Verdict::Invalid(reason) => (true, reason),
        Verdict::Unknown(reason) => (false, reason),
        Verdict::Valid => panic!("the block was found valid"),
    }
}

/// A block of `node` that consumes the first `count` entries as `inputs` say.
async fn built(
    node: &Node,
    count: usize,
    entries: &[ForcedTransaction],
    inputs: Vec<ForcedInput>,
) -> (StartHeight, Block) {
    let start = node.chain.start_height().await.unwrap();
    let tip = node.store.tip().await.unwrap();
    let parent_execution_hash =
        tip.map_or(node.executor.genesis().hash(), |tip| tip.block.header.execution_hash);
    let (start, mut block) = {
        let turn = ande_consensus::Turn { start: start.clone(), round: Round(7) };
        let block = node.chain.build(&turn, std::time::Instant::now() + DEADLINE).await.unwrap();
        (start, block)
    };
    block.header.skip = start.skip_base;
    block.header.proposer = start.proposer(Round(0));
    let attributes = Attributes {
        number: block.header.height.0,
        timestamp_ms: block.header.timestamp_ms,
        fee_recipient: block.header.proposer,
        parent_execution_hash,
        parent_consensus_hash: start.parent.hash,
    };
    let payload = node.executor.propose_forced(attributes, inputs, Vec::new()).await.unwrap();
    block.header.execution_hash = payload.hash();
    block.header.forced_up_to = count as u64;
    block.header.forced_acc = match count {
        0 => B256::ZERO,
        count => entries[count - 1].acc,
    };
    block.execution = payload.header;
    block.transactions = payload.transactions;
    (start, block)
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_first_in_queue_order_and_what_cannot_run_is_skipped_with_its_reason() {
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (Node::evm_with_sets(dir_a.path()).await, Node::evm_with_sets(dir_b.path()).await);
    let cheap = |tx: &mut alloy::consensus::TxEip1559| {
        (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) = (1, 0);
    };
    let raws = [
        wallet(1).tip(0, 1),
        Bytes::from_static(b"nonsense"),
        wallet(1).tip(0, 1),
        wallet(1).tip(2, 1),
        wallet(2).raw(|tx| tx.chain_id = L2_CHAIN + 1),
        wallet(200).tip(0, 1),
        wallet(2).raw(cheap),
        wallet(2).raw(|tx| tx.gas_limit = 30_000_001),
        wallet(2).raw(|tx| tx.gas_limit = 20_999),
        wallet(2)
            .raw(|tx| (tx.to, tx.value) = (TxKind::Call(wallet(200).address()), U256::from(7))),
    ];
    use ForcedOutcome::{
        FeeTooLow, GasLimit, Included, InsufficientFunds, Malformed, NonceTooHigh, NonceTooLow,
        Refused, WrongChain,
    };
    let expected = [
        Included,
        Malformed,
        NonceTooLow,
        NonceTooHigh,
        WrongChain,
        InsufficientFunds,
        FeeTooLow,
        GasLimit,
        Refused,
        Included,
    ];
    let entries = queue(&raws, now());
    for node in [&a, &b] {
        final_on(node, &entries).await;
    }
    // The pool knows one of them, its successor, and something dearer.
    for raw in [&raws[0], &wallet(1).tip(1, 1), &wallet(3).tip(0, 50)] {
        a.pool.admit(raw.clone()).await.unwrap();
    }
    let (start, block) = a.build(Round(0)).await;
    assert_eq!(outcomes(&block), expected);
    let order = [raws[0].clone(), raws[9].clone(), wallet(3).tip(0, 50), wallet(1).tip(1, 1)];
    assert_eq!(block.transactions, order);
    assert_eq!((block.header.forced_up_to, block.header.forced_acc), (10, entries[9].acc));
    assert_eq!(judged(&b, &start, block.clone()).await, Verdict::Valid);
    for node in [&a, &b] {
        node.chain.commit(certify(block.clone(), Round(0))).await.unwrap();
        assert_eq!(node.account(wallet(200).address()).1, U256::from(7));
        assert_eq!((node.metrics.forced_included.get(), node.metrics.forced_skipped.get()), (2, 8));
        assert_eq!(node.pool.status().pending, 0);
    }
    let next = a.decide().await.block;
    assert_eq!((next.header.forced_up_to, next.header.forced_acc), (10, entries[9].acc));
    assert!(outcomes(&next).is_empty() && next.transactions.is_empty());

    // Replayed without the queue: the block says it all.
    a.close().await;
    std::fs::remove_dir_all(dir_a.path().join("state")).unwrap();
    let a = Node::open_evm(dir_a.path()).await;
    assert_eq!(a.account(wallet(200).address()).1, U256::from(7));
    a.close().await;
}

#[tokio::test]
async fn without_execution_only_bytes_and_the_chain_are_looked_at() {
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (Node::with_sets(dir_a.path()).await, Node::with_sets(dir_b.path()).await);
    let known = wallet(7).tip(0, 1);
    a.pool.admit(known.clone()).await.unwrap();
    let commit = a.decide().await;
    b.chain.commit(commit).await.unwrap();
    let raws = [
        wallet(7).tip(9, 1),
        wallet(7).tip(9, 1),
        known,
        Bytes::from_static(&[0xc0]),
        wallet(7).raw(|tx| tx.chain_id = 1),
        wallet(8).tip(0, 0),
    ];
    let entries = queue(&raws, now());
    for node in [&a, &b] {
        final_on(node, &entries).await;
    }
    a.pool.admit(raws[0].clone()).await.unwrap();
    a.pool.admit(wallet(9).tip(0, 1)).await.unwrap();
    let (start, block) = a.build(Round(0)).await;
    use ForcedOutcome::{AlreadyIncluded, Included, Malformed, WrongChain};
    let expected = [Included, AlreadyIncluded, AlreadyIncluded, Malformed, WrongChain, Included];
    assert_eq!(outcomes(&block), expected);
    assert_eq!(block.transactions, [raws[0].clone(), raws[5].clone(), wallet(9).tip(0, 1)]);
    assert_eq!(judged(&b, &start, block.clone()).await, Verdict::Valid);
    // Another order of the forced ones, and another opinion of one.
    for (inputs, what) in [
        (vec![Ok(raws[5].clone()), Ok(raws[0].clone())], "does not begin"),
        (vec![Ok(raws[0].clone()), Err(Malformed)], "extra_data"),
    ] {
        let (start, block) = built(&a, 2, &entries, inputs).await;
        let (invalid, reason) = reason(judged(&b, &start, block).await);
        assert!(invalid && reason.contains(what), "{reason}");
    }
    for node in [&a, &b] {
        node.chain.commit(certify(block.clone(), Round(0))).await.unwrap();
    }
    assert!(a.decide().await.block.transactions.is_empty());
    a.close().await;
    let a = Node::open(dir_a.path()).await;
    a.decide().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_does_not_know_yet_it_does_not_judge() {
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (Node::evm_with_sets(dir_a.path()).await, Node::evm_with_sets(dir_b.path()).await);
    let raws: Vec<Bytes> = (0..3).map(|who| wallet(who).tip(0, 1)).collect();
    let entries = queue(&raws, now());
    final_on(&a, &entries).await;
    final_on(&b, &entries[..2]).await;
    let (start, block) = a.build(Round(0)).await;
    let (invalid, text) = reason(judged(&b, &start, block.clone()).await);
    assert!(!invalid && text.contains("forced transaction 2 is not final"), "{text}");
    // The others certified it: it is followed, also without the entry.
    let adopted = b.chain.adopt(&start, &candidate(block.clone(), Round(0))).await;
    assert_eq!(adopted, Verdict::Valid);
    b.chain.commit(certify(block.clone(), Round(0))).await.unwrap();
    a.chain.commit(certify(block, Round(0))).await.unwrap();
    assert_eq!(a.store.tip().await.unwrap(), b.store.tip().await.unwrap());
    // Later the entry is known there too, and consumed already.
    final_on(&b, &entries[2..]).await;
    assert!(b.decide().await.block.transactions.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_due_entry_must_not_be_left_out() {
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (Node::evm_with_sets(dir_a.path()).await, Node::evm_with_sets(dir_b.path()).await);
    let raws = [wallet(1).tip(0, 1), wallet(2).tip(0, 1)];
    // One is due since a second ago, the other has some minutes.
    let mut entries = queue(&raws[..1], now() - 1_801);
    let young = now() - 1_500;
    let acc = forced_accumulator(entries[0].acc, Address::repeat_byte(5), 1, 9, young, &raws[1]);
    let second = ForcedTransaction {
        index: 1,
        enqueued_at: young,
        deadline: young + 3_600,
        acc,
        raw: raws[1].clone(),
        ..entries[0].clone()
    };
    entries.push(second);
    let (start, without) = a.build(Round(0)).await;
    final_on(&a, &entries).await;
    let (_, with_first) = built(&a, 1, &entries, vec![Ok(raws[0].clone())]).await;
    // Who does not know the entry cannot miss it.
    assert_eq!(judged(&b, &start, without.clone()).await, Verdict::Valid);
    final_on(&b, &entries).await;
    let (invalid, text) = reason(judged(&b, &start, without).await);
    assert!(!invalid && text.contains("forced transaction 0 is due and left out"), "{text}");
    assert_eq!(judged(&b, &start, with_first.clone()).await, Verdict::Valid);
    for node in [&a, &b] {
        node.chain.commit(certify(with_first.clone(), Round(0))).await.unwrap();
    }
    assert_eq!(a.decide().await.block.transactions, raws[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_with_another_queue_are_invalid() {
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (Node::evm_with_sets(dir_a.path()).await, Node::evm_with_sets(dir_b.path()).await);
    let raws: Vec<Bytes> = (0..4).map(|who| wallet(who).tip(0, 1)).collect();
    let entries = queue(&raws, now());
    final_on(&b, &entries).await;
    let ok = |which: &[usize]| which.iter().map(|index| Ok(raws[*index].clone())).collect();
    let stranger = wallet(9).tip(0, 1);
    let cases: [(&str, usize, Vec<ForcedInput>); 5] = [
        ("another order", 2, ok(&[1, 0])),
        ("one passed over", 2, ok(&[0, 2])),
        ("one that is not in the queue", 2, vec![Ok(raws[0].clone()), Ok(stranger)]),
        (
            "one skipped that can be executed",
            2,
            vec![Ok(raws[0].clone()), Err(ForcedOutcome::NonceTooLow)],
        ),
        ("fewer than it says", 3, ok(&[0, 1])),
    ];
    for (what, count, inputs) in cases {
        let (start, block) = built(&a, count, &entries, inputs).await;
        let (invalid, text) = reason(judged(&b, &start, block).await);
        assert!(invalid, "{what}: {text}");
    }
    let (start, good) = built(&a, 2, &entries, ok(&[0, 1])).await;
    let mut wrong = good.clone();
    wrong.header.forced_acc = entries[2].acc;
    let (invalid, text) = reason(judged(&b, &start, wrong).await);
    assert!(invalid && text.contains("accumulator"), "{text}");
    let mut wrong = good.clone();
    wrong.transactions.swap(0, 1);
    assert!(reason(judged(&b, &start, wrong).await).0);
    let mut wrong = good.clone();
    wrong.header.forced_up_to = 0;
    assert!(reason(judged(&b, &start, wrong).await).0);
    assert_eq!(judged(&b, &start, good).await, Verdict::Valid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_queue_is_worked_off_a_batch_full_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::evm_with_sets(dir.path()).await;
    let raws: Vec<Bytes> = (0..70).map(|nonce| wallet(1).tip(nonce, 1)).collect();
    // Due long ago, all of them.
    let entries = queue(&raws, now() - 3_000);
    final_on(&node, &entries).await;
    node.pool.admit(wallet(2).tip(0, 1)).await.unwrap();
    let mut served = Vec::new();
    for expected in [MAX_FORCED_PER_BATCH, 2 * MAX_FORCED_PER_BATCH, 70] {
        let (start, block) = node.build(Round(0)).await;
        assert_eq!(judged(&node, &start, block.clone()).await, Verdict::Valid);
        node.chain.commit(certify(block.clone(), Round(0))).await.unwrap();
        assert_eq!(block.header.forced_up_to, expected);
        served.extend(block.transactions);
    }
    assert_eq!(served.len(), 71);
    served.retain(|raw| *raw != wallet(2).tip(0, 1));
    assert_eq!(served, raws);
    // Two that ask for most of a block's gas go into two blocks.
    let raws = [0, 1].map(|nonce| {
        wallet(4).raw(|tx| {
            (tx.nonce, tx.gas_limit) = (nonce, 29_000_000);
            tx.max_fee_per_gas = 100 * GWEI;
        })
    });
    let mut acc = entries[69].acc;
    let more = (70u64..).zip(&raws).map(|(index, raw)| {
        let last = entries[69].clone();
        acc = forced_accumulator(acc, last.sender, index, 9, last.enqueued_at, raw);
        ForcedTransaction { index, acc, raw: raw.clone(), ..last }
    });
    final_on(&node, &more.collect::<Vec<_>>()).await;
    for (raw, up_to) in raws.iter().zip(71..) {
        let (start, block) = node.build(Round(0)).await;
        assert_eq!(judged(&node, &start, block.clone()).await, Verdict::Valid);
        assert_eq!(
            (&block.transactions[..], block.header.forced_up_to),
            (std::slice::from_ref(raw), up_to)
        );
        node.chain.commit(certify(block, Round(0))).await.unwrap();
    }
}

#[tokio::test]
async fn a_forced_transaction_is_work() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::with_sets(dir.path()).await;
    let parent = node.chain.start_height().await.unwrap().parent;
    let work = node.chain.work(&parent);
    tokio::pin!(work);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut work).await.is_err());
    let raw = wallet(7).tip(0, 1);
    final_on(&node, &queue(std::slice::from_ref(&raw), now())).await;
    tokio::time::timeout(DEADLINE, work).await.unwrap();
    assert_eq!(
        node.decide().await.block.transaction_hashes().collect::<Vec<_>>(),
        [keccak256(&raw)]
    );
}
