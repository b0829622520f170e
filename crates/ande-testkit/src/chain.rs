//! A node's own view of the chain: consensus headers and certificates.

use ande_devnet::{Rpc, RpcError};
use ande_primitives::{Certificate, Header};
use serde_json::json;

/// A certified block without its transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsensusBlock {
    /// What was voted on.
    pub header: Header,
    /// The votes this node holds.
    pub certificate: Certificate,
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
        let at = format!("{height:#x}");
        let header: Option<Header> = self.rpc.call("ande_getHeader", json!([at])).await?;
        let certificate: Option<Certificate> =
            self.rpc.call("ande_getCertificate", json!([at])).await?;
        Ok(header
            .zip(certificate)
            .map(|(header, certificate)| ConsensusBlock { header, certificate }))
    }
}
