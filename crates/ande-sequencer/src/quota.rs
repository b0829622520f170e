//! How many transactions each peer may bring.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use ande_primitives::NodeId;
use parking_lot::Mutex;

/// Transactions of one peer per second on average: more than the recovery of signatures keeps up
/// with on a small machine.
const PER_SECOND: f64 = 20_000.0;
/// Transactions of one peer at once before the average counts: what a pool holds.
const BURST: f64 = 40_000.0;
/// Peers remembered before those that are full again are forgotten.
const MAX_PEERS: usize = 1024;
/// Cost of a transaction that was here already.
const DUPLICATE: f64 = 0.1;
/// Cost of bytes that no honest node passes on.
const MALFORMED: f64 = 200.0;

/// What a peer's transaction turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// Taken, or refused by the state of this pool.
    New,
    /// Here already.
    Duplicate,
    /// Wrong in itself.
    Malformed,
}

impl Worth {
    const fn cost(self) -> f64 {
        match self {
            Self::New => 1.0,
            Self::Duplicate => DUPLICATE,
            Self::Malformed => MALFORMED,
        }
    }
}

/// One allowance per peer.
#[derive(Debug, Default)]
pub(crate) struct Quotas(Mutex<HashMap<NodeId, Allowance>>);

#[derive(Clone, Copy, Debug)]
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).max(Duration::ZERO);
        self.left = (self.left + elapsed.as_secs_f64() * PER_SECOND).min(BURST);
        self.at = self.at.max(now);
    }
}

impl Quotas {
    /// How many more a peer may bring.
    pub(crate) fn room(&self, peer: NodeId, now: Instant) -> usize {
        let mut peers = self.0.lock();
        if peers.len() > MAX_PEERS {
            peers.retain(|_, allowance| {
                allowance.refill(now);
                allowance.left < BURST
            });
        }
        let allowance = peers.entry(peer).or_insert(Allowance { left: BURST, at: now });
        allowance.refill(now);
        // At least zero, at most the burst.
        allowance.left as usize
    }

    /// Charges a peer for what it brought.
    pub(crate) fn charge(&self, peer: NodeId, brought: impl Iterator<Item = Worth>) {
        let cost: f64 = brought.map(Worth::cost).sum();
        if let Some(allowance) = self.0.lock().get_mut(&peer) {
            allowance.left -= cost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rubbish_costs_a_peer_its_allowance_and_time_gives_it_back() {
        let (quotas, start) = (Quotas::default(), Instant::now());
        let (bad, good) = (NodeId([1; 32].into()), NodeId([2; 32].into()));
        let bring = |peer, worth| {
            let allowed = quotas.room(peer, start) > 0;
            if allowed {
                quotas.charge(peer, std::iter::once(worth));
            }
            allowed
        };
        assert_eq!((0..1_000).filter(|_| bring(bad, Worth::Malformed)).count(), 200);
        assert_eq!((0..50_000).filter(|_| bring(good, Worth::New)).count(), 40_000);
        assert_eq!((quotas.room(bad, start), quotas.room(good, start)), (0, 0));
        let later = start + Duration::from_millis(10);
        assert_eq!((quotas.room(bad, later), quotas.room(good, later)), (200, 200));
        assert!((0..10_000).all(|_| bring(NodeId([3; 32].into()), Worth::Duplicate)));
    }
}
