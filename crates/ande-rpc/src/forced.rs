//! `ande_forcedTransaction`: what became of an entry of the forced queue.

use std::sync::Arc;

use alloy_primitives::{Address, B256, keccak256};
use ande_execution::Payload;
use ande_primitives::{ForcedOutcome, Height};
use serde::Serialize;

use crate::{RpcError, ande::MAX_STORED, args::Args, context::Context};

/// Where a forced transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ForcedStatus {
    /// Final on the settlement chain, in no block.
    Waiting,
    /// In a block.
    Included,
    /// A block passed it over because it cannot be executed.
    Skipped,
}

/// An entry of the forced queue of the settlement chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForcedView {
    /// Place in the queue, from 0.
    pub index: u64,
    /// Settlement account that queued it.
    pub sender: Address,
    /// Keccak-256 of its bytes: the hash of the transaction, if it is one.
    pub tx_hash: B256,
    /// Settlement block that holds it.
    pub l1_block: u64,
    /// Time of that block, Unix seconds.
    pub enqueued_at: u64,
    /// Settlement time from which batches that leave it out are refused, Unix seconds.
    pub deadline: u64,
    /// What became of it.
    pub status: ForcedStatus,
    /// Why it was skipped, as a word.
    pub outcome: Option<ForcedOutcome>,
    /// Why it was skipped.
    pub reason: Option<&'static str>,
    /// Block that consumed it.
    pub block_number: Option<Height>,
    /// Ethereum hash of that block.
    pub block_hash: Option<B256>,
}

pub(crate) async fn forced_transaction(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<ForcedView>, RpcError> {
    let index = args.index(0)?;
    if index >= MAX_STORED {
        return Ok(None);
    }
    let entries = context.services.store.forced(index, 1).await?;
    let Some(entry) = entries.into_iter().find(|entry| entry.index == index) else {
        return Ok(None);
    };
    let mut view = ForcedView {
        index,
        sender: entry.sender,
        tx_hash: keccak256(&entry.raw),
        l1_block: entry.l1_block,
        enqueued_at: entry.enqueued_at,
        deadline: entry.deadline,
        status: ForcedStatus::Waiting,
        outcome: None,
        reason: None,
        block_number: None,
        block_hash: None,
    };
    let Some(height) = consumed_at(&context, index).await? else { return Ok(Some(view)) };
    let Some(commit) = context.commit_at(height).await? else { return Ok(Some(view)) };
    let outcomes = Payload::of_block(&commit.block)
        .forced_outcomes()
        .map_err(|_| RpcError::Internal("a stored block cannot be read"))?;
    let first = commit.block.header.forced_up_to.saturating_sub(outcomes.len() as u64);
    let place = usize::try_from(index.saturating_sub(first)).unwrap_or(usize::MAX);
    let Some(outcome) = outcomes.get(place).copied() else {
        return Err(RpcError::Internal("a stored block does not say what became of it"));
    };
    view.reason = outcome.reason();
    (view.status, view.outcome) = match view.reason {
        None => (ForcedStatus::Included, None),
        Some(_) => (ForcedStatus::Skipped, Some(outcome)),
    };
    view.block_number = Some(height);
    view.block_hash = Some(commit.block.header.execution_hash);
    Ok(Some(view))
}

/// The block that consumed an entry: the position in the queue never goes back, so it is found by
/// halving.
async fn consumed_at(context: &Context, index: u64) -> Result<Option<Height>, RpcError> {
    let latest = context.heads().latest;
    // Blocks up to `low` have not come to it, `high` has.
    let (mut low, mut high) = (0, latest.0);
    if !is_past(context, latest, index).await? {
        return Ok(None);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if is_past(context, Height(middle), index).await? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(Some(Height(high)))
}

async fn is_past(context: &Context, height: Height, index: u64) -> Result<bool, RpcError> {
    let commit = context.commit_at(height).await?;
    Ok(commit.is_some_and(|commit| commit.block.header.forced_up_to > index))
}
