//! Remembers the nonces of one peer for as long as its clock window would accept them again.

use std::collections::{HashSet, VecDeque};

use crate::{CLOCK_WINDOW_MS, Nonce};

/// Most nonces remembered per peer: 540 requests a second, each kept for half the window.
pub(crate) const NONCES_PER_PEER: usize = 16_384;

/// What the cache says of a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fresh {
    /// Never seen, now remembered.
    Yes,
    /// Seen before.
    Replayed,
    /// No room to remember another one. Forgetting an old one would let it be replayed.
    Full,
}

/// Nonces of one peer.
#[derive(Debug, Default)]
pub(crate) struct ReplayCache {
    seen: HashSet<Nonce>,
    /// Order of arrival with the time after which the clock window refuses the request anyway.
    order: VecDeque<(u64, Nonce)>,
}

impl ReplayCache {
    /// Takes the nonce of a request whose signature and time are good.
    pub(crate) fn take(&mut self, nonce: Nonce, time_ms: u64, now_ms: u64) -> Fresh {
        // Clocks of one peer hardly go back, so the front is the oldest up to one window.
        while self.order.front().is_some_and(|(expires, _)| *expires < now_ms) {
            if let Some((_, old)) = self.order.pop_front() {
                self.seen.remove(&old);
            }
        }
        if self.seen.contains(&nonce) {
            return Fresh::Replayed;
        }
        if self.order.len() >= NONCES_PER_PEER {
            return Fresh::Full;
        }
        self.seen.insert(nonce);
        self.order.push_back((time_ms.saturating_add(CLOCK_WINDOW_MS), nonce));
        Fresh::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(number: u64) -> Nonce {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        nonce
    }

    #[test]
    fn remembers_for_the_whole_window() {
        let mut cache = ReplayCache::default();
        let sent = 1_000_000;
        assert_eq!(cache.take(nonce(1), sent, sent), Fresh::Yes);
        assert_eq!(cache.take(nonce(1), sent, sent), Fresh::Replayed);
        // The last moment at which the clock window still accepts the request.
        assert_eq!(cache.take(nonce(1), sent, sent + CLOCK_WINDOW_MS), Fresh::Replayed);
        assert_eq!(cache.order.len(), 1);
        assert_eq!(cache.take(nonce(2), sent, sent + CLOCK_WINDOW_MS + 1), Fresh::Yes);
        assert_eq!(cache.order.len(), 1, "the expired nonce is gone");
    }

    #[test]
    fn a_full_cache_refuses_instead_of_forgetting() {
        let mut cache = ReplayCache::default();
        for number in 0..NONCES_PER_PEER as u64 {
            assert_eq!(cache.take(nonce(number), 100_000, 100_000), Fresh::Yes);
        }
        assert_eq!(cache.take(nonce(u64::MAX), 100_000, 100_000), Fresh::Full);
        assert_eq!(cache.take(nonce(0), 100_000, 100_000), Fresh::Replayed);
        assert_eq!(cache.take(nonce(u64::MAX), 200_000, 200_000), Fresh::Yes);
        assert_eq!(cache.seen.len(), 1);
    }
}
