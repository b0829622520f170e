//! The chain, its candidates, heads and sets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use alloy_primitives::{B256, keccak256};
use ande_consensus::Heads;
use ande_primitives::{Commit, Epoch, Height, Round};
use ande_store::{ChainIdentity, ChainReader, MemoryStore, Store, StoreError, StoreOptions};
use common::{block, candidate, chain, commit, identity, open, set, tx};
use proptest::prelude::*;

async fn memory(dir: &std::path::Path) -> Store {
    let options = StoreOptions { hot: Some(Arc::new(MemoryStore::default())) };
    Store::open_with(dir, identity(), options).await.unwrap()
}

async fn fill(store: &Store, commits: &[Commit]) {
    for commit in commits {
        store.commit(commit).await.unwrap();
    }
}

#[tokio::test]
async fn a_chain_is_read_back_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let commits = chain(20, 7);
    let store = open(dir.path()).await;
    assert_eq!(store.tip().await.unwrap(), None);
    fill(&store, &commits).await;
    for restart in [false, true] {
        let store = if restart {
            store.close().await;
            open(dir.path()).await
        } else {
            store.clone()
        };
        assert_eq!(store.tip().await.unwrap().as_ref(), commits.last());
        assert_eq!(store.heads().borrow().latest, Height(20));
        for commit in &commits {
            let height = commit.block.height();
            assert_eq!(store.commit_at(height).await.unwrap().as_ref(), Some(commit));
            let execution = commit.block.header.execution_hash;
            assert_eq!(store.height_of_block(execution).await.unwrap(), Some(height));
            assert_eq!(store.height_of_header(commit.block.hash()).await.unwrap(), Some(height));
            for (index, raw) in (0..).zip(&commit.block.transactions) {
                let found = store.locate_transaction(keccak256(raw)).await.unwrap();
                assert_eq!(found, Some((height, index)));
            }
        }
        assert_eq!(store.commit_at(Height(0)).await.unwrap(), None);
        assert_eq!(store.commit_at(Height(21)).await.unwrap(), None);
        assert_eq!(store.commit_at(Height(u64::MAX)).await.unwrap(), None);
        assert_eq!(store.height_of_block(B256::ZERO).await.unwrap(), None);
        assert_eq!(store.locate_transaction(B256::ZERO).await.unwrap(), None);
        let outbox = store.outbox().await.unwrap();
        assert_eq!((outbox.blocks, outbox.first), (20, Some(Height(1))));
        if restart {
            store.close().await;
        }
    }
}

#[tokio::test]
async fn every_committed_transaction_is_seen_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    for commit in chain(100, 5) {
        store.commit(&commit).await.unwrap();
        let hashes: Vec<B256> = commit.block.transactions.iter().map(keccak256).collect();
        assert_eq!(store.included(&hashes).await.unwrap(), vec![true; 5]);
        let before = Height(commit.block.height().0 - 1);
        assert_eq!(store.included_up_to(before, &hashes).await.unwrap(), vec![false; 5]);
        assert_eq!(
            store.included_up_to(commit.block.height(), &hashes).await.unwrap(),
            vec![true; 5]
        );
    }
    store.close().await;
}

#[tokio::test]
async fn only_the_next_block_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(dir.path()).await;
    let commits = chain(3, 1);
    let gap = store.commit(&commits[1]).await.unwrap_err();
    assert!(matches!(gap, StoreError::NotContiguous { height: Height(2), .. }), "{gap}");
    fill(&store, &commits[..2]).await;
    store.commit(&commits[1]).await.expect("the tip again does nothing");
    assert!(store.commit(&commits[0]).await.is_err(), "an old block is refused");
    let rival = commit(block(commits[0].block.hash(), 2, 1, Vec::new()));
    assert!(matches!(store.commit(&rival).await, Err(StoreError::NotContiguous { .. })));
    let orphan = commit(block(B256::repeat_byte(5), 3, 0, Vec::new()));
    assert!(matches!(store.commit(&orphan).await, Err(StoreError::NotContiguous { .. })));
    assert_eq!(store.latest(), Height(2));
    fill(&store, &commits[2..]).await;
    assert_eq!(store.latest(), Height(3));
    store.close().await;
}

#[tokio::test]
async fn commits_that_contradict_themselves_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(dir.path()).await;
    let good = chain(1, 1).remove(0);
    let mut other_certificate = good.clone();
    other_certificate.certificate.block_hash = B256::repeat_byte(1);
    let mut other_execution = good.clone();
    other_execution.block.execution = b"other".to_vec().into();
    let mut other_height = good.clone();
    other_height.certificate.height = Height(2);
    for bad in [other_certificate, other_execution, other_height] {
        let error = store.commit(&bad).await.unwrap_err();
        assert!(matches!(error, StoreError::InvalidCommit { .. }), "{error}");
    }
    let mut foreign = block(identity().genesis_hash, 1, 0, Vec::new());
    foreign.header.l2_chain_id = 1;
    let error = store.commit(&commit(foreign)).await.unwrap_err();
    assert!(matches!(error, StoreError::InvalidCommit { .. }), "{error}");
    store.commit(&good).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn ranges_respect_their_byte_limit() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(dir.path()).await;
    let commits = chain(10, 10);
    fill(&store, &commits).await;
    let all = store.commits(Height(1)..=Height(u64::MAX), usize::MAX).await.unwrap();
    assert_eq!(all, commits);
    assert_eq!(store.commits(Height(4)..=Height(6), usize::MAX).await.unwrap(), commits[3..6]);
    assert_eq!(store.commits(Height(4)..=Height(6), 0).await.unwrap(), commits[3..4]);
    assert_eq!(store.commits(Height(4)..=Height(9), 3000).await.unwrap().len(), 2);
    assert!(store.commits(Height(11)..=Height(12), usize::MAX).await.unwrap().is_empty());
    #[allow(clippy::reversed_empty_ranges)]
    let empty = Height(6)..=Height(4);
    assert!(store.commits(empty, usize::MAX).await.unwrap().is_empty());
    store.close().await;
}

#[tokio::test]
async fn a_commit_completes_when_its_caller_stops_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(dir.path()).await;
    let mut heads = store.heads();
    for commit in chain(20, 3) {
        let height = commit.block.height();
        let mut pending = Box::pin(store.commit(&commit));
        assert!(futures_poll_once(&mut pending).await.is_none());
        drop(pending);
        heads.wait_for(|heads| heads.latest == height).await.unwrap();
    }
    store.close().await;
}

/// Polls once; the value if it is ready.
async fn futures_poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn heads_only_move_forward_and_never_pass_the_tip() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(dir.path()).await;
    let commits = chain(8, 0);
    fill(&store, &commits[..4]).await;
    store.set_settled(Height(6), Height(2)).await.unwrap();
    let heads = |latest, safe, finalized| Heads {
        latest: Height(latest),
        safe: Height(safe),
        finalized: Height(finalized),
    };
    assert_eq!(*store.heads().borrow(), heads(4, 4, 2));
    store.set_settled(Height(1), Height(1)).await.unwrap();
    assert_eq!(*store.heads().borrow(), heads(4, 4, 2));
    fill(&store, &commits[4..]).await;
    assert_eq!(*store.heads().borrow(), heads(8, 6, 2));
    store.set_settled(Height(3), Height(7)).await.unwrap();
    assert_eq!(*store.heads().borrow(), heads(8, 7, 7));
    store.close().await;
    let store = memory(dir.path()).await;
    assert_eq!(*store.heads().borrow(), heads(8, 7, 7));
    store.close().await;
}

#[tokio::test]
async fn candidates_are_durable_and_dropped_when_decided() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(dir.path()).await;
    let genesis = identity().genesis_hash;
    let own = block(genesis, 1, 0, vec![tx(1, 0, 50)]);
    let rival = block(genesis, 1, 1, Vec::new());
    store.put_candidate(&candidate(own.clone(), 0), true).await.unwrap();
    store.put_candidate(&candidate(own.clone(), 0), false).await.unwrap();
    store.put_candidate(&candidate(rival.clone(), 1), false).await.unwrap();
    let mut again = candidate(own.clone(), 2);
    again.valid_round = Some(Round(0));
    store.put_candidate(&again, false).await.unwrap();
    let later = block(B256::repeat_byte(7), 2, 0, Vec::new());
    store.put_candidate(&candidate(later.clone(), 0), false).await.unwrap();
    store.close().await;

    let store = memory(dir.path()).await;
    let expected = vec![candidate(own.clone(), 0), candidate(rival.clone(), 1), again];
    assert_eq!(store.candidates(Height(1)).await.unwrap(), expected);
    assert_eq!(
        store.built_candidate(Height(1), Round(0)).await.unwrap(),
        Some(candidate(own.clone(), 0))
    );
    assert_eq!(store.built_candidate(Height(1), Round(1)).await.unwrap(), None);
    let taken = store.put_candidate(&candidate(rival.clone(), 0), true).await.unwrap_err();
    assert!(matches!(taken, StoreError::TurnTaken { stored, .. } if stored == own.hash()));
    store.put_candidate(&candidate(rival.clone(), 0), false).await.expect("seen, not built");

    store.commit(&commit(rival)).await.unwrap();
    assert!(store.candidates(Height(1)).await.unwrap().is_empty());
    assert_eq!(store.candidates(Height(2)).await.unwrap().len(), 1);
    store.put_candidate(&candidate(own, 3), false).await.expect("too late does nothing");
    assert!(store.candidates(Height(1)).await.unwrap().is_empty());
    store.close().await;
}

#[tokio::test]
async fn a_candidate_seen_before_it_was_built_becomes_built() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(dir.path()).await;
    let own = candidate(block(identity().genesis_hash, 1, 0, Vec::new()), 0);
    store.put_candidate(&own, false).await.unwrap();
    assert_eq!(store.built_candidate(Height(1), Round(0)).await.unwrap(), None);
    store.put_candidate(&own, true).await.unwrap();
    assert_eq!(store.built_candidate(Height(1), Round(0)).await.unwrap(), Some(own.clone()));
    assert_eq!(store.candidates(Height(1)).await.unwrap(), vec![own]);
    store.close().await;
}

#[tokio::test]
async fn a_flood_of_candidates_is_bounded_and_leaves_room_for_the_own_block() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(dir.path()).await;
    let made = |variant| candidate(block(identity().genesis_hash, 1, variant, Vec::new()), 0);
    let mut refused = 0;
    for variant in 0..40 {
        match store.put_candidate(&made(variant), false).await {
            Ok(()) => {}
            Err(StoreError::TooManyCandidates { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(refused, 24);
    store.put_candidate(&made(99), true).await.unwrap();
    assert_eq!(store.built_candidate(Height(1), Round(0)).await.unwrap(), Some(made(99)));
    store.close().await;
}

#[tokio::test]
async fn sets_are_immutable() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(dir.path()).await;
    assert_eq!(store.last_set().await.unwrap(), None);
    store.put_set(&set(0, 1, 10)).await.unwrap();
    store.put_set(&set(0, 2, 10)).await.unwrap();
    store.put_set(&set(0, 1, 99)).await.expect("read again at another block");
    assert_eq!(store.set(Epoch(1)).await.unwrap().as_deref(), Some(&set(0, 1, 10)));
    assert_eq!(store.set(Epoch(3)).await.unwrap(), None);
    let mut changed = set(0, 1, 10);
    changed.seed = B256::repeat_byte(8);
    let error = store.put_set(&changed).await.unwrap_err();
    assert!(matches!(error, StoreError::SetChanged { epoch: Epoch(1), .. }), "{error}");
    assert_eq!(store.last_set().await.unwrap().as_deref(), Some(&set(0, 2, 10)));
    store.put_set(&set(1, 1, 30)).await.unwrap();
    assert_eq!(store.set(Epoch(1)).await.unwrap().as_deref(), Some(&set(1, 1, 30)));
    assert_eq!(store.last_set().await.unwrap().as_deref(), Some(&set(1, 1, 30)));
    for epoch in 4..60 {
        store.put_set(&set(1, epoch, 30)).await.unwrap();
        assert!(store.set(Epoch(epoch)).await.unwrap().is_some());
    }
    assert_eq!(store.set(Epoch(2)).await.unwrap().as_deref(), Some(&set(0, 2, 10)));
    store.close().await;
}

#[tokio::test]
async fn an_index_of_another_history_is_built_anew() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let long = open(one.path()).await;
    fill(&long, &chain(30, 3)).await;
    long.close().await;
    let short = open(two.path()).await;
    let commits = chain(10, 3);
    fill(&short, &commits).await;
    short.close().await;
    // The database of the short chain with the index of the long one, as after a restored backup.
    std::fs::remove_dir_all(two.path().join("hot")).unwrap();
    std::fs::rename(one.path().join("hot"), two.path().join("hot")).unwrap();
    let store = open(two.path()).await;
    let gone = keccak256(tx(20, 0, 110));
    let kept = keccak256(tx(10, 2, 110));
    assert_eq!(store.locate_transaction(gone).await.unwrap(), None);
    assert_eq!(store.locate_transaction(kept).await.unwrap(), Some((Height(10), 2)));
    store.close().await;
    // And without any index.
    std::fs::remove_dir_all(two.path().join("hot")).unwrap();
    let store = open(two.path()).await;
    assert_eq!(store.locate_transaction(kept).await.unwrap(), Some((Height(10), 2)));
    store.close().await;
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is tried in whatever order, with restarts in between, the stored chain is the
    /// prefix of valid commits.
    #[test]
    fn the_chain_is_always_contiguous(steps in prop::collection::vec((0usize..12, 0u8..8), 1..40)) {
        run(async {
            let dir = tempfile::tempdir().unwrap();
            let commits = chain(12, 2);
            let mut store = memory(dir.path()).await;
            let mut height = 0;
            for (at, action) in steps {
                match action {
                    0 => {
                        store.close().await;
                        store = memory(dir.path()).await;
                    }
                    1 | 2 => {
                        let taken = candidate(commits[at].block.clone(), u32::from(action));
                        store.put_candidate(&taken, action == 1).await.unwrap();
                    }
                    3..=5 => {
                        if let Some(next) = commits.get(height) {
                            store.commit(next).await.unwrap();
                            height += 1;
                        }
                    }
                    _ => {
                        let result = store.commit(&commits[at]).await;
                        let accepted = at == height || at + 1 == height;
                        prop_assert_eq!(result.is_ok(), accepted);
                        height = height.max(if accepted { at + 1 } else { 0 });
                    }
                }
                prop_assert_eq!(store.latest(), Height(height as u64));
            }
            let stored = store.commits(Height(1)..=Height(u64::MAX), usize::MAX).await.unwrap();
            prop_assert_eq!(&stored[..], &commits[..height]);
            for commit in &stored {
                let hash = keccak256(&commit.block.transactions[0]);
                let found = store.locate_transaction(hash).await.unwrap();
                prop_assert_eq!(found, Some((commit.block.height(), 0)));
            }
            store.close().await;
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn the_chain_is_read_beside_the_node_that_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    let missing = ChainReader::open(&nowhere, identity()).await.unwrap_err();
    assert!(matches!(missing, StoreError::NoChain { .. }), "{missing}");
    assert!(!nowhere.exists(), "reading makes nothing");

    let data = dir.path().join("data");
    let store = open(&data).await;
    let reader = ChainReader::open(&data, identity()).await.unwrap();
    assert_eq!(reader.tip().await.unwrap(), None);
    let commits = chain(4, 1);
    for commit in &commits {
        store.commit(commit).await.unwrap();
    }
    assert_eq!(reader.tip().await.unwrap().as_ref(), commits.last());
    let read = reader.commits(Height(2)..=Height(9), usize::MAX).await.unwrap();
    assert_eq!(read, commits[1..]);
    reader.close().await;
    store.close().await;

    let reader = ChainReader::open(&data, identity()).await.unwrap();
    assert_eq!(reader.commits(Height(1)..=Height(4), 0).await.unwrap(), commits[..1]);
    reader.close().await;
    let other = ChainIdentity { l2_chain_id: 1, ..identity() };
    let foreign = ChainReader::open(&data, other).await.unwrap_err();
    assert!(matches!(foreign, StoreError::WrongChain { .. }), "{foreign}");
}
