//! The guard file: a log of fixed-size blocks in a preallocated file.
//!
//! Block 0 names key and chain, each further block is one record or all zeros. A block is a disk
//! sector, so a power cut leaves it either unwritten (zeros) or whole; anything else is damage and
//! the file is refused. Every checksum covers the one before it, so blocks can be neither dropped
//! nor exchanged. A full file is rewritten to a new one, which replaces it by rename.
//!
//! The lock is on the file itself. A process that opened the file before a rename holds a lock on
//! nothing, so the inode is compared after locking.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, keccak256};
use alloy_rlp::Decodable as _;

use super::{GuardError, rules::Record};

/// Version of the file.
pub(crate) const VERSION: u16 = 1;

const MAGIC: &[u8; 8] = b"ANDEGRD\n";
const BLOCK: usize = 512;
const SUM: usize = 32;
const CONTENT: usize = BLOCK - SUM;
/// Blocks after the first: 2 MiB, a day of votes at two seconds a block.
const CAPACITY: usize = 4095;
const FILE_BYTES: usize = BLOCK * (1 + CAPACITY);
/// How often an open is retried when another process replaces the file meanwhile.
const OPEN_ATTEMPTS: usize = 8;

/// What a guard belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) key: Address,
    pub(crate) domain: B256,
    pub(crate) l2_chain_id: u64,
}

/// An open, locked guard file.
#[derive(Debug)]
pub(crate) struct GuardFile {
    path: PathBuf,
    owner: Owner,
    file: File,
    /// Block that the next record goes to.
    next: usize,
    /// Checksum of the block before it.
    sum: B256,
    /// Set when a write failed: what is on disk is unknown, so nothing is signed any more.
    failed: bool,
}

impl GuardFile {
    /// Opens and locks the guard, or creates it. Returns its records, and whether it is new.
    pub(crate) fn open(path: &Path, owner: Owner) -> Result<(Self, Vec<Record>, bool), GuardError> {
        for _ in 0..OPEN_ATTEMPTS {
            let opened = OpenOptions::new().read(true).write(true).open(path);
            let file = match opened {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    match create(path, owner)? {
                        Some(created) => return Ok((created, Vec::new(), true)),
                        None => continue,
                    }
                }
                Err(source) => return Err(io_error("open", path)(source)),
            };
            lock(&file, path)?;
            if is_at(&file, path).map_err(io_error("inspect", path))? {
                return Self::read(path, owner, file);
            }
        }
        Err(io_error("open", path)(io::Error::other("it is being replaced all the time")))
    }

    fn read(
        path: &Path,
        owner: Owner,
        mut file: File,
    ) -> Result<(Self, Vec<Record>, bool), GuardError> {
        let damaged = |reason: String| GuardError::Damaged { path: path.to_owned(), reason };
        let metadata = file.metadata().map_err(io_error("inspect", path))?;
        if metadata.mode() & 0o022 != 0 {
            return Err(GuardError::Permissions {
                path: path.to_owned(),
                mode: metadata.mode() & 0o777,
            });
        }
        if metadata.len() != FILE_BYTES as u64 {
            return Err(damaged(format!("{} bytes instead of {FILE_BYTES}", metadata.len())));
        }
        let mut bytes = Vec::with_capacity(FILE_BYTES);
        file.read_to_end(&mut bytes).map_err(io_error("read", path))?;
        let (blocks, _) = bytes.as_chunks::<BLOCK>();
        let Some((first, records)) = blocks.split_first() else {
            return Err(damaged("it is empty".into()));
        };
        check_owner(path, first, owner)?;
        let mut sum = sum_of(first);
        let mut parsed = Vec::new();
        let mut ended = false;
        for (index, block) in (1usize..).zip(records) {
            if block.iter().all(|byte| *byte == 0) {
                ended = true;
                continue;
            }
            if ended {
                return Err(damaged(format!("record {index} follows unused space")));
            }
            let record = read_block(sum, block)
                .map_err(|reason| damaged(format!("record {index}: {reason}")))?;
            sum = sum_of(block);
            parsed.push(record);
        }
        let next = 1 + parsed.len();
        let path = path.to_owned();
        Ok((Self { path, owner, file, next, sum, failed: false }, parsed, false))
    }

    /// Whether the next append must be preceded by a [`rewrite`](Self::rewrite).
    pub(crate) const fn is_full(&self) -> bool {
        self.next > CAPACITY
    }

    /// Makes a record durable.
    pub(crate) fn append(&mut self, record: &Record) -> io::Result<()> {
        self.check()?;
        let block = write_block(self.sum, record)?;
        // Until proven otherwise: an error below leaves the disk in an unknown state.
        self.failed = true;
        self.file.write_all_at(&block, (self.next * BLOCK) as u64)?;
        self.file.sync_data()?;
        self.failed = false;
        self.sum = sum_of(&block);
        self.next += 1;
        Ok(())
    }

    /// Replaces the file by one that holds only these records.
    pub(crate) fn rewrite(&mut self, records: &[Record]) -> io::Result<()> {
        self.check()?;
        self.failed = true;
        let temporary = with_suffix(&self.path, "tmp");
        let (file, sum) = write_whole(&temporary, self.owner, records)?;
        file.try_lock().map_err(io::Error::from)?;
        std::fs::rename(&temporary, &self.path)?;
        sync_parent(&self.path)?;
        // The old file's lock goes only now, when the path leads to the new one.
        self.file = file;
        self.sum = sum;
        self.next = 1 + records.len();
        self.failed = false;
        Ok(())
    }

    fn check(&self) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other(
                "an earlier write failed and what is on disk is unknown: restart the node",
            ));
        }
        Ok(())
    }
}

/// Creates a new guard that is locked and whole before it has its name. None if another process
/// was faster.
fn create(path: &Path, owner: Owner) -> Result<Option<GuardFile>, GuardError> {
    let temporary = with_suffix(path, &format!("new-{}", std::process::id()));
    let fail = |source| io_error("create", path)(source);
    let (file, sum) = write_whole(&temporary, owner, &[]).map_err(fail)?;
    file.try_lock().map_err(|error| fail(error.into()))?;
    let linked = std::fs::hard_link(&temporary, path);
    std::fs::remove_file(&temporary).map_err(fail)?;
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => return Err(fail(error)),
    }
    sync_parent(path).map_err(fail)?;
    tracing::info!(path = %path.display(), key = %owner.key, "new sign guard");
    Ok(Some(GuardFile { path: path.to_owned(), owner, file, next: 1, sum, failed: false }))
}

/// Writes a complete guard file; returns it with the checksum of its last block.
fn write_whole(path: &Path, owner: Owner, records: &[Record]) -> io::Result<(File, B256)> {
    if records.len() > CAPACITY {
        return Err(io::Error::other("more records than the sign guard holds"));
    }
    let first = owner_block(owner);
    let mut sum = sum_of(&first);
    let mut bytes = first.to_vec();
    for record in records {
        let block = write_block(sum, record)?;
        sum = sum_of(&block);
        bytes.extend_from_slice(&block);
    }
    bytes.resize(FILE_BYTES, 0);
    // What a crash left behind may have another mode.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    Ok((file, sum))
}

fn owner_block(owner: Owner) -> [u8; BLOCK] {
    let mut content = MAGIC.to_vec();
    content.extend_from_slice(&VERSION.to_be_bytes());
    content.extend_from_slice(owner.key.as_slice());
    content.extend_from_slice(owner.domain.as_slice());
    content.extend_from_slice(&owner.l2_chain_id.to_be_bytes());
    finish_block(B256::ZERO, &content)
}

fn check_owner(path: &Path, block: &[u8; BLOCK], owner: Owner) -> Result<(), GuardError> {
    let damaged =
        |reason: &str| GuardError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    let mut content: &[u8] = &block[..CONTENT];
    if !content.starts_with(MAGIC) {
        return Err(damaged("it does not start like a sign guard"));
    }
    if sum_of(block) != checksum(B256::ZERO, content) {
        return Err(damaged("the checksum of its first block does not match"));
    }
    let mut take = |length: usize| {
        let (part, rest) = content.split_at(length);
        content = rest;
        part
    };
    take(MAGIC.len());
    let found = take(2).try_into().map_or(0, u16::from_be_bytes);
    if found > VERSION {
        return Err(GuardError::NewerVersion { path: path.to_owned(), found });
    }
    if found != VERSION {
        return Err(damaged("its version is unknown"));
    }
    let stored = Address::from_slice(take(20));
    let stored_domain = B256::from_slice(take(32));
    let stored_chain = take(8).try_into().map_or(0, u64::from_be_bytes);
    if stored != owner.key {
        return Err(GuardError::WrongKey { path: path.to_owned(), stored, given: owner.key });
    }
    if (stored_chain, stored_domain) != (owner.l2_chain_id, owner.domain) {
        return Err(GuardError::WrongDomain {
            path: path.to_owned(),
            stored_chain,
            stored_domain,
            given_chain: owner.l2_chain_id,
            given_domain: owner.domain,
        });
    }
    Ok(())
}

fn write_block(previous: B256, record: &Record) -> io::Result<[u8; BLOCK]> {
    let payload = alloy_rlp::encode(record);
    let length = u16::try_from(payload.len())
        .ok()
        .filter(|length| usize::from(*length) <= CONTENT - 2)
        .ok_or_else(|| io::Error::other("a record does not fit its block"))?;
    let mut content = length.to_be_bytes().to_vec();
    content.extend_from_slice(&payload);
    Ok(finish_block(previous, &content))
}

fn read_block(previous: B256, block: &[u8; BLOCK]) -> Result<Record, String> {
    let content = &block[..CONTENT];
    if sum_of(block) != checksum(previous, content) {
        return Err("the checksum does not match".into());
    }
    let (length, rest) = content.split_first_chunk::<2>().ok_or("no length")?;
    let (mut payload, padding) =
        rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or("wrong length")?;
    let record = Record::decode(&mut payload).map_err(|error| error.to_string())?;
    if payload.is_empty() && padding.iter().all(|byte| *byte == 0) {
        Ok(record)
    } else {
        Err("bytes after the record".into())
    }
}

fn finish_block(previous: B256, content: &[u8]) -> [u8; BLOCK] {
    let mut block = [0u8; BLOCK];
    block[..content.len()].copy_from_slice(content);
    let sum = checksum(previous, &block[..CONTENT]);
    block[CONTENT..].copy_from_slice(sum.as_slice());
    block
}

fn checksum(previous: B256, content: &[u8]) -> B256 {
    keccak256([previous.as_slice(), content].concat())
}

fn sum_of(block: &[u8; BLOCK]) -> B256 {
    B256::from_slice(&block[CONTENT..])
}

fn lock(file: &File, path: &Path) -> Result<(), GuardError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(GuardError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io_error("lock", path)(source)),
    }
}

/// Whether the path still leads to this file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn io_error<'a>(
    doing: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> GuardError + use<'a> {
    move |source| GuardError::Io { doing, path: path.to_owned(), source }
}
