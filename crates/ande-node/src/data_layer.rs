//! The data layer of the configuration.

use std::sync::Arc;

use alloy_primitives::keccak256;
use ande_celestia::{BlobNamespace, CelestiaLayer, CelestiaOptions};
use ande_consensus::DataLayer;
use ande_primitives::Domain;
use tracing::info;
use zeroize::Zeroizing;

use crate::{KeyFileError, config::NodeConfig, error::NodeError, keyfile::read_token};

/// Reads the token of the Celestia node, if there is one.
///
/// # Errors
/// A file that cannot be used.
pub(crate) fn token(config: &NodeConfig) -> Result<Option<Zeroizing<String>>, KeyFileError> {
    let file = config.celestia.as_ref().and_then(|celestia| celestia.token.as_ref());
    file.map(|file| read_token(file)).transpose()
}

/// The layer that is configured; it need not answer yet.
///
/// # Errors
/// When it can never be asked.
pub(crate) fn open(
    config: &NodeConfig,
    token: Option<Zeroizing<String>>,
) -> Result<Option<Arc<dyn DataLayer>>, NodeError> {
    let Some(celestia) = &config.celestia else { return Ok(None) };
    let namespace = celestia.namespace.unwrap_or_else(|| namespace_of(config));
    info!(%namespace, host = celestia.url.host_str(), "batches are read from Celestia");
    let layer = CelestiaLayer::new(CelestiaOptions {
        url: celestia.url.clone(),
        token,
        namespace,
        gas_price: celestia.gas_price,
        request_timeout: celestia.request_timeout,
        submit_timeout: celestia.submit_timeout,
    })?;
    Ok(Some(Arc::new(layer)))
}

/// No two chains share a namespace by chance.
fn namespace_of(config: &NodeConfig) -> BlobNamespace {
    let domain = Domain::new(config.l1_chain_id, config.consensus, config.l2_chain_id);
    let name = [domain.separator().as_slice(), &config.l2_chain_id.to_be_bytes()].concat();
    BlobNamespace::of_chain(keccak256(name))
}
