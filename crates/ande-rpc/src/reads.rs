//! Reads of the state, off the async threads and bounded.

use std::sync::Arc;

use alloy::eips::BlockNumberOrTag;
use ande_execution::{BlockReceipts, EvmReader};
use tokio::sync::Semaphore;

use crate::{RpcError, args::Reference, context::Context};

/// A state that a client named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateAt {
    /// The state after this block.
    pub(crate) number: u64,
    /// Whether the pool counts too and calls run in the next block.
    pub(crate) pending: bool,
}

impl Context {
    /// The EVM. Methods that need it are not registered where there is none.
    pub(crate) fn evm(&self) -> Result<&EvmReader, RpcError> {
        self.services
            .evm
            .as_ref()
            .ok_or_else(|| RpcError::NotServed("this node executes nothing".into()))
    }

    /// The state behind a block parameter.
    pub(crate) async fn state_at(&self, reference: Reference) -> Result<StateAt, RpcError> {
        let pending = reference == Reference::Block(BlockNumberOrTag::Pending);
        let height = self.eth_height(reference).await?.ok_or_else(RpcError::header_not_found)?;
        Ok(StateAt { number: height.0, pending })
    }

    /// A read of microseconds.
    pub(crate) async fn read<T, W>(&self, work: W) -> Result<T, RpcError>
    where
        T: Send + 'static,
        W: FnOnce(&EvmReader) -> Result<T, RpcError> + Send + 'static,
    {
        let evm = self.evm()?.clone();
        blocking(&self.state_reads, move || work(&evm)).await
    }

    /// A read that may take long.
    pub(crate) async fn read_heavy<T, W>(&self, work: W) -> Result<T, RpcError>
    where
        T: Send + 'static,
        W: FnOnce(&EvmReader) -> Result<T, RpcError> + Send + 'static,
    {
        let evm = self.evm()?.clone();
        blocking(&self.heavy_reads, move || work(&evm)).await
    }

    /// Receipts of a block that clients see.
    pub(crate) async fn receipts(&self, number: u64) -> Result<Arc<BlockReceipts>, RpcError> {
        self.read(move |evm| receipts_of(evm, number)).await
    }
}

/// Receipts of a block that clients see, on a thread that may block.
pub(crate) fn receipts_of(evm: &EvmReader, number: u64) -> Result<Arc<BlockReceipts>, RpcError> {
    match evm.receipts(number)? {
        Some(receipts) => Ok(receipts),
        None if number == 0 => Ok(Arc::default()),
        None => {
            tracing::error!(number, "the receipts of a block are missing");
            Err(RpcError::Internal("the receipts of the block are missing"))
        }
    }
}

/// Runs `work` on a thread that may block. The place is held until the work ends, also when the
/// client no longer waits for it.
pub(crate) async fn blocking<T, W>(places: &Arc<Semaphore>, work: W) -> Result<T, RpcError>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T, RpcError> + Send + 'static,
{
    let place = places.clone().acquire_owned().await;
    let done = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    done.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a read did not end");
        Err(RpcError::Internal("the read did not end"))
    })
}
