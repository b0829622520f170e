//! The configuration after one check that reports everything wrong at once.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::Address;
use ande_batch::{BLOB_DATA_BYTES, BatchLimits, MAX_BLOBS};
use ande_batcher::{DataChoice, MAX_CALLDATA_BYTES};
use ande_execution::state::StateOptions;
use ande_l1::{BlobForm, Finality};
use ande_pool::PoolLimits;
use ande_rpc::{Namespace, RpcLimits};
use url::Url;

use super::{
    celestia::CelestiaConfig,
    client::{ClientConfig, Pace},
    raw::{ExecutorKind, LogFormat, Mode, RawConfig, RawData, RawEvm, RawFinality},
};

/// Smallest batch: the certificate of the largest committee, and a block with room for the largest
/// creation of a contract (EIP-3860: 49,152 bytes of initcode).
const MIN_BATCH_BYTES: usize = 80_000;

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration is not usable:\n  - {}", .0.join("\n  - "))]
pub struct ConfigProblems(pub Vec<String>);

/// What turns transactions into blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecutorConfig {
    /// The embedded EVM.
    Evm {
        /// Genesis file.
        genesis: PathBuf,
        /// How much of its state and receipts is kept.
        kept: StateOptions,
    },
    /// Order without execution.
    None,
}

impl ExecutorConfig {
    /// Its name in configuration and answers.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Evm { .. } => "evm",
            Self::None => "none",
        }
    }
}

/// A usable configuration.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Ordering mode.
    pub mode: Mode,
    /// Directory of everything durable.
    pub data_dir: PathBuf,
    /// Name of the node.
    pub name: String,
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// Time between blocks under load.
    pub block_time: Duration,
    /// Longest time without a block.
    pub heartbeat: Duration,
    /// Executor.
    pub executor: ExecutorConfig,
    /// External execution client that judges every block too.
    pub client: Option<ClientConfig>,
    /// Key file of the validator.
    pub validator_key: PathBuf,
    /// Sign guard of the validator's key.
    pub guard: PathBuf,
    /// Key file of the node.
    pub node_key: PathBuf,
    /// Key file of the poster.
    pub poster_key: Option<PathBuf>,
    /// Settlement endpoints.
    pub l1_urls: Vec<Url>,
    /// Settlement chain id.
    pub l1_chain_id: u64,
    /// `AndeConsensus`.
    pub consensus: Address,
    /// `AndeSequencerCoordinator`.
    pub coordinator: Address,
    /// Settlement finality.
    pub finality: Finality,
    /// Shortest time between two looks at the settlement chain.
    pub l1_poll_interval: Duration,
    /// Time between two looks while no batch waits to be accepted.
    pub l1_idle_interval: Duration,
    /// Longest wait for one settlement answer.
    pub l1_timeout: Duration,
    /// Consensus listener.
    pub p2p_listen: SocketAddr,
    /// `host:port` told to other nodes.
    pub p2p_advertise: String,
    /// Public HTTP listener.
    pub rpc_listen: SocketAddr,
    /// Public WebSocket listener.
    pub ws_listen: SocketAddr,
    /// Namespaces of the public listeners.
    pub rpc_namespaces: BTreeSet<Namespace>,
    /// Whether clients may watch transactions come in.
    pub rpc_pending_transactions: bool,
    /// Limits of the public listeners.
    pub rpc_limits: RpcLimits,
    /// Metrics and status listener.
    pub ops_listen: SocketAddr,
    /// Limits of the pool, but for the gas of a block.
    pub pool: PoolLimits,
    /// Whether this node posts batches.
    pub batcher_enabled: bool,
    /// Longest time between batches.
    pub batch_interval: Duration,
    /// Largest batch in bytes.
    pub batch_max_bytes: usize,
    /// Most blobs of a batch.
    pub max_blobs: usize,
    /// What decides where batches go.
    pub batch_data: DataChoice,
    /// Celestia node.
    pub celestia: Option<CelestiaConfig>,
    /// How blobs are proved.
    pub blob_form: BlobForm,
    /// Unposted bytes from which on blocks get smaller.
    pub max_unposted_bytes: usize,
    /// Beacon nodes that blobs are read from.
    pub beacon_urls: Vec<Url>,
    /// Takeover delay of posting.
    pub takeover: Duration,
    /// Wait for a proposal in round 0.
    pub propose_timeout: Duration,
    /// Wait for votes in round 0.
    pub vote_timeout: Duration,
    /// Log filter.
    pub log_filter: String,
    /// Log form.
    pub log_format: LogFormat,
    /// Drain time.
    pub drain: Duration,
}

/// Collects problems while values are taken out of the raw form.
pub(super) struct Checker {
    problems: Vec<String>,
    /// Bytes of memory that the process may use, where that is known.
    memory: Option<u64>,
}

impl Checker {
    pub(super) const fn new(memory: Option<u64>) -> Self {
        Self { problems: Vec::new(), memory }
    }

    #[cfg(test)]
    pub(super) fn into_problems(self) -> Vec<String> {
        self.problems
    }

    pub(super) fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    pub(super) fn within(&mut self, key: &str, value: u64, min: u64, max: u64) {
        if !(min..=max).contains(&value) {
            self.problem(format!("{key} = {value} is outside {min} to {max}"));
        }
    }

    /// Refuses a value above another one, saying why.
    pub(super) fn not_above(&mut self, low: (&str, u64), high: (&str, u64), why: &str) {
        if low.1 > high.1 {
            self.problem(format!(
                "{} = {} is above {} = {}: {why}; lower {} or raise {}",
                low.0, low.1, high.0, high.1, low.0, high.0
            ));
        }
    }

    /// Refuses what takes more than one part in `share` of the memory.
    pub(super) fn memory(&mut self, key: &str, bytes: u64, share: u64) {
        let Some(memory) = self.memory.filter(|memory| bytes > memory / share) else { return };
        self.problem(format!(
            "{key} allow {bytes} bytes, more than 1/{share} of this machine's memory of {memory} \
             bytes: lower the limit"
        ));
    }

    pub(super) fn required<T: Default>(&mut self, key: &str, value: Option<T>) -> T {
        value.unwrap_or_else(|| {
            self.problem(format!("{key} is required"));
            T::default()
        })
    }

    fn listen(&mut self, key: &str, value: &str) -> SocketAddr {
        value.parse().unwrap_or_else(|_| {
            self.problem(format!("{key} = \"{value}\" is not an address such as 127.0.0.1:8545"));
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    fn address(&mut self, key: &str, value: Option<String>) -> Address {
        let value = self.required(key, value);
        match value.parse::<Address>() {
            Ok(address) if !address.is_zero() => address,
            Ok(_) | Err(_) => {
                if !value.is_empty() {
                    self.problem(format!("{key} = \"{value}\" is not a contract address"));
                }
                Address::ZERO
            }
        }
    }

    fn urls(&mut self, key: &str, urls: &[String]) -> Vec<Url> {
        let mut parsed = Vec::with_capacity(urls.len());
        for text in urls {
            match Url::parse(text) {
                Ok(url) if matches!(url.scheme(), "http" | "https") => parsed.push(url),
                Ok(_) | Err(_) => {
                    self.problem(format!("{key}: \"{text}\" is not an http(s) URL"));
                }
            }
        }
        parsed
    }

    pub(super) fn millis(&mut self, key: &str, value: u64, min: u64, max: u64) -> Duration {
        self.within(key, value, min, max);
        Duration::from_millis(value)
    }

    pub(super) fn count(&mut self, key: &str, value: usize, min: usize, max: usize) -> usize {
        self.within(key, value as u64, min as u64, max as u64);
        value
    }
}

impl Checker {
    /// What is kept of the chain's past.
    fn kept(&mut self, raw: &RawEvm) -> StateOptions {
        if let Some(receipt_blocks) = raw.receipt_blocks {
            self.not_above(
                ("evm.history_blocks", raw.history_blocks),
                ("evm.receipt_blocks", receipt_blocks),
                "a state is read with the record of its block",
            );
        }
        StateOptions {
            history_blocks: raw.history_blocks,
            receipt_blocks: raw.receipt_blocks,
            recent: self.count("evm.proof_blocks", raw.proof_blocks, 1, 100_000),
            ..StateOptions::default()
        }
    }
}

impl NodeConfig {
    /// Checks a raw configuration; relative paths start at `base`, limits must fit into `memory`
    /// bytes where that is known.
    ///
    /// # Errors
    /// All problems at once.
    pub fn check(raw: RawConfig, base: &Path, memory: Option<u64>) -> Result<Self, ConfigProblems> {
        let mut c = Checker::new(memory);
        let path = |path: PathBuf| base.join(path);

        if raw.mode.is_none() {
            c.problem("mode is required: \"contract\"".into());
        }
        if raw.name.is_empty()
            || raw.name.len() > 64
            || !raw.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        {
            c.problem(format!(
                "name = \"{}\" must be 1 to 64 letters, digits, '-', '_' or '.'",
                raw.name
            ));
        }
        let l1_urls = c.urls("l1.rpc_urls", &raw.l1.rpc_urls);
        let beacon_urls = c.urls("l1.beacon_urls", &raw.l1.beacon_urls);
        let max_blobs = c.count("batcher.max_blobs", raw.batcher.max_blobs, 0, MAX_BLOBS);
        let (data_limit, data_usual) = match max_blobs {
            0 => (MAX_CALLDATA_BYTES, BatchLimits::default().max_data_bytes),
            count => (count * BLOB_DATA_BYTES, count * BLOB_DATA_BYTES),
        };
        let max_data_bytes = raw.batcher.max_data_bytes.unwrap_or(data_usual);
        let batch_data = match (raw.batcher.data, raw.batcher.max_calldata_bytes) {
            (RawData::Auto, None) => DataChoice::Auto,
            (RawData::Auto, Some(most)) => DataChoice::BySize(c.count(
                "batcher.max_calldata_bytes",
                most,
                0,
                MAX_CALLDATA_BYTES,
            )),
            (RawData::Calldata, None) => DataChoice::Calldata,
            (RawData::Blobs, None) => DataChoice::Blobs,
            (RawData::Celestia, None) => DataChoice::Celestia,
            (RawData::Calldata | RawData::Blobs | RawData::Celestia, Some(_)) => {
                c.problem(
                    "batcher.max_calldata_bytes has a meaning with data = \"auto\" only".into(),
                );
                DataChoice::Auto
            }
        };
        if batch_data == DataChoice::Blobs && max_blobs == 0 {
            c.problem("batcher.data = \"blobs\" needs batcher.max_blobs above 0".into());
        }
        if batch_data == DataChoice::Celestia && raw.celestia.is_none() {
            c.problem(
                "batcher.data = \"celestia\" needs the section [celestia] with the url of a Celestia \
                 node, here and on all other validators"
                    .into(),
            );
        }
        let celestia = raw.celestia.and_then(|raw| c.celestia(raw, base));
        if raw.l1.rpc_urls.is_empty() {
            c.problem("l1.rpc_urls needs at least one endpoint".into());
        }
        if l1_urls.iter().enumerate().any(|(index, url)| l1_urls[..index].contains(url)) {
            c.problem("l1.rpc_urls names an endpoint twice; each counts once".into());
        }
        let finality = match raw.l1.finality {
            RawFinality::Finalized => Finality::Finalized,
            RawFinality::Safe => Finality::Safe,
            RawFinality::Depth(depth) => {
                if depth > 10_000 {
                    c.problem(format!("l1.finality depth {depth} is above 10000"));
                }
                Finality::Depth(depth)
            }
        };
        let block_time = c.millis("chain.block_time_ms", raw.chain.block_time_ms, 50, 60_000);
        let propose_timeout_ms = raw
            .consensus
            .propose_timeout_ms
            .unwrap_or_else(|| raw.chain.block_time_ms.saturating_mul(2).max(500));
        let vote_timeout_ms = raw
            .consensus
            .vote_timeout_ms
            .unwrap_or_else(|| (raw.chain.block_time_ms / 2).clamp(100, 1_000));
        if raw.chain.l2_chain_id == 0 {
            c.problem("chain.l2_chain_id must not be 0".into());
        }
        let p2p_listen = c.listen("p2p.listen", &raw.p2p.listen);
        let p2p_advertise = raw.p2p.advertise.clone().unwrap_or(raw.p2p.listen);
        if !is_host_port(&p2p_advertise) {
            c.problem(format!(
                "p2p.advertise = \"{p2p_advertise}\" is not host:port that other nodes can reach"
            ));
        }
        let executor = match (raw.chain.executor, raw.chain.genesis) {
            (ExecutorKind::Evm, genesis) => ExecutorConfig::Evm {
                genesis: path(c.required("chain.genesis", genesis)),
                kept: c.kept(&raw.evm),
            },
            (ExecutorKind::None, None) => ExecutorConfig::None,
            (ExecutorKind::None, Some(_)) => {
                c.problem("chain.genesis has no meaning with executor \"none\"".into());
                ExecutorConfig::None
            }
        };
        let pace = Pace {
            executor: raw.chain.executor,
            block_time_ms: raw.chain.block_time_ms,
            propose_timeout_ms,
        };
        let client = raw.engine.and_then(|raw| c.client(raw, &pace, base));
        let validator_key = path(c.required("keys.validator", raw.keys.validator));
        let guard =
            raw.keys.guard.map_or_else(|| validator_key.with_added_extension("guard"), path);
        let config = Self {
            mode: raw.mode.unwrap_or(Mode::Contract),
            data_dir: path(c.required("data_dir", raw.data_dir)),
            name: raw.name,
            l2_chain_id: raw.chain.l2_chain_id,
            block_time,
            heartbeat: c.millis(
                "chain.heartbeat_ms",
                raw.chain.heartbeat_ms,
                raw.chain.block_time_ms,
                3_600_000,
            ),
            executor,
            client,
            validator_key,
            guard,
            node_key: path(c.required("keys.node", raw.keys.node)),
            poster_key: raw.keys.poster.map(path),
            l1_urls,
            l1_chain_id: c.required("l1.chain_id", raw.l1.chain_id),
            consensus: c.address("l1.consensus", raw.l1.consensus),
            coordinator: c.address("l1.coordinator", raw.l1.coordinator),
            finality,
            l1_poll_interval: c.millis("l1.poll_interval_ms", raw.l1.poll_interval_ms, 50, 600_000),
            l1_idle_interval: c.millis("l1.idle_interval_ms", raw.l1.idle_interval_ms, 50, 600_000),
            l1_timeout: c.millis("l1.timeout_ms", raw.l1.timeout_ms, 100, 120_000),
            p2p_listen,
            p2p_advertise,
            rpc_listen: c.listen("rpc.listen", &raw.rpc.listen),
            ws_listen: c.listen("rpc.ws_listen", &raw.rpc.ws_listen),
            rpc_namespaces: c.namespaces(&raw.rpc.namespaces),
            rpc_pending_transactions: raw.rpc.pending_transactions,
            rpc_limits: c.rpc_limits(&raw.rpc),
            ops_listen: c.listen("ops.listen", &raw.ops.listen),
            pool: c.pool(&raw.pool),
            batcher_enabled: raw.batcher.enabled,
            batch_interval: c.millis(
                "batcher.interval_ms",
                raw.batcher.interval_ms,
                100,
                86_400_000,
            ),
            batch_max_bytes: c.count(
                "batcher.max_data_bytes",
                max_data_bytes,
                MIN_BATCH_BYTES,
                data_limit,
            ),
            max_blobs,
            batch_data,
            celestia,
            blob_form: raw.batcher.blob_form,
            max_unposted_bytes: c.count(
                "batcher.max_unposted_bytes",
                raw.batcher.max_unposted_bytes,
                1 << 20,
                1 << 34,
            ),
            beacon_urls,
            takeover: c.millis("batcher.takeover_ms", raw.batcher.takeover_ms, 100, 86_400_000),
            propose_timeout: c.millis(
                "consensus.propose_timeout_ms",
                propose_timeout_ms,
                50,
                120_000,
            ),
            vote_timeout: c.millis("consensus.vote_timeout_ms", vote_timeout_ms, 20, 60_000),
            log_filter: raw.log.filter,
            log_format: raw.log.format,
            drain: c.millis("shutdown.drain_ms", raw.shutdown.drain_ms, 0, 600_000),
        };
        if c.problems.is_empty() { Ok(config) } else { Err(ConfigProblems(c.problems)) }
    }
}

/// Whether text is `host:port` with a port above 0 and a host that can be dialled.
fn is_host_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let port_ok = port.parse::<u16>().is_ok_and(|port| port > 0);
    let dialable = !host.is_empty() && host != "0.0.0.0" && host != "[::]";
    let plain = host
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'[' | b']' | b':'));
    port_ok && dialable && plain
}

#[cfg(test)]
mod tests {
    use ande_execution::BlockBuilder;
    use ande_primitives::MAX_COMMITTEE;

    use super::{super::raw::RawEngine, *};

    fn usable() -> RawConfig {
        toml::from_str(
            r#"
            mode = "contract"
            data_dir = "data"
            [chain]
            genesis = "genesis.json"
            [keys]
            validator = "validator.key"
            node = "node.key"
            [l1]
            rpc_urls = ["http://127.0.0.1:18545"]
            chain_id = 31337
            consensus = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
            coordinator = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
            finality = { depth = 2 }
            [p2p]
            listen = "127.0.0.1:30303"
            "#,
        )
        .unwrap()
    }

    #[test]
    fn usable_file_is_accepted_with_paths_relative_to_it() {
        let config = NodeConfig::check(usable(), Path::new("/etc/ande"), None).unwrap();
        assert_eq!(config.data_dir, PathBuf::from("/etc/ande/data"));
        assert_eq!(config.finality, Finality::Depth(2));
        assert_eq!(config.p2p_advertise, "127.0.0.1:30303");
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let mut raw = usable();
        raw.mode = None;
        raw.l1.chain_id = None;
        raw.l1.rpc_urls = vec!["ftp://x".into()];
        raw.l1.consensus = Some("0x12".into());
        raw.p2p.listen = "0.0.0.0:30303".into();
        raw.chain.block_time_ms = 0;
        raw.chain.genesis = None;
        raw.rpc.namespaces = vec!["eth".into(), "personal".into(), "admin".into()];
        let problems = NodeConfig::check(raw, Path::new("."), None).unwrap_err().0;
        for key in [
            "mode",
            "l1.chain_id",
            "l1.rpc_urls",
            "l1.consensus",
            "p2p.advertise",
            "chain.block_time_ms",
            "chain.genesis",
            "personal",
            "admin is served",
        ] {
            assert!(problems.iter().any(|p| p.contains(key)), "{key} not in {problems:?}");
        }
    }

    #[test]
    fn an_endpoint_counts_once() {
        let mut raw = usable();
        raw.l1.rpc_urls = vec!["http://a:1/".into(), "http://b:1".into(), "http://a:1".into()];
        let problems = NodeConfig::check(raw, Path::new("."), None).unwrap_err().0;
        assert!(problems.iter().any(|p| p.contains("l1.rpc_urls")), "{problems:?}");
    }

    fn with_client(more: &str) -> RawConfig {
        let engine = format!("url = \"http://127.0.0.1:8551\"\njwt_secret = \"jwt.hex\"\n{more}");
        RawConfig { engine: Some(toml::from_str(&engine).unwrap()), ..usable() }
    }

    #[test]
    fn an_execution_client_waits_as_long_as_the_chain_allows() {
        let config = NodeConfig::check(with_client(""), Path::new("/etc/ande"), None).unwrap();
        let client = config.client.unwrap();
        assert_eq!(client.url.as_str(), "http://127.0.0.1:8551/");
        assert_eq!(client.jwt_secret, PathBuf::from("/etc/ande/jwt.hex"));
        assert_eq!(client.request_timeout, Duration::from_secs(8));
        assert_eq!(client.verdict_timeout, config.block_time);
        assert_eq!(client.start_timeout, Duration::from_secs(60));
        assert_eq!(client.builder, BlockBuilder::Embedded);
        assert_eq!(NodeConfig::check(usable(), Path::new("."), None).unwrap().client, None);
    }

    #[test]
    fn an_execution_client_builds_when_it_is_told_to() {
        let client = |more: &str| {
            let config = NodeConfig::check(with_client(more), Path::new("."), None).unwrap();
            let client = config.client.unwrap();
            (client.builder, client.build_timeout)
        };
        let half = NodeConfig::check(usable(), Path::new("."), None).unwrap().block_time / 2;
        let fill = half / 4;
        assert_eq!(client("builder = \"eth\""), (BlockBuilder::Eth { fill }, half));
        let fill = Duration::from_millis(300);
        assert_eq!(
            client("builder = \"eth\"\nbuild_timeout_ms = 900\nbuild_fill_ms = 300"),
            (BlockBuilder::Eth { fill }, Duration::from_millis(900))
        );
        assert_eq!(client("builder = \"evolve\""), (BlockBuilder::Evolve, half));
        let testing = |url| BlockBuilder::Testing { url };
        assert_eq!(client("builder = \"testing\""), (testing(None), half));
        let url = "http://127.0.0.1:8545/".parse().unwrap();
        assert_eq!(
            client("builder = \"testing\"\nbuilder_url = \"http://127.0.0.1:8545\""),
            (testing(Some(url)), half)
        );
    }

    #[test]
    fn builders_that_cannot_work_are_refused_with_advice() {
        let refused = |more: &str, words: &[&str]| {
            let problems =
                NodeConfig::check(with_client(more), Path::new("."), None).unwrap_err().0;
            for word in words {
                assert!(problems.iter().any(|p| p.contains(word)), "{word} not in {problems:?}");
            }
        };
        refused(
            "build_timeout_ms = 100\nbuild_fill_ms = 1\nbuilder_url = \"http://x\"",
            &[
                "engine.build_timeout_ms needs engine.builder = \"eth\", \"testing\" or",
                "engine.build_fill_ms needs engine.builder = \"eth\"",
                "engine.builder_url needs engine.builder = \"testing\"",
            ],
        );
        refused("builder = \"evolve\"\nbuild_fill_ms = 1", &["build_fill_ms needs"]);
        refused("builder = \"eth\"\nbuild_timeout_ms = 2000", &["must together be below"]);
        refused("builder = \"eth\"\nbuild_timeout_ms = 18446744073709551615", &["together"]);
        refused("builder = \"eth\"\nbuild_timeout_ms = 1", &["is outside 50 to"]);
        refused("builder = \"eth\"\nbuild_fill_ms = 1000", &["must be below engine.build_timeout"]);
        refused("builder = \"testing\"\nbuilder_url = \"ws://x\"", &["not an http(s) URL"]);
        let error = toml::from_str::<RawEngine>("builder = \"geth\"").unwrap_err().to_string();
        assert!(error.contains("`embedded`, `eth`, `testing`, `evolve`"), "{error}");
    }

    #[test]
    fn what_no_execution_client_can_do_is_refused() {
        let refused = |raw: RawConfig, words: &[&str]| {
            let problems = NodeConfig::check(raw, Path::new("."), None).unwrap_err().0;
            for word in words {
                assert!(problems.iter().any(|p| p.contains(word)), "{word} not in {problems:?}");
            }
        };
        let mut raw = with_client("");
        raw.chain.block_time_ms = 999;
        refused(raw, &["999ms is too short"]);
        refused(with_client("verdict_timeout_ms = 4000"), &["must be below"]);
        refused(with_client("request_timeout_ms = 1"), &["engine.request_timeout_ms"]);
        refused(with_client("start_timeout_ms = 0"), &["engine.start_timeout_ms"]);
        let mut raw = with_client("");
        raw.engine = Some(RawEngine { url: Some("ws://x".into()), ..RawEngine::default() });
        refused(raw, &["engine.url", "engine.jwt_secret is required"]);
        let mut raw = with_client("");
        raw.engine = Some(RawEngine::default());
        refused(raw, &["engine.url is required", "engine.jwt_secret is required"]);
        let mut raw = with_client("");
        (raw.chain.executor, raw.chain.genesis) = (ExecutorKind::None, None);
        refused(raw, &["no meaning"]);
    }

    #[test]
    fn the_largest_batch_follows_from_the_blobs() {
        let bytes = |max_blobs: usize, max_data_bytes: Option<usize>| {
            let mut raw = usable();
            raw.batcher.max_blobs = max_blobs;
            raw.batcher.max_data_bytes = max_data_bytes;
            NodeConfig::check(raw, Path::new("."), None).map(|config| config.batch_max_bytes)
        };
        assert_eq!(bytes(6, None), Ok(780_288));
        assert_eq!(bytes(2, None), Ok(260_096));
        assert_eq!(bytes(0, None), Ok(100_000));
        assert_eq!(bytes(6, Some(300_000)), Ok(300_000));
        for (blobs, data) in
            [(0, 300_000), (1, 130_049), (6, 780_289), (7, 100_000), (6, MIN_BATCH_BYTES - 1)]
        {
            assert!(bytes(blobs, Some(data)).is_err(), "{data} bytes in {blobs} blobs");
        }
        let smallest = bytes(6, Some(MIN_BATCH_BYTES)).unwrap();
        let limits = BatchLimits { max_data_bytes: smallest, ..BatchLimits::default() };
        let largest_creation = 49_152 + 256;
        assert!(limits.max_block_transaction_bytes(MAX_COMMITTEE) >= largest_creation);
    }

    #[test]
    fn the_place_of_batches_follows_from_the_settings() {
        let choice = |text: &str| {
            let raw = RawConfig { batcher: toml::from_str(text).unwrap(), ..usable() };
            NodeConfig::check(raw, Path::new("."), None).map(|config| config.batch_data)
        };
        assert_eq!(choice(""), Ok(DataChoice::Auto));
        assert_eq!(choice("max_calldata_bytes = 2000"), Ok(DataChoice::BySize(2_000)));
        assert_eq!(choice("data = \"blobs\""), Ok(DataChoice::Blobs));
        assert_eq!(choice("data = \"calldata\""), Ok(DataChoice::Calldata));
        for wrong in [
            "max_calldata_bytes = 120001",
            "data = \"blobs\"\nmax_blobs = 0",
            "data = \"calldata\"\nmax_calldata_bytes = 2000",
        ] {
            assert!(choice(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn celestia_needs_a_node_to_ask() {
        let check = |data: &str, celestia: Option<&str>| {
            let mut raw = usable();
            raw.batcher = toml::from_str(data).unwrap();
            raw.celestia = celestia.map(|text| toml::from_str(text).unwrap());
            NodeConfig::check(raw, Path::new("/etc/ande"), None)
        };
        let url = "url = \"https://celestia.example:26658\"\n";
        let config = check("data = \"celestia\"", Some(url)).unwrap();
        assert_eq!(config.batch_data, DataChoice::Celestia);
        let celestia = config.celestia.unwrap();
        assert_eq!((celestia.token, celestia.namespace), (None, None));
        assert_eq!(celestia.submit_timeout, Duration::from_secs(60));
        // Who posts elsewhere may sign for those who post there.
        let more =
            "token = \"celestia.token\"\nnamespace = \"00000000000000616e64\"\ngas_price = 0.004";
        let celestia = check("", Some(&format!("{url}{more}"))).unwrap().celestia.unwrap();
        assert_eq!(celestia.token, Some(PathBuf::from("/etc/ande/celestia.token")));
        assert_eq!(celestia.namespace.unwrap().to_string(), "00000000000000616e64");

        for (data, celestia, words) in [
            ("data = \"celestia\"", None, "needs the section [celestia]"),
            ("data = \"celestia\"", Some(""), "celestia.url is required"),
            ("", Some("url = \"ws://x\""), "not an http(s) URL such as http://127.0.0.1:26658"),
            ("", Some("url = \"http://x\"\nnamespace = \"04\""), "expected 20 hexadecimal digits"),
            ("", Some("url = \"http://x\"\ngas_price = 0.0"), "celestia.gas_price"),
            ("", Some("url = \"http://x\"\nrequest_timeout_ms = 0"), "celestia.request_timeout_ms"),
            ("data = \"celestia\"\nmax_calldata_bytes = 9", Some(url), "max_calldata_bytes"),
        ] {
            let problems = check(data, celestia).unwrap_err().0;
            assert!(problems.iter().any(|p| p.contains(words)), "{words} not in {problems:?}");
        }
    }

    #[test]
    fn receipts_are_kept_as_long_as_states() {
        let kept = |text: &str| {
            let raw = RawConfig { evm: toml::from_str(text).unwrap(), ..usable() };
            NodeConfig::check(raw, Path::new("."), None).map(|config| config.executor)
        };
        let Ok(ExecutorConfig::Evm { kept: all, .. }) = kept("") else { panic!("refused") };
        assert_eq!(all, StateOptions::default());
        assert_eq!(all.receipt_blocks, None, "nothing is removed unasked");
        let some = kept("history_blocks = 50\nreceipt_blocks = 50\nproof_blocks = 9");
        let Ok(ExecutorConfig::Evm { kept: some, .. }) = some else { panic!("refused") };
        assert_eq!((some.receipt_blocks, some.recent), (Some(50), 9));
        for (text, words) in [
            ("receipt_blocks = 9999", "lower evm.history_blocks or raise evm.receipt_blocks"),
            ("proof_blocks = 0", "evm.proof_blocks = 0 is outside 1 to 100000"),
        ] {
            let problems = kept(text).unwrap_err().0;
            assert!(problems.iter().any(|problem| problem.contains(words)), "{problems:?}");
        }
    }

    #[test]
    fn unknown_keys_are_errors() {
        let error = toml::from_str::<RawConfig>("[chain]\nblok_time_ms = 1").unwrap_err();
        assert!(error.to_string().contains("blok_time_ms"), "{error}");
    }
}
