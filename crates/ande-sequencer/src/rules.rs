//! Rules a consensus header must satisfy on its parent. Pure: the caller supplies the clock.

use alloy_primitives::B256;
use ande_consensus::{Candidate, StartHeight};
use ande_primitives::{Header, MAX_FORCED_PER_BATCH};

/// Position in the forced-transaction queue after a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ForcedPosition {
    /// Entries consumed.
    pub(crate) up_to: u64,
    /// Accumulator at `up_to`.
    pub(crate) acc: B256,
}

/// What is wrong with a header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// Wrong for ever.
    Invalid(String),
    /// Wrong only by the clock of this node.
    TooEarly(String),
}

/// Checks a candidate's header on `start`, except which forced transactions it consumes. `now_ms` is
/// the local clock, `tolerance_ms` how far ahead of it a timestamp may be.
pub(crate) fn check_header(
    l2_chain_id: u64,
    start: &StartHeight,
    forced: ForcedPosition,
    candidate: &Candidate,
    now_ms: u64,
    tolerance_ms: u64,
) -> Result<(), HeaderFault> {
    let header: &Header = &candidate.block.header;
    let invalid = |what: &str, expected: &dyn core::fmt::Display, got: &dyn core::fmt::Display| {
        Err(HeaderFault::Invalid(format!("{what} is {got}, expected {expected}")))
    };
    if header.l2_chain_id != l2_chain_id {
        return invalid("chain id", &l2_chain_id, &header.l2_chain_id);
    }
    if header.height != start.height {
        return invalid("height", &start.height, &header.height);
    }
    if header.era != start.set.era {
        return invalid("era", &start.set.era, &header.era);
    }
    if header.epoch != start.set.epoch {
        return invalid("epoch", &start.set.epoch, &header.epoch);
    }
    if header.parent_hash != start.parent.hash {
        return invalid("parent hash", &start.parent.hash, &header.parent_hash);
    }
    let latest_skip = start.skip_of(candidate.round);
    if header.skip < start.skip_base || header.skip > latest_skip {
        let expected = format!("{} to {latest_skip}", start.skip_base);
        return invalid("skip", &expected, &header.skip);
    }
    let builder = start.set.proposer_address(start.height, header.skip);
    if header.proposer != builder {
        return invalid("proposer", &builder, &header.proposer);
    }
    if header.timestamp_ms < start.parent.timestamp_ms {
        return invalid("timestamp", &start.parent.timestamp_ms, &header.timestamp_ms);
    }
    // Which entries are consumed is judged with the queue.
    let consumed = header.forced_up_to.checked_sub(forced.up_to);
    let moves = match consumed {
        Some(0) => header.forced_acc == forced.acc,
        Some(count) => count <= MAX_FORCED_PER_BATCH,
        None => false,
    };
    if !moves {
        let expected = format!("{} and at most {MAX_FORCED_PER_BATCH} more", forced.up_to);
        return invalid("forced position", &expected, &header.forced_up_to);
    }
    if let Err(error) = candidate.block.check() {
        return Err(HeaderFault::Invalid(error.to_string()));
    }
    if header.timestamp_ms > now_ms.saturating_add(tolerance_ms) {
        return Err(HeaderFault::TooEarly(format!(
            "timestamp {} ms is {} ms ahead of this node's clock",
            header.timestamp_ms,
            header.timestamp_ms.saturating_sub(now_ms)
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use alloy_primitives::{Address, Bytes, keccak256};
    use ande_consensus::Parent;
    use ande_primitives::{
        Block, Committee, Epoch, EpochSet, Era, Height, Member, QuorumFraction, Round,
        ScheduleMode, ScheduleRules, Skip,
    };

    use super::*;

    const CHAIN: u64 = 6174;
    const NOW: u64 = 1_000_000;

    fn start() -> StartHeight {
        let members = (1u8..=4)
            .map(|id| Member { signer: Address::repeat_byte(id), weight: 10, id: u32::from(id) })
            .collect();
        let set = EpochSet {
            era: Era(0),
            epoch: Epoch(0),
            set_id: 1,
            seed: B256::repeat_byte(7),
            rules: ScheduleRules::new(ScheduleMode::RoundRobin, 10, 6, 10).unwrap(),
            quorum: QuorumFraction::TWO_THIRDS,
            committee: Committee::new(members).unwrap(),
            l1_block: 1,
        };
        let parent = Parent {
            height: Height(4),
            hash: B256::repeat_byte(4),
            skip: Skip(1),
            timestamp_ms: NOW - 200,
        };
        StartHeight::after(parent, Arc::new(set))
    }

    fn candidate(start: &StartHeight, round: Round) -> Candidate {
        let execution = Bytes::from_static(b"header");
        let skip = start.skip_of(round);
        let proposer = start.proposer(round);
        let header = Header {
            l2_chain_id: CHAIN,
            era: Era(0),
            epoch: Epoch(0),
            height: start.height,
            skip,
            parent_hash: start.parent.hash,
            proposer,
            timestamp_ms: NOW,
            forced_up_to: 0,
            forced_acc: B256::ZERO,
            execution_hash: keccak256(&execution),
        };
        let block = Block { header, execution, transactions: Vec::new() };
        Candidate { block, round, valid_round: None, proposer }
    }

    fn verdict(candidate: &Candidate) -> Result<(), HeaderFault> {
        check_header(CHAIN, &start(), ForcedPosition::default(), candidate, NOW, 5_000)
    }

    #[test]
    fn the_scheduled_block_of_any_round_is_accepted() {
        for round in 0..9 {
            assert_eq!(verdict(&candidate(&start(), Round(round))), Ok(()));
        }
    }

    #[test]
    fn a_block_built_in_an_earlier_round_is_accepted_again() {
        let mut again = candidate(&start(), Round(1));
        again.round = Round(5);
        again.valid_round = Some(Round(1));
        assert_eq!(verdict(&again), Ok(()));
    }

    #[test]
    fn every_wrong_field_is_named() {
        type Change = fn(&mut Header);
        let changes: [(&str, Change); 9] = [
            ("chain id", |h| h.l2_chain_id += 1),
            ("height", |h| h.height = h.height.next()),
            ("era", |h| h.era = h.era.next()),
            ("epoch", |h| h.epoch = h.epoch.next()),
            ("parent hash", |h| h.parent_hash = B256::ZERO),
            ("skip", |h| h.skip = Skip(0)),
            ("proposer", |h| h.proposer = Address::ZERO),
            ("timestamp", |h| h.timestamp_ms = NOW - 201),
            ("forced position", |h| h.forced_acc = B256::repeat_byte(1)),
        ];
        for (what, change) in changes {
            let mut wrong = candidate(&start(), Round(0));
            change(&mut wrong.block.header);
            match verdict(&wrong) {
                Err(HeaderFault::Invalid(reason)) => {
                    assert!(reason.starts_with(what), "{what}: {reason}");
                }
                other => panic!("{what}: {other:?}"),
            }
        }
    }

    #[test]
    fn at_most_a_batch_full_of_forced_transactions_is_consumed() {
        for (up_to, accepted) in [(1, true), (32, true), (33, false), (u64::MAX, false)] {
            let mut block = candidate(&start(), Round(0));
            block.block.header.forced_up_to = up_to;
            block.block.header.forced_acc = B256::repeat_byte(1);
            assert_eq!(verdict(&block).is_ok(), accepted, "{up_to}");
        }
        let back = candidate(&start(), Round(0));
        let position = ForcedPosition { up_to: 1, acc: B256::ZERO };
        let verdict = check_header(CHAIN, &start(), position, &back, NOW, 5_000);
        assert!(matches!(verdict, Err(HeaderFault::Invalid(_))), "{verdict:?}");
    }

    #[test]
    fn a_skip_beyond_the_round_is_invalid() {
        let mut early = candidate(&start(), Round(3));
        early.round = Round(2);
        assert!(matches!(verdict(&early), Err(HeaderFault::Invalid(_))));
    }

    #[test]
    fn a_timestamp_ahead_of_the_clock_is_not_voted_for_yet() {
        let mut early = candidate(&start(), Round(0));
        early.block.header.timestamp_ms = NOW + 5_001;
        assert!(matches!(verdict(&early), Err(HeaderFault::TooEarly(_))));
    }

    #[test]
    fn an_execution_header_that_is_not_the_named_one_is_invalid() {
        let mut other = candidate(&start(), Round(0));
        other.block.execution = Bytes::from_static(b"another");
        assert!(matches!(verdict(&other), Err(HeaderFault::Invalid(_))));
    }
}
