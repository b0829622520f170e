//! Searching logs.

use std::{ops::RangeInclusive, sync::Arc};

use alloy::{
    eips::BlockNumberOrTag,
    rpc::types::{Filter, FilterBlockOption, Log},
};
use alloy_primitives::{B256, keccak256};
use ande_execution::BlockReceipts;
use ande_primitives::Height;
use serde::Deserialize as _;
use serde_json::Value;

use crate::{
    RpcError,
    args::{Args, Reference, invalid, missing},
    blocks::Sealed,
    context::Context,
};

/// Most addresses, and most topics of one position, as in geth.
const MAX_ALTERNATIVES: usize = 1000;
/// Size of a log in JSON beside its data.
const LOG_OVERHEAD: usize = 700;
/// The members of a filter; geth ignores others.
const MEMBERS: [&str; 5] = ["fromBlock", "toBlock", "blockHash", "address", "topics"];

pub(crate) async fn get_logs(context: Arc<Context>, args: Args) -> Result<Vec<Log>, RpcError> {
    let filter = filter(&args, 0)?;
    search(&context, &filter).await
}

/// The filter in argument `index`.
pub(crate) fn filter(args: &Args, index: usize) -> Result<Filter, RpcError> {
    parse(args.get(index).ok_or_else(|| missing(index))?, index)
}

/// Reads a filter and checks its size.
pub(crate) fn parse(value: &Value, index: usize) -> Result<Filter, RpcError> {
    let object = value.as_object().ok_or_else(|| invalid(index, "not a filter object"))?;
    let known: serde_json::Map<String, Value> = object
        .iter()
        .filter(|(name, value)| MEMBERS.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let filter = Filter::deserialize(Value::Object(known))
        .map_err(|error| invalid(index, &error.to_string()))?;
    if filter.address.len() > MAX_ALTERNATIVES {
        return Err(invalid(index, "exceed max addresses"));
    }
    if filter.topics.iter().any(|topic| topic.len() > MAX_ALTERNATIVES) {
        return Err(invalid(index, "exceed max topics"));
    }
    Ok(filter)
}

/// The blocks that a filter names, up to the head; none when there is no such block yet.
pub(crate) fn range_of(
    context: &Context,
    from: Option<BlockNumberOrTag>,
    to: Option<BlockNumberOrTag>,
) -> Result<Option<RangeInclusive<u64>>, RpcError> {
    let latest = context.heads().latest.0;
    let number = |tag: Option<BlockNumberOrTag>| match tag.unwrap_or_default() {
        BlockNumberOrTag::Number(number) => number,
        tag => context.height_of_tag(tag).map_or(latest, |height| height.0),
    };
    let (from, to) = (number(from), number(to));
    if from > to {
        return Err(RpcError::InvalidParams("invalid block range params".into()));
    }
    Ok((from <= latest).then(|| from..=to.min(latest)))
}

/// All logs that a filter matches.
pub(crate) async fn search(context: &Context, filter: &Filter) -> Result<Vec<Log>, RpcError> {
    let range = match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let height = context.eth_height(Reference::Hash(hash)).await?;
            let Height(number) = height.ok_or_else(|| RpcError::Failed("unknown block".into()))?;
            number..=number
        }
        FilterBlockOption::Range { from_block, to_block } => {
            match range_of(context, from_block, to_block)? {
                Some(range) => range,
                None => return Ok(Vec::new()),
            }
        }
    };
    let most = context.services.limits.log_blocks.max(1);
    if range.end() - range.start() >= most {
        return Err(RpcError::TooLarge(format!(
            "query exceeds max block range {most}, retry with the range {:#x}-{:#x}",
            range.start(),
            range.start() + most - 1
        )));
    }
    let found = scan(context, filter, range.clone()).await?;
    match found.stopped_before {
        None => Ok(found.logs),
        Some(stop) => Err(RpcError::TooLarge(format!(
            "query exceeds max results {}, retry with the range {:#x}-{:#x}",
            context.services.limits.logs,
            range.start(),
            stop.saturating_sub(1).max(*range.start())
        ))),
    }
}

/// Result of a scan.
pub(crate) struct Found {
    /// Logs of whole blocks.
    pub(crate) logs: Vec<Log>,
    /// The block whose logs would have been too many.
    pub(crate) stopped_before: Option<u64>,
}

/// Scans a range of blocks up to the head, until there are too many logs.
pub(crate) async fn scan(
    context: &Context,
    filter: &Filter,
    range: RangeInclusive<u64>,
) -> Result<Found, RpcError> {
    let limits = &context.services.limits;
    let most_bytes = limits.answer_bytes as usize;
    let mut found = Found { logs: Vec::new(), stopped_before: None };
    let mut bytes = 0usize;
    // One after the other: a search keeps one core busy at most.
    let place = context.heavy_reads.acquire().await;
    for sealed in context.sealed_range(range).await? {
        if !filter.matches_bloom(sealed.header.logs_bloom) {
            continue;
        }
        let number = sealed.header.number;
        let Some(body) = context.body(Height(number)).await? else { break };
        let receipts = context.receipts(number).await?;
        let wanted = filter.clone();
        let mut logs = tokio::task::spawn_blocking(move || {
            let hashes: Vec<B256> = body.transactions.iter().map(keccak256).collect();
            let mut logs = Vec::new();
            append(&wanted, &body.sealed, &hashes, &receipts, &mut logs);
            logs
        })
        .await
        .map_err(|_| RpcError::Internal("the search did not end"))?;
        bytes += logs.iter().map(|log| LOG_OVERHEAD + 2 * log.data().data.len()).sum::<usize>();
        // The logs of one block are never too many, only too large.
        let many = !found.logs.is_empty() && found.logs.len() + logs.len() > limits.logs;
        if many || bytes > most_bytes {
            found.stopped_before = Some(number);
            break;
        }
        found.logs.append(&mut logs);
    }
    drop(place);
    Ok(found)
}

/// Appends the logs of one block that match addresses and topics.
pub(crate) fn append(
    filter: &Filter,
    sealed: &Sealed,
    hashes: &[B256],
    receipts: &BlockReceipts,
    logs: &mut Vec<Log>,
) {
    let mut log_index = 0;
    for (index, (executed, hash)) in receipts.receipts.iter().zip(hashes).enumerate() {
        for log in executed.receipt.logs() {
            if filter.matches_address(log.address) && filter.matches_topics(log.topics()) {
                logs.push(Log {
                    inner: log.clone(),
                    block_hash: Some(sealed.hash),
                    block_number: Some(sealed.header.number),
                    block_timestamp: Some(sealed.header.timestamp),
                    transaction_hash: Some(*hash),
                    transaction_index: Some(index as u64),
                    log_index: Some(log_index),
                    removed: false,
                });
            }
            log_index += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_are_read_as_leniently_as_geth_does() {
        let address = alloy_primitives::Address::repeat_byte(1);
        let filter = parse(
            &json!({"fromBlock": "0x1", "address": address, "topics": [null, []], "extra": 1, "blockHash": null}),
            0,
        )
        .unwrap();
        assert_eq!(filter.get_from_block(), Some(1));
        assert!(filter.matches_address(address));
        for bad in [
            json!([]),
            json!({"fromBlock": 1.5}),
            json!({"topics": [null, null, null, null, null]}),
            json!({"address": "0x1"}),
            json!({"blockHash": B256::ZERO, "fromBlock": "0x1"}),
            json!({"address": (0..1001u32).map(|n| format!("0x{n:040x}")).collect::<Vec<_>>()}),
        ] {
            assert!(matches!(parse(&bad, 0), Err(RpcError::InvalidParams(_))), "{bad}");
        }
    }
}
