//! Random histories of a pool on a chain that executes, against the definitions.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alloy_primitives::{B256, U256};
use ande_pool::{BlockRoom, Pool, PoolError, PoolLimits, PooledTransaction};
use proptest::{collection::vec, prelude::*};

use crate::{
    state::{State, pool},
    transactions::{Spec, key},
};

const SENDERS: u8 = 4;
/// Gas of every transaction here, which has no input.
const GAS: u64 = 21_000;

#[derive(Clone, Debug)]
enum Step {
    Insert {
        spec: Spec,
        at: u64,
    },
    /// A block with what the pool gives, so many of them, and money for a sender.
    Block {
        transactions: usize,
        gift: (u8, u64),
        base_fee: u128,
    },
    /// A block of another pool: a sender is further and poorer than this one knew.
    Foreign {
        sender: u8,
        nonces: u64,
        spent: u64,
    },
    Expire(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let spec = (0..SENDERS, 0u64..9, 1u128..6, 0u128..9, 0u128..40_000).prop_map(
        |(sender, nonce, tip, above, value)| Spec {
            sender,
            nonce,
            tip,
            fee: tip + above,
            input: 0,
            value,
        },
    );
    prop_oneof![
        14 => (spec, 0u64..50).prop_map(|(spec, at)| Step::Insert { spec, at }),
        3 => (0usize..5, (0..SENDERS, 0u64..400_000), 0u128..9)
            .prop_map(|(transactions, gift, base_fee)| Step::Block { transactions, gift, base_fee }),
        1 => (0..SENDERS, 1u64..3, 0u64..200_000)
            .prop_map(|(sender, nonces, spent)| Step::Foreign { sender, nonces, spent }),
        1 => (0u64..90).prop_map(Step::Expire),
    ]
}

/// What a simple mind knows: accounts by index, and what is pooled.
struct Model {
    state: Arc<State>,
    accounts: Vec<(u64, u64)>,
    base_fee: u128,
    pooled: BTreeMap<(u8, u64), (PooledTransaction, u64)>,
}

impl Model {
    fn publish(&self) {
        for (sender, (nonce, balance)) in (0..).zip(&self.accounts) {
            self.state.set(sender, *nonce, U256::from(*balance));
        }
        self.state.set_base_fee(self.base_fee);
    }

    fn sender(&self, tx: &PooledTransaction) -> u8 {
        (0..SENDERS).find(|index| key(*index).address() == tx.sender()).unwrap()
    }

    fn remove(&mut self, hashes: &[B256]) {
        for hash in hashes {
            let before = self.pooled.len();
            self.pooled.retain(|_, (tx, _)| tx.hash() != *hash);
            assert_eq!(self.pooled.len() + 1, before, "not in the pool");
        }
    }

    /// What can follow each other from the account on.
    fn run(&self, sender: u8) -> Vec<&PooledTransaction> {
        let (nonce, balance) = self.accounts[usize::from(sender)];
        let mut left = U256::from(balance);
        (nonce..)
            .map_while(|nonce| self.pooled.get(&(sender, nonce)))
            .map_while(|(tx, _)| {
                left = left.checked_sub(tx.cost())?;
                Some(tx)
            })
            .collect()
    }

    fn open(&self, sender: u8) -> Vec<&PooledTransaction> {
        let covered = |tx: &&PooledTransaction| tx.max_fee_per_gas() >= self.base_fee;
        self.run(sender).into_iter().take_while(covered).collect()
    }

    fn compare(&self, pool: &Pool) {
        assert_eq!(pool.len(), self.pooled.len());
        assert_eq!(pool.bytes(), self.pooled.values().map(|(tx, _)| tx.size()).sum::<usize>());
        assert!(self.pooled.values().all(|(tx, _)| pool.contains(&tx.hash())));
        let pending = (0..SENDERS).map(|sender| self.run(sender).len()).sum::<usize>();
        assert_eq!(pool.status().pending, pending);
        assert_eq!(pool.status().queued, self.pooled.len() - pending);
        let mut open: Vec<B256> =
            (0..SENDERS).flat_map(|sender| self.open(sender)).map(|tx| tx.hash()).collect();
        assert_eq!(pool.has_ready(), !open.is_empty());
        let mut best: Vec<B256> =
            pool.best(BlockRoom::of(usize::MAX)).iter().map(|tx| tx.hash()).collect();
        let mut told: Vec<B256> = (0..SENDERS)
            .flat_map(|sender| pool.of_sender(key(sender).address()).collect::<Vec<_>>())
            .filter(|(_, open)| *open)
            .map(|(tx, _)| tx.hash())
            .collect();
        for hashes in [&mut open, &mut best, &mut told] {
            hashes.sort_unstable();
        }
        assert_eq!(best, open);
        assert_eq!(told, open);
    }

    fn insert(&mut self, pool: &mut Pool, spec: Spec, at: u64) {
        let tx = spec.signed();
        let (nonce, balance) = self.accounts[usize::from(spec.sender)];
        let known = self.pooled.values().any(|(old, _)| old.hash() == tx.hash());
        let before: U256 = self
            .pooled
            .range((spec.sender, nonce)..(spec.sender, spec.nonce.max(nonce)))
            .map(|(_, (tx, _))| tx.cost())
            .sum();
        match pool.insert(tx.clone(), Duration::from_secs(at)) {
            Ok(inserted) => {
                assert!(known || spec.nonce >= nonce);
                assert!(known || before + tx.cost() <= U256::from(balance));
                assert!(known || spec.fee >= self.base_fee);
                self.remove(&inserted.evicted);
                if !known {
                    self.pooled.insert((spec.sender, spec.nonce), (tx, at));
                }
            }
            Err(PoolError::NonceTooLow { .. }) => assert!(spec.nonce < nonce),
            Err(PoolError::InsufficientFunds { .. }) => {
                assert!(before + tx.cost() > U256::from(balance));
            }
            Err(PoolError::FeeBelowBaseFee { .. }) => assert!(spec.fee < self.base_fee),
            Err(PoolError::ReplacementUnderpriced) => {
                assert!(self.pooled.contains_key(&(spec.sender, spec.nonce)));
            }
            Err(
                PoolError::Full | PoolError::AccountLimit { .. } | PoolError::Underpriced { .. },
            ) => {}
            Err(other) => panic!("{other}"),
        }
    }

    fn block(&mut self, pool: &mut Pool, transactions: usize, gift: (u8, u64), base_fee: u128) {
        let block = pool.best(BlockRoom::of(transactions));
        for tx in &block {
            let sender = usize::from(self.sender(tx));
            let account = &mut self.accounts[sender];
            assert_eq!(account.0, tx.nonce(), "the block is not executable");
            let price = self.base_fee + tx.effective_tip(self.base_fee).unwrap();
            let value = tx.cost() - U256::from(GAS) * U256::from(tx.max_fee_per_gas());
            let cost = GAS * u64::try_from(price).unwrap() + value.to::<u64>();
            *account = (account.0 + 1, account.1.checked_sub(cost).expect("it is not paid for"));
        }
        self.accounts[usize::from(gift.0)].1 += gift.1;
        self.base_fee = base_fee;
        self.publish();
        let hashes: Vec<B256> = block.iter().map(|tx| tx.hash()).collect();
        let impossible = pool.commit(&hashes, &[]);
        assert!(impossible.is_empty());
        self.remove(&hashes);
        self.follow(pool);
    }

    fn follow(&self, pool: &mut Pool) {
        pool.update_base_fee();
        let held_back = pool.held_back();
        assert!(pool.refresh(&held_back).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_history_keeps_the_definitions(
        max_transactions in 3usize..20,
        guaranteed_per_sender in 0usize..4,
        steps in vec(step(), 1..80),
    ) {
        let limits = PoolLimits {
            max_transactions,
            guaranteed_per_sender,
            max_per_sender: 4,
            max_queued_per_sender: 3,
            lifetime: Duration::from_secs(30),
            ..PoolLimits::default()
        };
        let (mut pool, state) = pool(limits);
        let accounts = vec![(0, 900_000); usize::from(SENDERS)];
        let mut model = Model { state, accounts, base_fee: 0, pooled: BTreeMap::new() };
        model.publish();
        for step in steps {
            match step {
                Step::Insert { spec, at } => model.insert(&mut pool, spec, at),
                Step::Block { transactions, gift, base_fee } => {
                    model.block(&mut pool, transactions, gift, base_fee);
                }
                Step::Foreign { sender, nonces, spent } => {
                    let account = &mut model.accounts[usize::from(sender)];
                    *account = (account.0 + nonces, account.1.saturating_sub(spent));
                    let next = account.0;
                    model.publish();
                    let impossible = pool.commit(&[], &[key(sender).address()]);
                    let passed = model.pooled.range((sender, 0)..(sender, next)).count();
                    prop_assert_eq!(impossible.len(), passed);
                    model.remove(&impossible);
                    model.follow(&mut pool);
                }
                Step::Expire(at) => {
                    let expired = pool.expire(Duration::from_secs(at));
                    let open: Vec<B256> = (0..SENDERS)
                        .flat_map(|sender| model.open(sender))
                        .map(|tx| tx.hash())
                        .collect();
                    let old = model.pooled.values().filter(|(tx, since)| {
                        !open.contains(&tx.hash()) && at.saturating_sub(*since) > 30
                    });
                    prop_assert_eq!(old.count(), expired.len());
                    prop_assert!(expired.iter().all(|hash| !open.contains(hash)));
                    model.remove(&expired);
                }
            }
            model.compare(&pool);
        }
    }
}
