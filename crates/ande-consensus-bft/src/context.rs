//! The engine's type family: thin wrappers of the ground crate's nouns.
//!
//! A value is the 32-byte consensus hash of a block and nothing else; blocks travel as proposal
//! parts. The validator set of a height carries the epoch's set and the height's skip base, so
//! that the proposer of every round is the schedule's answer.

use core::fmt;
use std::sync::Arc;

use alloy_primitives::B256;
use ande_consensus::StartHeight;
use ande_primitives::{EpochSet, Height as ChainHeight, Skip};
use bytes::Bytes;
use malachitebft_core_types::{
    Context, LinearTimeouts, NilOrVal, Round, SignedExtension, VoteType, VotingPower,
};

use crate::{scheme::Secp256k1, wire::ProposalPart};

/// Address of a validator's consensus key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address(pub alloy_primitives::Address);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl malachitebft_core_types::Address for Address {}

/// Height of the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Height(pub u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<ChainHeight> for Height {
    fn from(height: ChainHeight) -> Self {
        Self(height.0)
    }
}

impl From<Height> for ChainHeight {
    fn from(height: Height) -> Self {
        Self(height.0)
    }
}

impl malachitebft_core_types::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    // Saturating: heights of peers come from the wire.
    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// Consensus hash of a block: both the value and its id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlockHash(pub B256);

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl malachitebft_core_types::Value for BlockHash {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

/// The block hash of a vote, zero for nil.
pub(crate) fn hash_or_zero(value: &NilOrVal<BlockHash>) -> B256 {
    match value {
        NilOrVal::Nil => B256::ZERO,
        NilOrVal::Val(hash) => hash.0,
    }
}

/// A prevote or precommit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub kind: VoteType,
    pub height: Height,
    pub round: Round,
    pub value: NilOrVal<BlockHash>,
    pub signer: Address,
}

impl malachitebft_core_types::Vote<Ctx> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockHash> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<BlockHash> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.signer
    }

    // Vote extensions are not used; the engine's policy for every height is `Disabled`.
    fn extension(&self) -> Option<&SignedExtension<Ctx>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Ctx>> {
        None
    }

    fn extend(self, _extension: SignedExtension<Ctx>) -> Self {
        self
    }
}

/// A proposer's claim to a block in a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub height: Height,
    pub round: Round,
    pub value: BlockHash,
    pub pol_round: Round,
    pub proposer: Address,
}

impl malachitebft_core_types::Proposal<Ctx> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &BlockHash {
        &self.value
    }

    fn take_value(self) -> BlockHash {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.proposer
    }
}

impl malachitebft_core_types::ProposalPart<Ctx> for ProposalPart {
    fn is_first(&self) -> bool {
        matches!(self, Self::Init(_))
    }

    fn is_last(&self) -> bool {
        false
    }
}

/// A member of the committee. Its public key is its address: votes are verified by recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validator {
    pub address: Address,
    pub weight: VotingPower,
}

impl malachitebft_core_types::Validator<Ctx> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &Address {
        &self.address
    }

    fn voting_power(&self) -> VotingPower {
        self.weight
    }
}

/// The committee of one height with all that its schedule needs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ValidatorSet {
    set: Arc<EpochSet>,
    skip_base: Skip,
    validators: Arc<[Validator]>,
}

impl ValidatorSet {
    /// The set of the height that starts.
    pub(crate) fn of(start: &StartHeight) -> Self {
        let validators = start
            .set
            .committee
            .members()
            .iter()
            .map(|member| Validator { address: Address(member.signer), weight: member.weight })
            .collect();
        Self { set: start.set.clone(), skip_base: start.skip_base, validators }
    }

    fn proposer(&self, height: Height, round: Round) -> &Validator {
        let skip = self.skip_base.0.saturating_add(round.as_u32().unwrap_or(0));
        let set = &self.set;
        let index = set.rules.proposer_index(&set.committee, set.seed, height.into(), Skip(skip));
        // `validators` mirrors the committee, which has `index` by the schedule's contract.
        &self.validators[index]
    }
}

impl fmt::Debug for ValidatorSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidatorSet")
            .field("era", &self.set.era.0)
            .field("epoch", &self.set.epoch.0)
            .field("skip_base", &self.skip_base.0)
            .field("size", &self.validators.len())
            .finish()
    }
}

impl malachitebft_core_types::ValidatorSet<Ctx> for ValidatorSet {
    fn count(&self) -> usize {
        self.validators.len()
    }

    fn total_voting_power(&self) -> VotingPower {
        self.set.committee.total_weight()
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.validators.iter().find(|validator| validator.address == *address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.validators.get(index)
    }
}

/// The engine's context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ctx;

impl Context for Ctx {
    type Address = Address;
    type Height = Height;
    type ProposalPart = ProposalPart;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = ValidatorSet;
    type Timeouts = LinearTimeouts;
    type Value = BlockHash;
    type Vote = Vote;
    type Extension = Bytes;
    type SigningScheme = Secp256k1;

    fn select_proposer<'a>(
        &self,
        validator_set: &'a ValidatorSet,
        height: Height,
        round: Round,
    ) -> &'a Validator {
        validator_set.proposer(height, round)
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: BlockHash,
        pol_round: Round,
        proposer: Address,
    ) -> Proposal {
        Proposal { height, round, value, pol_round, proposer }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockHash>,
        signer: Address,
    ) -> Vote {
        Vote { kind: VoteType::Prevote, height, round, value, signer }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockHash>,
        signer: Address,
    ) -> Vote {
        Vote { kind: VoteType::Precommit, height, round, value, signer }
    }
}
