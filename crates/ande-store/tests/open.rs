//! Opening: locks, identity, versions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use ande_store::{STORAGE_VERSION, Store, StoreError};
use common::{chain, identity, open, text};
use sqlx::Connection as _;

async fn raw(dir: &std::path::Path) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(dir.join("ande.sqlite"))
        .create_if_missing(true);
    sqlx::SqliteConnection::connect_with(&options).await.unwrap()
}

#[tokio::test]
async fn a_second_open_of_one_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let error = Store::open(dir.path(), identity()).await.unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }));
    let said = error.to_string();
    assert!(said.contains(&std::process::id().to_string()) && said.contains("stop"), "{said}");
    store.close().await;
    open(dir.path()).await.close().await;
}

#[tokio::test]
async fn a_directory_belongs_to_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).await.close().await;
    let mut other = identity();
    other.l2_chain_id = 7;
    let error = Store::open(dir.path(), other).await.unwrap_err();
    assert!(matches!(error, StoreError::WrongChain { .. }));
    let said = error.to_string();
    assert!(said.contains("L2 chain id 6174") && said.contains("L2 chain id 7"), "{said}");
    open(dir.path()).await.close().await;
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    store.commit(&chain(1, 1)[0]).await.unwrap();
    store.close().await;
    let mut value = (STORAGE_VERSION + 1).to_be_bytes().to_vec();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(b"meta\0storage_version");
    hasher.update(&value);
    value.extend_from_slice(&hasher.finalize().to_be_bytes());
    let mut connection = raw(dir.path()).await;
    sqlx::query("UPDATE meta SET value = ? WHERE key = 'storage_version'")
        .bind(value)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let error = Store::open(dir.path(), identity()).await.unwrap_err();
    assert!(matches!(error, StoreError::NewerVersion { found } if found == STORAGE_VERSION + 1));
    assert!(error.to_string().contains("run the version that wrote it"), "{error}");
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut connection = raw(dir.path()).await;
    sqlx::query("CREATE TABLE music (song TEXT)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let error = Store::open(dir.path(), identity()).await.unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ande.sqlite"), vec![0x55; 8192]).unwrap();
    let error = Store::open(dir.path(), identity()).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{}", text(&error));
    assert!(error.to_string().contains("keep the sign guard"), "{error}");
}

#[tokio::test]
async fn an_unusable_path_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    let error = Store::open(&file.join("data"), identity()).await.unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }));
    assert!(error.to_string().contains("file/data"), "{error}");
}

#[tokio::test]
async fn a_damaged_index_says_how_to_build_it_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    for commit in chain(5, 3) {
        store.commit(&commit).await.unwrap();
    }
    store.close().await;
    let mut damaged = 0;
    for entry in walk(&dir.path().join("hot")) {
        if std::fs::metadata(&entry).unwrap().len() > 0 {
            std::fs::write(&entry, vec![0xa5; 64]).unwrap();
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    let error = Store::open(dir.path(), identity()).await.unwrap_err();
    assert!(matches!(error, StoreError::Hot { .. }), "{}", text(&error));
    assert!(error.to_string().contains("`hot`"), "{error}");
    std::fs::remove_dir_all(dir.path().join("hot")).unwrap();
    let store = open(dir.path()).await;
    assert_eq!(store.latest().0, 5);
    store.close().await;
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    store.close().await;
    store.close().await;
    assert!(matches!(store.commit(&chain(1, 0)[0]).await, Err(StoreError::Closed)));
    assert!(matches!(store.journal_load().await, Err(StoreError::Closed)));
    assert!(matches!(store.put_meta("a", b"b").await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn values_of_other_services_cannot_touch_the_stores_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    store.put_meta("chain_identity", b"mine").await.unwrap();
    store.put_meta("chain_identity", b"changed").await.unwrap();
    assert_eq!(store.meta("chain_identity").await.unwrap().as_deref(), Some(&b"changed"[..]));
    assert_eq!(store.meta("absent").await.unwrap(), None);
    assert!(matches!(
        store.put_meta("big", &vec![0; (1 << 20) + 1]).await,
        Err(StoreError::TooLarge { .. })
    ));
    let cursor = ande_store::L1Cursor { number: 9, hash: alloy_primitives::B256::repeat_byte(3) };
    assert_eq!(store.l1_cursor().await.unwrap(), None);
    store.put_l1_cursor(cursor).await.unwrap();
    store.close().await;
    let store = open(dir.path()).await;
    assert_eq!(store.l1_cursor().await.unwrap(), Some(cursor));
    store.close().await;
}
