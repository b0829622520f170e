//! Votes, proposals, certificates and log entries.

use alloy_primitives::{Address as ChainAddress, B256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use ande_primitives::{MAX_COMMITTEE, Signature};
use bytes::Bytes;
use malachitebft_codec::Codec as EngineCodec;
use malachitebft_core_consensus::{LivenessMsg, ProposedValue, SignedConsensusMsg};
use malachitebft_core_types::{
    NilOrVal, PolkaCertificate, PolkaSignature, RoundCertificate, RoundCertificateType,
    RoundSignature, SignedMessage, ValidatorProof, Validity, VoteType,
};

use super::{
    Codec, CodecError,
    frame::{
        Tag, address, block_hash, body, bounded_list, frame, message, opt_round_in, opt_round_out,
        proposal_signatures, round_in, round_out, unframe, vote_signature,
    },
};
use crate::{
    context::{BlockHash, Ctx, Height, Proposal, Vote, hash_or_zero},
    scheme::EngineSignature,
};

/// Longest vote, proposal, proposed value or peer proof.
const MAX_MESSAGE_BYTES: usize = 512;
/// Longest certificate: about 130 bytes per member.
const MAX_CERTIFICATE_BYTES: usize = 256 + MAX_COMMITTEE * 160;
/// Longest peer id (a multihash).
const MAX_PEER_ID_BYTES: usize = 64;
/// Longest public key (an address).
const MAX_PUBLIC_KEY_BYTES: usize = 20;

#[derive(RlpEncodable, RlpDecodable)]
struct WireVote {
    precommit: bool,
    height: u64,
    round: u32,
    block_hash: B256,
    signer: ChainAddress,
    signature: Signature,
}

impl WireVote {
    fn of(signed: &SignedMessage<Ctx, Vote>) -> Result<Self, CodecError> {
        let vote = &signed.message;
        Ok(Self {
            precommit: vote.kind == VoteType::Precommit,
            height: vote.height.0,
            round: round_out(vote.round)?,
            block_hash: value_out(&vote.value)?,
            signer: vote.signer.0,
            signature: vote_signature(&signed.signature)?,
        })
    }

    fn open(self) -> Result<SignedMessage<Ctx, Vote>, CodecError> {
        let vote = Vote {
            kind: vote_kind(self.precommit),
            height: Height(self.height),
            round: round_in(self.round)?,
            value: value_in(self.block_hash),
            signer: address(self.signer),
        };
        Ok(SignedMessage::new(vote, EngineSignature::of_vote(self.signature)))
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct WireProposal {
    height: u64,
    round: u32,
    pol_round: u64,
    block_hash: B256,
    proposer: ChainAddress,
    signature: Signature,
    binding: Signature,
}

impl WireProposal {
    fn of(signed: &SignedMessage<Ctx, Proposal>) -> Result<Self, CodecError> {
        let proposal = &signed.message;
        let (signature, binding) = proposal_signatures(&signed.signature)?;
        Ok(Self {
            height: proposal.height.0,
            round: round_out(proposal.round)?,
            pol_round: opt_round_out(proposal.pol_round),
            block_hash: block_hash(proposal.value.0)?,
            proposer: proposal.proposer.0,
            signature,
            binding,
        })
    }

    fn open(self) -> Result<SignedMessage<Ctx, Proposal>, CodecError> {
        let proposal = Proposal {
            height: Height(self.height),
            round: round_in(self.round)?,
            value: BlockHash(block_hash(self.block_hash)?),
            pol_round: opt_round_in(self.pol_round)?,
            proposer: address(self.proposer),
        };
        let signature = EngineSignature::of_proposal(self.signature, self.binding);
        Ok(SignedMessage::new(proposal, signature))
    }
}

/// A signer with its signature.
#[derive(RlpEncodable, RlpDecodable)]
pub(super) struct WireSigner {
    pub signer: ChainAddress,
    pub signature: Signature,
}

/// At most one entry per committee member.
pub(super) struct WireSigners(pub Vec<WireSigner>);

impl Encodable for WireSigners {
    fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
        self.0.encode(out);
    }

    fn length(&self) -> usize {
        self.0.length()
    }
}

impl Decodable for WireSigners {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        bounded_list(buf, MAX_COMMITTEE).map(Self)
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct WirePolka {
    height: u64,
    round: u32,
    block_hash: B256,
    signatures: WireSigners,
}

impl WirePolka {
    fn of(certificate: &PolkaCertificate<Ctx>) -> Result<Self, CodecError> {
        let signatures = certificate
            .polka_signatures
            .iter()
            .map(|entry| {
                let signature = vote_signature(&entry.signature)?;
                Ok(WireSigner { signer: entry.address.0, signature })
            })
            .collect::<Result<_, CodecError>>()?;
        Ok(Self {
            height: certificate.height.0,
            round: round_out(certificate.round)?,
            block_hash: block_hash(certificate.value_id.0)?,
            signatures: WireSigners(signatures),
        })
    }

    fn open(self) -> Result<PolkaCertificate<Ctx>, CodecError> {
        let polka_signatures = self
            .signatures
            .0
            .into_iter()
            .map(|entry| {
                let signature = EngineSignature::of_vote(entry.signature);
                PolkaSignature::new(address(entry.signer), signature)
            })
            .collect();
        Ok(PolkaCertificate {
            height: Height(self.height),
            round: round_in(self.round)?,
            value_id: BlockHash(block_hash(self.block_hash)?),
            polka_signatures,
        })
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct WireRoundVote {
    precommit: bool,
    block_hash: B256,
    signer: ChainAddress,
    signature: Signature,
}

/// Votes of both kinds: at most two per committee member.
struct WireRoundVotes(Vec<WireRoundVote>);

impl Encodable for WireRoundVotes {
    fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
        self.0.encode(out);
    }

    fn length(&self) -> usize {
        self.0.length()
    }
}

impl Decodable for WireRoundVotes {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        bounded_list(buf, 2 * MAX_COMMITTEE).map(Self)
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct WireRound {
    height: u64,
    round: u32,
    precommits: bool,
    votes: WireRoundVotes,
}

impl WireRound {
    fn of(certificate: &RoundCertificate<Ctx>) -> Result<Self, CodecError> {
        let votes = certificate
            .round_signatures
            .iter()
            .map(|entry| {
                Ok(WireRoundVote {
                    precommit: entry.vote_type == VoteType::Precommit,
                    block_hash: value_out(&entry.value_id)?,
                    signer: entry.address.0,
                    signature: vote_signature(&entry.signature)?,
                })
            })
            .collect::<Result<_, CodecError>>()?;
        Ok(Self {
            height: certificate.height.0,
            round: round_out(certificate.round)?,
            precommits: certificate.cert_type == RoundCertificateType::Precommit,
            votes: WireRoundVotes(votes),
        })
    }

    fn open(self) -> Result<RoundCertificate<Ctx>, CodecError> {
        let round_signatures = self
            .votes
            .0
            .into_iter()
            .map(|entry| {
                RoundSignature::new(
                    vote_kind(entry.precommit),
                    value_in(entry.block_hash),
                    address(entry.signer),
                    EngineSignature::of_vote(entry.signature),
                )
            })
            .collect();
        let cert_type = if self.precommits {
            RoundCertificateType::Precommit
        } else {
            RoundCertificateType::Skip
        };
        Ok(RoundCertificate {
            height: Height(self.height),
            round: round_in(self.round)?,
            cert_type,
            round_signatures,
        })
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct WireProof {
    public_key: alloy_primitives::Bytes,
    peer_id: alloy_primitives::Bytes,
    signature: Signature,
}

#[derive(RlpEncodable, RlpDecodable)]
struct WireProposedValue {
    height: u64,
    round: u32,
    valid_round: u64,
    proposer: ChainAddress,
    block_hash: B256,
    valid: bool,
}

const fn vote_kind(precommit: bool) -> VoteType {
    if precommit { VoteType::Precommit } else { VoteType::Prevote }
}

fn value_out(value: &NilOrVal<BlockHash>) -> Result<B256, CodecError> {
    match value {
        NilOrVal::Nil => Ok(B256::ZERO),
        NilOrVal::Val(_) => block_hash(hash_or_zero(value)),
    }
}

fn value_in(hash: B256) -> NilOrVal<BlockHash> {
    if hash.is_zero() { NilOrVal::Nil } else { NilOrVal::Val(BlockHash(hash)) }
}

impl EngineCodec<SignedConsensusMsg<Ctx>> for Codec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<SignedConsensusMsg<Ctx>, CodecError> {
        let (tag, rest) = unframe(&bytes, MAX_MESSAGE_BYTES)?;
        match tag {
            tag if tag == Tag::Vote as u8 => {
                Ok(SignedConsensusMsg::Vote(body::<WireVote>(rest)?.open()?))
            }
            tag if tag == Tag::Proposal as u8 => {
                Ok(SignedConsensusMsg::Proposal(body::<WireProposal>(rest)?.open()?))
            }
            tag => Err(CodecError::Tag(tag)),
        }
    }

    fn encode(&self, msg: &SignedConsensusMsg<Ctx>) -> Result<Bytes, CodecError> {
        match msg {
            SignedConsensusMsg::Vote(vote) => Ok(frame(Tag::Vote, &WireVote::of(vote)?)),
            SignedConsensusMsg::Proposal(proposal) => {
                Ok(frame(Tag::Proposal, &WireProposal::of(proposal)?))
            }
        }
    }
}

impl EngineCodec<LivenessMsg<Ctx>> for Codec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<LivenessMsg<Ctx>, CodecError> {
        let (tag, rest) = unframe(&bytes, MAX_CERTIFICATE_BYTES)?;
        match tag {
            tag if tag == Tag::Vote as u8 => Ok(LivenessMsg::Vote(body::<WireVote>(rest)?.open()?)),
            tag if tag == Tag::PolkaCertificate as u8 => {
                Ok(LivenessMsg::PolkaCertificate(body::<WirePolka>(rest)?.open()?))
            }
            tag if tag == Tag::RoundCertificate as u8 => {
                Ok(LivenessMsg::SkipRoundCertificate(body::<WireRound>(rest)?.open()?))
            }
            tag => Err(CodecError::Tag(tag)),
        }
    }

    fn encode(&self, msg: &LivenessMsg<Ctx>) -> Result<Bytes, CodecError> {
        match msg {
            LivenessMsg::Vote(vote) => Ok(frame(Tag::Vote, &WireVote::of(vote)?)),
            LivenessMsg::PolkaCertificate(certificate) => {
                Ok(frame(Tag::PolkaCertificate, &WirePolka::of(certificate)?))
            }
            LivenessMsg::SkipRoundCertificate(certificate) => {
                Ok(frame(Tag::RoundCertificate, &WireRound::of(certificate)?))
            }
        }
    }
}

impl EngineCodec<PolkaCertificate<Ctx>> for Codec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<PolkaCertificate<Ctx>, CodecError> {
        message::<WirePolka>(&bytes, Tag::PolkaCertificate, MAX_CERTIFICATE_BYTES)?.open()
    }

    fn encode(&self, certificate: &PolkaCertificate<Ctx>) -> Result<Bytes, CodecError> {
        Ok(frame(Tag::PolkaCertificate, &WirePolka::of(certificate)?))
    }
}

impl EngineCodec<ProposedValue<Ctx>> for Codec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<ProposedValue<Ctx>, CodecError> {
        let wire: WireProposedValue = message(&bytes, Tag::ProposedValue, MAX_MESSAGE_BYTES)?;
        Ok(ProposedValue {
            height: Height(wire.height),
            round: round_in(wire.round)?,
            valid_round: opt_round_in(wire.valid_round)?,
            proposer: address(wire.proposer),
            value: BlockHash(block_hash(wire.block_hash)?),
            validity: Validity::from_bool(wire.valid),
        })
    }

    fn encode(&self, value: &ProposedValue<Ctx>) -> Result<Bytes, CodecError> {
        let wire = WireProposedValue {
            height: value.height.0,
            round: round_out(value.round)?,
            valid_round: opt_round_out(value.valid_round),
            proposer: value.proposer.0,
            block_hash: block_hash(value.value.0)?,
            valid: value.validity.is_valid(),
        };
        Ok(frame(Tag::ProposedValue, &wire))
    }
}

impl EngineCodec<ValidatorProof<Ctx>> for Codec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<ValidatorProof<Ctx>, CodecError> {
        let wire: WireProof = message(&bytes, Tag::ValidatorProof, MAX_MESSAGE_BYTES)?;
        if wire.public_key.len() > MAX_PUBLIC_KEY_BYTES || wire.peer_id.len() > MAX_PEER_ID_BYTES {
            return Err(CodecError::Bounds("a peer proof with an overlong key or peer id"));
        }
        Ok(ValidatorProof::new(
            wire.public_key.to_vec(),
            wire.peer_id.to_vec(),
            EngineSignature::of_vote(wire.signature),
        ))
    }

    fn encode(&self, proof: &ValidatorProof<Ctx>) -> Result<Bytes, CodecError> {
        let wire = WireProof {
            public_key: proof.public_key.clone().into(),
            peer_id: proof.peer_id.clone().into(),
            signature: vote_signature(&proof.signature)?,
        };
        Ok(frame(Tag::ValidatorProof, &wire))
    }
}
