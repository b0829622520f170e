//! Checks of a node before it runs, for tools.

use alloy_primitives::B256;
use ande_l1::L1Reader;

use crate::{
    config::NodeConfig, data_layer, error::NodeError, execution::Genesis, keyfile::read_jwt_secret,
    node::l1_config, settlement,
};

/// Hash of block 0 of the configured chain.
///
/// # Errors
/// A file that is no genesis of this chain.
pub fn genesis_hash(config: &NodeConfig) -> Result<B256, NodeError> {
    Ok(Genesis::read(config)?.payload().hash())
}

/// Asks the settlement chain once what a node asks at its start: chain, contracts, times.
///
/// # Errors
/// The first thing that is wrong.
pub async fn check_settlement(config: &NodeConfig, genesis_hash: B256) -> Result<(), NodeError> {
    let reader = L1Reader::connect(l1_config(config))?;
    settlement::verify_once(&reader, config, genesis_hash).await
}

/// Asks the Celestia node, if there is one, for its height.
///
/// # Errors
/// The token cannot be used, or it does not answer.
pub async fn check_celestia(config: &NodeConfig) -> Result<(), NodeError> {
    if let Some(layer) = data_layer::open(config, data_layer::token(config)?)? {
        layer.height().await?;
    }
    Ok(())
}

/// Reads the secret of the external execution client, if there is one.
///
/// # Errors
/// A file that holds no secret.
pub fn check_client_secret(config: &NodeConfig) -> Result<(), NodeError> {
    if let Some(client) = &config.client {
        read_jwt_secret(&client.jwt_secret)?;
    }
    Ok(())
}
