//! A JSON-RPC client that keeps the server's error apart from a failed connection.

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes};
use eyre::Result;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Why a call gave no result.
#[derive(Clone, Debug)]
pub enum RpcError {
    /// No answer: refused, cut or timed out. The call may have had its effect.
    Transport(String),
    /// The server answered with an error.
    Server {
        /// JSON-RPC error code.
        code: i64,
        /// Its text.
        message: String,
    },
    /// An answer that does not have the expected shape.
    Shape(String),
}

impl core::fmt::Display for RpcError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Transport(text) => write!(f, "no answer: {text}"),
            Self::Server { code, message } => write!(f, "error {code}: {message}"),
            Self::Shape(text) => write!(f, "unexpected answer: {text}"),
        }
    }
}

impl std::error::Error for RpcError {}

/// A client of one endpoint.
#[derive(Clone, Debug)]
pub struct Rpc {
    url: String,
    http: reqwest::Client,
}

impl Rpc {
    /// A client of `url` that waits at most `timeout` for an answer.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(url: impl Into<String>, timeout: Duration) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(timeout).no_proxy().build()?;
        Ok(Self { url: url.into(), http })
    }

    /// The endpoint.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Calls a method.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> Result<T, RpcError> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let transport = |error: reqwest::Error| RpcError::Transport(with_causes(&error));
        let response = self.http.post(&self.url).json(&body).send().await.map_err(transport)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(transport)?;
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
            // A load balancer without a server answers in HTML.
            if status.is_server_error() {
                RpcError::Transport(format!("HTTP {status}: {text}"))
            } else {
                RpcError::Shape(format!("HTTP {status}: {text}"))
            }
        })?;
        if let Some(error) = answer.error {
            return Err(RpcError::Server { code: error.code, message: error.message });
        }
        serde_json::from_value(answer.result).map_err(|error| RpcError::Shape(error.to_string()))
    }

    /// `eth_sendRawTransaction`.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn send_raw(&self, raw: &Bytes) -> Result<B256, RpcError> {
        self.call("eth_sendRawTransaction", json!([raw])).await
    }

    /// `eth_getTransactionCount` with the pool's transactions counted: the next nonce.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn next_nonce(&self, account: Address) -> Result<u64, RpcError> {
        self.call::<Hex>("eth_getTransactionCount", json!([account, "pending"]))
            .await
            .map(|hex| hex.0)
    }

    /// `eth_blockNumber`: the certified height.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn height(&self) -> Result<u64, RpcError> {
        self.call::<Hex>("eth_blockNumber", json!([])).await.map(|hex| hex.0)
    }

    /// `eth_getBlockByNumber` without transaction bodies; none above the tip.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn block(&self, tag: impl Into<BlockTag>) -> Result<Option<EthBlock>, RpcError> {
        self.call("eth_getBlockByNumber", json!([tag.into().0, false])).await
    }

    /// Height of the block that contains a transaction, none while it is not in one.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn transaction_height(&self, hash: B256) -> Result<Option<u64>, RpcError> {
        let found: Option<Value> = self.call("eth_getTransactionByHash", json!([hash])).await?;
        let Some(number) = found.as_ref().and_then(|tx| tx.get("blockNumber")) else {
            return Ok(None);
        };
        serde_json::from_value::<Option<Hex>>(number.clone())
            .map(|height| height.map(|hex| hex.0))
            .map_err(|error| RpcError::Shape(error.to_string()))
    }
}

/// The parts of an Ethereum block that the cluster tools look at.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct EthBlock {
    /// Height.
    pub number: Hex,
    /// Execution block hash.
    pub hash: B256,
    /// Execution hash of the parent.
    #[serde(rename = "parentHash")]
    pub parent_hash: B256,
    /// Seconds since the Unix epoch.
    pub timestamp: Hex,
    /// Hashes of the transactions.
    #[serde(default)]
    pub transactions: Vec<B256>,
}

/// A number or a named head.
#[derive(Clone, Debug)]
pub struct BlockTag(String);

impl From<u64> for BlockTag {
    fn from(height: u64) -> Self {
        Self(format!("{height:#x}"))
    }
}

impl From<&str> for BlockTag {
    fn from(tag: &str) -> Self {
        Self(tag.to_owned())
    }
}

/// A quantity: `0x` and hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hex(pub u64);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        u64::from_str_radix(digits, 16).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{:#x}", self.0))
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    result: Value,
    error: Option<AnswerError>,
}

#[derive(Deserialize)]
struct AnswerError {
    code: i64,
    message: String,
}

/// An error with all its causes on one line; reqwest hides the cause in `source`.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
