//! A node without engine and network.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    consensus::{SignableTransaction, Signed, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718 as _,
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use ande_consensus::{Application as _, Candidate, StartHeight, Turn};
use ande_execution::{
    EmbeddedExecutor, EvmConfig, EvmGenesis, EvmReader, Executor, NoneExecutor, NoneGenesis,
    state::StateOptions,
};
use ande_l1::L1View;
use ande_peer::{PeerClient, PeerTimeouts};
use ande_pool::{AccountSource, Pool, PoolLimits, UnknownAccounts};
use ande_primitives::{
    Block, Certificate, Commit, CommitSignature, Committee, Domain, Epoch, EpochSet, Era, Height,
    Member, NodeKey, QuorumFraction, Round, ScheduleMode, ScheduleRules, ValidatorKey,
};
use ande_sequencer::{
    Chain, ChainParts, EvmAccounts, Gossip, Ingress, Ordering, SenderCache, SequencerConfig,
    StoreIndex, TransactionPool,
};
use ande_store::{ChainIdentity, Store};
use ande_telemetry::Metrics;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub const L2_CHAIN: u64 = 6174;
pub const DEADLINE: Duration = Duration::from_secs(20);
pub const GWEI: u128 = 1_000_000_000;
/// Wallets below have 1,000 ether each.
pub const FUNDED: u8 = 10;
/// This one has ether and code.
pub const WITH_CODE: u8 = 99;

pub fn key() -> ValidatorKey {
    ValidatorKey::from_bytes(&[0x42; 32]).unwrap()
}

fn domain() -> Domain {
    Domain::new(31337, Address::repeat_byte(1), L2_CHAIN)
}

pub struct Wallet(PrivateKeySigner);

pub fn wallet(number: u8) -> Wallet {
    Wallet(PrivateKeySigner::from_slice(keccak256([number]).as_slice()).unwrap())
}

impl Wallet {
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// A signed transfer of 1 wei with a tip of 1 gwei, changed as wanted.
    pub fn raw(&self, change: impl FnOnce(&mut TxEip1559)) -> Bytes {
        let mut tx = TxEip1559 {
            chain_id: L2_CHAIN,
            gas_limit: 21_000,
            max_fee_per_gas: 100 * GWEI,
            max_priority_fee_per_gas: GWEI,
            to: TxKind::Call(Address::repeat_byte(3)),
            value: U256::from(1),
            ..Default::default()
        };
        change(&mut tx);
        self.sign(tx)
    }

    pub fn sign<T: SignableTransaction<Signature>>(&self, tx: T) -> Bytes
    where
        TxEnvelope: From<Signed<T>>,
    {
        let signature = self.0.sign_hash_sync(&tx.signature_hash()).unwrap();
        TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
    }

    pub fn tip(&self, nonce: u64, tip: u128) -> Bytes {
        self.raw(|tx| (tx.nonce, tx.max_priority_fee_per_gas) = (nonce, tip * GWEI))
    }
}

/// The set of one validator; epochs of 6 heights.
pub fn set(epoch: u64) -> EpochSet {
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

fn evm_genesis() -> EvmGenesis {
    let funded = (0..FUNDED)
        .map(|number| {
            format!(r#""{}": {{"balance": "0x3635c9adc5dea00000"}}"#, wallet(number).address())
        })
        .collect::<Vec<_>>()
        .join(",");
    let with_code = wallet(WITH_CODE).address();
    EvmGenesis::from_json(&format!(
        r#"{{
            "config": {{
                "chainId": {L2_CHAIN}, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
                "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
                "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
                "mergeNetsplitBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0,
                "cancunTime": 0
            }},
            "nonce": "0x0", "timestamp": "0x0", "extraData": "0x", "gasLimit": "0x1c9c380",
            "difficulty": "0x0", "coinbase": "0x0000000000000000000000000000000000000000",
            "baseFeePerGas": "0x3b9aca00",
            "alloc": {{
                {funded},
                "{with_code}": {{"balance": "0x3635c9adc5dea00000", "code": "0x00"}}
            }}
        }}"#
    ))
    .unwrap()
}

pub struct Node {
    pub store: Store,
    pub pool: Arc<TransactionPool>,
    pub chain: Chain,
    pub executor: Arc<dyn Executor>,
    pub senders: Arc<SenderCache>,
    pub l1: watch::Sender<L1View>,
    pub evm: Option<EvmReader>,
    pub metrics: Metrics,
}

impl Node {
    /// With the executor that executes nothing.
    pub async fn open(dir: &Path) -> Self {
        let genesis = NoneGenesis::new(L2_CHAIN);
        let store = open_store(dir, genesis.hash()).await;
        let index = Arc::new(StoreIndex(store.clone()));
        let executor = Arc::new(NoneExecutor::new(genesis, index));
        let pool = Pool::new(PoolLimits::default(), Arc::new(UnknownAccounts));
        Self::assemble(store, executor, pool, Arc::default(), Ordering::Arrival, None).await
    }

    pub async fn with_sets(dir: &Path) -> Self {
        Self::open(dir).await.and_sets().await
    }

    /// With the embedded EVM.
    pub async fn open_evm(dir: &Path) -> Self {
        Self::open_evm_with(dir, PoolLimits::default(), |evm| Arc::new(evm)).await
    }

    /// With the embedded EVM inside of something, and a pool with these limits.
    async fn open_evm_with(
        dir: &Path,
        limits: PoolLimits,
        wrap: impl FnOnce(EmbeddedExecutor) -> Arc<dyn Executor>,
    ) -> Self {
        let genesis = evm_genesis();
        let store = open_store(dir, genesis.hash()).await;
        let senders = Arc::new(SenderCache::new());
        let config = EvmConfig { genesis, dir: dir.join("state"), state: StateOptions::default() };
        let executor = EmbeddedExecutor::open(config, senders.clone()).unwrap();
        let reader = executor.reader();
        let accounts: Arc<dyn AccountSource> = Arc::new(EvmAccounts(reader.clone()));
        let limits = PoolLimits { block_gas_limit: reader.gas_limit(), ..limits };
        let pool = Pool::new(limits, accounts);
        let executor = wrap(executor);
        Self::assemble(store, executor, pool, senders, Ordering::TipDescending, Some(reader)).await
    }

    pub async fn evm_with(
        dir: &Path,
        wrap: impl FnOnce(EmbeddedExecutor) -> Arc<dyn Executor>,
    ) -> Self {
        Self::open_evm_with(dir, PoolLimits::default(), wrap).await.and_sets().await
    }

    pub async fn evm_with_sets(dir: &Path) -> Self {
        Self::open_evm(dir).await.and_sets().await
    }

    /// With the embedded EVM and a pool with these limits.
    pub async fn limited_with_sets(dir: &Path, limits: PoolLimits) -> Self {
        Self::open_evm_with(dir, limits, |evm| Arc::new(evm)).await.and_sets().await
    }

    async fn and_sets(self) -> Self {
        for epoch in 0..40 {
            self.store.put_set(&set(epoch)).await.unwrap();
        }
        self
    }

    async fn assemble(
        store: Store,
        executor: Arc<dyn Executor>,
        pool: Pool,
        senders: Arc<SenderCache>,
        ordering: Ordering,
        evm: Option<EvmReader>,
    ) -> Self {
        let config = SequencerConfig {
            heartbeat: Duration::from_secs(3600),
            ordering,
            ..SequencerConfig::new(L2_CHAIN)
        };
        let metrics = Metrics::new();
        let pool =
            TransactionPool::open(pool, store.clone(), &config, senders.clone(), metrics.clone());
        let pool = Arc::new(pool.await.unwrap());
        let (l1, l1_view) = watch::channel(L1View::default());
        let chain = Chain::open(ChainParts {
            config,
            signer: key().address(),
            domain: domain(),
            store: store.clone(),
            era: store.era(),
            executor: executor.clone(),
            pool: pool.clone(),
            l1: l1_view,
            metrics: metrics.clone(),
        })
        .await
        .unwrap();
        Self { store, pool, chain, executor, senders, l1, evm, metrics }
    }

    pub async fn close(self) {
        let Self { store, pool, chain, executor, evm, .. } = self;
        drop((pool, chain, executor, evm));
        store.close().await;
    }

    pub async fn build(&self, round: Round) -> (StartHeight, Block) {
        let start = self.chain.start_height().await.unwrap();
        let turn = Turn { start: start.clone(), round };
        let block = self.chain.build(&turn, Instant::now() + DEADLINE).await.unwrap();
        (start, block)
    }

    pub async fn decide(&self) -> Commit {
        let (_, block) = self.build(Round(0)).await;
        let commit = certify(block, Round(0));
        self.chain.commit(commit.clone()).await.unwrap();
        commit
    }

    /// Nonce and balance at the head.
    pub fn account(&self, address: Address) -> (u64, U256) {
        let reader = self.evm.as_ref().unwrap();
        let account = reader.account(reader.head().number, address).unwrap();
        (account.nonce, account.balance)
    }
}

async fn open_store(dir: &Path, genesis_hash: B256) -> Store {
    let identity = ChainIdentity {
        l1_chain_id: 31337,
        consensus: Address::repeat_byte(1),
        coordinator: Address::repeat_byte(2),
        l2_chain_id: L2_CHAIN,
        genesis_hash,
    };
    Store::open(dir, identity).await.unwrap()
}

/// Where transactions enter the node, with nobody to gossip to.
pub fn ingress_of(node: &Node) -> Ingress {
    let client =
        PeerClient::new(NodeKey::from_seed(&[1; 32]), L2_CHAIN, PeerTimeouts::default()).unwrap();
    let (_, nobody) = watch::channel(Vec::new());
    let gossip = Gossip::spawn(Arc::new(client), nobody, CancellationToken::new());
    Ingress::new(node.pool.clone(), gossip)
}

pub fn certify(block: Block, round: Round) -> Commit {
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

pub fn candidate(block: Block, round: Round) -> Candidate {
    Candidate { block, round, valid_round: None, proposer: key().address() }
}

/// The genesis height is no block.
pub const FIRST: Height = Height(1);
