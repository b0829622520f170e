//! The chain over a real store and executor: what it promises to every engine.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    signers::{SignerSync, local::PrivateKeySigner},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use ande_consensus::{AppError, Application, Candidate, StartHeight, Turn, Verdict};
use ande_execution::{Executor, NoneExecutor, NoneGenesis};
use ande_l1::L1View;
use ande_pool::{Pool, PoolLimits, UnknownAccounts};
use ande_primitives::{
    Block, Certificate, Commit, CommitSignature, Committee, Domain, Epoch, EpochSet, Era, Height,
    Member, QuorumFraction, Round, ScheduleMode, ScheduleRules, ValidatorKey,
};
use ande_sequencer::{
    Chain, ChainParts, SenderCache, SequencerConfig, StoreIndex, TransactionPool,
};
use ande_store::{ChainIdentity, Store};
use ande_telemetry::Metrics;
use tokio::sync::watch;

const L2_CHAIN: u64 = 6174;
const DEADLINE: Duration = Duration::from_secs(20);

fn key() -> ValidatorKey {
    ValidatorKey::from_bytes(&[0x42; 32]).unwrap()
}

fn domain() -> Domain {
    Domain::new(31337, Address::repeat_byte(1), L2_CHAIN)
}

/// The set of one validator; epochs of 6 heights.
fn set(epoch: u64) -> EpochSet {
    EpochSet {
        era: Era(0),
        epoch: Epoch(epoch),
        set_id: 1,
        seed: B256::repeat_byte(9),
        rules: ScheduleRules::new(ScheduleMode::RoundRobin, 3, 2, 10).unwrap(),
        quorum: QuorumFraction::TWO_THIRDS,
        committee: Committee::new(vec![Member { signer: key().address(), weight: 5, id: 1 }])
            .unwrap(),
        l1_block: 1,
    }
}

struct Node {
    store: Store,
    pool: Arc<TransactionPool>,
    chain: Chain,
    l1: watch::Sender<L1View>,
}

impl Node {
    async fn open(dir: &Path) -> Self {
        let genesis = NoneGenesis::new(L2_CHAIN);
        let identity = ChainIdentity {
            l1_chain_id: 31337,
            consensus: Address::repeat_byte(1),
            coordinator: Address::repeat_byte(2),
            l2_chain_id: L2_CHAIN,
            genesis_hash: genesis.hash(),
        };
        let store = Store::open(dir, identity).await.unwrap();
        let executor: Arc<dyn Executor> =
            Arc::new(NoneExecutor::new(genesis, Arc::new(StoreIndex(store.clone()))));
        let pool = Pool::new(PoolLimits::default(), Arc::new(UnknownAccounts));
        let config = SequencerConfig {
            heartbeat: Duration::from_secs(3600),
            ..SequencerConfig::new(L2_CHAIN)
        };
        let pool = Arc::new(
            TransactionPool::open(
                pool,
                store.clone(),
                &config,
                Arc::new(SenderCache::new()),
                Metrics::new(),
            )
            .await
            .unwrap(),
        );
        let (l1, l1_view) = watch::channel(L1View::default());
        let chain = Chain::open(ChainParts {
            config,
            signer: key().address(),
            domain: domain(),
            store: store.clone(),
            executor,
            pool: pool.clone(),
            l1: l1_view,
            metrics: Metrics::new(),
        })
        .await
        .unwrap();
        Self { store, pool, chain, l1 }
    }

    async fn with_sets(dir: &Path) -> Self {
        let node = Self::open(dir).await;
        for epoch in 0..4 {
            node.store.put_set(&set(epoch)).await.unwrap();
        }
        node
    }

    async fn close(self) {
        drop(self.chain);
        drop(self.pool);
        self.store.close().await;
    }

    async fn build(&self, round: Round) -> (StartHeight, Block) {
        let start = self.chain.start_height().await.unwrap();
        let turn = Turn { start: start.clone(), round };
        let block = self.chain.build(&turn, Instant::now() + DEADLINE).await.unwrap();
        (start, block)
    }

    async fn decide(&self) -> Commit {
        let (_, block) = self.build(Round(0)).await;
        let commit = certify(block, Round(0));
        self.chain.commit(commit.clone()).await.unwrap();
        commit
    }
}

fn certify(block: Block, round: Round) -> Commit {
    let mut certificate = Certificate {
        era: block.header.era,
        epoch: block.header.epoch,
        height: block.header.height,
        round,
        block_hash: block.hash(),
        signatures: Vec::new(),
    };
    let signature = key().sign_digest(domain().vote_digest(&certificate.vote())).unwrap();
    certificate.signatures.push(CommitSignature { signer: key().address(), signature });
    Commit { block, certificate }
}

fn candidate(block: Block, round: Round) -> Candidate {
    Candidate { block, round, valid_round: None, proposer: key().address() }
}

fn transaction(nonce: u64, chain_id: u64) -> Bytes {
    let signer = PrivateKeySigner::from_slice(&[7; 32]).unwrap();
    let tx = TxEip1559 {
        chain_id,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(Address::repeat_byte(3)),
        value: U256::from(1),
        ..Default::default()
    };
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

#[tokio::test]
async fn transactions_go_through_blocks_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::with_sets(dir.path()).await;
    let transactions: Vec<Bytes> = (0..5).map(|nonce| transaction(nonce, L2_CHAIN)).collect();
    for raw in &transactions {
        let (hash, new) = node.pool.admit(raw.clone()).await.unwrap();
        assert_eq!((hash, new), (keccak256(raw), true));
        assert_eq!(node.pool.admit(raw.clone()).await.unwrap(), (hash, false));
    }
    let first = node.decide().await;
    assert_eq!(first.block.transactions, transactions);
    assert_eq!(node.pool.status().pending, 0);
    // What is in the chain is known as such: taken as success, never ordered again.
    for raw in &transactions {
        assert_eq!(node.pool.admit(raw.clone()).await.unwrap(), (keccak256(raw), false));
    }
    let second = node.decide().await;
    assert!(second.block.transactions.is_empty());
    assert_eq!(second.block.header.parent_hash, first.block.hash());
}

#[tokio::test]
async fn the_same_turn_gives_the_same_block_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::with_sets(dir.path()).await;
    node.decide().await;
    let (_, built) = node.build(Round(1)).await;
    node.pool.admit(transaction(0, L2_CHAIN)).await.unwrap();
    assert_eq!(node.build(Round(1)).await.1, built);
    node.close().await;

    let node = Node::open(dir.path()).await;
    assert_eq!(node.build(Round(1)).await.1, built);
    // The acknowledged transaction survived too and goes into the next round's block.
    assert_eq!(node.build(Round(2)).await.1.transactions, vec![transaction(0, L2_CHAIN)]);
}

#[tokio::test]
async fn another_node_judges_stores_and_commits_the_block() {
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let a = Node::with_sets(dir_a.path()).await;
    let b = Node::with_sets(dir_b.path()).await;
    a.pool.admit(transaction(0, L2_CHAIN)).await.unwrap();
    let (start, block) = a.build(Round(0)).await;
    let good = candidate(block.clone(), Round(0));
    assert_eq!(b.chain.validate(&start, &good).await, Verdict::Valid);
    assert_eq!(b.chain.candidates(start.height).await.unwrap(), vec![good]);

    let mut foreign = block.clone();
    foreign.transactions.push(transaction(1, 1));
    let verdict = b.chain.validate(&start, &candidate(foreign, Round(0))).await;
    assert!(matches!(verdict, Verdict::Invalid(_)), "{verdict:?}");

    for node in [&a, &b] {
        node.chain.commit(certify(block.clone(), Round(0))).await.unwrap();
    }
    assert_eq!(a.store.tip().await.unwrap(), b.store.tip().await.unwrap());
    // A certified block that comes twice is no fault; one that extends nothing is.
    b.chain.commit(certify(block.clone(), Round(0))).await.unwrap();
    let mut stranger = block;
    stranger.header.height = Height(9);
    let error = b.chain.commit(certify(stranger, Round(0))).await.unwrap_err();
    assert!(matches!(error, AppError::Fatal(_)), "{error}");
}

#[tokio::test]
async fn the_chain_waits_at_an_epoch_boundary_until_the_set_is_final() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::open(dir.path()).await;
    node.store.put_set(&set(0)).await.unwrap();
    for _ in 0..5 {
        node.decide().await;
    }
    let waiting = node.chain.start_height();
    tokio::pin!(waiting);
    assert!(
        tokio::time::timeout(Duration::from_millis(200), &mut waiting).await.is_err(),
        "height 6 is in epoch 1, whose set is unknown"
    );
    node.store.put_set(&set(1)).await.unwrap();
    node.l1.send_modify(|view| view.final_block += 1);
    let start = tokio::time::timeout(DEADLINE, waiting).await.unwrap().unwrap();
    assert_eq!((start.height, start.set.epoch), (Height(6), Epoch(1)));
}

#[tokio::test]
async fn work_is_a_transaction_or_the_heartbeat() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::with_sets(dir.path()).await;
    let parent = node.chain.start_height().await.unwrap().parent;
    let work = node.chain.work(&parent);
    tokio::pin!(work);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut work).await.is_err());
    node.pool.admit(transaction(0, L2_CHAIN)).await.unwrap();
    tokio::time::timeout(DEADLINE, work).await.unwrap();
}

#[tokio::test]
async fn a_restart_continues_from_the_tip() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::with_sets(dir.path()).await;
    for _ in 0..7 {
        node.decide().await;
    }
    let tip = node.decide().await;
    node.close().await;
    let node = Node::open(dir.path()).await;
    let start = node.chain.start_height().await.unwrap();
    assert_eq!((start.height, start.parent.hash), (Height(9), tip.block.hash()));
    node.decide().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_not_acknowledged_before_the_first_copy_is_durable() {
    for nonce in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::with_sets(dir.path()).await;
        let raw = transaction(nonce, L2_CHAIN);
        let copies = (0..8).map(|_| {
            let (pool, store, raw) = (node.pool.clone(), node.store.clone(), raw.clone());
            tokio::spawn(async move {
                let (_, new) = pool.admit(raw.clone()).await.unwrap();
                assert_eq!(store.journal_load().await.unwrap(), vec![raw]);
                new
            })
        });
        let outcomes = futures::future::join_all(copies).await;
        let first = outcomes.into_iter().filter(|new| *new.as_ref().unwrap()).count();
        assert_eq!(first, 1);
        node.close().await;
    }
}
