//! What became of every transaction: nothing that was acknowledged may be missing in the end.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU8, Ordering},
};

use alloy::primitives::{Address, B256};
use ande_devnet::SignedTransaction;
use serde_json::Value;

const ACKNOWLEDGED: u8 = 1;
const REFUSED: u8 = 2;

/// The answers to every transaction, by its position.
#[derive(Debug)]
pub(crate) struct Answers(Vec<AtomicU8>);

impl Answers {
    /// No answer to so many transactions.
    pub(crate) fn none_to(count: usize) -> Self {
        Self((0..count).map(|_| AtomicU8::new(0)).collect())
    }

    /// Notes the answer to the transactions from position `from` on; returns how many were taken.
    /// Cheap when all were: the generator must not be what is measured.
    pub(crate) fn note(&self, from: usize, count: usize, answer: &[u8]) -> usize {
        let pattern = b"\"result\":";
        let results = answer.windows(pattern.len()).filter(|window| window == pattern).count();
        let taken = match results {
            results if results >= count => vec![true; count],
            _ => taken(answer, count),
        };
        for (answer, taken) in self.0[from..].iter().zip(&taken) {
            answer.store(if *taken { ACKNOWLEDGED } else { REFUSED }, Ordering::Release);
        }
        taken.iter().filter(|taken| **taken).count()
    }

    fn is(&self, position: usize, what: u8) -> bool {
        self.0[position].load(Ordering::Acquire) == what
    }
}

/// Which entries of an answer have a result; requests are numbered from 0, a single one is 1.
fn taken(answer: &[u8], count: usize) -> Vec<bool> {
    let mut taken = vec![false; count];
    let Ok(Value::Array(entries)) = serde_json::from_slice(answer) else { return taken };
    for entry in entries {
        let id = entry["id"].as_u64().and_then(|id| usize::try_from(id).ok());
        if let Some(taken) = id.and_then(|id| taken.get_mut(id)) {
            *taken = entry.get("result").is_some();
        }
    }
    taken
}

/// Which transactions were found in blocks.
#[derive(Debug)]
pub(crate) struct Found {
    positions: HashMap<B256, usize>,
    found: Vec<bool>,
    count: usize,
}

impl Found {
    /// None of these.
    pub(crate) fn none_of(transactions: &[SignedTransaction]) -> Self {
        let positions = transactions.iter().enumerate().map(|(index, tx)| (tx.hash, index));
        Self { positions: positions.collect(), found: vec![false; transactions.len()], count: 0 }
    }

    /// Notes a transaction of a block; its position if it is one of these.
    pub(crate) fn note(&mut self, hash: &B256) -> Option<usize> {
        let position = *self.positions.get(hash)?;
        if !std::mem::replace(&mut self.found[position], true) {
            self.count += 1;
        }
        Some(position)
    }

    /// How many were found.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Positions of the acknowledged transactions that are in no block, and how many of them wait
    /// behind a transaction of their sender that was refused: those no block can take.
    pub(crate) fn missing(
        &self,
        transactions: &[SignedTransaction],
        answers: &Answers,
    ) -> (Vec<usize>, usize) {
        let mut refused: HashMap<Address, u64> = HashMap::new();
        for (position, tx) in transactions.iter().enumerate() {
            if answers.is(position, REFUSED) && !self.found[position] {
                let first = refused.entry(tx.sender).or_insert(tx.nonce);
                *first = tx.nonce.min(*first);
            }
        }
        let missing =
            (0..transactions.len()).filter(|at| answers.is(*at, ACKNOWLEDGED) && !self.found[*at]);
        let (behind, lost): (Vec<usize>, Vec<usize>) = missing.partition(|at| {
            let tx = &transactions[*at];
            refused.get(&tx.sender).is_some_and(|first| *first < tx.nonce)
        });
        (lost, behind.len())
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Bytes;

    use super::*;

    fn tx(sender: u8, nonce: u64) -> SignedTransaction {
        let hash = B256::left_padding_from(&[sender, nonce as u8]);
        let sender = Address::with_last_byte(sender);
        SignedTransaction { raw: Bytes::new(), hash, sender, nonce }
    }

    #[test]
    fn answers_of_a_batch_are_told_apart() {
        let answers = Answers::none_to(3);
        let batch =
            br#"[{"jsonrpc":"2.0","id":0,"result":"0x1"},{"jsonrpc":"2.0","id":1,"error":{}}]"#;
        assert_eq!(answers.note(1, 2, batch), 1);
        assert!(answers.is(1, ACKNOWLEDGED) && answers.is(2, REFUSED) && !answers.is(0, REFUSED));
        assert_eq!(answers.note(0, 1, br#"{"id":1,"error":{}}"#), 0);
        assert_eq!(answers.note(0, 1, br#"{"id":1,"result":"0x1"}"#), 1);
    }

    #[test]
    fn what_waits_behind_a_refusal_is_not_lost() {
        let all = [tx(1, 5), tx(2, 0), tx(1, 6), tx(2, 1)];
        let answers = Answers::none_to(4);
        answers.note(0, 1, b"{}");
        answers.note(1, 1, br#"{"result":"0x1"}"#);
        answers.note(2, 1, br#"{"result":"0x1"}"#);
        answers.note(3, 1, br#"{"result":"0x1"}"#);
        let mut found = Found::none_of(&all);
        assert_eq!(found.missing(&all, &answers), (vec![1, 3], 1));
        assert_eq!(found.note(&all[1].hash), Some(1));
        assert_eq!(found.note(&all[1].hash), Some(1));
        assert_eq!(found.note(&B256::repeat_byte(9)), None);
        assert_eq!((found.count(), found.missing(&all, &answers)), (1, (vec![3], 1)));
        // A call that timed out may have been taken all the same.
        found.note(&all[0].hash);
        assert_eq!(found.missing(&all, &answers), (vec![2, 3], 0));
    }
}
