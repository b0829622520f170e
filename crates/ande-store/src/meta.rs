//! Single values: storage version, chain identity, settled heads, the settlement cursor, and values
//! of other services by key.

use std::path::Path;

use alloy_primitives::B256;
use ande_primitives::{Canonical as _, Era, Height};
use sqlx::{Row as _, SqlitePool};

use crate::{
    ChainIdentity, EraStart, STORAGE_VERSION, Store, StoreError,
    seal::{KeyBytes, Place},
    store::Settled,
};

const TABLE: &str = "meta";
const VERSION: &str = "storage_version";
const IDENTITY: &str = "chain_identity";
const SETTLED: &str = "settled";
const CURSOR: &str = "l1_cursor";
const ERAS: &str = "eras";
/// Bytes of an era in its list.
const ERA_BYTES: usize = 28;
/// Keys of other services start with this, so that they cannot touch the store's own.
const USER: &str = "user:";
/// Largest value of another service.
const MAX_VALUE_BYTES: usize = 1 << 20;

/// Last settlement block whose events are in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Cursor {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

impl Store {
    /// A value of another service.
    ///
    /// # Errors
    /// The database cannot be read or the value is damaged.
    pub async fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        get(&self.inner.readers, &format!("{USER}{key}")).await
    }

    /// Stores a value of another service. Durable on return.
    ///
    /// # Errors
    /// The database cannot be written, or the value is above 1 MiB.
    pub async fn put_meta(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(StoreError::TooLarge {
                what: "a value",
                size: value.len() as u64,
                limit: MAX_VALUE_BYTES as u64,
            });
        }
        put(&self.inner.writer, &format!("{USER}{key}"), value.to_vec()).await
    }

    /// How far the settlement chain was read.
    ///
    /// # Errors
    /// The database cannot be read or the value is damaged.
    pub async fn l1_cursor(&self) -> Result<Option<L1Cursor>, StoreError> {
        let Some(value) = get(&self.inner.readers, CURSOR).await? else { return Ok(None) };
        let parts = value.split_first_chunk::<8>().and_then(|(number, hash)| {
            Some(L1Cursor { number: u64::from_be_bytes(*number), hash: B256::try_from(hash).ok()? })
        });
        parts.map(Some).ok_or_else(|| wrong(CURSOR))
    }

    /// Notes how far the settlement chain was read. Durable on return.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn put_l1_cursor(&self, cursor: L1Cursor) -> Result<(), StoreError> {
        let mut value = cursor.number.to_be_bytes().to_vec();
        value.extend_from_slice(cursor.hash.as_slice());
        put(&self.inner.writer, CURSOR, value).await
    }
}

/// Version of the database; none for a new one.
pub(crate) async fn storage_version(
    pool: &SqlitePool,
    database: &Path,
) -> Result<Option<u32>, StoreError> {
    let rows = sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table'")
        .fetch_all(pool)
        .await
        .map_err(StoreError::sql("read the list of tables"))?;
    let names: Vec<String> = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()
        .map_err(StoreError::sql("read the list of tables"))?;
    if names.is_empty() {
        return Ok(None);
    }
    // The migrator makes its own table first; a crash in between leaves only that.
    if !names.iter().any(|name| name == TABLE) {
        return if names.iter().all(|name| name == "_sqlx_migrations") {
            Ok(None)
        } else {
            Err(StoreError::Foreign { path: database.to_owned() })
        };
    }
    match get(pool, VERSION).await? {
        None => Ok(None),
        Some(value) => match <[u8; 4]>::try_from(value.as_slice()) {
            Ok(version) => Ok(Some(u32::from_be_bytes(version))),
            Err(_) => Err(wrong(VERSION)),
        },
    }
}

pub(crate) async fn load_identity(pool: &SqlitePool) -> Result<Option<ChainIdentity>, StoreError> {
    match get(pool, IDENTITY).await? {
        None => Ok(None),
        Some(value) => ChainIdentity::from_canonical(&value).map(Some).map_err(|error| {
            place_of(IDENTITY, |place| place.corrupt(IDENTITY, error.to_string()))
        }),
    }
}

/// Binds a new database to its chain: version and identity together.
pub(crate) async fn store_identity(pool: &SqlitePool, identity: &[u8]) -> Result<(), StoreError> {
    let doing = "bind the database to its chain";
    let mut tx = pool.begin().await.map_err(StoreError::sql(doing))?;
    for (key, value) in
        [(VERSION, STORAGE_VERSION.to_be_bytes().to_vec()), (IDENTITY, identity.to_vec())]
    {
        sqlx::query("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)")
            .bind(key)
            .bind(sealed(key, value))
            .execute(&mut *tx)
            .await
            .map_err(StoreError::sql(doing))?;
    }
    tx.commit().await.map_err(StoreError::sql(doing))
}

pub(crate) async fn load_settled(pool: &SqlitePool) -> Result<Settled, StoreError> {
    let Some(value) = get(pool, SETTLED).await? else { return Ok(Settled::default()) };
    let (words, rest) = value.as_chunks::<8>();
    match (words, rest) {
        ([safe, finalized], []) => Ok(Settled {
            safe: Height(u64::from_be_bytes(*safe)),
            finalized: Height(u64::from_be_bytes(*finalized)),
        }),
        _ => Err(wrong(SETTLED)),
    }
}

pub(crate) async fn store_settled(pool: &SqlitePool, settled: Settled) -> Result<(), StoreError> {
    let mut value = settled.safe.0.to_be_bytes().to_vec();
    value.extend_from_slice(&settled.finalized.0.to_be_bytes());
    put(pool, SETTLED, value).await
}

pub(crate) async fn load_eras(pool: &SqlitePool) -> Result<Vec<EraStart>, StoreError> {
    let Some(value) = get(pool, ERAS).await? else { return Ok(Vec::new()) };
    let (entries, []) = value.as_chunks::<ERA_BYTES>() else { return Err(wrong(ERAS)) };
    let start = |entry: &[u8; ERA_BYTES]| {
        let (era, rest) = entry.split_first_chunk::<4>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (forced_up_to, l1_block) = rest.split_first_chunk::<8>()?;
        Some(EraStart {
            era: Era(u32::from_be_bytes(*era)),
            first: Height(u64::from_be_bytes(*first)),
            forced_up_to: u64::from_be_bytes(*forced_up_to),
            l1_block: u64::from_be_bytes(l1_block.try_into().ok()?),
        })
    };
    entries.iter().map(|entry| start(entry).ok_or_else(|| wrong(ERAS))).collect()
}

pub(crate) async fn store_eras(pool: &SqlitePool, eras: &[EraStart]) -> Result<(), StoreError> {
    let mut value = Vec::with_capacity(eras.len() * ERA_BYTES);
    for start in eras {
        value.extend_from_slice(&start.era.0.to_be_bytes());
        value.extend_from_slice(&start.first.0.to_be_bytes());
        value.extend_from_slice(&start.forced_up_to.to_be_bytes());
        value.extend_from_slice(&start.l1_block.to_be_bytes());
    }
    put(pool, ERAS, value).await
}

fn place_of<T>(key: &str, then: impl FnOnce(Place<'_>) -> T) -> T {
    let bytes = KeyBytes::new().bytes(key.as_bytes());
    then(bytes.at(TABLE))
}

fn sealed(key: &str, value: Vec<u8>) -> Vec<u8> {
    place_of(key, |place| place.seal(value))
}

fn wrong(key: &str) -> StoreError {
    place_of(key, |place| place.corrupt(key, "the value has a wrong length"))
}

async fn get(pool: &SqlitePool, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let doing = "read table meta";
    let row = sqlx::query("SELECT value FROM meta WHERE key = ?")
        .bind(key)
        .fetch_optional(pool)
        .await
        .map_err(StoreError::sql(doing))?;
    let Some(row) = row else { return Ok(None) };
    let value: Vec<u8> = row.try_get(0).map_err(StoreError::sql(doing))?;
    place_of(key, |place| place.unseal(key, value)).map(Some)
}

async fn put(pool: &SqlitePool, key: &str, value: Vec<u8>) -> Result<(), StoreError> {
    sqlx::query("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)")
        .bind(key)
        .bind(sealed(key, value))
        .execute(pool)
        .await
        .map_err(StoreError::sql("write table meta"))?;
    Ok(())
}
