//! Filters of polling clients: a bounded number, forgotten when nobody asks.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::rpc::types::{Filter, FilterBlockOption, FilterChanges, Log, Transaction};
use alloy_primitives::B256;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::broadcast::{Receiver, error::TryRecvError};

use crate::{RpcError, args::Args, blocks::eth_transaction, context::Context, logs};

/// Alternatives of a log filter that count as one more filter.
const ALTERNATIVES_PER_PLACE: usize = 32;
/// Most hashes of one answer.
const MAX_HASHES: u64 = 10_000;

/// What a filter waits for.
#[derive(Debug)]
enum Kind {
    Blocks,
    Logs(Box<Filter>),
    Transactions { arrivals: Receiver<B256>, full: bool },
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    /// First block that was not told of.
    next: u64,
    touched: Instant,
    places: usize,
}

/// The filters of all clients. Their names cannot be guessed.
#[derive(Debug)]
pub(crate) struct Filters {
    entries: Mutex<HashMap<String, Entry>>,
    most: usize,
    lifetime: Duration,
}

impl Filters {
    pub(crate) fn new(most: usize, lifetime: Duration) -> Self {
        Self { entries: Mutex::default(), most, lifetime }
    }

    fn insert(&self, kind: Kind, next: u64) -> Result<String, RpcError> {
        let places = match &kind {
            Kind::Logs(filter) => {
                let topics: usize = filter.topics.iter().map(|topic| topic.len()).sum();
                1 + (filter.address.len() + topics) / ALTERNATIVES_PER_PLACE
            }
            _ => 1,
        };
        let now = Instant::now();
        let mut entries = self.entries.lock();
        let taken = |entries: &HashMap<String, Entry>| -> usize {
            entries.values().map(|entry| entry.places).sum()
        };
        if taken(&entries) + places > self.most {
            entries.retain(|_, entry| now.duration_since(entry.touched) < self.lifetime);
            if taken(&entries) + places > self.most {
                return Err(RpcError::TooLarge("too many filters".into()));
            }
        }
        let id = format!("{:#x}", rand::random::<u128>());
        entries.insert(id.clone(), Entry { kind, next, touched: now, places });
        Ok(id)
    }

    fn remove(&self, id: &str) -> bool {
        let removed = self.entries.lock().remove(id);
        removed.is_some_and(|entry| entry.touched.elapsed() < self.lifetime)
    }

    /// Works on a living filter and keeps it alive.
    fn with<T>(&self, id: &str, work: impl FnOnce(&mut Entry) -> T) -> Result<T, RpcError> {
        let mut entries = self.entries.lock();
        let now = Instant::now();
        if let Some(entry) = entries.get_mut(id) {
            if now.duration_since(entry.touched) < self.lifetime {
                entry.touched = now;
                return Ok(work(entry));
            }
            entries.remove(id);
        }
        Err(not_found())
    }
}

fn not_found() -> RpcError {
    RpcError::Failed("filter not found".into())
}

/// Filter ids are what this node gave out; a number names none of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum FilterId {
    Text(String),
    Number(u64),
}

impl FilterId {
    fn of(args: &Args) -> Result<String, RpcError> {
        Ok(match args.required(0)? {
            Self::Text(id) => id,
            Self::Number(number) => number.to_string(),
        })
    }
}

pub(crate) async fn new_filter(context: Arc<Context>, args: Args) -> Result<String, RpcError> {
    let filter = logs::filter(&args, 0)?;
    if let FilterBlockOption::Range { from_block, to_block } = filter.block_option
        && from_block.is_some()
        && to_block.is_some()
    {
        logs::range_of(&context, from_block, to_block)?;
    }
    let next = context.heads().latest.next().0;
    context.filters.insert(Kind::Logs(Box::new(filter)), next)
}

pub(crate) async fn new_block_filter(context: Arc<Context>, _: Args) -> Result<String, RpcError> {
    let next = context.heads().latest.next().0;
    context.filters.insert(Kind::Blocks, next)
}

pub(crate) async fn new_pending_transaction_filter(
    context: Arc<Context>,
    args: Args,
) -> Result<String, RpcError> {
    let full = args.optional(0)?.unwrap_or(false);
    let arrivals = context.arrivals()?;
    context.filters.insert(Kind::Transactions { arrivals, full }, 0)
}

pub(crate) async fn uninstall_filter(context: Arc<Context>, args: Args) -> Result<bool, RpcError> {
    Ok(context.filters.remove(&FilterId::of(&args)?))
}

pub(crate) async fn get_filter_logs(
    context: Arc<Context>,
    args: Args,
) -> Result<Vec<Log>, RpcError> {
    let filter = context.filters.with(&FilterId::of(&args)?, |entry| match &entry.kind {
        Kind::Logs(filter) => Some(filter.clone()),
        Kind::Blocks | Kind::Transactions { .. } => None,
    })?;
    logs::search(&context, &*filter.ok_or_else(not_found)?).await
}

/// What there is to tell.
enum Changes {
    Blocks(u64),
    Logs(u64, Box<Filter>),
    Transactions(Vec<B256>, bool),
}

pub(crate) async fn get_filter_changes(
    context: Arc<Context>,
    args: Args,
) -> Result<FilterChanges, RpcError> {
    let id = FilterId::of(&args)?;
    let changes = context.filters.with(&id, |entry| match &mut entry.kind {
        Kind::Blocks => Changes::Blocks(entry.next),
        Kind::Logs(filter) => Changes::Logs(entry.next, filter.clone()),
        Kind::Transactions { arrivals, full } => Changes::Transactions(drain(arrivals), *full),
    })?;
    let latest = context.heads().latest.0;
    let (from, next, answer) = match changes {
        Changes::Transactions(hashes, false) => return Ok(FilterChanges::Hashes(hashes)),
        Changes::Transactions(hashes, true) => {
            return Ok(FilterChanges::Transactions(pooled(&context, &hashes)?));
        }
        Changes::Blocks(from) => {
            let last = latest.min(from.saturating_add(MAX_HASHES - 1));
            let headers = context.sealed_range(from..=last).await?;
            let hashes = headers.iter().map(|sealed| sealed.hash).collect();
            (from, last + 1, FilterChanges::Hashes(hashes))
        }
        Changes::Logs(from, filter) => {
            let (first, mut last) = match filter.block_option {
                FilterBlockOption::Range { from_block, to_block } => (
                    from_block.and_then(|tag| tag.as_number()).map_or(from, |n| n.max(from)),
                    to_block.and_then(|tag| tag.as_number()).map_or(latest, |n| n.min(latest)),
                ),
                // A block that exists already.
                FilterBlockOption::AtBlockHash(_) => return Ok(FilterChanges::Logs(Vec::new())),
            };
            last = last
                .min(first.saturating_add(context.services.limits.log_blocks.saturating_sub(1)));
            if first > last {
                return Ok(FilterChanges::Logs(Vec::new()));
            }
            let found = logs::scan(&context, &filter, first..=last).await?;
            let next = match found.stopped_before {
                Some(stop) if stop == first || found.logs.is_empty() => {
                    // Told once; the next call goes on behind it.
                    advance(&context, &id, from, stop + 1);
                    return Err(RpcError::TooLarge(format!(
                        "the logs of block {stop:#x} are larger than an answer may be"
                    )));
                }
                Some(stop) => stop,
                None => last + 1,
            };
            (from, next, FilterChanges::Logs(found.logs))
        }
    };
    advance(&context, &id, from, next);
    Ok(answer)
}

fn advance(context: &Context, id: &str, from: u64, next: u64) {
    // A call at the same time may have been faster; a filter may be gone. Neither is an error.
    let _ = context.filters.with(id, |entry| {
        if entry.next == from {
            entry.next = next.max(from);
        }
    });
}

fn drain(arrivals: &mut Receiver<B256>) -> Vec<B256> {
    let mut hashes = Vec::new();
    while (hashes.len() as u64) < MAX_HASHES {
        match arrivals.try_recv() {
            Ok(hash) => hashes.push(hash),
            // The oldest were lost to the bound of the channel.
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    hashes
}

fn pooled(context: &Context, hashes: &[B256]) -> Result<Vec<Transaction>, RpcError> {
    let waiting = hashes.iter().filter_map(|hash| context.services.ingress.pending(*hash));
    waiting.map(|raw| eth_transaction(&raw, None, None)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_few_and_die_of_silence() {
        let filters = Filters::new(3, Duration::from_secs(60));
        let first = filters.insert(Kind::Blocks, 1).unwrap();
        assert!(first.starts_with("0x") && first.len() > 20, "{first}");
        let wide = Filter::new()
            .address((0..33u8).map(alloy_primitives::Address::repeat_byte).collect::<Vec<_>>());
        filters.insert(Kind::Logs(Box::new(wide)), 1).unwrap();
        assert!(matches!(filters.insert(Kind::Blocks, 1), Err(RpcError::TooLarge(_))));
        assert_eq!(filters.with(&first, |entry| entry.next), Ok(1));
        assert!(filters.remove(&first));
        assert!(!filters.remove(&first));
        assert_eq!(filters.with(&first, |_| ()), Err(not_found()));

        let filters = Filters::new(1, Duration::ZERO);
        let old = filters.insert(Kind::Blocks, 1).unwrap();
        assert!(filters.with(&old, |_| ()).is_err());
        filters.insert(Kind::Blocks, 1).unwrap();
        filters.insert(Kind::Blocks, 1).unwrap();
    }
}
