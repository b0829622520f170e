//! Data of batches on the data layer: put there once, whatever stops in between.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes, keccak256};
use ande_consensus::{DataLayer, DataLayerError};
use ande_failpoint::reach;
use ande_primitives::DaPointer;
use ande_store::Store;
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::BatcherError;

/// Key of what was begun last: the hash of the data and the layer's height before.
const BEGUN: &str = "batcher/layer_put";

type Put = Result<DaPointer, BatcherError>;

/// What is being put, which takes some blocks of the layer. It goes on when nobody waits for it any
/// more: who stops waiting for an answer would not know whether the data gets into a block.
#[derive(Debug, Default)]
pub(crate) struct Puts {
    running: Option<(B256, AbortOnDropHandle<Put>)>,
}

impl Puts {
    /// Pointer to data that the layer has.
    pub(crate) async fn of(
        &mut self,
        index: u64,
        data: &Bytes,
        layer: &Arc<dyn DataLayer>,
        store: &Store,
    ) -> Put {
        let key = keccak256(data);
        if self.running.as_ref().is_none_or(|(running, _)| *running != key) {
            let (data, layer, store) = (data.clone(), Arc::clone(layer), store.clone());
            let task = tokio::spawn(async move { put(index, key, &data, &*layer, &store).await });
            self.running = Some((key, AbortOnDropHandle::new(task)));
        }
        let done = match &mut self.running {
            Some((_, task)) => task.await,
            None => return Err(interrupted(index)),
        };
        self.running = None;
        done.unwrap_or_else(|_| Err(interrupted(index)))
    }
}

fn interrupted(index: u64) -> BatcherError {
    let source = DataLayerError::Pending("interrupted".to_owned());
    BatcherError::Layer { index, source }
}

/// Puts data unless the layer has it: an attempt before may have lost no more than its answer.
async fn put(index: u64, key: B256, data: &Bytes, layer: &dyn DataLayer, store: &Store) -> Put {
    let failed = |source| BatcherError::Layer { index, source };
    let head = layer.height().await.map_err(failed)?;
    let begun = store.meta(BEGUN).await?.and_then(|bytes| Begun::decode(&bytes));
    if let Some(begun) = begun.filter(|begun| begun.data == key)
        && let Some(found) = layer.find(data, begun.after, head).await.map_err(failed)?
    {
        info!(batch = index, height = found.height, "data was put on the data layer before");
        return Ok(found);
    }
    store.put_meta(BEGUN, &Begun { data: key, after: head }.encode()).await?;
    reach("batcher-before-put").await;
    let pointer = layer.put(data, head).await.map_err(failed)?;
    info!(batch = index, height = pointer.height, bytes = data.len(), "data put on the data layer");
    reach("batcher-after-put").await;
    Ok(pointer)
}

/// What is durable before data is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Begun {
    data: B256,
    after: u64,
}

impl Begun {
    fn encode(self) -> Vec<u8> {
        [self.data.as_slice(), &self.after.to_be_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (data, after) = bytes.split_first_chunk::<32>()?;
        Some(Self { data: data.into(), after: u64::from_be_bytes(after.try_into().ok()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_is_read_again() {
        let begun = Begun { data: B256::repeat_byte(3), after: 77 };
        assert_eq!(Begun::decode(&begun.encode()), Some(begun));
        assert_eq!(Begun::decode(&begun.encode()[1..]), None);
        assert_eq!(Begun::decode(&[]), None);
    }
}
