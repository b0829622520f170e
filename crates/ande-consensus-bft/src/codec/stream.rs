//! Proposal parts and their streams.

use alloy_primitives::{Address as ChainAddress, B256, Bytes as ChainBytes};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use ande_primitives::{Height, MAX_BLOCK_BYTES, Round, Signature};
use bytes::Bytes;
use malachitebft_codec::Codec as EngineCodec;
use malachitebft_engine::util::streaming::{StreamContent, StreamId, StreamMessage};

use super::{
    Codec, CodecError,
    frame::{Tag, block_hash, body, frame, opt_round_in, round_in, unframe},
};
use crate::wire::{CHUNK_BYTES, Init, MAX_CHUNKS, ProposalPart, StreamKey, Wake, pol_to_wire};

/// Longest part: a full chunk with its envelope.
const MAX_PART_BYTES: usize = CHUNK_BYTES + 256;

#[derive(RlpEncodable, RlpDecodable)]
struct WireInit {
    height: u64,
    round: u32,
    pol_round: u64,
    proposer: ChainAddress,
    block_hash: B256,
    length: u32,
    signature: Signature,
}

impl WireInit {
    fn of(init: &Init) -> Result<Self, CodecError> {
        Ok(Self {
            height: init.height.0,
            round: init.round.0,
            pol_round: pol_to_wire(init.pol_round),
            proposer: init.proposer,
            block_hash: block_hash(init.block_hash)?,
            length: init.length,
            signature: init.signature,
        })
    }

    fn open(self) -> Result<ProposalPart, CodecError> {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        if length == 0 || length > MAX_BLOCK_BYTES {
            return Err(CodecError::Bounds("a block of no or too many bytes"));
        }
        round_in(self.round)?;
        let pol_round = opt_round_in(self.pol_round)?.as_u32().map(Round);
        if pol_round.is_some_and(|pol_round| pol_round.0 >= self.round) {
            return Err(CodecError::Bounds("a lock round that is not before the round"));
        }
        Ok(ProposalPart::Init(Init {
            height: Height(self.height),
            round: Round(self.round),
            pol_round,
            proposer: self.proposer,
            block_hash: block_hash(self.block_hash)?,
            length: self.length,
            signature: self.signature,
        }))
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct WireWake {
    height: u64,
    signature: Signature,
}

impl WireWake {
    const fn of(wake: &Wake) -> Self {
        Self { height: wake.height.0, signature: wake.signature }
    }

    const fn open(self) -> ProposalPart {
        ProposalPart::Wake(Wake { height: Height(self.height), signature: self.signature })
    }
}

fn data(bytes: ChainBytes) -> Result<ProposalPart, CodecError> {
    if bytes.is_empty() || bytes.len() > CHUNK_BYTES {
        return Err(CodecError::Bounds("a part of no or too many bytes"));
    }
    Ok(ProposalPart::Data(bytes.0))
}

#[derive(RlpEncodable, RlpDecodable)]
struct Streamed<T: Encodable + Decodable> {
    stream: ChainBytes,
    sequence: u64,
    content: T,
}

impl<T: Encodable + Decodable> Streamed<T> {
    fn of(message: &StreamMessage<ProposalPart>, content: T) -> Result<Self, CodecError> {
        let stream = ChainBytes(message.stream_id.to_bytes());
        let streamed = Self { stream, sequence: message.sequence, content };
        streamed.check()?;
        Ok(streamed)
    }

    fn check(&self) -> Result<(), CodecError> {
        if StreamKey::from_bytes(&self.stream).is_none() {
            return Err(CodecError::Bounds("a stream id of a wrong length"));
        }
        // Init is 0, chunks follow, then the end.
        if self.sequence > MAX_CHUNKS + 1 {
            return Err(CodecError::Bounds("a sequence number above the limit"));
        }
        Ok(())
    }

    fn open(
        self,
        open: impl FnOnce(T) -> Result<StreamContent<ProposalPart>, CodecError>,
    ) -> Result<StreamMessage<ProposalPart>, CodecError> {
        self.check()?;
        let stream = StreamId::new(self.stream.0);
        Ok(StreamMessage::new(stream, self.sequence, open(self.content)?))
    }
}

impl EngineCodec<ProposalPart> for Codec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<ProposalPart, CodecError> {
        let (tag, rest) = unframe(&bytes, MAX_PART_BYTES)?;
        match tag {
            tag if tag == Tag::PartInit as u8 => body::<WireInit>(rest)?.open(),
            tag if tag == Tag::PartData as u8 => data(body(rest)?),
            tag if tag == Tag::PartWake as u8 => Ok(body::<WireWake>(rest)?.open()),
            tag => Err(CodecError::Tag(tag)),
        }
    }

    fn encode(&self, part: &ProposalPart) -> Result<Bytes, CodecError> {
        Ok(match part {
            ProposalPart::Init(init) => frame(Tag::PartInit, &WireInit::of(init)?),
            ProposalPart::Data(bytes) => frame(Tag::PartData, &ChainBytes(bytes.clone())),
            ProposalPart::Wake(wake) => frame(Tag::PartWake, &WireWake::of(wake)),
        })
    }
}

impl EngineCodec<StreamMessage<ProposalPart>> for Codec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<StreamMessage<ProposalPart>, CodecError> {
        let (tag, rest) = unframe(&bytes, MAX_PART_BYTES)?;
        match tag {
            tag if tag == Tag::StreamInit as u8 => {
                body::<Streamed<WireInit>>(rest)?.open(|init| init.open().map(StreamContent::Data))
            }
            tag if tag == Tag::StreamData as u8 => body::<Streamed<ChainBytes>>(rest)?
                .open(|bytes| data(bytes).map(StreamContent::Data)),
            tag if tag == Tag::StreamWake as u8 => {
                body::<Streamed<WireWake>>(rest)?.open(|wake| Ok(StreamContent::Data(wake.open())))
            }
            tag if tag == Tag::StreamFin as u8 => body::<Streamed<bool>>(rest)?.open(|end| {
                if end { Ok(StreamContent::Fin) } else { Err(CodecError::Bounds("no end")) }
            }),
            tag => Err(CodecError::Tag(tag)),
        }
    }

    fn encode(&self, message: &StreamMessage<ProposalPart>) -> Result<Bytes, CodecError> {
        Ok(match &message.content {
            StreamContent::Data(ProposalPart::Init(init)) => {
                frame(Tag::StreamInit, &Streamed::of(message, WireInit::of(init)?)?)
            }
            StreamContent::Data(ProposalPart::Data(bytes)) => {
                frame(Tag::StreamData, &Streamed::of(message, ChainBytes(bytes.clone()))?)
            }
            StreamContent::Data(ProposalPart::Wake(wake)) => {
                frame(Tag::StreamWake, &Streamed::of(message, WireWake::of(wake))?)
            }
            StreamContent::Fin => frame(Tag::StreamFin, &Streamed::of(message, true)?),
        })
    }
}
