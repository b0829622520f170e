//! Round trips and hostile bytes, for every decoder.

use alloy_primitives::{Address as ChainAddress, B256};
use ande_primitives::{
    Height as ChainHeight, NodeKey, Round as ChainRound, Signature as ChainSignature,
};
use bytes::Bytes;
use malachitebft_codec::{Codec as EngineCodec, HasEncodedLen as _};
use malachitebft_core_consensus::{Input, LivenessMsg, ProposedValue, SignedConsensusMsg};
use malachitebft_core_types::{
    ExtendedCommitCertificate, ExtendedCommitSignature, NilOrVal, PolkaCertificate, PolkaSignature,
    Round, RoundCertificate, RoundCertificateType, RoundSignature, SignedMessage, Timeout,
    ValidatorProof, Validity, ValueOrigin, VoteType,
};
use malachitebft_engine::{
    util::streaming::{StreamContent, StreamId, StreamMessage},
    wal::{decode_entry, encode_entry},
};
use malachitebft_sync::{RawDecidedValue, Request, Response, Status, ValueRequest, ValueResponse};
use proptest::prelude::*;

use super::{Codec, CodecError};
use crate::{
    address::peer_id,
    context::{Address, BlockHash, Ctx, Height, Proposal, Vote},
    scheme::EngineSignature,
    wire::{CHUNK_BYTES, Init, MAX_CHUNKS, ProposalPart, StreamKey, Wake},
};

fn address(byte: u8) -> Address {
    Address(ChainAddress::repeat_byte(byte))
}

fn signature(byte: u8) -> ChainSignature {
    ChainSignature::from_bytes([byte; 65])
}

fn vote(kind: VoteType, value: NilOrVal<BlockHash>) -> SignedMessage<Ctx, Vote> {
    let vote = Vote { kind, height: Height(7), round: Round::new(3), value, signer: address(1) };
    SignedMessage::new(vote, EngineSignature::of_vote(signature(2)))
}

fn hash(byte: u8) -> BlockHash {
    BlockHash(B256::repeat_byte(byte))
}

fn proposal(pol_round: Round) -> SignedMessage<Ctx, Proposal> {
    let proposal = Proposal {
        height: Height(u64::MAX),
        round: Round::new(9),
        value: hash(5),
        pol_round,
        proposer: address(6),
    };
    SignedMessage::new(proposal, EngineSignature::of_proposal(signature(7), signature(8)))
}

fn polka() -> PolkaCertificate<Ctx> {
    let entry =
        |byte| PolkaSignature::new(address(byte), EngineSignature::of_vote(signature(byte)));
    PolkaCertificate {
        height: Height(1),
        round: Round::new(0),
        value_id: hash(4),
        polka_signatures: (1..=7).map(entry).collect(),
    }
}

fn round_certificate(cert_type: RoundCertificateType) -> RoundCertificate<Ctx> {
    let entry = |byte: u8| {
        let (kind, value) = if byte.is_multiple_of(2) {
            (VoteType::Prevote, NilOrVal::Nil)
        } else {
            (VoteType::Precommit, NilOrVal::Val(hash(byte)))
        };
        let signature = EngineSignature::of_vote(signature(byte));
        RoundSignature::new(kind, value, address(byte), signature)
    };
    RoundCertificate {
        height: Height(2),
        round: Round::new(1),
        cert_type,
        round_signatures: (1..=5).map(entry).collect(),
    }
}

fn init() -> Init {
    Init {
        height: ChainHeight(7),
        round: ChainRound(2),
        pol_round: Some(ChainRound(1)),
        proposer: ChainAddress::repeat_byte(3),
        block_hash: B256::repeat_byte(4),
        length: 1000,
        signature: signature(5),
    }
}

fn parts() -> Vec<ProposalPart> {
    vec![
        ProposalPart::Init(init()),
        ProposalPart::Init(Init { pol_round: None, ..init() }),
        ProposalPart::Data(Bytes::from_static(b"block")),
        ProposalPart::Wake(Wake { height: ChainHeight(9), signature: signature(1) }),
    ]
}

fn streamed(content: StreamContent<ProposalPart>) -> StreamMessage<ProposalPart> {
    let key = StreamKey { height: ChainHeight(7), round: ChainRound(2), nonce: 5 };
    StreamMessage::new(StreamId::new(key.to_bytes()), 1, content)
}

fn response() -> Response<Ctx> {
    let decided = |height: u64| {
        let commit_signatures = (1..=3)
            .map(|byte| {
                let signature = EngineSignature::of_vote(signature(byte));
                ExtendedCommitSignature::new(address(byte), signature, None)
            })
            .collect();
        let certificate = ExtendedCommitCertificate {
            height: Height(height),
            round: Round::new(0),
            value_id: hash(1),
            commit_signatures,
        };
        RawDecidedValue::new(Bytes::from(vec![9; 300]), certificate)
    };
    Response::ValueResponse(ValueResponse::new(Height(4), vec![decided(4), decided(5)]))
}

/// A message as bytes, and its decoder followed by its encoder.
struct Case {
    name: &'static str,
    bytes: Bytes,
    again: fn(&[u8]) -> Result<Bytes, CodecError>,
}

fn again<T>(bytes: &[u8]) -> Result<Bytes, CodecError>
where
    Codec: EngineCodec<T, Error = CodecError>,
{
    let value: T = Codec.decode(Bytes::copy_from_slice(bytes))?;
    Codec.encode(&value)
}

fn case<T>(name: &'static str, value: &T) -> Case
where
    T: PartialEq + core::fmt::Debug,
    Codec: EngineCodec<T, Error = CodecError>,
{
    let bytes = Codec.encode(value).unwrap();
    let decoded: T = Codec.decode(bytes.clone()).unwrap();
    assert_eq!(decoded, *value, "{name}");
    Case { name, bytes, again: again::<T> }
}

fn cases() -> Vec<Case> {
    let nil = || vote(VoteType::Prevote, NilOrVal::Nil);
    let node = NodeKey::from_seed(&[1; 32]).id();
    let mut cases = vec![
        case("vote", &SignedConsensusMsg::<Ctx>::Vote(nil())),
        case(
            "precommit",
            &SignedConsensusMsg::<Ctx>::Vote(vote(VoteType::Precommit, NilOrVal::Val(hash(3)))),
        ),
        case("proposal", &SignedConsensusMsg::<Ctx>::Proposal(proposal(Round::Nil))),
        case("re-proposal", &SignedConsensusMsg::<Ctx>::Proposal(proposal(Round::new(0)))),
        case("vote again", &LivenessMsg::<Ctx>::Vote(nil())),
        case("polka for liveness", &LivenessMsg::<Ctx>::PolkaCertificate(polka())),
        case(
            "skip certificate",
            &LivenessMsg::SkipRoundCertificate(round_certificate(RoundCertificateType::Skip)),
        ),
        case(
            "precommit certificate",
            &LivenessMsg::SkipRoundCertificate(round_certificate(RoundCertificateType::Precommit)),
        ),
        case("polka", &polka()),
        case(
            "proposed value",
            &ProposedValue::<Ctx> {
                height: Height(3),
                round: Round::new(1),
                valid_round: Round::Nil,
                proposer: address(1),
                value: hash(2),
                validity: Validity::Invalid,
            },
        ),
        case(
            "peer proof",
            &ValidatorProof::<Ctx>::new(
                vec![1; 20],
                peer_id(node).unwrap().to_bytes(),
                EngineSignature::of_vote(signature(1)),
            ),
        ),
        case(
            "status",
            &Status::<Ctx> {
                peer_id: peer_id(node).unwrap(),
                tip_height: Height(10),
                history_min_height: Height(1),
            },
        ),
        case("request", &Request::<Ctx>::ValueRequest(ValueRequest::new(Height(1)..=Height(20)))),
        case("response", &response()),
        case("end of a stream", &streamed(StreamContent::Fin)),
    ];
    for part in parts() {
        cases.push(case("part", &part));
        cases.push(case("streamed part", &streamed(StreamContent::Data(part))));
    }
    cases
}

/// Any bytes give an error or a value whose only encoding they are.
fn check(case: &Case, bytes: &[u8]) {
    if let Ok(encoded) = (case.again)(bytes) {
        assert_eq!(encoded, bytes, "{} is not canonical", case.name);
    }
}

#[test]
fn truncated_and_extended_bytes_are_refused() {
    for case in cases() {
        for end in 0..case.bytes.len() {
            assert!((case.again)(&case.bytes[..end]).is_err(), "{} of {end} bytes", case.name);
        }
        for extra in [0u8, 0x80, 0xc0, 0xff] {
            let mut bytes = case.bytes.to_vec();
            bytes.push(extra);
            assert!((case.again)(&bytes).is_err(), "{} and {extra:#x}", case.name);
        }
    }
}

#[test]
fn flipped_bits_never_give_a_second_encoding() {
    for case in cases() {
        for position in 0..case.bytes.len() {
            for bit in 0..8 {
                let mut bytes = case.bytes.to_vec();
                bytes[position] ^= 1 << bit;
                check(&case, &bytes);
            }
        }
    }
}

#[test]
fn other_versions_and_types_are_refused() {
    for case in cases() {
        for version in (0..=255u8).filter(|version| *version != case.bytes[0]) {
            let mut bytes = case.bytes.to_vec();
            bytes[0] = version;
            assert!((case.again)(&bytes).is_err(), "{}", case.name);
        }
        let mut bytes = case.bytes.to_vec();
        bytes[1] = 200;
        assert!(matches!((case.again)(&bytes), Err(CodecError::Tag(200))), "{}", case.name);
    }
}

#[test]
fn no_message_passes_as_another() {
    let cases = cases();
    for case in &cases {
        for other in &cases {
            check(case, &other.bytes);
        }
    }
}

#[test]
fn oversized_messages_are_refused_unread() {
    // One byte more than the longest message of any type.
    let long = vec![1u8; super::sync::MAX_RESPONSE_BYTES + 1];
    for case in cases() {
        assert!((case.again)(&long).is_err(), "{}", case.name);
    }
}

#[test]
fn lists_longer_than_a_committee_are_refused() {
    let mut certificate = polka();
    let entry = certificate.polka_signatures[0].clone();
    certificate.polka_signatures = vec![entry; 257];
    let bytes = Codec.encode(&certificate).unwrap();
    let decoded: Result<PolkaCertificate<Ctx>, _> = Codec.decode(bytes);
    assert!(decoded.is_err());
}

#[test]
fn a_full_committee_fits() {
    let mut certificate = round_certificate(RoundCertificateType::Skip);
    let entry = certificate.round_signatures[0].clone();
    certificate.round_signatures = vec![entry; 256];
    let _ = case("full", &LivenessMsg::SkipRoundCertificate(certificate));
    let _ = case(
        "chunk",
        &streamed(StreamContent::Data(ProposalPart::Data(vec![1; CHUNK_BYTES].into()))),
    );
}

#[test]
fn parts_outside_their_bounds_are_refused() {
    let refused = |part: ProposalPart| {
        let bytes = Codec.encode(&part).unwrap();
        let decoded: Result<ProposalPart, _> = Codec.decode(bytes);
        assert!(decoded.is_err(), "{part:?}");
    };
    refused(ProposalPart::Data(Bytes::new()));
    refused(ProposalPart::Data(vec![0; CHUNK_BYTES + 1].into()));
    refused(ProposalPart::Init(Init { length: 0, ..init() }));
    refused(ProposalPart::Init(Init { length: (4 << 20) + 1, ..init() }));
    refused(ProposalPart::Init(Init { pol_round: Some(ChainRound(2)), ..init() }));
    refused(ProposalPart::Init(Init { round: ChainRound(u32::MAX), ..init() }));
    let mut message = streamed(StreamContent::Fin);
    message.sequence = MAX_CHUNKS + 2;
    assert!(Codec.encode(&message).is_err());
    message.sequence = 1;
    message.stream_id = StreamId::new(Bytes::from_static(&[0; 15]));
    assert!(Codec.encode(&message).is_err());
}

#[test]
fn withheld_signatures_have_no_bytes() {
    let mut vote = vote(VoteType::Prevote, NilOrVal::Nil);
    vote.signature = EngineSignature::withheld();
    let mut proposal = proposal(Round::Nil);
    proposal.signature = EngineSignature::withheld();
    for message in [SignedConsensusMsg::Vote(vote), SignedConsensusMsg::Proposal(proposal)] {
        let encoded: Result<Bytes, CodecError> = Codec.encode(&message);
        assert!(matches!(encoded, Err(CodecError::Withheld)));
    }
}

#[test]
fn signatures_of_votes_and_proposals_are_not_mixed() {
    let mut vote = vote(VoteType::Prevote, NilOrVal::Nil);
    vote.signature = proposal(Round::Nil).signature;
    let encoded: Result<Bytes, CodecError> = Codec.encode(&SignedConsensusMsg::Vote(vote));
    assert!(encoded.is_err());
}

#[test]
fn encoded_length_is_known_before_encoding() {
    let response = response();
    let bytes = Codec.encode(&response).unwrap();
    assert_eq!(Codec.encoded_len(&response).unwrap(), bytes.len());
}

fn log_entries() -> Vec<Input<Ctx>> {
    vec![
        Input::Vote(vote(VoteType::Prevote, NilOrVal::Nil)),
        Input::Proposal(proposal(Round::new(2))),
        Input::ProposedValue(
            ProposedValue {
                height: Height(3),
                round: Round::new(1),
                valid_round: Round::new(0),
                proposer: address(1),
                value: hash(2),
                validity: Validity::Valid,
            },
            ValueOrigin::Consensus,
        ),
        Input::PolkaCertificate(polka()),
        Input::TimeoutElapsed(Timeout::propose(Round::new(3))),
    ]
}

#[test]
fn log_entries_survive_a_round_trip() {
    for entry in log_entries() {
        let mut bytes = Vec::new();
        encode_entry(entry.clone(), &Codec, &mut bytes).unwrap();
        let decoded: Input<Ctx> = decode_entry(&Codec, bytes.as_slice()).unwrap();
        assert_eq!(format!("{decoded:?}"), format!("{entry:?}"));
    }
}

#[test]
fn damaged_log_entries_are_errors() {
    // Tag and length belong to the engine library, whose log checks them by checksum.
    const HEADER: usize = 9;
    for entry in log_entries() {
        let mut bytes = Vec::new();
        encode_entry(entry, &Codec, &mut bytes).unwrap();
        for position in HEADER.min(bytes.len())..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x41;
            let _: Result<Input<Ctx>, _> = decode_entry(&Codec, damaged.as_slice());
            let cut: Result<Input<Ctx>, _> = decode_entry(&Codec, &bytes[..position]);
            assert!(cut.is_err());
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for case in cases() {
            check(&case, &bytes);
            // The same behind a good version and tag.
            let mut framed = case.bytes[..2].to_vec();
            framed.extend_from_slice(&bytes);
            check(&case, &framed);
        }
    }
}
