//! A chain with the embedded EVM.

use alloy_primitives::{Bytes, TxKind, U256, keccak256};
use ande_consensus::{Application as _, SubmitError, Verdict};
use ande_execution::{Attributes, Payload};
use ande_primitives::{Block, Round};

use crate::fixture::{FIRST, FUNDED, GWEI, Node, WITH_CODE, candidate, certify, wallet};

async fn refusal(node: &Node, raw: Bytes) -> String {
    match node.pool.admit(raw).await {
        Err(SubmitError::Rejected(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

fn counts(node: &Node) -> (usize, usize) {
    let status = node.pool.status();
    (status.pending, status.queued)
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_ordered_by_tip_and_nonce_and_another_node_agrees() {
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (Node::evm_with_sets(dir_a.path()).await, Node::evm_with_sets(dir_b.path()).await);
    let [low, high, mid] = [(0, 1), (1, 9), (2, 5)].map(|(who, tip)| wallet(who).tip(0, tip));
    let rich_but_second = wallet(0).tip(1, 50);
    for raw in [&low, &rich_but_second, &high, &mid] {
        a.pool.admit(raw.clone()).await.unwrap();
    }
    // One of them came by gossip: its sender is known there before any proposal.
    b.pool.admit(high.clone()).await.unwrap();
    assert_eq!(b.senders.get(&keccak256(&high)).unwrap().sender, wallet(1).address());
    let (start, block) = a.build(Round(0)).await;
    assert_eq!(block.transactions, [high.clone(), mid, low.clone(), rich_but_second]);
    assert_eq!(b.chain.validate(&start, &candidate(block.clone(), Round(0))).await, Verdict::Valid);
    assert_eq!(b.senders.get(&keccak256(&low)).unwrap().sender, wallet(0).address());
    for node in [&a, &b] {
        node.chain.commit(certify(block.clone(), Round(0))).await.unwrap();
        assert_eq!((counts(node), node.account(wallet(0).address()).0), ((0, 0), 2));
    }
    assert_eq!(a.evm.as_ref().unwrap().head(), b.evm.as_ref().unwrap().head());
    // What is in the chain is success, and is not taken again.
    for node in [&a, &b] {
        assert_eq!(node.pool.admit(low.clone()).await, Ok((keccak256(&low), false)));
        assert_eq!(counts(node), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_in_another_order_is_invalid() {
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (Node::evm_with_sets(dir_a.path()).await, Node::evm_with_sets(dir_b.path()).await);
    let (start, empty) = a.build(Round(0)).await;
    let (low, high) = (wallet(0).tip(0, 1), wallet(1).tip(0, 2));
    for (transactions, valid) in
        [(vec![low.clone(), high.clone()], false), (vec![high.clone(), low.clone()], true)]
    {
        let attributes = Attributes {
            number: FIRST.0,
            timestamp_ms: empty.header.timestamp_ms,
            fee_recipient: empty.header.proposer,
            parent_execution_hash: a.executor.genesis().hash(),
            parent_consensus_hash: start.parent.hash,
        };
        let payload: Payload = a.executor.propose(attributes, transactions.clone()).await.unwrap();
        assert_eq!(payload.transactions, transactions);
        let mut header = empty.header.clone();
        header.execution_hash = payload.hash();
        let block = Block { header, execution: payload.header, transactions: payload.transactions };
        let verdict = b.chain.validate(&start, &candidate(block, Round(0))).await;
        if valid {
            assert_eq!(verdict, Verdict::Valid);
        } else {
            let expected = format!(
                "transaction {} at index 0 is not the next one by tip and nonce",
                keccak256(&low)
            );
            assert_eq!(verdict, Verdict::Invalid(expected));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_wait_and_replacements_replace() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::evm_with_sets(dir.path()).await;
    let [first, second, third] = [0, 1, 2].map(|nonce| wallet(0).tip(nonce, 1));
    node.pool.admit(third.clone()).await.unwrap();
    node.pool.admit(second.clone()).await.unwrap();
    assert_eq!(counts(&node), (0, 2));
    assert!(node.decide().await.block.transactions.is_empty());
    let dear = wallet(0).raw(|tx| {
        tx.nonce = 1;
        (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) = (110 * GWEI, 2 * GWEI);
    });
    let cheap = wallet(0).raw(|tx| {
        tx.nonce = 1;
        (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) = (105 * GWEI, 2 * GWEI);
    });
    assert_eq!(refusal(&node, cheap).await, "replacement transaction underpriced");
    node.pool.admit(dear.clone()).await.unwrap();
    node.pool.admit(first.clone()).await.unwrap();
    assert_eq!(counts(&node), (3, 0));
    let content = node.pool.content(Some(wallet(0).address()));
    let listed: Vec<_> = content.iter().map(|entry| (entry.nonce, entry.executable)).collect();
    assert_eq!(listed, [(0, true), (1, true), (2, true)]);
    assert_eq!(node.pool.next_nonce(wallet(0).address(), 0), 3);
    assert_eq!(node.decide().await.block.transactions, [first, dear, third]);
    let text = refusal(&node, second).await;
    assert_eq!(text, "nonce too low: next nonce 3, tx nonce 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_base_fee_are_judged_with_the_texts_that_clients_know() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::evm_with_sets(dir.path()).await;
    let poor = wallet(FUNDED);
    let cost = U256::from(21_000 * 100 * GWEI) + U256::from(1);
    assert_eq!(
        refusal(&node, poor.tip(0, 1)).await,
        format!(
            "insufficient funds for gas * price + value: balance 0, queued cost 0, tx cost {cost}, \
             overshot {cost}"
        )
    );
    let cheap = wallet(0).raw(|tx| {
        (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) = (GWEI / 2, 0);
    });
    let text = refusal(&node, cheap.clone()).await;
    assert!(text.starts_with("max fee per gas less than block base fee"), "{text}");
    let huge = wallet(0).raw(|tx| tx.gas_limit = 30_000_001);
    assert_eq!(refusal(&node, huge).await, "exceeds block gas limit: gas 30000001, limit 30000000");
    assert_eq!(node.metrics.pool_refused.get(&ande_telemetry::PoolRefusalLabels::new("funds")), 1);
    // Somebody pays for the poor one.
    node.pool
        .admit(wallet(1).raw(|tx| {
            (tx.to, tx.value) = (TxKind::Call(poor.address()), cost);
        }))
        .await
        .unwrap();
    node.decide().await;
    node.pool.admit(poor.tip(0, 1)).await.unwrap();
    let text = refusal(&node, poor.tip(1, 1)).await;
    assert!(text.starts_with("insufficient funds for gas * price + value: balance"), "{text}");
    assert_eq!(node.decide().await.block.transactions, [poor.tip(0, 1)]);
    // Empty blocks lower the base fee until the cheap one is taken.
    for _ in 0..20 {
        node.decide().await;
    }
    node.pool.admit(cheap.clone()).await.unwrap();
    assert_eq!(node.decide().await.block.transactions, [cheap]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_nodes_block_made_impossible_leaves_for_ever() {
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (Node::evm_with_sets(dir_a.path()).await, Node::evm_with_sets(dir_b.path()).await);
    let (here, there) = (wallet(0).tip(0, 1), wallet(0).tip(0, 7));
    let next = wallet(0).tip(1, 1);
    for raw in [&here, &next] {
        a.pool.admit(raw.clone()).await.unwrap();
    }
    b.pool.admit(there.clone()).await.unwrap();
    let (_, block) = b.build(Round(0)).await;
    a.chain.commit(certify(block, Round(0))).await.unwrap();
    assert!(a.pool.get(keccak256(&here)).is_none());
    assert_eq!(counts(&a), (1, 0));
    a.close().await;
    let a = Node::open_evm(dir_a.path()).await;
    assert_eq!(a.decide().await.block.transactions, [next]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_survives_a_restart_without_what_became_invalid() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::evm_with_sets(dir.path()).await;
    node.pool.admit(wallet(0).tip(0, 1)).await.unwrap();
    node.decide().await;
    let kept = [wallet(0).tip(1, 3), wallet(1).tip(0, 2), wallet(2).tip(4, 1)];
    for raw in &kept {
        node.pool.admit(raw.clone()).await.unwrap();
    }
    // As after a crash between a block and the pruning of the journal.
    let used = wallet(0).tip(0, 5);
    let rubbish = Bytes::from_static(b"no transaction");
    node.store
        .journal_append(&[(keccak256(&used), used.clone()), (keccak256(&rubbish), rubbish)])
        .await
        .unwrap();
    node.close().await;
    let node = Node::open_evm(dir.path()).await;
    assert_eq!(counts(&node), (2, 1));
    assert!(node.pool.get(keccak256(&used)).is_none());
    assert_eq!(node.decide().await.block.transactions, kept[..2]);
    node.close().await;
    let node = Node::open_evm(dir.path()).await;
    assert_eq!(counts(&node), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_execution_refuses_is_not_proposed_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::evm_with_sets(dir.path()).await;
    // An account with code may not send (EIP-3607): only the execution knows.
    node.pool.admit(wallet(WITH_CODE).tip(0, 9)).await.unwrap();
    node.pool.admit(wallet(0).tip(0, 1)).await.unwrap();
    assert_eq!(node.decide().await.block.transactions, [wallet(0).tip(0, 1)]);
    assert_eq!(counts(&node), (1, 0));
    for _ in 0..2 {
        assert!(node.decide().await.block.transactions.is_empty());
    }
    assert_eq!(counts(&node), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_do_not_fit_by_gas_wait() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::evm_with_sets(dir.path()).await;
    // Each asks for two thirds of a block and is allowed to; all are kept.
    let greedy: Vec<Bytes> = (0..3)
        .map(|who| {
            wallet(who).raw(|tx| {
                tx.gas_limit = 29_990_000;
                tx.max_priority_fee_per_gas = u128::from(9 - who) * GWEI;
            })
        })
        .collect();
    for raw in &greedy {
        node.pool.admit(raw.clone()).await.unwrap();
    }
    for raw in &greedy {
        assert_eq!(node.decide().await.block.transactions, std::slice::from_ref(raw));
    }
    assert_eq!(counts(&node), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_senders_with_any_tips_are_all_served_and_every_block_is_accepted() {
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (Node::evm_with_sets(dir_a.path()).await, Node::evm_with_sets(dir_b.path()).await);
    let per_sender = 12;
    let mut raws: Vec<Bytes> = (0..FUNDED)
        .flat_map(|who| {
            (0..per_sender).map(move |nonce| {
                let tip = u128::from(keccak256([who, nonce])[0] % 5);
                wallet(who).tip(u64::from(nonce), tip)
            })
        })
        .collect();
    raws.sort_by_key(|raw| keccak256(raw));
    let arrivals = a.pool.arrivals();
    let admitted = raws.iter().map(|raw| a.pool.admit(raw.clone()));
    let admitted = futures::future::join_all(admitted).await;
    assert!(admitted.iter().all(|outcome| matches!(outcome, Ok((_, true)))));
    assert_eq!((counts(&a), arrivals.len()), ((raws.len(), 0), raws.len()));
    let mut served = 0;
    while served < raws.len() {
        let (start, block) = a.build(Round(0)).await;
        assert!(!block.transactions.is_empty());
        served += block.transactions.len();
        let verdict = b.chain.validate(&start, &candidate(block.clone(), Round(0))).await;
        assert_eq!(verdict, Verdict::Valid);
        for node in [&a, &b] {
            node.chain.commit(certify(block.clone(), Round(0))).await.unwrap();
        }
    }
    for who in 0..FUNDED {
        assert_eq!(b.account(wallet(who).address()).0, u64::from(per_sender));
    }
    assert_eq!((counts(&a), counts(&b)), ((0, 0), (0, 0)));
}
