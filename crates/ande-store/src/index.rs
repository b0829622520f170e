//! Where each transaction is: an index in the hot store, one block behind the chain.
//!
//! The newest blocks are looked up in memory until their entries are written. The hot store's marker
//! names the last block whose entries it has; whatever is above it is written again at the start.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    thread::JoinHandle,
};

use alloy_primitives::{B256, keccak256};
use ande_primitives::{Block, Height};
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use crate::{KvBatch, KvError, KvStore, Space, StoreError};

const MARKER: &[u8] = b"persisted";
/// Blocks that may wait for the index before the commit path waits for it.
const QUEUE: usize = 64;
/// Blocks after which the index is made durable; at most these are replayed after a power cut.
const SYNC_EVERY: usize = 64;

/// Height and position of a transaction.
pub(crate) type Location = (Height, u32);

/// What the index keeps of a block.
#[derive(Debug)]
pub(crate) struct IndexedBlock {
    height: Height,
    hash: B256,
    transactions: Vec<B256>,
}

impl IndexedBlock {
    pub(crate) fn of(block: &Block, hash: B256) -> Self {
        let transactions = block.transactions.iter().map(keccak256).collect();
        Self { height: block.height(), hash, transactions }
    }

    fn entries(&self) -> impl Iterator<Item = (B256, Location)> {
        (0u32..).zip(&self.transactions).map(|(index, hash)| (*hash, (self.height, index)))
    }
}

type Overlay = RwLock<HashMap<B256, Location>>;

/// The index with its writer thread.
#[derive(Debug)]
pub(crate) struct TransactionIndex {
    /// Taken at the close, so that the directory is free for the next open.
    kv: RwLock<Option<Arc<dyn KvStore>>>,
    overlay: Arc<Overlay>,
    failure: Arc<OnceLock<String>>,
    queue: Mutex<Option<mpsc::Sender<IndexedBlock>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl TransactionIndex {
    /// Starts the writer over a store that has been brought up to the tip.
    pub(crate) fn start(kv: Arc<dyn KvStore>) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let overlay = Arc::new(Overlay::default());
        let failure = Arc::new(OnceLock::new());
        let worker = Writer {
            kv: Arc::clone(&kv),
            overlay: Arc::clone(&overlay),
            failure: Arc::clone(&failure),
        };
        let writer = std::thread::Builder::new()
            .name("ande-index".into())
            .spawn(move || worker.run(receiver))
            .map_err(|source| StoreError::Io {
                doing: "start the thread of",
                path: "transaction index".into(),
                source,
            })?;
        Ok(Self {
            kv: RwLock::new(Some(kv)),
            overlay,
            failure,
            queue: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Fails once the writer has failed: the chain must not run away from its index.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self.failure.get() {
            Some(reason) => {
                Err(hot(KvError { doing: "follow the chain", source: reason.clone().into() }))
            }
            None => Ok(()),
        }
    }

    /// Makes a committed block visible and hands it to the writer.
    pub(crate) async fn add(&self, block: IndexedBlock) -> Result<(), StoreError> {
        self.overlay.write().extend(block.entries());
        let queue = self.queue.lock().clone().ok_or(StoreError::Closed)?;
        if queue.send(block).await.is_err() {
            self.check()?;
            return Err(StoreError::Closed);
        }
        Ok(())
    }

    /// Where each transaction is. Blocks on the hot store.
    pub(crate) fn locate(&self, hashes: &[B256]) -> Result<Vec<Option<Location>>, StoreError> {
        let kv = self.kv.read().clone().ok_or(StoreError::Closed)?;
        hashes
            .iter()
            .map(|hash| {
                // An entry leaves the overlay after it is in the store, so this order sees it.
                if let Some(location) = self.overlay.read().get(hash) {
                    return Ok(Some(*location));
                }
                match kv.get(Space::Transactions, hash.as_slice()).map_err(hot)? {
                    None => Ok(None),
                    Some(value) => decode_location(*hash, &value).map(Some),
                }
            })
            .collect()
    }

    /// Writes everything that waits, makes it durable and ends the writer. Blocks.
    pub(crate) fn close(&self) {
        drop(self.queue.lock().take());
        if let Some(writer) = self.writer.lock().take()
            && writer.join().is_err()
        {
            tracing::error!("the thread of the transaction index panicked");
        }
        drop(self.kv.write().take());
    }
}

#[derive(Debug)]
struct Writer {
    kv: Arc<dyn KvStore>,
    overlay: Arc<Overlay>,
    failure: Arc<OnceLock<String>>,
}

impl Writer {
    fn run(self, mut queue: mpsc::Receiver<IndexedBlock>) {
        let mut unsynced = 0;
        while let Some(first) = queue.blocking_recv() {
            let mut blocks = vec![first];
            while let Ok(block) = queue.try_recv() {
                blocks.push(block);
            }
            unsynced += blocks.len();
            if let Err(error) = self.write(&blocks, unsynced >= SYNC_EVERY) {
                tracing::error!(error = %describe(&error), "the transaction index cannot be written");
                // The first reason is the one that counts.
                let _ = self.failure.set(describe(&error));
                return;
            }
            unsynced %= SYNC_EVERY;
        }
        if let Err(error) = self.kv.sync() {
            tracing::warn!(error = %describe(&error), "the transaction index is replayed at the next start");
        }
    }

    fn write(&self, blocks: &[IndexedBlock], sync: bool) -> Result<(), KvError> {
        write_blocks(self.kv.as_ref(), blocks)?;
        if sync {
            self.kv.sync()?;
        }
        let mut overlay = self.overlay.write();
        for (hash, location) in blocks.iter().flat_map(IndexedBlock::entries) {
            if overlay.get(&hash) == Some(&location) {
                overlay.remove(&hash);
            }
        }
        Ok(())
    }
}

/// Entries and marker in one atomic batch.
pub(crate) fn write_blocks(kv: &dyn KvStore, blocks: &[IndexedBlock]) -> Result<(), KvError> {
    let mut batch = KvBatch::default();
    for block in blocks {
        for (hash, (height, index)) in block.entries() {
            let mut value = [0u8; 12];
            value[..8].copy_from_slice(&height.0.to_be_bytes());
            value[8..].copy_from_slice(&index.to_be_bytes());
            batch.put(Space::Transactions, hash.to_vec(), value);
        }
    }
    if let Some(last) = blocks.last() {
        let mut marker = last.height.0.to_be_bytes().to_vec();
        marker.extend_from_slice(last.hash.as_slice());
        batch.put(Space::Meta, MARKER, marker);
    }
    kv.write(batch)
}

/// Height and hash of the last block in the hot store.
pub(crate) fn marker(kv: &dyn KvStore) -> Result<Option<(Height, B256)>, KvError> {
    let value = kv.get(Space::Meta, MARKER)?;
    Ok(value.as_deref().and_then(|value| {
        let (height, hash) = value.split_first_chunk::<8>()?;
        Some((Height(u64::from_be_bytes(*height)), B256::try_from(hash).ok()?))
    }))
}

/// Empties the index. The marker goes first, so that a crash in between empties it again.
pub(crate) fn reset(kv: &dyn KvStore) -> Result<(), KvError> {
    let mut batch = KvBatch::default();
    batch.remove(Space::Meta, MARKER);
    kv.write(batch)?;
    kv.sync()?;
    kv.clear(Space::Transactions)?;
    kv.sync()
}

fn decode_location(hash: B256, value: &[u8]) -> Result<Location, StoreError> {
    let parts = value.split_first_chunk::<8>().and_then(|(height, index)| {
        let index = <[u8; 4]>::try_from(index).ok()?;
        Some((Height(u64::from_be_bytes(*height)), u32::from_be_bytes(index)))
    });
    parts.ok_or_else(|| {
        hot(KvError {
            doing: "read a location",
            source: format!("{} bytes for transaction {hash}", value.len()).into(),
        })
    })
}

/// Failure of the hot store, with the way out: it holds nothing that cannot be derived.
pub(crate) fn hot(source: KvError) -> StoreError {
    StoreError::Hot {
        advice: "stop the node and remove the directory `hot` in the data directory; it is built \
                 anew from the chain at the next start"
            .into(),
        source,
    }
}

fn describe(error: &KvError) -> String {
    format!("{error}: {}", error.source)
}
