//! An Engine API server that keeps a chain of headers, answers as it is told and notes what it was
//! asked.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{B256, hex, keccak256};
use ande_execution::{EngineClient, EngineConfig, JwtSecret};
use ande_ports::reserve;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::ethereumjs::SECRET;

pub const NEW_PAYLOAD: &str = "engine_newPayloadV3";
pub const FORKCHOICE: &str = "engine_forkchoiceUpdatedV3";
pub const GET_PAYLOAD: &str = "engine_getPayloadV3";
pub const SEND: &str = "eth_sendRawTransaction";
pub const BLOCK: &str = "eth_getBlockByNumber";

/// One answer out of the ordinary.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A result.
    Result(Value),
    /// A JSON-RPC error.
    Error(i64, &'static str),
    /// An HTTP status.
    Status(u16),
    /// Any body.
    Body(Vec<u8>),
    /// No answer for a long time.
    Hang,
    /// The right answer, late.
    Late(Duration),
}

/// Shape of a verdict.
pub fn status(status: &str, valid: Option<B256>, error: Option<&str>) -> Value {
    json!({"status": status, "latestValidHash": valid, "validationError": error})
}

#[derive(Default)]
struct Chain {
    chain_id: u64,
    /// Executed blocks: number and parent.
    executed: HashMap<B256, (u64, B256)>,
    canonical: BTreeMap<u64, B256>,
    script: HashMap<String, VecDeque<Reply>>,
    asked: Vec<(String, Value)>,
}

/// The server; it stops when this is dropped.
pub struct FakeEngine {
    chain: Arc<Mutex<Chain>>,
    address: std::net::SocketAddr,
    server: Option<tokio::task::JoinHandle<()>>,
}

impl FakeEngine {
    pub async fn start(chain_id: u64, genesis: B256) -> Self {
        let chain = Chain {
            chain_id,
            executed: [(genesis, (0, B256::ZERO))].into(),
            canonical: [(0, genesis)].into(),
            ..Chain::default()
        };
        // Reserved: nobody else gets it while the server is stopped.
        let address = (Ipv4Addr::LOCALHOST, reserve().unwrap()).into();
        let mut this = Self { chain: Arc::new(Mutex::new(chain)), address, server: None };
        this.resume().await;
        this
    }

    /// Ends all connections; the chain stays.
    pub async fn stop(&mut self) {
        let server = self.server.take().unwrap();
        server.abort();
        let _ = server.await;
    }

    /// Listens again, on the same port.
    pub async fn resume(&mut self) {
        let listener = tokio::net::TcpListener::bind(self.address).await.unwrap();
        let router = Router::new().fallback(answer).with_state(self.chain.clone());
        self.server = Some(tokio::spawn(async move {
            // One connection per request: to stop is then to stop.
            axum::serve(listener, router).await.unwrap();
        }));
    }

    pub fn config(&self) -> EngineConfig {
        let url = format!("http://{}", self.address).parse().unwrap();
        let mut config = EngineConfig::new(url, JwtSecret::from_hex(SECRET).unwrap());
        config.request_timeout = Duration::from_millis(500);
        config
    }

    pub fn client(&self) -> EngineClient {
        EngineClient::new(self.config()).unwrap()
    }

    /// The next answers to a method; the ordinary ones follow.
    pub fn script(&self, method: &str, replies: impl IntoIterator<Item = Reply>) {
        self.chain.lock().script.entry(method.to_owned()).or_default().extend(replies);
    }

    /// Forgets what was not asked for.
    pub fn unscript(&self) {
        self.chain.lock().script.clear();
    }

    /// Goes back to an older head and loses what came after it.
    pub fn lose(&self, head: u64) {
        let mut chain = self.chain.lock();
        chain.canonical.retain(|number, _| *number <= head);
        chain.executed.retain(|_, (number, _)| *number <= head);
    }

    /// Loses the states after a block but not the blocks.
    pub fn lose_states(&self, head: u64) {
        self.chain.lock().executed.retain(|_, (number, _)| *number <= head);
    }

    pub fn set_chain_id(&self, id: u64) {
        self.chain.lock().chain_id = id;
    }

    /// Puts another block at a number and makes it the head.
    pub fn put(&self, number: u64, hash: B256) {
        let mut chain = self.chain.lock();
        chain.canonical.retain(|known, _| *known < number);
        chain.canonical.insert(number, hash);
        chain.executed.insert(hash, (number, B256::ZERO));
    }

    pub fn head(&self) -> (u64, B256) {
        let chain = self.chain.lock();
        chain.canonical.iter().next_back().map(|(number, hash)| (*number, *hash)).unwrap()
    }

    /// The methods that were asked, oldest first; emptied.
    pub fn take_asked(&self) -> Vec<String> {
        self.chain.lock().asked.drain(..).map(|(method, _)| method).collect()
    }

    /// Parameters of the newest question of a method.
    pub fn params(&self, method: &str) -> Value {
        let chain = self.chain.lock();
        chain.asked.iter().rev().find(|(asked, _)| asked == method).unwrap().1.clone()
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

async fn answer(
    State(chain): State<Arc<Mutex<Chain>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !has_token(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let request: Value = serde_json::from_slice(&body).unwrap();
    match request {
        Value::Array(requests) => {
            let mut answers = Vec::with_capacity(requests.len());
            for request in &requests {
                match answer_one(&chain, request).await {
                    Ok(answer) => answers.push(answer),
                    Err(response) => return response,
                }
            }
            close(&Value::Array(answers))
        }
        request => match answer_one(&chain, &request).await {
            Ok(answer) => close(&answer),
            Err(response) => response,
        },
    }
}

/// The answer to one question, or another one to the whole request.
async fn answer_one(chain: &Mutex<Chain>, request: &Value) -> Result<Value, Response> {
    let method = request["method"].as_str().unwrap().to_owned();
    let params = request["params"].clone();
    let reply = {
        let mut chain = chain.lock();
        chain.asked.push((method.clone(), params.clone()));
        chain.script.get_mut(&method).and_then(VecDeque::pop_front)
    };
    let id = &request["id"];
    let result = match reply {
        None => chain.lock().ordinary(&method, &params),
        Some(Reply::Result(result)) => result,
        Some(Reply::Late(pause)) => {
            tokio::time::sleep(pause).await;
            chain.lock().ordinary(&method, &params)
        }
        Some(Reply::Hang) => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Value::Null
        }
        Some(Reply::Status(status)) => {
            return Err(StatusCode::from_u16(status).unwrap().into_response());
        }
        Some(Reply::Body(body)) => return Err(body.into_response()),
        Some(Reply::Error(code, message)) => {
            let error = json!({"code": code, "message": message});
            return Ok(json!({"jsonrpc": "2.0", "id": id, "error": error}));
        }
    };
    Ok(json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

fn close(answer: &Value) -> Response {
    ([("connection", "close")], answer.to_string()).into_response()
}

/// Compares with a token made here for the time that the given one names.
pub fn has_token(headers: &HeaderMap) -> bool {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let Some(token) = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
    else {
        return false;
    };
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let issued_at = claims["iat"].as_u64().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs().abs_diff(issued_at) <= 60
        && JwtSecret::from_hex(SECRET).unwrap().token(issued_at) == token
}

impl Chain {
    fn ordinary(&mut self, method: &str, params: &Value) -> Value {
        match method {
            "eth_chainId" => json!(format!("{:#x}", self.chain_id)),
            BLOCK => {
                let number = match params[0].as_str().unwrap() {
                    "latest" => *self.canonical.keys().next_back().unwrap(),
                    hex => u64::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap(),
                };
                self.canonical.get(&number).map_or(
                    Value::Null,
                    |hash| json!({"number": format!("{number:#x}"), "hash": hash, "extra": [1]}),
                )
            }
            NEW_PAYLOAD => {
                let number = params[0]["blockNumber"].as_str().unwrap();
                let number = u64::from_str_radix(number.trim_start_matches("0x"), 16).unwrap();
                let hash: B256 = serde_json::from_value(params[0]["blockHash"].clone()).unwrap();
                let parent = serde_json::from_value(params[0]["parentHash"].clone()).unwrap();
                if !self.executed.contains_key(&parent) {
                    return status("SYNCING", None, None);
                }
                self.executed.insert(hash, (number, parent));
                status("VALID", Some(hash), None)
            }
            FORKCHOICE => {
                let hash: B256 =
                    serde_json::from_value(params[0]["headBlockHash"].clone()).unwrap();
                let status = match self.executed.get(&hash) {
                    None => status("SYNCING", None, None),
                    Some((number, _)) => {
                        let number = *number;
                        self.canonical.retain(|known, _| *known < number);
                        self.canonical.insert(number, hash);
                        status("VALID", Some(hash), None)
                    }
                };
                json!({"payloadStatus": status, "payloadId": null})
            }
            SEND => json!(keccak256(hex::decode(params[0].as_str().unwrap()).unwrap())),
            other => panic!("{other} was asked"),
        }
    }
}
