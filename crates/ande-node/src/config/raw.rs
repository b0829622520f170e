//! The configuration as written: TOML keys, their defaults, nothing checked.

use std::path::PathBuf;

use ande_execution::state::StateOptions;
use ande_l1::BlobForm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{celestia::RawCelestia, pool::RawPool, rpc::RawRpc};

/// Ordering mode of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Byzantine fault tolerant ordering by the validator set of the settlement contract.
    Contract,
}

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// Ordering mode.
    pub mode: Option<Mode>,
    /// Directory of everything durable. Relative paths start at the configuration file.
    pub data_dir: Option<PathBuf>,
    /// Name of the node in logs, metrics and the `x-ande-node` header.
    pub name: String,
    /// The L2 chain.
    pub chain: RawChain,
    /// The embedded EVM.
    pub evm: RawEvm,
    /// An external execution client that judges every block too; none when the section is absent.
    pub engine: Option<RawEngine>,
    /// Key files.
    pub keys: RawKeys,
    /// The settlement chain.
    pub l1: RawL1,
    /// The consensus network.
    pub p2p: RawP2p,
    /// Public JSON-RPC.
    pub rpc: RawRpc,
    /// Metrics and status.
    pub ops: RawOps,
    /// Transaction pool.
    pub pool: RawPool,
    /// Posting of batches.
    pub batcher: RawBatcher,
    /// A Celestia node, for chains whose batches are there; none when the section is absent.
    pub celestia: Option<RawCelestia>,
    /// Timers of the engine.
    pub consensus: RawConsensus,
    /// Logging.
    pub log: RawLog,
    /// Shutdown.
    pub shutdown: RawShutdown,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            mode: None,
            data_dir: None,
            name: "node".into(),
            chain: RawChain::default(),
            evm: RawEvm::default(),
            engine: None,
            keys: RawKeys::default(),
            l1: RawL1::default(),
            p2p: RawP2p::default(),
            rpc: RawRpc::default(),
            ops: RawOps::default(),
            pool: RawPool::default(),
            batcher: RawBatcher::default(),
            celestia: None,
            consensus: RawConsensus::default(),
            log: RawLog::default(),
            shutdown: RawShutdown::default(),
        }
    }
}

/// Which executor runs blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutorKind {
    /// Executes transactions in the embedded EVM.
    Evm,
    /// Orders and deduplicates signed transactions without executing them.
    None,
}

/// `[chain]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawChain {
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// Time between blocks under load, milliseconds.
    pub block_time_ms: u64,
    /// Longest time without a block on an idle chain, milliseconds.
    pub heartbeat_ms: u64,
    /// Executor.
    pub executor: ExecutorKind,
    /// Genesis in geth's JSON format; for the EVM.
    pub genesis: Option<PathBuf>,
}

impl Default for RawChain {
    fn default() -> Self {
        Self {
            l2_chain_id: 6174,
            block_time_ms: 2_000,
            heartbeat_ms: 10_000,
            executor: ExecutorKind::Evm,
            genesis: None,
        }
    }
}

/// `[evm]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawEvm {
    /// Blocks below the head whose state can be asked for.
    pub history_blocks: u64,
    /// Blocks below the head whose receipts and logs can be asked for, at least `history_blocks`;
    /// all when absent. What is older is removed as blocks come, and answered with code 4444,
    /// `pruned history unavailable`. Blocks and transactions themselves are always kept: other
    /// nodes catch up with them, and `resync` executes them again.
    pub receipt_blocks: Option<u64>,
    /// Newest states for which `eth_getProof` has proofs. They are held in memory, each with what
    /// its block changed.
    pub proof_blocks: usize,
}

impl Default for RawEvm {
    fn default() -> Self {
        let kept = StateOptions::default();
        Self {
            history_blocks: kept.history_blocks,
            receipt_blocks: kept.receipt_blocks,
            proof_blocks: kept.recent,
        }
    }
}

/// `[engine]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawEngine {
    /// Engine API of the execution client.
    pub url: Option<String>,
    /// File with the secret that the client shares: 64 hexadecimal digits.
    pub jwt_secret: Option<PathBuf>,
    /// Longest wait for one answer, milliseconds.
    pub request_timeout_ms: u64,
    /// Longest wait for the verdict on one block, milliseconds; the block time when absent.
    pub verdict_timeout_ms: Option<u64>,
    /// Longest wait for the client when the node starts, milliseconds. While the client takes
    /// stored blocks it is waited for longer.
    pub start_timeout_ms: u64,
    /// Who builds the blocks that this node proposes.
    pub builder: BuilderKind,
    /// Longest wait for a block that the client builds, milliseconds; half the block time when
    /// absent. Then the embedded EVM builds.
    pub build_timeout_ms: Option<u64>,
    /// With `eth`, how long the client fills its block before it is asked for, milliseconds; a
    /// quarter of the longest wait when absent.
    pub build_fill_ms: Option<u64>,
    /// With `testing`, the client's JSON-RPC where it serves `testing_buildBlockV1`; `url` when
    /// absent.
    pub builder_url: Option<String>,
}

impl Default for RawEngine {
    fn default() -> Self {
        Self {
            url: None,
            jwt_secret: None,
            request_timeout_ms: 8_000,
            verdict_timeout_ms: None,
            start_timeout_ms: 60_000,
            builder: BuilderKind::Embedded,
            build_timeout_ms: None,
            build_fill_ms: None,
            builder_url: None,
        }
    }
}

/// Builder of the blocks that a node with an execution client proposes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BuilderKind {
    /// The embedded EVM.
    #[default]
    Embedded,
    /// The client out of its own pool: attributes of `engine_forkchoiceUpdatedV3`.
    Eth,
    /// The client out of given transactions: `testing_buildBlockV1`.
    Testing,
    /// The client out of given transactions: attributes with transactions and gas limit.
    Evolve,
}

/// `[keys]`
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawKeys {
    /// secp256k1 key of the validator.
    pub validator: Option<PathBuf>,
    /// What the validator's key signed last; `<validator>.guard` when absent. Belongs to the key: it
    /// must move with it and never be restored from a backup.
    pub guard: Option<PathBuf>,
    /// ed25519 key of the node.
    pub node: Option<PathBuf>,
    /// secp256k1 key that pays for posting; the validator's when absent.
    pub poster: Option<PathBuf>,
}

/// When a settlement block counts as final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawFinality {
    /// The chain's `finalized` tag.
    Finalized,
    /// The chain's `safe` tag.
    Safe,
    /// This many blocks below the head.
    Depth(u64),
}

/// `[l1]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawL1 {
    /// JSON-RPC endpoints of different providers. The node believes what more than half of them say
    /// and asks the first that works for the rest.
    pub rpc_urls: Vec<String>,
    /// Chain id the endpoints must have.
    pub chain_id: Option<u64>,
    /// `AndeConsensus`.
    pub consensus: Option<String>,
    /// `AndeSequencerCoordinator`.
    pub coordinator: Option<String>,
    /// Finality rule.
    pub finality: RawFinality,
    /// Shortest time between two looks at the settlement chain, milliseconds.
    pub poll_interval_ms: u64,
    /// Time between two looks while neither a batch nor the next validator set is waited for,
    /// milliseconds.
    pub idle_interval_ms: u64,
    /// Longest wait for one answer, milliseconds.
    pub timeout_ms: u64,
    /// Beacon nodes that blobs of batches are read from, tried in order; without any the endpoints
    /// themselves are asked, which only development chains answer.
    pub beacon_urls: Vec<String>,
}

impl Default for RawL1 {
    fn default() -> Self {
        Self {
            rpc_urls: Vec::new(),
            chain_id: None,
            consensus: None,
            coordinator: None,
            finality: RawFinality::Finalized,
            poll_interval_ms: 2_000,
            idle_interval_ms: 30_000,
            timeout_ms: 5_000,
            beacon_urls: Vec::new(),
        }
    }
}

/// `[p2p]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawP2p {
    /// Address the consensus network listens on.
    pub listen: String,
    /// `host:port` under which other nodes reach it; `listen` when absent.
    pub advertise: Option<String>,
}

impl Default for RawP2p {
    fn default() -> Self {
        Self { listen: "0.0.0.0:30303".into(), advertise: None }
    }
}

/// `[ops]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawOps {
    /// Listener of `/metrics` and `/status`.
    pub listen: String,
}

impl Default for RawOps {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9090".into() }
    }
}

/// `batcher.data`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawData {
    /// What is cheaper.
    Auto,
    /// Calldata, as long as it fits.
    Calldata,
    /// Blobs.
    Blobs,
    /// Celestia.
    Celestia,
}

/// `[batcher]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawBatcher {
    /// Whether this node posts when it is the proposer. It signs checkpoints either way.
    pub enabled: bool,
    /// Longest time between batches while there are blocks, milliseconds.
    pub interval_ms: u64,
    /// Largest batch in bytes, and with it the largest block; all that the blobs hold, or 100000
    /// bytes of calldata without blobs, when absent. At least 80000. Must be equal on all validators.
    pub max_data_bytes: Option<usize>,
    /// Most EIP-4844 blobs of one batch, 0 to 6; 0 posts everything as calldata.
    pub max_blobs: usize,
    /// Where batches go: `"auto"` (what is cheaper), `"calldata"` (what fits into it), `"blobs"` or
    /// `"celestia"`, for which all validators need `[celestia]`.
    pub data: RawData,
    /// Given with `"auto"`: size decides, not price. Batches up to this size are calldata, larger
    /// ones blobs.
    pub max_calldata_bytes: Option<usize>,
    /// How the settlement chain wants blobs proved: `"eip7594"` (Ethereum since Osaka) or
    /// `"eip4844"`.
    #[schemars(with = "String")]
    pub blob_form: BlobForm,
    /// Bytes of blocks that are not accepted by the settlement chain from which on blocks of this
    /// proposer get smaller; at twice as many they are empty.
    pub max_unposted_bytes: usize,
    /// Time after which the next validator in the schedule posts instead, milliseconds.
    pub takeover_ms: u64,
}

impl Default for RawBatcher {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 60_000,
            max_data_bytes: None,
            max_blobs: 6,
            data: RawData::Auto,
            max_calldata_bytes: None,
            blob_form: BlobForm::default(),
            max_unposted_bytes: 64 << 20,
            takeover_ms: 30_000,
        }
    }
}

/// `[consensus]`
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawConsensus {
    /// Wait for a proposal in round 0, milliseconds; twice the block time, at least 500, when absent.
    pub propose_timeout_ms: Option<u64>,
    /// Wait for votes in round 0, milliseconds; half the block time, 100 to 1000, when absent.
    pub vote_timeout_ms: Option<u64>,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawLog {
    /// `tracing` filter.
    pub filter: String,
    /// Form.
    pub format: LogFormat,
}

impl Default for RawLog {
    fn default() -> Self {
        Self { filter: "info,arc_malachitebft_network=warn".into(), format: LogFormat::Text }
    }
}

/// `[shutdown]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawShutdown {
    /// Time between leaving the load balancer and closing listeners, milliseconds.
    pub drain_ms: u64,
}

impl Default for RawShutdown {
    fn default() -> Self {
        Self { drain_ms: 3_000 }
    }
}
