//! Forced transactions in blocks: which entries of the queue a block consumes, and which it must.

use std::time::{Duration, Instant};

use alloy_rlp::Encodable as _;
use ande_consensus::{AppError, Verdict};
use ande_execution::{ForcedInput, Payload};
use ande_failpoint::corrupts;
use ande_pool::{BlockRoom, PoolError, PooledTransaction};
use ande_primitives::{ForcedOutcome, ForcedTransaction, Header, Height, MAX_FORCED_PER_BATCH};
use parking_lot::Mutex;

use crate::{Chain, chain::chain_of, rules::ForcedPosition};

/// How long blocks that leave out a due entry are refused at one position in the queue. Some honest
/// proposer had its turn by then: if its block did not get through, too many validators do not know
/// the entry yet, and an opinion about it must not stop the chain. The contract's deadline stays.
const INSISTENCE: Duration = Duration::from_secs(60);

/// Entries that a block consumes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forced {
    /// For the executor.
    pub(crate) inputs: Vec<ForcedInput>,
    /// Position after them; none without entries.
    pub(crate) position: Option<ForcedPosition>,
    /// Most bytes and gas that they take of the block.
    pub(crate) bytes: usize,
    pub(crate) gas: u64,
}

impl Forced {
    /// Adds an entry if it fits into a block after those before; false when it does not. One that
    /// could not be in any block is consumed without being executed.
    pub(crate) fn take(
        &mut self,
        entry: ForcedTransaction,
        transaction: Result<PooledTransaction, PoolError>,
        room: &BlockRoom,
    ) -> bool {
        if self.inputs.len() as u64 >= MAX_FORCED_PER_BATCH {
            return false;
        }
        let input = match transaction {
            Err(error) => Err(outcome_of(&error)),
            Ok(_) if entry.raw.length() > room.bytes => Err(ForcedOutcome::TooLarge),
            Ok(transaction) if transaction.gas_limit() > room.gas => Err(ForcedOutcome::GasLimit),
            Ok(transaction) => {
                let bytes = self.bytes.saturating_add(entry.raw.length());
                let gas = self.gas.saturating_add(transaction.gas_limit());
                if bytes > room.bytes || gas > room.gas {
                    return false;
                }
                (self.bytes, self.gas) = (bytes, gas);
                Ok(entry.raw)
            }
        };
        self.inputs.push(input);
        self.position = Some(ForcedPosition { up_to: entry.index + 1, acc: entry.acc });
        true
    }
}

/// Why bytes that are no transaction of this chain are skipped.
fn outcome_of(error: &PoolError) -> ForcedOutcome {
    match error {
        PoolError::ChainId { .. } | PoolError::Unprotected => ForcedOutcome::WrongChain,
        PoolError::TipAboveMaxFee { .. }
        | PoolError::NonceMax
        | PoolError::InitCodeSize { .. }
        | PoolError::IntrinsicGas { .. } => ForcedOutcome::Refused,
        _ => ForcedOutcome::Malformed,
    }
}

/// The position in the queue at which this node insists on due entries, and since when. Candidates
/// that leave out different entries share the time, so that no proposer can make it begin again.
#[derive(Debug, Default)]
pub(crate) struct Insistence(Mutex<Option<(u64, Instant)>>);

impl Insistence {
    /// Whether a block on `position` that leaves out a due entry is refused at `now`.
    pub(crate) fn refuses(&self, position: u64, now: Instant) -> bool {
        let mut insisted = self.0.lock();
        match *insisted {
            Some((known, since)) if known == position => {
                now.saturating_duration_since(since) < INSISTENCE
            }
            _ => {
                *insisted = Some((position, now));
                true
            }
        }
    }
}

impl Chain {
    /// The forced entries that a candidate consumes; `Err` is the verdict when they are not the next
    /// ones of the queue, or when it leaves out one that is due.
    ///
    /// What this node does not know yet it cannot judge: neither an entry that is there, nor that
    /// one is left out. Knowing grows, so a verdict that depends on it is never for ever.
    pub(crate) async fn judge_forced(
        &self,
        before: ForcedPosition,
        header: &Header,
    ) -> Result<Vec<ForcedInput>, Verdict> {
        let from = before.up_to;
        let count = usize::try_from(header.forced_up_to.saturating_sub(from)).unwrap_or(usize::MAX);
        // In the era that an escape batch began everybody knows what it consumed.
        let owed = self.parts.store.escaped_up_to(header.height).saturating_sub(from) as usize;
        let entries = self
            .parts
            .store
            .forced(from, count.saturating_add(1).max(owed))
            .await
            .map_err(|error| Verdict::Unknown(chain_of(&error)))?;
        if entries.len() < count.max(owed) {
            let first = from + entries.len() as u64;
            return Err(Verdict::Unknown(format!(
                "forced transaction {first} is not final on the settlement chain here yet"
            )));
        }
        let acc = count.checked_sub(1).and_then(|last| entries.get(last)).map(|entry| entry.acc);
        if let Some(acc) = acc.filter(|acc| *acc != header.forced_acc) {
            return Err(Verdict::Invalid(format!(
                "the accumulator of the forced queue is {}, expected {acc}",
                header.forced_acc
            )));
        }
        let next = entries.get(count).map(|entry| (entry.index, entry.due_at_ms()));
        let mut forced =
            self.parts.pool.plan_forced(entries).await.map_err(Verdict::Unknown)?.inputs;
        if forced.len() < count {
            return Err(Verdict::Invalid(format!(
                "{count} forced transactions do not fit into one block"
            )));
        }
        if count < owed.min(forced.len()) {
            return Err(Verdict::Invalid(format!(
                "forced transaction {} is in an escape batch and left out",
                from + count as u64
            )));
        }
        if let Some((index, due_at_ms)) = next
            && forced.len() > count
            && header.timestamp_ms >= due_at_ms
            && self.insistence.refuses(from, Instant::now())
        {
            return Err(Verdict::Unknown(format!(
                "forced transaction {index} is due and left out"
            )));
        }
        forced.truncate(count);
        Ok(forced)
    }

    /// What the next block consumes of the forced queue: all that fits.
    pub(crate) async fn next_forced(
        &self,
        before: ForcedPosition,
        height: Height,
    ) -> Result<Forced, AppError> {
        let settled = self.parts.l1.borrow().forced.settled(self.parts.config.forced_settling);
        let settled = settled.max(self.parts.store.escaped_up_to(height));
        let waiting = settled.saturating_sub(before.up_to).min(MAX_FORCED_PER_BATCH);
        if waiting == 0 || corrupts("build-without-forced") {
            return Ok(Forced::default());
        }
        let entries = self
            .parts
            .store
            .forced(before.up_to, waiting as usize)
            .await
            .map_err(|error| AppError::Unavailable(chain_of(&error)))?;
        self.parts.pool.plan_forced(entries).await.map_err(AppError::Unavailable)
    }

    /// Resolves when a block could consume entries of the forced queue after `consumed`.
    pub(crate) async fn wait_for_forced(&self, consumed: u64) {
        let mut l1 = self.parts.l1.clone();
        let settling = self.parts.config.forced_settling;
        loop {
            if l1.wait_for(|view| view.forced.tail > consumed).await.is_err() {
                return std::future::pending().await;
            }
            if l1.borrow().forced.settled(settling) > consumed {
                return;
            }
            tokio::time::sleep(settling).await;
        }
    }
}

/// Checks that a block says what became of each forced entry that it consumes; how many it includes.
pub(crate) fn check_outcomes(
    before: ForcedPosition,
    header: &Header,
    payload: &Payload,
) -> Result<usize, String> {
    let outcomes = payload.forced_outcomes().map_err(|error| error.to_string())?;
    let consumed = header.forced_up_to.saturating_sub(before.up_to);
    if outcomes.len() as u64 != consumed {
        let known = outcomes.len();
        return Err(format!(
            "{consumed} forced transactions are consumed, {known} have an outcome"
        ));
    }
    let included = count_included(&outcomes);
    if included > payload.transactions.len() {
        return Err(format!("{included} forced transactions are not in the block"));
    }
    Ok(included)
}

pub(crate) fn count_included(outcomes: &[ForcedOutcome]) -> usize {
    outcomes.iter().filter(|outcome| **outcome == ForcedOutcome::Included).count()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256, Bytes};
    use proptest::prelude::*;

    use super::*;

    const ROOM: BlockRoom = BlockRoom { transactions: 10, bytes: 1_000, gas: 100_000 };

    fn entry(index: u64, bytes: usize) -> ForcedTransaction {
        ForcedTransaction {
            index,
            sender: Address::ZERO,
            l1_block: 1,
            enqueued_at: 1,
            deadline: 2,
            acc: B256::with_last_byte(index as u8),
            raw: vec![1; bytes].into(),
        }
    }

    /// A legacy transaction with this gas limit; only that is looked at.
    fn transaction(gas: u64) -> PooledTransaction {
        use alloy::consensus::{SignableTransaction as _, TxEnvelope, TxLegacy};
        use alloy::eips::eip2718::Encodable2718 as _;
        let signature = alloy::primitives::Signature::new(
            alloy_primitives::U256::from(1),
            alloy_primitives::U256::from(1),
            false,
        );
        let tx = TxLegacy {
            chain_id: Some(1),
            gas_limit: gas,
            to: alloy_primitives::TxKind::Call(Address::ZERO),
            ..Default::default()
        };
        let raw: Bytes = TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into();
        PooledTransaction::of_sender(raw, 1, Address::repeat_byte(1)).unwrap()
    }

    #[test]
    fn what_no_block_could_hold_is_skipped_and_the_rest_waits() {
        let mut forced = Forced::default();
        assert!(forced.take(entry(0, 100), Err(PoolError::Unprotected), &ROOM));
        assert!(forced.take(entry(1, 2_000), Ok(transaction(21_000)), &ROOM));
        assert!(forced.take(entry(2, 100), Ok(transaction(100_001)), &ROOM));
        assert!(forced.take(entry(3, 100), Ok(transaction(60_000)), &ROOM));
        assert!(!forced.take(entry(4, 100), Ok(transaction(60_000)), &ROOM), "no gas left");
        assert!(!forced.take(entry(4, 950), Ok(transaction(21_000)), &ROOM), "no bytes left");
        assert!(forced.take(entry(4, 950), Err(PoolError::InvalidSender), &ROOM));
        let outcomes: Vec<_> = forced.inputs.iter().map(|input| input.clone().err()).collect();
        use ForcedOutcome::{GasLimit, Malformed, TooLarge, WrongChain};
        let expected = [Some(WrongChain), Some(TooLarge), Some(GasLimit), None, Some(Malformed)];
        assert_eq!(outcomes, expected);
        let position = ForcedPosition { up_to: 5, acc: B256::with_last_byte(4) };
        assert_eq!(forced.position, Some(position));
        assert_eq!(forced.gas, 60_000);
    }

    #[test]
    fn due_entries_are_insisted_on_for_a_while_at_each_position() {
        let insistence = Insistence::default();
        let start = Instant::now();
        assert!(insistence.refuses(3, start));
        assert!(insistence.refuses(3, start + INSISTENCE / 2));
        assert!(!insistence.refuses(3, start + INSISTENCE));
        assert!(!insistence.refuses(3, start + 2 * INSISTENCE));
        assert!(insistence.refuses(4, start + 2 * INSISTENCE));
    }

    proptest! {
        /// More entries never change what becomes of the first ones, the first one is always
        /// consumed, and the limits hold.
        #[test]
        fn the_plan_is_the_longest_prefix_that_fits(
            sizes in proptest::collection::vec((1usize..1_200, 21_000u64..120_000, any::<bool>()), 1..40),
        ) {
            let plan = |count: usize| {
                let mut forced = Forced::default();
                for (index, (bytes, gas, good)) in sizes.iter().take(count).enumerate() {
                    let judged =
                        if *good { Ok(transaction(*gas)) } else { Err(PoolError::InvalidSender) };
                    if !forced.take(entry(index as u64, *bytes), judged, &ROOM) {
                        break;
                    }
                }
                forced
            };
            let all = plan(sizes.len());
            prop_assert!(!all.inputs.is_empty() && all.inputs.len() as u64 <= MAX_FORCED_PER_BATCH);
            prop_assert!(all.bytes <= ROOM.bytes && all.gas <= ROOM.gas);
            let mut before = 0;
            for count in 1..=sizes.len() {
                let some = plan(count);
                prop_assert_eq!(some.inputs.len(), all.inputs.len().min(count));
                prop_assert_eq!(&some.inputs[..], &all.inputs[..some.inputs.len()]);
                prop_assert!(some.inputs.len() >= before);
                before = some.inputs.len();
            }
        }
    }
}
