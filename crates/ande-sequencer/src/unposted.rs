//! How much of the chain the settlement chain has not accepted, and how much room that leaves.

use std::collections::VecDeque;

use ande_primitives::Height;

/// Sizes of the blocks after the last accepted batch.
#[derive(Debug, Default)]
pub(crate) struct Unposted {
    blocks: VecDeque<(Height, usize)>,
    bytes: usize,
}

impl Unposted {
    /// Adds the next block.
    pub(crate) fn push(&mut self, height: Height, bytes: usize) {
        self.blocks.push_back((height, bytes));
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Bytes of the blocks above the last accepted one.
    pub(crate) fn bytes(&mut self, accepted: Height) -> usize {
        self.forget(accepted);
        self.bytes
    }

    /// Takes accepted blocks out.
    pub(crate) fn forget(&mut self, accepted: Height) {
        while let Some((height, bytes)) = self.blocks.front()
            && *height <= accepted
        {
            self.bytes = self.bytes.saturating_sub(*bytes);
            self.blocks.pop_front();
        }
    }
}

/// Bytes of transactions that the next block may have: all up to `limit` unposted bytes, then less
/// and less, nothing from twice as many on. Posting so always catches up, and nothing oscillates.
pub(crate) fn room(full: usize, unposted: usize, limit: usize) -> usize {
    let limit = limit.max(1);
    let over = unposted.saturating_sub(limit).min(limit);
    let left = (full as u128) * ((limit - over) as u128) / (limit as u128);
    usize::try_from(left).unwrap_or(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_falls_between_the_limit_and_twice_the_limit() {
        assert_eq!(room(1_000, 0, 100), 1_000);
        assert_eq!(room(1_000, 100, 100), 1_000);
        assert_eq!(room(1_000, 125, 100), 750);
        assert_eq!(room(1_000, 199, 100), 10);
        assert_eq!(room(1_000, 200, 100), 0);
        assert_eq!(room(1_000, usize::MAX, 100), 0);
        assert_eq!(room(usize::MAX, 0, usize::MAX), usize::MAX);
        assert_eq!(room(1_000, 5, 0), 0);
    }

    #[test]
    fn accepted_blocks_do_not_count() {
        let mut unposted = Unposted::default();
        for height in 1..=5 {
            unposted.push(Height(height), 10);
        }
        assert_eq!(unposted.bytes(Height(0)), 50);
        assert_eq!(unposted.bytes(Height(3)), 20);
        unposted.push(Height(6), 7);
        assert_eq!(unposted.bytes(Height(3)), 27);
        // A reorganisation of the settlement chain takes acceptances back; that is not counted.
        assert_eq!(unposted.bytes(Height(1)), 27);
        assert_eq!(unposted.bytes(Height(9)), 0);
    }
}
