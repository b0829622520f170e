//! The trie against the reference implementation.

use std::collections::BTreeMap;

use alloy_primitives::{B256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, proof::verify_proof};

use super::{node::Leaf, trie::Trie};

impl Leaf for Vec<u8> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

/// A small generator, so that a failure names its seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn bytes(&mut self, count: u64) -> Vec<u8> {
        (0..count).map(|_| self.next(256) as u8).collect()
    }

    /// Keys of all kinds of company: alone, together for long, apart only at the end.
    fn keys(&mut self, count: usize) -> Vec<B256> {
        let mut keys: Vec<B256> = Vec::new();
        while keys.len() < count {
            let mut key = B256::from_slice(&self.bytes(32));
            match self.next(4) {
                0 => {}
                1 => {
                    key = B256::ZERO;
                    key.0[0] = self.next(3) as u8;
                    key.0[31] = self.next(256) as u8;
                }
                2 => {
                    key = B256::repeat_byte(0x11);
                    key.0[self.next(32) as usize] = self.next(256) as u8;
                }
                _ => {
                    if let Some(other) = keys.get(self.next(count as u64) as usize) {
                        let cut = self.next(32) as usize;
                        key.0[..cut].copy_from_slice(&other.0[..cut]);
                    }
                }
            }
            keys.push(key);
        }
        keys
    }
}

type Model = BTreeMap<B256, Vec<u8>>;

fn reference_root(model: &Model) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in model {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root()
}

fn check_proofs(trie: &Trie<Vec<u8>>, model: &Model, keys: &[B256], context: &str) {
    let root = trie.root();
    for key in keys {
        let proof = trie.prove(key);
        let value = model.get(key).cloned();
        verify_proof(root, Nibbles::unpack(key), value.clone(), &proof)
            .unwrap_or_else(|error| panic!("{context} key {key}: {error}"));
        // It proves nothing else.
        let mut wrong = value.clone().unwrap_or_default();
        wrong.push(1);
        assert!(verify_proof(root, Nibbles::unpack(key), Some(wrong), &proof).is_err());
        if value.is_some() {
            assert!(verify_proof(root, Nibbles::unpack(key), None, &proof).is_err(), "{context}");
        }
    }
}

#[test]
fn every_sequence_of_changes_leads_to_the_reference_root() {
    for seed in 0..250 {
        let mut random = Random(seed);
        let keys = random.keys(60);
        let strangers = random.keys(20);
        let (mut trie, mut model) = (Trie::default(), Model::new());
        // Older states, which later changes must not touch.
        let mut old: Vec<(Trie<Vec<u8>>, B256)> = Vec::new();
        // Some runs hash rarely, so that nodes without references are changed too.
        let every = 1 + random.next(20);
        let growing = 3 + random.next(5);
        for step in 0..300 {
            let key = keys[random.next(60) as usize];
            if random.next(10) < growing {
                // Values of any length, also such that nodes fit into their parents.
                let length = if random.next(2) == 0 { 1 + random.next(3) } else { random.next(90) };
                let mut value = random.bytes(length);
                value.push(1 + random.next(255) as u8);
                trie.insert(key, value.clone());
                model.insert(key, value);
            } else {
                assert_eq!(trie.remove(&key), model.remove(&key).is_some());
            }
            assert_eq!(trie.get(&key), model.get(&key));
            if step % every == 0 {
                assert_eq!(trie.root(), reference_root(&model), "seed {seed} step {step}");
            }
            if random.next(40) == 0 {
                let copy = trie.clone();
                let root = reference_root(&model);
                old.push((copy, root));
            }
        }
        let context = format!("seed {seed}");
        assert_eq!(trie.root(), reference_root(&model), "{context}");
        check_proofs(&trie, &model, &keys, &context);
        check_proofs(&trie, &model, &strangers, &context);
        for (trie, root) in &old {
            assert_eq!(trie.root(), *root, "{context}: a copy was changed");
        }
        let mut entries = Vec::new();
        trie.for_each(&mut |key, value| entries.push((*key, value.clone())));
        assert_eq!(entries, model.clone().into_iter().collect::<Vec<_>>());
        // Down to nothing, in another order.
        let mut left: Vec<B256> = model.keys().copied().collect();
        while !left.is_empty() {
            let key = left.swap_remove(random.next(left.len() as u64) as usize);
            assert!(trie.remove(&key) && !trie.remove(&key));
            model.remove(&key);
            if left.len() % 5 < 2 {
                assert_eq!(trie.root(), reference_root(&model), "{context}");
            }
        }
        assert!(trie.is_empty());
        assert_eq!(trie.root(), EMPTY_ROOT_HASH);
    }
}

#[test]
fn rivals_share_what_they_do_not_change() {
    let mut base = Trie::default();
    let mut model = Model::new();
    for index in 0..2_000_u64 {
        let key = keccak256(index.to_be_bytes());
        base.insert(key, index.to_be_bytes().to_vec());
        model.insert(key, index.to_be_bytes().to_vec());
    }
    let root = base.root_in_parallel();
    assert_eq!(root, reference_root(&model));
    let rivals = (0..8_u64).map(|rival| {
        let (mut trie, mut model) = (base.clone(), model.clone());
        for index in 0..50 {
            let key = keccak256((rival * 40 + index).to_be_bytes());
            if index % 3 == 0 {
                trie.remove(&key);
                model.remove(&key);
            } else {
                trie.insert(key, vec![rival as u8 + 1; 40]);
                model.insert(key, vec![rival as u8 + 1; 40]);
            }
        }
        (trie, model)
    });
    // All of them prepared before any is hashed, then hashed at the same time.
    let rivals: Vec<_> = rivals.collect();
    std::thread::scope(|scope| {
        for (trie, model) in &rivals {
            scope.spawn(move || assert_eq!(trie.root(), reference_root(model)));
        }
    });
    assert_eq!(base.root(), root);
}

#[test]
fn paths_of_full_length_are_built_and_dropped_on_a_small_stack() {
    let work = || {
        // Keys that part at every depth: the deepest trie there is.
        let mut trie = Trie::default();
        let mut model = Model::new();
        for depth in 0..64 {
            let mut key = B256::ZERO;
            key.0[depth / 2] = if depth % 2 == 0 { 0x10 } else { 0x01 };
            trie.insert(key, vec![depth as u8; 33]);
            model.insert(key, vec![depth as u8; 33]);
        }
        assert_eq!(trie.root(), reference_root(&model));
        let copy = trie.clone();
        for key in model.keys() {
            trie.remove(key);
        }
        drop(trie);
        assert_eq!(copy.root(), reference_root(&model));
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(work).unwrap().join().unwrap();
}

#[test]
fn parts_are_joined_to_the_trie_of_all() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut model = Model::new();
        let mut parts = [const { None }; 16];
        let count = random.next(40) as usize;
        for mut key in random.keys(count) {
            if seed % 3 == 0 {
                // All in one part, or in few.
                key.0[0] &= 0x10;
            }
            let value = random.bytes(33);
            let part = parts[usize::from(key.0[0] >> 4)].get_or_insert_with(Trie::default);
            part.insert(key, value.clone());
            model.insert(key, value);
        }
        let mut trie = Trie::join(parts.map(Option::unwrap_or_default));
        assert_eq!(trie.root_in_parallel(), reference_root(&model), "seed {seed}");
        while let Some((key, _)) = model.pop_first() {
            assert!(trie.remove(&key));
            assert_eq!(trie.root(), reference_root(&model), "seed {seed}");
        }
    }
}
