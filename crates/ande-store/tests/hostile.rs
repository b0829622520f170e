//! Damaged databases: every stored value that changes gives an error, and nothing ever panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::{path::Path, sync::Arc};

use alloy_primitives::{Address, B256};
use ande_primitives::{Epoch, Height, Round};
use ande_store::{L1Cursor, L1TxRow, L1TxState, MemoryStore, Store, StoreError, StoreOptions};
use common::{batch, block, candidate, chain, evidence, hashed, identity, queue, set, text, tx};
use sqlx::{Connection as _, Row as _, SqliteConnection};

async fn memory(dir: &Path) -> Result<Store, StoreError> {
    let options = StoreOptions { hot: Some(Arc::new(MemoryStore::default())) };
    Store::open_with(dir, identity(), options).await
}

async fn raw(dir: &Path) -> SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(dir.join("ande.sqlite"))
        .foreign_keys(false);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// A database with something in every table, all in the main file.
async fn template(dir: &Path) {
    let store = memory(dir).await.unwrap();
    let commits = chain(4, 3);
    for commit in &commits {
        store.commit(commit).await.unwrap();
    }
    let next = block(commits[3].block.hash(), 5, 0, vec![tx(5, 0, 60)]);
    store.put_candidate(&candidate(next, 1), true).await.unwrap();
    store.put_set(&set(0, 1, 3)).await.unwrap();
    store.journal_append(&[hashed(&tx(9, 1, 80)), hashed(&tx(9, 2, 80))]).await.unwrap();
    store.put_batch(&batch(None, 1)).await.unwrap();
    store.put_l1_tx(&l1_tx()).await.unwrap();
    store.put_evidence(&evidence(1, 4)).await.unwrap();
    store.put_forced(&queue(2)).await.unwrap();
    store.put_meta("key", b"value").await.unwrap();
    store.put_l1_cursor(L1Cursor { number: 4, hash: B256::repeat_byte(4) }).await.unwrap();
    store.set_settled(Height(2), Height(1)).await.unwrap();
    store.close().await;
    let mut connection = raw(dir).await;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn l1_tx() -> L1TxRow {
    L1TxRow {
        id: 0,
        purpose: "batch:1".into(),
        sender: Address::repeat_byte(4),
        nonce: 1,
        hash: B256::repeat_byte(6),
        raw: vec![6; 90].into(),
        state: L1TxState::Mined { block: 8 },
        created_at_ms: 3,
    }
}

/// Reads everything there is; the errors.
async fn read_all(dir: &Path) -> Vec<StoreError> {
    let store = match memory(dir).await {
        Ok(store) => store,
        Err(error) => return vec![error],
    };
    let mut errors = Vec::new();
    macro_rules! read {
        ($($call:expr),* $(,)?) => { $( if let Err(error) = $call.await { errors.push(error); } )* };
    }
    read!(
        store.tip(),
        store.commit_at(Height(1)),
        store.commits(Height(1)..=Height(9), usize::MAX),
        store.height_of_block(B256::ZERO),
        store.candidates(Height(5)),
        store.built_candidate(Height(5), Round(1)),
        store.set(Epoch(1)),
        store.last_set(),
        store.forced(0, 9),
        store.last_forced(),
        store.journal_load(),
        store.batch(1),
        store.batches(0, 100),
        store.last_batch(),
        store.batch_of_height(Height(3)),
        store.l1_tx(1),
        store.l1_tx_by_hash(B256::repeat_byte(6)),
        store.open_l1_txs(Address::repeat_byte(4)),
        store.l1_txs_for("batch:1"),
        store.highest_l1_nonce(Address::repeat_byte(4)),
        store.evidence(100),
        store.unreported_evidence(100),
        store.peers(),
        store.meta("key"),
        store.l1_cursor(),
        store.outbox(),
    );
    store.close().await;
    errors
}

fn copy(from: &Path, to: &Path) {
    for name in ["ande.sqlite", "ande.sqlite-wal", "ande.sqlite-shm"] {
        let _ = std::fs::remove_file(to.join(name));
    }
    std::fs::copy(from.join("ande.sqlite"), to.join("ande.sqlite")).unwrap();
}

/// Columns whose content is checked when it is read, with the key of one row.
const VALUES: [(&str, &str, &str); 17] = [
    ("bodies", "body", "height = 2"),
    ("bodies", "hash", "height = 2"),
    ("bodies", "body", "height = 5"),
    ("blocks", "certificate", "height = 4"),
    ("blocks", "certificate", "height = 1"),
    ("blocks", "hash", "height = 3"),
    ("blocks", "execution_hash", "height = 3"),
    ("candidates", "seal", "height = 5"),
    ("candidates", "proposer", "height = 5"),
    ("sets", "body", "epoch = 1"),
    ("journal", "body", "1"),
    ("batches", "record", "1"),
    ("batches", "data", "1"),
    ("l1_transactions", "raw", "1"),
    ("evidence", "body", "1"),
    ("forced", "body", "queue_index = 1"),
    ("meta", "value", "key = 'chain_identity'"),
];

#[tokio::test]
async fn changed_values_are_errors() {
    let (good, bad) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    template(good.path()).await;
    copy(good.path(), bad.path());
    assert!(read_all(bad.path()).await.is_empty(), "the template is sound");
    for (table, column, row) in VALUES {
        let mut connection = raw(good.path()).await;
        let query = format!("SELECT {column} FROM {table} WHERE {row}");
        let stored =
            sqlx::query(sqlx::AssertSqlSafe(query)).fetch_one(&mut connection).await.unwrap();
        let value: Vec<u8> = stored.get(0);
        connection.close().await.unwrap();
        for (kind, damaged) in damages(&value) {
            copy(good.path(), bad.path());
            let mut connection = raw(bad.path()).await;
            let query = format!("UPDATE {table} SET {column} = ? WHERE {row}");
            let done = sqlx::query(sqlx::AssertSqlSafe(query))
                .bind(damaged)
                .execute(&mut connection)
                .await
                .unwrap();
            assert_eq!(done.rows_affected(), 1);
            connection.close().await.unwrap();
            let errors = read_all(bad.path()).await;
            let case = format!("{table}.{column} where {row}, {kind}");
            assert!(!errors.is_empty(), "unnoticed: {case}");
            for error in &errors {
                let said = text(error);
                assert!(matches!(error, StoreError::Corrupt { .. }), "{case}: {said}");
                assert!(said.contains("table ") && said.contains("restore"), "{case}: {said}");
            }
        }
    }
}

/// A value with a flipped bit at its start, middle and end, cut short, and lengthened.
fn damages(value: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for at in [0, value.len() / 2, value.len() - 1] {
        let mut flipped = value.to_vec();
        flipped[at] ^= 0x10;
        all.push((format!("bit flipped in byte {at}"), flipped));
    }
    for length in [0, 3, value.len() - 1] {
        all.push((format!("cut to {length}"), value[..length].to_vec()));
    }
    all.push(("lengthened".into(), [value, &[0]].concat()));
    all
}

#[tokio::test]
async fn changed_numbers_never_panic() {
    let (good, bad) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    template(good.path()).await;
    let numbers = [
        ("blocks", "height"),
        ("blocks", "body_id"),
        ("bodies", "height"),
        ("bodies", "id"),
        ("outbox", "bytes"),
        ("outbox", "height"),
        ("candidates", "round"),
        ("candidates", "valid_round"),
        ("candidates", "built_here"),
        ("sets", "era"),
        ("forced", "queue_index"),
        ("journal", "count"),
        ("batches", "batch_index"),
        ("batches", "start_height"),
        ("batches", "end_height"),
        ("batches", "state"),
        ("l1_transactions", "state"),
        ("l1_transactions", "mined_block"),
        ("l1_transactions", "nonce"),
    ];
    for (table, column) in numbers {
        for value in [-1, 0, 99, i64::MAX, i64::MIN] {
            copy(good.path(), bad.path());
            let mut connection = raw(bad.path()).await;
            let query = format!(
                "UPDATE OR IGNORE {table} SET {column} = ? \
                 WHERE {column} = (SELECT max({column}) FROM {table})"
            );
            sqlx::query(sqlx::AssertSqlSafe(query))
                .bind(value)
                .execute(&mut connection)
                .await
                .unwrap();
            connection.close().await.unwrap();
            read_all(bad.path()).await;
        }
    }
}

#[tokio::test]
async fn a_damaged_database_file_never_panics() {
    let (good, bad) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    template(good.path()).await;
    let bytes = std::fs::read(good.path().join("ande.sqlite")).unwrap();
    let mut noticed = 0;
    for case in 0..60usize {
        copy(good.path(), bad.path());
        let mut damaged = bytes.clone();
        if case % 6 == 0 {
            damaged.truncate(bytes.len() * case / 60);
        } else {
            for step in 0..20 {
                let at = (case * 7919 + step * 104_729) % bytes.len();
                damaged[at] ^= 1 << (case % 8);
            }
        }
        std::fs::write(bad.path().join("ande.sqlite"), damaged).unwrap();
        noticed += usize::from(!read_all(bad.path()).await.is_empty());
    }
    assert!(noticed > 20, "{noticed} of 60 damaged files noticed");
}
