//! Hashed keys as paths of 64 nibbles.

use alloy_primitives::B256;

/// Length of every path.
pub(super) const NIBBLES: usize = 64;

/// Nibble of the path at a depth below 64.
pub(super) const fn nibble(key: &B256, depth: usize) -> usize {
    let byte = key.0[depth / 2];
    (if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 }) as usize
}

/// The key with another nibble at a depth.
pub(super) const fn with_nibble(mut key: B256, depth: usize, value: usize) -> B256 {
    let byte = key.0[depth / 2];
    let value = (value & 15) as u8;
    key.0[depth / 2] =
        if depth.is_multiple_of(2) { value << 4 | byte & 15 } else { byte & 0xf0 | value };
    key
}

/// How many nibbles from depth `from` on, and before depth `to`, are equal.
pub(super) const fn common(left: &B256, right: &B256, from: usize, to: usize) -> usize {
    let mut depth = from;
    while depth < to && nibble(left, depth) == nibble(right, depth) {
        depth += 1;
    }
    depth - from
}

/// Appends the RLP string of the hex-prefix encoding of the nibbles `from..to`.
pub(super) fn put_path(out: &mut Vec<u8>, key: &B256, from: usize, to: usize, leaf: bool) {
    let count = to - from;
    let bytes = count / 2 + 1;
    if bytes > 1 {
        out.push(0x80 + bytes as u8);
    }
    let flag = if leaf { 0x20 } else { 0 };
    let mut depth = from;
    if count.is_multiple_of(2) {
        out.push(flag);
    } else {
        out.push(flag | 0x10 | nibble(key, depth) as u8);
        depth += 1;
    }
    while depth < to {
        out.push((nibble(key, depth) << 4 | nibble(key, depth + 1)) as u8);
        depth += 2;
    }
}
