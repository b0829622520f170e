//! New eras: what the contract made void goes, and the node starts again from what it settled.

use std::{os::unix::process::CommandExt as _, process::Command};

use ande_l1::L1View;
use ande_primitives::{Era, Height};
use ande_store::{ChainIdentity, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{config::NodeConfig, error::NodeError, execution::STATE_DIR, resync::remove};

/// Directory of the ordering engine's log.
pub(crate) const ENGINE_DIR: &str = "engine";

/// Opens the store without the blocks that are void since a new era began. The state is made again
/// from the others, and the engine's log of heights that are decided anew goes too: whatever this
/// node signed in it was for the ended era, and its guard does not forget.
///
/// # Errors
/// The store cannot be used, or the old state cannot be removed.
pub(crate) async fn open_store(
    config: &NodeConfig,
    identity: ChainIdentity,
) -> Result<Store, NodeError> {
    let store = Store::open(&config.data_dir, identity).await?;
    let Some(first) = store.void_from().await? else { return Ok(store) };
    let (to, latest) = (Height(first.0.saturating_sub(1)), store.latest());
    warn!(
        era = store.era().0,
        from = first.0,
        to = latest.0,
        "dropping blocks that are void in this era"
    );
    // Both before the blocks: interrupted, the next start does it all again.
    for dir in [STATE_DIR, ENGINE_DIR] {
        remove(&config.data_dir.join(dir)).map_err(|source| NodeError::Rewind { source })?;
    }
    store.rewind(to).await?;
    let store = Store::open(&config.data_dir, identity).await?;
    info!(height = store.latest().0, "the chain goes on from the last settled block");
    Ok(store)
}

/// Ends the node when an era after `known` is final on the settlement chain.
///
/// # Errors
/// [`NodeError::NewEra`], always unless the node stops before.
pub(crate) async fn watch_era(
    mut l1: watch::Receiver<L1View>,
    known: Era,
    stop: CancellationToken,
) -> Result<(), NodeError> {
    let changed = async {
        match l1.wait_for(|view| view.era > known).await {
            Ok(view) => Some(view.era),
            Err(_) => None,
        }
    };
    match stop.run_until_cancelled(changed).await.flatten() {
        Some(era) => Err(NodeError::NewEra(era)),
        None => {
            stop.cancelled().await;
            Ok(())
        }
    }
}

/// Replaces this process by a fresh one with the same arguments. Returns only when it cannot.
pub(crate) fn start_again() -> std::io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut arguments = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).exec()
}
