//! A settlement chain, an L2 chain made by hand, and nodes that run everything but consensus.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::HashSet, path::Path, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_trie::root::ordered_trie_root_with_encoder;
use ande_batcher::{
    Batcher, BatcherConfig, BatcherError, BatcherParts, CheckpointService, DataChoice, Ledger,
};
use ande_celestia::{BlobNamespace, CelestiaLayer, CelestiaOptions, test_support::LocalNode};
use ande_consensus::{ConsensusSigner, DataLayer};
use ande_l1::{
    BlobForm, BlobSource, FeePolicy, Finality, L1Reader, L1View, TxConfig, TxManager,
    test_support::{GENESIS, L1_CHAIN_ID, L2_CHAIN_ID, Plan, TestL1, TestValidator, eventually},
};
use ande_peer::{
    CheckpointRequest, Hello, PeerAuth, PeerClient, PeerHandler, PeerRefusal, PeerTimeouts, router,
};
use ande_primitives::{
    Block, Certificate, Commit, CommitSignature, Domain, Epoch, EpochSet, Era, Header, Height,
    NodeId, Round, Signature, Skip, Vote, VoteKind,
};
use ande_store::{BatchRow, BatchState, ChainIdentity, GuardedSigner, Store};
use ande_telemetry::Metrics;
use async_trait::async_trait;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Heights per window, windows per epoch.
pub const ROTATION: u32 = 5;
pub const WINDOWS: u32 = 4;

/// An L2 chain: every node gets the same blocks, each with a certificate of its own.
pub struct Chain {
    pub domain: Domain,
    pub validators: Vec<TestValidator>,
    /// Position in the forced queue of the next block, and its accumulator.
    pub forced: (u64, B256),
    parent: B256,
    execution_parent: B256,
    height: u64,
    timestamp_ms: u64,
    set: Option<Arc<EpochSet>>,
    windows: u32,
    /// Validator whose windows are taken over by the next one in the schedule.
    pub absent: Option<usize>,
}

impl Chain {
    pub fn new(domain: Domain, validators: Vec<TestValidator>, windows: u32) -> Self {
        Self {
            domain,
            validators,
            windows,
            absent: None,
            forced: (0, B256::ZERO),
            parent: GENESIS,
            execution_parent: GENESIS,
            height: 0,
            timestamp_ms: 1_000_000,
            set: None,
        }
    }

    pub const fn height(&self) -> Height {
        Height(self.height)
    }

    /// The next block, one second later.
    pub async fn block(&mut self, store: &Store, transactions: usize, bytes: usize) -> Block {
        self.height += 1;
        self.timestamp_ms += 1_000;
        let epoch = Epoch(self.height / u64::from(ROTATION * self.windows));
        if self.set.as_ref().is_none_or(|set| set.epoch != epoch) {
            let stored = eventually("the set of the epoch is stored", async || {
                store.set(epoch).await.unwrap()
            });
            self.set = Some(stored.await);
        }
        let set = self.set.as_ref().unwrap();
        let transactions: Vec<Bytes> = (0..transactions)
            .map(|index| {
                let mut raw = vec![2u8];
                while raw.len() < bytes.max(40) {
                    let seed = (self.height, index as u64, raw.len() as u64);
                    raw.extend_from_slice(keccak256(format!("{seed:?}")).as_slice());
                }
                raw.truncate(bytes.max(40));
                raw.into()
            })
            .collect();
        let execution = alloy_consensus::Header {
            parent_hash: self.execution_parent,
            number: self.height,
            timestamp: self.timestamp_ms / 1_000,
            state_root: keccak256(self.height.to_be_bytes()),
            transactions_root: ordered_trie_root_with_encoder(&transactions, |raw, out| {
                out.extend_from_slice(raw);
            }),
            ..Default::default()
        };
        let execution: Bytes = alloy_rlp::encode(&execution).into();
        let scheduled = set.proposer_address(Height(self.height), Skip(0));
        let absent = self.absent.map(|index| self.validators[index].key.address());
        let skip = Skip(u32::from(absent == Some(scheduled)));
        let header = Header {
            l2_chain_id: L2_CHAIN_ID,
            era: Era(0),
            epoch,
            height: Height(self.height),
            skip,
            parent_hash: self.parent,
            proposer: set.proposer_address(Height(self.height), skip),
            timestamp_ms: self.timestamp_ms,
            forced_up_to: self.forced.0,
            forced_acc: self.forced.1,
            execution_hash: keccak256(&execution),
        };
        self.execution_parent = header.execution_hash;
        let block = Block { header, execution, transactions };
        self.parent = block.hash();
        block
    }

    /// A certificate without the signature of one member, so that nodes hold different ones.
    pub fn certify(&self, block: &Block, without: usize) -> Commit {
        let hash = block.hash();
        let vote = Vote {
            era: Era(0),
            epoch: block.header.epoch,
            height: block.height(),
            round: Round(0),
            kind: VoteKind::Precommit,
            block_hash: hash,
        };
        let digest = self.domain.vote_digest(&vote);
        let mut signatures: Vec<_> = self
            .validators
            .iter()
            .enumerate()
            .filter(|(index, _)| self.validators.len() < 4 || *index != without)
            .map(|(_, validator)| CommitSignature {
                signer: validator.key.address(),
                signature: validator.key.sign_digest(digest).unwrap(),
            })
            .collect();
        signatures.sort_by_key(|entry| entry.signer);
        let certificate = Certificate {
            era: Era(0),
            epoch: block.header.epoch,
            height: block.height(),
            round: Round(0),
            block_hash: hash,
            signatures,
        };
        Commit { block: block.clone(), certificate }
    }
}

/// The peer side of a node, which outlives crashes of the rest like a listening socket does not:
/// it is rebuilt with the node.
struct Handler {
    service: CheckpointService,
    node_id: NodeId,
    signer: Address,
}

#[async_trait]
impl PeerHandler for Handler {
    async fn hello(&self) -> Hello {
        Hello {
            node_id: self.node_id,
            signer: Some(self.signer),
            name: "test".to_owned(),
            p2p_address: "127.0.0.1:1".to_owned(),
            version: "0".to_owned(),
            l2_chain_id: L2_CHAIN_ID,
            height: Height(0),
        }
    }

    async fn transactions(&self, _: NodeId, _: Vec<Bytes>) -> Result<(), PeerRefusal> {
        Ok(())
    }

    async fn checkpoint(
        &self,
        from: NodeId,
        request: CheckpointRequest,
    ) -> Result<Signature, PeerRefusal> {
        self.service.checkpoint(from, request).await
    }
}

/// A running node.
pub struct Running {
    pub store: Store,
    pub service: CheckpointService,
    pub view: watch::Receiver<L1View>,
    pub metrics: Metrics,
    pub batcher: JoinHandle<Result<(), BatcherError>>,
    server: JoinHandle<()>,
    reader: JoinHandle<Result<(), ande_l1::ReaderError>>,
    shutdown: CancellationToken,
}

/// A node that may be down.
pub struct Node {
    pub index: usize,
    pub validator: TestValidator,
    pub config: BatcherConfig,
    pub finality: Finality,
    pub resubmit_after: Duration,
    /// The data layer that it knows.
    pub layer: Option<Arc<dyn DataLayer>>,
    dir: tempfile::TempDir,
    pub running: Option<Running>,
}

impl Node {
    fn port(&self) -> u16 {
        self.validator.endpoint.rsplit(':').next().unwrap().parse().unwrap()
    }

    pub async fn start(&mut self, l1: &TestL1, everyone: &[TestValidator]) {
        assert!(self.running.is_none());
        let store = open_store(l1, &self.dir.path().join("data")).await;
        let guard = self.dir.path().join("guard");
        let signer: Arc<dyn ConsensusSigner> =
            Arc::new(GuardedSigner::open(self.validator.key.clone(), l1.domain(), &guard).unwrap());
        let shutdown = CancellationToken::new();
        let mut config = l1.config(self.finality);
        if everyone.len() > 8 {
            config.poll_interval = Duration::from_millis(500);
        }
        let reader = L1Reader::connect(config).unwrap();
        let (client, pace) = (reader.client().clone(), reader.pace());
        let (view, reader) = reader.spawn(store.clone(), shutdown.clone());
        let ledger = Ledger::new(
            store.clone(),
            L2_CHAIN_ID,
            GENESIS,
            self.config.cut_rules(),
            self.validator.key.address(),
        );
        let layer = self.layer.clone();
        let service = CheckpointService::new(
            ledger.clone(),
            Arc::clone(&signer),
            view.clone(),
            layer.clone(),
        );
        let allowed: HashSet<NodeId> = everyone.iter().map(|v| v.node.id()).collect();
        let (_allow, allowed) = watch::channel(Arc::new(allowed));
        let handler = Handler {
            service: service.clone(),
            node_id: self.validator.node.id(),
            signer: self.validator.key.address(),
        };
        let auth = PeerAuth::new(self.validator.node.clone(), L2_CHAIN_ID, allowed);
        let app = router(auth, Arc::new(handler));
        let listener = eventually("the port is free", async || {
            tokio::net::TcpListener::bind(("127.0.0.1", self.port())).await.ok()
        })
        .await;
        let server = tokio::spawn(async move {
            let _allow = _allow;
            axum::serve(listener, app).await.unwrap();
        });
        let transactions = TxManager::new(
            client,
            store.clone(),
            &self.validator.key,
            TxConfig {
                confirmations: 1,
                poll_interval: Duration::from_millis(50),
                rebroadcast_after: Duration::from_millis(500),
                resubmit_after: self.resubmit_after,
                send_timeout: Duration::from_secs(120),
                // What the test sets as base fee is the price.
                fees: FeePolicy { min_tip: 0, ..FeePolicy::default() },
            },
        );
        let metrics = Metrics::new();
        let batcher = Batcher::new(
            self.config,
            BatcherParts {
                ledger,
                service: service.clone(),
                signer,
                peers: PeerClient::new(
                    self.validator.node.clone(),
                    L2_CHAIN_ID,
                    PeerTimeouts::default(),
                )
                .unwrap(),
                blobs: BlobSource::new(
                    transactions.client().clone(),
                    Vec::new(),
                    Duration::from_secs(5),
                )
                .unwrap(),
                transactions,
                pace,
                layer,
                consensus: l1.consensus,
                coordinator: l1.coordinator,
                view: view.clone(),
                metrics: metrics.clone(),
            },
        );
        let batcher = tokio::spawn(batcher.run(shutdown.clone()));
        self.running =
            Some(Running { store, service, view, metrics, batcher, server, reader, shutdown });
    }

    /// Ends everything at once, wherever it is, as kill -9 does; only what is stored is left.
    pub async fn crash(&mut self) {
        let Some(running) = self.running.take() else { return };
        for task in [
            running.server.abort_handle(),
            running.reader.abort_handle(),
            running.batcher.abort_handle(),
        ] {
            task.abort();
        }
        let _ = running.server.await;
        let _ = running.reader.await;
        let _ = running.batcher.await;
        running.store.close().await;
    }

    pub async fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.shutdown.cancel();
        running.batcher.await.unwrap().unwrap();
        running.reader.await.unwrap().unwrap();
        running.server.abort();
        let _ = running.server.await;
        running.store.close().await;
    }

    pub fn store(&self) -> &Store {
        &self.running.as_ref().expect("running").store
    }

    pub async fn row(&self, index: u64) -> Option<BatchRow> {
        self.store().batch(index).await.unwrap()
    }
}

pub async fn open_store(l1: &TestL1, dir: &Path) -> Store {
    let identity = ChainIdentity {
        l1_chain_id: L1_CHAIN_ID,
        consensus: l1.consensus,
        coordinator: l1.coordinator,
        l2_chain_id: L2_CHAIN_ID,
        genesis_hash: GENESIS,
    };
    // The lock of a crashed node is released when its last task is gone.
    eventually("the data directory is free", async || Store::open(dir, identity).await.ok()).await
}

/// Nodes over one settlement chain.
pub struct Cluster {
    pub l1: TestL1,
    pub nodes: Vec<Node>,
    pub chain: Chain,
}

impl Cluster {
    /// `count` validators, registered and launched; all nodes run.
    pub async fn start(count: u8, config: BatcherConfig) -> Self {
        Self::start_some(count, usize::from(count), config).await
    }

    /// `count` validators, registered and launched; the first `running` nodes run.
    pub async fn start_some(count: u8, running: usize, config: BatcherConfig) -> Self {
        Self::start_with(count, running, WINDOWS, config).await
    }

    /// The same with another number of windows per epoch.
    pub async fn start_with(
        count: u8,
        running: usize,
        windows: u32,
        config: BatcherConfig,
    ) -> Self {
        let l1 =
            TestL1::start(Plan { rotation: ROTATION, windows, min_validators: u16::from(count) })
                .await;
        let validators: Vec<_> = (1..=count)
            .map(|number| {
                let port = ande_ports::reserve().unwrap();
                TestValidator::new(number, &format!("http://127.0.0.1:{port}"))
            })
            .collect();
        for validator in &validators {
            l1.register(validator).await;
        }
        l1.mine(3).await;
        let chain = Chain::new(l1.domain(), validators.clone(), windows);
        let mut nodes = Vec::new();
        for (index, validator) in validators.iter().enumerate() {
            let mut node = Node {
                index,
                validator: validator.clone(),
                config,
                finality: Finality::Finalized,
                resubmit_after: Duration::from_secs(20),
                layer: None,
                dir: tempfile::tempdir().unwrap(),
                running: None,
            };
            if index < running {
                node.start(&l1, &validators).await;
            }
            nodes.push(node);
        }
        Self { l1, nodes, chain }
    }

    /// Adds blocks to every running node.
    pub async fn blocks(&mut self, count: usize) {
        self.blocks_with(count, 2, 120).await;
    }

    pub async fn blocks_with(&mut self, count: usize, transactions: usize, bytes: usize) {
        for _ in 0..count {
            let store =
                self.nodes.iter().find_map(|node| node.running.as_ref()).unwrap().store.clone();
            let block = self.chain.block(&store, transactions, bytes).await;
            for node in &self.nodes {
                let Some(running) = &node.running else { continue };
                let commit = self.chain.certify(&block, node.index);
                running.store.commit(&commit).await.unwrap();
            }
        }
    }

    /// Gives a node the blocks that it missed.
    pub async fn catch_up(&self, behind: usize, from: usize) {
        let source = self.nodes[from].store();
        let target = self.nodes[behind].store();
        loop {
            let next = target.heads().borrow().latest.next();
            let Some(commit) = source.commit_at(next).await.unwrap() else { return };
            let commit = self.chain.certify(&commit.block, behind);
            target.commit(&commit).await.unwrap();
        }
    }

    pub async fn restart(&mut self, index: usize) {
        let everyone = self.chain.validators.clone();
        self.nodes[index].start(&self.l1, &everyone).await;
    }

    /// The proposer of a height of epoch 0, which posts the batch that ends there.
    pub async fn proposer(&self, height: u64) -> usize {
        let set = eventually("the set is stored", async || {
            self.nodes[0].store().set(Epoch(0)).await.unwrap()
        })
        .await;
        let proposer = set.proposer_address(Height(height), Skip(0));
        self.nodes.iter().position(|n| n.validator.key.address() == proposer).unwrap()
    }

    /// Waits until every running node has the batch in a state, with equal content.
    pub async fn until(&self, index: u64, state: BatchState) -> Vec<BatchRow> {
        let mut rows = Vec::new();
        for node in self.nodes.iter().filter(|node| node.running.is_some()) {
            let what = format!("batch {index} is {state} on node {}", node.index);
            let row = eventually(&what, async || {
                node.row(index)
                    .await
                    .filter(|row| row.state >= state && row.state != BatchState::Failed)
            });
            rows.push(row.await);
        }
        let first = rows[0].header.content_hash();
        assert!(rows.iter().all(|row| row.header.content_hash() == first), "contents differ");
        rows
    }

    /// Index of the last accepted batch.
    pub async fn tip(&self) -> u64 {
        let call = ande_contracts::AndeSequencerCoordinator::tipCall {};
        let at = alloy::eips::BlockId::latest();
        self.l1.client().call(self.l1.coordinator, &call, at).await.unwrap().batchIndex
    }

    /// Transactions that all posters together got into blocks since they registered (2 each).
    pub async fn postings(&self) -> u64 {
        let mut count = 0;
        for node in &self.nodes {
            let nonce = self.l1.client().mined_nonce(node.validator.key.address()).await.unwrap();
            count += nonce - 2;
        }
        count
    }
}

/// Three blocks of one second each per batch; nobody takes over.
pub fn config() -> BatcherConfig {
    BatcherConfig {
        enabled: true,
        interval: Duration::from_secs(3),
        max_data_bytes: 100_000,
        data: DataChoice::Calldata,
        max_blobs: 6,
        blob_form: BlobForm::Eip4844,
        takeover: Duration::from_secs(600),
    }
}

/// Four nodes that put everything on this layer.
pub async fn on_celestia(celestia: &LocalNode) -> Cluster {
    let config = BatcherConfig { data: DataChoice::Celestia, ..config() };
    let mut cluster = Cluster::start_some(4, 0, config).await;
    for index in 0..4 {
        cluster.nodes[index].layer = Some(celestia_layer(celestia));
        cluster.restart(index).await;
    }
    cluster
}

pub fn celestia_layer(celestia: &LocalNode) -> Arc<dyn DataLayer> {
    let options = CelestiaOptions {
        url: celestia.url(),
        token: None,
        namespace: BlobNamespace::of_chain(GENESIS),
        gas_price: None,
        request_timeout: Duration::from_secs(5),
        submit_timeout: Duration::from_secs(30),
    };
    Arc::new(CelestiaLayer::new(options).unwrap())
}

pub fn log() {
    let _ = tracing_subscriber::fmt().with_test_writer().with_env_filter("info").try_init();
}
