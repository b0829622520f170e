//! Brings a local cluster up: anvil as settlement chain, the contracts, registered validators, one
//! node process each, and HAProxy in front where it is installed.
//!
//! [`Cluster`] starts and stops the processes; [`operate()`] adds a live view for `ande devnet`, and
//! the test kit adds faults and checks.

mod anvil;
mod cluster;
mod config;
mod deploy;
mod genesis;
mod haproxy;
mod keys;
mod live;
mod load;
mod manifest;
mod node;
mod observe;
mod operate;
mod options;
mod ports;
mod process;
mod rpc;
mod testnet;
mod tools;
mod transaction;
mod wait;

pub use anvil::{Anvil, BANK_KEY, L1_CHAIN_ID};
pub use cluster::{Cluster, ClusterConfig};
pub use deploy::{
    Account, Contracts, DeployPlan, Deployment, Registered, deploy, fund, register, wei,
};
pub use genesis::{Executor, FUNDED_ACCOUNTS, account_key, genesis_file, write_genesis};
pub use keys::{NODE_KEY_FILE, NodeKeys, VALIDATOR_KEY_FILE};
pub use live::Voice;
pub use load::{Acknowledged, LOAD_SENDERS, Load, LoadCounts, LoadPlan, LoadReport};
pub use manifest::{Manifest, ManifestNode};
pub use node::{Node, NodeSettings};
pub use observe::Observation;
pub use operate::operate;
pub use options::{Options, parse_duration};
pub use ports::{NodePorts, Ports};
pub use process::{Launch, OnOrphan, Process};
pub use rpc::{BlockTag, EthBlock, Hex, Rpc, RpcError, with_causes};
pub use testnet::{
    ENV_FILE, GRAFANA_PASSWORD_FILE, L1_BLOCK_TIME_SECS, Owner, SECRETS_DIR, Testnet,
    TestnetContracts, TestnetOptions, TestnetValidator, init, launch,
};
pub use tools::{
    browser_binary, cli_binary, foundry_binary, haproxy_binary, in_path, node_binary,
    repository_root,
};
pub use transaction::{SignedTransaction, Wallet, sign};
pub use wait::wait_until;
