//! What can go wrong between this node and its execution client.

use std::time::Duration;

use alloy_primitives::B256;

use crate::PayloadError;

/// Most characters of a client's text that get into an error.
const MAX_QUOTED: usize = 300;

/// Why an execution client gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The secret is not 32 bytes of hex.
    #[error("the JWT secret is not 64 hexadecimal digits")]
    Secret,
    /// The connection cannot even be tried.
    #[error("the execution client cannot be asked: {0}")]
    Setup(String),
    /// No connection, or it broke.
    #[error("the execution client cannot be reached: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("the execution client did not answer {method} within {limit:?}")]
    Timeout {
        /// What was asked.
        method: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The client refuses the token: another secret, or one of the two clocks is wrong.
    #[error("the execution client refuses the token; compare the JWT secrets and the clocks")]
    Unauthorized,
    /// An HTTP status that is no success.
    #[error("the execution client answered {method} with HTTP status {status}")]
    Http {
        /// What was asked.
        method: &'static str,
        /// The status.
        status: u16,
    },
    /// The answer is longer than any honest one.
    #[error("the answer to {method} exceeds {limit} bytes")]
    TooLong {
        /// What was asked.
        method: &'static str,
        /// Largest answer that is read.
        limit: usize,
    },
    /// The answer is not what the Engine API says.
    #[error("the answer to {method} makes no sense: {problem}")]
    Malformed {
        /// What was asked.
        method: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A JSON-RPC error.
    #[error("the execution client answered {method} with error {code}: {message}")]
    Rpc {
        /// What was asked.
        method: &'static str,
        /// Code of the error.
        code: i64,
        /// Its text, shortened.
        message: String,
    },
    /// The client has another chain id.
    #[error("the execution client has the chain id {theirs}, this chain {ours}")]
    ChainId {
        /// Chain id here.
        ours: u64,
        /// Chain id there.
        theirs: u64,
    },
    /// The client runs another chain.
    #[error("the execution client has the genesis {theirs}, this chain {ours}")]
    Genesis {
        /// Block 0 here.
        ours: B256,
        /// Block 0 there.
        theirs: B256,
    },
    /// The client's chain has another block at some number.
    #[error("block {number} is {theirs} in the execution client and {ours} in the chain")]
    OtherChain {
        /// Where the chains differ.
        number: u64,
        /// Hash here.
        ours: B256,
        /// Hash there.
        theirs: B256,
    },
    /// The client has blocks that this node has not.
    #[error("the execution client is at block {number} {hash}, which the chain does not have")]
    Ahead {
        /// Its head.
        number: u64,
        /// Hash of its head.
        hash: B256,
    },
    /// The client does not take a block that executes here.
    #[error("the execution client judges block {number} {hash} invalid: {reason}")]
    Disagrees {
        /// The block.
        number: u64,
        /// Its hash.
        hash: B256,
        /// What the client says, shortened.
        reason: String,
    },
    /// The client cannot judge a block although it got all before it.
    #[error("the execution client cannot judge block {number} {hash} yet: it answers {answer}")]
    NotReady {
        /// The block.
        number: u64,
        /// Its hash.
        hash: B256,
        /// Its answer.
        answer: &'static str,
    },
    /// The client was told to build a block and did not begin.
    #[error("the execution client began no block")]
    NoBlock,
    /// All questions together took too long.
    #[error("the execution client was not done within {0:?}")]
    Slow(Duration),
    /// It failed and is being brought back.
    #[error("the execution client failed and is being brought back to the chain")]
    Returning,
    /// A committed block that the client needs is stored nowhere.
    #[error("the execution client needs block {0}, which is not stored here")]
    NotStored(u64),
    /// The stored blocks cannot be read.
    #[error("stored blocks cannot be read: {0}")]
    Source(String),
    /// A payload that is none.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Blocks more often than external clients can follow.
    #[error(
        "a block time of {0:?} is too short: external execution clients need one whole second per \
         block"
    )]
    BlockTime(Duration),
}

impl EngineError {
    /// Whether asking again may help.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Timeout { .. } | Self::NotReady { .. } | Self::Slow(_) => {
                true
            }
            Self::Http { status, .. } => *status >= 500 || *status == 429 || *status == 408,
            // Internal and server errors; the others say that the request is wrong.
            Self::Rpc { code, .. } => *code == -32603 || (*code <= -32000 && *code >= -32099),
            _ => false,
        }
    }
}

/// A client's text, safe to log: one line, shortened.
pub(super) fn quoted(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(MAX_QUOTED)
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    if text.chars().nth(MAX_QUOTED).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_clients_are_one_short_line() {
        assert_eq!(quoted("bad\nroot\u{1b}[0m"), "bad root [0m");
        let long = quoted(&"ä".repeat(MAX_QUOTED + 1));
        assert_eq!(long.chars().count(), MAX_QUOTED + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn wrong_requests_are_not_repeated() {
        let rpc = |code| EngineError::Rpc { method: "m", code, message: String::new() };
        assert!(rpc(-32603).is_passing() && rpc(-32000).is_passing());
        assert!(!rpc(-32602).is_passing() && !rpc(-38003).is_passing());
        assert!(!EngineError::Unauthorized.is_passing());
        assert!(EngineError::Http { method: "m", status: 503 }.is_passing());
        assert!(!EngineError::Http { method: "m", status: 404 }.is_passing());
    }
}
