//! Random histories against a pool that a child could write.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use alloy_primitives::{Address, B256};
use ande_pool::{BlockRoom, InsertKind, Inserted, Pool, PoolError, PoolLimits, PooledTransaction};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::transactions::{Spec, insert, pool};

#[derive(Clone, Debug)]
enum Step {
    Insert(Spec),
    Again(Index),
    Include(Vec<Index>),
}

fn spec() -> impl Strategy<Value = Spec> {
    let input = prop_oneof![5 => Just(0usize), 1 => 1usize..400];
    (0u8..6, 0u64..6, 0u128..12, 0u128..30, input).prop_map(|(sender, nonce, tip, above, input)| {
        Spec { sender, nonce, tip, fee: tip + above, input, value: 1 }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => spec().prop_map(Step::Insert),
        1 => any::<Index>().prop_map(Step::Again),
        2 => vec(any::<Index>(), 1..4).prop_map(Step::Include),
    ]
}

fn limits() -> impl Strategy<Value = PoolLimits> {
    (2usize..12, 300usize..2_500, 1usize..6).prop_map(
        |(max_transactions, max_bytes, max_per_sender)| PoolLimits {
            max_transactions,
            max_bytes,
            max_per_sender,
            ..PoolLimits::default()
        },
    )
}

/// Everything that is pooled, in order of arrival, and everybody's turns.
#[derive(Default)]
struct Model(Vec<Arc<PooledTransaction>>, HashMap<B256, u64>);

impl Model {
    fn of(&self, sender: Address) -> impl Iterator<Item = &Arc<PooledTransaction>> {
        self.0.iter().filter(move |tx| tx.sender() == sender)
    }

    fn remove(&mut self, hash: B256) -> Arc<PooledTransaction> {
        let at = self.0.iter().position(|tx| tx.hash() == hash).expect("not in the pool");
        self.0.remove(at)
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|tx| tx.size()).sum()
    }

    fn is_full_for(&self, size: usize, limits: &PoolLimits) -> bool {
        self.0.len() >= limits.max_transactions || self.bytes() + size > limits.max_bytes
    }

    /// Applies what the pool says it did and checks that it was right.
    fn insert(
        &mut self,
        tx: &PooledTransaction,
        result: &Result<Inserted, PoolError>,
        limits: &PoolLimits,
    ) {
        let twin = self.of(tx.sender()).find(|old| old.nonce() == tx.nonce()).cloned();
        let tip = PooledTransaction::max_priority_fee_per_gas;
        match result {
            Ok(Inserted { kind: InsertKind::Duplicate, evicted }) => {
                assert_eq!(twin.map(|twin| twin.hash()), Some(tx.hash()));
                assert!(evicted.is_empty());
            }
            Ok(Inserted { kind, evicted }) => {
                match kind {
                    InsertKind::Replaced(old) => {
                        let old = self.remove(*old);
                        assert_eq!(Some(&old), twin.as_ref());
                        let bumped =
                            |old: u128, new: u128| new > old && new * 10 >= old * 11 / 10 * 10;
                        assert!(bumped(old.max_fee_per_gas(), tx.max_fee_per_gas()));
                        assert!(bumped(tip(&old), tip(tx)));
                    }
                    _ => {
                        assert_eq!(twin, None, "a nonce is taken twice");
                        assert!(self.of(tx.sender()).count() < limits.max_per_sender);
                    }
                }
                let before = self.of(tx.sender()).filter(|it| it.nonce() < tx.nonce());
                let turn =
                    before.max_by_key(|it| it.nonce()).map_or(0, |it| self.1[&it.hash()] + 1);
                for hash in evicted {
                    assert!(self.is_full_for(tx.size(), limits), "evicted without need");
                    let cheapest_end = self
                        .0
                        .iter()
                        .filter(|end| end.sender() != tx.sender())
                        .filter(|end| self.of(end.sender()).all(|it| it.nonce() <= end.nonce()))
                        .map(|end| (tip(end), Reverse(self.1[&end.hash()])))
                        .min();
                    let victim = self.remove(*hash);
                    let worth = (tip(&victim), Reverse(self.1[hash]));
                    assert!(worth < (tip(tx), Reverse(turn)) && victim.sender() != tx.sender());
                    assert_eq!(cheapest_end, Some(worth), "one that deserves it less stays");
                    assert!(
                        self.of(victim.sender()).all(|other| other.nonce() < victim.nonce()),
                        "an eviction leaves a gap"
                    );
                }
                self.1.insert(tx.hash(), turn);
                self.0.push(Arc::new(tx.clone()));
            }
            Err(PoolError::ReplacementUnderpriced) => {
                let old = twin.expect("nothing to replace");
                let bumped = |old: u128, new: u128| new > old && new >= old + old / 10;
                assert!(
                    !bumped(old.max_fee_per_gas(), tx.max_fee_per_gas())
                        || !bumped(tip(&old), tip(tx))
                );
            }
            Err(PoolError::AccountLimit { .. }) => {
                assert!(self.of(tx.sender()).count() >= limits.max_per_sender);
            }
            Err(PoolError::Full | PoolError::Underpriced { .. }) => {
                assert!(
                    self.is_full_for(
                        tx.size().saturating_sub(twin.map_or(0, |t| t.size())),
                        limits
                    )
                );
            }
            Err(other) => panic!("unexpected refusal: {other}"),
        }
    }

    /// The order of a block, by its definition: again and again the best of all next ones.
    fn best(&self, max_transactions: usize, max_bytes: usize) -> Vec<B256> {
        let mut queues: HashMap<Address, Vec<(usize, &Arc<PooledTransaction>)>> = HashMap::new();
        for (arrival, tx) in self.0.iter().enumerate() {
            queues.entry(tx.sender()).or_default().push((arrival, tx));
        }
        for queue in queues.values_mut() {
            queue.sort_by_key(|(_, tx)| Reverse(tx.nonce()));
        }
        let (mut chosen, mut room) = (Vec::new(), max_bytes);
        while chosen.len() < max_transactions {
            let Some(queue) =
                queues.values_mut().filter(|queue| !queue.is_empty()).max_by_key(|queue| {
                    let (arrival, tx) = queue.last().unwrap();
                    let turn = self.1[&tx.hash()];
                    (tx.max_priority_fee_per_gas(), Reverse((turn, *arrival)))
                })
            else {
                break;
            };
            let (_, tx) = queue.pop().unwrap();
            if tx.size() > room {
                queue.clear();
            } else {
                room -= tx.size();
                chosen.push(tx.hash());
            }
        }
        chosen
    }
}

fn compare(pool: &Pool, model: &Model, limits: &PoolLimits) {
    let mut have: Vec<B256> = pool.iter().map(|tx| tx.hash()).collect();
    let mut want: Vec<B256> = model.0.iter().map(|tx| tx.hash()).collect();
    have.sort_unstable();
    want.sort_unstable();
    assert_eq!(have, want, "a transaction was lost or came back");
    assert_eq!(pool.len(), model.0.len());
    assert_eq!(pool.bytes(), model.bytes());
    assert!(pool.len() <= limits.max_transactions && pool.bytes() <= limits.max_bytes);
    let status = pool.status();
    assert_eq!((status.pending, status.queued, status.bytes), (pool.len(), 0, pool.bytes()));
    for tx in &model.0 {
        assert!(pool.contains(&tx.hash()));
        assert!(model.of(tx.sender()).count() <= limits.max_per_sender);
    }
    for (count, bytes) in [(usize::MAX, usize::MAX), (3, usize::MAX), (usize::MAX, 600), (4, 700)] {
        let best: Vec<B256> = pool
            .best(BlockRoom { bytes, ..BlockRoom::of(count) })
            .iter()
            .map(|tx| tx.hash())
            .collect();
        assert_eq!(best, model.best(count, bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_history_keeps_every_rule(limits in limits(), steps in vec(step(), 1..60)) {
        let mut pool = pool(limits.clone());
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Insert(spec) => {
                    let tx = spec.signed();
                    let result = insert(&mut pool, tx.clone());
                    model.insert(&tx, &result, &limits);
                }
                Step::Again(index) if !model.0.is_empty() => {
                    let tx = PooledTransaction::clone(&model.0[index.index(model.0.len())]);
                    let result = insert(&mut pool, tx.clone());
                    model.insert(&tx, &result, &limits);
                }
                Step::Include(indices) if !model.0.is_empty() => {
                    let mut hashes: Vec<B256> = indices
                        .iter()
                        .map(|index| model.0[index.index(model.0.len())].hash())
                        .collect();
                    hashes.sort_unstable();
                    hashes.dedup();
                    assert_eq!(pool.remove_included(&hashes), hashes.len());
                    hashes.into_iter().for_each(|hash| drop(model.remove(hash)));
                }
                Step::Again(_) | Step::Include(_) => {}
            }
            compare(&pool, &model, &limits);
        }
    }
}
