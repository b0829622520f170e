//! Opening of key-value databases (fjall).
//!
//! fjall makes a new database in several steps, and one whose making was interrupted cannot be opened
//! again. Here a database is made beside its place and moved there when it is complete, so that it is
//! whole or not there at all, whenever the process dies.

use std::{
    fs::{self, File},
    io, panic,
    path::{Path, PathBuf},
};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

/// Appended to the name of the directory in which a database is made.
const UNFINISHED: &str = "unfinished";

/// Memory and disk that a database may use, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Memory for blocks of the tables that were read lately.
    pub cache: u64,
    /// Entries held in memory per table before they are sorted to disk; read again at the start.
    pub memtable: u64,
    /// What is replayed at most at the start.
    pub journal: u64,
}

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// The directory holds something else.
    #[error("{0} holds files that are no database: use another directory, or an empty one")]
    Occupied(PathBuf),
    /// The library gave up on a journal that it cannot have written.
    #[error("the journal has impossible contents")]
    Journal,
    /// The files cannot be read or written, or are damaged.
    #[error(transparent)]
    Database(#[from] fjall::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Opens the database in `dir` with its tables in the order of `tables`, and makes it when the
/// directory does not exist or is empty. Blocks while another process makes one beside it.
///
/// # Errors
/// See [`OpenError`].
pub fn open(
    dir: &Path,
    sizes: Sizes,
    tables: &[&str],
) -> Result<(Database, Vec<Keyspace>), OpenError> {
    if is_absent(dir)? {
        make(dir, sizes, tables)?;
    }
    open_in_place(dir, sizes, tables)
}

fn make(dir: &Path, sizes: Sizes, tables: &[&str]) -> Result<(), OpenError> {
    let parent = match dir.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent)?;
    // One maker at a time; the lock ends with the process.
    let parent = File::open(parent)?;
    parent.lock()?;
    if !is_absent(dir)? {
        return Ok(());
    }
    let unfinished = dir.with_added_extension(UNFINISHED);
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let (database, tables) = open_in_place(&unfinished, sizes, tables)?;
    database.persist(PersistMode::SyncAll)?;
    drop(tables);
    drop(database);
    fs::rename(&unfinished, dir)?;
    parent.sync_all()?;
    Ok(())
}

fn open_in_place(
    dir: &Path,
    sizes: Sizes,
    tables: &[&str],
) -> Result<(Database, Vec<Keyspace>), OpenError> {
    let open = || {
        Database::builder(dir)
            .cache_size(sizes.cache)
            .max_journaling_size(sizes.journal)
            .worker_threads(1)
            .open()
    };
    // The library asserts some lengths that it reads from damaged journals.
    let database = match panic::catch_unwind(open) {
        Ok(Err(fjall::Error::Locked)) => return Err(OpenError::InUse(dir.to_owned())),
        Ok(opened) => opened?,
        Err(_) => return Err(OpenError::Journal),
    };
    let options = || KeyspaceCreateOptions::default().max_memtable_size(sizes.memtable);
    let tables = tables.iter().map(|name| database.keyspace(name, options));
    let tables = tables.collect::<Result<_, _>>()?;
    Ok((database, tables))
}

/// Whether there is no database yet.
fn is_absent(dir: &Path) -> Result<bool, OpenError> {
    let mut files = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        files => files?,
    };
    if dir.join("version").try_exists()? {
        return Ok(false);
    }
    match files.next() {
        None => Ok(true),
        Some(_) => Err(OpenError::Occupied(dir.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { cache: 1 << 20, memtable: 1 << 20, journal: 64 << 20 };

    fn write(dir: &Path) {
        let (database, tables) = open(dir, SIZES, &["a", "b"]).unwrap();
        tables[1].insert("key", "value").unwrap();
        database.persist(PersistMode::SyncAll).unwrap();
    }

    fn check(dir: &Path) {
        let (_database, tables) = open(dir, SIZES, &["a", "b"]).unwrap();
        assert_eq!(tables[0].get("key").unwrap(), None);
        assert_eq!(tables[1].get("key").unwrap().unwrap(), b"value");
    }

    #[test]
    fn what_was_made_opens_again() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("some/where.1/db");
        write(&dir);
        check(&dir);
        assert_eq!(fs::read_dir(dir.parent().unwrap()).unwrap().count(), 1, "nothing is left over");
        // An empty directory is no database yet.
        let empty = tempfile::tempdir().unwrap();
        write(empty.path());
        check(empty.path());
    }

    #[test]
    fn an_interrupted_making_starts_again() {
        let whole = tempfile::tempdir().unwrap();
        write(whole.path());
        let files = ["0.jnl", "lock", "version", "keyspaces"];
        for left in 0..=files.len() {
            let parent = tempfile::tempdir().unwrap();
            let dir = parent.path().join("db");
            let unfinished = parent.path().join("db.unfinished");
            fs::create_dir(&unfinished).unwrap();
            for name in &files[..left] {
                let (from, to) = (whole.path().join(name), unfinished.join(name));
                if from.is_dir() { fs::create_dir(to) } else { fs::copy(from, to).map(|_| ()) }
                    .unwrap();
            }
            write(&dir);
            check(&dir);
            assert!(!unfinished.exists());
        }
    }

    #[test]
    fn makers_at_the_same_time_make_one() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("db");
        let opened: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> =
                (0..4).map(|_| scope.spawn(|| open(&dir, SIZES, &["a"]))).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 1);
        let refused = opened.iter().filter(|opened| matches!(opened, Err(OpenError::InUse(_))));
        assert_eq!(refused.count(), 3);
    }

    #[test]
    fn other_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("photo.jpg"), "precious").unwrap();
        let refusal = open(dir.path(), SIZES, &["a"]).err().unwrap();
        assert!(matches!(refusal, OpenError::Occupied(_)), "{refusal}");
        assert_eq!(fs::read(dir.path().join("photo.jpg")).unwrap(), b"precious");
    }
}
