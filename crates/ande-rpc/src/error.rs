//! Errors of calls, with geth's codes and strings.

use ande_consensus::SubmitError;
use ande_store::StoreError;
use jsonrpsee::types::ErrorObjectOwned;

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// The parameters are wrong.
    #[error("{0}")]
    InvalidParams(String),
    /// The transaction was refused.
    #[error("{0}")]
    Rejected(String),
    /// Not now; another node may.
    #[error("{0}")]
    Unavailable(String),
    /// What was asked for is larger than this node serves.
    #[error("{0}")]
    TooLarge(String),
    /// The node's own fault. The cause is in its log.
    #[error("{0}")]
    Internal(&'static str),
}

impl RpcError {
    /// JSON-RPC error code.
    #[must_use]
    pub const fn code(&self) -> i32 {
        match self {
            Self::InvalidParams(_) => -32602,
            Self::Rejected(_) => -32000,
            Self::Unavailable(_) => -32002,
            Self::TooLarge(_) => -32005,
            Self::Internal(_) => -32603,
        }
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        Self::owned(error.code(), error.to_string(), None::<()>)
    }
}

impl From<SubmitError> for RpcError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Rejected(reason) => Self::Rejected(reason),
            SubmitError::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

impl From<StoreError> for RpcError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store cannot be read");
        Self::Internal("the node's database cannot be read")
    }
}
