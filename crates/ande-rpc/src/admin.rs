//! `admin_*`: who this node is, whom it knows, and leaving the load balancer.

use std::sync::Arc;

use alloy_primitives::Address;
use ande_primitives::{Height, NodeId};
use serde::Serialize;

use crate::{RpcError, args::Args, context::Context};

/// This node.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeView {
    id: NodeId,
    name: String,
    version: String,
    mode: &'static str,
    executor: String,
    signer: Option<Address>,
    chain_id: u64,
    settlement_chain_id: u64,
}

pub(crate) async fn node_info(context: Arc<Context>, _: Args) -> Result<NodeView, RpcError> {
    let info = &context.services.info;
    Ok(NodeView {
        id: info.node_id,
        name: info.name.clone(),
        version: format!("{}-{}", info.version, info.git_sha),
        mode: info.mode,
        executor: info.executor.clone(),
        signer: info.signer,
        chain_id: info.l2_chain_id,
        settlement_chain_id: info.l1_chain_id,
    })
}

/// Another node, in its own words.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PeerView {
    id: NodeId,
    name: Option<String>,
    signer: Option<Address>,
    height: Height,
    connected: bool,
}

pub(crate) async fn peers(context: Arc<Context>, _: Args) -> Result<Vec<PeerView>, RpcError> {
    let view = context.services.view.borrow().clone();
    let peers = context.services.peers.borrow();
    Ok(peers
        .values()
        .map(|hello| PeerView {
            id: hello.node_id,
            name: hello.plain_name().map(str::to_owned),
            signer: hello.signer,
            height: hello.height,
            connected: view.peers.contains(&hello.node_id),
        })
        .collect())
}

/// Tells load balancers and clients to leave, until the node is started again.
pub(crate) async fn drain(context: Arc<Context>, _: Args) -> Result<bool, RpcError> {
    tracing::info!("an operator takes this node out of the load balancer");
    context.services.draining.cancel();
    Ok(true)
}
