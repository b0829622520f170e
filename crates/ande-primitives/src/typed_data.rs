//! EIP-712 messages. One domain: name "AndeSequencer", version "1", the settlement chain's id and
//! the `AndeConsensus` contract. Type strings equal those of `TypedDataLib.sol`.

use std::sync::LazyLock;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use alloy_sol_types::{Eip712Domain, SolStruct};
use serde::{Deserialize, Serialize};

use crate::{Epoch, Era, Height, Round, Term};

mod sol_types {
    alloy_sol_types::sol! {
        #[derive(Debug)]
        struct Vote {
            uint64 l2ChainId;
            uint32 era;
            uint64 epoch;
            uint64 height;
            uint32 round;
            uint8 kind;
            bytes32 blockHash;
        }
        #[derive(Debug)]
        struct Checkpoint {
            uint64 l2ChainId;
            uint32 era;
            uint64 epoch;
            uint64 batchIndex;
            uint32 attempt;
            bytes32 parentBatchHash;
            bytes32 contentHash;
            bytes32 daHash;
        }
        #[derive(Debug)]
        struct OpenTerm {
            uint64 l2ChainId;
            uint32 era;
            uint64 epoch;
            uint64 term;
        }
        #[derive(Debug)]
        struct SignerKey {
            address owner;
            address signer;
            bytes32 p2pPeerId;
            uint256 nonce;
            uint256 deadline;
        }
    }
}

/// Step of a consensus vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum VoteKind {
    /// The proposer's signature on its block.
    Proposal = 0,
    /// First vote.
    Prevote = 1,
    /// Second vote; a quorum of them is a certificate.
    Precommit = 2,
}

impl TryFrom<u8> for VoteKind {
    type Error = u8;
    fn try_from(value: u8) -> Result<Self, u8> {
        match value {
            0 => Ok(Self::Proposal),
            1 => Ok(Self::Prevote),
            2 => Ok(Self::Precommit),
            other => Err(other),
        }
    }
}

impl Encodable for VoteKind {
    fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
        (*self as u8).encode(out);
    }
    fn length(&self) -> usize {
        (*self as u8).length()
    }
}

impl Decodable for VoteKind {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        Self::try_from(u8::decode(buf)?).map_err(|_| alloy_rlp::Error::Custom("vote kind"))
    }
}

/// A consensus vote of one validator. A nil vote has the zero block hash.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, RlpEncodable, RlpDecodable, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct Vote {
    /// Era of the chain.
    pub era: Era,
    /// Epoch of `height`.
    pub epoch: Epoch,
    /// Height voted on.
    pub height: Height,
    /// Round voted in.
    pub round: Round,
    /// Step.
    pub kind: VoteKind,
    /// Hash of the consensus header, zero for nil.
    pub block_hash: B256,
}

/// What validators sign for a batch, after they checked its content and its data pointer.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, RlpEncodable, RlpDecodable, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// Era of the chain.
    pub era: Era,
    /// Epoch of the batch.
    pub epoch: Epoch,
    /// Number of the batch, from 1.
    pub batch_index: u64,
    /// Posting attempt: a re-posting with another data pointer has a higher one.
    pub attempt: u32,
    /// Hash of the previous batch.
    pub parent_batch_hash: B256,
    /// Hash of the batch header.
    pub content_hash: B256,
    /// Hash of the data pointer.
    pub da_hash: B256,
}

/// What validators sign to fence an old proposer off the settlement chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpenTerm {
    /// Era of the chain.
    pub era: Era,
    /// Epoch of the term.
    pub epoch: Epoch,
    /// The term.
    pub term: Term,
}

/// Proof of possession of a signer key, bound to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignerKey {
    /// Account that registers.
    pub owner: Address,
    /// Key that proves itself.
    pub signer: Address,
    /// Node identity.
    pub p2p_peer_id: B256,
    /// Owner's nonce in the contract.
    pub nonce: U256,
    /// Last valid time, Unix seconds.
    pub deadline: U256,
}

/// Binds every signature to one settlement chain, one contract and one L2.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Domain {
    l2_chain_id: u64,
    separator: B256,
}

/// `encodeType` of a message never changes, so its hash is computed once.
fn type_hash<T: SolStruct>() -> B256 {
    keccak256(T::eip712_encode_type().as_bytes())
}

static VOTE_TYPE: LazyLock<B256> = LazyLock::new(type_hash::<sol_types::Vote>);
static CHECKPOINT_TYPE: LazyLock<B256> = LazyLock::new(type_hash::<sol_types::Checkpoint>);
static OPEN_TERM_TYPE: LazyLock<B256> = LazyLock::new(type_hash::<sol_types::OpenTerm>);
static SIGNER_KEY_TYPE: LazyLock<B256> = LazyLock::new(type_hash::<sol_types::SignerKey>);

impl Domain {
    /// Domain of the `AndeConsensus` contract at `consensus` on settlement chain `l1_chain_id`,
    /// for the L2 `l2_chain_id`.
    #[must_use]
    pub fn new(l1_chain_id: u64, consensus: Address, l2_chain_id: u64) -> Self {
        let separator = Eip712Domain::new(
            Some("AndeSequencer".into()),
            Some("1".into()),
            Some(U256::from(l1_chain_id)),
            Some(consensus),
            None,
        )
        .separator();
        Self { l2_chain_id, separator }
    }

    /// Chain id of the L2.
    #[must_use]
    pub const fn l2_chain_id(&self) -> u64 {
        self.l2_chain_id
    }

    /// EIP-712 domain separator; equals the contract's `domainSeparator()`.
    #[must_use]
    pub const fn separator(&self) -> B256 {
        self.separator
    }

    /// `keccak256(0x1901 || separator || keccak256(type hash || fields))`.
    fn digest<T: SolStruct>(&self, type_hash: B256, message: &T) -> B256 {
        let fields = message.eip712_encode_data();
        let mut data = Vec::with_capacity(32 + fields.len());
        data.extend_from_slice(type_hash.as_slice());
        data.extend_from_slice(&fields);
        let mut preimage = [0u8; 66];
        preimage[..2].copy_from_slice(&[0x19, 0x01]);
        preimage[2..34].copy_from_slice(self.separator.as_slice());
        preimage[34..].copy_from_slice(keccak256(data).as_slice());
        keccak256(preimage)
    }

    /// Digest of a vote.
    #[must_use]
    pub fn vote_digest(&self, vote: &Vote) -> B256 {
        self.digest(
            *VOTE_TYPE,
            &sol_types::Vote {
                l2ChainId: self.l2_chain_id,
                era: vote.era.0,
                epoch: vote.epoch.0,
                height: vote.height.0,
                round: vote.round.0,
                kind: vote.kind as u8,
                blockHash: vote.block_hash,
            },
        )
    }

    /// Digest of a checkpoint.
    #[must_use]
    pub fn checkpoint_digest(&self, checkpoint: &Checkpoint) -> B256 {
        self.digest(
            *CHECKPOINT_TYPE,
            &sol_types::Checkpoint {
                l2ChainId: self.l2_chain_id,
                era: checkpoint.era.0,
                epoch: checkpoint.epoch.0,
                batchIndex: checkpoint.batch_index,
                attempt: checkpoint.attempt,
                parentBatchHash: checkpoint.parent_batch_hash,
                contentHash: checkpoint.content_hash,
                daHash: checkpoint.da_hash,
            },
        )
    }

    /// Digest of a term opening.
    #[must_use]
    pub fn open_term_digest(&self, open: &OpenTerm) -> B256 {
        self.digest(
            *OPEN_TERM_TYPE,
            &sol_types::OpenTerm {
                l2ChainId: self.l2_chain_id,
                era: open.era.0,
                epoch: open.epoch.0,
                term: open.term.0,
            },
        )
    }

    /// Digest of a proof of possession.
    #[must_use]
    pub fn signer_key_digest(&self, proof: &SignerKey) -> B256 {
        self.digest(
            *SIGNER_KEY_TYPE,
            &sol_types::SignerKey {
                owner: proof.owner,
                signer: proof.signer,
                p2pPeerId: proof.p2p_peer_id,
                nonce: proof.nonce,
                deadline: proof.deadline,
            },
        )
    }

    /// Digest of a message of the consensus engine's own protocol. Starts with a letter, so it
    /// can be neither an EIP-712 digest (0x1901) nor a transaction.
    #[must_use]
    pub fn engine_digest(&self, tag: &str, message: &[u8]) -> B256 {
        let mut data = Vec::with_capacity(16 + 3 * 32);
        data.extend_from_slice(b"ANDE engine 1:\x00\x00");
        data.extend_from_slice(self.separator.as_slice());
        data.extend_from_slice(keccak256(tag).as_slice());
        data.extend_from_slice(keccak256(message).as_slice());
        keccak256(data)
    }
}
