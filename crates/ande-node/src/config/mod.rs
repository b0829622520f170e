//! Configuration: defaults, then TOML file, then `ANDE_*` environment, then flags.
//!
//! Environment names join sections with two underscores: `ANDE_L1__CHAIN_ID`. Unknown keys in any
//! layer are errors.

mod celestia;
mod checked;
mod client;
mod explain;
mod memory;
mod pool;
mod raw;
mod reference;
mod rpc;

use std::path::{Path, PathBuf};

pub use celestia::{CelestiaConfig, RawCelestia};
pub use checked::{ConfigProblems, ExecutorConfig, NodeConfig};
pub use client::ClientConfig;
pub use explain::{Setting, explain};
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
pub use pool::RawPool;
pub use raw::{
    BuilderKind, ExecutorKind, LogFormat, Mode, RawBatcher, RawChain, RawConfig, RawConsensus,
    RawEngine, RawEvm, RawFinality, RawKeys, RawL1, RawLog, RawOps, RawP2p, RawShutdown,
};
pub use reference::reference;
pub use rpc::RawRpc;

/// Variables with the prefix that are not configuration.
const NOT_CONFIG: [&str; 8] = [
    "config",
    "failpoint",
    "git_sha",
    "target_cache",
    // Where `ande` finds keys and passwords.
    "owner_key_file",
    "owner_keystore",
    "password_file",
    "keystore_password",
];

/// A configuration that cannot be used; the process exits with 78.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there.
    #[error("configuration file {0} cannot be read; pass an existing file with --config")]
    Missing(PathBuf),
    /// A layer does not parse or has an unknown key.
    #[error("configuration: {0}")]
    Parse(Box<figment::Error>),
    /// Values that do not make a node.
    #[error(transparent)]
    Problems(#[from] ConfigProblems),
}

/// Loads and checks a configuration file with its overrides.
///
/// # Errors
/// [`ConfigError`] naming every problem that was found.
pub fn load(file: &Path, overrides: &Overrides) -> Result<NodeConfig, ConfigError> {
    let layers = layers(file, overrides)?;
    let raw: RawConfig = layers.extract().map_err(|error| ConfigError::Parse(Box::new(error)))?;
    let base = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(NodeConfig::check(raw, base.unwrap_or_else(|| Path::new(".")), memory::limit())?)
}

/// What is set, the weakest layer first.
fn layers(file: &Path, overrides: &Overrides) -> Result<Figment, ConfigError> {
    if !file.is_file() {
        return Err(ConfigError::Missing(file.into()));
    }
    let mut layers = Figment::from(Serialized::defaults(RawConfig::default()))
        .merge(Toml::file_exact(file))
        .merge(Env::prefixed("ANDE_").ignore(&NOT_CONFIG).split("__"));
    for (key, value) in overrides.pairs() {
        layers = layers.merge((key, value));
    }
    Ok(layers)
}

/// Values given as flags.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Overrides {
    /// Name of the node
    #[arg(long)]
    name: Option<String>,
    /// Directory of everything durable
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Log filter, for example "info" or "debug,hyper=warn"
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Public HTTP listener
    #[arg(long, value_name = "ADDRESS")]
    rpc_listen: Option<String>,
    /// Public WebSocket listener
    #[arg(long, value_name = "ADDRESS")]
    ws_listen: Option<String>,
    /// Metrics and status listener
    #[arg(long, value_name = "ADDRESS")]
    ops_listen: Option<String>,
    /// Consensus network listener
    #[arg(long, value_name = "ADDRESS")]
    p2p_listen: Option<String>,
}

impl Overrides {
    fn pairs(&self) -> Vec<(&'static str, String)> {
        [
            ("name", self.name.clone()),
            ("data_dir", self.data_dir.as_ref().map(|path| path.display().to_string())),
            ("log.filter", self.log.clone()),
            ("rpc.listen", self.rpc_listen.clone()),
            ("rpc.ws_listen", self.ws_listen.clone()),
            ("ops.listen", self.ops_listen.clone()),
            ("p2p.listen", self.p2p_listen.clone()),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }
}
