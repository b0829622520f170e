//! The file: one zstd stream of a magic word, a header, each block with its certificate from block 1
//! on, and the Keccak-256 of all that.
//!
//! Every part but the magic word and the hash is its length in four bytes (big-endian) and then its
//! canonical bytes. The hash tells a damaged file; what a forged one says is proved block by block.

use std::io::{self, BufRead, ErrorKind, Read as _, Write};

use alloy_primitives::{B256, Keccak256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use ande_primitives::{Block, Canonical, Certificate, Commit, DecodeError, Height};
use ande_store::ChainIdentity;

/// First bytes of every zstd stream (RFC 8878).
const FRAME: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// First bytes inside the stream.
const MAGIC: &[u8; 8] = b"ANDESNAP";
/// Compression level; higher ones take much longer for little.
const LEVEL: i32 = 3;
/// Largest window that is accepted, as a power of two: 8 MiB of memory.
const MAX_WINDOW_LOG: u32 = 23;

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct SnapshotHeader {
    /// The chain.
    pub(crate) identity: ChainIdentity,
    /// Its last block; the first is block 1.
    pub(crate) last: Height,
    /// Hash of the last block's consensus header.
    pub(crate) last_hash: B256,
}

impl Canonical for SnapshotHeader {
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 256;
}

/// A file that is no whole snapshot.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Neither compressed as a snapshot is, nor complete.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// The file ends too early.
    #[error("the file ends in the middle")]
    Truncated,
    /// Something else.
    #[error("this is no snapshot of a chain")]
    Magic,
    /// A part above its limit.
    #[error("{what} of {bytes} bytes exceeds the limit of {limit}")]
    TooLong {
        /// The part.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// What it may have.
        limit: usize,
    },
    /// Bytes that are not what should be there.
    #[error("{what} cannot be decoded")]
    Decode {
        /// The part.
        what: &'static str,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// Other bytes than were written.
    #[error("its checksum is another one")]
    Checksum,
    /// More than there should be.
    #[error("there are bytes after its end")]
    Trailing,
}

/// Writes a snapshot.
pub(crate) struct SnapshotWriter<W: Write> {
    out: zstd::Encoder<'static, W>,
    hasher: Keccak256,
}

impl<W: Write> SnapshotWriter<W> {
    /// Begins a snapshot.
    pub(crate) fn begin(out: W, header: &SnapshotHeader) -> io::Result<Self> {
        let out = zstd::Encoder::new(out, LEVEL)?;
        let mut writer = Self { out, hasher: Keccak256::new() };
        writer.put(MAGIC)?;
        writer.part(&header.to_canonical())?;
        Ok(writer)
    }

    /// Adds the next block.
    pub(crate) fn commit(&mut self, commit: &Commit) -> io::Result<()> {
        self.part(&commit.block.to_canonical())?;
        self.part(&commit.certificate.to_canonical())
    }

    /// Ends the snapshot; what it was written to.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        let hash = self.hasher.finalize();
        self.out.write_all(hash.as_slice())?;
        self.out.finish()
    }

    fn part(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.put(&length.to_be_bytes())?;
        self.put(bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.out.write_all(bytes)
    }
}

/// Reads a snapshot from a source that may lie: nothing takes more memory than a block may.
pub(crate) struct SnapshotReader<R: BufRead> {
    input: zstd::Decoder<'static, R>,
    hasher: Keccak256,
    header: SnapshotHeader,
    next: Height,
}

impl<R: BufRead> SnapshotReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn open(mut input: R) -> Result<Self, FormatError> {
        if !input.fill_buf().map_err(FormatError::Read)?.starts_with(&FRAME) {
            return Err(FormatError::Magic);
        }
        let mut input = zstd::Decoder::with_buffer(input).map_err(FormatError::Read)?;
        input.window_log_max(MAX_WINDOW_LOG).map_err(FormatError::Read)?;
        let mut hasher = Keccak256::new();
        let mut magic = [0u8; MAGIC.len()];
        input.read_exact(&mut magic).map_err(cut)?;
        if magic != *MAGIC {
            return Err(FormatError::Magic);
        }
        hasher.update(magic);
        let header = part::<SnapshotHeader>(&mut input, &mut hasher, "the header")?;
        Ok(Self { input, hasher, header, next: Height(1) })
    }

    pub(crate) const fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// Height of the block that [`next`](Self::next) reads.
    pub(crate) const fn height(&self) -> Height {
        self.next
    }

    /// The next block, none after the last one and the end of the file. Says nothing of whether
    /// it is the block that should be there.
    ///
    /// # Errors
    /// [`FormatError`]; nothing after it can be read.
    pub(crate) fn next(&mut self) -> Result<Option<Commit>, FormatError> {
        if self.next > self.header.last {
            return self.end().map(|()| None);
        }
        let (input, hasher) = (&mut self.input, &mut self.hasher);
        let block = part::<Block>(input, hasher, "the block")?;
        let certificate = part::<Certificate>(input, hasher, "its certificate")?;
        self.next = self.next.next();
        Ok(Some(Commit { block, certificate }))
    }

    fn end(&mut self) -> Result<(), FormatError> {
        let mut hash = B256::ZERO;
        self.input.read_exact(hash.as_mut_slice()).map_err(cut)?;
        if hash != self.hasher.clone().finalize() {
            return Err(FormatError::Checksum);
        }
        match self.input.read(&mut [0u8]) {
            Ok(0) => Ok(()),
            _ => Err(FormatError::Trailing),
        }
    }
}

/// Reads one part; its length is checked before any memory is taken.
fn part<T: Canonical>(
    input: &mut impl io::Read,
    hasher: &mut Keccak256,
    what: &'static str,
) -> Result<T, FormatError> {
    let mut length = [0u8; 4];
    input.read_exact(&mut length).map_err(cut)?;
    let bytes = u32::from_be_bytes(length) as usize;
    if bytes > T::MAX_BYTES {
        return Err(FormatError::TooLong { what, bytes, limit: T::MAX_BYTES });
    }
    let mut body = vec![0u8; bytes];
    input.read_exact(&mut body).map_err(cut)?;
    hasher.update(length);
    hasher.update(&body);
    T::from_canonical(&body).map_err(|source| FormatError::Decode { what, source })
}

fn cut(error: io::Error) -> FormatError {
    match error.kind() {
        ErrorKind::UnexpectedEof => FormatError::Truncated,
        _ => FormatError::Read(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::sample::{chain, identity, written};

    /// Everything that a file says, and the height at which it went wrong.
    fn read(bytes: &[u8]) -> Result<Vec<Commit>, (Height, FormatError)> {
        let mut reader = SnapshotReader::open(bytes).map_err(|error| (Height(0), error))?;
        let mut commits = Vec::new();
        loop {
            let at = reader.height();
            match reader.next() {
                Ok(Some(commit)) => commits.push(commit),
                Ok(None) => return Ok(commits),
                Err(error) => return Err((at, error)),
            }
        }
    }

    #[test]
    fn a_snapshot_is_read_as_it_was_written() {
        let commits = chain(5);
        let bytes = written(&commits);
        assert_eq!(read(&bytes).unwrap(), commits);
        let reader = SnapshotReader::open(bytes.as_slice()).unwrap();
        assert_eq!(reader.header().identity, identity());
        assert_eq!(reader.header().last, Height(5));
        assert_eq!(reader.header().last_hash, commits[4].block.hash());
    }

    #[test]
    fn no_part_of_a_file_is_a_snapshot_and_no_bit_changes_what_it_says() {
        let commits = chain(3);
        let bytes = written(&commits);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1 << (index % 8);
            // Some bits of a compressed stream mean nothing.
            assert!(read(&changed).map_or(true, |read| read == commits), "byte {index}");
        }
        let after = [&bytes[..], &[0]].concat();
        assert!(matches!(read(&after), Err((Height(4), FormatError::Trailing))));
        let twice = [&bytes[..], &bytes[..]].concat();
        assert!(matches!(read(&twice), Err((Height(4), FormatError::Trailing))));
    }

    /// A stream with any content, as a forger makes it.
    fn forged(parts: &[&[u8]]) -> Vec<u8> {
        zstd::encode_all(parts.concat().as_slice(), LEVEL).unwrap()
    }

    #[test]
    fn lengths_beyond_the_limits_are_refused_unread() {
        let header =
            SnapshotHeader { identity: identity(), last: Height(1), last_hash: B256::ZERO };
        let header = header.to_canonical();
        let length = u32::try_from(header.len()).unwrap().to_be_bytes();
        let long = u32::MAX.to_be_bytes();
        let error = read(&forged(&[MAGIC, &long])).unwrap_err();
        assert!(matches!(error, (Height(0), FormatError::TooLong { what: "the header", .. })));
        let error = read(&forged(&[MAGIC, &length, &header, &long])).unwrap_err();
        assert!(matches!(error, (Height(1), FormatError::TooLong { what: "the block", .. })));
        let error = read(&forged(&[MAGIC, &length, &header, &[0, 0, 0, 1, 9]])).unwrap_err();
        assert!(matches!(error, (Height(1), FormatError::Decode { what: "the block", .. })));
        let error = read(&forged(&[MAGIC, &length, &header, &[0, 0, 1]])).unwrap_err();
        assert!(matches!(error, (Height(1), FormatError::Truncated)));
    }

    #[test]
    fn other_files_are_no_snapshots() {
        for bytes in [&b""[..], b"{}", b"SQLite format 3\0", &forged(&[b"something else"])] {
            assert!(matches!(read(bytes), Err((Height(0), FormatError::Magic))));
        }
        let mut header =
            SnapshotHeader { identity: identity(), last: Height(1), last_hash: B256::ZERO }
                .to_canonical();
        header[0] += 1;
        let length = u32::try_from(header.len()).unwrap().to_be_bytes();
        let (_, error) = read(&forged(&[MAGIC, &length, &header])).unwrap_err();
        let FormatError::Decode { source, .. } = error else { panic!("{error}") };
        assert!(source.to_string().contains("unknown version 2"), "{source}");
    }

    #[test]
    fn a_window_that_takes_too_much_memory_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL).unwrap();
        encoder.window_log(MAX_WINDOW_LOG + 1).unwrap();
        encoder.write_all(MAGIC).unwrap();
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
        assert!(read(&encoder.finish().unwrap()).is_err());
    }
}
