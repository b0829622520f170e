//! The batches of a deployment, read from the settlement chain alone and proved.

use std::{collections::BTreeMap, sync::Arc};

use alloy::eips::BlockId;
use alloy_primitives::{Address, B256};
use ande_batch::{BatchTip, Claim, verify};
use ande_consensus::DataLayer;
use ande_contracts::AndeConsensus;
use ande_l1::{BlobSource, L1Block, L1Client, read_set, read_tip};
use ande_primitives::{BatchHeader, Block, Domain, EpochSet, Era};
use ande_store::BatchRow;

use crate::{
    BatcherError,
    accepted::{Acceptance, Accepted, AcceptedBatch},
    certify::checkpoint_of,
    ledger::is_escape,
};

/// Where a history is read.
#[derive(Clone, Debug)]
pub struct HistorySource {
    /// The settlement chain; believed by majority.
    pub client: L1Client,
    /// Where blobs are read.
    pub blobs: BlobSource,
    /// Where data is read that is not on the settlement chain.
    pub layer: Option<Arc<dyn DataLayer>>,
    /// The `AndeConsensus` contract.
    pub consensus: Address,
    /// The `AndeSequencerCoordinator` contract.
    pub coordinator: Address,
    /// Domain of all signatures.
    pub domain: Domain,
    /// Hash of the L2 genesis block.
    pub genesis_hash: B256,
}

/// A batch that follows the one before it, with a quorum's certificates over header and last block;
/// or an escape batch, which the contract made itself.
#[derive(Clone, Debug)]
pub struct ProvenBatch {
    /// Its header.
    pub header: BatchHeader,
    /// Its blocks; none of an escape batch.
    pub blocks: Vec<Block>,
    /// Bytes of its data.
    pub bytes: usize,
    /// Settlement block that accepted it.
    pub l1_block: u64,
}

/// Reads batch after batch. Needs nothing but the settlement chain, the data layer if batches are
/// there, and the genesis.
#[derive(Debug)]
pub struct History {
    source: HistorySource,
    accepted: Accepted,
    until: L1Block,
    last: ande_l1::BatchTip,
    known: BTreeMap<u64, Acceptance>,
    previous: BatchTip,
    /// Era at the end of the history.
    era: Era,
    set: Option<EpochSet>,
}

impl History {
    /// The history up to a final block; `from` is a block before the first batch.
    ///
    /// # Errors
    /// When the settlement chain cannot be asked.
    pub async fn open(
        source: HistorySource,
        from: u64,
        until: L1Block,
    ) -> Result<Self, BatcherError> {
        let client = source.client.by_majority();
        let last = read_tip(&client, source.coordinator, until.hash).await?;
        let at = BlockId::hash(until.hash);
        let era = Era(client.call(source.consensus, &AndeConsensus::eraCall {}, at).await?);
        let accepted = Accepted {
            client,
            coordinator: source.coordinator,
            blobs: source.blobs.clone(),
            layer: source.layer.clone(),
        };
        let known = accepted.in_range(from, until.number).await?;
        let previous = BatchTip::genesis(source.domain.l2_chain_id(), source.genesis_hash);
        Ok(Self { source, accepted, until, last, known, previous, era, set: None })
    }

    /// Number of accepted batches.
    #[must_use]
    pub const fn batches(&self) -> u64 {
        self.last.index
    }

    /// Reads and proves the next batch; none after the last.
    ///
    /// # Errors
    /// The settlement chain cannot be asked, a batch or its data is not there, or it is not what
    /// was accepted.
    pub async fn next(&mut self) -> Result<Option<ProvenBatch>, BatcherError> {
        let index = self.previous.index + 1;
        if index > self.last.index {
            return Ok(None);
        }
        let unreadable = |reason: &str| BatcherError::Unreadable { index, reason: reason.into() };
        let acceptance = self
            .known
            .remove(&index)
            .ok_or_else(|| unreadable("there is no event of its acceptance"))?;
        let AcceptedBatch { row, missing } = self.accepted.read(index, &acceptance).await?;
        if let Some(reason) = missing {
            return Err(unreadable(&format!("its data cannot be read: {reason}")));
        }
        let blocks = if is_escape(&row.header) {
            let header = &row.header;
            let follows = (header.parent_batch_hash, header.end_height)
                == (self.previous.hash, self.previous.end_height);
            if !follows {
                return Err(unreadable("it does not follow the one before"));
            }
            // The next batch extends the last block before it.
            let last_block_hash = self.previous.last_block_hash;
            self.previous = BatchTip { last_block_hash, ..BatchTip::from(header) };
            Vec::new()
        } else {
            let blocks = self.prove(&row, acceptance.block).await?;
            self.previous = BatchTip::from(&row.header);
            blocks
        };
        if index == self.last.index && self.previous.hash != self.last.hash {
            return Err(unreadable("it is not the one that the contract has"));
        }
        let (header, bytes) = (row.header, row.data.len());
        Ok(Some(ProvenBatch { header, blocks, bytes, l1_block: acceptance.block }))
    }

    /// The blocks of a batch that was accepted in this settlement block.
    async fn prove(&mut self, row: &BatchRow, accepted: u64) -> Result<Vec<Block>, BatcherError> {
        let index = row.header.batch_index;
        let unreadable = |reason: &str| BatcherError::Unreadable { index, reason: reason.into() };
        let set = self.set_of(&row.header, accepted).await?;
        let claim = Claim { header: &row.header, da: &row.da, skips: &row.skips, data: &row.data };
        let domain = &self.source.domain;
        let content = verify(&claim, &self.previous, &set, domain)
            .map_err(|source| BatcherError::Wrong { index, source: Box::new(source) })?;
        let certificate =
            row.qc.as_ref().ok_or_else(|| unreadable("it has no quorum certificate"))?;
        certificate
            .verify(domain.checkpoint_digest(&checkpoint_of(row)), &set.committee, set.quorum)
            .map_err(|source| BatcherError::Certificate { index, source })?;
        Ok(content.blocks)
    }

    /// The set of a batch's epoch in its era. The contract has those of the present era; of an
    /// ended one it had them when it accepted the batch, which only an archive endpoint can tell.
    async fn set_of(
        &mut self,
        header: &BatchHeader,
        accepted: u64,
    ) -> Result<EpochSet, BatcherError> {
        let is_wanted = |set: &EpochSet| (set.era, set.epoch) == (header.era, header.epoch);
        if let Some(set) = self.set.as_ref().filter(|set| is_wanted(set)) {
            return Ok(set.clone());
        }
        let (client, consensus) = (&self.accepted.client, self.source.consensus);
        let at = if header.era == self.era {
            self.until
        } else {
            let block = client.block(accepted.into()).await?;
            block.ok_or_else(|| BatcherError::Unreadable {
                index: header.batch_index,
                reason: format!("there is no settlement block {accepted}"),
            })?
        };
        let set = read_set(client, consensus, header.epoch, &at).await?;
        self.set = Some(set.clone());
        Ok(set)
    }
}
