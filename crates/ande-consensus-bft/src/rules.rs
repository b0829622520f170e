//! Rules of the seam that need no execution.

use ande_consensus::StartHeight;
use ande_primitives::{Block, Round};

/// Why the engine cannot run a height. The chain's stored data is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StartError {
    #[error("height {height} does not follow its parent at {parent}")]
    Gap { height: u64, parent: u64 },
    #[error("height {height} is not in epoch {epoch} of its set")]
    Epoch { height: u64, epoch: u64 },
    #[error("the engine decides with more than 2/3 of the weight, the set asks for {num}/{den}")]
    Quorum { num: u16, den: u16 },
    #[error("skip base {got} where the schedule gives {expected}")]
    SkipBase { got: u32, expected: u32 },
}

/// Checks what the chain wants to start.
pub(crate) fn check_start(start: &StartHeight) -> Result<(), StartError> {
    let (set, parent) = (&start.set, &start.parent);
    if start.height != parent.height.next() {
        return Err(StartError::Gap { height: start.height.0, parent: parent.height.0 });
    }
    if !set.contains(start.height) {
        return Err(StartError::Epoch { height: start.height.0, epoch: set.epoch.0 });
    }
    let (num, den) = (set.quorum.num, set.quorum.den);
    if u32::from(num) * 3 > u32::from(den) * 2 {
        return Err(StartError::Quorum { num, den });
    }
    let expected = set.rules.skip_base(parent.height, parent.skip, start.height);
    if start.skip_base != expected {
        return Err(StartError::SkipBase { got: start.skip_base.0, expected: expected.0 });
    }
    Ok(())
}

/// When a block was built, seen from the message that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Built {
    /// In exactly this round: a new proposal.
    In(Round),
    /// In this round or before: a re-proposal or a decided block.
    Until(Round),
}

/// A block that cannot be the next one, whatever its execution says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RuleError {
    #[error("the block is of another chain, era, epoch or height")]
    Place,
    #[error("the block does not extend the tip")]
    Parent,
    #[error("the block is older than its parent")]
    Time,
    #[error("skip count {got} does not fit the round it was proposed in")]
    Skip { got: u32 },
    #[error("the schedule names another proposer")]
    Proposer,
}

/// Checks a block against the height that runs.
pub(crate) fn check_block(
    start: &StartHeight,
    l2_chain_id: u64,
    block: &Block,
    built: Built,
) -> Result<(), RuleError> {
    let header = &block.header;
    let set = &start.set;
    if (header.l2_chain_id, header.era, header.epoch, header.height)
        != (l2_chain_id, set.era, set.epoch, start.height)
    {
        return Err(RuleError::Place);
    }
    if header.parent_hash != start.parent.hash {
        return Err(RuleError::Parent);
    }
    if header.timestamp_ms < start.parent.timestamp_ms {
        return Err(RuleError::Time);
    }
    let fits = match built {
        Built::In(round) => header.skip == start.skip_of(round),
        Built::Until(round) => (start.skip_base..=start.skip_of(round)).contains(&header.skip),
    };
    if !fits {
        return Err(RuleError::Skip { got: header.skip.0 });
    }
    if header.proposer != set.proposer_address(start.height, header.skip) {
        return Err(RuleError::Proposer);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use ande_primitives::{Height, QuorumFraction, Skip};

    use super::*;
    use crate::test_support::{CHAIN, block, set, start};

    #[test]
    fn blocks_of_their_round_fit() {
        let start = start();
        for round in [Round(0), Round(1), Round(5)] {
            let block = block(&start, round);
            assert_eq!(check_block(&start, CHAIN, &block, Built::In(round)), Ok(()));
            assert_eq!(check_block(&start, CHAIN, &block, Built::Until(Round(5))), Ok(()));
        }
    }

    #[test]
    fn blocks_of_another_round_do_not() {
        let start = start();
        let block = block(&start, Round(1));
        for built in [Built::In(Round(0)), Built::In(Round(2)), Built::Until(Round(0))] {
            let skip = RuleError::Skip { got: 3 };
            assert_eq!(check_block(&start, CHAIN, &block, built), Err(skip));
        }
    }

    #[test]
    fn every_field_is_checked() {
        let start = start();
        let refused = |change: &dyn Fn(&mut Block), error: RuleError| {
            let mut block = block(&start, Round(0));
            change(&mut block);
            let result = check_block(&start, CHAIN, &block, Built::In(Round(0)));
            assert_eq!(result, Err(error));
        };
        refused(&|b| b.header.l2_chain_id += 1, RuleError::Place);
        refused(&|b| b.header.era.0 += 1, RuleError::Place);
        refused(&|b| b.header.epoch.0 += 1, RuleError::Place);
        refused(&|b| b.header.height.0 += 1, RuleError::Place);
        refused(&|b| b.header.parent_hash = B256::ZERO, RuleError::Parent);
        refused(&|b| b.header.timestamp_ms -= 1, RuleError::Time);
        refused(&|b| b.header.skip = Skip(0), RuleError::Skip { got: 0 });
        let other = start.proposer(Round(1));
        refused(&|b| b.header.proposer = other, RuleError::Proposer);
    }

    #[test]
    fn heights_that_cannot_run_are_refused() {
        assert_eq!(check_start(&start()), Ok(()));
        let mut gap = start();
        gap.height = Height(13);
        assert!(matches!(check_start(&gap), Err(StartError::Gap { .. })));
        let mut base = start();
        base.skip_base = Skip(0);
        assert_eq!(check_start(&base), Err(StartError::SkipBase { got: 0, expected: 2 }));
        let mut quorum = set();
        quorum.quorum = QuorumFraction { num: 3, den: 4 };
        let quorum = StartHeight { set: quorum.into(), ..start() };
        assert_eq!(check_start(&quorum), Err(StartError::Quorum { num: 3, den: 4 }));
        let mut epoch = set();
        epoch.epoch.0 = 1;
        let epoch = StartHeight { set: epoch.into(), ..start() };
        assert!(matches!(check_start(&epoch), Err(StartError::Epoch { .. })));
    }
}
