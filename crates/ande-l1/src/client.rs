//! JSON-RPC to the settlement chain over several endpoints.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy::{
    consensus::BlockHeader as _,
    eips::{BlockId, BlockNumberOrTag},
    network::primitives::BlockResponse as _,
    primitives::{Address, B256, Bytes, U64, U128, U256},
    rpc::{
        client::RpcClient,
        types::{
            Block, FeeHistory, Filter, Log, Transaction, TransactionInput, TransactionReceipt,
            TransactionRequest,
        },
    },
    sol_types::SolCall,
    transports::{RpcError, TransportErrorKind},
};
use ande_contracts::Reverted;
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use crate::L1Error;

/// Longest text taken over from an endpoint.
const MAX_MESSAGE: usize = 300;

/// Parameters of a request.
pub trait Params: Serialize + Clone + core::fmt::Debug + Send + Sync + Unpin {}
impl<T: Serialize + Clone + core::fmt::Debug + Send + Sync + Unpin> Params for T {}

/// Answer to a request.
pub trait Answer: DeserializeOwned + core::fmt::Debug + Send + Sync + Unpin + 'static {}
impl<T: DeserializeOwned + core::fmt::Debug + Send + Sync + Unpin + 'static> Answer for T {}

/// A block, as far as the node cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Block {
    /// Number.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Unix time in seconds.
    pub timestamp: u64,
    /// Base fee in wei per gas, none before EIP-1559.
    pub base_fee: Option<u64>,
}

#[derive(Debug)]
struct Endpoint {
    shown: String,
    client: RpcClient,
    /// Whether its chain id was checked since it last failed.
    checked: AtomicBool,
}

#[derive(Debug)]
struct Inner {
    endpoints: Vec<Endpoint>,
    current: AtomicUsize,
    chain_id: u64,
    timeout: Duration,
    requests: AtomicU64,
}

/// Asks the settlement chain. A question goes to one endpoint; when that does not answer in time,
/// to the next. Endpoints are never compared: what must not be wrong is read at a final block by
/// hash. Clones share the connections.
#[derive(Clone, Debug)]
pub struct L1Client {
    inner: Arc<Inner>,
}

impl L1Client {
    /// A client for these endpoints; connects with the first question.
    ///
    /// # Errors
    /// [`L1Error::NoEndpoint`] without a URL.
    pub fn new(urls: &[Url], chain_id: u64, timeout: Duration) -> Result<Self, L1Error> {
        if urls.is_empty() {
            return Err(L1Error::NoEndpoint);
        }
        let endpoints = urls
            .iter()
            .map(|url| Endpoint {
                shown: without_secrets(url),
                client: RpcClient::new_http(url.clone()),
                checked: AtomicBool::new(false),
            })
            .collect();
        let inner = Inner {
            endpoints,
            current: AtomicUsize::new(0),
            chain_id,
            timeout,
            requests: AtomicU64::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Expected chain id.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.inner.chain_id
    }

    /// Requests sent since the start.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.inner.requests.load(Ordering::Relaxed)
    }

    /// Sends any request.
    ///
    /// # Errors
    /// When no endpoint answers, the one that does serves another chain, or it refuses.
    pub async fn request<P, R>(&self, method: &'static str, params: P) -> Result<R, L1Error>
    where
        P: Params,
        R: Answer,
    {
        let count = self.inner.endpoints.len();
        let first = self.inner.current.load(Ordering::Relaxed);
        let mut last = L1Error::NoEndpoint;
        for step in 0..count {
            let index = (first + step) % count;
            let Some(endpoint) = self.inner.endpoints.get(index) else { continue };
            match self.ask(endpoint, method, &params).await {
                Err(error @ (L1Error::Unreachable { .. } | L1Error::WrongChainId { .. })) => {
                    endpoint.checked.store(false, Ordering::Relaxed);
                    last = error;
                }
                answer => {
                    self.inner.current.store(index, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(match last {
            L1Error::Unreachable { url, reason, .. } => {
                L1Error::Unreachable { tried: count, url, reason }
            }
            other => other,
        })
    }

    async fn ask<P, R>(
        &self,
        endpoint: &Endpoint,
        method: &'static str,
        params: &P,
    ) -> Result<R, L1Error>
    where
        P: Params,
        R: Answer,
    {
        if !endpoint.checked.load(Ordering::Relaxed) {
            let got: U64 = self.send(endpoint, "eth_chainId", ()).await?;
            let got = got.to::<u64>();
            if got != self.inner.chain_id {
                return Err(L1Error::WrongChainId {
                    url: endpoint.shown.clone(),
                    expected: self.inner.chain_id,
                    got,
                });
            }
            endpoint.checked.store(true, Ordering::Relaxed);
        }
        self.send(endpoint, method, params.clone()).await
    }

    async fn send<P, R>(
        &self,
        endpoint: &Endpoint,
        method: &'static str,
        params: P,
    ) -> Result<R, L1Error>
    where
        P: Params,
        R: Answer,
    {
        self.inner.requests.fetch_add(1, Ordering::Relaxed);
        let unreachable = |reason: String| L1Error::Unreachable {
            tried: 1,
            url: endpoint.shown.clone(),
            reason: bounded(&reason),
        };
        let request = endpoint.client.request::<P, R>(method, params);
        let answer = tokio::time::timeout(self.inner.timeout, request)
            .await
            .map_err(|_| unreachable(format!("no answer in {:?}", self.inner.timeout)))?;
        answer.map_err(|error| match error {
            RpcError::ErrorResp(payload) => match payload.as_revert_data() {
                Some(data) => L1Error::Reverted(Reverted::decode(data)),
                // Some endpoints report a revert without data as an ordinary error.
                None if payload.code == 3 => L1Error::Reverted(Reverted::decode(Bytes::new())),
                None => {
                    L1Error::Rpc { method, code: payload.code, message: bounded(&payload.message) }
                }
            },
            RpcError::NullResp => L1Error::Rpc { method, code: 0, message: "null".to_owned() },
            // The URL in a transport error may carry credentials.
            RpcError::Transport(TransportErrorKind::HttpError(error)) => {
                unreachable(format!("HTTP status {}", error.status))
            }
            RpcError::Transport(TransportErrorKind::Custom(_)) => {
                unreachable("connection refused or broken".to_owned())
            }
            RpcError::DeserError { err, .. } => unreachable(format!("unreadable answer: {err}")),
            other => unreachable(other.to_string()),
        })
    }

    /// Chain id that an endpoint serves, unchecked.
    ///
    /// # Errors
    /// When no endpoint answers.
    pub async fn served_chain_id(&self) -> Result<u64, L1Error> {
        let mut last = L1Error::NoEndpoint;
        for endpoint in &self.inner.endpoints {
            match self.send::<_, U64>(endpoint, "eth_chainId", ()).await {
                Ok(id) => return Ok(id.to::<u64>()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Number of the latest block.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn latest_number(&self) -> Result<u64, L1Error> {
        let number: U64 = self.request("eth_blockNumber", ()).await?;
        Ok(number.to::<u64>())
    }

    /// A block by number or tag; none when the chain has none.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn block(&self, block: BlockNumberOrTag) -> Result<Option<L1Block>, L1Error> {
        let block: Option<Block> = self.request("eth_getBlockByNumber", (block, false)).await?;
        Ok(block.map(|block| {
            let header = block.header();
            L1Block {
                number: header.number(),
                hash: header.hash,
                timestamp: header.timestamp(),
                base_fee: header.base_fee_per_gas(),
            }
        }))
    }

    /// Calls a contract.
    ///
    /// # Errors
    /// [`L1Error::Reverted`], [`L1Error::NoCode`], [`L1Error::WrongAnswer`], or no answer at all.
    pub async fn call<C: SolCall>(
        &self,
        to: Address,
        call: &C,
        block: BlockId,
    ) -> Result<C::Return, L1Error> {
        let request = TransactionRequest {
            to: Some(to.into()),
            input: TransactionInput::new(call.abi_encode().into()),
            ..Default::default()
        };
        let data: Bytes = self.request("eth_call", (request, block)).await?;
        if data.is_empty() && !C::SIGNATURE.is_empty() && C::abi_decode_returns(&data).is_err() {
            return Err(L1Error::NoCode(to));
        }
        C::abi_decode_returns(&data).map_err(|error| L1Error::WrongAnswer {
            address: to,
            call: C::SIGNATURE,
            reason: bounded(&error.to_string()),
        })
    }

    /// Runs a call that returns nothing, as `from`.
    ///
    /// # Errors
    /// [`L1Error::Reverted`] with the reason, or no answer at all.
    pub async fn dry_run(
        &self,
        from: Address,
        to: Address,
        input: Bytes,
        block: BlockId,
    ) -> Result<(), L1Error> {
        let request = TransactionRequest {
            from: Some(from),
            to: Some(to.into()),
            input: TransactionInput::new(input),
            ..Default::default()
        };
        self.simulate(&request, block).await
    }

    /// Runs a call that returns nothing.
    ///
    /// # Errors
    /// [`L1Error::Reverted`] with the reason, or no answer at all.
    pub async fn simulate(
        &self,
        request: &TransactionRequest,
        block: BlockId,
    ) -> Result<(), L1Error> {
        let _: Bytes = self.request("eth_call", (request.clone(), block)).await?;
        Ok(())
    }

    /// Code at an address.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn code(&self, address: Address) -> Result<Bytes, L1Error> {
        self.request("eth_getCode", (address, BlockNumberOrTag::Latest)).await
    }

    /// Code at an address as of a block.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn code_at(&self, address: Address, block: BlockId) -> Result<Bytes, L1Error> {
        self.request("eth_getCode", (address, block)).await
    }

    /// Balance in wei.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn balance(&self, address: Address) -> Result<U256, L1Error> {
        self.request("eth_getBalance", (address, BlockNumberOrTag::Latest)).await
    }

    /// Transactions of an account that are in a block.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn mined_nonce(&self, address: Address) -> Result<u64, L1Error> {
        let nonce: U64 =
            self.request("eth_getTransactionCount", (address, BlockNumberOrTag::Latest)).await?;
        Ok(nonce.to::<u64>())
    }

    /// Transactions of an account up to a block.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn nonce_at(&self, address: Address, block: u64) -> Result<u64, L1Error> {
        let block = BlockNumberOrTag::Number(block);
        let nonce: U64 = self.request("eth_getTransactionCount", (address, block)).await?;
        Ok(nonce.to::<u64>())
    }

    /// Receipt of a transaction; none while it is in no block.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn receipt(&self, hash: B256) -> Result<Option<TransactionReceipt>, L1Error> {
        self.request("eth_getTransactionReceipt", (hash,)).await
    }

    /// A transaction in a block or in the pool.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn transaction(&self, hash: B256) -> Result<Option<Transaction>, L1Error> {
        self.request("eth_getTransactionByHash", (hash,)).await
    }

    /// Logs of a filter.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn logs(&self, filter: &Filter) -> Result<Vec<Log>, L1Error> {
        self.request("eth_getLogs", (filter.clone(),)).await
    }

    /// Gas a transaction needs.
    ///
    /// # Errors
    /// [`L1Error::Reverted`] when it would fail.
    pub async fn estimate_gas(&self, request: &TransactionRequest) -> Result<u64, L1Error> {
        let gas: U64 =
            self.request("eth_estimateGas", (request.clone(), BlockNumberOrTag::Latest)).await?;
        Ok(gas.to::<u64>())
    }

    /// Fees of the last blocks.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn fee_history(&self, blocks: u64, percentile: f64) -> Result<FeeHistory, L1Error> {
        self.request("eth_feeHistory", (U64::from(blocks), BlockNumberOrTag::Latest, [percentile]))
            .await
    }

    /// What a unit of blob gas costs now, in wei.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn blob_base_fee(&self) -> Result<u128, L1Error> {
        let fee: U128 = self.request("eth_blobBaseFee", ()).await?;
        Ok(fee.to::<u128>())
    }

    /// Hands a signed transaction to the chain.
    ///
    /// # Errors
    /// [`L1Error::Rpc`] when it is refused.
    pub async fn send_raw(&self, raw: &Bytes) -> Result<B256, L1Error> {
        self.request("eth_sendRawTransaction", (raw.clone(),)).await
    }
}

/// Scheme, host and port: paths, queries and user names of endpoints often carry API keys.
fn without_secrets(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    match url.port_or_known_default() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

fn bounded(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect();
    // A URL in a foreign text may carry credentials.
    text.split_whitespace()
        .map(|word| if word.contains("://") { "<url>" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_endpoints_are_not_shown() {
        let url = Url::parse("https://user:pass@rpc.example/v2/key?token=1").unwrap();
        assert_eq!(without_secrets(&url), "https://rpc.example:443");
        assert_eq!(bounded("failed at https://rpc.example/key now"), "failed at <url> now");
    }
}
