//! Batches that the contract accepted, read back from the settlement chain.

use std::{collections::BTreeMap, sync::Arc};

use alloy::{
    consensus::Transaction as _,
    eips::BlockId,
    primitives::{Address, B256, Bytes},
    rpc::types::{Filter, Log},
    sol_types::{SolCall as _, SolEvent as _},
};
use ande_consensus::DataLayer;
use ande_contracts::{
    AndeSequencerCoordinator as Coordinator, batch_header_from_sol, da_pointer_from_sol,
    quorum_certificate_from_sol,
};
use ande_l1::{BlobSource, L1Client, L1Error};
use ande_primitives::{DaKind, DaPointer};
use ande_store::{BatchRow, BatchState};

use crate::{BatcherError, data::read_blobs, ledger::now_ms};

/// Most blocks asked for in one query; halved when an endpoint refuses.
const MAX_RANGE: u64 = 5_000;

/// Where a batch was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acceptance {
    /// Whether anybody could have made it: it is not certified and has no blocks.
    pub(crate) is_escape: bool,
    pub(crate) content: B256,
    pub(crate) block: u64,
    pub(crate) transaction: B256,
}

/// Reads the coordinator's history.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) client: L1Client,
    pub(crate) coordinator: Address,
    pub(crate) blobs: BlobSource,
    pub(crate) layer: Option<Arc<dyn DataLayer>>,
}

/// A batch as it was accepted.
#[derive(Clone, Debug)]
pub(crate) struct AcceptedBatch {
    /// With its data, if that can still be read.
    pub(crate) row: BatchRow,
    /// Why it is without.
    pub(crate) missing: Option<String>,
}

impl Accepted {
    /// Acceptances in a range of blocks by batch number.
    pub(crate) async fn in_range(
        &self,
        from: u64,
        to: u64,
    ) -> Result<BTreeMap<u64, Acceptance>, BatcherError> {
        let mut found = BTreeMap::new();
        let mut start = from;
        let mut width = MAX_RANGE;
        while start <= to {
            let end = to.min(start.saturating_add(width - 1));
            let filter = Filter::new()
                .address(self.coordinator)
                .event_signature(vec![
                    Coordinator::BatchAccepted::SIGNATURE_HASH,
                    Coordinator::EscapeBatch::SIGNATURE_HASH,
                ])
                .from_block(start)
                .to_block(end);
            let logs = match self.client.logs(&filter).await {
                Ok(logs) => logs,
                Err(L1Error::Rpc { .. }) if width > 1 => {
                    width = (width / 4).max(1);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            for log in logs {
                let (Some(block), Some(transaction)) = (log.block_number, log.transaction_hash)
                else {
                    continue;
                };
                let Some((index, content, is_escape)) = accepted_in(&log) else { continue };
                found.insert(index, Acceptance { is_escape, content, block, transaction });
            }
            start = end + 1;
        }
        Ok(found)
    }

    /// Content hash of an accepted batch; zero when there is none.
    pub(crate) async fn hash_of(&self, index: u64) -> Result<B256, BatcherError> {
        let call = Coordinator::batchHashCall { batchIndex: index };
        Ok(self.client.call(self.coordinator, &call, BlockId::latest()).await?)
    }

    /// The batch as its posting transaction carried it. Nothing of it is believed but what hashes
    /// to the accepted content. Without the data of blobs that nobody offers any more, or that the
    /// data layer does not give: header and certificate are in the transaction, and the blocks come
    /// from other nodes.
    pub(crate) async fn read(
        &self,
        index: u64,
        acceptance: &Acceptance,
    ) -> Result<AcceptedBatch, BatcherError> {
        if acceptance.is_escape {
            let row = self.read_escape(index, acceptance).await?;
            return Ok(AcceptedBatch { row, missing: None });
        }
        let unreadable = |reason: String| BatcherError::Unreadable { index, reason };
        let transaction = self
            .client
            .transaction(acceptance.transaction)
            .await?
            .ok_or_else(|| unreadable("its transaction is not known".to_owned()))?;
        let posted = Posted::decode(transaction.input())
            .map_err(|error| unreadable(error.to_string()))?
            .ok_or_else(|| unreadable("its transaction is no posting of a batch".to_owned()))?;
        let header =
            batch_header_from_sol(&posted.header).map_err(|error| unreadable(error.to_string()))?;
        if header.content_hash() != acceptance.content || header.batch_index != index {
            return Err(unreadable("its transaction carries another batch".to_owned()));
        }
        let da = da_pointer_from_sol(&posted.da).map_err(|error| unreadable(error.to_string()))?;
        let read = match posted.data {
            PostedData::Calldata(data) => Ok(data),
            PostedData::Blobs(hashes) => {
                let carried = transaction.blob_versioned_hashes().unwrap_or_default();
                if carried != hashes || da != DaPointer::blobs(&hashes, da.size) {
                    return Err(unreadable("its transaction carries other blobs".to_owned()));
                }
                self.read_blobs(index, acceptance, &hashes, &da).await?
            }
            PostedData::Layer if da.kind == DaKind::Celestia => self.read_layer(&da).await,
            PostedData::Layer => return Err(unreadable("its data is nowhere".to_owned())),
        };
        let (data, missing) = match read {
            Ok(data) => (data, None),
            Err(reason) => (Bytes::new(), Some(reason)),
        };
        let now = now_ms();
        let row = BatchRow {
            header,
            da,
            attempt: posted.qc.attempt,
            state: BatchState::Included,
            skips: posted.skips,
            data,
            qc: Some(quorum_certificate_from_sol(&posted.qc)),
            l1_tx: Some(acceptance.transaction),
            l1_block: Some(acceptance.block),
            created_at_ms: now,
            updated_at_ms: now,
            error: None,
        };
        Ok(AcceptedBatch { row, missing })
    }

    /// An escape batch, which is its header alone.
    async fn read_escape(
        &self,
        index: u64,
        acceptance: &Acceptance,
    ) -> Result<BatchRow, BatcherError> {
        let unreadable = |reason: &str| BatcherError::Unreadable { index, reason: reason.into() };
        let filter = Filter::new()
            .address(self.coordinator)
            .event_signature(Coordinator::EscapeBatch::SIGNATURE_HASH)
            .topic2(acceptance.content)
            .from_block(acceptance.block)
            .to_block(acceptance.block);
        let logs = self.client.logs(&filter).await?;
        let event = logs
            .iter()
            .find_map(|log| Coordinator::EscapeBatch::decode_log(&log.inner).ok())
            .ok_or_else(|| unreadable("its event is not known"))?;
        let header =
            batch_header_from_sol(&event.header).map_err(|error| unreadable(&error.to_string()))?;
        if header.content_hash() != acceptance.content || header.batch_index != index {
            return Err(unreadable("its event is of another batch"));
        }
        let now = now_ms();
        Ok(BatchRow {
            header,
            da: DaPointer::calldata(&[]),
            attempt: 0,
            state: BatchState::Included,
            skips: Bytes::new(),
            data: Bytes::new(),
            qc: None,
            l1_tx: Some(acceptance.transaction),
            l1_block: Some(acceptance.block),
            created_at_ms: now,
            updated_at_ms: now,
            error: None,
        })
    }

    /// Data in blobs, or why they cannot be read.
    async fn read_blobs(
        &self,
        index: u64,
        acceptance: &Acceptance,
        hashes: &[B256],
        da: &DaPointer,
    ) -> Result<Result<Bytes, String>, BatcherError> {
        match self.blobs.read(acceptance.transaction, acceptance.block, hashes).await {
            Ok(blobs) => read_blobs(&blobs, da)
                .map(|data| Ok(data.into()))
                .map_err(|error| BatcherError::Unreadable { index, reason: error.to_string() }),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    /// Data on the data layer, or why it cannot be read.
    async fn read_layer(&self, da: &DaPointer) -> Result<Bytes, String> {
        let Some(layer) = &self.layer else {
            return Err("it is on Celestia; add [celestia] to the configuration".to_owned());
        };
        layer.get(da).await.map_err(|error| error.to_string())
    }
}

/// Number and content of the batch that an event is about, and whether it is an escape batch.
fn accepted_in(log: &Log) -> Option<(u64, B256, bool)> {
    if let Ok(event) = Coordinator::BatchAccepted::decode_log(&log.inner) {
        return Some((event.batchIndex, event.contentHash, false));
    }
    let event = Coordinator::EscapeBatch::decode_log(&log.inner).ok()?;
    Some((event.batchIndex, event.contentHash, true))
}

/// A batch in the calldata of its posting.
struct Posted {
    header: Coordinator::BatchHeader,
    da: Coordinator::DaPointer,
    qc: Coordinator::QuorumCert,
    skips: Bytes,
    data: PostedData,
}

enum PostedData {
    Calldata(Bytes),
    /// Versioned hashes that the contract compared.
    Blobs(Vec<B256>),
    /// Where the pointer says.
    Layer,
}

impl Posted {
    fn decode(input: &[u8]) -> alloy::sol_types::Result<Option<Self>> {
        use Coordinator::{submitBatchCall, submitBatchWithBlobsCall, submitBatchWithCalldataCall};
        Ok(match input.get(..4) {
            Some(selector) if selector == submitBatchWithCalldataCall::SELECTOR => {
                let call = submitBatchWithCalldataCall::abi_decode(input)?;
                let submitBatchWithCalldataCall { header, da, qc, skips, data } = call;
                Some(Self { header, da, qc, skips, data: PostedData::Calldata(data) })
            }
            Some(selector) if selector == submitBatchWithBlobsCall::SELECTOR => {
                let call = submitBatchWithBlobsCall::abi_decode(input)?;
                let submitBatchWithBlobsCall { header, da, versionedHashes, qc, skips } = call;
                Some(Self { header, da, qc, skips, data: PostedData::Blobs(versionedHashes) })
            }
            Some(selector) if selector == submitBatchCall::SELECTOR => {
                let submitBatchCall { header, da, qc, skips } = submitBatchCall::abi_decode(input)?;
                Some(Self { header, da, qc, skips, data: PostedData::Layer })
            }
            _ => None,
        })
    }
}
