//! Evidence of contradictions, from the engine and from late messages.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use ande_consensus::{Evidence, SignedVote};
use ande_primitives::{Domain, Height, Round, Vote as ChainVote, VoteKind};
use malachitebft_core_consensus::MisbehaviorEvidence;
use malachitebft_core_types::SignedMessage;

use crate::{
    context::{Ctx, Proposal, Vote},
    scheme::EngineSignature,
    scopes::{KEPT_HEIGHTS, Scopes},
    signing::{chain_proposal, chain_vote},
};

/// Slots watched at once: votes of 32 heights of a large committee.
const MAX_SLOTS: usize = 1 << 15;
/// Contradicting votes kept per slot. More than two, so that an unsigned forgery that came first
/// cannot hide a real contradiction.
const MAX_PER_SLOT: usize = 4;

fn signed(vote: ChainVote, signature: &EngineSignature) -> SignedVote {
    SignedVote { vote, signature: signature.main }
}

fn signed_vote(scopes: &Scopes, message: &SignedMessage<Ctx, Vote>) -> Option<SignedVote> {
    chain_vote(scopes, &message.message).map(|vote| signed(vote, &message.signature))
}

fn signed_proposal(scopes: &Scopes, message: &SignedMessage<Ctx, Proposal>) -> Option<SignedVote> {
    chain_proposal(scopes, &message.message).map(|vote| signed(vote, &message.signature))
}

/// The engine's evidence in the chain's terms. Pairs that a contract would not take (two
/// proposals of one block with different lock rounds) are left out.
pub(crate) fn from_engine(
    domain: &Domain,
    scopes: &Scopes,
    evidence: &MisbehaviorEvidence<Ctx>,
) -> Vec<Evidence> {
    let votes = evidence.votes.iter().flat_map(|(signer, pairs)| {
        pairs.iter().map(|(a, b)| (signer.0, signed_vote(scopes, a), signed_vote(scopes, b)))
    });
    let proposals = evidence.proposals.iter().flat_map(|(signer, pairs)| {
        pairs
            .iter()
            .map(|(a, b)| (signer.0, signed_proposal(scopes, a), signed_proposal(scopes, b)))
    });
    votes
        .chain(proposals)
        .filter_map(|(signer, first, second)| {
            Some(Evidence { signer, first: first?, second: second? })
        })
        .filter(|evidence| evidence.is_proof(domain))
        .collect()
}

type Slot = (Height, Round, VoteKind, Address);

/// Finds contradictions that the engine does not see because one of the votes came when its
/// height was closed.
///
/// Signatures are checked only when two votes of one slot differ, so watching costs a map entry
/// per vote.
#[derive(Debug, Default)]
pub(crate) struct LateVotes {
    slots: BTreeMap<Slot, Vec<SignedVote>>,
}

impl LateVotes {
    /// Watches a vote.
    pub(crate) fn vote(
        &mut self,
        domain: &Domain,
        scopes: &Scopes,
        message: &SignedMessage<Ctx, Vote>,
    ) -> Option<Evidence> {
        let vote = signed_vote(scopes, message)?;
        self.watch(domain, scopes, message.message.signer.0, vote)
    }

    /// Watches a proposal.
    pub(crate) fn proposal(
        &mut self,
        domain: &Domain,
        scopes: &Scopes,
        message: &SignedMessage<Ctx, Proposal>,
    ) -> Option<Evidence> {
        let vote = signed_proposal(scopes, message)?;
        self.watch(domain, scopes, message.message.proposer.0, vote)
    }

    fn watch(
        &mut self,
        domain: &Domain,
        scopes: &Scopes,
        signer: Address,
        new: SignedVote,
    ) -> Option<Evidence> {
        // Only members can be slashed, and only they may fill the map.
        scopes.get(new.vote.height)?.committee.get(signer)?;
        let slot = (new.vote.height, new.vote.round, new.vote.kind, signer);
        if self.slots.len() >= MAX_SLOTS && !self.slots.contains_key(&slot) {
            self.slots.pop_first();
        }
        let known = self.slots.entry(slot).or_default();
        if known.contains(&new) || known.len() >= MAX_PER_SLOT {
            return None;
        }
        known.push(new);
        known
            .iter()
            .map(|first| Evidence { signer, first: *first, second: new })
            .find(|evidence| evidence.is_proof(domain))
    }

    /// Forgets heights too far below a height.
    pub(crate) fn prune(&mut self, current: Height) {
        let oldest = Height(current.0.saturating_sub(KEPT_HEIGHTS));
        self.slots = self.slots.split_off(&(oldest, Round(0), VoteKind::Proposal, Address::ZERO));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use alloy_primitives::B256;
    use malachitebft_core_types::{NilOrVal, Round as EngineRound, VoteType};

    use super::*;
    use crate::{
        context::{Address as EngineAddress, BlockHash, Height as EngineHeight},
        test_support::{domain, key, set},
    };

    fn scopes() -> Scopes {
        let scopes = Scopes::default();
        scopes.insert(Height(7), Arc::new(set()));
        scopes
    }

    fn vote(index: u8, round: u32, hash: u8) -> SignedMessage<Ctx, Vote> {
        let vote = Vote {
            kind: VoteType::Prevote,
            height: EngineHeight(7),
            round: EngineRound::new(round),
            value: NilOrVal::Val(BlockHash(B256::repeat_byte(hash))),
            signer: EngineAddress(key(index).address()),
        };
        let digest = domain().vote_digest(&chain_vote(&scopes(), &vote).unwrap());
        let signature = key(index).sign_digest(digest).unwrap();
        SignedMessage::new(vote, EngineSignature::of_vote(signature))
    }

    fn watch(late: &mut LateVotes, vote: &SignedMessage<Ctx, Vote>) -> Option<Evidence> {
        late.vote(&domain(), &scopes(), vote)
    }

    #[test]
    fn two_votes_of_one_slot_are_proof() {
        let mut late = LateVotes::default();
        assert!(watch(&mut late, &vote(1, 0, 1)).is_none());
        assert!(watch(&mut late, &vote(1, 0, 1)).is_none(), "the same vote again");
        assert!(watch(&mut late, &vote(1, 1, 2)).is_none(), "another round");
        assert!(watch(&mut late, &vote(2, 0, 2)).is_none(), "another validator");
        let evidence = watch(&mut late, &vote(1, 0, 2)).unwrap();
        assert!(evidence.is_proof(&domain()));
        assert_eq!(evidence.signer, key(1).address());
    }

    #[test]
    fn forgeries_neither_accuse_nor_hide() {
        let mut late = LateVotes::default();
        let mut forged = vote(1, 0, 3);
        forged.signature = vote(2, 0, 3).signature;
        assert!(watch(&mut late, &forged).is_none());
        assert!(watch(&mut late, &vote(1, 0, 1)).is_none());
        let evidence = watch(&mut late, &vote(1, 0, 2)).unwrap();
        assert!(evidence.is_proof(&domain()));
    }

    #[test]
    fn strangers_and_unknown_heights_take_no_room() {
        let mut late = LateVotes::default();
        assert!(watch(&mut late, &vote(9, 0, 1)).is_none());
        let mut far = vote(1, 0, 1);
        far.message.height = EngineHeight(8);
        assert!(watch(&mut late, &far).is_none());
        assert!(late.slots.is_empty());
        assert!(watch(&mut late, &vote(1, 0, 1)).is_none());
        late.prune(Height(7 + KEPT_HEIGHTS));
        assert_eq!(late.slots.len(), 1);
        late.prune(Height(8 + KEPT_HEIGHTS));
        assert!(late.slots.is_empty());
    }

    #[test]
    fn the_engine_s_evidence_becomes_the_chain_s() {
        let mut evidence =
            MisbehaviorEvidence::<Ctx> { proposals: Default::default(), votes: Default::default() };
        let (first, second) = (vote(1, 0, 1), vote(1, 0, 2));
        evidence.votes.add(first.clone(), second.clone());
        let proofs = from_engine(&domain(), &scopes(), &evidence);
        assert_eq!(proofs.len(), 1);
        assert_eq!(proofs[0].first.signature, first.signature.main);
        assert_eq!(proofs[0].second.signature, second.signature.main);
        assert!(proofs[0].is_proof(&domain()));
    }
}
