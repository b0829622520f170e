//! What the executor and its readers share: the state, the genesis and the last blocks.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

use alloy_consensus::Header;
use lru::LruCache;
use parking_lot::Mutex;

use super::{
    BlockReceipts, EvmGenesis, ReadError,
    database::{CodeCache, StateDatabase},
    record::Record,
};
use crate::{
    ExecutionError,
    state::{BlockMeta, StateError, StateOptions, StateStore, StateView},
};

/// Decoded blocks kept in memory.
const KEPT_RECORDS: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// What an embedded executor is made of.
#[derive(Clone, Debug)]
pub struct EvmConfig {
    /// The first block.
    pub genesis: EvmGenesis,
    /// Directory of the state.
    pub dir: PathBuf,
    /// How much of it is kept.
    pub state: StateOptions,
}

/// The state with the blocks that made it.
pub(crate) struct Chain {
    pub(crate) genesis: EvmGenesis,
    pub(crate) store: StateStore,
    codes: CodeCache,
    records: Mutex<LruCache<u64, Record>>,
    tip: Mutex<Arc<Header>>,
}

/// The newest block and the state after it.
pub(crate) struct Tip {
    pub(crate) head: BlockMeta,
    pub(crate) header: Arc<Header>,
    pub(crate) database: StateDatabase<StateView>,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("genesis", &self.genesis)
            .field("head", &self.head())
            .finish_non_exhaustive()
    }
}

impl Chain {
    /// Opens the state; a new one is filled with the genesis.
    pub(crate) fn open(config: EvmConfig) -> Result<Self, ExecutionError> {
        let EvmConfig { genesis, dir, state } = config;
        let store = StateStore::open(&dir, state).map_err(fault)?;
        match store.genesis() {
            None => store.initialise(genesis.meta(), genesis.changes()).map_err(fault)?,
            Some(stored) if stored == genesis.meta() => {}
            Some(stored) => {
                return Err(ExecutionError::State(format!(
                    "the directory belongs to a chain with genesis {}, not {}",
                    stored.hash,
                    genesis.hash()
                )));
            }
        }
        let tip = Mutex::new(Arc::new(genesis.header().clone()));
        let chain = Self {
            genesis,
            store,
            codes: CodeCache::default(),
            records: Mutex::new(LruCache::new(KEPT_RECORDS)),
            tip,
        };
        let head = chain.head();
        let header =
            chain.header(head.number).map_err(|error| ExecutionError::State(error.to_string()))?;
        if header.hash_slow() != head.hash {
            return Err(ExecutionError::State(format!(
                "the header of block {} is not the one with hash {}",
                head.number, head.hash
            )));
        }
        *chain.tip.lock() = header;
        Ok(chain)
    }

    /// The newest block.
    pub(crate) fn head(&self) -> BlockMeta {
        // A state without blocks is not handed out by `open`.
        self.store.head().unwrap_or_else(|| self.genesis.meta())
    }

    /// The newest block with its header and the state after it, all of one moment.
    pub(crate) fn at_head(&self) -> Result<Tip, ReadError> {
        let state = self.store.at_head().map_err(|error| read_error(self.head().number, error))?;
        let head = state.block();
        let header = self.header(head.number)?;
        Ok(Tip { head, header, database: self.database(state) })
    }

    /// Header of the newest block, without reading from disk. Follows the state by an instant.
    pub(crate) fn tip_header(&self) -> Arc<Header> {
        self.tip.lock().clone()
    }

    /// The state after a block.
    pub(crate) fn state(&self, number: u64) -> Result<StateView, ReadError> {
        self.check_known(number)?;
        self.store.at(number).map_err(|error| read_error(number, error))
    }

    /// A state as revm reads it.
    pub(crate) fn database(&self, state: StateView) -> StateDatabase<StateView> {
        StateDatabase::new(state, self.codes.clone())
    }

    /// Header of a block.
    pub(crate) fn header(&self, number: u64) -> Result<Arc<Header>, ReadError> {
        match self.record(number)? {
            Some(record) => Ok(record.header),
            None => Err(ReadError::State(format!("the record of block {number} is missing"))),
        }
    }

    /// Receipts of a block.
    pub(crate) fn receipts(&self, number: u64) -> Result<Option<Arc<BlockReceipts>>, ReadError> {
        Ok(self.record(number)?.map(|record| record.receipts))
    }

    fn record(&self, number: u64) -> Result<Option<Record>, ReadError> {
        self.check_known(number)?;
        if let Some(record) = self.records.lock().get(&number) {
            return Ok(Some(record.clone()));
        }
        let record = if number == 0 {
            let header = Arc::new(self.genesis.header().clone());
            Record { header, receipts: Arc::default() }
        } else {
            let stored = self.store.receipts(number).map_err(|error| read_error(number, error))?;
            let Some(bytes) = stored else {
                return Ok(None);
            };
            let record = Record::decode(&bytes).map_err(|error| {
                ReadError::State(format!("the record of block {number} is damaged: {error}"))
            })?;
            if record.header.number != number {
                return Err(ReadError::State(format!(
                    "the record of block {number} is that of block {}",
                    record.header.number
                )));
            }
            record
        };
        self.remember(record.clone());
        Ok(Some(record))
    }

    /// Makes the record of the block that was just committed the newest.
    pub(crate) fn advance(&self, record: Record) {
        *self.tip.lock() = record.header.clone();
        self.remember(record);
    }

    fn remember(&self, record: Record) {
        self.records.lock().put(record.header.number, record);
    }

    /// Refuses blocks above the head.
    pub(crate) fn check_known(&self, number: u64) -> Result<(), ReadError> {
        let head = self.head().number;
        if number > head { Err(ReadError::Unknown { number, head }) } else { Ok(()) }
    }
}

/// The state did not do what it had to.
pub(crate) fn fault(error: StateError) -> ExecutionError {
    ExecutionError::State(error.to_string())
}

pub(crate) fn read_error(number: u64, error: StateError) -> ReadError {
    match error {
        StateError::Pruned { oldest, .. } => ReadError::Pruned { number, oldest },
        StateError::NotProvable { oldest, head, .. } => {
            ReadError::NotProvable { number, oldest, head }
        }
        StateError::NoReceipts { oldest, .. } => ReadError::NoRecord { number, oldest },
        error => ReadError::State(error.to_string()),
    }
}
