//! Nodes of a trie and how their parents refer to them.

use std::sync::{Arc, OnceLock};

use alloy_primitives::{B256, keccak256};

use super::nibbles::{NIBBLES, put_path};

/// What a leaf holds.
pub(super) trait Leaf: Clone + Send + Sync {
    /// Appends the value as the trie stores it (RLP of the account or of the slot).
    fn encode(&self, out: &mut Vec<u8>);
}

pub(super) type Link<V> = Arc<Node<V>>;

/// A node and, once asked for, its reference. The reference depends on the depth of the node, which
/// never changes while the node is shared.
#[derive(Clone, Debug)]
pub(super) struct Node<V> {
    reference: OnceLock<Reference>,
    pub(super) kind: Kind<V>,
}

#[derive(Clone, Debug)]
pub(super) enum Kind<V> {
    Leaf {
        key: B256,
        value: V,
    },
    /// `len` nibbles that all keys below share.
    Extension {
        /// Any key that shares the path from the root to the end of the extension.
        key: B256,
        len: u8,
        /// Always a branch.
        child: Link<V>,
    },
    /// At least two children. No values: all keys have equal length.
    Branch {
        children: [Option<Link<V>>; 16],
    },
}

/// A node inside its parent: its RLP if shorter than 32 bytes, else its hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    len: u8,
    bytes: [u8; 33],
}

impl Reference {
    fn of(rlp: &[u8]) -> Self {
        let mut bytes = [0; 33];
        if rlp.len() < 32 {
            bytes[..rlp.len()].copy_from_slice(rlp);
            return Self { len: rlp.len() as u8, bytes };
        }
        bytes[0] = 0xa0;
        bytes[1..].copy_from_slice(keccak256(rlp).as_slice());
        Self { len: 33, bytes }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The hash of the node, unless it is short.
    pub(super) fn hash(&self) -> Option<B256> {
        (self.len == 33).then(|| B256::from_slice(&self.bytes[1..]))
    }
}

/// Room for the header of an RLP list of at most 65,535 bytes.
const HEADER: usize = 3;

/// Puts the list header before the payload that starts at byte [`HEADER`]; returns the list.
fn close_list(out: &mut [u8]) -> &[u8] {
    let len = out.len() - HEADER;
    debug_assert!(len <= usize::from(u16::MAX), "no node is that long");
    let start = match len {
        0..56 => {
            out[2] = 0xc0 + len as u8;
            2
        }
        56..256 => {
            (out[1], out[2]) = (0xf8, len as u8);
            1
        }
        _ => {
            (out[0], out[1], out[2]) = (0xf9, (len >> 8) as u8, len as u8);
            0
        }
    };
    &out[start..]
}

fn put_string(out: &mut Vec<u8>, value: &[u8]) {
    use alloy_rlp::Encodable as _;
    value.encode(out);
}

impl<V: Leaf> Node<V> {
    pub(super) fn link(kind: Kind<V>) -> Link<V> {
        Arc::new(Self { reference: OnceLock::new(), kind })
    }

    /// The node for changing or for moving to another depth: copied if others share it, and with
    /// its reference forgotten.
    pub(super) fn edit(link: &mut Link<V>) -> &mut Kind<V> {
        let node = Arc::make_mut(link);
        node.reference = OnceLock::new();
        &mut node.kind
    }

    /// The reference; hashes what changed below.
    pub(super) fn reference(&self, depth: usize) -> &Reference {
        self.reference.get_or_init(|| self.encoded(depth, Reference::of))
    }

    /// The RLP of the node.
    pub(super) fn rlp(&self, depth: usize) -> Vec<u8> {
        self.encoded(depth, <[u8]>::to_vec)
    }

    fn encoded<T>(&self, depth: usize, read: impl FnOnce(&[u8]) -> T) -> T {
        let mut out = Vec::with_capacity(HEADER + 16 * 33 + 1);
        out.extend_from_slice(&[0; HEADER]);
        match &self.kind {
            Kind::Leaf { key, value } => {
                put_path(&mut out, key, depth, NIBBLES, true);
                let mut encoded = Vec::with_capacity(128);
                value.encode(&mut encoded);
                put_string(&mut out, &encoded);
            }
            Kind::Extension { key, len, child } => {
                let end = depth + usize::from(*len);
                put_path(&mut out, key, depth, end, false);
                out.extend_from_slice(child.reference(end).as_slice());
            }
            Kind::Branch { children } => {
                for child in children {
                    match child {
                        Some(child) => {
                            out.extend_from_slice(child.reference(depth + 1).as_slice());
                        }
                        None => out.push(alloy_rlp::EMPTY_STRING_CODE),
                    }
                }
                out.push(alloy_rlp::EMPTY_STRING_CODE);
            }
        }
        read(close_list(&mut out))
    }
}
