//! How long a node waits for its execution client.

use std::time::Duration;

/// Limits of waiting. Within them passing failures are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the verdict on one block, everything included that the client has to get before.
    pub verdict: Duration,
    /// For a block that the client builds, everything included that it has to get before.
    pub build: Duration,
    /// For the client to be there and complete when the node starts.
    pub start: Duration,
    /// Before the second try; doubled with every try.
    pub first_pause: Duration,
    /// Longest pause between two tries.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            verdict: Duration::from_secs(2),
            build: Duration::from_millis(500),
            start: Duration::from_secs(60),
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(1),
        }
    }
}
