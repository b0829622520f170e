//! The transaction journal: shared writes, pruning, rewriting.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::{collections::HashSet, sync::Arc};

use alloy_primitives::{B256, Bytes};
use ande_primitives::MAX_TRANSACTION_BYTES;
use ande_store::{MemoryStore, Store, StoreError, StoreOptions};
use common::{block, commit, hashed, identity, tx};
use proptest::prelude::*;
use sqlx::{Connection as _, Row as _};

async fn memory(dir: &std::path::Path) -> Store {
    let options = StoreOptions { hot: Some(Arc::new(MemoryStore::default())) };
    Store::open_with(dir, identity(), options).await.unwrap()
}

async fn rows(dir: &std::path::Path) -> i64 {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.join("ande.sqlite"));
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let row = sqlx::query("SELECT count(*) FROM journal").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    row.get(0)
}

fn some(count: u64, bytes: usize) -> Vec<(B256, Bytes)> {
    (0..count).map(|index| hashed(&tx(0, index, bytes))).collect()
}

fn raws(pairs: &[(B256, Bytes)]) -> Vec<Bytes> {
    pairs.iter().map(|(_, raw)| raw.clone()).collect()
}

fn hashes(pairs: &[(B256, Bytes)]) -> Vec<B256> {
    pairs.iter().map(|(hash, _)| *hash).collect()
}

#[tokio::test]
async fn transactions_survive_until_they_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(dir.path()).await;
    let txs = some(10, 100);
    store.journal_append(&txs[..6]).await.unwrap();
    store.journal_append(&txs[4..]).await.unwrap();
    store.journal_append(&[]).await.unwrap();
    assert_eq!(store.journal_load().await.unwrap(), raws(&txs));
    store.close().await;
    let store = memory(dir.path()).await;
    assert_eq!(store.journal_load().await.unwrap(), raws(&txs));
    store.journal_prune(&hashes(&txs[..8])).await.unwrap();
    assert_eq!(store.journal_load().await.unwrap(), raws(&txs[8..]));
    store.close().await;
    assert_eq!(rows(dir.path()).await, 1, "the finished row is gone");
    let store = memory(dir.path()).await;
    store.journal_prune(&hashes(&txs)).await.unwrap();
    store.close().await;
    assert_eq!(rows(dir.path()).await, 0);
}

#[tokio::test]
async fn included_transactions_do_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(dir.path()).await;
    let txs = some(3, 100);
    store.journal_append(&txs).await.unwrap();
    let included = block(identity().genesis_hash, 1, 0, raws(&txs[1..2]));
    store.commit(&commit(included)).await.unwrap();
    store.close().await;
    let store = memory(dir.path()).await;
    assert_eq!(store.journal_load().await.unwrap(), vec![txs[0].1.clone(), txs[2].1.clone()]);
    store.close().await;
}

#[tokio::test]
async fn concurrent_callers_share_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(dir.path()).await;
    let txs = some(400, 120);
    let callers: Vec<_> = txs
        .iter()
        .cloned()
        .map(|tx| {
            let store = store.clone();
            tokio::spawn(async move { store.journal_append(&[tx]).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    let loaded: HashSet<Bytes> = store.journal_load().await.unwrap().into_iter().collect();
    assert_eq!(loaded, raws(&txs).into_iter().collect());
    store.close().await;
    let rows = rows(dir.path()).await;
    assert!(rows < 100, "{rows} rows for 400 callers");
}

#[tokio::test]
async fn large_requests_are_cut_into_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(dir.path()).await;
    let txs = some(100, MAX_TRANSACTION_BYTES);
    store.journal_append(&txs).await.unwrap();
    assert_eq!(store.journal_load().await.unwrap().len(), 100);
    assert!(rows(dir.path()).await >= 3);
    let too_long = hashed(&tx(0, 0, MAX_TRANSACTION_BYTES + 1));
    let error = store.journal_append(&[too_long]).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
    store.close().await;
}

#[tokio::test]
async fn stragglers_do_not_keep_old_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = memory(dir.path()).await;
    // Ten rows of 2 MiB; of each only one small part stays pending.
    let mut kept = Vec::new();
    for row in 0..10 {
        let txs: Vec<_> = (0..32).map(|index| hashed(&tx(row, index, 64 << 10))).collect();
        store.journal_append(&txs).await.unwrap();
        store.journal_prune(&hashes(&txs[1..])).await.unwrap();
        kept.push(txs[0].1.clone());
    }
    let loaded: HashSet<Bytes> = store.journal_load().await.unwrap().into_iter().collect();
    assert_eq!(loaded, kept.iter().cloned().collect());
    let before_close = rows(dir.path()).await;
    assert!(before_close < 8, "{before_close} rows");
    store.close().await;
    let store = memory(dir.path()).await;
    let loaded: HashSet<Bytes> = store.journal_load().await.unwrap().into_iter().collect();
    assert_eq!(loaded, kept.into_iter().collect());
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

    /// The journal equals a set, whatever is added, removed and restarted. Removed transactions may
    /// come back after a restart, none that is pending may be lost.
    #[test]
    fn the_journal_is_a_set(steps in prop::collection::vec((0u8..10, 0u64..30, 1u64..12), 1..40)) {
        run(async {
            let dir = tempfile::tempdir().unwrap();
            let mut store = memory(dir.path()).await;
            let mut model: HashSet<Bytes> = HashSet::new();
            for (action, from, count) in steps {
                let txs: Vec<_> = (from..from + count).map(|index| hashed(&tx(1, index, 200))).collect();
                match action {
                    0..=5 => {
                        store.journal_append(&txs).await.unwrap();
                        model.extend(raws(&txs));
                    }
                    6..=8 => {
                        store.journal_prune(&hashes(&txs)).await.unwrap();
                        for (_, raw) in &txs {
                            model.remove(raw);
                        }
                    }
                    _ => {
                        store.close().await;
                        store = memory(dir.path()).await;
                        let loaded: HashSet<Bytes> = store.journal_load().await.unwrap().into_iter().collect();
                        prop_assert!(model.is_subset(&loaded));
                        model = loaded;
                    }
                }
                let loaded = store.journal_load().await.unwrap();
                let distinct: HashSet<Bytes> = loaded.iter().cloned().collect();
                prop_assert_eq!(loaded.len(), distinct.len());
                prop_assert_eq!(&distinct, &model);
            }
            store.close().await;
            Ok(())
        })?;
    }
}
