//! An endpoint of the settlement chain that does not tell the truth.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::Decodable2718 as _,
    primitives::{Bytes, U64},
};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use url::Url;

/// What an endpoint does to its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Nothing.
    None,
    /// Every head is this block: the chain stands still.
    Older(u64),
    /// Another chain: every block has another hash, and there are many more of them.
    Fork,
    /// The right blocks with other state and without logs.
    State,
    /// Every tenth request fails, in two ways by turns.
    Errors,
    /// Transactions have another input.
    Data,
    /// Blob gas costs so much: transactions that offer less are refused.
    BlobFee(u64),
}

/// Blocks that a fork is ahead.
const AHEAD: u64 = 1_000;

struct Shared {
    upstream: Url,
    http: reqwest::Client,
    lie: Mutex<Lie>,
    asked: AtomicU64,
}

/// A proxy in front of an endpoint. Stopped when dropped.
#[derive(Debug)]
pub struct Liar {
    url: Url,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl core::fmt::Debug for Shared {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Shared").field("lie", &self.lie).finish_non_exhaustive()
    }
}

impl Liar {
    /// Starts a proxy that tells the truth for now.
    pub async fn start(upstream: Url) -> Self {
        let shared = Arc::new(Shared {
            upstream,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            lie: Mutex::new(Lie::None),
            asked: AtomicU64::new(0),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let app = Router::new().route("/", post(answer)).with_state(shared.clone());
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        Self { url, shared, task }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// Lies so from now on.
    pub fn tell(&self, lie: Lie) {
        *self.shared.lie.lock().unwrap() = lie;
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, Json(mut request): Json<Value>) -> Response {
    let lie = *shared.lie.lock().unwrap();
    let asked = shared.asked.fetch_add(1, Ordering::Relaxed);
    if lie == Lie::Errors && asked.is_multiple_of(10) {
        return match asked.is_multiple_of(20) {
            true => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            false => {
                let error = json!({"code": -32_000, "message": "internal error"});
                Json(json!({"jsonrpc": "2.0", "id": request["id"], "error": error})).into_response()
            }
        };
    }
    if let Lie::BlobFee(fee) = lie
        && offers_less(&request, fee)
    {
        let message = "max fee per blob gas less than block blob gas fee";
        let error = json!({"code": -32_000, "message": message});
        return Json(json!({"jsonrpc": "2.0", "id": request["id"], "error": error}))
            .into_response();
    }
    let ahead = lie == Lie::Fork && is_head(&request["params"][0]);
    bend_request(&mut request, lie);
    let Ok(response) = shared.http.post(shared.upstream.clone()).json(&request).send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let Ok(mut response) = response.json::<Value>().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let method = request["method"].as_str().unwrap_or_default();
    bend_answer(method, &mut response["result"], lie, ahead);
    if response["result"].is_null() && response.get("error").is_some() {
        response.as_object_mut().unwrap().remove("result");
    }
    Json(response).into_response()
}

fn is_head(tag: &Value) -> bool {
    matches!(tag.as_str(), Some("latest" | "safe" | "finalized"))
}

fn bend_request(request: &mut Value, lie: Lie) {
    let Some(params) = request["params"].as_array_mut() else { return };
    for param in params {
        match lie {
            Lie::Older(number) if is_head(param) => *param = json!(U64::from(number)),
            // It knows its own hashes only.
            Lie::Fork => {
                if let Some(hash) = param.get_mut("blockHash") {
                    flip(hash);
                }
            }
            _ => {}
        }
    }
}

fn bend_answer(method: &str, result: &mut Value, lie: Lie, ahead: bool) {
    match (lie, method) {
        (Lie::Fork, "eth_getBlockByNumber") if result.is_object() => {
            flip(&mut result["hash"]);
            if ahead {
                let number = result["number"].as_str().unwrap_or_default();
                let number: U64 = number.parse().unwrap_or_default();
                result["number"] = json!(number + U64::from(AHEAD));
            }
        }
        (Lie::State, "eth_call") => flip(result),
        (Lie::State, "eth_getLogs") => *result = json!([]),
        (Lie::BlobFee(fee), "eth_blobBaseFee") => *result = json!(U64::from(fee)),
        (Lie::Data, "eth_getTransactionByHash") if result.is_object() => {
            flip_middle(&mut result["input"]);
        }
        _ => {}
    }
}

/// Whether a request sends a transaction whose cap is lower.
fn offers_less(request: &Value, fee: u64) -> bool {
    if request["method"] != "eth_sendRawTransaction" {
        return false;
    }
    let raw: Bytes = serde_json::from_value(request["params"][0].clone()).unwrap();
    let transaction = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
    transaction.max_fee_per_blob_gas().is_some_and(|cap| cap < u128::from(fee))
}

/// Changes a digit in the middle of a hexadecimal text.
fn flip_middle(text: &mut Value) {
    let Some(old) = text.as_str() else { return };
    let (head, tail) = old.split_at(old.len() / 2);
    let mut head = json!(head);
    flip(&mut head);
    *text = json!(head.as_str().unwrap_or_default().to_owned() + tail);
}

/// Changes the last digit of a hexadecimal text.
fn flip(text: &mut Value) {
    let Some(old) = text.as_str() else { return };
    let last = if old.ends_with('0') { "1" } else { "0" };
    let new = old.get(..old.len().saturating_sub(1)).unwrap_or_default().to_owned() + last;
    *text = json!(new);
}
