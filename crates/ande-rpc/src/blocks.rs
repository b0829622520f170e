//! Blocks and transactions in Ethereum's JSON form.

use std::{num::NonZeroUsize, ops::RangeInclusive, sync::Arc};

use alloy::{
    consensus::{
        Header as EthHeader, Transaction as _, TxEnvelope,
        transaction::{Recovered, SignerRecoverable as _},
    },
    eips::{Decodable2718 as _, eip4895::Withdrawals},
    rpc::types::{Block, BlockTransactions, Header, Transaction},
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Encodable as _;
use ande_execution::BlockReceipts;
use ande_primitives::{Commit, Height};
use lru::LruCache;
use parking_lot::Mutex;

use crate::{
    RpcError,
    args::Reference,
    context::{Context, eth_header},
};

/// Blocks with more transactions are converted off the async threads.
const INLINE_TRANSACTIONS: usize = 16;
/// Headers kept in memory, less than a kilobyte each.
const CACHED_HEADERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(19_999);
/// Bytes of stored blocks read at once while headers are gathered.
const CHUNK_BYTES: usize = 8 << 20;

/// A header with its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) hash: B256,
    pub(crate) header: EthHeader,
}

impl Sealed {
    pub(crate) fn decode(execution: &[u8]) -> Result<Arc<Self>, RpcError> {
        Ok(Arc::new(Self { hash: keccak256(execution), header: eth_header(execution)? }))
    }

    /// As `newHeads` and blocks show it.
    pub(crate) fn rpc_header(&self, size: Option<usize>) -> Header {
        Header {
            hash: self.hash,
            inner: self.header.clone(),
            total_difficulty: None,
            size: size.map(U256::from),
        }
    }
}

/// A block as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) sealed: Arc<Sealed>,
    pub(crate) transactions: Vec<Bytes>,
}

/// Headers by number. Certified blocks never change.
#[derive(Debug)]
pub(crate) struct HeaderCache(Mutex<LruCache<u64, Arc<Sealed>>>);

impl Default for HeaderCache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(CACHED_HEADERS)))
    }
}

impl HeaderCache {
    fn get(&self, number: u64) -> Option<Arc<Sealed>> {
        self.0.lock().get(&number).cloned()
    }

    fn put(&self, sealed: &Arc<Sealed>) {
        self.0.lock().put(sealed.header.number, sealed.clone());
    }
}

impl Context {
    /// Height behind a number, a tag or an Ethereum hash. Consensus hashes are not Ethereum's: a
    /// client compares the answer's hash with the one it asked for.
    pub(crate) async fn eth_height(
        &self,
        reference: Reference,
    ) -> Result<Option<Height>, RpcError> {
        let hash = match reference {
            Reference::Block(tag) => return Ok(self.height_of_tag(tag)),
            Reference::Hash(hash) => hash,
        };
        if hash == self.genesis_hash {
            return Ok(Some(Height(0)));
        }
        let height = self.services.store.height_of_block(hash).await?;
        Ok(height.filter(|height| *height <= self.heads().latest))
    }

    /// A header that clients see.
    pub(crate) async fn sealed(&self, height: Height) -> Result<Option<Arc<Sealed>>, RpcError> {
        if height > self.heads().latest {
            return Ok(None);
        }
        if let Some(sealed) = self.headers.get(height.0) {
            return Ok(Some(sealed));
        }
        Ok(self.body(height).await?.map(|body| body.sealed))
    }

    /// The headers of a range up to the head, ascending.
    pub(crate) async fn sealed_range(
        &self,
        range: RangeInclusive<u64>,
    ) -> Result<Vec<Arc<Sealed>>, RpcError> {
        let last = (*range.end()).min(self.heads().latest.0);
        let mut headers = Vec::new();
        let mut next = *range.start();
        while next <= last {
            if let Some(sealed) = self.headers.get(next) {
                headers.push(sealed);
                next += 1;
                continue;
            }
            if next == 0 {
                headers.extend(self.sealed(Height(0)).await?);
                next += 1;
                continue;
            }
            let heights = Height(next)..=Height(last);
            let commits = self.services.store.commits(heights, CHUNK_BYTES).await?;
            if commits.is_empty() {
                break;
            }
            for commit in commits {
                let sealed = Sealed::decode(&commit.block.execution)?;
                self.headers.put(&sealed);
                next = sealed.header.number + 1;
                headers.push(sealed);
            }
        }
        Ok(headers)
    }

    /// A block that clients see.
    pub(crate) async fn body(&self, height: Height) -> Result<Option<Body>, RpcError> {
        if height > self.heads().latest {
            return Ok(None);
        }
        self.stored_body(height).await
    }

    /// A block that is stored.
    pub(crate) async fn stored_body(&self, height: Height) -> Result<Option<Body>, RpcError> {
        if height == Height(0) {
            let sealed = Sealed::decode(&self.services.info.genesis)?;
            return Ok(Some(Body { sealed, transactions: Vec::new() }));
        }
        let commit = self.commit_at(height).await?;
        commit.map(|commit| self.body_of(commit)).transpose()
    }

    fn body_of(&self, commit: Commit) -> Result<Body, RpcError> {
        let block = commit.block;
        let cached = self.headers.get(block.header.height.0);
        let sealed = match cached.filter(|sealed| sealed.hash == block.header.execution_hash) {
            Some(sealed) => sealed,
            None => Sealed::decode(&block.execution)?,
        };
        self.headers.put(&sealed);
        Ok(Body { sealed, transactions: block.transactions })
    }

    /// Receipts of a block where the node executes; their senders spare a recovery.
    pub(crate) async fn receipts_if_any(
        &self,
        number: u64,
    ) -> Result<Option<Arc<BlockReceipts>>, RpcError> {
        if self.services.evm.is_none() {
            return Ok(None);
        }
        match self.receipts(number).await {
            Ok(receipts) => Ok(Some(receipts)),
            // Old blocks outlive their receipts.
            Err(RpcError::Failed(_) | RpcError::Pruned(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The block of a height in Ethereum's form.
    pub(crate) async fn eth_block(
        &self,
        height: Height,
        full: bool,
    ) -> Result<Option<Block>, RpcError> {
        let Some(body) = self.body(height).await? else { return Ok(None) };
        if !full || body.transactions.len() <= INLINE_TRANSACTIONS {
            return convert(&body, full, None).map(Some);
        }
        let receipts = self.receipts_if_any(height.0).await?;
        tokio::task::spawn_blocking(move || convert(&body, true, receipts.as_deref()))
            .await
            .unwrap_or(Err(RpcError::Internal("the block cannot be converted")))
            .map(Some)
    }
}

fn convert(body: &Body, full: bool, receipts: Option<&BlockReceipts>) -> Result<Block, RpcError> {
    let sealed = &body.sealed;
    let size = block_size(&sealed.header, &body.transactions);
    let transactions = if full {
        let sender = |index: usize| Some(receipts?.receipts.get(index)?.sender);
        BlockTransactions::Full(
            body.transactions
                .iter()
                .enumerate()
                .map(|(index, raw)| {
                    eth_transaction(raw, Some((sealed.as_ref(), index as u64)), sender(index))
                })
                .collect::<Result<_, _>>()?,
        )
    } else {
        BlockTransactions::Hashes(body.transactions.iter().map(keccak256).collect())
    };
    let withdrawals = sealed.header.withdrawals_root.map(|_| Withdrawals::default());
    Ok(Block {
        header: sealed.rpc_header(Some(size)),
        uncles: Vec::new(),
        transactions,
        withdrawals,
    })
}

/// Decodes a transaction that is stored or pooled.
pub(crate) fn envelope(raw: &[u8]) -> Result<TxEnvelope, RpcError> {
    TxEnvelope::decode_2718_exact(raw).map_err(|error| damaged(&error))
}

fn damaged(error: &dyn std::fmt::Display) -> RpcError {
    tracing::error!(%error, "a stored transaction cannot be decoded");
    RpcError::Internal("a stored transaction cannot be decoded")
}

/// A signed transaction, with its block and index if it is in one. Without `sender` it is
/// recovered.
pub(crate) fn eth_transaction(
    raw: &[u8],
    position: Option<(&Sealed, u64)>,
    sender: Option<Address>,
) -> Result<Transaction, RpcError> {
    let envelope = envelope(raw)?;
    let inner = match sender {
        Some(sender) => Recovered::new_unchecked(envelope, sender),
        None => envelope.try_into_recovered().map_err(|error| damaged(&error))?,
    };
    let block = position.map(|(sealed, _)| sealed);
    let base_fee = block.and_then(|block| block.header.base_fee_per_gas);
    Ok(Transaction {
        effective_gas_price: Some(inner.effective_gas_price(base_fee)),
        inner,
        block_hash: block.map(|block| block.hash),
        block_number: block.map(|block| block.header.number),
        transaction_index: position.map(|(_, index)| index),
        block_timestamp: block.map(|block| block.header.timestamp),
    })
}

/// Length of the block's RLP as Ethereum nodes report it.
fn block_size(header: &EthHeader, transactions: &[Bytes]) -> usize {
    let list = |payload: usize| payload + alloy_rlp::length_of_length(payload);
    let bodies = transactions.iter().map(embedded_length).sum();
    let withdrawals = usize::from(header.withdrawals_root.is_some());
    list(header.length() + list(bodies) + 1 + withdrawals)
}

/// Legacy transactions are lists of their own, typed ones travel as strings.
fn embedded_length(raw: &Bytes) -> usize {
    if is_legacy(raw) { raw.len() } else { raw.length() }
}

fn is_legacy(raw: &[u8]) -> bool {
    raw.first().is_some_and(|first| *first >= alloy_rlp::EMPTY_LIST_CODE)
}

/// RLP of the block: header, transactions, no uncles, and no withdrawals from Shanghai on.
pub(crate) fn block_rlp(body: &Body) -> Bytes {
    let header = &body.sealed.header;
    let transactions: usize = body.transactions.iter().map(embedded_length).sum();
    let list = |payload: usize| alloy_rlp::Header { list: true, payload_length: payload };
    let withdrawals = header.withdrawals_root.is_some();
    let payload = header.length()
        + transactions
        + alloy_rlp::length_of_length(transactions)
        + 1
        + usize::from(withdrawals);
    let mut out = Vec::with_capacity(payload + 9);
    list(payload).encode(&mut out);
    header.encode(&mut out);
    list(transactions).encode(&mut out);
    for raw in &body.transactions {
        if is_legacy(raw) {
            out.extend_from_slice(raw);
        } else {
            raw.encode(&mut out);
        }
    }
    out.push(alloy_rlp::EMPTY_LIST_CODE);
    if withdrawals {
        out.push(alloy_rlp::EMPTY_LIST_CODE);
    }
    out.into()
}
