//! Celestia as a data layer.

use std::time::{Duration, Instant};

use alloy_primitives::{B256, Bytes};
use ande_batch::MAX_DATA_BYTES;
use ande_consensus::{DataLayer, DataLayerError};
use ande_primitives::{DaKind, DaPointer};
use async_trait::async_trait;
use celestia_rpc::{BlobClient as _, HeaderClient as _, TxConfig};
use celestia_types::{Blob, Commitment};
use jsonrpsee::{
    core::client::Error,
    http_client::{HeaderMap, HeaderValue, HttpClient, HttpClientBuilder},
};
use tracing::{debug, info};
use url::Url;
use zeroize::Zeroizing;

use crate::{BlobNamespace, failure};

/// Largest answer: a header of some hundred validators, or the largest data in base64 with room for
/// the rest of its blob.
const MAX_ANSWER: u32 = (MAX_DATA_BYTES / 3 * 4 + (1 << 20)) as u32;
/// Blocks searched for what was put at a height. Celestia's mempools drop a transaction sooner.
const SEARCHED: u64 = 64;
/// Time between two looks at a chain whose blocks come every few seconds.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How a Celestia node is reached.
#[derive(Clone)]
pub struct CelestiaOptions {
    /// Its JSON-RPC, over HTTP or HTTPS.
    pub url: Url,
    /// What it gives permission by.
    pub token: Option<Zeroizing<String>>,
    /// Namespace of the blobs.
    pub namespace: BlobNamespace,
    /// Price of gas in utia; what the node estimates when absent.
    pub gas_price: Option<f64>,
    /// Longest wait for an answer, and for a block that has what was put without an answer.
    pub request_timeout: Duration,
    /// Longest wait for the answer to a submission, which comes when it is in a block.
    pub submit_timeout: Duration,
}

impl core::fmt::Debug for CelestiaOptions {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Paths of endpoints may be secrets as tokens are.
        f.debug_struct("CelestiaOptions")
            .field("host", &self.url.host_str())
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// A node that cannot be asked with these options.
#[derive(Debug, thiserror::Error)]
pub enum CelestiaError {
    /// The token is no text for a header.
    #[error("the token of the Celestia node has characters that no token has")]
    Token,
    /// The address cannot be used.
    #[error("the Celestia node cannot be asked")]
    Client(#[source] Error),
}

/// Blobs of one namespace.
pub struct CelestiaLayer {
    client: HttpClient,
    options: CelestiaOptions,
}

impl core::fmt::Debug for CelestiaLayer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("CelestiaLayer").field(&self.options).finish()
    }
}

impl CelestiaLayer {
    /// A layer that asks this node; it need not answer yet.
    ///
    /// # Errors
    /// A token or an address that cannot be used.
    pub fn new(options: CelestiaOptions) -> Result<Self, CelestiaError> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &options.token {
            let text = Zeroizing::new(format!("Bearer {}", token.as_str()));
            let mut value = HeaderValue::from_str(&text).map_err(|_| CelestiaError::Token)?;
            value.set_sensitive(true);
            headers.insert("authorization", value);
        }
        let client = HttpClientBuilder::default()
            .max_response_size(MAX_ANSWER)
            .request_timeout(options.submit_timeout.max(options.request_timeout))
            .set_headers(headers)
            .build(options.url.as_str())
            .map_err(CelestiaError::Client)?;
        Ok(Self { client, options })
    }

    /// Waits for an answer other than that to a submission.
    async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        let limit = self.options.request_timeout;
        tokio::time::timeout(limit, answer).await.unwrap_or(Err(Error::RequestTimeout))
    }

    /// The blob of data. Its commitment takes 30 ms of a core for 500 kB.
    async fn blob(&self, data: &Bytes) -> Result<Blob, DataLayerError> {
        let (namespace, data) = (self.options.namespace.get(), data.clone());
        let made = tokio::task::spawn_blocking(move || Blob::new(namespace, data.into(), None));
        let made = made.await.map_err(|_| DataLayerError::Refused("interrupted".to_owned()))?;
        made.map_err(|error| DataLayerError::Refused(error.to_string()))
    }

    /// Data with this commitment at a height, whatever its size.
    async fn read(&self, height: u64, commitment: B256) -> Result<Bytes, DataLayerError> {
        let namespace = self.options.namespace.get();
        let named = Commitment::new(commitment.0);
        let answer = self.within(self.client.blob_get(height, namespace, named)).await;
        let blob = answer.map_err(|error| failure::of_reading(&error, height))?;
        // Only the data is taken; a blob of it as this layer makes them must have the commitment.
        let data = Bytes::from(blob.data);
        if self.blob(&data).await?.commitment != named {
            return Err(DataLayerError::Wrong("it has another commitment"));
        }
        Ok(data)
    }

    /// Where a blob is among the blocks after one height up to another.
    async fn search(
        &self,
        blob: &Blob,
        after: u64,
        up_to: u64,
    ) -> Result<Option<DaPointer>, DataLayerError> {
        let commitment = B256::from(*blob.commitment.hash());
        for height in after.saturating_add(1)..=up_to.min(after.saturating_add(SEARCHED)) {
            match self.read(height, commitment).await {
                Ok(data) => return Ok(Some(pointer(height, commitment, data.len()))),
                Err(DataLayerError::Absent(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Where a blob is once a block has it.
    async fn wait_for(
        &self,
        blob: &Blob,
        mut after: u64,
        failed: DataLayerError,
    ) -> Result<DaPointer, DataLayerError> {
        let deadline = Instant::now() + self.options.request_timeout;
        loop {
            let head = self.height().await?;
            if let Some(found) = self.search(blob, after, head).await? {
                return Ok(found);
            }
            after = after.max(head);
            if Instant::now() >= deadline {
                return Err(failed);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn pointer(height: u64, commitment: B256, bytes: usize) -> DaPointer {
    DaPointer::celestia(height, commitment, u32::try_from(bytes).unwrap_or(u32::MAX))
}

#[async_trait]
impl DataLayer for CelestiaLayer {
    async fn height(&self) -> Result<u64, DataLayerError> {
        let head = self.within(self.client.header_local_head()).await;
        let head = head.map_err(|error| DataLayerError::Unreachable(error.to_string()))?;
        Ok(head.height())
    }

    async fn find(
        &self,
        data: &Bytes,
        after: u64,
        up_to: u64,
    ) -> Result<Option<DaPointer>, DataLayerError> {
        let blob = self.blob(data).await?;
        self.search(&blob, after, up_to).await
    }

    async fn put(&self, data: &Bytes, after: u64) -> Result<DaPointer, DataLayerError> {
        let blob = self.blob(data).await?;
        let transaction = TxConfig { gas_price: self.options.gas_price, ..TxConfig::default() };
        let submitted = self.client.blob_submit(std::slice::from_ref(&blob), transaction).await;
        match submitted {
            Ok(height) => {
                debug!(height, bytes = data.len(), "data is in a block of Celestia");
                // The node may have read less of the chain than the one that it submitted to.
                let unread = DataLayerError::Pending(format!("block {height} is not read yet"));
                self.wait_for(&blob, height.saturating_sub(1), unread).await
            }
            Err(error) => match failure::of_submission(&error, data.len()) {
                failed @ (DataLayerError::Pending(_) | DataLayerError::Unreachable(_)) => {
                    info!(error = %failed, "looking for data that was put on Celestia");
                    self.wait_for(&blob, after, failed).await
                }
                failed => Err(failed),
            },
        }
    }

    async fn get(&self, pointer: &DaPointer) -> Result<Bytes, DataLayerError> {
        if pointer.kind != DaKind::Celestia {
            return Err(DataLayerError::Wrong("the pointer is not to Celestia"));
        }
        let data = self.read(pointer.height, pointer.commitment).await?;
        if data.len() != pointer.size as usize {
            return Err(DataLayerError::Wrong("it has another size"));
        }
        Ok(data)
    }
}
