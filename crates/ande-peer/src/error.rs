//! Refusals of the asked node and failures of the asking one.

use ande_primitives::{DecodeError, NodeId};

/// Why a node does not do what an authenticated peer asks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerRefusal {
    /// The content is wrong; asking again does not help.
    #[error("{0}")]
    Invalid(String),
    /// It contradicts something this node already signed.
    #[error("{0}")]
    Conflict(String),
    /// Not now: this node is behind, starting or overloaded.
    #[error("{0}")]
    Unavailable(String),
}

impl PeerRefusal {
    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) => 422,
            Self::Conflict(_) => 409,
            Self::Unavailable(_) => 503,
        }
    }

    pub(crate) fn from_status(status: u16, reason: String) -> Self {
        match status {
            409 => Self::Conflict(reason),
            // A server that is busy or draining says 5xx or 429; everything else is a verdict.
            429 | 500..=599 => Self::Unavailable(reason),
            _ => Self::Invalid(reason),
        }
    }
}

/// Why a question to a peer has no answer.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The registered endpoint is no http(s) URL.
    #[error("the endpoint {0:?} is not an http or https URL")]
    Endpoint(String),
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
    /// No connection, a broken one, or no answer in time.
    #[error("{url} does not answer")]
    Unreachable {
        /// Endpoint asked.
        url: String,
        /// What the transport says.
        #[source]
        source: reqwest::Error,
    },
    /// The message is larger than any peer accepts.
    #[error("a message of {bytes} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// Size of the message.
        bytes: usize,
        /// Limit.
        limit: usize,
    },
    /// Something answered that did not prove to be the peer: a proxy, another program, or a peer
    /// that does not accept this node. The text is not authenticated.
    #[error("{url} answered {status} without a signature: {text}")]
    Unsigned {
        /// Endpoint asked.
        url: String,
        /// HTTP status.
        status: u16,
        /// First part of the body.
        text: String,
    },
    /// Another node answered.
    #[error("{url} is node {got}, expected {expected}")]
    WrongPeer {
        /// Endpoint asked.
        url: String,
        /// Registered node.
        expected: NodeId,
        /// Node that answered.
        got: String,
    },
    /// The answer is not signed by the peer for this request.
    #[error("{url} sent an answer whose signature is wrong")]
    BadSignature {
        /// Endpoint asked.
        url: String,
    },
    /// The peer serves another L2.
    #[error("{url} serves chain {got}, this node serves {expected}")]
    WrongChain {
        /// Endpoint asked.
        url: String,
        /// Chain of this node.
        expected: u64,
        /// Chain of the peer.
        got: u64,
    },
    /// The peer refused.
    #[error("the peer refused: {0}")]
    Refused(#[source] PeerRefusal),
    /// An authentic answer that cannot be read.
    #[error("the peer's answer cannot be read: {0}")]
    Malformed(String),
}

impl PeerError {
    /// Whether asking again later may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Unsigned { .. }
                | Self::BadSignature { .. }
                | Self::Refused(PeerRefusal::Unavailable(_))
        )
    }
}

impl From<DecodeError> for PeerError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error.to_string())
    }
}
