//! From a file into a fresh data directory.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    sync::Arc,
    time::Duration,
};

use alloy_primitives::B256;
use ande_execution::Executor;
use ande_l1::{L1Reader, L1View};
use ande_primitives::{Domain, Height};
use ande_sequencer::{Replay, SenderCache, SequencerError};
use ande_store::{ChainIdentity, Store, StoreError};
use serde::Serialize;
use tokio::sync::watch::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

use crate::{
    config::NodeConfig,
    error::NodeError,
    execution::{self, Genesis},
    node::{identity, l1_config},
    resync::remove,
    snapshot::{Refusal, SnapshotError, error::io_error, format::SnapshotReader, links::Links},
};

/// Suffix of a data directory that is not complete.
const DRAFT: &str = "importing";
/// How long a settlement chain that cannot be read is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
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

/// Makes the data directory of a configuration out of a snapshot, which nobody need trust: every
/// block must extend the one before it and execute to what it says, and a quorum of its epoch's
/// validators, as the settlement chain names them, must have signed it. `told` hears of every block
/// and of the last one.
///
/// # Errors
/// The directory is not empty, or the snapshot is not this chain; says at which block and why. Then
/// nothing is left behind.
pub async fn import_snapshot(
    config: &NodeConfig,
    file: &Path,
    told: impl FnMut(Height, Height),
) -> Result<Imported, SnapshotError> {
    let genesis = Genesis::read(config)?;
    let identity = identity(config, genesis.payload().hash());
    let input = BufReader::new(File::open(file).map_err(io_error("read", file))?);
    let snapshot = SnapshotReader::open(input)
        .map_err(|source| SnapshotError::Header { path: file.into(), source })?;
    let found = snapshot.header().identity;
    if found != identity {
        let (found, expected) = (Box::new(found), Box::new(identity));
        return Err(SnapshotError::WrongChain { found, expected });
    }
    if snapshot.header().last == Height(0) {
        return Err(SnapshotError::Empty);
    }
    check_vacant(&config.data_dir)?;
    let draft = config.data_dir.with_added_extension(DRAFT);
    discard(&draft, identity).await?;
    let drafted = NodeConfig { data_dir: draft.clone(), ..config.clone() };
    let made = make(&drafted, genesis, identity, snapshot, told).await;
    let made = made.and_then(|imported| publish(&draft, &config.data_dir).map(|()| imported));
    if made.is_err()
        && let Err(error) = remove(&draft)
    {
        tracing::warn!(%error, dir = %draft.display(), "what was taken of the snapshot cannot be removed");
    }
    made
}

/// Refuses a directory that has something in it.
fn check_vacant(dir: &Path) -> Result<(), SnapshotError> {
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(SnapshotError::Occupied(dir.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error("read", dir)(error)),
    }
}

/// Removes what an interrupted import left, unless one is under way.
async fn discard(draft: &Path, identity: ChainIdentity) -> Result<(), SnapshotError> {
    if !draft.exists() {
        return Ok(());
    }
    match Store::open(draft, identity).await {
        Ok(store) => store.close().await,
        Err(error @ StoreError::InUse { .. }) => return Err(error.into()),
        // As far as it was written when it was interrupted.
        Err(_) => {}
    }
    remove(draft).map_err(io_error("remove", draft))
}

/// Gives the finished directory its name.
fn publish(draft: &Path, dir: &Path) -> Result<(), SnapshotError> {
    std::fs::rename(draft, dir).map_err(io_error("put the new data directory at", dir))?;
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let synced = File::open(parent).and_then(|dir| dir.sync_all());
    synced.map_err(io_error("write", parent))
}

/// Makes the data directory that `config` names.
async fn make(
    config: &NodeConfig,
    genesis: Genesis,
    identity: ChainIdentity,
    snapshot: SnapshotReader<impl BufRead>,
    told: impl FnMut(Height, Height),
) -> Result<Imported, SnapshotError> {
    let reader = L1Reader::connect(l1_config(config)).map_err(NodeError::from)?;
    let deployment = reader.check_deployment(config.l2_chain_id, identity.genesis_hash).await;
    deployment.map_err(NodeError::from)?;
    let store = Store::open(&config.data_dir, identity).await?;
    let made = async {
        read_sets(reader, &store).await?;
        let senders = Arc::new(SenderCache::new());
        let execution = execution::open(genesis, None, config, &store, senders).await?;
        let imported = fill(&store, &*execution.executor, snapshot, told).await;
        execution.close().await;
        imported
    };
    let made = made.await;
    store.close().await;
    made
}

/// Has eras and validator sets stored as a node does that starts with nothing.
async fn read_sets(reader: L1Reader, store: &Store) -> Result<(), SnapshotError> {
    let stop = CancellationToken::new();
    let (view, task) = reader.spawn(store.clone(), stop.clone());
    let read = wait_for_sets(view).await;
    stop.cancel();
    match task.await {
        Ok(ended) => ended.map_err(NodeError::from)?,
        Err(_) => return Err(NodeError::Service("settlement reader").into()),
    }
    read
}

async fn wait_for_sets(mut view: watch::Receiver<L1View>) -> Result<(), SnapshotError> {
    let gone = || SnapshotError::from(NodeError::Service("settlement reader"));
    let is_read = |view: &L1View| view.last_ok.is_some();
    let first = view.wait_for(|view| is_read(view) || view.error.is_some()).await.is_ok();
    if !first {
        return Err(gone());
    }
    let read = async { Ok(view.wait_for(is_read).await?.last_frozen_epoch.is_some()) };
    let read: Result<Result<bool, RecvError>, _> = tokio::time::timeout(PATIENCE, read).await;
    match read {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(SnapshotError::NotLaunched),
        Ok(Err(_)) => Err(gone()),
        Err(_) => {
            let error = view.borrow().error.clone();
            Err(SnapshotError::Settlement(error.unwrap_or_default()))
        }
    }
}

/// Proves and executes block after block, and stores it.
async fn fill<E: Executor + ?Sized>(
    store: &Store,
    executor: &E,
    mut snapshot: SnapshotReader<impl BufRead>,
    mut told: impl FnMut(Height, Height),
) -> Result<Imported, SnapshotError> {
    let header = *snapshot.header();
    let chain = header.identity;
    let domain = Domain::new(chain.l1_chain_id, chain.consensus, chain.l2_chain_id);
    executor.recover(None).await?;
    let mut replay = Replay::from_genesis(executor);
    let mut links = Links::from_genesis(chain.genesis_hash);
    let mut transactions = 0;
    loop {
        let height = snapshot.height();
        let next = snapshot.next();
        let Some(commit) = next.map_err(|source| SnapshotError::Damaged { height, source })? else {
            break;
        };
        let refused = |source| SnapshotError::Refused { height, source };
        let set = store.set_at(height).await?.ok_or(SnapshotError::NoSet(height))?;
        links.prove(&commit, &domain, &set).map_err(refused)?;
        replay.block(&commit.block).await.map_err(|error| match error {
            SequencerError::Inconsistent(reason) => refused(Refusal::Execution(reason)),
            error => NodeError::from(error).into(),
        })?;
        store.commit(&commit).await?;
        transactions += commit.block.transactions.len() as u64;
        told(height, header.last);
    }
    let (expected, got) = (header.last_hash, links.hash());
    if expected != got {
        let source = Refusal::Last { expected, got };
        return Err(SnapshotError::Refused { height: header.last, source });
    }
    let head = executor.head().await;
    Ok(Imported {
        height: header.last.0,
        transactions,
        block_hash: header.last_hash,
        execution_hash: head.hash,
        state_root: head.state_root,
    })
}

#[cfg(test)]
mod tests {
    use ande_execution::NoneExecutor;
    use ande_primitives::{CertificateError, Commit, CommitError};
    use ande_sequencer::StoreIndex;

    use super::*;
    use crate::snapshot::sample::{certified, chain, genesis, identity, keys, set, written};

    /// Takes a snapshot into a store that has these sets.
    async fn taken(bytes: &[u8], with_set: bool) -> (Result<Imported, SnapshotError>, Height) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), identity()).await.unwrap();
        if with_set {
            store.put_set(&set()).await.unwrap();
        }
        let executor = NoneExecutor::new(genesis(), Arc::new(StoreIndex(store.clone())));
        let snapshot = SnapshotReader::open(bytes).unwrap();
        let mut heights = Vec::new();
        let result = fill(&store, &executor, snapshot, |at, of| heights.push((at, of))).await;
        let latest = store.latest();
        assert_eq!(heights.last().map_or(Height(0), |(at, _)| *at), latest);
        store.close().await;
        (result, latest)
    }

    /// What is said against the last of these blocks.
    async fn refusal(commits: &[Commit]) -> Refusal {
        let (result, latest) = taken(&written(commits), true).await;
        let last = Height(commits.len() as u64);
        assert_eq!(latest.next(), last, "what came before is taken");
        match result.unwrap_err() {
            SnapshotError::Refused { height, source } if height == last => source,
            error => panic!("{error:?}"),
        }
    }

    #[tokio::test]
    async fn a_snapshot_gives_the_chain_that_it_was_made_of() {
        let commits = chain(6);
        let (result, latest) = taken(&written(&commits), true).await;
        let (imported, last) = (result.unwrap(), &commits[5].block);
        assert_eq!((latest, imported.height, imported.transactions), (Height(6), 6, 12));
        assert_eq!(imported.block_hash, last.hash());
        assert_eq!(imported.execution_hash, last.header.execution_hash);
    }

    #[tokio::test]
    async fn forged_blocks_are_refused_with_their_height() {
        let honest = chain(4);
        let with_last = |commit: Commit| [&honest[..3], &[commit]].concat();

        // Signed by two of four.
        let few = certified(honest[3].block.clone(), &keys()[..2]);
        let source = refusal(&with_last(few)).await;
        let no_quorum =
            CommitError::Certificate(CertificateError::NoQuorum { signed: 2, total: 4 });
        assert!(matches!(&source, Refusal::Commit(error) if *error == no_quorum), "{source}");

        // A transaction more, under the old signatures.
        let mut more = honest[3].clone();
        more.block.header.timestamp_ms += 1;
        let source = refusal(&with_last(more)).await;
        assert!(matches!(source, Refusal::Commit(CommitError::WrongBlock { .. })), "{source}");

        // Signatures of the block before.
        let mut swapped = honest[3].clone();
        swapped.certificate = honest[2].certificate.clone();
        let source = refusal(&with_last(swapped)).await;
        assert!(matches!(source, Refusal::Commit(CommitError::WrongBlock { .. })), "{source}");

        // On another block, though all signed it.
        let mut apart = honest[3].block.clone();
        apart.header.parent_hash = B256::repeat_byte(9);
        let source = refusal(&with_last(certified(apart, &keys()))).await;
        assert!(matches!(source, Refusal::Parent { .. }), "{source}");

        // A block left out.
        let source = refusal(&[&honest[..2], &honest[3..]].concat()).await;
        assert!(matches!(source, Refusal::Height { .. }), "{source}");

        // All signed it, and yet it does not execute to what it says.
        let mut wrong = honest[3].block.clone();
        wrong.transactions.pop();
        let source = refusal(&with_last(certified(wrong, &keys()))).await;
        assert!(matches!(source, Refusal::Execution(_)), "{source}");
    }

    #[tokio::test]
    async fn nothing_is_believed_without_the_set_of_its_epoch() {
        let (result, latest) = taken(&written(&chain(2)), false).await;
        assert!(matches!(result, Err(SnapshotError::NoSet(Height(1)))), "{result:?}");
        assert_eq!(latest, Height(0));
    }

    #[tokio::test]
    async fn a_damaged_part_is_named_by_its_height() {
        let bytes = written(&chain(3));
        let plain = zstd::decode_all(bytes.as_slice()).unwrap();
        let cut = zstd::encode_all(&plain[..plain.len() - 40], 3).unwrap();
        let (result, latest) = taken(&cut, true).await;
        assert!(matches!(result, Err(SnapshotError::Damaged { height: Height(3), .. })));
        assert_eq!(latest, Height(2));
    }

    #[test]
    fn only_an_empty_place_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        check_vacant(dir.path()).unwrap();
        check_vacant(&dir.path().join("nowhere")).unwrap();
        std::fs::write(dir.path().join("lock"), "").unwrap();
        let refused = check_vacant(dir.path());
        assert!(matches!(refused, Err(SnapshotError::Occupied(_))), "{refused:?}");
    }
}
