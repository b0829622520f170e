//! Makes the chain again from the settlement chain alone.

use std::{path::Path, sync::Arc};

use alloy_primitives::B256;
use ande_batcher::{History, HistorySource};
use ande_l1::{BlobSource, L1Reader};
use ande_primitives::Domain;
use ande_sequencer::{Replay, SenderCache};
use ande_store::Store;
use serde::Serialize;

use crate::{
    config::NodeConfig,
    data_layer,
    error::NodeError,
    execution::{self, Genesis},
    node::{identity, l1_config},
};

/// What the settlement chain alone gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// Final settlement block up to which it was read.
    pub l1_block: u64,
    /// Batches.
    pub batches: u64,
    /// Bytes of their data.
    pub bytes: u64,
    /// Height of the last block.
    pub height: u64,
    /// Transactions in all blocks.
    pub transactions: u64,
    /// Hash of the last block's consensus header.
    pub block_hash: B256,
    /// Hash of the last block's Ethereum header.
    pub execution_hash: B256,
    /// State root after it.
    pub state_root: B256,
}

/// Reads every batch that is final on the settlement chain, proves it (certificates, hashes, that
/// each follows the one before) and executes its blocks from the genesis on. Of the configuration
/// it uses chain, contracts, endpoints, `[celestia]` and genesis; nothing of the node itself. Works in `dir`, an
/// empty directory; `from` is a settlement block before the first batch. `told` hears of every batch
/// and of how many there are.
///
/// # Errors
/// The settlement chain cannot be read, or what is there does not give a chain.
pub async fn rebuild(
    config: &NodeConfig,
    dir: &Path,
    from: u64,
    mut told: impl FnMut(&Rebuilt, u64),
) -> Result<Rebuilt, NodeError> {
    let config = NodeConfig { data_dir: dir.to_path_buf(), ..config.clone() };
    let genesis = Genesis::read(&config)?;
    let genesis_hash = genesis.payload().hash();
    let reader = L1Reader::connect(l1_config(&config))?;
    reader.check_deployment(config.l2_chain_id, genesis_hash).await?;
    let until = reader.final_block().await?;
    let client = reader.client().clone();
    let source = HistorySource {
        blobs: BlobSource::new(client.clone(), config.beacon_urls.clone(), config.l1_timeout)?,
        layer: data_layer::open(&config, data_layer::token(&config)?)?,
        client,
        consensus: config.consensus,
        coordinator: config.coordinator,
        domain: Domain::new(config.l1_chain_id, config.consensus, config.l2_chain_id),
        genesis_hash,
    };
    let mut history = History::open(source, from, until).await?;
    let store = Store::open(&config.data_dir, identity(&config, genesis_hash)).await?;
    let execution =
        execution::open(genesis, None, &config, &store, Arc::new(SenderCache::new())).await?;
    execution.executor.recover(None).await?;
    let mut replay = Replay::from_genesis(&*execution.executor);
    let mut rebuilt = Rebuilt { l1_block: until.number, ..Rebuilt::default() };
    while let Some(batch) = history.next().await? {
        for block in &batch.blocks {
            replay.block(block).await?;
            rebuilt.transactions += block.transactions.len() as u64;
        }
        rebuilt.batches = batch.header.batch_index;
        rebuilt.bytes += batch.bytes as u64;
        rebuilt.height = replay.height().0;
        if !batch.blocks.is_empty() {
            rebuilt.block_hash = batch.header.last_block_hash;
        }
        told(&rebuilt, history.batches());
    }
    let head = execution.executor.head().await;
    rebuilt.execution_hash = head.hash;
    rebuilt.state_root = head.state_root;
    execution.close().await;
    store.close().await;
    Ok(rebuilt)
}
