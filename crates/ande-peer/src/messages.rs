//! Bodies of the peer routes.

use alloy_primitives::{Address, Bytes};
use alloy_rlp::{Decodable, Encodable, Header, RlpDecodable, RlpEncodable};
use ande_primitives::{
    BatchHeader, Canonical, Checkpoint, DaKind, DaPointer, DecodeError, Height,
    MAX_TRANSACTION_BYTES, NodeId,
};
use serde::{Deserialize, Serialize};

use crate::MAX_BODY_BYTES;

/// Most transactions in one message.
pub const MAX_TRANSACTIONS_PER_MESSAGE: usize = 4096;

/// A node introduces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Node identity; the answer is signed by it.
    pub node_id: NodeId,
    /// Name that its operator gave it, also in its `x-ande-node` header. Chosen freely: read it
    /// through [`Hello::plain_name`].
    pub name: String,
    /// Address of the validator key, if the node has one.
    pub signer: Option<Address>,
    /// Where its consensus engine listens, as `host:port`.
    pub p2p_address: String,
    /// Version of the software.
    pub version: String,
    /// Chain id of the L2 it serves.
    pub l2_chain_id: u64,
    /// Height of its latest block.
    pub height: Height,
}

impl Hello {
    /// The name, if it is one word that may stand in headers, logs and load balancer rules.
    #[must_use]
    pub fn plain_name(&self) -> Option<&str> {
        is_plain_name(&self.name).then_some(self.name.as_str())
    }
}

/// Whether a node name is 1 to 64 letters, digits, dots, dashes and underscores.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Signed transactions in EIP-2718 form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionList(pub Vec<Bytes>);

impl Encodable for TransactionList {
    fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
        self.0.encode(out);
    }
    fn length(&self) -> usize {
        self.0.length()
    }
}

impl Decodable for TransactionList {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        let header = Header::decode(buf)?;
        if !header.list {
            return Err(alloy_rlp::Error::UnexpectedString);
        }
        let (mut items, rest) =
            buf.split_at_checked(header.payload_length).ok_or(alloy_rlp::Error::InputTooShort)?;
        let mut transactions = Vec::new();
        // Counted while decoding: a list of one-byte items would otherwise grow thirtyfold.
        while !items.is_empty() {
            if transactions.len() == MAX_TRANSACTIONS_PER_MESSAGE {
                return Err(alloy_rlp::Error::Custom("too many transactions in one message"));
            }
            transactions.push(Bytes::decode(&mut items)?);
        }
        *buf = rest;
        Ok(Self(transactions))
    }
}

impl Canonical for TransactionList {
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = MAX_BODY_BYTES;

    fn check_bounds(&self) -> Result<(), DecodeError> {
        match self.0.iter().position(|raw| raw.is_empty() || raw.len() > MAX_TRANSACTION_BYTES) {
            Some(index) => Err(DecodeError::Bounds(format!(
                "transaction {index} is empty or above {MAX_TRANSACTION_BYTES} bytes"
            ))),
            None => Ok(()),
        }
    }
}

/// Asks a validator to check a batch and to sign its checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct CheckpointRequest {
    /// What is to be signed.
    pub checkpoint: Checkpoint,
    /// Header of the batch; its hash is the checkpoint's content hash.
    pub header: BatchHeader,
    /// Pointer to the data; its hash is the checkpoint's data hash.
    pub da: DaPointer,
    /// Encoded skip records; their hash is in the header.
    pub skips: Bytes,
    /// The batch data that the pointer commits to.
    pub data: Bytes,
    /// Commitment and proof of each of its blobs, 96 bytes each; empty when it is not in blobs.
    pub proofs: Bytes,
}

impl Canonical for CheckpointRequest {
    const VERSION: u8 = 2;
    const MAX_BYTES: usize = MAX_BODY_BYTES;
}

impl CheckpointRequest {
    /// Whether the parts hash to what the checkpoint and the header name. The content itself is
    /// for the caller to check against its own chain.
    ///
    /// # Errors
    /// Names the first part that does not fit.
    pub fn check_hashes(&self) -> Result<(), &'static str> {
        let Self { checkpoint, header, da, skips, data, proofs } = self;
        if checkpoint.content_hash != header.content_hash() {
            return Err("the content hash is not the header's");
        }
        if checkpoint.da_hash != da.da_hash() {
            return Err("the data hash is not the pointer's");
        }
        if (checkpoint.era, checkpoint.epoch, checkpoint.batch_index, checkpoint.parent_batch_hash)
            != (header.era, header.epoch, header.batch_index, header.parent_batch_hash)
        {
            return Err("checkpoint and header name different batches");
        }
        if header.skips_hash != alloy_primitives::keccak256(skips) {
            return Err("the skip records are not the header's");
        }
        if da.kind != DaKind::Blobs && !proofs.is_empty() {
            return Err("there are proofs of blobs and no blobs");
        }
        if da.size as usize != data.len() {
            return Err("the data has not the size in the pointer");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_are_names() {
        for good in ["node-1", "a", "Validator_7.example.org"] {
            assert!(is_plain_name(good), "{good:?}");
        }
        for bad in ["", "a b", "a\r\nx: y", "é", "a;b", &"x".repeat(65)] {
            assert!(!is_plain_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn transaction_lists_round_trip_and_are_bounded() {
        let list = TransactionList(vec![Bytes::from_static(b"one"), Bytes::from(vec![2; 300])]);
        let bytes = list.to_canonical();
        assert_eq!(TransactionList::from_canonical(&bytes), Ok(list));
        let many =
            TransactionList(vec![Bytes::from_static(b"x"); MAX_TRANSACTIONS_PER_MESSAGE + 1]);
        assert!(TransactionList::from_canonical(&many.to_canonical()).is_err());
        let long = TransactionList(vec![Bytes::from(vec![1; MAX_TRANSACTION_BYTES + 1])]);
        assert!(TransactionList::from_canonical(&long.to_canonical()).is_err());
        let empty = TransactionList(vec![Bytes::new()]);
        assert!(TransactionList::from_canonical(&empty.to_canonical()).is_err());
    }

    #[test]
    fn damaged_lists_never_panic_and_never_decode_to_the_original() {
        let list = TransactionList(vec![Bytes::from(vec![7; 60]), Bytes::from(vec![8; 5])]);
        let bytes = list.to_canonical();
        for cut in 0..bytes.len() {
            assert!(TransactionList::from_canonical(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(other) = TransactionList::from_canonical(&flipped) {
                assert_ne!(other, list, "bit {bit}");
            }
        }
        let mut trailing = bytes;
        trailing.push(0);
        assert!(TransactionList::from_canonical(&trailing).is_err());
    }
}
