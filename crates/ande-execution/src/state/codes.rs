//! Code that was used lately.

use std::{collections::HashMap, mem};

use alloy_primitives::{B256, Bytes};
use parking_lot::Mutex;

/// Bytes of code in each of the two generations.
const GENERATION_BYTES: usize = 32 << 20;

/// A cache of two generations: what is used moves to the young one; when that is full it becomes
/// the old one, and the old one is forgotten.
#[derive(Debug, Default)]
pub(super) struct Codes {
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<B256, Bytes>,
    young_bytes: usize,
    old: HashMap<B256, Bytes>,
}

impl Codes {
    pub(super) fn get(&self, hash: &B256) -> Option<Bytes> {
        let mut generations = self.generations.lock();
        if let Some(code) = generations.young.get(hash) {
            return Some(code.clone());
        }
        let code = generations.old.remove(hash)?;
        generations.put(*hash, code.clone());
        Some(code)
    }

    pub(super) fn put(&self, hash: B256, code: Bytes) {
        self.generations.lock().put(hash, code);
    }
}

impl Generations {
    fn put(&mut self, hash: B256, code: Bytes) {
        let bytes = code.len() + 128;
        if self.young_bytes + bytes > GENERATION_BYTES {
            self.old = mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(hash, code).is_none() {
            self.young_bytes += bytes;
        }
    }
}
