//! The hot store: a small ordered-key interface, so that its engine can be replaced.

use std::collections::HashMap;

use parking_lot::RwLock;

/// A set of keys of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// The store's own markers.
    Meta,
    /// Transaction hash to block height and position.
    Transactions,
}

impl Space {
    /// All spaces.
    pub const ALL: [Self; 2] = [Self::Meta, Self::Transactions];

    /// Name on disk.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Transactions => "transactions",
        }
    }
}

/// Why the hot store failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct KvError {
    /// What was tried.
    pub doing: &'static str,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// One change of one key.
#[derive(Debug)]
pub struct KvWrite {
    /// Space of the key.
    pub space: Space,
    /// The key.
    pub key: Vec<u8>,
    /// The new value; none removes the key.
    pub value: Option<Vec<u8>>,
}

/// Writes that take effect together or not at all.
#[derive(Debug, Default)]
pub struct KvBatch {
    /// The writes, in order.
    pub writes: Vec<KvWrite>,
}

impl KvBatch {
    /// Sets a key.
    pub fn put(&mut self, space: Space, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.push(KvWrite { space, key: key.into(), value: Some(value.into()) });
    }

    /// Removes a key.
    pub fn remove(&mut self, space: Space, key: impl Into<Vec<u8>>) {
        self.writes.push(KvWrite { space, key: key.into(), value: None });
    }
}

/// A key-value store for data that can be derived again. Calls block; keep them off async threads.
///
/// What the implementer owes: a batch is atomic, also across a crash; batches become durable in
/// the order of the calls; a [`sync`](Self::sync) makes everything before it durable.
pub trait KvStore: Send + Sync + std::fmt::Debug + 'static {
    /// The value of a key.
    ///
    /// # Errors
    /// The store cannot be read.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;

    /// Applies a batch. Survives the end of the process; survives the end of the machine only
    /// after a [`sync`](Self::sync).
    ///
    /// # Errors
    /// The store cannot be written.
    fn write(&self, batch: KvBatch) -> Result<(), KvError>;

    /// Removes every key of a space.
    ///
    /// # Errors
    /// The store cannot be written.
    fn clear(&self, space: Space) -> Result<(), KvError>;

    /// Makes everything durable.
    ///
    /// # Errors
    /// The store cannot be written.
    fn sync(&self) -> Result<(), KvError>;
}

/// A hot store in memory, for tests. Rebuilt from the database at every open.
#[derive(Debug, Default)]
pub struct MemoryStore {
    map: RwLock<HashMap<SpaceKey, Vec<u8>>>,
}

type SpaceKey = (Space, Vec<u8>);

impl KvStore for MemoryStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.map.read().get(&(space, key.to_vec())).cloned())
    }

    fn write(&self, batch: KvBatch) -> Result<(), KvError> {
        let mut map = self.map.write();
        for KvWrite { space, key, value } in batch.writes {
            match value {
                Some(value) => map.insert((space, key), value),
                None => map.remove(&(space, key)),
            };
        }
        Ok(())
    }

    fn clear(&self, space: Space) -> Result<(), KvError> {
        self.map.write().retain(|(kept, _), _| *kept != space);
        Ok(())
    }

    fn sync(&self) -> Result<(), KvError> {
        Ok(())
    }
}
