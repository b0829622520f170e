//! Forced transactions: queued on the settlement chain, consumed in order by blocks.

use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};

use crate::{Canonical, DecodeError, forced_accumulator};

/// Most entries of the queue that one batch, and so one block, consumes (the coordinator's
/// `maxForcedPerBatch`).
pub const MAX_FORCED_PER_BATCH: u64 = 32;
/// Largest raw transaction in the queue.
pub const MAX_FORCED_BYTES: usize = 32_768;

/// An entry of the forced queue.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct ForcedTransaction {
    /// Place in the queue, from 0.
    pub index: u64,
    /// Settlement account that queued it.
    pub sender: Address,
    /// Settlement block that holds it.
    pub l1_block: u64,
    /// Time of that block, Unix seconds.
    pub enqueued_at: u64,
    /// Settlement time from which batches that leave it out are refused, Unix seconds.
    pub deadline: u64,
    /// Accumulator of the queue after it.
    pub acc: B256,
    /// What should be a signed transaction in EIP-2718 form. Anybody put it there: hostile.
    pub raw: Bytes,
}

impl Canonical for ForcedTransaction {
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = MAX_FORCED_BYTES + 256;

    fn check_bounds(&self) -> Result<(), DecodeError> {
        let bytes = self.raw.len();
        if bytes == 0 || bytes > MAX_FORCED_BYTES {
            return Err(DecodeError::Bounds(format!("a forced transaction of {bytes} bytes")));
        }
        if self.deadline < self.enqueued_at {
            return Err(DecodeError::Bounds("a deadline before the entry".to_owned()));
        }
        Ok(())
    }
}

impl ForcedTransaction {
    /// Whether the accumulator is that of this entry after `previous`, the accumulator of the entry
    /// before it, zero for entry 0.
    #[must_use]
    pub fn extends(&self, previous: B256) -> bool {
        let Self { sender, index, l1_block, enqueued_at, raw, .. } = self;
        self.acc == forced_accumulator(previous, *sender, *index, *l1_block, *enqueued_at, raw)
    }

    /// Block time, in milliseconds, from which a block that leaves the entry out is not voted for:
    /// half of the contract's delay is left for the batch.
    #[must_use]
    pub const fn due_at_ms(&self) -> u64 {
        let half = self.deadline.saturating_sub(self.enqueued_at) / 2;
        self.enqueued_at.saturating_add(half).saturating_mul(1_000)
    }
}

/// What became of an entry when a block consumed it. One byte per entry, in order, is the extra
/// data of the block's execution header, so every node has it and nobody has to run it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ForcedOutcome {
    /// In the block.
    Included = 0,
    /// No signed transaction of a type that this chain takes.
    Malformed = 1,
    /// Signed for another chain, or for none.
    WrongChain = 2,
    /// Larger than the transactions of a block may be.
    TooLarge = 3,
    /// More gas than a block has.
    GasLimit = 4,
    /// The account has used the nonce.
    NonceTooLow = 5,
    /// The account has not come to the nonce.
    NonceTooHigh = 6,
    /// The account cannot pay.
    InsufficientFunds = 7,
    /// The fee does not cover the base fee.
    FeeTooLow = 8,
    /// In the chain already, or twice in this block.
    AlreadyIncluded = 9,
    /// Any other rule of the execution.
    Refused = 10,
}

impl ForcedOutcome {
    /// All of them, by their number.
    pub const ALL: [Self; 11] = [
        Self::Included,
        Self::Malformed,
        Self::WrongChain,
        Self::TooLarge,
        Self::GasLimit,
        Self::NonceTooLow,
        Self::NonceTooHigh,
        Self::InsufficientFunds,
        Self::FeeTooLow,
        Self::AlreadyIncluded,
        Self::Refused,
    ];

    /// Why the entry was skipped, for people; none when it was not.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        Some(match self {
            Self::Included => return None,
            Self::Malformed => "not a signed transaction of type 0, 1 or 2",
            Self::WrongChain => "not signed for this chain",
            Self::TooLarge => "larger than the transactions of a block may be",
            Self::GasLimit => "more gas than a block has",
            Self::NonceTooLow => "nonce too low",
            Self::NonceTooHigh => "nonce too high",
            Self::InsufficientFunds => "insufficient funds for gas * price + value",
            Self::FeeTooLow => "max fee per gas less than block base fee",
            Self::AlreadyIncluded => "already in the chain",
            Self::Refused => "refused by the execution",
        })
    }
}

impl TryFrom<u8> for ForcedOutcome {
    type Error = u8;
    fn try_from(value: u8) -> Result<Self, u8> {
        Self::ALL.get(usize::from(value)).copied().ok_or(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(previous: B256, index: u64, raw: &'static [u8]) -> ForcedTransaction {
        let sender = Address::repeat_byte(3);
        ForcedTransaction {
            index,
            sender,
            l1_block: 7,
            enqueued_at: 1_000,
            deadline: 4_600,
            acc: forced_accumulator(previous, sender, index, 7, 1_000, raw),
            raw: Bytes::from_static(raw),
        }
    }

    #[test]
    fn every_part_of_an_entry_is_in_the_accumulator() {
        let first = entry(B256::ZERO, 0, b"one");
        let second = entry(first.acc, 1, b"two");
        assert!(first.extends(B256::ZERO) && second.extends(first.acc));
        assert!(!second.extends(B256::ZERO));
        let changes: [fn(&mut ForcedTransaction); 5] = [
            |entry| entry.index += 1,
            |entry| entry.sender = Address::ZERO,
            |entry| entry.l1_block += 1,
            |entry| entry.enqueued_at += 1,
            |entry| entry.raw = Bytes::from_static(b"other"),
        ];
        for change in changes {
            let mut changed = second.clone();
            change(&mut changed);
            assert!(!changed.extends(first.acc), "{changed:?}");
        }
    }

    #[test]
    fn an_entry_is_due_half_way_to_its_deadline() {
        assert_eq!(entry(B256::ZERO, 0, b"one").due_at_ms(), 2_800_000);
    }

    #[test]
    fn outcomes_have_their_numbers() {
        for (number, outcome) in (0u8..).zip(ForcedOutcome::ALL) {
            assert_eq!(outcome as u8, number);
            assert_eq!(ForcedOutcome::try_from(number), Ok(outcome));
            assert_eq!(outcome.reason().is_none(), number == 0);
        }
        assert_eq!(ForcedOutcome::try_from(11), Err(11));
    }

    #[test]
    fn entries_survive_and_absurd_ones_do_not() {
        let good = entry(B256::ZERO, 0, b"one");
        assert_eq!(ForcedTransaction::from_canonical(&good.to_canonical()), Ok(good.clone()));
        let empty = ForcedTransaction { raw: Bytes::new(), ..good.clone() };
        let large = ForcedTransaction { raw: vec![0; MAX_FORCED_BYTES + 1].into(), ..good.clone() };
        let early = ForcedTransaction { deadline: 999, ..good };
        for wrong in [empty, large, early] {
            assert!(ForcedTransaction::from_canonical(&wrong.to_canonical()).is_err());
        }
    }
}
