//! The store as a whole: opening, closing, heads.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use ande_consensus::Heads;
use ande_primitives::{Canonical as _, Commit, Epoch, EpochSet, Height};
use parking_lot::{Mutex, RwLock};
use sqlx::SqlitePool;
use tokio::sync::watch;

use crate::{
    ChainIdentity, EraStart, FjallStore, KvStore, StoreError,
    chain::Tip,
    index::{self, IndexedBlock, TransactionIndex},
    journal::Journal,
    lock::DirLock,
    meta, sql,
};

/// Version of everything in the data directory. Grows with every change that older software would
/// misread.
pub const STORAGE_VERSION: u32 = 1;

/// The database in a data directory.
pub(crate) const DATABASE: &str = "ande.sqlite";
const HOT: &str = "hot";
/// Bytes of blocks read at once while the index is brought up to the tip.
const REPLAY_BYTES: usize = 8 << 20;

/// Choices at the opening of a store.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// The hot store; none opens a [`FjallStore`] in the data directory.
    pub hot: Option<Arc<dyn KvStore>>,
}

/// Everything durable of a node. Clones share one store.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) dir: PathBuf,
    pub(crate) identity: ChainIdentity,
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    /// Held while a block is committed.
    pub(crate) tip: tokio::sync::Mutex<Tip>,
    pub(crate) last: RwLock<Option<Arc<Commit>>>,
    /// Settled heads as the settlement chain has them, possibly above our own tip.
    pub(crate) settled: tokio::sync::Mutex<Settled>,
    heads: watch::Sender<Heads>,
    pub(crate) eras: RwLock<Vec<EraStart>>,
    pub(crate) sets: Mutex<BTreeMap<Epoch, Arc<EpochSet>>>,
    pub(crate) index: TransactionIndex,
    pub(crate) journal: Journal,
    lock: Mutex<Option<DirLock>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) safe: Height,
    pub(crate) finalized: Height,
}

impl Store {
    /// Opens or creates the store in `dir`. The first open binds the directory to `identity`.
    ///
    /// # Errors
    /// Another process has the directory, it belongs to another chain or to newer software, or its
    /// content is damaged. Every message says what to do.
    pub async fn open(dir: &Path, identity: ChainIdentity) -> Result<Self, StoreError> {
        Self::open_with(dir, identity, StoreOptions::default()).await
    }

    /// [`open`](Self::open) with choices.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(
        dir: &Path,
        identity: ChainIdentity,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        create_dir(dir)?;
        let lock = DirLock::take(dir)?;
        let database = dir.join(DATABASE);
        let writer = sql::open_writer(&database).await?;
        prepare(&writer, dir, &database, &identity).await?;
        let readers = sql::open_readers(&database).await?;
        let tip = Tip::load(&readers, &identity).await?;
        let last = tip.read_commit(&readers).await?.map(Arc::new);
        let settled = meta::load_settled(&readers).await?;
        let eras = meta::load_eras(&readers).await?;
        let kv = match options.hot {
            Some(kv) => kv,
            None => open_hot(dir.join(HOT)).await?,
        };
        bring_up(&readers, Arc::clone(&kv), &tip).await?;
        let index = TransactionIndex::start(kv)?;
        let journal = Journal::start(writer.clone(), &readers).await?;
        let heads = watch::Sender::new(heads_of(tip.height, settled));
        let inner = Inner {
            dir: dir.to_owned(),
            identity,
            writer,
            readers,
            tip: tokio::sync::Mutex::new(tip),
            last: RwLock::new(last),
            settled: tokio::sync::Mutex::new(settled),
            heads,
            eras: RwLock::new(eras),
            sets: Mutex::default(),
            index,
            journal,
            lock: Mutex::new(Some(lock)),
        };
        tracing::info!(dir = %dir.display(), height = %inner.heads.borrow().latest, "store opened");
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The chain that the data directory belongs to.
    #[must_use]
    pub fn identity(&self) -> &ChainIdentity {
        &self.inner.identity
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// The three heads. Changes after the data they name can be read.
    #[must_use]
    pub fn heads(&self) -> watch::Receiver<Heads> {
        self.inner.heads.subscribe()
    }

    /// Moves the settled heads forward; a head below the known one is ignored. The settlement chain
    /// may be ahead of this node: the heads then follow as blocks are committed.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn set_settled(&self, safe: Height, finalized: Height) -> Result<(), StoreError> {
        let mut settled = self.inner.settled.lock().await;
        let finalized = finalized.max(settled.finalized);
        let next = Settled { safe: safe.max(settled.safe).max(finalized), finalized };
        if next != *settled {
            meta::store_settled(&self.inner.writer, next).await?;
            *settled = next;
            let latest = self.latest();
            self.publish_heads(latest, next);
        }
        Ok(())
    }

    /// Height of the last committed block, 0 before the first.
    #[must_use]
    pub fn latest(&self) -> Height {
        self.inner.heads.borrow().latest
    }

    pub(crate) fn publish_heads(&self, latest: Height, settled: Settled) {
        self.inner.heads.send_if_modified(|heads| {
            let next = heads_of(latest.max(heads.latest), settled);
            let changed = next != *heads;
            *heads = next;
            changed
        });
    }

    /// Finishes what is under way, makes everything durable and releases the data directory. Later
    /// calls fail with [`StoreError::Closed`].
    pub async fn close(&self) {
        self.inner.journal.close().await;
        // A commit that is under way holds the tip.
        let tip = self.inner.tip.lock().await;
        let inner = Arc::clone(&self.inner);
        if tokio::task::spawn_blocking(move || inner.index.close()).await.is_err() {
            tracing::error!("closing the transaction index failed");
        }
        self.inner.readers.close().await;
        self.inner.writer.close().await;
        drop(tip);
        drop(self.inner.lock.lock().take());
    }
}

fn heads_of(latest: Height, settled: Settled) -> Heads {
    Heads { latest, safe: settled.safe.min(latest), finalized: settled.finalized.min(latest) }
}

fn create_dir(dir: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| {
        StoreError::Io { doing: "create the data directory", path: dir.to_owned(), source }
    })
}

/// Checks version and chain, migrates, and binds a new database to its chain.
async fn prepare(
    writer: &SqlitePool,
    dir: &Path,
    database: &Path,
    identity: &ChainIdentity,
) -> Result<(), StoreError> {
    let found = meta::storage_version(writer, database).await?;
    if let Some(found) = found.filter(|found| *found > STORAGE_VERSION) {
        return Err(StoreError::NewerVersion { found });
    }
    sqlx::migrate!("./migrations").run(writer).await.map_err(StoreError::Migrate)?;
    match meta::load_identity(writer).await? {
        Some(stored) if stored == *identity => Ok(()),
        Some(stored) => Err(StoreError::WrongChain {
            path: dir.to_owned(),
            stored: Box::new(stored),
            given: Box::new(*identity),
        }),
        None => meta::store_identity(writer, &identity.to_canonical()).await,
    }
}

async fn open_hot(dir: PathBuf) -> Result<Arc<dyn KvStore>, StoreError> {
    let opened = tokio::task::spawn_blocking(move || FjallStore::open(&dir)).await;
    match opened {
        Ok(Ok(store)) => Ok(Arc::new(store)),
        Ok(Err(error)) => Err(index::hot(error)),
        Err(_) => Err(index::hot(crate::KvError {
            doing: "open it",
            source: "its engine panicked on the files it found".into(),
        })),
    }
}

/// Writes the index entries of every block that the hot store does not have.
async fn bring_up(readers: &SqlitePool, kv: Arc<dyn KvStore>, tip: &Tip) -> Result<(), StoreError> {
    let marker = blocking(&kv, index::marker).await?;
    let known = match marker {
        Some((height, hash)) if height <= tip.height => {
            crate::chain::hash_at(readers, height).await?.is_some_and(|stored| stored == hash)
        }
        _ => false,
    };
    let mut next = match marker {
        Some((height, _)) if known => height.next(),
        _ => {
            blocking(&kv, index::reset).await?;
            Height(1)
        }
    };
    while next <= tip.height {
        let commits = crate::chain::read_range(readers, next..=tip.height, REPLAY_BYTES).await?;
        let Some(last) = commits.last() else {
            return Err(StoreError::Corrupt {
                table: "blocks",
                row: next.to_string(),
                reason: "missing".into(),
            });
        };
        next = last.block.height().next();
        let blocks: Vec<_> = commits
            .iter()
            .map(|commit| IndexedBlock::of(&commit.block, commit.certificate.block_hash))
            .collect();
        blocking(&kv, move |kv| index::write_blocks(kv, &blocks)).await?;
    }
    blocking(&kv, |kv| kv.sync()).await
}

/// Runs a blocking operation of the hot store off the async threads.
async fn blocking<T: Send + 'static>(
    kv: &Arc<dyn KvStore>,
    work: impl FnOnce(&dyn KvStore) -> Result<T, crate::KvError> + Send + 'static,
) -> Result<T, StoreError> {
    let kv = Arc::clone(kv);
    tokio::task::spawn_blocking(move || work(kv.as_ref()))
        .await
        .map_err(|_| StoreError::Closed)?
        .map_err(index::hot)
}
