//! The part of the configuration about Celestia.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use ande_celestia::BlobNamespace;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::checked::Checker;

/// `[celestia]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawCelestia {
    /// JSON-RPC of a Celestia node, one that the operator trusts: its own.
    pub url: Option<String>,
    /// File with the token of that node, which allows reading, and writing on a node that posts;
    /// none for a node that asks for none.
    pub token: Option<PathBuf>,
    /// Namespace of the chain's blobs, 20 hexadecimal digits; made of chain ids and contract when
    /// absent. Must be equal on all nodes.
    pub namespace: Option<String>,
    /// Price of gas in utia; what the Celestia node estimates when absent.
    pub gas_price: Option<f64>,
    /// Longest wait for one answer, milliseconds.
    pub request_timeout_ms: u64,
    /// Longest wait until what was put is in a block, milliseconds.
    pub submit_timeout_ms: u64,
}

impl Default for RawCelestia {
    fn default() -> Self {
        Self {
            url: None,
            token: None,
            namespace: None,
            gas_price: None,
            request_timeout_ms: 5_000,
            submit_timeout_ms: 60_000,
        }
    }
}

/// A Celestia node.
#[derive(Clone, Debug, PartialEq)]
pub struct CelestiaConfig {
    /// Its JSON-RPC.
    pub url: Url,
    /// File with its token.
    pub token: Option<PathBuf>,
    /// Namespace of the blobs; none for that of the chain.
    pub namespace: Option<BlobNamespace>,
    /// Price of gas in utia.
    pub gas_price: Option<f64>,
    /// Longest wait for one answer.
    pub request_timeout: Duration,
    /// Longest wait for a block with what was put.
    pub submit_timeout: Duration,
}

impl Checker {
    pub(super) fn celestia(&mut self, raw: RawCelestia, base: &Path) -> Option<CelestiaConfig> {
        let namespace = raw.namespace.and_then(|text| match text.parse() {
            Ok(namespace) => Some(namespace),
            Err(error) => {
                self.problem(format!("celestia.namespace = \"{text}\": {error}"));
                None
            }
        });
        if let Some(price) = raw.gas_price
            && !(price.is_finite() && price > 0.0)
        {
            self.problem(format!("celestia.gas_price = {price} is no price above 0"));
        }
        let request_timeout =
            self.millis("celestia.request_timeout_ms", raw.request_timeout_ms, 100, 10_000);
        let submit_timeout =
            self.millis("celestia.submit_timeout_ms", raw.submit_timeout_ms, 1_000, 600_000);
        let url = self.required("celestia.url", raw.url);
        if url.is_empty() {
            return None;
        }
        Some(CelestiaConfig {
            url: self.url("celestia.url", &url, "http://127.0.0.1:26658")?,
            token: raw.token.map(|token| base.join(token)),
            namespace,
            gas_price: raw.gas_price,
            request_timeout,
            submit_timeout,
        })
    }
}
