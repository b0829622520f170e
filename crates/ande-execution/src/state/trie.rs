//! A persistent Merkle Patricia trie over hashed keys.
//!
//! Copies share all nodes: a change copies the nodes from the root to the leaf, unless nobody else
//! has them. Paths have 64 nibbles, so every recursion, dropping included, is at most 64 deep.

use std::{sync::OnceLock, thread};

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;

use super::{
    nibbles::{NIBBLES, common, nibble, with_nibble},
    node::{Kind, Leaf, Link, Node},
};

#[derive(Clone, Debug)]
pub(super) struct Trie<V> {
    root: Option<Link<V>>,
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<V: Leaf> Trie<V> {
    pub(super) const fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    pub(super) fn get(&self, key: &B256) -> Option<&V> {
        let mut node = self.root.as_deref()?;
        let mut depth = 0;
        loop {
            match &node.kind {
                Kind::Leaf { key: held, value } => return (held == key).then_some(value),
                Kind::Extension { key: held, len, child } => {
                    let end = depth + usize::from(*len);
                    if common(held, key, depth, end) < usize::from(*len) {
                        return None;
                    }
                    (node, depth) = (child, end);
                }
                Kind::Branch { children } => {
                    node = children[nibble(key, depth)].as_deref()?;
                    depth += 1;
                }
            }
        }
    }

    /// Inserts or replaces.
    pub(super) fn insert(&mut self, key: B256, value: V) {
        match &mut self.root {
            Some(root) => put(root, key, value, 0),
            None => self.root = Some(Node::link(Kind::Leaf { key, value })),
        }
    }

    /// Returns whether the key was there.
    pub(super) fn remove(&mut self, key: &B256) -> bool {
        // Asked first, so that nothing is copied in vain.
        if self.get(key).is_none() {
            return false;
        }
        if let Some(root) = &mut self.root
            && take(root, key, 0)
        {
            self.root = None;
        }
        true
    }

    /// The root hash; hashes what changed since it was last asked for.
    pub(super) fn root(&self) -> B256 {
        let Some(root) = &self.root else { return EMPTY_ROOT_HASH };
        let reference = root.reference(0);
        reference.hash().unwrap_or_else(|| keccak256(reference.as_slice()))
    }

    /// [`Trie::root`] with all processors: for a trie of which much is new.
    pub(super) fn root_in_parallel(&self) -> B256 {
        if let Some(Kind::Branch { children }) = self.root.as_deref().map(|root| &root.kind) {
            let threads = processors();
            thread::scope(|scope| {
                for first in 0..threads {
                    scope.spawn(move || {
                        for child in children.iter().skip(first).step_by(threads).flatten() {
                            child.reference(1);
                        }
                    });
                }
            });
        }
        self.root()
    }

    /// Calls `visit` with all entries in key order.
    pub(super) fn for_each(&self, visit: &mut impl FnMut(&B256, &V)) {
        fn walk<V>(node: &Node<V>, visit: &mut impl FnMut(&B256, &V)) {
            match &node.kind {
                Kind::Leaf { key, value } => visit(key, value),
                Kind::Extension { child, .. } => walk(child, visit),
                Kind::Branch { children } => {
                    for child in children.iter().flatten() {
                        walk(child, visit);
                    }
                }
            }
        }
        if let Some(root) = &self.root {
            walk(root, visit);
        }
    }

    /// One trie of 16: the keys of each part start with the nibble that is its index.
    pub(super) fn join(mut parts: [Self; 16]) -> Self {
        let mut filled = parts.iter_mut().filter(|part| !part.is_empty());
        match (filled.next(), filled.next()) {
            (None, _) => Self::default(),
            (Some(only), None) => std::mem::take(only),
            // Every root is a leaf, or an extension that begins with the nibble.
            _ => {
                let children = parts.map(|part| part.root.map(|mut root| below(&mut root, 1)));
                Self { root: Some(Node::link(Kind::Branch { children })) }
            }
        }
    }

    /// The nodes from the root to the key, or to where its path ends: the proof of EIP-1186 that
    /// the key has its value, or none. Nodes shorter than 32 bytes are inside their parents.
    pub(super) fn prove(&self, key: &B256) -> Vec<Bytes> {
        let mut proof = Vec::new();
        let Some(mut node) = self.root.as_deref() else { return proof };
        let mut depth = 0;
        loop {
            if depth == 0 || node.reference(depth).hash().is_some() {
                proof.push(node.rlp(depth).into());
            }
            match &node.kind {
                Kind::Leaf { .. } => return proof,
                Kind::Extension { key: held, len, child } => {
                    let end = depth + usize::from(*len);
                    if common(held, key, depth, end) < usize::from(*len) {
                        return proof;
                    }
                    (node, depth) = (child, end);
                }
                Kind::Branch { children } => match &children[nibble(key, depth)] {
                    Some(child) => (node, depth) = (child, depth + 1),
                    None => return proof,
                },
            }
        }
    }
}

/// How many threads to divide the 16 parts of a trie among. Asked once: the answer is in files.
pub(super) fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from).min(16))
}

fn put<V: Leaf>(link: &mut Link<V>, key: B256, value: V, depth: usize) {
    // How far the node's own path and the key go together, if not to the node's end.
    let apart = match &link.kind {
        Kind::Leaf { key: held, .. } => {
            let shared = common(held, &key, depth, NIBBLES);
            (depth + shared < NIBBLES).then_some((*held, shared))
        }
        Kind::Extension { key: held, len, .. } => {
            let shared = common(held, &key, depth, depth + usize::from(*len));
            (shared < usize::from(*len)).then_some((*held, shared))
        }
        Kind::Branch { .. } => None,
    };
    if let Some((held, shared)) = apart {
        let at = depth + shared;
        let mut children = [const { None }; 16];
        children[nibble(&held, at)] = Some(below(link, shared + 1));
        children[nibble(&key, at)] = Some(Node::link(Kind::Leaf { key, value }));
        let branch = Node::link(Kind::Branch { children });
        *link = match shared {
            0 => branch,
            _ => Node::link(Kind::Extension { key, len: shared as u8, child: branch }),
        };
        return;
    }
    match Node::edit(link) {
        Kind::Leaf { value: held, .. } => *held = value,
        Kind::Extension { len, child, .. } => put(child, key, value, depth + usize::from(*len)),
        Kind::Branch { children } => match &mut children[nibble(&key, depth)] {
            Some(child) => put(child, key, value, depth + 1),
            empty @ None => *empty = Some(Node::link(Kind::Leaf { key, value })),
        },
    }
}

/// The leaf or extension `by` nibbles deeper, the extension shorter by as many.
fn below<V: Leaf>(link: &mut Link<V>, by: usize) -> Link<V> {
    if let Kind::Extension { len, child, .. } = &link.kind
        && usize::from(*len) == by
    {
        return Link::clone(child);
    }
    if let Kind::Extension { len, .. } = Node::edit(link) {
        *len -= by as u8;
    }
    Link::clone(link)
}

/// Removes a key that is there. Returns whether the node is gone with it.
fn take<V: Leaf>(link: &mut Link<V>, key: &B256, depth: usize) -> bool {
    let merged = match Node::edit(link) {
        Kind::Leaf { .. } => return true,
        Kind::Extension { key: held, len, child } => {
            let end = depth + usize::from(*len);
            if take(child, key, end) {
                return true;
            }
            match &child.kind {
                Kind::Branch { .. } => None,
                _ => Some(above(child, *held, usize::from(*len))),
            }
        }
        Kind::Branch { children } => {
            let place = &mut children[nibble(key, depth)];
            if let Some(child) = place
                && take(child, key, depth + 1)
            {
                *place = None;
            }
            let mut left = children.iter_mut().enumerate().filter(|(_, child)| child.is_some());
            match (left.next(), left.next()) {
                (Some((index, Some(child))), None) => {
                    Some(above(child, with_nibble(*key, depth, index), 1))
                }
                _ => None,
            }
        }
    };
    if let Some(merged) = merged {
        *link = merged;
    }
    false
}

/// The node `by` nibbles higher: what stood between it and its new place has no other child. `path`
/// goes through both places.
fn above<V: Leaf>(link: &mut Link<V>, path: B256, by: usize) -> Link<V> {
    if let Kind::Branch { .. } = &link.kind {
        let child = Link::clone(link);
        return Node::link(Kind::Extension { key: path, len: by as u8, child });
    }
    if let Kind::Extension { len, .. } = Node::edit(link) {
        *len += by as u8;
    }
    Link::clone(link)
}
