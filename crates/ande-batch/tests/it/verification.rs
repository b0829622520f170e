//! A validator signs only what follows from the data.

use std::sync::LazyLock;

use alloy_primitives::{Address, B256, keccak256};
use ande_batch::{BatchError, BatchLimits, BatchTip, Built, Claim, build, encode, verify};
use ande_primitives::{
    BatchHeader, CertificateError, Commit, DaKind, DaPointer, Domain, EpochSet, Era, Height,
};
use proptest::prelude::*;

use crate::chain::{L2_CHAIN_ID, Recipe, chain, content, domain, genesis, set};

/// Signing is the slow part, so the chain is made once.
static COMMITS: LazyLock<Vec<Commit>> = LazyLock::new(|| {
    let recipes: Vec<Recipe> = (0..12u32)
        .map(|index| Recipe {
            transactions: vec![vec![index as u8 + 1; 40]; index as usize % 3],
            skips: u32::from(index == 4),
            pause_ms: 2_000,
            forced: u64::from(index == 2),
        })
        .collect();
    chain(&recipes)
});

fn commits() -> Vec<Commit> {
    COMMITS.clone()
}

fn built(commits: &[Commit]) -> Built {
    build(&genesis(), commits, &set(0), Address::repeat_byte(7), &BatchLimits::default()).unwrap()
}

fn check(built: &Built, tip: &BatchTip, set: &EpochSet) -> Result<(), BatchError> {
    let claim =
        Claim { header: &built.header, da: &built.da, skips: &built.skips, data: &built.data };
    verify(&claim, tip, set, &domain()).map(drop)
}

#[test]
fn an_honest_batch_is_accepted_and_gives_its_content() {
    let commits = commits();
    let built = built(&commits);
    let claim =
        Claim { header: &built.header, da: &built.da, skips: &built.skips, data: &built.data };
    assert_eq!(verify(&claim, &genesis(), &set(0), &domain()), Ok(content(&commits)));
}

#[test]
fn the_next_batch_is_checked_against_the_one_before() {
    let commits = commits();
    let first = built(&commits[..5]);
    let tip = BatchTip::from(&first.header);
    let second =
        build(&tip, &commits[5..], &set(0), Address::ZERO, &BatchLimits::default()).unwrap();
    assert_eq!(check(&second, &tip, &set(0)), Ok(()));
    assert!(check(&second, &genesis(), &set(0)).is_err());
    assert!(check(&first, &tip, &set(0)).is_err());
}

#[test]
fn every_changed_header_field_is_found() {
    let good = built(&commits());
    let changes: [fn(&mut BatchHeader); 14] = [
        |h| h.era = Era(1),
        |h| h.epoch = 1.into(),
        |h| h.batch_index += 1,
        |h| h.start_height = Height(2),
        |h| h.end_height = Height(11),
        |h| h.term.0 += 1,
        |h| h.forced_up_to += 1,
        |h| h.tx_count += 1,
        |h| h.parent_batch_hash = B256::ZERO,
        |h| h.last_block_hash = B256::ZERO,
        |h| h.state_root = B256::ZERO,
        |h| h.tx_root = B256::ZERO,
        |h| h.forced_acc = B256::ZERO,
        |h| h.skips_hash = B256::ZERO,
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut bad = good.clone();
        change(&mut bad.header);
        assert_eq!(
            check(&bad, &genesis(), &set(0)),
            Err(BatchError::Claim { field: "header" }),
            "change {index}"
        );
    }
}

#[test]
fn skip_records_and_pointer_are_part_of_the_claim() {
    let good = built(&commits());
    assert_eq!(good.skips.len(), 12);
    for skips in [Vec::new(), [&good.skips[..], &good.skips[..]].concat()] {
        let bad = Built { skips: skips.into(), ..good.clone() };
        let error = check(&bad, &genesis(), &set(0));
        assert_eq!(error, Err(BatchError::Claim { field: "skip records" }));
    }
    let pointers = [
        DaPointer { height: 1, ..good.da },
        DaPointer { commitment: B256::ZERO, ..good.da },
        DaPointer { size: good.da.size + 1, ..good.da },
    ];
    for da in pointers {
        let error = check(&Built { da, ..good.clone() }, &genesis(), &set(0));
        assert_eq!(error, Err(BatchError::Claim { field: "data pointer" }));
    }
    // Of other data layers only the layer knows what it holds.
    let da = DaPointer { kind: DaKind::Celestia, height: 9, commitment: keccak256("c"), size: 1 };
    assert_eq!(check(&Built { da, ..good }, &genesis(), &set(0)), Ok(()));
}

/// A batch that its poster made fit in every way that needs no signature.
fn repost(content: &ande_batch::BatchContent) -> Built {
    let data = encode(content).unwrap();
    let (header, skips) =
        ande_batch::derive_header(&genesis(), content, &set(0), Address::ZERO).unwrap();
    let da = DaPointer::calldata(&data);
    Built { header, skips: skips.into(), data, da }
}

#[test]
fn blocks_without_a_valid_certificate_are_refused() {
    let commits = commits();
    let honest = content(&commits);
    let mut few = honest.clone();
    few.certificate.signatures.pop();
    assert_eq!(
        check(&repost(&few), &genesis(), &set(0)),
        Err(BatchError::Certificate(CertificateError::NoQuorum { signed: 200, total: 400 }))
    );
    // A chain that nobody certified: its last block differs, the certificate is moved over.
    let mut forged = honest.clone();
    forged.blocks[11].header.timestamp_ms += 1;
    forged.certificate.block_hash = forged.blocks[11].hash();
    assert!(matches!(
        check(&repost(&forged), &genesis(), &set(0)),
        Err(BatchError::Certificate(CertificateError::BadSignature { .. }))
    ));
}

/// Header hashes, and with them the certificate, cover transactions only through the execution
/// header.
#[test]
fn transactions_that_nobody_voted_for_are_refused() {
    let honest = content(&commits());
    let changed = |change: fn(&mut ande_batch::BatchContent)| {
        let mut content = honest.clone();
        change(&mut content);
        check(&repost(&content), &genesis(), &set(0)).unwrap_err()
    };
    let slipped = changed(|c| c.blocks[0].transactions.push(vec![9].into()));
    assert_eq!(slipped, BatchError::Transactions(Height(1)));
    let dropped = changed(|c| drop(c.blocks[5].transactions.pop()));
    assert_eq!(dropped, BatchError::Transactions(Height(6)));
    let swapped = changed(|c| c.blocks[2].transactions[0] = vec![8].into());
    assert_eq!(swapped, BatchError::Transactions(Height(3)));
    // Only moved to the next block: the header of the batch is the honest one.
    let mut moved = honest.clone();
    let tx = moved.blocks[1].transactions.pop().unwrap();
    moved.blocks[2].transactions.insert(0, tx);
    assert_eq!(repost(&moved).header, repost(&honest).header);
    assert_eq!(
        check(&repost(&moved), &genesis(), &set(0)),
        Err(BatchError::Transactions(Height(2)))
    );
}

#[test]
fn another_chain_or_set_is_refused() {
    let good = built(&commits());
    assert!(matches!(check(&good, &genesis(), &set(1)), Err(BatchError::WrongEpoch { .. })));
    let claim = Claim { header: &good.header, da: &good.da, skips: &good.skips, data: &good.data };
    let other = Domain::new(31_337, Address::repeat_byte(0xc0), 1);
    assert_eq!(
        verify(&claim, &genesis(), &set(0), &other),
        Err(BatchError::WrongChain { expected: 1, got: L2_CHAIN_ID })
    );
    let other = Domain::new(1, Address::repeat_byte(0xc0), L2_CHAIN_ID);
    assert!(matches!(
        verify(&claim, &genesis(), &set(0), &other),
        Err(BatchError::Certificate(CertificateError::BadSignature { .. }))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Also when the poster fits the pointer to the changed data.
    #[test]
    fn changed_data_is_never_another_valid_batch(
        at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<bool>(),
    ) {
        let good = built(&commits());
        let mut data = good.data.to_vec();
        let at = at.index(data.len());
        if cut {
            data.truncate(at);
        } else {
            data[at] ^= 1 << bit;
        }
        let bad = Built { data: data.clone().into(), ..good.clone() };
        prop_assert_eq!(
            check(&bad, &genesis(), &set(0)),
            Err(BatchError::Claim { field: "data pointer" })
        );
        let bad = Built { da: DaPointer::calldata(&data), ..bad };
        // Some bits of a frame do not change its content (unused flags); nothing else passes.
        let claim =
            Claim { header: &bad.header, da: &bad.da, skips: &bad.skips, data: &bad.data };
        if let Ok(content) = verify(&claim, &genesis(), &set(0), &domain()) {
            prop_assert_eq!(content, crate::chain::content(&commits()));
        }
    }
}
