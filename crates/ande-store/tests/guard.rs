//! The sign guard: one digest per slot, for ever.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::{
    collections::HashMap,
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::Path,
};

use alloy_primitives::{Address, B256};
use ande_consensus::{ConsensusSigner as _, SignError};
use ande_primitives::{Checkpoint, Domain, Epoch, Era, Height, Round, Signature, Vote, VoteKind};
use ande_store::{GuardError, GuardedSigner};
use common::{checkpoint, domain, key, vote};
use proptest::prelude::*;

const BLOCK: usize = 512;

fn open(path: &Path) -> GuardedSigner {
    GuardedSigner::open(key(1), domain(), path).unwrap()
}

fn refused(result: Result<Signature, SignError>) -> bool {
    match result {
        Ok(_) => false,
        Err(SignError::Refused { .. }) => true,
        Err(error) => panic!("{error}"),
    }
}

fn hash(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

#[tokio::test]
async fn one_digest_per_slot_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    let signer = open(&path);
    assert!(signer.is_new());
    let proposal = vote(5, 0, VoteKind::Proposal, hash(1));
    let prevote = vote(5, 0, VoteKind::Prevote, hash(1));
    let first = signer.sign_vote(&proposal).await.unwrap();
    let second = signer.sign_vote(&prevote).await.unwrap();
    assert_eq!(first.recover(domain().vote_digest(&proposal)), Ok(key(1).address()));
    drop(signer);
    let signer = open(&path);
    assert!(!signer.is_new());
    assert_eq!(signer.sign_vote(&proposal).await.unwrap(), first);
    assert_eq!(signer.sign_vote(&prevote).await.unwrap(), second);
    assert!(refused(signer.sign_vote(&vote(5, 0, VoteKind::Prevote, hash(2))).await));
    assert!(refused(signer.sign_vote(&vote(5, 0, VoteKind::Prevote, B256::ZERO)).await));
    assert!(refused(signer.sign_vote(&Vote { epoch: Epoch(1), ..prevote }).await));
    assert!(refused(signer.sign_vote(&vote(4, 9, VoteKind::Precommit, hash(1))).await));
    signer.sign_vote(&vote(5, 1, VoteKind::Precommit, hash(2))).await.unwrap();
    assert!(refused(signer.sign_vote(&vote(5, 1, VoteKind::Prevote, hash(2))).await));
    assert_eq!(signer.sign_vote(&prevote).await.unwrap(), second, "this height, signed before");
    signer.sign_vote(&vote(6, 0, VoteKind::Prevote, hash(3))).await.unwrap();
    assert!(refused(signer.sign_vote(&prevote).await), "an older height");
    let next_era = Vote { era: Era(1), ..vote(2, 0, VoteKind::Prevote, hash(3)) };
    signer.sign_vote(&next_era).await.expect("a new era starts lower");
    assert!(refused(signer.sign_vote(&vote(7, 0, VoteKind::Prevote, hash(3))).await));
    let high = signer.high_water().unwrap();
    assert_eq!((high.era, high.height, high.round), (Era(1), Height(2), Round(0)));
}

#[tokio::test]
async fn closed_heights_stay_closed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    let signer = open(&path);
    signer.close_votes(Era(0), Height(9)).await.unwrap();
    signer.close_votes(Era(0), Height(3)).await.unwrap();
    drop(signer);
    let signer = open(&path);
    assert!(refused(signer.sign_vote(&vote(9, 0, VoteKind::Prevote, hash(1))).await));
    signer.sign_vote(&vote(10, 0, VoteKind::Prevote, hash(1))).await.unwrap();
}

#[tokio::test]
async fn checkpoints_that_would_be_slashed_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    let signer = open(&path);
    let sign = async |signer: &GuardedSigner, checkpoint: Checkpoint| {
        signer.sign_checkpoint(&checkpoint).await
    };
    let first = sign(&signer, checkpoint(7, 0, 1, 1, 1)).await.unwrap();
    drop(signer);
    let signer = open(&path);
    assert_eq!(sign(&signer, checkpoint(7, 0, 1, 1, 1)).await.unwrap(), first);
    assert!(refused(sign(&signer, checkpoint(7, 0, 1, 2, 1)).await), "another content");
    assert!(refused(sign(&signer, checkpoint(7, 1, 1, 2, 1)).await), "in another attempt too");
    assert!(refused(sign(&signer, checkpoint(7, 0, 1, 1, 2)).await), "same attempt, other data");
    sign(&signer, checkpoint(7, 1, 1, 1, 2)).await.expect("another attempt, other data");
    sign(&signer, checkpoint(7, 0, 9, 2, 3)).await.expect("another parent");
    sign(&signer, checkpoint(100, 0, 1, 1, 1)).await.unwrap();
    assert!(refused(sign(&signer, checkpoint(35, 0, 1, 1, 1)).await), "too far below");
    sign(&signer, checkpoint(36, 0, 1, 1, 1)).await.unwrap();
    let mut other_epoch = checkpoint(100, 0, 1, 1, 1);
    other_epoch.epoch = Epoch(3);
    assert!(refused(sign(&signer, other_epoch).await));
    for attempt in 1..64 {
        sign(&signer, checkpoint(100, attempt, 1, 1, 1)).await.unwrap();
    }
    assert!(refused(sign(&signer, checkpoint(100, 64, 1, 1, 1)).await), "attempts are bounded");
}

#[tokio::test]
async fn a_full_file_is_rewritten_without_forgetting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    let signer = open(&path);
    let kept = signer.sign_checkpoint(&checkpoint(3, 0, 1, 1, 1)).await.unwrap();
    let left_over = dir.path().join("guard.tmp");
    std::fs::write(&left_over, b"of a crash").unwrap();
    std::fs::set_permissions(&left_over, std::fs::Permissions::from_mode(0o666)).unwrap();
    // Three votes a height, more than the file has blocks.
    let last = 4095 / 3 + 20;
    for height in 1..=last {
        for kind in [VoteKind::Proposal, VoteKind::Prevote, VoteKind::Precommit] {
            signer.sign_vote(&vote(height, 0, kind, hash(1))).await.unwrap();
        }
    }
    let size = std::fs::metadata(&path).unwrap().len();
    assert_eq!(size, 4096 * BLOCK as u64);
    assert!(!left_over.exists());
    let busy = GuardedSigner::open(key(1), domain(), &path).unwrap_err();
    assert!(matches!(busy, GuardError::InUse { .. }), "locked also after the rewrite: {busy}");
    drop(signer);
    let signer = open(&path);
    assert_eq!(signer.sign_checkpoint(&checkpoint(3, 0, 1, 1, 1)).await.unwrap(), kept);
    assert!(refused(signer.sign_vote(&vote(last, 0, VoteKind::Precommit, hash(2))).await));
    assert!(refused(signer.sign_vote(&vote(last - 1, 0, VoteKind::Precommit, hash(1))).await));
    signer.sign_vote(&vote(last, 0, VoteKind::Precommit, hash(1))).await.unwrap();
}

#[tokio::test]
async fn engine_messages_are_signed_and_not_guarded() {
    let dir = tempfile::tempdir().unwrap();
    let signer = open(&dir.path().join("guard"));
    let before = std::fs::read(dir.path().join("guard")).unwrap();
    for message in [b"one".as_slice(), b"two"] {
        let signature = signer.sign_engine("proposal", message).await.unwrap();
        let digest = signer.domain().engine_digest("proposal", message);
        assert_eq!(signature.recover(digest), Ok(signer.address()));
    }
    assert_eq!(std::fs::read(dir.path().join("guard")).unwrap(), before);
}

#[tokio::test]
async fn concurrent_requests_for_one_slot_give_one_digest() {
    let dir = tempfile::tempdir().unwrap();
    let signer = std::sync::Arc::new(open(&dir.path().join("guard")));
    let requests: Vec<_> = (1..=20u8)
        .map(|byte| {
            let signer = signer.clone();
            tokio::spawn(async move {
                signer.sign_vote(&vote(1, 0, VoteKind::Prevote, hash(byte))).await
            })
        })
        .collect();
    let mut signed = 0;
    for request in requests {
        signed += usize::from(!refused(request.await.unwrap()));
    }
    assert_eq!(signed, 1);
}

#[test]
fn a_guard_belongs_to_one_process_key_and_chain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    let signer = open(&path);
    let busy = GuardedSigner::open(key(1), domain(), &path).unwrap_err();
    assert!(matches!(busy, GuardError::InUse { .. }));
    assert!(busy.to_string().contains("Stop it first"), "{busy}");
    drop(signer);
    let error = GuardedSigner::open(key(2), domain(), &path).unwrap_err();
    assert!(matches!(error, GuardError::WrongKey { .. }), "{error}");
    assert!(error.to_string().contains(&key(1).address().to_string()), "{error}");
    for other in [
        Domain::new(31337, Address::repeat_byte(1), 7),
        Domain::new(1, Address::repeat_byte(1), 6174),
        Domain::new(31337, Address::repeat_byte(9), 6174),
    ] {
        let error = GuardedSigner::open(key(1), other, &path).unwrap_err();
        assert!(matches!(error, GuardError::WrongDomain { .. }), "{error}");
    }
    open(&path);
}

#[test]
fn a_guard_that_others_may_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    drop(open(&path));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for open_to in [0o620, 0o602, 0o666] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(open_to)).unwrap();
        let error = GuardedSigner::open(key(1), domain(), &path).unwrap_err();
        assert!(matches!(error, GuardError::Permissions { .. }), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    open(&path);
}

#[test]
fn an_unusable_path_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = GuardedSigner::open(key(1), domain(), dir.path()).unwrap_err();
    assert!(matches!(error, GuardError::Io { .. }), "{error}");
    let error =
        GuardedSigner::open(key(1), domain(), &dir.path().join("absent/guard")).unwrap_err();
    assert!(error.to_string().contains("absent/guard"), "{error}");
}

/// A guard file with a few votes and checkpoints; returns its bytes and the used blocks.
async fn sample(path: &Path) -> (Vec<u8>, usize) {
    let signer = open(path);
    for height in 1..=3 {
        signer.sign_vote(&vote(height, 0, VoteKind::Prevote, hash(1))).await.unwrap();
    }
    signer.sign_checkpoint(&checkpoint(1, 0, 1, 1, 1)).await.unwrap();
    drop(signer);
    (std::fs::read(path).unwrap(), 5)
}

#[tokio::test]
async fn every_flipped_bit_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    let (bytes, used) = sample(&path).await;
    let unused = [used * BLOCK, used * BLOCK + 700, bytes.len() - 1];
    for at in (0..used * BLOCK).step_by(3).chain(unused) {
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[bytes[at] ^ (1 << (at % 8))], at as u64).unwrap();
        let error = GuardedSigner::open(key(1), domain(), &path).unwrap_err();
        assert!(matches!(error, GuardError::Damaged { .. }), "byte {at}: {error}");
        assert!(error.to_string().contains("Do not delete it"), "{error}");
        file.write_all_at(&bytes[at..=at], at as u64).unwrap();
    }
    open(&path);
}

#[tokio::test]
async fn shortened_lengthened_and_reordered_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard");
    let (bytes, used) = sample(&path).await;
    let mut cases: Vec<Vec<u8>> = [0, 1, 511, 512, used * BLOCK, bytes.len() - 1]
        .iter()
        .map(|len| bytes[..*len].to_vec())
        .collect();
    cases.push([&bytes[..], &[0]].concat());
    let mut swapped = bytes.clone();
    let (one, two) = (BLOCK..2 * BLOCK, 2 * BLOCK..3 * BLOCK);
    swapped[one.clone()].copy_from_slice(&bytes[two.clone()]);
    swapped[two.clone()].copy_from_slice(&bytes[one.clone()]);
    cases.push(swapped);
    let mut dropped = bytes.clone();
    dropped[one.clone()].fill(0);
    cases.push(dropped);
    let mut repeated = bytes.clone();
    repeated[two].copy_from_slice(&bytes[one]);
    cases.push(repeated);
    for (case, damaged) in cases.iter().enumerate() {
        std::fs::write(&path, damaged).unwrap();
        let error = GuardedSigner::open(key(1), domain(), &path).unwrap_err();
        assert!(matches!(error, GuardError::Damaged { .. }), "case {case}: {error}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Vote(Vote),
    Checkpoint(Checkpoint),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let vote = (0u32..2, 1u64..6, 0u32..3, 0u8..3, 0u8..3).prop_map(
        |(era, height, round, kind, block)| {
            let kind = VoteKind::try_from(kind).unwrap();
            Step::Vote(Vote { era: Era(era), ..vote(height, round, kind, hash(block)) })
        },
    );
    let checkpoint = (1u64..90, 0u32..3, 0u8..2, 0u8..2, 0u8..2).prop_map(
        |(index, attempt, parent, content, da)| {
            Step::Checkpoint(checkpoint(index, attempt, parent, content, da))
        },
    );
    prop_oneof![6 => vote, 4 => checkpoint, 1 => Just(Step::Restart)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is asked in whatever order, with restarts in between, nothing slashable is signed
    /// and votes only move forward.
    #[test]
    fn nothing_slashable_is_ever_signed(steps in prop::collection::vec(step(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("guard");
            let mut signer = open(&path);
            let mut votes: HashMap<_, (B256, Signature)> = HashMap::new();
            let mut highest = None;
            let mut contents: HashMap<_, B256> = HashMap::new();
            let mut data: HashMap<_, B256> = HashMap::new();
            for step in steps {
                match step {
                    Step::Restart => {
                        drop(signer);
                        signer = open(&path);
                    }
                    Step::Vote(vote) => {
                        let Ok(signature) = signer.sign_vote(&vote).await else { continue };
                        let slot = (vote.era, vote.height, vote.round, vote.kind);
                        let digest = domain().vote_digest(&vote);
                        let earlier = *votes.entry(slot).or_insert((digest, signature));
                        prop_assert_eq!(earlier, (digest, signature));
                        if highest.is_none_or(|high| high < slot) {
                            highest = Some(slot);
                        } else {
                            prop_assert!(earlier.0 == digest);
                        }
                    }
                    Step::Checkpoint(c) => {
                        if signer.sign_checkpoint(&c).await.is_err() { continue }
                        let batch = (c.era, c.batch_index, c.parent_batch_hash);
                        prop_assert_eq!(*contents.entry(batch).or_insert(c.content_hash), c.content_hash);
                        prop_assert_eq!(*data.entry((batch, c.attempt)).or_insert(c.da_hash), c.da_hash);
                    }
                }
            }
            Ok(())
        })?;
    }
}
