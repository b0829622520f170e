//! Certificates: a quorum of members over exactly this block, and nothing else.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use ande_primitives::{
    Block, BlockError, Certificate, CertificateError, Commit, CommitError, CommitSignature, Domain,
    EpochSet, Header, Height, QuorumCertificate, QuorumCertificateError, QuorumFraction, Signature,
    Skip, Vote, VoteKind,
};
use proptest::prelude::*;

use crate::generators::{L2_CHAIN_ID, committee, domain, epoch_set, key};

const HEIGHT: Height = Height(1_234);

fn certify(domain: &Domain, mut certificate: Certificate, signers: &[usize]) -> Certificate {
    let digest = domain.vote_digest(&certificate.vote());
    let mut signatures: Vec<CommitSignature> = signers
        .iter()
        .map(|index| CommitSignature {
            signer: key(*index).address(),
            signature: key(*index).sign_digest(digest).unwrap(),
        })
        .collect();
    signatures.sort_by_key(|entry| entry.signer);
    certificate.signatures = signatures;
    certificate
}

fn unsigned(set: &EpochSet, block_hash: B256) -> Certificate {
    Certificate {
        era: set.era,
        epoch: set.epoch,
        height: HEIGHT,
        round: 1.into(),
        block_hash,
        signatures: Vec::new(),
    }
}

fn block(set: &EpochSet) -> Block {
    let execution = Bytes::from_static(b"execution header");
    let skip = Skip(1);
    let header = Header {
        l2_chain_id: L2_CHAIN_ID,
        era: set.era,
        epoch: set.epoch,
        height: HEIGHT,
        skip,
        parent_hash: keccak256("parent"),
        proposer: set.proposer_address(HEIGHT, skip),
        timestamp_ms: 1,
        forced_up_to: 0,
        forced_acc: B256::ZERO,
        execution_hash: keccak256(&execution),
    };
    Block { header, execution, transactions: vec![Bytes::from_static(&[1])] }
}

#[test]
fn a_certificate_holds_with_every_quorum_of_signers_and_without_one_never() {
    let weights = [5, 1, 2, 1, 1];
    let set = epoch_set(&weights);
    for chosen in 0..32u32 {
        let signers: Vec<usize> = (0..5).filter(|index| chosen >> index & 1 == 1).collect();
        let signed: u64 = signers.iter().map(|index| weights[*index]).sum();
        let certificate = certify(&domain(), unsigned(&set, keccak256("block")), &signers);
        let expected = if 3 * signed > 2 * 10 {
            Ok(signed)
        } else {
            Err(CertificateError::NoQuorum { signed, total: 10 })
        };
        assert_eq!(certificate.verify(&domain(), &set), expected, "{signers:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_flipped_bit_in_any_signature_breaks_it(at in 0usize..4, bit in 0usize..520) {
        let set = epoch_set(&[1; 4]);
        let mut certificate =
            certify(&domain(), unsigned(&set, keccak256("block")), &[0, 1, 2, 3]);
        let entry = &mut certificate.signatures[at];
        let mut bytes = *entry.signature.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        entry.signature = Signature::from_bytes(bytes);
        let signer = entry.signer;
        prop_assert_eq!(
            certificate.verify(&domain(), &set),
            Err(CertificateError::BadSignature { index: at, signer })
        );
    }
}

#[test]
fn every_changed_field_breaks_a_certificate() {
    let set = epoch_set(&[1; 4]);
    let good = certify(&domain(), unsigned(&set, keccak256("block")), &[0, 1, 2, 3]);
    assert_eq!(good.verify(&domain(), &set), Ok(4));
    let broken = |change: fn(&mut Certificate)| {
        let mut certificate = good.clone();
        change(&mut certificate);
        certificate.verify(&domain(), &set).unwrap_err()
    };
    let is_bad = |error| matches!(error, CertificateError::BadSignature { index: 0, .. });
    let is_foreign = |error| matches!(error, CertificateError::WrongEpoch { .. });
    assert!(is_foreign(broken(|c| c.era = 1.into())));
    assert!(is_foreign(broken(|c| c.epoch = 3.into())));
    assert!(is_bad(broken(|c| c.height = Height(1_235))));
    assert_eq!(broken(|c| c.height = Height(1_800)), CertificateError::WrongHeight(Height(1_800)));
    assert!(is_bad(broken(|c| c.round = 2.into())));
    assert!(is_bad(broken(|c| c.block_hash = keccak256("other"))));
    assert_eq!(broken(|c| c.block_hash = B256::ZERO), CertificateError::Nil);
    assert_eq!(broken(|c| c.signatures.swap(1, 2)), CertificateError::Order(2));
    assert_eq!(broken(|c| c.signatures[1] = c.signatures[0].clone()), CertificateError::Order(1));
    assert_eq!(
        broken(|c| c.signatures.truncate(2)),
        CertificateError::NoQuorum { signed: 2, total: 4 }
    );
    assert_eq!(
        broken(|c| c.signatures.clear()),
        CertificateError::NoQuorum { signed: 0, total: 4 }
    );
    let other_domain = Domain::new(1, Address::repeat_byte(0xc0), L2_CHAIN_ID);
    assert!(is_bad(good.verify(&other_domain, &set).unwrap_err()));
}

#[test]
fn a_stranger_spoils_a_certificate_even_with_a_quorum() {
    let set = epoch_set(&[1; 4]);
    let certificate = certify(&domain(), unsigned(&set, keccak256("block")), &[0, 1, 2, 3, 4]);
    assert_eq!(
        certificate.verify(&domain(), &set),
        Err(CertificateError::NotAMember(key(4).address()))
    );
}

#[test]
fn votes_of_another_kind_are_no_precommits() {
    let set = epoch_set(&[1; 4]);
    let mut certificate = unsigned(&set, keccak256("block"));
    for kind in [VoteKind::Proposal, VoteKind::Prevote] {
        let digest = domain().vote_digest(&Vote { kind, ..certificate.vote() });
        let mut signatures: Vec<CommitSignature> = (0..4)
            .map(|index| CommitSignature {
                signer: key(index).address(),
                signature: key(index).sign_digest(digest).unwrap(),
            })
            .collect();
        signatures.sort_by_key(|entry| entry.signer);
        certificate.signatures = signatures;
        assert!(matches!(
            certificate.verify(&domain(), &set),
            Err(CertificateError::BadSignature { index: 0, .. })
        ));
    }
}

#[test]
fn a_commit_is_a_scheduled_block_with_its_own_certificate() {
    let set = epoch_set(&[1; 4]);
    let block = block(&set);
    let commit = |block: Block| {
        let certificate = certify(&domain(), unsigned(&set, block.hash()), &[0, 1, 2]);
        Commit { block, certificate }
    };
    let good = commit(block.clone());
    assert_eq!(good.verify(&domain(), &set), Ok(()));

    // Certified, yet not what an honest quorum certifies.
    let changed = |change: fn(&mut Block)| {
        let mut block = block.clone();
        change(&mut block);
        commit(block).verify(&domain(), &set).unwrap_err()
    };
    assert!(matches!(
        changed(|b| b.header.l2_chain_id = 1),
        CommitError::WrongChain { expected: L2_CHAIN_ID, got: 1 }
    ));
    assert!(matches!(changed(|b| b.header.era = 1.into()), CommitError::WrongEpoch { .. }));
    assert!(matches!(changed(|b| b.header.height = Height(1)), CommitError::WrongEpoch { .. }));
    assert!(matches!(changed(|b| b.header.skip = Skip(2)), CommitError::WrongProposer { .. }));
    assert!(matches!(
        changed(|b| b.transactions.push(Bytes::new())),
        CommitError::Block(BlockError::EmptyTransaction(1))
    ));

    // A good certificate of something else.
    let mut other = good.clone();
    other.block.header.timestamp_ms += 1;
    assert!(matches!(other.verify(&domain(), &set), Err(CommitError::WrongBlock { .. })));
    let mut other = good.clone();
    other.certificate.height = Height(1_233);
    assert!(matches!(
        other.verify(&domain(), &set),
        Err(CommitError::Certificate(CertificateError::WrongHeight(_)))
    ));
    let mut other = good;
    other.certificate.signatures.pop();
    assert!(matches!(
        other.verify(&domain(), &set),
        Err(CommitError::Certificate(CertificateError::NoQuorum { signed: 2, total: 4 }))
    ));
}

fn collected(digest: B256, signers: &[usize]) -> Vec<(Address, Signature)> {
    signers
        .iter()
        .map(|index| (key(*index).address(), key(*index).sign_digest(digest).unwrap()))
        .collect()
}

#[test]
fn a_quorum_certificate_takes_signatures_in_any_order_and_once() {
    let committee = committee(&[5, 1, 2, 1, 1]);
    let digest = keccak256("checkpoint");
    let signatures = collected(digest, &[4, 0, 2, 0, 4]);
    let certificate = QuorumCertificate::assemble(3, digest, &committee, &signatures).unwrap();
    assert_eq!((certificate.attempt, certificate.bitmap), (3, U256::from(0b10101)));
    assert_eq!(certificate.signatures.len(), 3 * 64);
    assert_eq!(certificate.verify(digest, &committee, QuorumFraction::TWO_THIRDS), Ok(8));

    let few = QuorumCertificate::assemble(3, digest, &committee, &signatures[..2]).unwrap();
    assert_eq!(few.signed_weight(digest, &committee), Ok(6));
    assert_eq!(
        few.verify(digest, &committee, QuorumFraction::TWO_THIRDS),
        Err(QuorumCertificateError::NoQuorum { signed: 6, total: 10 })
    );
}

#[test]
fn a_quorum_certificate_is_not_made_of_bad_signatures() {
    let committee = committee(&[1; 4]);
    let digest = keccak256("checkpoint");
    let assemble =
        |signatures: &[_]| QuorumCertificate::assemble(0, digest, &committee, signatures);
    assert!(matches!(assemble(&[]), Err(QuorumCertificateError::Bitmap { .. })));
    assert_eq!(
        assemble(&collected(digest, &[0, 9])),
        Err(QuorumCertificateError::NotAMember(key(9).address()))
    );
    let mut foreign = collected(digest, &[0, 1]);
    foreign[1].1 = foreign[0].1;
    assert_eq!(assemble(&foreign), Err(QuorumCertificateError::Signer(1)));
    let other = collected(keccak256("other"), &[2]);
    assert_eq!(assemble(&other), Err(QuorumCertificateError::Signer(2)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_changed_quorum_certificate_is_refused(
        bit in 0usize..3 * 512, member in 0usize..256, extra in 1usize..130,
    ) {
        let committee = committee(&[1; 5]);
        let digest = keccak256("checkpoint");
        let good = QuorumCertificate::assemble(
            0, digest, &committee, &collected(digest, &[0, 2, 3]),
        ).unwrap();
        prop_assert_eq!(good.signed_weight(digest, &committee), Ok(3));

        let mut flipped = good.signatures.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let flipped = QuorumCertificate { signatures: flipped.into(), ..good.clone() };
        prop_assert!(flipped.signed_weight(digest, &committee).is_err());

        let mut bitmap = good.bitmap;
        bitmap.set_bit(member, !bitmap.bit(member));
        let toggled = QuorumCertificate { bitmap, ..good.clone() };
        prop_assert!(toggled.signed_weight(digest, &committee).is_err());

        let mut longer = good.signatures.to_vec();
        longer.resize(longer.len() + extra, 0);
        let longer = QuorumCertificate { signatures: longer.into(), ..good.clone() };
        prop_assert!(longer.signed_weight(digest, &committee).is_err());
        let kept = good.signatures.len() - extra.min(good.signatures.len());
        let shorter =
            QuorumCertificate { signatures: good.signatures.slice(..kept), ..good.clone() };
        prop_assert!(shorter.signed_weight(digest, &committee).is_err());
        prop_assert!(good.signed_weight(keccak256("other"), &committee).is_err());
    }
}

#[test]
fn all_256_members_fit_the_bitmap() {
    let committee = committee(&[1; 256]);
    let digest = keccak256("checkpoint");
    let signatures = collected(digest, &[255, 0]);
    let certificate = QuorumCertificate::assemble(0, digest, &committee, &signatures).unwrap();
    assert_eq!(certificate.bitmap, U256::ONE | (U256::ONE << 255));
    assert_eq!(certificate.signed_weight(digest, &committee), Ok(2));
}
