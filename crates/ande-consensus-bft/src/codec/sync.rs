//! Catch-up messages.

use alloy_primitives::{B256, Bytes as ChainBytes};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use ande_primitives::{MAX_BLOCK_BYTES, MAX_COMMITTEE};
use bytes::Bytes;
use malachitebft_codec::{Codec as EngineCodec, HasEncodedLen};
use malachitebft_core_types::{ExtendedCommitCertificate, ExtendedCommitSignature};
use malachitebft_sync::{
    PeerId, RawDecidedValue, Request, Response, Status, ValueRequest, ValueResponse,
};

use super::{
    Codec, CodecError,
    consensus::{WireSigner, WireSigners},
    frame::{
        FRAME_BYTES, Tag, address, block_hash, bounded_list, frame, message, round_in, round_out,
        vote_signature,
    },
};
use crate::{
    context::{BlockHash, Ctx, Height},
    scheme::EngineSignature,
};

/// Longest status or request.
const MAX_SMALL_BYTES: usize = 256;
/// Longest response; the transport allows 10 MiB.
pub(crate) const MAX_RESPONSE_BYTES: usize = 10 << 20;
/// Most blocks in one response.
const MAX_RESPONSE_VALUES: usize = 256;
/// Longest commit certificate inside a response.
const MAX_COMMIT_SIGNATURES: usize = MAX_COMMITTEE;

#[derive(RlpEncodable, RlpDecodable)]
struct WireStatus {
    peer_id: ChainBytes,
    tip_height: u64,
    history_min_height: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct WireRequest {
    first: u64,
    last: u64,
}

#[derive(RlpEncodable, RlpDecodable)]
struct WireDecided {
    block: ChainBytes,
    height: u64,
    round: u32,
    block_hash: B256,
    signatures: WireSigners,
}

impl WireDecided {
    fn of(value: &RawDecidedValue<Ctx>) -> Result<Self, CodecError> {
        let certificate = &value.certificate;
        let signatures = certificate
            .commit_signatures
            .iter()
            .map(|entry| {
                if entry.extension.is_some() {
                    return Err(CodecError::Unsupported("a vote extension"));
                }
                let signature = vote_signature(&entry.signature)?;
                Ok(WireSigner { signer: entry.address.0, signature })
            })
            .collect::<Result<Vec<_>, CodecError>>()?;
        if signatures.len() > MAX_COMMIT_SIGNATURES {
            return Err(CodecError::Bounds("more signatures than members"));
        }
        Ok(Self {
            block: ChainBytes(value.value_bytes.clone()),
            height: certificate.height.0,
            round: round_out(certificate.round)?,
            block_hash: block_hash(certificate.value_id.0)?,
            signatures: WireSigners(signatures),
        })
    }

    fn open(self) -> Result<RawDecidedValue<Ctx>, CodecError> {
        if self.block.len() > MAX_BLOCK_BYTES {
            return Err(CodecError::Bounds("a block above the size limit"));
        }
        let commit_signatures = self
            .signatures
            .0
            .into_iter()
            .map(|entry| {
                let signature = EngineSignature::of_vote(entry.signature);
                ExtendedCommitSignature::new(address(entry.signer), signature, None)
            })
            .collect();
        let certificate = ExtendedCommitCertificate {
            height: Height(self.height),
            round: round_in(self.round)?,
            value_id: BlockHash(block_hash(self.block_hash)?),
            commit_signatures,
        };
        Ok(RawDecidedValue::new(self.block.0, certificate))
    }
}

struct WireValues(Vec<WireDecided>);

impl Encodable for WireValues {
    fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
        self.0.encode(out);
    }

    fn length(&self) -> usize {
        self.0.length()
    }
}

impl Decodable for WireValues {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        bounded_list(buf, MAX_RESPONSE_VALUES).map(Self)
    }
}

#[derive(RlpEncodable, RlpDecodable)]
struct WireResponse {
    start: u64,
    values: WireValues,
}

impl WireResponse {
    fn of(response: &Response<Ctx>) -> Result<Self, CodecError> {
        let Response::ValueResponse(response) = response;
        if response.values.len() > MAX_RESPONSE_VALUES {
            return Err(CodecError::Bounds("too many blocks in a response"));
        }
        let values =
            response.values.iter().map(WireDecided::of).collect::<Result<_, CodecError>>()?;
        Ok(Self { start: response.start_height.0, values: WireValues(values) })
    }
}

impl EngineCodec<Status<Ctx>> for Codec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<Status<Ctx>, CodecError> {
        let wire: WireStatus = message(&bytes, Tag::SyncStatus, MAX_SMALL_BYTES)?;
        Ok(Status {
            peer_id: PeerId::from_bytes(&wire.peer_id)
                .map_err(|_| CodecError::Bounds("not a peer id"))?,
            tip_height: Height(wire.tip_height),
            history_min_height: Height(wire.history_min_height),
        })
    }

    fn encode(&self, status: &Status<Ctx>) -> Result<Bytes, CodecError> {
        let wire = WireStatus {
            peer_id: status.peer_id.to_bytes().into(),
            tip_height: status.tip_height.0,
            history_min_height: status.history_min_height.0,
        };
        Ok(frame(Tag::SyncStatus, &wire))
    }
}

impl EngineCodec<Request<Ctx>> for Codec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<Request<Ctx>, CodecError> {
        let wire: WireRequest = message(&bytes, Tag::SyncRequest, MAX_SMALL_BYTES)?;
        if wire.first > wire.last {
            return Err(CodecError::Bounds("a range that ends before it starts"));
        }
        let range = Height(wire.first)..=Height(wire.last);
        Ok(Request::ValueRequest(ValueRequest::new(range)))
    }

    fn encode(&self, request: &Request<Ctx>) -> Result<Bytes, CodecError> {
        let Request::ValueRequest(request) = request;
        let wire = WireRequest { first: request.range.start().0, last: request.range.end().0 };
        Ok(frame(Tag::SyncRequest, &wire))
    }
}

impl EngineCodec<Response<Ctx>> for Codec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<Response<Ctx>, CodecError> {
        let wire: WireResponse = message(&bytes, Tag::SyncResponse, MAX_RESPONSE_BYTES)?;
        let values =
            wire.values.0.into_iter().map(WireDecided::open).collect::<Result<_, CodecError>>()?;
        Ok(Response::ValueResponse(ValueResponse::new(Height(wire.start), values)))
    }

    fn encode(&self, response: &Response<Ctx>) -> Result<Bytes, CodecError> {
        Ok(frame(Tag::SyncResponse, &WireResponse::of(response)?))
    }
}

impl HasEncodedLen<Response<Ctx>> for Codec {
    fn encoded_len(&self, response: &Response<Ctx>) -> Result<usize, CodecError> {
        Ok(FRAME_BYTES + WireResponse::of(response)?.length())
    }
}
