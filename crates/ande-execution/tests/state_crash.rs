//! Processes killed while they apply blocks: what is left is a block that was applied, whole.
//!
//! The test starts this test program again as a child that applies blocks and reports them, kills
//! it with SIGKILL after a random report, and looks at what is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod state_common;

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use ande_execution::state::{StateError, StateOptions, StateStore};
use state_common::{Model, Random, check_state};

const DIR: &str = "ANDE_STATE_TEST_DIR";
const MARK: &str = "report:";
const HISTORY: u64 = 25;
const RECEIPTS: u64 = 40;

fn options() -> StateOptions {
    StateOptions {
        history_blocks: HISTORY,
        receipt_blocks: Some(RECEIPTS),
        recent: 3,
        queue: 4,
        ..StateOptions::default()
    }
}

/// A chain that is the same whenever it is made.
struct Chain(Model);

impl Chain {
    fn new() -> Self {
        let mut chain = Self(Model::default());
        let mut random = Random(77);
        let mut changes = chain.0.random_changes(&mut random);
        changes.accounts.retain(|_, change| change.account.is_some());
        chain.0.push(&changes);
        chain.0.changes.push(changes);
        chain
    }

    /// Blocks up to this one.
    fn grow(&mut self, number: u64) {
        while (self.0.blocks.len() as u64) <= number {
            let mut random = Random(self.0.blocks.len() as u64);
            let changes = self.0.random_changes(&mut random);
            self.0.push(&changes);
            self.0.changes.push(changes);
        }
    }
}

fn report(what: impl std::fmt::Display) {
    println!("{MARK}{what}");
}

/// Applies blocks until it is killed.
#[test]
fn child_that_applies() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let mut chain = Chain::new();
    let store = StateStore::open(Path::new(&dir), options()).unwrap();
    report("opened");
    store.initialise(chain.0.block(0), chain.0.changes[0].clone()).unwrap();
    for number in store.head().unwrap().number + 1.. {
        chain.grow(number);
        let prepared = store.prepare(chain.0.changes[number as usize].clone()).unwrap();
        store.apply(chain.0.block(number), prepared, chain.0.receipts(number)).unwrap();
        report(format!("applied {number} {}", store.persisted()));
        if number.is_multiple_of(37) {
            store.flush().unwrap();
            report(format!("applied {number} {}", store.persisted()));
        }
    }
}

struct Worker {
    child: Child,
    reports: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Worker {
    fn start(test: &str, dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(DIR, dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let reports = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, reports }
    }

    /// The next report; none when the child has ended.
    fn report(&mut self) -> Option<String> {
        self.reports
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix(MARK).map(str::to_owned))
    }

    /// Kills the child and returns what it had reported meanwhile.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::iter::from_fn(|| self.report()).collect()
    }
}

#[test]
fn a_killed_store_is_at_a_block_that_was_applied() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::new();
    let mut random = Random(5);
    // What all children reported: blocks applied, and the newest that was durable.
    let (mut applied, mut durable) = (0, 0);
    for round in 0..25 {
        let mut worker = Worker::start("child_that_applies", dir.path());
        // The first rounds die while they open the store and write the genesis.
        let mut reports = Vec::new();
        if round > 2 {
            for _ in 0..=random.next(60) {
                reports.push(worker.report().expect("the child works until it is killed"));
            }
        } else if round > 0 {
            std::thread::sleep(std::time::Duration::from_micros(random.next(20_000)));
        }
        reports.extend(worker.kill());
        for report in reports.iter().filter_map(|report| report.strip_prefix("applied ")) {
            let (number, persisted) = report.split_once(' ').unwrap();
            applied = number.parse::<u64>().unwrap();
            durable = durable.max(persisted.parse::<u64>().unwrap());
        }

        let store = StateStore::open(dir.path(), options()).unwrap();
        let Some(head) = store.head() else {
            assert_eq!((applied, durable), (0, 0));
            continue;
        };
        // One block may have been applied after the last report.
        assert!(head.number >= durable && head.number <= applied + 1, "round {round}: {head:?}");
        assert_eq!(store.persisted(), head.number);
        applied = head.number;
        chain.grow(head.number);
        assert_eq!(head, chain.0.block(head.number));
        let oldest = head.number.saturating_sub(HISTORY);
        let between = oldest + random.next(head.number - oldest + 1);
        for number in [oldest, (oldest + 1).min(head.number), between, head.number] {
            check_state(&store.at(number).unwrap(), &chain.0, number);
        }
        for number in 0..=head.number {
            assert_eq!(store.block(number).unwrap(), Some(chain.0.block(number)));
            let receipts = store.receipts(number);
            if number == 0 || number >= head.number.saturating_sub(RECEIPTS) {
                assert_eq!(receipts.unwrap().unwrap(), chain.0.receipts(number));
            } else {
                assert!(matches!(receipts, Err(StateError::NoReceipts { .. })), "{number}");
            }
        }
        if let Some(pruned) = head.number.checked_sub(HISTORY + 1) {
            assert!(matches!(store.at(pruned), Err(StateError::Pruned { .. })));
        }
    }
    assert!(durable > 200, "{durable} blocks");
}

/// Tries what another process already has.
#[test]
fn child_that_intrudes() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let refusal = StateStore::open(Path::new(&dir), options()).unwrap_err();
    report(format!("{} {refusal}", matches!(refusal, StateError::InUse { .. })));
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = StateStore::open(dir.path(), options()).unwrap();
    let mut intruder = Worker::start("child_that_intrudes", dir.path());
    let refusal = intruder.report().expect("a refusal");
    intruder.kill();
    assert!(refusal.starts_with("true ") && refusal.contains("is in use"), "{refusal}");
    drop(store);
    StateStore::open(dir.path(), options()).unwrap();
}
