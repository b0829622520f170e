//! A node's own view of the chain: consensus headers and certificates.

use alloy::primitives::{B256, Bytes, keccak256};
use ande_devnet::{Rpc, RpcError};
use ande_primitives::{CommitSignature, Header, Vote};
use serde::Deserialize;
use serde_json::json;

/// A certified block without its transactions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsensusBlock {
    /// What was voted on.
    pub header: Header,
    /// Its canonical bytes.
    pub header_bytes: Bytes,
    /// The precommit that was signed.
    pub vote: Vote,
    /// The precommits this node holds.
    pub signatures: Vec<CommitSignature>,
}

impl ConsensusBlock {
    /// Hash of the header bytes: the block hash of consensus.
    #[must_use]
    pub fn hash(&self) -> B256 {
        keccak256(&self.header_bytes)
    }
}

/// The `ande_*` methods of one node.
#[derive(Clone, Debug)]
pub struct ChainApi {
    rpc: Rpc,
}

impl ChainApi {
    /// The methods behind a client.
    #[must_use]
    pub const fn new(rpc: Rpc) -> Self {
        Self { rpc }
    }

    /// The client.
    #[must_use]
    pub const fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// The certified block at a height; none above the tip.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn block(&self, height: u64) -> Result<Option<ConsensusBlock>, RpcError> {
        self.rpc.call("ande_getCertificate", json!([height])).await
    }
}
