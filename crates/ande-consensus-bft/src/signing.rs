//! The engine's signer and verifier on top of the guarded signer of the node.

use std::sync::Arc;

use alloy_primitives::{Address as ChainAddress, B256};
use alloy_rlp::Encodable as _;
use ande_consensus::{ConsensusSigner, SignError};
use ande_primitives::{Domain, Round as ChainRound, Signature, Vote as ChainVote, VoteKind};
use async_trait::async_trait;
use bytes::Bytes;
use malachitebft_core_types::{
    Round, SignedMessage, SigningScheme as _, ValidatorProof, VoteExtensionScope, VoteType,
};
use malachitebft_signing::{Error, Signer, VerificationResult, Verifier};
use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::{
    context::{Address, Ctx, Proposal, Vote, hash_or_zero},
    scheme::{EngineSignature, Secp256k1},
    scopes::Scopes,
};

/// Tag of a proposal's binding signature under [`Domain::engine_digest`].
const PROPOSAL_TAG: &str = "proposal";
/// Tag of the proof that binds a peer id to a validator's key.
const PEER_TAG: &str = "validator-proof";

/// The chain's form of an engine vote; none for a height that was not started or a nil round.
pub(crate) fn chain_vote(scopes: &Scopes, vote: &Vote) -> Option<ChainVote> {
    let kind = match vote.kind {
        VoteType::Prevote => VoteKind::Prevote,
        VoteType::Precommit => VoteKind::Precommit,
    };
    let round = ChainRound(vote.round.as_u32()?);
    scopes.vote(kind, vote.height.into(), round, hash_or_zero(&vote.value))
}

/// The EIP-712 message of a proposal; none for a height that was not started or a nil round.
pub(crate) fn chain_proposal(scopes: &Scopes, proposal: &Proposal) -> Option<ChainVote> {
    let round = ChainRound(proposal.round.as_u32()?);
    scopes.vote(VoteKind::Proposal, proposal.height.into(), round, proposal.value.0)
}

/// All of the engine's proposal, with the era so that it cannot be replayed into another.
fn binding_message(vote: &ChainVote, pol_round: Round, proposer: Address) -> Vec<u8> {
    let mut message = Vec::with_capacity(128);
    vote.encode(&mut message);
    pol_round.as_u32().map_or(0, |round| u64::from(round) + 1).encode(&mut message);
    proposer.0.encode(&mut message);
    message
}

/// Verifies by recovery: the recovered address must be the claimed one. Everything of a height
/// that was not started is invalid.
#[derive(Clone)]
pub(crate) struct EngineVerifier {
    domain: Domain,
    scopes: Scopes,
}

impl EngineVerifier {
    pub(crate) const fn new(domain: Domain, scopes: Scopes) -> Self {
        Self { domain, scopes }
    }

    pub(crate) fn is_vote_by(
        &self,
        vote: &Vote,
        signature: &EngineSignature,
        signer: ChainAddress,
    ) -> bool {
        signature.binding.is_none()
            && chain_vote(&self.scopes, vote).is_some_and(|vote| {
                signature.main.recover(self.domain.vote_digest(&vote)) == Ok(signer)
            })
    }

    pub(crate) fn is_proposal_by(
        &self,
        proposal: &Proposal,
        signature: &EngineSignature,
        signer: ChainAddress,
    ) -> bool {
        let (Some(vote), Some(binding)) =
            (chain_proposal(&self.scopes, proposal), signature.binding)
        else {
            return false;
        };
        let message = binding_message(&vote, proposal.pol_round, proposal.proposer);
        signature.main.recover(self.domain.vote_digest(&vote)) == Ok(signer)
            && binding.recover(self.domain.engine_digest(PROPOSAL_TAG, &message)) == Ok(signer)
    }

    fn is_peer_proof(&self, proof: &ValidatorProof<Ctx>) -> bool {
        let digest = self.domain.engine_digest(PEER_TAG, &proof.preimage());
        proof.signature.binding.is_none()
            && Secp256k1::decode_public_key(&proof.public_key)
                .is_ok_and(|address| proof.signature.main.recover(digest) == Ok(address.0))
    }
}

#[async_trait]
impl Verifier<Ctx> for EngineVerifier {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &EngineSignature,
        public_key: &Address,
    ) -> Result<VerificationResult, Error> {
        let valid = vote.signer == *public_key && self.is_vote_by(vote, signature, public_key.0);
        Ok(VerificationResult::from_bool(valid))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &EngineSignature,
        public_key: &Address,
    ) -> Result<VerificationResult, Error> {
        let valid = proposal.proposer == *public_key
            && self.is_proposal_by(proposal, signature, public_key.0);
        Ok(VerificationResult::from_bool(valid))
    }

    // Vote extensions are disabled at every height, so none is valid.
    async fn verify_signed_vote_extension(
        &self,
        _scope: &VoteExtensionScope<Ctx>,
        _extension: &Bytes,
        _signature: &EngineSignature,
        _public_key: &Address,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::Invalid)
    }

    async fn verify_validator_proof(
        &self,
        proof: &ValidatorProof<Ctx>,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::from_bool(self.is_peer_proof(proof)))
    }
}

/// Signs through the node's guarded signer.
///
/// A refusal yields a withheld signature: the engine verifies its own messages, drops this one,
/// and goes on without it. A guard or key failure is reported as a fault, which stops the engine.
#[derive(Clone)]
pub(crate) struct EngineSigner {
    signer: Arc<dyn ConsensusSigner>,
    scopes: Scopes,
    faults: mpsc::UnboundedSender<String>,
}

impl EngineSigner {
    pub(crate) fn new(
        signer: Arc<dyn ConsensusSigner>,
        scopes: Scopes,
        faults: mpsc::UnboundedSender<String>,
    ) -> Self {
        Self { signer, scopes, faults }
    }

    fn on_error(&self, error: &SignError) {
        match error {
            SignError::Refused { .. } => {
                warn!(%error, "the sign guard refused a signature, abstaining");
            }
            SignError::Guard(_) | SignError::Key(_) => {
                error!(%error, "cannot sign");
                // A closed receiver means that the engine is stopping already.
                let _ = self.faults.send(error.to_string());
            }
        }
    }

    /// Signature over a vote or the EIP-712 part of a proposal, none when withheld.
    pub(crate) async fn sign_slot(&self, vote: &ChainVote) -> Option<Signature> {
        self.signer.sign_vote(vote).await.inspect_err(|error| self.on_error(error)).ok()
    }

    /// Signature over bytes of the engine's own protocol, none on failure.
    pub(crate) async fn sign_engine(&self, tag: &str, message: &[u8]) -> Option<Signature> {
        self.signer.sign_engine(tag, message).await.inspect_err(|error| self.on_error(error)).ok()
    }

    /// Reserves the proposal slot of a round for a block before the block is shown to anybody.
    /// False if the guard forbids it or the height was not started.
    pub(crate) async fn may_propose(
        &self,
        height: ande_primitives::Height,
        round: ChainRound,
        block_hash: B256,
    ) -> bool {
        match self.scopes.vote(VoteKind::Proposal, height, round, block_hash) {
            Some(vote) => self.sign_slot(&vote).await.is_some(),
            None => false,
        }
    }

    /// The proof that this validator's key stands behind a peer id.
    pub(crate) async fn prove_peer(
        &self,
        peer_id: Vec<u8>,
    ) -> Result<ValidatorProof<Ctx>, SignError> {
        let public_key = self.signer.address().to_vec();
        let message = ValidatorProof::<Ctx>::signing_bytes(&public_key, &peer_id);
        let signature = self.signer.sign_engine(PEER_TAG, &message).await?;
        Ok(ValidatorProof::new(public_key, peer_id, EngineSignature::of_vote(signature)))
    }
}

#[async_trait]
impl Signer<Ctx> for EngineSigner {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedMessage<Ctx, Vote>, Error> {
        let signature = match chain_vote(&self.scopes, &vote) {
            Some(message) => self.sign_slot(&message).await,
            None => None,
        };
        let signature = signature.map_or_else(EngineSignature::withheld, EngineSignature::of_vote);
        Ok(SignedMessage::new(vote, signature))
    }

    async fn sign_proposal(
        &self,
        proposal: Proposal,
    ) -> Result<SignedMessage<Ctx, Proposal>, Error> {
        let signature = match chain_proposal(&self.scopes, &proposal) {
            Some(vote) => {
                let message = binding_message(&vote, proposal.pol_round, proposal.proposer);
                match self.sign_slot(&vote).await {
                    Some(main) => self
                        .sign_engine(PROPOSAL_TAG, &message)
                        .await
                        .map(|binding| EngineSignature::of_proposal(main, binding)),
                    None => None,
                }
            }
            None => None,
        };
        let signature = signature.unwrap_or_else(EngineSignature::withheld);
        Ok(SignedMessage::new(proposal, signature))
    }

    async fn sign_vote_extension(
        &self,
        _scope: VoteExtensionScope<Ctx>,
        _extension: Bytes,
    ) -> Result<SignedMessage<Ctx, Bytes>, Error> {
        Err(Error::from_source("vote extensions are not used"))
    }

    async fn sign_validator_proof(
        &self,
        _public_key: Vec<u8>,
        peer_id: Vec<u8>,
    ) -> Result<ValidatorProof<Ctx>, Error> {
        self.prove_peer(peer_id).await.map_err(Error::from_source)
    }
}

#[cfg(test)]
mod tests {
    use ande_consensus::conformance::MemorySigner;
    use ande_primitives::{Epoch, EpochSet, Era, Height, ValidatorKey};
    use malachitebft_core_types::NilOrVal;

    use super::*;
    use crate::{
        context::{BlockHash, Height as EngineHeight},
        test_support::{domain, key, set},
    };

    fn scopes() -> Scopes {
        let scopes = Scopes::default();
        scopes.insert(Height(7), Arc::new(EpochSet { era: Era(3), epoch: Epoch(0), ..set() }));
        scopes
    }

    fn signer(key: ValidatorKey) -> (EngineSigner, mpsc::UnboundedReceiver<String>) {
        let (faults, reports) = mpsc::unbounded_channel();
        let signer = Arc::new(MemorySigner::new(key, domain()));
        (EngineSigner::new(signer, scopes(), faults), reports)
    }

    fn vote(kind: VoteType, hash: u8) -> Vote {
        Vote {
            kind,
            height: EngineHeight(7),
            round: Round::new(2),
            value: NilOrVal::Val(BlockHash(B256::repeat_byte(hash))),
            signer: Address(key(0).address()),
        }
    }

    fn proposal(pol_round: Round) -> Proposal {
        Proposal {
            height: EngineHeight(7),
            round: Round::new(2),
            value: BlockHash(B256::repeat_byte(1)),
            pol_round,
            proposer: Address(key(0).address()),
        }
    }

    #[tokio::test]
    async fn votes_are_signed_as_the_contract_reads_them() {
        let (signer, _reports) = signer(key(0));
        for (kind, expected) in
            [(VoteType::Prevote, VoteKind::Prevote), (VoteType::Precommit, VoteKind::Precommit)]
        {
            let signed = signer.sign_vote(vote(kind, 1)).await.unwrap();
            let digest = domain().vote_digest(&ChainVote {
                era: Era(3),
                epoch: Epoch(0),
                height: Height(7),
                round: ChainRound(2),
                kind: expected,
                block_hash: B256::repeat_byte(1),
            });
            assert_eq!(signed.signature.main.recover(digest), Ok(key(0).address()));
            assert!(signed.signature.binding.is_none());
        }
    }

    #[tokio::test]
    async fn nil_is_the_zero_hash() {
        let (signer, _reports) = signer(key(0));
        let nil = Vote { value: NilOrVal::Nil, ..vote(VoteType::Prevote, 1) };
        let signed = signer.sign_vote(nil).await.unwrap();
        let expected =
            scopes().vote(VoteKind::Prevote, Height(7), ChainRound(2), B256::ZERO).unwrap();
        let digest = domain().vote_digest(&expected);
        assert_eq!(signed.signature.main.recover(digest), Ok(key(0).address()));
    }

    #[tokio::test]
    async fn votes_verify_for_their_signer_and_height_only() {
        let (signer, _reports) = signer(key(0));
        let verifier = EngineVerifier::new(domain(), scopes());
        let signed = signer.sign_vote(vote(VoteType::Prevote, 1)).await.unwrap();
        let valid =
            |vote: &Vote, by: u8| verifier.is_vote_by(vote, &signed.signature, key(by).address());
        let good = vote(VoteType::Prevote, 1);
        assert!(valid(&good, 0));
        assert!(!valid(&good, 1));
        assert!(!valid(&vote(VoteType::Precommit, 1), 0));
        assert!(!valid(&vote(VoteType::Prevote, 2), 0));
        assert!(!valid(&Vote { round: Round::new(3), ..good.clone() }, 0));
        assert!(!valid(&Vote { round: Round::Nil, ..good.clone() }, 0));
        // A height that was not started fails closed.
        assert!(!valid(&Vote { height: EngineHeight(8), ..good }, 0));
    }

    #[tokio::test]
    async fn nothing_of_a_proposal_can_be_altered() {
        let (signer, _reports) = signer(key(0));
        let verifier = EngineVerifier::new(domain(), scopes());
        let signed = signer.sign_proposal(proposal(Round::new(1))).await.unwrap();
        let valid = |proposal: &Proposal, signature: &EngineSignature| {
            verifier.is_proposal_by(proposal, signature, key(0).address())
        };
        let good = proposal(Round::new(1));
        assert!(valid(&good, &signed.signature));
        for altered in [
            proposal(Round::Nil),
            proposal(Round::new(0)),
            Proposal { round: Round::new(3), ..good.clone() },
            Proposal { value: BlockHash(B256::repeat_byte(2)), ..good.clone() },
            Proposal { proposer: Address(key(1).address()), ..good.clone() },
        ] {
            assert!(!valid(&altered, &signed.signature), "{altered:?}");
        }
        let main_only = EngineSignature::of_vote(signed.signature.main);
        assert!(!valid(&good, &main_only));
    }

    #[tokio::test]
    async fn a_refusal_withholds_and_reports_nothing() {
        let (signer, mut reports) = signer(key(0));
        let verifier = EngineVerifier::new(domain(), scopes());
        let first = signer.sign_vote(vote(VoteType::Prevote, 1)).await.unwrap();
        let other = signer.sign_vote(vote(VoteType::Prevote, 2)).await.unwrap();
        assert!(other.signature.is_withheld());
        assert!(!verifier.is_vote_by(&other.message, &other.signature, key(0).address()));
        // The same vote again gives the same bytes.
        let again = signer.sign_vote(vote(VoteType::Prevote, 1)).await.unwrap();
        assert_eq!(again.signature, first.signature);
        assert!(reports.try_recv().is_err());
        // An unknown height is not signed at all.
        let unknown = Vote { height: EngineHeight(9), ..vote(VoteType::Prevote, 1) };
        assert!(signer.sign_vote(unknown).await.unwrap().signature.is_withheld());
    }

    #[tokio::test]
    async fn peer_proofs_bind_key_and_peer() {
        let (signer, _reports) = signer(key(0));
        let verifier = EngineVerifier::new(domain(), scopes());
        let proof = signer.prove_peer(vec![1, 2, 3]).await.unwrap();
        assert!(verifier.is_peer_proof(&proof));
        let other_peer = ValidatorProof::new(proof.public_key.clone(), vec![1, 2], proof.signature);
        assert!(!verifier.is_peer_proof(&other_peer));
        let other_key =
            ValidatorProof::new(key(1).address().to_vec(), vec![1, 2, 3], proof.signature);
        assert!(!verifier.is_peer_proof(&other_key));
    }
}
