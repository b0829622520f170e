//! Batches, settlement transactions, evidence, peers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use alloy_primitives::{Address, B256, keccak256};
use ande_primitives::{Epoch, Era, Height, NodeId};
use ande_store::{BatchRow, BatchState, EraStart, L1TxRow, L1TxState, StoreError};
use common::{batch, block, chain, commit, evidence, open, set};

#[tokio::test]
async fn batches_follow_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    assert_eq!(store.last_batch().await.unwrap(), None);
    let one = batch(None, 1);
    let two = batch(Some(&one), 2);
    let three = batch(Some(&two), 3);
    for row in [&one, &two, &three] {
        store.put_batch(row).await.unwrap();
    }
    assert_eq!(store.batch(2).await.unwrap().as_ref(), Some(&two));
    assert_eq!(store.batches(2, 10).await.unwrap(), vec![two.clone(), three.clone()]);
    assert_eq!(store.batches(1, 1).await.unwrap(), vec![one.clone()]);
    assert_eq!(store.last_batch().await.unwrap().as_ref(), Some(&three));
    let found = store.batch_by_content_hash(two.header.content_hash()).await.unwrap();
    assert_eq!(found.as_ref(), Some(&two));
    for (height, index) in [(1, 1), (10, 1), (11, 2), (30, 3)] {
        let found = store.batch_of_height(Height(height)).await.unwrap().unwrap();
        assert_eq!(found.header.batch_index, index);
    }
    assert_eq!(store.batch_of_height(Height(31)).await.unwrap(), None);
    assert_eq!(store.batch_of_height(Height(0)).await.unwrap(), None);

    let stranger = batch(Some(&batch(None, 9)), 2);
    let error = store.put_batch(&stranger).await.unwrap_err();
    assert!(matches!(error, StoreError::BatchRefused { index: 2, .. }), "{error}");
    let error = store.update_batch(&stranger).await.unwrap_err();
    assert!(matches!(error, StoreError::BatchRefused { index: 2, .. }), "{error}");

    // Another content for batch 2: batch 3 extended the old one and is dropped.
    let other = batch(Some(&one), 7);
    store.put_batch(&other).await.unwrap();
    assert_eq!(store.last_batch().await.unwrap(), Some(other));
    store.close().await;
}

#[tokio::test]
async fn final_batches_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    for commit in chain(15, 0) {
        store.commit(&commit).await.unwrap();
    }
    let one = batch(None, 1);
    store.put_batch(&one).await.unwrap();
    let step = |state| BatchRow { state, ..one.clone() };
    use BatchState::{Created, Failed, Finalized, Included, Submitted};
    for state in [Submitted, Failed, Created, Submitted, Included, Submitted, Included] {
        store.update_batch(&step(state)).await.unwrap();
        assert_eq!(store.last_batch_in_state(state).await.unwrap(), Some(step(state)));
        assert_eq!(store.outbox().await.unwrap().blocks, 15);
    }
    let end = BatchRow {
        l1_tx: Some(B256::repeat_byte(1)),
        l1_block: Some(77),
        error: Some("earlier: out of gas".into()),
        ..step(Finalized)
    };
    store.update_batch(&end).await.unwrap();
    store.close().await;
    let store = open(dir.path()).await;
    assert_eq!(store.batch(1).await.unwrap(), Some(end.clone()));
    let outbox = store.outbox().await.unwrap();
    assert_eq!((outbox.blocks, outbox.first), (5, Some(Height(11))));
    for state in [Created, Submitted, Included, Failed] {
        let error = store.update_batch(&step(state)).await.unwrap_err();
        assert!(matches!(error, StoreError::BatchTransition { from: Finalized, .. }), "{error}");
    }
    assert!(store.put_batch(&one).await.is_err());
    assert!(store.put_batch(&batch(None, 2)).await.is_err());
    store.put_batch(&end).await.expect("the same again");
    assert_eq!(store.last_batch_in_state(Created).await.unwrap(), None);
    store.close().await;
}

#[tokio::test]
async fn a_final_batch_shields_those_it_extends() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let one = batch(None, 1);
    let two = BatchRow { state: BatchState::Finalized, ..batch(Some(&one), 2) };
    store.put_batch(&one).await.unwrap();
    store.put_batch(&two).await.unwrap();
    assert!(store.put_batch(&batch(None, 5)).await.is_err());
    assert_eq!(store.batches(0, 9).await.unwrap(), vec![one, two]);
    store.close().await;
}

#[tokio::test]
async fn a_batch_before_the_first_stored_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let one = batch(None, 1);
    store.put_batch(&batch(Some(&one), 2)).await.expect("a node may start with a later batch");
    let error = store.put_batch(&one).await.unwrap_err();
    assert!(matches!(error, StoreError::BatchRefused { index: 1, .. }), "{error}");
    store.close().await;
}

fn l1_tx(nonce: u64, hash: u8) -> L1TxRow {
    L1TxRow {
        id: 0,
        purpose: format!("batch:{nonce}"),
        sender: Address::repeat_byte(4),
        nonce,
        hash: B256::repeat_byte(hash),
        raw: vec![hash; 200].into(),
        state: L1TxState::Prepared,
        created_at_ms: 1_700_000_000_000,
    }
}

#[tokio::test]
async fn settlement_transactions_are_kept_through_replacements() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let sender = Address::repeat_byte(4);
    assert_eq!(store.highest_l1_nonce(sender).await.unwrap(), None);
    let first = store.put_l1_tx(&l1_tx(5, 1)).await.unwrap();
    assert_eq!(store.put_l1_tx(&l1_tx(5, 1)).await.unwrap(), first);
    let bumped = store.put_l1_tx(&l1_tx(5, 2)).await.unwrap();
    let next = store.put_l1_tx(&l1_tx(6, 3)).await.unwrap();
    assert!(first < bumped && bumped < next);
    store.set_l1_tx_state(first, L1TxState::Broadcast).await.unwrap();
    store.set_l1_tx_state(bumped, L1TxState::Mined { block: 12 }).await.unwrap();
    store.close().await;

    let store = open(dir.path()).await;
    let open_rows = store.open_l1_txs(sender).await.unwrap();
    let states: Vec<_> = open_rows.iter().map(|row| (row.id, row.state)).collect();
    assert_eq!(
        states,
        vec![
            (first, L1TxState::Broadcast),
            (bumped, L1TxState::Mined { block: 12 }),
            (next, L1TxState::Prepared)
        ]
    );
    assert_eq!(open_rows[1].raw, l1_tx(5, 2).raw);
    store.set_l1_tx_state(bumped, L1TxState::Final).await.unwrap();
    store.set_l1_tx_state(bumped, L1TxState::Final).await.expect("the same again");
    store.set_l1_tx_state(first, L1TxState::Replaced).await.unwrap();
    store.set_l1_tx_state(next, L1TxState::Dropped).await.unwrap();
    assert!(store.open_l1_txs(sender).await.unwrap().is_empty());
    assert_eq!(store.highest_l1_nonce(sender).await.unwrap(), Some(5));
    let late = store.set_l1_tx_state(bumped, L1TxState::Dropped).await.unwrap_err();
    assert!(matches!(late, StoreError::NonceUsed { nonce: 5, .. }), "{late}");
    let rival = store.put_l1_tx(&l1_tx(5, 9)).await.unwrap_err();
    assert!(matches!(rival, StoreError::NonceUsed { nonce: 5, .. }), "{rival}");
    assert_eq!(store.put_l1_tx(&l1_tx(5, 2)).await.unwrap(), bumped);
    let unknown = store.set_l1_tx_state(99, L1TxState::Final).await.unwrap_err();
    assert!(matches!(unknown, StoreError::UnknownL1Tx(99)));
    assert_eq!(store.l1_tx(bumped).await.unwrap().unwrap().hash, B256::repeat_byte(2));
    let by_hash = store.l1_tx_by_hash(B256::repeat_byte(3)).await.unwrap().unwrap();
    assert_eq!(by_hash.id, next);
    let for_five: Vec<_> =
        store.l1_txs_for("batch:5").await.unwrap().iter().map(|row| row.id).collect();
    assert_eq!(for_five, vec![bumped, first]);
    store.close().await;
}

#[tokio::test]
async fn evidence_is_stored_once_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let proof = evidence(1, 5);
    assert!(store.put_evidence(&proof).await.unwrap());
    assert!(!store.put_evidence(&proof).await.unwrap());
    let mirrored = ande_consensus::Evidence { first: proof.second, second: proof.first, ..proof };
    assert!(!store.put_evidence(&mirrored).await.unwrap());
    assert!(store.put_evidence(&evidence(2, 5)).await.unwrap());
    for height in 6..80 {
        store.put_evidence(&evidence(1, height)).await.unwrap();
    }
    assert_eq!(store.evidence_count().await.unwrap(), 65);
    assert_eq!(store.evidence(1).await.unwrap(), vec![proof]);
    assert_eq!(store.evidence(1000).await.unwrap().len(), 65);
    store.mark_reported(&proof).await.unwrap();
    assert_eq!(store.unreported_evidence(1).await.unwrap(), vec![evidence(2, 5)]);
    store.close().await;
    let store = open(dir.path()).await;
    assert_eq!(store.unreported_evidence(1000).await.unwrap().len(), 64);
    store.close().await;
}

#[tokio::test]
async fn peers_are_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let node = NodeId(B256::repeat_byte(1));
    store.put_peer(node, "one:1").await.unwrap();
    store.put_peer(node, "one:2").await.unwrap();
    store.put_peer(NodeId(B256::repeat_byte(2)), "two:1").await.unwrap();
    assert!(store.put_peer(node, "x".repeat(513)).await.is_err());
    store.close().await;
    let store = open(dir.path()).await;
    let peers = store.peers().await.unwrap();
    assert_eq!(
        peers,
        vec![(node, "one:2".to_owned()), (NodeId(B256::repeat_byte(2)), "two:1".to_owned())]
    );
    store.close().await;
}

#[tokio::test]
async fn blocks_of_an_ended_era_are_dropped_and_their_transactions_wait_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let commits = chain(6, 2);
    for commit in &commits {
        store.commit(commit).await.unwrap();
    }
    store.put_set(&set(0, 0, 5)).await.unwrap();
    assert_eq!((store.era(), store.void_from().await.unwrap()), (Era(0), None));

    let start = |era, first, forced_up_to| EraStart {
        era: Era(era),
        first: Height(first),
        forced_up_to,
        l1_block: 70,
    };
    assert!(matches!(
        store.put_eras(&[start(2, 4, 0)]).await,
        Err(StoreError::EraGap { last: Era(0), got: Era(2) })
    ));
    store.put_eras(&[start(1, 5, 7), start(2, 5, 9)]).await.unwrap();
    store.put_eras(&[start(1, 2, 0)]).await.unwrap();
    store.put_set(&set(2, 0, 70)).await.unwrap();
    assert_eq!((store.era_of(Height(4)), store.era_of(Height(5))), (Era(0), Era(2)));
    assert_eq!((store.escaped_up_to(Height(4)), store.escaped_up_to(Height(9))), (0, 9));
    for (height, era) in [(4, Era(0)), (5, Era(2))] {
        assert_eq!(store.set_at(Height(height)).await.unwrap().unwrap().era, era);
    }
    assert!(store.set_in(Era(1), Epoch(0)).await.unwrap().is_none());

    assert_eq!(store.void_from().await.unwrap(), Some(Height(5)));
    store.rewind(Height(4)).await.unwrap();
    let store = open(dir.path()).await;
    assert_eq!((store.latest(), store.era()), (Height(4), Era(2)));
    assert_eq!(store.void_from().await.unwrap(), None);
    assert!(store.commit_at(Height(5)).await.unwrap().is_none());
    let waiting = store.journal_load().await.unwrap();
    let void: Vec<_> = commits[4..].iter().flat_map(|c| c.block.transactions.clone()).collect();
    assert_eq!(waiting, void);
    let located = store.locate_transaction(keccak256(&void[0])).await.unwrap();
    assert_eq!(located, None, "it is in no block");

    let mut next = block(commits[3].block.hash(), 5, 1, Vec::new());
    next.header.era = Era(2);
    store.commit(&commit(next)).await.unwrap();
    assert_eq!(store.void_from().await.unwrap(), None);
}
