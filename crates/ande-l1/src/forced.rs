//! The forced queue of the coordinator, read at one block.

use std::ops::Range;

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, U256},
    rpc::types::{Filter, Log},
    sol_types::SolEvent as _,
};
use ande_contracts::AndeSequencerCoordinator as Coordinator;
use ande_primitives::{Canonical as _, ForcedTransaction};

use crate::{L1Block, L1Client, L1Error};

/// Number of entries ever queued, at `block`.
///
/// # Errors
/// When the chain cannot be asked.
pub(crate) async fn forced_tail(
    client: &L1Client,
    coordinator: Address,
    block: &L1Block,
) -> Result<u64, L1Error> {
    let at = BlockId::hash(block.hash);
    Ok(client.call(coordinator, &Coordinator::forcedStateCall {}, at).await?.tail)
}

/// Reads the entries `from..to` at `block`, which must be final. `previous` is the accumulator
/// before `from`. The bytes are in events; the accumulator of the contract proves that they are the
/// queued ones, in order, whoever answered. So many as `from..to` are read and held at once.
///
/// # Errors
/// When the chain cannot be asked, or what it answers is not the queue.
pub(crate) async fn read_forced(
    client: &L1Client,
    coordinator: Address,
    from: u64,
    to: u64,
    mut previous: B256,
    block: &L1Block,
) -> Result<Vec<ForcedTransaction>, L1Error> {
    let at = BlockId::hash(block.hash);
    let delay = client.call(coordinator, &Coordinator::forcedDelayCall {}, at).await?;
    let mut entries = Vec::new();
    // Entries of one block come with one question.
    let mut logs: (u64, Vec<Log>) = (0, Vec::new());
    for index in from..to {
        let stored = client.call(coordinator, &Coordinator::forcedEntryCall { index }, at).await?;
        if stored.l1Block == 0 || stored.l1Block > block.number {
            return Err(wrong(
                coordinator,
                format!("entry {index} is in block {}", stored.l1Block),
            ));
        }
        if logs.0 != stored.l1Block {
            let events = enqueued_in(client, coordinator, index..to, stored.l1Block).await?;
            logs = (stored.l1Block, events);
        }
        let event = event_of(coordinator, index, &logs.1)?;
        let entry = ForcedTransaction {
            index,
            sender: event.sender,
            l1_block: stored.l1Block,
            enqueued_at: stored.enqueuedAt,
            deadline: stored.enqueuedAt.saturating_add(delay),
            acc: stored.acc,
            raw: event.rawTx,
        };
        entry.check_bounds().map_err(|error| wrong(coordinator, error.to_string()))?;
        if !entry.extends(previous) {
            let reason = format!("the accumulator of entry {index} is not that of its content");
            return Err(wrong(coordinator, reason));
        }
        previous = entry.acc;
        entries.push(entry);
    }
    Ok(entries)
}

/// The events of entries in a block. Their number is bounded by `entries`: anybody can fill a block
/// with them.
async fn enqueued_in(
    client: &L1Client,
    coordinator: Address,
    entries: Range<u64>,
    block: u64,
) -> Result<Vec<Log>, L1Error> {
    let filter = Filter::new()
        .address(coordinator)
        .event_signature(Coordinator::ForcedEnqueued::SIGNATURE_HASH)
        .topic1(entries.map(topic_of).collect::<Vec<_>>())
        .from_block(block)
        .to_block(block);
    client.logs(&filter).await
}

fn event_of(
    coordinator: Address,
    index: u64,
    logs: &[Log],
) -> Result<Coordinator::ForcedEnqueued, L1Error> {
    let topic = topic_of(index);
    let log = logs
        .iter()
        .find(|log| log.address() == coordinator && log.topics().get(1) == Some(&topic))
        .ok_or_else(|| wrong(coordinator, format!("there is no event of entry {index}")))?;
    Coordinator::ForcedEnqueued::decode_log(&log.inner)
        .map(|log| log.data)
        .map_err(|error| wrong(coordinator, format!("event of entry {index}: {error}")))
}

fn topic_of(index: u64) -> B256 {
    B256::from(U256::from(index))
}

fn wrong(address: Address, reason: String) -> L1Error {
    L1Error::WrongAnswer { address, call: "forcedEntry(uint64)", reason }
}
