//! An execution client that builds blocks in the dialect of ev-reth, on loopback: the attributes of
//! `engine_forkchoiceUpdatedV3` carry the transactions and, as a plain number, the gas limit.
//! Transactions that cannot be executed are skipped, and the id of a payload does not depend on the
//! transactions, as there.

use std::{
    collections::{BTreeMap, HashMap},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use alloy_consensus::{Block, TxEnvelope};
use alloy_eips::eip2718::Decodable2718 as _;
use alloy_primitives::{Address, B64, B256, Bytes, U64, keccak256};
use alloy_rpc_types_engine::{CancunPayloadFields, ExecutionPayloadSidecar, ExecutionPayloadV3};
use ande_execution::{
    Attributes, EngineConfig, EvmGenesis, Executor as _, JwtSecret, Payload, PayloadStatus,
};
use ande_ports::reserve;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ethereumjs::SECRET,
    fake::{BLOCK, FORKCHOICE, GET_PAYLOAD, NEW_PAYLOAD, has_token, status},
};
use crate::common::{GAS_LIMIT, Node};

/// The server; it stops when this is dropped.
pub struct Evolve {
    address: SocketAddr,
    server: tokio::task::JoinHandle<()>,
}

struct Client {
    node: Node,
    canonical: Mutex<BTreeMap<u64, B256>>,
    built: Mutex<HashMap<B64, Value>>,
}

/// What is read strictly: a node that speaks another dialect gets an error.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BuildAttributes {
    timestamp: U64,
    prev_randao: B256,
    suggested_fee_recipient: Address,
    withdrawals: Vec<Value>,
    parent_beacon_block_root: B256,
    transactions: Vec<Bytes>,
    gas_limit: u64,
}

impl Evolve {
    pub async fn start(genesis: &str) -> Self {
        let genesis = EvmGenesis::from_json(genesis).unwrap();
        let client = Arc::new(Client {
            canonical: Mutex::new([(0, genesis.hash())].into()),
            node: Node::with(genesis),
            built: Mutex::default(),
        });
        let address = (Ipv4Addr::LOCALHOST, reserve().unwrap()).into();
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let router = Router::new().fallback(answer).with_state(client);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, server }
    }

    pub fn config(&self) -> EngineConfig {
        let url = format!("http://{}", self.address).parse().unwrap();
        EngineConfig::new(url, JwtSecret::from_hex(SECRET).unwrap())
    }
}

impl Drop for Evolve {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State(client): State<Arc<Client>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    if !has_token(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let params = request["params"].clone();
    let answer = match request["method"].as_str().unwrap() {
        "eth_chainId" => Ok(json!(U64::from(client.node.reader().chain_id()))),
        BLOCK => Ok(client.block(&params)),
        NEW_PAYLOAD => Ok(client.execute(params).await),
        FORKCHOICE => client.forkchoice(params).await,
        GET_PAYLOAD => {
            let id: B64 = serde_json::from_value(params[0].clone()).unwrap();
            client.built.lock().get(&id).cloned().ok_or((-38001, "Unknown payload".into()))
        }
        other => Err((-32601, format!("the method {other} does not exist"))),
    };
    let id = &request["id"];
    Json(match answer {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err((code, message)) => {
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
        }
    })
    .into_response()
}

impl Client {
    fn block(&self, params: &Value) -> Value {
        let canonical = self.canonical.lock();
        let number = match params[0].as_str().unwrap() {
            "latest" => *canonical.keys().next_back().unwrap(),
            _ => serde_json::from_value::<U64>(params[0].clone()).unwrap().to(),
        };
        canonical
            .get(&number)
            .map_or(Value::Null, |hash| json!({"number": U64::from(number), "hash": hash}))
    }

    async fn execute(&self, params: Value) -> Value {
        let payload: ExecutionPayloadV3 = serde_json::from_value(params[0].clone()).unwrap();
        let (hash, transactions) = {
            let first = &payload.payload_inner.payload_inner;
            (first.block_hash, first.transactions.clone())
        };
        let parent_beacon_block_root = serde_json::from_value(params[2].clone()).unwrap();
        let fields = CancunPayloadFields { parent_beacon_block_root, versioned_hashes: vec![] };
        let sidecar = ExecutionPayloadSidecar::v3(fields);
        let payload = alloy_rpc_types_engine::ExecutionPayload::V3(payload);
        let block: Block<TxEnvelope> = match payload.try_into_block_with_sidecar(&sidecar) {
            Ok(block) => block,
            Err(error) => return status("INVALID", None, Some(&error.to_string())),
        };
        let attributes = Attributes {
            number: block.header.number,
            timestamp_ms: block.header.timestamp * 1_000,
            fee_recipient: block.header.beneficiary,
            parent_execution_hash: block.header.parent_hash,
            parent_consensus_hash: parent_beacon_block_root,
        };
        let payload = Payload::new(&block.header, transactions);
        match self.node.executor.validate(&attributes, &payload).await.unwrap() {
            PayloadStatus::Valid => status("VALID", Some(hash), None),
            PayloadStatus::Invalid(reason) => status("INVALID", None, Some(&reason)),
            PayloadStatus::Syncing(_) => status("SYNCING", None, None),
        }
    }

    async fn forkchoice(&self, params: Value) -> Result<Value, (i64, String)> {
        let hash: B256 = serde_json::from_value(params[0]["headBlockHash"].clone()).unwrap();
        if self.node.executor.commit(hash).await.is_err() {
            let status = status("SYNCING", None, None);
            return Ok(json!({"payloadStatus": status, "payloadId": null}));
        }
        let head = self.node.executor.head().await;
        self.canonical.lock().insert(head.number, head.hash);
        let id = match &params[1] {
            Value::Null => None,
            attributes => Some(self.build(hash, attributes.clone()).await?),
        };
        Ok(json!({"payloadStatus": status("VALID", Some(hash), None), "payloadId": id}))
    }

    async fn build(&self, parent: B256, attributes: Value) -> Result<B64, (i64, String)> {
        let invalid = |problem: String| (-38003, format!("Invalid payload attributes: {problem}"));
        let wanted: BuildAttributes =
            serde_json::from_value(attributes).map_err(|error| invalid(error.to_string()))?;
        let head = self.node.executor.head().await;
        let timestamp: u64 = wanted.timestamp.to();
        // Equal timestamps are allowed there.
        if timestamp < head.timestamp || !wanted.withdrawals.is_empty() {
            return Err(invalid("timestamp or withdrawals".into()));
        }
        if wanted.gas_limit != GAS_LIMIT || wanted.prev_randao != B256::ZERO {
            return Err(invalid(format!("gas limit {}", wanted.gas_limit)));
        }
        for raw in &wanted.transactions {
            TxEnvelope::decode_2718_exact(raw).map_err(|error| invalid(error.to_string()))?;
        }
        let attributes = Attributes {
            number: head.number + 1,
            timestamp_ms: timestamp * 1_000,
            fee_recipient: wanted.suggested_fee_recipient,
            parent_execution_hash: parent,
            parent_consensus_hash: wanted.parent_beacon_block_root,
        };
        let payload = self.node.executor.propose(attributes, wanted.transactions).await.unwrap();
        let id = [parent.as_slice(), &timestamp.to_be_bytes()].concat();
        let id = B64::from_slice(&keccak256(id)[..8]);
        // One that was begun already is not begun again.
        self.built.lock().entry(id).or_insert_with(|| envelope(&payload));
        Ok(id)
    }
}

/// The answer of `engine_getPayloadV3` about a block, by alloy's reading of the Engine API.
pub fn envelope(payload: &Payload) -> Value {
    let transactions: Vec<TxEnvelope> = payload
        .transactions
        .iter()
        .map(|raw| TxEnvelope::decode_2718_exact(raw).unwrap())
        .collect();
    let body = alloy_consensus::BlockBody {
        transactions,
        ommers: vec![],
        withdrawals: Some(alloy_eips::eip4895::Withdrawals::default()),
    };
    let block = Block::new(payload.decode_header().unwrap(), body);
    json!({
        "executionPayload": ExecutionPayloadV3::from_block_unchecked(payload.hash(), &block),
        "blockValue": "0x0",
        "blobsBundle": {"commitments": [], "proofs": [], "blobs": []},
        "shouldOverrideBuilder": false,
    })
}
