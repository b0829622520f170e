//! Proposal parts: how blocks travel, and the call that wakes an idle proposer.

use alloy_primitives::{Address, B256, U256};
use alloy_rlp::Encodable as _;
use ande_primitives::{Domain, Height, MAX_BLOCK_BYTES, Round, Signature, SignatureError};
use bytes::Bytes;

/// Bytes of a block in one part.
pub(crate) const CHUNK_BYTES: usize = 128 << 10;
/// Most data parts of one block.
pub(crate) const MAX_CHUNKS: u64 = MAX_BLOCK_BYTES.div_ceil(CHUNK_BYTES) as u64;

/// Tag of [`Init`] signatures under [`Domain::engine_digest`].
const INIT_TAG: &str = "proposal-init";
/// Tag of [`Wake`] signatures under [`Domain::engine_digest`].
const WAKE_TAG: &str = "wake";

/// First part of a stream: which block follows, and who streams it.
///
/// Signed by the committee member that streams: the round's proposer, or a validator that is
/// locked on the block and brings it up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Init {
    pub height: Height,
    pub round: Round,
    /// Earlier round in which the block had a quorum of prevotes.
    pub pol_round: Option<Round>,
    /// Proposer of `round`.
    pub proposer: Address,
    pub block_hash: B256,
    /// Bytes of the block that follow.
    pub length: u32,
    pub signature: Signature,
}

impl Init {
    /// The bytes the streamer signs under [`INIT_TAG`].
    fn message(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(128);
        self.height.encode(&mut message);
        self.round.encode(&mut message);
        pol_to_wire(self.pol_round).encode(&mut message);
        self.proposer.encode(&mut message);
        self.block_hash.encode(&mut message);
        self.length.encode(&mut message);
        message
    }

    /// What to pass to the signer.
    pub(crate) fn signed_bytes(&self) -> (&'static str, Vec<u8>) {
        (INIT_TAG, self.message())
    }

    /// Who signed.
    pub(crate) fn streamer(&self, domain: &Domain) -> Result<Address, SignatureError> {
        self.signature.recover(domain.engine_digest(INIT_TAG, &self.message()))
    }
}

/// "There is work for this height": sent by a validator that started a height when nothing of it
/// was to be heard, so that a proposer that knows of no work starts too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wake {
    pub height: Height,
    pub signature: Signature,
}

impl Wake {
    /// What to pass to the signer.
    pub(crate) fn signed_bytes(height: Height) -> (&'static str, Vec<u8>) {
        (WAKE_TAG, U256::from(height.0).to_be_bytes::<32>().to_vec())
    }

    /// Who signed.
    pub(crate) fn caller(&self, domain: &Domain) -> Result<Address, SignatureError> {
        let (tag, message) = Self::signed_bytes(self.height);
        self.signature.recover(domain.engine_digest(tag, &message))
    }
}

/// A part of a stream, or a wake call in the same channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProposalPart {
    Init(Init),
    Data(Bytes),
    Wake(Wake),
}

/// A proof-of-lock round on the wire: 0 for none, else the round plus one.
pub(crate) fn pol_to_wire(pol_round: Option<Round>) -> u64 {
    pol_round.map_or(0, |round| u64::from(round.0) + 1)
}

/// Bytes of a [`StreamKey`].
const STREAM_KEY_BYTES: usize = 16;

/// Identity of a stream among those of one publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StreamKey {
    pub height: Height,
    pub round: Round,
    /// Tells apart the streams of one publisher for one round, also across its restarts.
    pub nonce: u32,
}

impl StreamKey {
    pub(crate) fn to_bytes(self) -> Bytes {
        let mut bytes = Vec::with_capacity(STREAM_KEY_BYTES);
        bytes.extend_from_slice(&self.height.0.to_be_bytes());
        bytes.extend_from_slice(&self.round.0.to_be_bytes());
        bytes.extend_from_slice(&self.nonce.to_be_bytes());
        bytes.into()
    }

    /// None unless there are exactly 16 bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; STREAM_KEY_BYTES] = bytes.try_into().ok()?;
        let (height, rest) = bytes.split_first_chunk::<8>()?;
        let (round, rest) = rest.split_first_chunk::<4>()?;
        let nonce = rest.first_chunk::<4>()?;
        Some(Self {
            height: Height(u64::from_be_bytes(*height)),
            round: Round(u32::from_be_bytes(*round)),
            nonce: u32::from_be_bytes(*nonce),
        })
    }
}
