//! Framing common to all messages.

use alloy_primitives::B256;
use alloy_rlp::{Decodable, Encodable};
use ande_primitives::{DecodeError, Signature};
use bytes::Bytes;
use malachitebft_core_types::Round;

use crate::{context::Address, scheme::EngineSignature};

/// First byte of every message.
const WIRE_VERSION: u8 = 1;
/// Version and tag.
pub(super) const FRAME_BYTES: usize = 2;
/// Highest round that is read. A chain that needed this many rounds is dead; the bound keeps
/// round arithmetic of the engine far from its limits.
const MAX_ROUND: u32 = 1 << 24;

/// Message types. Values are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Vote = 1,
    Proposal = 2,
    PolkaCertificate = 3,
    RoundCertificate = 4,
    PartInit = 5,
    PartData = 6,
    PartWake = 7,
    StreamInit = 8,
    StreamData = 9,
    StreamWake = 10,
    StreamFin = 11,
    ValidatorProof = 12,
    SyncStatus = 13,
    SyncRequest = 14,
    SyncResponse = 15,
    ProposedValue = 16,
}

/// Why bytes are no message, or a message has no bytes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    /// Malformed bytes.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A tag that does not belong here.
    #[error("unexpected message type {0}")]
    Tag(u8),
    /// A value outside its bounds.
    #[error("{0}")]
    Bounds(&'static str),
    /// The signer refused to sign this message, so it must not leave the node.
    #[error("the message is not signed: the signer abstained")]
    Withheld,
    /// The engine asks for something that this network does not use.
    #[error("{0} has no encoding")]
    Unsupported(&'static str),
}

impl From<alloy_rlp::Error> for CodecError {
    fn from(error: alloy_rlp::Error) -> Self {
        Self::Decode(error.into())
    }
}

/// Encodes a message.
pub(super) fn frame<T: Encodable>(tag: Tag, value: &T) -> Bytes {
    let mut out = Vec::with_capacity(FRAME_BYTES + value.length());
    out.push(WIRE_VERSION);
    out.push(tag as u8);
    value.encode(&mut out);
    out.into()
}

/// Checks version and length, and splits off the tag.
pub(super) fn unframe(bytes: &[u8], limit: usize) -> Result<(u8, &[u8]), CodecError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLong { got: bytes.len(), limit }.into());
    }
    match bytes {
        [] | [_] => Err(DecodeError::Empty.into()),
        [WIRE_VERSION, tag, body @ ..] => Ok((*tag, body)),
        [version, ..] => Err(DecodeError::Version { got: *version, expected: WIRE_VERSION }.into()),
    }
}

/// Decodes a body to its last byte.
pub(super) fn body<T: Decodable>(mut bytes: &[u8]) -> Result<T, CodecError> {
    let value = T::decode(&mut bytes)?;
    if bytes.is_empty() { Ok(value) } else { Err(DecodeError::Trailing(bytes.len()).into()) }
}

/// Decodes a message of one type.
pub(super) fn message<T: Decodable>(bytes: &[u8], tag: Tag, limit: usize) -> Result<T, CodecError> {
    match unframe(bytes, limit)? {
        (got, rest) if got == tag as u8 => body(rest),
        (got, _) => Err(CodecError::Tag(got)),
    }
}

/// Decodes a list of at most `max` items.
pub(super) fn bounded_list<T: Decodable>(buf: &mut &[u8], max: usize) -> alloy_rlp::Result<Vec<T>> {
    let mut list = alloy_rlp::Header::decode_bytes(buf, true)?;
    let mut items = Vec::new();
    while !list.is_empty() {
        if items.len() == max {
            return Err(alloy_rlp::Error::Custom("too many items"));
        }
        items.push(T::decode(&mut list)?);
    }
    Ok(items)
}

/// A defined round to its number.
pub(super) fn round_out(round: Round) -> Result<u32, CodecError> {
    round.as_u32().ok_or(CodecError::Bounds("a nil round where a round is due"))
}

/// A round from its number.
pub(super) fn round_in(round: u32) -> Result<Round, CodecError> {
    if round <= MAX_ROUND {
        Ok(Round::new(round))
    } else {
        Err(CodecError::Bounds("a round above the limit"))
    }
}

/// A round or nil to its number: 0 is nil.
pub(super) fn opt_round_out(round: Round) -> u64 {
    round.as_u32().map_or(0, |round| u64::from(round) + 1)
}

/// Inverse of [`opt_round_out`].
pub(super) fn opt_round_in(round: u64) -> Result<Round, CodecError> {
    match round.checked_sub(1) {
        None => Ok(Round::Nil),
        Some(round) => round_in(
            u32::try_from(round).map_err(|_| CodecError::Bounds("a round above the limit"))?,
        ),
    }
}

/// A vote's signature; nothing that was withheld gets bytes.
pub(super) fn vote_signature(signature: &EngineSignature) -> Result<Signature, CodecError> {
    if signature.is_withheld() {
        return Err(CodecError::Withheld);
    }
    match signature.binding {
        None => Ok(signature.main),
        Some(_) => Err(CodecError::Bounds("a vote with a proposal's signature")),
    }
}

/// A proposal's signatures; nothing that was withheld gets bytes.
pub(super) fn proposal_signatures(
    signature: &EngineSignature,
) -> Result<(Signature, Signature), CodecError> {
    if signature.is_withheld() {
        return Err(CodecError::Withheld);
    }
    let binding =
        signature.binding.ok_or(CodecError::Bounds("a proposal with a vote's signature"))?;
    Ok((signature.main, binding))
}

/// The hash of a block, which is never zero.
pub(super) fn block_hash(hash: B256) -> Result<B256, CodecError> {
    if hash.is_zero() { Err(CodecError::Bounds("a zero block hash")) } else { Ok(hash) }
}

/// Address of the engine from that of the chain.
pub(super) const fn address(address: alloy_primitives::Address) -> Address {
    Address(address)
}
