//! Batch data bytes: `format || codec || zstd(rlp(body))`.
//!
//! The body leaves out what the reader computes: heights, parent hashes, execution hashes, and all
//! of the certificate but round and signatures. What is not there cannot contradict.
//!
//! ```text
//! body  = [chain id, era, epoch, first height, parent hash, [block...], round, [signature...]]
//! block = [skip, proposer, ms since the block before, forced index, forced accumulator,
//!          execution header, [transaction...]]
//! ```

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::{Decodable, Encodable, RlpEncodable};
use ande_primitives::{
    Block, Certificate, CommitSignature, Epoch, Era, Header, Height, MAX_COMMITTEE, Round, Skip,
};

use crate::{BatchContent, CodecError, ContentError, MAX_BATCH_BLOCKS, MAX_BATCH_TRANSACTIONS};

/// First byte of batch data.
pub const BATCH_FORMAT_VERSION: u8 = 1;
/// Second byte of batch data: one Zstandard frame.
pub const CODEC_ZSTD: u8 = 1;
/// Most data bytes that are read, above what any data layer takes in one piece.
pub const MAX_DATA_BYTES: usize = 2 << 20;
/// Most bytes after decompression.
pub const MAX_BODY_BYTES: usize = 16 << 20;
const PREFIX_BYTES: usize = 2;
const ZSTD_LEVEL: i32 = 3;

#[derive(RlpEncodable)]
struct BlockEntry<'a> {
    skip: Skip,
    proposer: Address,
    timestamp_delta: u64,
    forced_up_to: u64,
    forced_acc: B256,
    execution: &'a Bytes,
    transactions: &'a Vec<Bytes>,
}

/// RLP of one block of a body. `previous_ms` is 0 for the first.
pub(crate) fn encode_block(block: &Block, previous_ms: u64, out: &mut Vec<u8>) {
    let header = &block.header;
    BlockEntry {
        skip: header.skip,
        proposer: header.proposer,
        timestamp_delta: header.timestamp_ms.saturating_sub(previous_ms),
        forced_up_to: header.forced_up_to,
        forced_acc: header.forced_acc,
        execution: &block.execution,
        transactions: &block.transactions,
    }
    .encode(out);
}

/// RLP of a body whose blocks are encoded already.
pub(crate) fn encode_body(first: &Header, blocks: &[u8], certificate: &Certificate) -> Vec<u8> {
    let list = alloy_rlp::Header { list: true, payload_length: blocks.len() };
    let payload_length = first.l2_chain_id.length()
        + first.era.length()
        + first.epoch.length()
        + first.height.length()
        + first.parent_hash.length()
        + list.length_with_payload()
        + certificate.round.length()
        + certificate.signatures.length();
    let body = alloy_rlp::Header { list: true, payload_length };
    let mut out = Vec::with_capacity(body.length_with_payload());
    body.encode(&mut out);
    first.l2_chain_id.encode(&mut out);
    first.era.encode(&mut out);
    first.epoch.encode(&mut out);
    first.height.encode(&mut out);
    first.parent_hash.encode(&mut out);
    list.encode(&mut out);
    out.extend_from_slice(blocks);
    certificate.round.encode(&mut out);
    certificate.signatures.encode(&mut out);
    out
}

/// Batch data of a body.
pub(crate) fn compress(body: &[u8]) -> Result<Bytes, CodecError> {
    let frame = zstd::bulk::compress(body, ZSTD_LEVEL).map_err(|_| CodecError::Compression)?;
    let mut data = Vec::with_capacity(PREFIX_BYTES + frame.len());
    data.extend_from_slice(&[BATCH_FORMAT_VERSION, CODEC_ZSTD]);
    data.extend_from_slice(&frame);
    Ok(data.into())
}

/// The data bytes of a content. Equal contents give equal bytes with one version of this software.
///
/// # Errors
/// [`ContentError`] when the content is none; [`CodecError`] when it is too large.
pub fn encode(batch: &BatchContent) -> Result<Bytes, crate::BatchError> {
    batch.check()?;
    let first = &batch.blocks.first().ok_or(ContentError::Empty)?.header;
    let mut blocks = Vec::new();
    let mut previous_ms = 0;
    for block in &batch.blocks {
        encode_block(block, previous_ms, &mut blocks);
        previous_ms = block.header.timestamp_ms;
    }
    let body = encode_body(first, &blocks, &batch.certificate);
    if body.len() > MAX_BODY_BYTES {
        let got = body.len() as u64;
        return Err(CodecError::BodyTooLong { got, limit: MAX_BODY_BYTES }.into());
    }
    let data = compress(&body)?;
    if data.len() > MAX_DATA_BYTES {
        return Err(CodecError::TooLong { got: data.len(), limit: MAX_DATA_BYTES }.into());
    }
    Ok(data)
}

/// The content of data bytes. Checks everything that [`BatchContent::check`] checks; signatures
/// are not verified here.
///
/// # Errors
/// [`CodecError`] or [`ContentError`]; never more than a bounded amount of memory and time.
pub fn decode(data: &[u8]) -> Result<BatchContent, crate::BatchError> {
    let batch = decode_body(&decompress(data)?)?;
    batch.check()?;
    Ok(batch)
}

fn decompress(data: &[u8]) -> Result<Vec<u8>, CodecError> {
    if data.len() > MAX_DATA_BYTES {
        return Err(CodecError::TooLong { got: data.len(), limit: MAX_DATA_BYTES });
    }
    let (version, codec, frame) = match data {
        [version, codec, frame @ ..] => (*version, *codec, frame),
        _ => return Err(CodecError::TooShort),
    };
    if version != BATCH_FORMAT_VERSION {
        return Err(CodecError::Version(version));
    }
    if codec != CODEC_ZSTD {
        return Err(CodecError::Codec(codec));
    }
    // Exactly one frame that states its length: nothing hides behind it, and memory is known
    // before it is taken.
    let frame_bytes = zstd::zstd_safe::find_frame_compressed_size(frame)
        .map_err(|_| CodecError::Frame("not a Zstandard frame"))?;
    if frame_bytes != frame.len() {
        return Err(CodecError::Frame("bytes after the frame"));
    }
    let got = zstd::zstd_safe::get_frame_content_size(frame)
        .map_err(|_| CodecError::Frame("unreadable frame header"))?
        .ok_or(CodecError::Frame("no content size"))?;
    let size = usize::try_from(got)
        .ok()
        .filter(|size| *size <= MAX_BODY_BYTES)
        .ok_or(CodecError::BodyTooLong { got, limit: MAX_BODY_BYTES })?;
    let body =
        zstd::bulk::decompress(frame, size).map_err(|_| CodecError::Frame("corrupted content"))?;
    if body.len() != size {
        return Err(CodecError::Frame("content of another size than announced"));
    }
    Ok(body)
}

fn decode_body(bytes: &[u8]) -> Result<BatchContent, CodecError> {
    let mut rest = bytes;
    let mut body = alloy_rlp::Header::decode_bytes(&mut rest, true)?;
    if !rest.is_empty() {
        return Err(CodecError::Rlp(format!("{} bytes after the body", rest.len())));
    }
    let l2_chain_id = u64::decode(&mut body)?;
    let era = Era::decode(&mut body)?;
    let epoch = Epoch::decode(&mut body)?;
    let start = Height::decode(&mut body)?;
    let parent_hash = B256::decode(&mut body)?;

    let mut list = alloy_rlp::Header::decode_bytes(&mut body, true)?;
    let mut blocks: Vec<Block> = Vec::new();
    let mut transactions = 0;
    // What the next block gets from the one before it.
    let mut due = Header {
        l2_chain_id,
        era,
        epoch,
        height: start,
        skip: Skip(0),
        parent_hash,
        proposer: Address::ZERO,
        timestamp_ms: 0,
        forced_up_to: 0,
        forced_acc: B256::ZERO,
        execution_hash: B256::ZERO,
    };
    while !list.is_empty() {
        if blocks.len() == MAX_BATCH_BLOCKS {
            return Err(CodecError::Rlp("too many blocks".to_owned()));
        }
        let block = decode_block(&mut list, &due, MAX_BATCH_TRANSACTIONS - transactions)?;
        transactions += block.transactions.len();
        let height = block.header.height.0.checked_add(1).map(Height);
        due.parent_hash = block.header.hash();
        due.timestamp_ms = block.header.timestamp_ms;
        due.height = match height {
            Some(height) => height,
            None if list.is_empty() => due.height,
            None => return Err(CodecError::Rlp("heights overflow".to_owned())),
        };
        blocks.push(block);
    }
    let round = Round::decode(&mut body)?;
    let signatures = decode_signatures(&mut body)?;
    if !body.is_empty() {
        return Err(CodecError::Rlp(format!("{} bytes after the signatures", body.len())));
    }
    let height = blocks.last().map_or(start, |block| block.header.height);
    let block_hash = due.parent_hash;
    let certificate = Certificate { era, epoch, height, round, block_hash, signatures };
    Ok(BatchContent { blocks, certificate })
}

fn decode_block(list: &mut &[u8], due: &Header, room: usize) -> Result<Block, CodecError> {
    let mut entry = alloy_rlp::Header::decode_bytes(list, true)?;
    let skip = Skip::decode(&mut entry)?;
    let proposer = Address::decode(&mut entry)?;
    let timestamp_ms = due
        .timestamp_ms
        .checked_add(u64::decode(&mut entry)?)
        .ok_or_else(|| CodecError::Rlp("timestamps overflow".to_owned()))?;
    let forced_up_to = u64::decode(&mut entry)?;
    let forced_acc = B256::decode(&mut entry)?;
    let execution = Bytes::decode(&mut entry)?;
    let mut raws = alloy_rlp::Header::decode_bytes(&mut entry, true)?;
    let mut transactions = Vec::new();
    while !raws.is_empty() {
        if transactions.len() == room {
            return Err(CodecError::Rlp("too many transactions".to_owned()));
        }
        transactions.push(Bytes::decode(&mut raws)?);
    }
    if !entry.is_empty() {
        return Err(CodecError::Rlp(format!("{} bytes after a block", entry.len())));
    }
    let execution_hash = keccak256(&execution);
    let header = Header {
        skip,
        proposer,
        timestamp_ms,
        forced_up_to,
        forced_acc,
        execution_hash,
        ..due.clone()
    };
    Ok(Block { header, execution, transactions })
}

fn decode_signatures(body: &mut &[u8]) -> Result<Vec<CommitSignature>, CodecError> {
    let mut list = alloy_rlp::Header::decode_bytes(body, true)?;
    let mut signatures = Vec::new();
    while !list.is_empty() {
        if signatures.len() == MAX_COMMITTEE {
            return Err(CodecError::Rlp("too many signatures".to_owned()));
        }
        signatures.push(CommitSignature::decode(&mut list)?);
    }
    Ok(signatures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_refused_before_memory_is_taken() {
        let zeros = vec![0u8; MAX_BODY_BYTES + 1];
        let data = compress(&zeros).unwrap();
        assert!(data.len() < 2_000, "a bomb of {} bytes", data.len());
        let got = MAX_BODY_BYTES as u64 + 1;
        assert_eq!(decompress(&data), Err(CodecError::BodyTooLong { got, limit: MAX_BODY_BYTES }));
    }

    #[test]
    fn only_one_complete_frame_is_read() {
        let data = compress(b"body").unwrap();
        assert_eq!(decompress(&data), Ok(b"body".to_vec()));
        let mut twice = data.to_vec();
        twice.extend_from_slice(&data[PREFIX_BYTES..]);
        assert_eq!(decompress(&twice), Err(CodecError::Frame("bytes after the frame")));
        for end in 0..data.len() {
            assert!(decompress(&data[..end]).is_err(), "a prefix of {end} bytes");
        }
        assert_eq!(decompress(&[2, CODEC_ZSTD, 0]), Err(CodecError::Version(2)));
        assert_eq!(decompress(&[BATCH_FORMAT_VERSION, 0, 0]), Err(CodecError::Codec(0)));
        assert_eq!(decompress(&[BATCH_FORMAT_VERSION]), Err(CodecError::TooShort));
    }

    #[test]
    fn a_frame_that_hides_its_size_is_refused() {
        let mut stream = zstd::stream::Encoder::new(Vec::new(), ZSTD_LEVEL).unwrap();
        stream.include_contentsize(false).unwrap();
        std::io::Write::write_all(&mut stream, b"body").unwrap();
        let mut data = vec![BATCH_FORMAT_VERSION, CODEC_ZSTD];
        data.extend(stream.finish().unwrap());
        assert_eq!(decompress(&data), Err(CodecError::Frame("no content size")));
    }

    #[test]
    fn oversized_data_is_refused_unread() {
        let data = vec![0u8; MAX_DATA_BYTES + 1];
        assert!(matches!(decompress(&data), Err(CodecError::TooLong { .. })));
    }
}
