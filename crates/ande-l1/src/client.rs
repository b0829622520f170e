//! Questions to the settlement chain.

use std::{sync::Arc, time::Duration};

use alloy::{
    consensus::BlockHeader as _,
    eips::{BlockId, BlockNumberOrTag},
    network::primitives::BlockResponse as _,
    primitives::{Address, B256, Bytes, U64, U128, U256},
    rpc::types::{
        Block, FeeHistory, Filter, Log, Transaction, TransactionInput, TransactionReceipt,
        TransactionRequest,
    },
    sol_types::SolCall,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;

use crate::{
    EndpointStatus, L1Error,
    endpoints::{Endpoints, bounded},
};

/// Parameters of a request.
pub trait Params: Serialize + Clone + core::fmt::Debug + Send + Sync + Unpin {}
impl<T: Serialize + Clone + core::fmt::Debug + Send + Sync + Unpin> Params for T {}

/// Answer to a request.
pub trait Answer: DeserializeOwned + core::fmt::Debug + Send + Sync + Unpin + 'static {}
impl<T: DeserializeOwned + core::fmt::Debug + Send + Sync + Unpin + 'static> Answer for T {}

/// A block, as far as the node cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Block")]
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

impl From<Block> for L1Block {
    fn from(block: Block) -> Self {
        let header = block.header();
        Self {
            number: header.number(),
            hash: header.hash,
            timestamp: header.timestamp(),
            base_fee: header.base_fee_per_gas(),
        }
    }
}

/// Asks the settlement chain over several endpoints. A question goes to one of them, and to the next
/// when that has no answer; of a client [`by_majority`](Self::by_majority) it goes to all, and only
/// what more than half of the configured endpoints answer is believed. Clones share the connections.
#[derive(Clone, Debug)]
pub struct L1Client {
    endpoints: Arc<Endpoints>,
    by_majority: bool,
}

impl L1Client {
    /// A client for these endpoints; connects with the first question.
    ///
    /// # Errors
    /// [`L1Error::NoEndpoint`] without a URL.
    pub fn new(urls: &[Url], chain_id: u64, timeout: Duration) -> Result<Self, L1Error> {
        let endpoints = Arc::new(Endpoints::new(urls, chain_id, timeout)?);
        Ok(Self { endpoints, by_majority: false })
    }

    /// The same client, believing only what a majority of the endpoints says about blocks, calls,
    /// code and logs.
    #[must_use]
    pub fn by_majority(&self) -> Self {
        Self { endpoints: self.endpoints.clone(), by_majority: true }
    }

    /// Expected chain id.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.endpoints.chain_id()
    }

    /// Requests sent since the start.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.endpoints.requests()
    }

    /// The endpoints and how they compare.
    #[must_use]
    pub fn endpoints(&self) -> Vec<EndpointStatus> {
        self.endpoints.statuses()
    }

    /// Sends any request to the first endpoint that answers it.
    ///
    /// # Errors
    /// When no endpoint answers, the one that does serves another chain, or all refuse.
    pub async fn request<P, R>(&self, method: &'static str, params: P) -> Result<R, L1Error>
    where
        P: Params,
        R: Answer,
    {
        self.endpoints.first(method, &params).await
    }

    async fn read<P, R>(&self, method: &'static str, params: P) -> Result<R, L1Error>
    where
        P: Params,
        R: Answer + PartialEq,
    {
        if self.by_majority {
            self.endpoints.majority(method, &params).await
        } else {
            self.endpoints.first(method, &params).await
        }
    }

    /// Chain id that the endpoints serve, unchecked.
    ///
    /// # Errors
    /// When no majority of them answers the same.
    pub async fn served_chain_id(&self) -> Result<u64, L1Error> {
        self.endpoints.served_chain_id().await
    }

    /// Number of the latest block.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn latest_number(&self) -> Result<u64, L1Error> {
        let number: U64 = self.request("eth_blockNumber", ()).await?;
        Ok(number.to::<u64>())
    }

    /// A block by number or tag; none when the chain has none. By majority a tag means the highest
    /// such block that a majority has.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn block(&self, block: BlockNumberOrTag) -> Result<Option<L1Block>, L1Error> {
        if self.by_majority && !matches!(block, BlockNumberOrTag::Number(_)) {
            return self.endpoints.head(block).await;
        }
        self.read("eth_getBlockByNumber", (block, false)).await
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
        let data: Bytes = self.read("eth_call", (request, block)).await?;
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
        self.read("eth_getCode", (address, BlockNumberOrTag::Latest)).await
    }

    /// Code at an address as of a block.
    ///
    /// # Errors
    /// See [`request`](Self::request).
    pub async fn code_at(&self, address: Address, block: BlockId) -> Result<Bytes, L1Error> {
        self.read("eth_getCode", (address, block)).await
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
        let logs: Logs = self.read("eth_getLogs", (filter.clone(),)).await?;
        Ok(logs.0)
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

    /// Hands a signed transaction to the chain, through every endpoint.
    ///
    /// # Errors
    /// [`L1Error::Rpc`] when it is refused.
    pub async fn send_raw(&self, raw: &Bytes) -> Result<B256, L1Error> {
        self.endpoints.everywhere("eth_sendRawTransaction", &(raw.clone(),)).await
    }
}

/// Logs, equal when they say the same: not every endpoint adds the time of the block.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Logs(Vec<Log>);

impl PartialEq for Logs {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Log, b: &Log| {
            a.inner == b.inner
                && a.block_hash == b.block_hash
                && a.log_index == b.log_index
                && a.block_number == b.block_number
                && a.transaction_hash == b.transaction_hash
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| same(a, b))
    }
}
