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
        Built::Until(round) => {
            (start.skip_base..=start.skip_of(round)).contains(&header.skip)
        }
    };
    if !fits {
        return Err(RuleError::Skip { got: header.skip.0 });
    }
    if header.proposer != set.proposer_address(start.height, header.skip) {
        return Err(RuleError::Proposer);
    }
    Ok(())
}
