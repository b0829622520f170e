//! Errors of calls, with geth's codes and strings.

use alloy_primitives::{B256, Bytes};
use ande_consensus::SubmitError;
use ande_execution::{CallError, ReadError};
use ande_store::StoreError;
use jsonrpsee::types::ErrorObjectOwned;
use serde_json::{Value, json};

use crate::codes;

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// The parameters are wrong.
    #[error("{0}")]
    InvalidParams(String),
    /// The transaction was refused.
    #[error("{0}")]
    Rejected(String),
    /// The call is well-formed and cannot be answered: unknown block, failed execution.
    #[error("{0}")]
    Failed(String),
    /// The called code reverted.
    #[error("{message}")]
    Reverted {
        /// `execution reverted`, with the reason where the code gave one.
        message: String,
        /// What the code returned.
        data: Bytes,
    },
    /// The transaction is in the pool and was in no block in time (EIP-7966).
    #[error("{message}")]
    NotYetIncluded {
        /// How long was waited.
        message: String,
        /// Its hash.
        hash: B256,
    },
    /// The node is configured not to do this.
    #[error("{0}")]
    NotServed(String),
    /// Not now; another node may.
    #[error("{0}")]
    Unavailable(String),
    /// The node no longer keeps it (EIP-4444); a node that keeps more does.
    #[error("pruned history unavailable: {0}")]
    Pruned(String),
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
            Self::InvalidParams(_) => codes::INVALID_PARAMS,
            Self::Rejected(_) | Self::Failed(_) => codes::FAILED,
            Self::Reverted { .. } => codes::REVERTED,
            Self::NotYetIncluded { .. } => codes::NOT_YET_INCLUDED,
            Self::NotServed(_) => codes::NOT_SERVED,
            Self::Unavailable(_) => codes::UNAVAILABLE,
            Self::Pruned(_) => codes::PRUNED,
            Self::TooLarge(_) => codes::LIMIT_EXCEEDED,
            Self::Internal(_) => codes::INTERNAL,
        }
    }

    /// The `data` of the error object.
    #[must_use]
    pub fn data(&self) -> Option<Value> {
        match self {
            Self::Reverted { data, .. } => Some(json!(data)),
            Self::NotYetIncluded { hash, .. } => Some(json!(hash)),
            _ => None,
        }
    }

    /// Geth's answer for a block that does not exist.
    pub(crate) fn header_not_found() -> Self {
        Self::Failed("header not found".into())
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        Self::owned(error.code(), error.to_string(), error.data())
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

impl From<ReadError> for RpcError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unknown { .. } => Self::header_not_found(),
            ReadError::Pruned { .. } | ReadError::NotProvable { .. } => {
                Self::Failed(format!("required historical state unavailable: {error}"))
            }
            ReadError::NoRecord { .. } => Self::Pruned(error.to_string()),
            ReadError::State(_) => {
                tracing::error!(%error, "the state cannot be read");
                Self::Internal("the node's state cannot be read")
            }
        }
    }
}

impl From<CallError> for RpcError {
    fn from(error: CallError) -> Self {
        let message = error.to_string();
        match error {
            CallError::Reverted { output, .. } => Self::Reverted { message, data: output },
            CallError::Halted { .. } | CallError::Invalid(_) => Self::Failed(message),
            CallError::Read(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_geths_codes_and_data() {
        let reverted = CallError::Reverted { output: Bytes::from_static(&[8]), reason: None };
        let object = ErrorObjectOwned::from(RpcError::from(reverted));
        assert_eq!((object.code(), object.message()), (3, "execution reverted"));
        assert_eq!(object.data().map(|data| data.get()), Some("\"0x08\""));
        let reverted =
            CallError::Reverted { output: Bytes::new(), reason: Some("not enough".into()) };
        assert_eq!(RpcError::from(reverted).to_string(), "execution reverted: not enough");
        let unknown = RpcError::from(ReadError::Unknown { number: 7, head: 5 });
        assert_eq!((unknown.code(), unknown.to_string().as_str()), (-32000, "header not found"));
        let pruned = RpcError::from(ReadError::NoRecord { number: 7, oldest: 9 });
        let text = "pruned history unavailable: the receipts of block 7 are pruned, the oldest \
                    kept are of block 9";
        assert_eq!((pruned.code(), pruned.to_string().as_str()), (4444, text));
        let late = RpcError::NotYetIncluded { message: "late".into(), hash: B256::ZERO };
        assert_eq!((late.code(), late.data()), (4, Some(json!(B256::ZERO))));
    }
}
