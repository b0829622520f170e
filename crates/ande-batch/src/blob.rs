//! Batch data in EIP-4844 blobs and back.
//!
//! A field element holds 254 bits whatever they are, so four of them hold 127 bytes: 31 bytes each,
//! and 3 bytes more in the six low bits of their first bytes. A blob of 4,096 elements holds 130,048
//! bytes, all that fits. There is no header: the pointer of the batch names the size, and what is
//! left of the last blob is zero, so that data has exactly one form.

use alloy_primitives::FixedBytes;

use crate::BlobError;

/// Bytes of a blob.
pub const BLOB_BYTES: usize = 131_072;
/// Data bytes in a blob.
pub const BLOB_DATA_BYTES: usize = GROUPS * GROUP_DATA;
/// Most blobs in one transaction (EIP-7594).
pub const MAX_BLOBS: usize = 6;
/// Most data bytes in the blobs of one transaction.
pub const MAX_BLOB_DATA_BYTES: usize = MAX_BLOBS * BLOB_DATA_BYTES;

/// A blob: 4,096 field elements of 32 bytes, big-endian.
pub type Blob = FixedBytes<BLOB_BYTES>;

const ELEMENT: usize = 32;
/// Whole bytes of data in an element.
const ELEMENT_DATA: usize = 31;
const GROUP_ELEMENTS: usize = 4;
const GROUP: usize = GROUP_ELEMENTS * ELEMENT;
const GROUP_DATA: usize = 127;
const GROUPS: usize = BLOB_BYTES / GROUP;
/// Where the three bytes for the first bytes of the elements are in the data of a group.
const SPREAD_FROM: usize = GROUP_ELEMENTS * ELEMENT_DATA;
/// The bits of an element's first byte that carry data.
const SIX_BITS: u8 = 0x3f;

/// Blobs that so many bytes of data need.
#[must_use]
pub const fn blobs_for(bytes: usize) -> usize {
    bytes.div_ceil(BLOB_DATA_BYTES)
}

/// The blobs of data.
///
/// # Errors
/// No data, or more than [`MAX_BLOB_DATA_BYTES`].
pub fn to_blobs(data: &[u8]) -> Result<Vec<Blob>, BlobError> {
    if data.is_empty() || data.len() > MAX_BLOB_DATA_BYTES {
        return Err(BlobError::Size { bytes: data.len(), limit: MAX_BLOB_DATA_BYTES });
    }
    let mut blobs = vec![Blob::ZERO; blobs_for(data.len())];
    for (blob, data) in blobs.iter_mut().zip(data.chunks(BLOB_DATA_BYTES)) {
        for (group, data) in
            blob.0.as_chunks_mut::<GROUP>().0.iter_mut().zip(data.chunks(GROUP_DATA))
        {
            let mut padded = [0; GROUP_DATA];
            padded[..data.len()].copy_from_slice(data);
            write_group(group, &padded);
        }
    }
    Ok(blobs)
}

/// The `size` bytes of data in blobs.
///
/// # Errors
/// Blobs that [`to_blobs`] does not make: another number, bits that no field element has, or
/// anything but zeros after the data.
pub fn from_blobs(blobs: &[Blob], size: usize) -> Result<Vec<u8>, BlobError> {
    if size == 0 || size > MAX_BLOB_DATA_BYTES {
        return Err(BlobError::Size { bytes: size, limit: MAX_BLOB_DATA_BYTES });
    }
    if blobs.len() != blobs_for(size) {
        return Err(BlobError::Count { got: blobs.len(), expected: blobs_for(size) });
    }
    let mut data = Vec::with_capacity(blobs.len() * BLOB_DATA_BYTES);
    for (index, blob) in blobs.iter().enumerate() {
        for group in blob.0.as_chunks::<GROUP>().0 {
            let read = read_group(group).ok_or(BlobError::Element { blob: index })?;
            data.extend_from_slice(&read);
        }
    }
    if data[size..].iter().any(|byte| *byte != 0) {
        return Err(BlobError::Padding);
    }
    data.truncate(size);
    Ok(data)
}

fn write_group(group: &mut [u8; GROUP], data: &[u8; GROUP_DATA]) {
    let [a, b, c] = [data[SPREAD_FROM], data[SPREAD_FROM + 1], data[SPREAD_FROM + 2]];
    let firsts = [a >> 2, (a & 0x03) << 4 | b >> 4, (b & 0x0f) << 2 | c >> 6, c & SIX_BITS];
    let elements = group.as_chunks_mut::<ELEMENT>().0.iter_mut();
    let parts = data.as_chunks::<ELEMENT_DATA>().0;
    for ((element, part), first) in elements.zip(parts).zip(firsts) {
        element[0] = first;
        element[1..].copy_from_slice(part);
    }
}

fn read_group(group: &[u8; GROUP]) -> Option<[u8; GROUP_DATA]> {
    let mut data = [0; GROUP_DATA];
    let mut firsts = [0; GROUP_ELEMENTS];
    let elements = group.as_chunks::<ELEMENT>().0.iter();
    let parts = data.as_chunks_mut::<ELEMENT_DATA>().0.iter_mut();
    for ((element, part), first) in elements.zip(parts).zip(&mut firsts) {
        if element[0] & !SIX_BITS != 0 {
            return None;
        }
        *first = element[0];
        part.copy_from_slice(&element[1..]);
    }
    let [a, b, c, d] = firsts;
    data[SPREAD_FROM..].copy_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
    Some(data)
}
