//! What the surface is made of.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alloy_primitives::{Address, Bytes};
use ande_consensus::{TransactionIngress, View};
use ande_execution::{ClientStatus, EvmReader};
use ande_l1::L1View;
use ande_peer::Hello;
use ande_primitives::NodeId;
use ande_store::Store;
use ande_telemetry::Metrics;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::RpcApis;

/// What other nodes last said of themselves.
pub type PeerBook = watch::Receiver<BTreeMap<NodeId, Hello>>;

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// Name of the node: `x-ande-node`.
    pub name: String,
    /// Version of the software.
    pub version: &'static str,
    /// Source revision.
    pub git_sha: &'static str,
    /// Mode of the node, for example `contract`.
    pub mode: &'static str,
    /// Executor of the node, for example `none`.
    pub executor: String,
    /// Node identity.
    pub node_id: NodeId,
    /// Address of the validator key.
    pub signer: Option<Address>,
    /// Chain id of the settlement chain.
    pub l1_chain_id: u64,
    /// The `AndeConsensus` contract.
    pub consensus: Address,
    /// The `AndeSequencerCoordinator` contract.
    pub coordinator: Address,
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// RLP of the Ethereum header of block 0.
    pub genesis: Bytes,
    /// Time between blocks.
    pub block_time: Duration,
    /// Time after which a block is made although there is nothing to order.
    pub heartbeat: Duration,
    /// Whether this node cuts and posts batches.
    pub batcher_enabled: bool,
    /// Most transactions in the pool.
    pub pool_capacity: usize,
}

/// Limits of the surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcLimits {
    /// Open connections of all public listeners; more are closed at once.
    pub connections: usize,
    /// Largest request body in bytes.
    pub body_bytes: u32,
    /// Largest answer of a call or batch in bytes.
    pub answer_bytes: u32,
    /// Most calls in one batch.
    pub batch_calls: u32,
    /// Calls of one batch that are worked on at the same time.
    pub batch_concurrency: usize,
    /// Calls of all clients that are worked on at the same time.
    pub calls_at_once: usize,
    /// Calls of all clients that wait or are worked on; more are refused, whole HTTP requests with
    /// status 429.
    pub calls_waiting: usize,
    /// Calls of one WebSocket client that wait or are worked on; more are refused. Over HTTP a
    /// client waits for its answer, and `batch_concurrency` bounds its batches.
    pub calls_per_socket: usize,
    /// Time for one call.
    pub call_timeout: Duration,
    /// Time for one HTTP request, a whole batch included.
    pub request_timeout: Duration,
    /// Time for the head of a request to arrive.
    pub head_timeout: Duration,
    /// Time for open requests to finish at the end.
    pub grace: Duration,
    /// Blocks that a ready node may be behind.
    pub ready_lag: u64,
    /// Age of the settlement view above which `/readyz` warns.
    pub l1_stale_after: Duration,
    /// Small reads of the state that run at the same time.
    pub state_reads: usize,
    /// Calls, estimates, traces and log searches that run at the same time. Each may keep a core
    /// busy.
    pub heavy_reads: usize,
    /// Most gas of a call or an estimate.
    pub call_gas: u64,
    /// Most blocks that one log search looks at.
    pub log_blocks: u64,
    /// Most logs of one answer.
    pub logs: usize,
    /// Most filters of all clients; large ones count more than once.
    pub filters: usize,
    /// A filter that nobody asks for this long is removed.
    pub filter_lifetime: Duration,
    /// Subscriptions of one connection.
    pub subscriptions: u32,
    /// Messages that wait for one WebSocket client.
    pub socket_queue: u32,
    /// A subscription ends when its client takes no message for this long.
    pub slow_client: Duration,
    /// Time that `eth_sendRawTransactionSync` waits when the client does not say.
    pub sync_wait: Duration,
    /// Longest such wait; below `call_timeout`.
    pub max_sync_wait: Duration,
    /// Clients that wait at the same time.
    pub sync_waits: usize,
    /// Tip in wei that is suggested while no transaction shows another.
    pub default_tip: u64,
}

impl Default for RpcLimits {
    fn default() -> Self {
        Self {
            connections: 4000,
            body_bytes: 5 << 20,
            answer_bytes: 32 << 20,
            batch_calls: 1000,
            batch_concurrency: 32,
            calls_at_once: 1024,
            calls_waiting: 8192,
            calls_per_socket: 1024,
            call_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(30),
            head_timeout: Duration::from_secs(10),
            grace: Duration::from_secs(5),
            ready_lag: 10,
            l1_stale_after: Duration::from_secs(60),
            state_reads: 64,
            heavy_reads: std::thread::available_parallelism().map_or(2, usize::from).max(2),
            call_gas: 50_000_000,
            log_blocks: 10_000,
            logs: 10_000,
            filters: 4096,
            filter_lifetime: Duration::from_secs(300),
            subscriptions: 64,
            socket_queue: 256,
            slow_client: Duration::from_secs(10),
            sync_wait: Duration::from_secs(10),
            max_sync_wait: Duration::from_secs(14),
            sync_waits: 4096,
            default_tip: 1_000_000,
        }
    }
}

/// Everything the surface reads and the one thing it writes to.
#[derive(Clone)]
pub struct RpcServices {
    /// What does not change.
    pub info: NodeInfo,
    /// The chain.
    pub store: Store,
    /// The engine's view.
    pub view: watch::Receiver<View>,
    /// The settlement chain's view.
    pub l1: watch::Receiver<L1View>,
    /// Other nodes.
    pub peers: PeerBook,
    /// State, receipts and execution; none with an executor that has no state. Methods that need
    /// it are then unknown.
    pub evm: Option<EvmReader>,
    /// How the external execution client is doing; none without one.
    pub client: Option<watch::Receiver<ClientStatus>>,
    /// What the listeners serve.
    pub apis: RpcApis,
    /// Where transactions go.
    pub ingress: Arc<dyn TransactionIngress>,
    /// Metrics of the node.
    pub metrics: Metrics,
    /// Export of the engine's own metrics.
    pub engine_metrics: Option<fn() -> String>,
    /// Cancelled when the node should no longer get new clients.
    pub draining: CancellationToken,
    /// Limits.
    pub limits: RpcLimits,
}

impl std::fmt::Debug for RpcServices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RpcServices")
            .field("info", &self.info)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
