//! Committees and quorum arithmetic.

use alloy_primitives::Address;
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};

/// Most members of a committee: one bit each in the contract's signer bitmap.
pub const MAX_COMMITTEE: usize = 256;
/// Largest total weight. The engine multiplies weights by 3 in 64 bits; 2^60 leaves room.
pub const MAX_TOTAL_WEIGHT: u64 = 1 << 60;

/// A validator with weight in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable, Serialize, Deserialize)]
pub struct Member {
    /// Address of the consensus key.
    pub signer: Address,
    /// Voting weight: stake in whole tokens.
    pub weight: u64,
    /// Contract id of the validator.
    pub id: u32,
}

/// The validators that count in one epoch, in contract order (ascending id). Immutable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Committee {
    members: Vec<Member>,
    #[serde(skip)]
    total_weight: u64,
}

/// A member list that cannot be a committee.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// Nobody in it.
    #[error("a committee needs at least one member")]
    Empty,
    /// More than the bitmap holds.
    #[error("{0} members exceed the limit of {MAX_COMMITTEE}")]
    TooLarge(usize),
    /// A member without weight.
    #[error("validator {0} has no weight")]
    ZeroWeight(u32),
    /// Not strictly ascending by id.
    #[error("member ids are not strictly ascending at validator {0}")]
    Order(u32),
    /// A member without a key.
    #[error("validator {0} has the zero address as signer")]
    ZeroSigner(u32),
    /// Two members with one key.
    #[error("signer {0} appears twice")]
    DuplicateSigner(Address),
    /// Total weight above the limit.
    #[error("total weight exceeds the limit of {MAX_TOTAL_WEIGHT}")]
    TooHeavy,
}

impl Committee {
    /// Checks and takes the members.
    ///
    /// # Errors
    /// The first rule of [`CommitteeError`] that the list violates.
    pub fn new(members: Vec<Member>) -> Result<Self, CommitteeError> {
        if members.is_empty() {
            return Err(CommitteeError::Empty);
        }
        if members.len() > MAX_COMMITTEE {
            return Err(CommitteeError::TooLarge(members.len()));
        }
        let mut total_weight = 0u64;
        let mut signers = std::collections::BTreeSet::new();
        let mut last_id = None;
        for member in &members {
            if member.weight == 0 {
                return Err(CommitteeError::ZeroWeight(member.id));
            }
            if member.signer.is_zero() {
                return Err(CommitteeError::ZeroSigner(member.id));
            }
            if last_id.is_some_and(|last| last >= member.id) {
                return Err(CommitteeError::Order(member.id));
            }
            last_id = Some(member.id);
            if !signers.insert(member.signer) {
                return Err(CommitteeError::DuplicateSigner(member.signer));
            }
            total_weight = total_weight
                .checked_add(member.weight)
                .filter(|total| *total <= MAX_TOTAL_WEIGHT)
                .ok_or(CommitteeError::TooHeavy)?;
        }
        Ok(Self { members, total_weight })
    }

    /// Members in contract order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Number of members, at least 1.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Sum of all weights.
    #[must_use]
    pub const fn total_weight(&self) -> u64 {
        self.total_weight
    }

    /// The member with this key.
    #[must_use]
    pub fn get(&self, signer: Address) -> Option<&Member> {
        self.members.iter().find(|member| member.signer == signer)
    }

    /// Position of this key in contract order.
    #[must_use]
    pub fn index_of(&self, signer: Address) -> Option<usize> {
        self.members.iter().position(|member| member.signer == signer)
    }

    /// Members whose loss the committee survives, taking the heaviest first: 0 for three equal
    /// weights, 1 for four.
    #[must_use]
    pub fn fault_tolerance(&self, quorum: QuorumFraction) -> usize {
        let mut weights: Vec<u64> = self.members.iter().map(|member| member.weight).collect();
        weights.sort_unstable_by(|a, b| b.cmp(a));
        let mut left = self.total_weight;
        weights
            .iter()
            .take_while(|weight| {
                left = left.saturating_sub(**weight);
                quorum.is_reached(left, self.total_weight)
            })
            .count()
    }
}

impl Encodable for Committee {
    fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
        self.members.encode(out);
    }
    fn length(&self) -> usize {
        self.members.length()
    }
}

impl Decodable for Committee {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        Self::new(Vec::<Member>::decode(buf)?)
            .map_err(|_| alloy_rlp::Error::Custom("members do not form a committee"))
    }
}

/// A strict fraction of the weight: `signed * den > total * num`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable, Serialize, Deserialize)]
pub struct QuorumFraction {
    /// Numerator.
    pub num: u16,
    /// Denominator, above the numerator.
    pub den: u16,
}

impl QuorumFraction {
    /// More than two thirds: the Byzantine quorum.
    pub const TWO_THIRDS: Self = Self { num: 2, den: 3 };

    /// Whether two quorums always share a member and everybody together is a quorum: at least one
    /// half and below one. Anything else certifies nothing or contradictions.
    #[must_use]
    pub const fn is_sound(self) -> bool {
        self.num < self.den && self.num as u32 * 2 >= self.den as u32
    }

    /// Whether `signed` of `total` is a quorum.
    #[must_use]
    pub fn is_reached(self, signed: u64, total: u64) -> bool {
        u128::from(signed) * u128::from(self.den) > u128::from(total) * u128::from(self.num)
    }
}
