//! The stored forced queue.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use alloy_primitives::Bytes;
use ande_primitives::ForcedTransaction;
use ande_store::{Store, StoreError};
use common::queue;

#[tokio::test]
async fn the_queue_grows_in_order_and_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = common::open(dir.path()).await;
    let entries = queue(7);
    assert_eq!(store.last_forced().await.unwrap(), None);
    store.put_forced(&entries[..3]).await.unwrap();
    store.put_forced(&[]).await.unwrap();
    store.put_forced(&entries[3..]).await.unwrap();
    store.close().await;
    drop(store);
    let store = common::open(dir.path()).await;
    assert_eq!(store.forced(0, 100).await.unwrap(), entries);
    assert_eq!(store.forced(5, 1).await.unwrap(), entries[5..6]);
    assert_eq!(store.forced(7, 100).await.unwrap(), []);
    assert_eq!(store.last_forced().await.unwrap().as_ref(), entries.last());
}

async fn refused(store: &Store, entries: &[ForcedTransaction]) {
    let outcome = store.put_forced(entries).await;
    assert!(matches!(outcome, Err(StoreError::ForcedQueue { .. })), "{outcome:?}");
}

#[tokio::test]
async fn what_does_not_extend_the_queue_is_refused_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = common::open(dir.path()).await;
    let entries = queue(5);
    refused(&store, &entries[1..]).await;
    store.put_forced(&entries[..2]).await.unwrap();
    refused(&store, &entries[..2]).await;
    refused(&store, &[entries[2].clone(), entries[4].clone()]).await;
    let mut other = entries[2].clone();
    other.raw = Bytes::from_static(b"another");
    refused(&store, &[other]).await;
    assert_eq!(store.forced(0, 100).await.unwrap(), entries[..2]);
}
