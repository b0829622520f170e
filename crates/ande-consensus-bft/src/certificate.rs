//! Certificates of the chain and of the engine.

use ande_primitives::{Certificate, CommitSignature, Epoch, Era, Height, Round};
use malachitebft_core_types::{
    CommitCertificate, ExtendedCommitCertificate, ExtendedCommitSignature, Round as EngineRound,
};

use crate::{
    context::{self, Address, BlockHash, Ctx},
    scheme::EngineSignature,
};

/// The engine's certificate in the chain's terms: ascending by signer.
pub(crate) fn to_chain(
    decided: &CommitCertificate<Ctx>,
    era: Era,
    epoch: Epoch,
) -> Result<Certificate, &'static str> {
    let round = decided.round.as_u32().map(Round).ok_or("a certificate of the nil round")?;
    let mut signatures: Vec<CommitSignature> = decided
        .commit_signatures
        .iter()
        .map(|entry| CommitSignature { signer: entry.address.0, signature: entry.signature.main })
        .collect();
    signatures.sort_by_key(|entry| entry.signer);
    signatures.dedup_by_key(|entry| entry.signer);
    Ok(Certificate {
        era,
        epoch,
        height: Height::from(decided.height),
        round,
        block_hash: decided.value_id.0,
        signatures,
    })
}

/// The chain's certificate as the engine sends it to peers that catch up.
pub(crate) fn to_engine(certificate: Certificate) -> ExtendedCommitCertificate<Ctx> {
    let commit_signatures = certificate
        .signatures
        .into_iter()
        .map(|entry| {
            let signature = EngineSignature::of_vote(entry.signature);
            ExtendedCommitSignature::new(Address(entry.signer), signature, None)
        })
        .collect();
    ExtendedCommitCertificate {
        height: context::Height::from(certificate.height),
        round: EngineRound::new(certificate.round.0),
        value_id: BlockHash(certificate.block_hash),
        commit_signatures,
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use ande_primitives::{Vote, VoteKind};
    use malachitebft_core_types::CommitSignature as EngineCommit;

    use super::*;
    use crate::test_support::{domain, key, set};

    fn decided(signers: &[u8]) -> CommitCertificate<Ctx> {
        let block_hash = B256::repeat_byte(5);
        let vote = Vote {
            era: Era(0),
            epoch: Epoch(0),
            height: Height(12),
            round: Round(1),
            kind: VoteKind::Precommit,
            block_hash,
        };
        let digest = domain().vote_digest(&vote);
        let commit_signatures = signers
            .iter()
            .map(|index| {
                let signature = key(*index).sign_digest(digest).unwrap();
                let address = Address(key(*index).address());
                EngineCommit::new(address, EngineSignature::of_vote(signature))
            })
            .collect();
        CommitCertificate {
            height: context::Height(12),
            round: EngineRound::new(1),
            value_id: BlockHash(block_hash),
            commit_signatures,
        }
    }

    #[test]
    fn certificates_are_the_chain_s() {
        for signers in [[0, 1, 2], [2, 1, 0], [3, 0, 1]] {
            let certificate = to_chain(&decided(&signers), Era(0), Epoch(0)).unwrap();
            assert_eq!(certificate.verify(&domain(), &set()), Ok(30));
            let back = to_engine(certificate.clone());
            assert!(back.commit_signatures.is_sorted_by_key(|entry| entry.address));
            let again = to_chain(&back.trim_vote_extensions(), Era(0), Epoch(0)).unwrap();
            assert_eq!(again, certificate);
        }
    }

    #[test]
    fn too_few_signers_do_not_certify() {
        let certificate = to_chain(&decided(&[0, 1, 1]), Era(0), Epoch(0)).unwrap();
        assert!(certificate.verify(&domain(), &set()).is_err());
    }
}
