//! Makes the state again from the stored blocks.

use std::{io, path::Path, sync::Arc};

use ande_primitives::Height;
use ande_sequencer::SenderCache;
use ande_store::Store;

use crate::{
    config::NodeConfig,
    error::NodeError,
    execution::{self, Genesis, STATE_DIR},
    node::{identity, start_logging},
};

/// Suffix of the old state while the new one is made.
const REPLACED: &str = "replaced";

/// Replaces the state of a stopped node by one made from its blocks, and compares the result of each
/// block with its certified header. Returns the height of the last one.
///
/// # Errors
/// The node runs, has no state, or its blocks do not execute to what was certified. The old state
/// stays beside the new one unless the new one is complete.
pub(crate) async fn resync(config: &NodeConfig) -> Result<Height, NodeError> {
    start_logging(config)?;
    let genesis = Genesis::read(config)?;
    if matches!(genesis, Genesis::None(_)) {
        let reason = "the executor \"none\" has no state";
        return Err(NodeError::Resync { reason, source: None });
    }
    // Refused while the node runs.
    let store = Store::open(&config.data_dir, identity(config, genesis.payload().hash())).await?;
    let state = config.data_dir.join(STATE_DIR);
    let replaced = state.with_added_extension(REPLACED);
    set_aside(&state, &replaced).map_err(|source| NodeError::Resync {
        reason: "the old state cannot be moved away",
        source: Some(source),
    })?;
    let execution =
        execution::open(genesis, None, config, &store, Arc::new(SenderCache::new())).await?;
    let height = ande_sequencer::recover(&store, &*execution.executor).await?;
    execution.close().await;
    store.close().await;
    remove(&replaced).map_err(|source| NodeError::Resync {
        reason: "the new state is complete, but the old one cannot be removed",
        source: Some(source),
    })?;
    Ok(height)
}

fn set_aside(state: &Path, replaced: &Path) -> io::Result<()> {
    remove(replaced)?;
    match std::fs::rename(state, replaced) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a directory that may not be there.
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
