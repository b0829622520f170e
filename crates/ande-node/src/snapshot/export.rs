//! From a data directory into a file.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use alloy_primitives::B256;
use ande_primitives::{Commit, Height};
use ande_store::ChainReader;
use serde::Serialize;

use crate::{
    config::NodeConfig,
    execution::Genesis,
    node::identity,
    snapshot::{
        SnapshotError,
        error::io_error,
        format::{SnapshotHeader, SnapshotWriter},
        links::Links,
    },
};

/// Bytes of blocks read at once.
const PAGE_BYTES: usize = 4 << 20;
/// Suffix of a file that is not complete.
const PART: &str = "part";

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Height of the last block.
    pub height: u64,
    /// Transactions in all blocks.
    pub transactions: u64,
    /// Hash of the last block's consensus header.
    pub block_hash: B256,
    /// Size of the file.
    pub bytes: u64,
}

/// Writes the chain in the data directory of a configuration into a new file: what is committed at
/// the beginning, from block 1 on. The node may run. `told` hears of every page: its last height,
/// and the last of all.
///
/// # Errors
/// There is no chain, a block of it is damaged, or the file cannot be written. Then there is no file.
pub async fn export_snapshot(
    config: &NodeConfig,
    file: &Path,
    told: impl FnMut(Height, Height),
) -> Result<Exported, SnapshotError> {
    if file.exists() {
        return Err(SnapshotError::Exists(file.into()));
    }
    let genesis_hash = Genesis::read(config)?.payload().hash();
    let identity = identity(config, genesis_hash);
    let chain = ChainReader::open(&config.data_dir, identity).await?;
    let tip = chain.tip().await?.ok_or(SnapshotError::Empty)?.block;
    let header = SnapshotHeader { identity, last: tip.height(), last_hash: tip.hash() };
    let part = file.with_added_extension(PART);
    let written = write(&chain, &header, &part, told).await;
    chain.close().await;
    let written = written.and_then(|written| {
        std::fs::rename(&part, file).map_err(io_error("name", file))?;
        Ok(written)
    });
    if written.is_err() {
        // It may never have been made.
        let _ = std::fs::remove_file(&part);
    }
    written
}

async fn write(
    chain: &ChainReader,
    header: &SnapshotHeader,
    part: &Path,
    mut told: impl FnMut(Height, Height),
) -> Result<Exported, SnapshotError> {
    let failed = || io_error("write", part);
    let out = BufWriter::new(File::create(part).map_err(failed())?);
    let mut writer = SnapshotWriter::begin(out, header).map_err(failed())?;
    let mut links = Links::from_genesis(header.identity.genesis_hash);
    let (mut next, mut transactions) = (Height(1), 0);
    while next <= header.last {
        let page: Vec<Commit> = chain.commits(next..=header.last, PAGE_BYTES).await?;
        for commit in &page {
            links.extend(&commit.block).map_err(|_| SnapshotError::Changed)?;
            writer.commit(commit).map_err(failed())?;
            transactions += commit.block.transactions.len() as u64;
        }
        let last = page.last().ok_or(SnapshotError::Changed)?;
        next = last.block.height().next();
        told(last.block.height(), header.last);
    }
    if links.hash() != header.last_hash {
        return Err(SnapshotError::Changed);
    }
    let mut out = writer.finish().map_err(failed())?;
    out.flush().map_err(failed())?;
    let file = out.get_ref();
    file.sync_all().map_err(failed())?;
    let bytes = file.metadata().map_err(failed())?.len();
    Ok(Exported { height: header.last.0, transactions, block_hash: header.last_hash, bytes })
}
