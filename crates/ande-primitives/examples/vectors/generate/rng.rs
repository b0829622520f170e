//! A deterministic source of test values: every file is a pure function of its label.

use alloy_primitives::{Address, B256, U256, keccak256};

/// Keccak in counter mode.
#[derive(Debug)]
pub struct Rng {
    label: B256,
    counter: u64,
}

impl Rng {
    /// The stream of `label`.
    pub fn new(label: &str) -> Self {
        Self { label: keccak256(label), counter: 0 }
    }

    /// The next 32 bytes.
    pub fn word(&mut self) -> B256 {
        self.counter += 1;
        let mut data = [0u8; 40];
        data[..32].copy_from_slice(self.label.as_slice());
        data[32..].copy_from_slice(&self.counter.to_be_bytes());
        keccak256(data)
    }

    /// The next 64 bits.
    pub fn u64(&mut self) -> u64 {
        let word = self.word();
        u64::from_be_bytes(word[..8].try_into().unwrap())
    }

    /// A number from 0 to `limit - 1`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.u64() % limit
    }

    /// A 64-bit number of random length, with both ends of the range in it.
    pub fn wide_u64(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => u64::MAX,
            _ => self.u64() >> self.below(64),
        }
    }

    /// A 32-bit number of random length, with both ends of the range in it.
    pub fn wide_u32(&mut self) -> u32 {
        match self.below(8) {
            0 => 0,
            1 => u32::MAX,
            _ => (self.u64() as u32) >> self.below(32),
        }
    }

    /// A 256-bit number of random length.
    pub fn wide_u256(&mut self) -> U256 {
        let shift = self.below(257) as usize;
        U256::from_be_bytes(self.word().0) >> shift
    }

    /// An address.
    pub fn address(&mut self) -> Address {
        Address::from_word(self.word())
    }
}
