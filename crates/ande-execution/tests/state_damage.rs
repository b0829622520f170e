//! Databases that others changed: every changed value gives an error that names it, and nothing
//! panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod state_common;

use std::path::Path;

use alloy_primitives::B256;
use ande_execution::state::{Damage, StateError, StateOptions, StateRead as _, StateStore};
use fjall::{Database, KeyspaceCreateOptions};
use state_common::{Model, Random, check_state, genesis, next_block};

const HISTORY: u64 = 1_000;
const BLOCKS: u64 = 25;

fn options() -> StateOptions {
    StateOptions { history_blocks: HISTORY, recent: 1, ..StateOptions::default() }
}

fn template(dir: &Path) -> Model {
    let mut model = Model::default();
    let mut random = Random(3);
    let store = StateStore::open(dir, options()).unwrap();
    genesis(&store, &mut model, &mut random);
    for _ in 0..BLOCKS {
        next_block(&store, &mut model, &mut random);
    }
    model
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

type Entry = (Vec<u8>, Vec<u8>);

struct Raw(Database);

impl Raw {
    fn open(dir: &Path) -> Self {
        Self(Database::builder(dir).worker_threads(1).open().unwrap())
    }

    fn table(&self, name: &str) -> fjall::Keyspace {
        assert!(self.0.keyspace_exists(name), "{name}");
        self.0.keyspace(name, KeyspaceCreateOptions::default).unwrap()
    }

    fn entries(&self, name: &str) -> Vec<Entry> {
        let entries = self.table(name).iter().map(|entry| entry.into_inner().unwrap());
        entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    fn put(&self, name: &str, key: &[u8], value: &[u8]) {
        self.table(name).insert(key, value).unwrap();
    }

    fn remove(&self, name: &str, key: &[u8]) {
        self.table(name).remove(key).unwrap();
    }
}

/// Reads everything there is; the first error.
fn read_all(dir: &Path, model: &Model) -> Result<(), StateError> {
    let store = StateStore::open(dir, options())?;
    for number in 0..=BLOCKS {
        store.block(number)?;
        store.receipts(number)?;
        let view = store.at(number)?;
        for index in 0..40 {
            let address = state_common::address(index);
            if let Some(account) = view.account(&address)? {
                view.code(&account.code_hash)?;
            }
            for index in 0..15 {
                view.storage(&address, &state_common::slot(index))?;
            }
        }
    }
    for hash in model.codes.keys() {
        match store.at_head()?.code(hash) {
            Err(StateError::NoCode(_)) | Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    // All history goes, with what names it.
    drop(store);
    let short = StateOptions { history_blocks: 0, ..options() };
    let store = StateStore::open(dir, short)?;
    let mut head = store.head().unwrap();
    for _ in 0..BLOCKS {
        head.number += 1;
        store.apply(head, store.prepare(Default::default())?, Default::default())?;
    }
    store.flush()
}

#[test]
fn every_flipped_bit_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("template");
    let model = template(&from);
    let mut random = Random(8);
    let all = Raw::open(&from);
    let tables = [
        "accounts",
        "storage",
        "code",
        "account_history",
        "storage_history",
        "changes",
        "receipts",
        "blocks",
        "meta",
    ];
    let tables = tables.map(|table| (table, all.entries(table)));
    drop(all);
    let to = dir.path().join("whole");
    copy(&from, &to);
    read_all(&to, &model).unwrap();
    for (table, entries) in tables {
        assert!(entries.len() > 3, "{table} has {} entries", entries.len());
        for round in 0..5 {
            let (key, value) = &entries[random.next(entries.len() as u64) as usize];
            let to = dir.path().join(format!("{table}{round}"));
            copy(&from, &to);
            let mut value = value.clone();
            match random.next(4) {
                0 => value.truncate(random.next(value.len() as u64) as usize),
                1 => value.push(0),
                _ => {
                    let bit = random.next(8 * value.len() as u64) as usize;
                    value[bit / 8] ^= 1 << (bit % 8);
                }
            }
            let raw = Raw::open(&to);
            raw.put(table, key, &value);
            drop(raw);
            let error = read_all(&to, &model).unwrap_err();
            let key = alloy_primitives::Bytes::copy_from_slice(key);
            match &error {
                StateError::Damaged(Damage::Entry { table: found, key: named, .. }) => {
                    assert_eq!((*found, named), (table, &key));
                }
                // Noticed by the writer.
                StateError::Failed(text) => {
                    assert!(text.contains(table) && text.contains(&key.to_string()), "{text}");
                }
                error => panic!("{table} {key}: {error}"),
            }
            std::fs::remove_dir_all(&to).unwrap();
        }
    }
}

#[test]
fn another_state_than_the_heads_is_refused_with_both_roots() {
    let dir = tempfile::tempdir().unwrap();
    let model = template(dir.path());
    let expected = model.block(BLOCKS).state_root;
    let raw = Raw::open(dir.path());
    // An account without storage is gone.
    let slots: Vec<B256> =
        raw.entries("storage").iter().map(|(key, _)| B256::from_slice(&key[..32])).collect();
    let accounts = raw.entries("accounts");
    let (key, value) =
        accounts.iter().find(|(key, _)| !slots.contains(&B256::from_slice(key))).unwrap();
    raw.remove("accounts", key);
    drop(raw);
    let error = StateStore::open(dir.path(), options()).unwrap_err();
    let StateError::Damaged(Damage::Root { number, expected: named, found }) = &error else {
        panic!("{error}")
    };
    assert_eq!((*number, *named), (BLOCKS, expected));
    assert_ne!(*found, expected);
    assert!(error.to_string().contains(&expected.to_string()), "{error}");
    // Put back, with its storage left behind by another one.
    let raw = Raw::open(dir.path());
    raw.put("accounts", key, value);
    let owner = accounts.iter().find(|(key, _)| slots.contains(&B256::from_slice(key))).unwrap();
    raw.remove("accounts", &owner.0);
    drop(raw);
    let error = StateStore::open(dir.path(), options()).unwrap_err();
    assert!(error.to_string().contains("its account does not exist"), "{error}");
    let raw = Raw::open(dir.path());
    raw.put("accounts", &owner.0, &owner.1);
    drop(raw);
    let store = StateStore::open(dir.path(), options()).unwrap();
    check_state(&store.at_head().unwrap(), &model, BLOCKS);
}

#[test]
fn missing_entries_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("template");
    let model = template(&from);
    let seven = 7_u64.to_be_bytes();
    let cases: [(&str, &[u8]); 7] = [
        ("meta", b"head"),
        ("meta", b"genesis"),
        ("meta", b"oldest"),
        ("meta", b"format"),
        ("changes", &seven),
        ("blocks", &seven),
        ("blocks", &0_u64.to_be_bytes()),
    ];
    for (index, (table, key)) in cases.into_iter().enumerate() {
        let to = dir.path().join(index.to_string());
        copy(&from, &to);
        let raw = Raw::open(&to);
        raw.remove(table, key);
        drop(raw);
        let error = read_all(&to, &model).unwrap_err().to_string();
        let key = alloy_primitives::Bytes::copy_from_slice(key).to_string();
        assert!(error.contains(table) && error.contains(&key), "{table} {key}: {error}");
    }
}

#[test]
fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    template(dir.path());
    let raw = Raw::open(dir.path());
    let content = 2_u32.to_be_bytes();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(b"meta\0format");
    hasher.update(&content);
    raw.put("meta", b"format", &[content, hasher.finalize().to_be_bytes()].concat());
    drop(raw);
    let error = StateStore::open(dir.path(), options()).unwrap_err();
    assert!(matches!(error, StateError::Format { found: 2, known: 1 }), "{error}");
}

/// The files with their paths in the directory.
fn files(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

#[test]
fn flipped_bits_in_files_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path().join("template");
    let model = template(&from);
    // Of the journal, and of the tables once they are sorted to disk.
    for sorted in [false, true] {
        if sorted {
            let raw = Raw::open(&from);
            for name in raw.0.list_keyspace_names() {
                raw.table(&name).rotate_memtable_and_wait().unwrap();
            }
        }
        let mut random = Random(sorted.into());
        let mut paths = Vec::new();
        files(&from, &mut paths);
        paths.retain(|path| {
            let journal = path.extension().is_some_and(|extension| extension == "jnl");
            let table = path.parent().unwrap().ends_with("tables");
            if sorted { table } else { journal }
        });
        paths.sort();
        let mut refused = 0;
        for path in paths.iter().cycle().take(20) {
            let to = dir.path().join("flipped");
            copy(&from, &to);
            let path = to.join(path.strip_prefix(&from).unwrap());
            let mut bytes = std::fs::read(&path).unwrap();
            // The journal is preallocated; what is behind its end is not read.
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64;
            // The library trusts the lengths in the index of a table, which is its last part.
            let end = if sorted { end / 2 } else { end };
            let bit = random.next(8 * end) as usize;
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bytes).unwrap();
            match read_all(&to, &model) {
                // Some bits say nothing, and a cut journal is an older block.
                Ok(()) => {
                    let store = StateStore::open(&to, options()).unwrap();
                    assert!(store.head().unwrap().number <= 2 * BLOCKS);
                }
                Err(StateError::Damaged(_) | StateError::Failed(_) | StateError::Disk { .. }) => {
                    refused += 1
                }
                Err(StateError::Unknown { head, .. }) if head < BLOCKS => refused += 1,
                Err(error) => panic!("{}: {error}", path.display()),
            }
            std::fs::remove_dir_all(&to).unwrap();
        }
        assert!(refused >= 10, "{refused} of 20");
    }
}
