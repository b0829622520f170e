//! A node of a chain of four validators, without an engine: blocks are made and certified here.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use alloy::{
    consensus::{
        Header as EthHeader, SignableTransaction as _, Transaction as _, TxEip1559, TxEnvelope,
        TxLegacy, transaction::SignerRecoverable as _,
    },
    eips::{Decodable2718 as _, Encodable2718 as _},
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use ande_consensus::{EnginePhase, PoolStatus, PooledEntry, SubmitError, TransactionIngress, View};
use ande_execution::{
    Attributes, EmbeddedExecutor, EvmConfig, EvmGenesis, Executor as _, ForcedInput, NoSenders,
    state::StateOptions,
};
use ande_l1::{L1View, ValidatorInfo, ValidatorStatus};
use ande_peer::{CheckpointRequest, Hello, PeerAuth, PeerHandler, PeerRefusal};
use ande_primitives::{
    Block, Certificate, Commit, CommitSignature, Committee, Domain, Epoch, EpochSet, Era, Header,
    Height, Member, NodeId, NodeKey, QuorumFraction, Round, ScheduleMode, ScheduleRules, Signature,
    Skip, ValidatorKey,
};
use ande_rpc::{NodeInfo, RpcApis, RpcLimits, RpcServices, serve_ops, serve_public};
use ande_store::{ChainIdentity, Store};
use ande_telemetry::Metrics;
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{broadcast, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

pub(crate) const CHAIN: u64 = 6174;
pub(crate) const L1: u64 = 31337;
pub(crate) const CONSENSUS: Address = Address::repeat_byte(0xc0);

pub(crate) fn key(id: u8) -> ValidatorKey {
    ValidatorKey::from_bytes(&[id; 32]).unwrap()
}

pub(crate) fn node_key(id: u8) -> NodeKey {
    NodeKey::from_seed(&[0x40 + id; 32])
}

pub(crate) fn domain() -> Domain {
    Domain::new(L1, CONSENSUS, CHAIN)
}

pub(crate) fn set(epoch: u64) -> EpochSet {
    let members =
        (1..=4).map(|id| Member { signer: key(id).address(), weight: 10, id: id.into() }).collect();
    EpochSet {
        era: Era(0),
        epoch: Epoch(epoch),
        set_id: 0,
        seed: B256::repeat_byte(7),
        rules: ScheduleRules::new(ScheduleMode::RoundRobin, 3, 4, 10).unwrap(),
        quorum: QuorumFraction::TWO_THIRDS,
        committee: Committee::new(members).unwrap(),
        l1_block: 5,
    }
}

pub(crate) fn genesis() -> EthHeader {
    EthHeader {
        gas_limit: 30_000_000,
        base_fee_per_gas: Some(0),
        withdrawals_root: Some(alloy::consensus::constants::EMPTY_WITHDRAWALS),
        ..EthHeader::default()
    }
}

pub(crate) fn rlp(header: &EthHeader) -> Bytes {
    alloy_rlp::encode(header).into()
}

/// A signed transfer of sender `sender`.
pub(crate) fn transfer(sender: u8, nonce: u64) -> Bytes {
    let signer = PrivateKeySigner::from_slice(&[sender; 32]).unwrap();
    let tx = TxEip1559 {
        chain_id: CHAIN,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(9)),
        value: U256::from(nonce),
        ..TxEip1559::default()
    };
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

pub(crate) fn legacy(sender: u8, nonce: u64) -> Bytes {
    let signer = PrivateKeySigner::from_slice(&[sender; 32]).unwrap();
    let tx = TxLegacy {
        chain_id: Some(CHAIN),
        nonce,
        gas_price: 7,
        gas_limit: 21_000,
        ..TxLegacy::default()
    };
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

/// Ether of every funded account.
pub(crate) const FUNDS: u128 = 1_000_000_000_000_000_000_000;
/// Stores the first word of its input, logs the input with that word as topic, and returns it.
pub(crate) const LOGGER: Address = Address::repeat_byte(0xa1);
/// Reverts with `Error("nope")`.
pub(crate) const REVERTER: Address = Address::repeat_byte(0xa2);
/// Never ends.
pub(crate) const LOOP: Address = Address::repeat_byte(0xa3);
const LOGGER_CODE: &str = "0x365f5f375f35365fa15f355f55365ff3";
const REVERTER_CODE: &str = "0x6064600a5f3960645ffd\
08c379a0\
0000000000000000000000000000000000000000000000000000000000000020\
0000000000000000000000000000000000000000000000000000000000000004\
6e6f706500000000000000000000000000000000000000000000000000000000";
const LOOP_CODE: &str = "0x5b5f56";

pub(crate) fn wallet(sender: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[sender; 32]).unwrap()
}

pub(crate) fn evm_genesis() -> EvmGenesis {
    let mut alloc = serde_json::Map::new();
    for sender in 11..20 {
        let balance = format!("{FUNDS:#x}");
        alloc.insert(wallet(sender).address().to_string(), json!({ "balance": balance }));
    }
    for (address, code) in [(LOGGER, LOGGER_CODE), (REVERTER, REVERTER_CODE), (LOOP, LOOP_CODE)] {
        alloc.insert(address.to_string(), json!({ "balance": "0x0", "code": code }));
    }
    let json = json!({
        "config": {
            "chainId": CHAIN, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
            "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
            "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
            "mergeNetsplitBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0,
            "cancunTime": 0,
        },
        "nonce": "0x0", "timestamp": "0x0", "extraData": "0x", "gasLimit": "0x1c9c380",
        "difficulty": "0x0", "coinbase": "0x0000000000000000000000000000000000000000",
        "baseFeePerGas": "0x3b9aca00", "alloc": alloc,
    });
    EvmGenesis::from_json(&json.to_string()).unwrap()
}

/// A signed call or, without `to`, a create, that pays a tip of `tip` gwei.
pub(crate) fn invoke(sender: u8, nonce: u64, to: TxKind, input: Bytes, tip: u128) -> Bytes {
    let tx = TxEip1559 {
        chain_id: CHAIN,
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: tip * 1_000_000_000,
        to,
        input,
        ..TxEip1559::default()
    };
    let signature = wallet(sender).sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

/// A legacy transfer that pays enough for a real chain.
pub(crate) fn legacy_paying(sender: u8, nonce: u64) -> Bytes {
    let tx = TxLegacy {
        chain_id: Some(CHAIN),
        nonce,
        gas_price: 100_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(9)),
        value: U256::from(5),
        ..TxLegacy::default()
    };
    let signature = wallet(sender).sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

/// A call of the logger.
pub(crate) fn log(sender: u8, nonce: u64, topic: u8) -> Bytes {
    let input = [B256::repeat_byte(topic).as_slice(), b"data"].concat();
    invoke(sender, nonce, TxKind::Call(LOGGER), input.into(), 1)
}

/// A pool that keeps what it gets.
pub(crate) struct Pool {
    pub(crate) arrivals: broadcast::Sender<B256>,
    pub(crate) taken: Mutex<HashMap<B256, Bytes>>,
    pub(crate) refuse: Mutex<Option<SubmitError>>,
    pub(crate) delay: Mutex<Option<Duration>>,
    pub(crate) order: Mutex<Vec<B256>>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            arrivals: broadcast::Sender::new(64),
            taken: Mutex::default(),
            refuse: Mutex::default(),
            delay: Mutex::default(),
            order: Mutex::default(),
        }
    }
}

#[async_trait]
impl TransactionIngress for Pool {
    async fn submit_from(
        &self,
        _: ande_primitives::NodeId,
        _: Vec<bytes::Bytes>,
    ) -> Vec<Result<B256, SubmitError>> {
        unreachable!("no other validator asks")
    }

    async fn submit(&self, raw: bytes::Bytes) -> Result<B256, SubmitError> {
        let raw = Bytes::from(raw);
        let hash = keccak256(&raw);
        self.order.lock().unwrap().push(hash);
        let delay = *self.delay.lock().unwrap();
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        if let Some(refusal) = self.refuse.lock().unwrap().clone() {
            return Err(refusal);
        }
        TxEnvelope::decode_2718_exact(&raw).map_err(|_| {
            SubmitError::Rejected("rlp: value size exceeds available input length".into())
        })?;
        if self.taken.lock().unwrap().insert(hash, raw).is_none() {
            let _ = self.arrivals.send(hash);
        }
        Ok(hash)
    }

    fn pending(&self, hash: B256) -> Option<bytes::Bytes> {
        self.taken.lock().unwrap().get(&hash).map(|raw| raw.0.clone())
    }

    fn status(&self) -> PoolStatus {
        let pending = self.taken.lock().unwrap().len();
        PoolStatus { pending, queued: 0, bytes: pending * 100 }
    }

    /// Nonces from 100 on count as queued.
    fn content(&self, sender: Option<Address>) -> Vec<PooledEntry> {
        let taken = self.taken.lock().unwrap();
        let mut entries: Vec<_> = taken
            .values()
            .map(|raw| {
                let tx = TxEnvelope::decode_2718_exact(raw).unwrap();
                let (sender, nonce) = (tx.recover_signer().unwrap(), tx.nonce());
                PooledEntry { sender, nonce, raw: raw.0.clone(), executable: nonce < 100 }
            })
            .filter(|entry| sender.is_none_or(|sender| entry.sender == sender))
            .collect();
        entries.sort_by_key(|entry| (entry.sender, entry.nonce));
        entries
    }

    fn arrivals(&self) -> Option<broadcast::Receiver<B256>> {
        Some(self.arrivals.subscribe())
    }
}

pub(crate) struct Peer;

#[async_trait]
impl PeerHandler for Peer {
    async fn hello(&self) -> Hello {
        hello(1, "node-1", 0)
    }
    async fn transactions(&self, _: NodeId, _: Vec<Bytes>) -> Result<(), PeerRefusal> {
        Ok(())
    }
    async fn checkpoint(&self, _: NodeId, _: CheckpointRequest) -> Result<Signature, PeerRefusal> {
        Err(PeerRefusal::Unavailable("not here".into()))
    }
}

pub(crate) fn hello(id: u8, name: &str, height: u64) -> Hello {
    Hello {
        node_id: node_key(id).id(),
        name: name.into(),
        signer: Some(key(id).address()),
        p2p_address: "127.0.0.1:1".into(),
        version: "1".into(),
        l2_chain_id: CHAIN,
        height: Height(height),
    }
}

pub(crate) struct Node {
    pub(crate) store: Store,
    pub(crate) pool: Arc<Pool>,
    pub(crate) view: watch::Sender<View>,
    pub(crate) l1: watch::Sender<L1View>,
    pub(crate) peers: watch::Sender<BTreeMap<NodeId, Hello>>,
    pub(crate) metrics: Metrics,
    pub(crate) stop: CancellationToken,
    pub(crate) rpc: SocketAddr,
    pub(crate) ws: SocketAddr,
    pub(crate) ops: SocketAddr,
    pub(crate) public: JoinHandle<std::io::Result<()>>,
    pub(crate) commits: Vec<Commit>,
    pub(crate) evm: Option<EmbeddedExecutor>,
    genesis: EthHeader,
    _dir: tempfile::TempDir,
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::start_with(RpcLimits::default()).await
    }

    pub(crate) async fn start_with(limits: RpcLimits) -> Self {
        Self::assemble(limits, RpcApis::default(), None).await
    }

    /// A node that executes.
    pub(crate) async fn start_evm() -> Self {
        Self::start_evm_with(RpcLimits::default(), RpcApis::default()).await
    }

    pub(crate) async fn start_evm_with(limits: RpcLimits, apis: RpcApis) -> Self {
        Self::assemble(limits, apis, Some(StateOptions::default())).await
    }

    /// A node that executes and keeps this much.
    pub(crate) async fn start_evm_keeping(state: StateOptions) -> Self {
        Self::assemble(RpcLimits::default(), RpcApis::default(), Some(state)).await
    }

    async fn assemble(limits: RpcLimits, apis: RpcApis, executes: Option<StateOptions>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (evm, genesis) = if let Some(state) = executes {
            let genesis = evm_genesis();
            let config = EvmConfig { genesis: genesis.clone(), dir: dir.path().join("evm"), state };
            let evm = EmbeddedExecutor::open(config, Arc::new(NoSenders)).unwrap();
            (Some(evm), genesis.header().clone())
        } else {
            (None, genesis())
        };
        let identity = ChainIdentity {
            l1_chain_id: L1,
            consensus: CONSENSUS,
            coordinator: Address::repeat_byte(0xc1),
            l2_chain_id: CHAIN,
            genesis_hash: genesis.hash_slow(),
        };
        let store = Store::open(dir.path(), identity).await.unwrap();
        store.put_set(&set(0)).await.unwrap();
        let pool = Arc::new(Pool::default());
        let view = watch::Sender::new(View {
            phase: EnginePhase::Idle,
            height: Height(1),
            proposer: Some(key(1).address()),
            is_proposer: true,
            is_validator: true,
            peers: vec![node_key(2).id()],
            ..View::default()
        });
        let l1 = watch::Sender::new(L1View {
            latest: 12,
            final_block: 10,
            last_ok: Some(Instant::now()),
            launched: true,
            validators: (1..=4).map(validator).collect(),
            ..L1View::default()
        });
        let peers = watch::Sender::new(BTreeMap::new());
        let metrics = Metrics::new();
        let (draining, stop) = (CancellationToken::new(), CancellationToken::new());
        let services = RpcServices {
            info: NodeInfo {
                name: "node-1".into(),
                version: "1.2.3",
                git_sha: "abcdef",
                mode: "contract",
                executor: "none".into(),
                node_id: node_key(1).id(),
                signer: Some(key(1).address()),
                l1_chain_id: L1,
                consensus: CONSENSUS,
                coordinator: Address::repeat_byte(0xc1),
                l2_chain_id: CHAIN,
                genesis: rlp(&genesis),
                block_time: Duration::from_secs(2),
                heartbeat: Duration::from_secs(10),
                batcher_enabled: true,
                pool_capacity: 20_000,
            },
            store: store.clone(),
            view: view.subscribe(),
            l1: l1.subscribe(),
            peers: peers.subscribe(),
            evm: evm.as_ref().map(EmbeddedExecutor::reader),
            client: None,
            apis,
            ingress: pool.clone(),
            metrics: metrics.clone(),
            engine_metrics: Some(|| {
                "# TYPE engine_rounds counter\nengine_rounds_total 4\n# EOF\n".into()
            }),
            draining,
            limits,
        };
        let allowed = watch::Sender::new(Arc::new(HashSet::from([node_key(2).id()])));
        let auth = PeerAuth::new(node_key(1), CHAIN, allowed.subscribe());
        let peer = ande_peer::router(auth, Arc::new(Peer));
        let bind = || async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            (listener, address)
        };
        let ((rpc_listener, rpc), (ws_listener, ws), (ops_listener, ops)) =
            (bind().await, bind().await, bind().await);
        tokio::spawn(serve_ops(ops_listener, services.clone(), stop.clone()));
        let listeners = vec![rpc_listener, ws_listener];
        let public = tokio::spawn(serve_public(listeners, services, peer, stop.clone()));
        Self {
            store,
            pool,
            view,
            l1,
            peers,
            metrics,
            stop,
            rpc,
            ws,
            ops,
            public,
            commits: Vec::new(),
            evm,
            genesis,
            _dir: dir,
        }
    }

    /// Commits a block with these transactions, certified by three of the four.
    pub(crate) async fn block(&mut self, transactions: Vec<Bytes>) -> Commit {
        self.block_with(Vec::new(), transactions).await
    }

    /// The same with a block that consumes forced entries; only a node that executes takes them.
    pub(crate) async fn block_with(
        &mut self,
        forced: Vec<ForcedInput>,
        mut transactions: Vec<Bytes>,
    ) -> Commit {
        let height = Height(self.commits.len() as u64 + 1);
        let (parent_hash, parent_execution) = match self.commits.last() {
            Some(parent) => (parent.block.hash(), parent.block.header.execution_hash),
            None => (self.genesis.hash_slow(), self.genesis.hash_slow()),
        };
        let set = set(0);
        let timestamp = 1_000 + height.0;
        let proposer = set.proposer_address(height, Skip(0));
        let before = self.commits.last().map_or(0, |parent| parent.block.header.forced_up_to);
        let forced_up_to = before + forced.len() as u64;
        let execution = match &self.evm {
            Some(evm) => {
                let attributes = Attributes {
                    number: height.0,
                    timestamp_ms: timestamp * 1000,
                    fee_recipient: proposer,
                    parent_execution_hash: parent_execution,
                    parent_consensus_hash: parent_hash,
                };
                let payload =
                    evm.propose_forced(attributes, forced, transactions.clone()).await.unwrap();
                let given = payload.transactions.ends_with(&transactions);
                assert!(given, "a transaction was left out");
                transactions = payload.transactions;
                payload.header
            }
            None => rlp(&EthHeader {
                number: height.0,
                parent_hash: parent_execution,
                timestamp,
                ..genesis()
            }),
        };
        let header = Header {
            l2_chain_id: CHAIN,
            era: set.era,
            epoch: set.rules.epoch_of(height),
            height,
            skip: Skip(0),
            parent_hash,
            proposer,
            timestamp_ms: timestamp * 1000,
            forced_up_to,
            forced_acc: B256::ZERO,
            execution_hash: keccak256(&execution),
        };
        let mut certificate = Certificate {
            era: header.era,
            epoch: header.epoch,
            height,
            round: Round(0),
            block_hash: header.hash(),
            signatures: Vec::new(),
        };
        let digest = domain().vote_digest(&certificate.vote());
        certificate.signatures = (1..=3)
            .map(|id| CommitSignature {
                signer: key(id).address(),
                signature: key(id).sign_digest(digest).unwrap(),
            })
            .collect();
        certificate.signatures.sort_by_key(|entry| entry.signer);
        let commit = Commit { block: Block { header, execution, transactions }, certificate };
        self.store.commit(&commit).await.unwrap();
        if let Some(evm) = &self.evm {
            evm.commit(commit.block.header.execution_hash).await.unwrap();
        }
        for raw in &commit.block.transactions {
            self.pool.taken.lock().unwrap().remove(&keccak256(raw));
        }
        self.commits.push(commit.clone());
        commit
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.rpc)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        get(self.rpc, path).await
    }

    pub(crate) async fn ops(&self, path: &str) -> reqwest::Response {
        get(self.ops, path).await
    }

    /// Posts any body as JSON-RPC.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::Response {
        self.post_to(self.rpc, body).await
    }

    pub(crate) async fn post_to(
        &self,
        address: SocketAddr,
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Response {
        reqwest::Client::new()
            .post(format!("http://{address}"))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap()
    }

    /// One call; `Ok` is the result, `Err` the error object.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Result<Value, Value> {
        self.call_to(self.rpc, method, params).await
    }

    /// The same, asked on the operators' listener.
    pub(crate) async fn call_ops(&self, method: &str, params: Value) -> Result<Value, Value> {
        self.call_to(self.ops, method, params).await
    }

    async fn call_to(
        &self,
        address: SocketAddr,
        method: &str,
        params: Value,
    ) -> Result<Value, Value> {
        let request = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let answer = self.post_to(address, request.to_string()).await;
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["id"], 7, "{answer}");
        match answer.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(answer["result"].clone()),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> reqwest::Response {
    reqwest::get(format!("http://{address}{path}")).await.unwrap()
}

pub(crate) fn validator(id: u8) -> ValidatorInfo {
    ValidatorInfo {
        id: id.into(),
        owner: Address::repeat_byte(id),
        signer: key(id).address(),
        node_id: node_key(id).id(),
        rpc_endpoint: format!("http://127.0.0.1:{id}"),
        stake: U256::from(10),
        weight: U256::from(10),
        status: ValidatorStatus::Active,
    }
}
