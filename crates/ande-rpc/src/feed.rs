//! Blocks as they come, prepared once for all who wait for them.

use std::{collections::HashSet, sync::Arc, time::Duration};

use alloy::rpc::types::Log;
use alloy_primitives::{B256, keccak256};
use ande_execution::BlockReceipts;
use ande_primitives::Height;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::{RpcError, blocks::Sealed, context::Context, logs};

/// Blocks that wait for the slowest listener before it loses some.
const CAPACITY: usize = 256;
/// Pause between looks whether a stored block is applied.
const APPLY_POLL: Duration = Duration::from_millis(2);

/// A new block.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) sealed: Arc<Sealed>,
    pub(crate) hashes: Vec<B256>,
    index: HashSet<B256>,
    pub(crate) receipts: Option<Arc<BlockReceipts>>,
}

impl Fresh {
    /// Whether the transaction is in the block.
    pub(crate) fn contains(&self, hash: &B256) -> bool {
        self.index.contains(hash)
    }

    /// Logs that the filter matches, in order.
    pub(crate) fn logs(&self, filter: &alloy::rpc::types::Filter) -> Vec<Log> {
        let Some(receipts) = &self.receipts else { return Vec::new() };
        let mut found = Vec::new();
        if filter.matches_bloom(self.sealed.header.logs_bloom) {
            logs::append(filter, &self.sealed, &self.hashes, receipts, &mut found);
        }
        found
    }
}

/// Tells of every block once, in order.
#[derive(Debug)]
pub(crate) struct Feed(broadcast::Sender<Arc<Fresh>>);

impl Default for Feed {
    fn default() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }
}

impl Feed {
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Fresh>> {
        self.0.subscribe()
    }
}

/// Feeds from the head at the start on, until `shutdown`.
pub(crate) async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let mut stored = context.stored_heads();
    let mut last = context.heads().latest;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = stored.changed() => if changed.is_err() { return },
        }
        let latest = stored.borrow_and_update().latest;
        while last < latest {
            let next = last.next();
            while context.heads().latest < next {
                if shutdown.is_cancelled() {
                    return;
                }
                tokio::time::sleep(APPLY_POLL).await;
            }
            // Without a listener there is nothing to prepare.
            if context.feed.0.receiver_count() > 0 {
                match prepare(&context, next).await {
                    Ok(Some(fresh)) => drop(context.feed.0.send(Arc::new(fresh))),
                    Ok(None) => tracing::error!(height = next.0, "a new block is not stored"),
                    Err(error) => {
                        tracing::error!(height = next.0, %error, "a new block cannot be read");
                    }
                }
            }
            last = next;
        }
    }
}

async fn prepare(context: &Context, height: Height) -> Result<Option<Fresh>, RpcError> {
    let Some(body) = context.body(height).await? else { return Ok(None) };
    let receipts = context.receipts_if_any(height.0).await?;
    let hashes: Vec<B256> = body.transactions.iter().map(keccak256).collect();
    let index = hashes.iter().copied().collect();
    Ok(Some(Fresh { sealed: body.sealed, hashes, index, receipts }))
}
