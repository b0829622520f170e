//! What one peer, and all peers together, may ask of this node.

use std::time::{Duration, Instant};

/// Limits of the peer routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimits {
    /// Requests of one peer per second, on average.
    pub requests_per_second: u32,
    /// Requests of one peer at once before the average counts.
    pub burst: u32,
    /// Requests of one peer being answered at the same time.
    pub in_flight_per_peer: usize,
    /// Bodies of all peers in memory at the same time, in bytes. At least one body must fit.
    pub body_bytes: usize,
    /// Time for a body to arrive.
    pub body_timeout: Duration,
    /// Time for the node to answer.
    pub answer_timeout: Duration,
    /// Introductions per second, of anybody.
    pub hellos_per_second: u32,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            requests_per_second: 500,
            burst: 1000,
            in_flight_per_peer: 32,
            body_bytes: 64 << 20,
            body_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            hellos_per_second: 1000,
        }
    }
}

/// Token bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let burst = f64::from(burst.max(1));
        Self { per_second: f64::from(per_second), burst, tokens: burst, filled: Instant::now() }
    }

    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.burst);
        self.filled = self.filled.max(now);
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_allows_a_burst_and_then_the_rate() {
        let mut bucket = Bucket::new(10, 3);
        let start = Instant::now();
        assert_eq!((0..5).filter(|_| bucket.take(start)).count(), 3);
        let later = start + Duration::from_millis(150);
        assert_eq!((0..5).filter(|_| bucket.take(later)).count(), 1);
        assert!(!bucket.take(start), "a clock that goes back grants nothing");
        assert_eq!((0..9).filter(|_| bucket.take(start + Duration::from_secs(60))).count(), 3);
    }
}
