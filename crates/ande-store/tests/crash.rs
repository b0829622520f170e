//! Processes killed at any moment: nothing acknowledged is lost, nothing is signed twice.
//!
//! The tests start this test program again as a child that works in a loop and reports what it was
//! promised, kill it with SIGKILL after a random report, and look at what is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::{
    collections::{HashMap, HashSet},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use alloy_primitives::{B256, Bytes, keccak256};
use ande_consensus::ConsensusSigner as _;
use ande_primitives::{Height, Round, VoteKind};
use ande_store::{GuardedSigner, Store};
use common::{
    block, candidate, checkpoint, commit, domain, hashed, identity, key, open, text, tx, vote,
};

const DIR: &str = "ANDE_STORE_TEST_DIR";
const SALT: &str = "ANDE_STORE_TEST_SALT";
const MARK: &str = "report:";

/// A small generator, so that a failure names its seed.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

struct Worker {
    child: Child,
    reports: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Worker {
    fn start(test: &str, dir: &Path, salt: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(DIR, dir)
            .env(SALT, salt.to_string())
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

/// What a child is asked to do; none in the parent.
fn task() -> Option<(std::path::PathBuf, u64)> {
    let dir = std::env::var_os(DIR)?;
    Some((dir.into(), std::env::var(SALT).unwrap().parse().unwrap()))
}

fn report(what: impl std::fmt::Display) {
    println!("{MARK}{what}");
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn journal_entry(number: u64) -> (B256, Bytes) {
    hashed(&tx(u64::MAX, number, 150))
}

/// Commits, stores candidates and journals until it is killed.
#[test]
fn child_that_writes() {
    let Some((dir, salt)) = task() else { return };
    run(async {
        let store = open(&dir).await;
        let tip = store.tip().await.unwrap();
        let mut parent = tip.map_or(identity().genesis_hash, |tip| tip.block.hash());
        let mut number = salt * 1_000_000;
        for height in store.latest().0 + 1.. {
            let transactions: Vec<Bytes> = (0..20).map(|index| tx(height, index, 110)).collect();
            let turn = match store.built_candidate(Height(height), Round(0)).await.unwrap() {
                Some(built) => built,
                None => candidate(block(parent, height, salt, transactions), 0),
            };
            store.put_candidate(&turn, true).await.unwrap();
            report(format!("built {height} {}", turn.block.hash()));
            let entries: Vec<_> = (number..number + 3).map(journal_entry).collect();
            store.journal_append(&entries).await.unwrap();
            report(format!("journaled {number}"));
            number += 3;
            parent = turn.block.hash();
            store.commit(&commit(turn.block)).await.unwrap();
            report(format!("committed {height} {parent}"));
        }
    });
}

#[derive(Default)]
struct Promises {
    built: HashMap<u64, B256>,
    committed: HashMap<u64, B256>,
    journaled: HashSet<u64>,
}

impl Promises {
    fn take(&mut self, report: &str) {
        let words: Vec<&str> = report.split(' ').collect();
        let number: u64 = words[1].parse().unwrap();
        match words[0] {
            "journaled" => self.journaled.extend(number..number + 3),
            kind => {
                let hash: B256 = words[2].parse().unwrap();
                let map = if kind == "built" { &mut self.built } else { &mut self.committed };
                let first = *map.entry(number).or_insert(hash);
                assert_eq!(first, hash, "two blocks {kind} at height {number}");
            }
        }
    }

    async fn check(&self, store: &Store) {
        let stored = store.commits(Height(1)..=Height(u64::MAX), usize::MAX).await.unwrap();
        let mut parent = identity().genesis_hash;
        for (height, commit) in (1..).zip(&stored) {
            assert_eq!(commit.block.height(), Height(height));
            assert_eq!(commit.block.header.parent_hash, parent);
            parent = commit.block.hash();
            for (index, raw) in (0..).zip(&commit.block.transactions) {
                let found = store.locate_transaction(keccak256(raw)).await.unwrap();
                assert_eq!(found, Some((Height(height), index)));
            }
        }
        assert_eq!(store.latest().0, stored.len() as u64);
        assert_eq!(store.outbox().await.unwrap().blocks, stored.len() as u64);
        for (height, hash) in &self.committed {
            assert_eq!(stored[*height as usize - 1].block.hash(), *hash);
        }
        for (height, hash) in &self.built {
            let held = match stored.get(*height as usize - 1) {
                Some(commit) => commit.block.hash(),
                None => {
                    let built = store.built_candidate(Height(*height), Round(0)).await.unwrap();
                    built.expect("a built block is durable").block.hash()
                }
            };
            assert_eq!(held, *hash);
        }
        let journal: HashSet<Bytes> = store.journal_load().await.unwrap().into_iter().collect();
        for number in &self.journaled {
            assert!(journal.contains(&journal_entry(*number).1), "journal entry {number} is lost");
        }
    }
}

#[test]
fn a_killed_store_keeps_its_promises() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(11);
    let mut promises = Promises::default();
    for round in 1..=10 {
        let mut worker = Worker::start("child_that_writes", dir.path(), round);
        for _ in 0..=random.next(40) {
            promises.take(&worker.report().expect("the child works until it is killed"));
        }
        for report in worker.kill() {
            promises.take(&report);
        }
        run(async {
            let store = open(dir.path()).await;
            promises.check(&store).await;
            store.close().await;
        });
    }
    assert!(promises.committed.len() > 20, "{} commits", promises.committed.len());
}

/// Signs other blocks than its predecessors until it is killed.
#[test]
fn child_that_signs() {
    let Some((dir, salt)) = task() else { return };
    run(async {
        let signer = GuardedSigner::open(key(1), domain(), &dir.join("guard")).unwrap();
        let start = signer.high_water().map_or(1, |high| high.height.0.saturating_sub(1).max(1));
        let mut random = Random(salt);
        for height in start.. {
            for round in 0..2 {
                for kind in [VoteKind::Proposal, VoteKind::Prevote, VoteKind::Precommit] {
                    let block = keccak256(random.next(1 << 30).to_be_bytes());
                    let vote = vote(height, round, kind, block);
                    if let Ok(signature) = signer.sign_vote(&vote).await {
                        let slot = format!("{height}/{round}/{}", kind as u8);
                        report(format!("{slot} {} {signature}", domain().vote_digest(&vote)));
                    }
                }
            }
            let checkpoint = checkpoint(height, 0, 1, random.next(250) as u8, 1);
            if signer.sign_checkpoint(&checkpoint).await.is_ok() {
                report(format!("batch{height} {} -", checkpoint.content_hash));
            }
        }
    });
}

#[test]
fn a_killed_signer_never_signs_two_digests_for_one_slot() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(12);
    let mut signed: HashMap<String, String> = HashMap::new();
    for round in 1..=30 {
        let mut worker = Worker::start("child_that_signs", dir.path(), round);
        let mut reports: Vec<String> = (0..=random.next(60))
            .map(|_| worker.report().expect("the child works until it is killed"))
            .collect();
        reports.extend(worker.kill());
        for report in reports {
            let (slot, what) = report.split_once(' ').unwrap();
            let first = signed.entry(slot.to_owned()).or_insert_with(|| what.to_owned());
            assert_eq!(first, what, "slot {slot} in round {round}");
        }
    }
    assert!(signed.len() > 200, "{} signatures", signed.len());
}

/// Signs the next votes, announcing each before it is signed.
#[test]
fn child_that_fills_its_guard() {
    let Some((dir, salt)) = task() else { return };
    run(async {
        let signer = GuardedSigner::open(key(1), domain(), &dir.join("guard")).unwrap();
        for height in FILLED - 2..FILLED + 40 {
            let vote = vote(height, 0, VoteKind::Prevote, B256::repeat_byte(salt as u8));
            report(format!("signing{height} {salt}"));
            if signer.sign_vote(&vote).await.is_ok() {
                report(format!("{height} {}", domain().vote_digest(&vote)));
            }
        }
        // The parent kills; an end by itself would hide what it did not see.
        std::future::pending::<()>().await;
    });
}

/// Votes in a guard file that is almost full: the file has room for 4095.
const FILLED: u64 = 4090;

#[test]
fn a_signer_killed_while_its_guard_is_rewritten_forgets_nothing() {
    let full = tempfile::tempdir().unwrap();
    let path = full.path().join("guard");
    run(async {
        let signer = GuardedSigner::open(key(1), domain(), &path).unwrap();
        for height in 1..=FILLED {
            let vote = vote(height, 0, VoteKind::Prevote, B256::repeat_byte(1));
            signer.sign_vote(&vote).await.unwrap();
        }
    });
    let bytes = std::fs::read(&path).unwrap();
    let mut random = Random(13);
    for round in 2..=12 {
        std::fs::write(&path, &bytes).unwrap();
        let mut signed: HashMap<String, String> = HashMap::new();
        for salt in [round, round + 100] {
            let mut worker = Worker::start("child_that_fills_its_guard", full.path(), salt);
            // The file is full, and so rewritten, after five votes of the first child.
            let announced = format!("signing{}", FILLED + 5 + random.next(3));
            let mut reports = Vec::new();
            while let Some(report) = worker.report() {
                let done = report.starts_with(&announced);
                reports.push(report);
                if done {
                    break;
                }
            }
            reports.extend(worker.kill());
            for report in reports.iter().filter(|report| !report.starts_with("signing")) {
                let (slot, what) = report.split_once(' ').unwrap();
                let first = signed.entry(slot.to_owned()).or_insert_with(|| what.to_owned());
                assert_eq!(first, what, "height {slot} in round {round}");
            }
        }
        assert!(signed.len() >= 4, "{} signatures", signed.len());
    }
}

/// Tries what another process already has.
#[test]
fn child_that_intrudes() {
    let Some((dir, _)) = task() else { return };
    run(async {
        let store = Store::open(&dir, identity()).await.unwrap_err();
        report(text(&store));
        let guard = GuardedSigner::open(key(1), domain(), &dir.join("guard")).unwrap_err();
        report(text(&guard));
    });
}

#[test]
fn a_second_process_is_told_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let store = open(dir.path()).await;
        let _signer = GuardedSigner::open(key(1), domain(), &dir.path().join("guard")).unwrap();
        let mut intruder = Worker::start("child_that_intrudes", dir.path(), 0);
        let about_store = intruder.report().expect("a refusal");
        let about_guard = intruder.report().expect("a refusal");
        intruder.kill();
        let own = format!("process {}", std::process::id());
        assert!(about_store.contains(&own) && about_store.contains("stop that process"));
        assert!(about_guard.contains("another process signs with this validator key"));
        store.close().await;
    });
}
