//! The configuration file of a node.

use std::time::Duration;

use crate::{
    deploy::Chain,
    genesis::Executor,
    keys::{NODE_KEY_FILE, VALIDATOR_KEY_FILE},
    node::NodeSettings,
};

/// Name of the file.
pub(crate) const CONFIG_FILE: &str = "node.toml";

/// What of `[batcher]` says where batches go on a settlement chain made by anvil.
const CALLDATA_AND_BLOBS: &str = "\
# What fits stays in calldata, readable with the chain; anvil takes the cheaper proofs.
max_calldata_bytes = 100000
blob_form = \"eip4844\"
";

/// What is the node's own: its name, its files and its addresses.
pub(crate) struct ConfigFile<'a> {
    /// First line of the file, without the comment sign.
    pub(crate) header: &'a str,
    pub(crate) name: &'a str,
    pub(crate) data_dir: &'a str,
    pub(crate) genesis: &'a str,
    /// Directory of the keys with a slash at its end; empty for that of the file.
    pub(crate) keys: &'a str,
    /// What the validator's key signed last; beside the key when none.
    pub(crate) guard: Option<&'a str>,
    pub(crate) l1_url: &'a str,
    pub(crate) p2p_listen: &'a str,
    pub(crate) p2p_advertise: &'a str,
    pub(crate) rpc: &'a str,
    pub(crate) ws: &'a str,
    pub(crate) ops: &'a str,
}

impl ConfigFile<'_> {
    /// Its text.
    pub(crate) fn text(&self, chain: &Chain, settings: &NodeSettings) -> String {
        let ms = |duration: Duration| duration.as_millis();
        format!(
            r#"# {header}
mode = "contract"
data_dir = "{data_dir}"
name = "{name}"

[chain]
l2_chain_id = {l2_chain_id}
block_time_ms = {block_time}
heartbeat_ms = {heartbeat}
executor = "{executor}"
{genesis}
[keys]
validator = "{keys}{VALIDATOR_KEY_FILE}"
node = "{keys}{NODE_KEY_FILE}"
{guard}
[l1]
rpc_urls = ["{l1_url}"]
chain_id = {l1_chain_id}
consensus = "{consensus}"
coordinator = "{coordinator}"
finality = "finalized"
poll_interval_ms = {poll}
idle_interval_ms = {poll}

[p2p]
listen = "{p2p_listen}"
advertise = "{p2p_advertise}"

[rpc]
listen = "{rpc}"
ws_listen = "{ws}"

[ops]
listen = "{ops}"

[batcher]
interval_ms = {batch}
takeover_ms = {takeover}
{data}
{consensus_section}[log]
filter = "{log}"

[shutdown]
drain_ms = {drain}
"#,
            header = self.header,
            data_dir = self.data_dir,
            name = self.name,
            l2_chain_id = chain.l2_chain_id,
            block_time = chain.block_time_ms,
            heartbeat = ms(settings.heartbeat),
            executor = chain.executor.name(),
            genesis = match chain.executor {
                Executor::Evm => format!("genesis = \"{}\"\n", self.genesis),
                Executor::None => String::new(),
            },
            keys = self.keys,
            guard = self.guard.map_or_else(String::new, |guard| format!("guard = \"{guard}\"\n")),
            l1_url = self.l1_url,
            l1_chain_id = chain.l1_chain_id,
            consensus = chain.consensus,
            coordinator = chain.coordinator,
            poll = ms(settings.l1_poll_interval),
            p2p_listen = self.p2p_listen,
            p2p_advertise = self.p2p_advertise,
            rpc = self.rpc,
            ws = self.ws,
            ops = self.ops,
            batch = ms(settings.batch_interval),
            data = match &settings.celestia {
                Some(url) => format!("data = \"celestia\"\n\n[celestia]\nurl = \"{url}\"\n"),
                None => CALLDATA_AND_BLOBS.to_owned(),
            },
            takeover = ms(settings.takeover),
            consensus_section = settings.propose_timeout.map_or_else(String::new, |timeout| {
                format!("[consensus]\npropose_timeout_ms = {}\n\n", ms(timeout))
            }),
            log = settings.log,
            drain = ms(settings.drain),
        )
    }
}
