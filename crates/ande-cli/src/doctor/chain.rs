//! Settlement chain, contracts, the validator in them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::primitives::{Address, B256, U256};
use ande_contracts::AndeConsensus;
use ande_l1::{DeploymentError, L1Client, L1Error};
use ande_node::{NodeError, config::NodeConfig};
use url::Url;

use super::{
    files::Identities,
    finding::{Findings, whole},
    network::{host, is_loopback},
};
use crate::{
    output::plain,
    watch::{CLOCK_SKEW_MS, ask_one},
};

/// Asks every endpoint what a node asks at its start. Whether one of them serves this chain.
pub(super) async fn settlement(
    http: &reqwest::Client,
    config: &NodeConfig,
    genesis: B256,
    findings: &mut Findings,
) -> bool {
    let mut served = false;
    for url in &config.l1_urls {
        let one = NodeConfig { l1_urls: vec![url.clone()], ..config.clone() };
        match ande_node::check_settlement(&one, genesis).await {
            Ok(()) => served = true,
            Err(error) => {
                // Something answers for this chain even if its times do not fit.
                served |= matches!(error, NodeError::Timing(_));
                refused(url, &error, findings);
            }
        }
        clock(http, config, url, findings).await;
    }
    served
}

fn refused(url: &Url, error: &NodeError, findings: &mut Findings) {
    let (check, remedy) = match error {
        NodeError::Timing(_) => {
            ("timing", "correct the times as the message says: the chain would stop at every epoch")
        }
        NodeError::Deployment(DeploymentError::WrongChainId { .. })
        | NodeError::Deployment(DeploymentError::L1(L1Error::WrongChainId { .. })) => {
            ("l1-chain-id", "correct l1.chain_id or take an endpoint of the right chain")
        }
        NodeError::Deployment(DeploymentError::NoCode(_)) => (
            "contract-missing",
            "correct l1.consensus and l1.coordinator, or the endpoint: it may serve another chain",
        ),
        NodeError::Deployment(
            DeploymentError::WrongContract { .. } | DeploymentError::DomainMismatch { .. },
        ) => ("contract-wrong", "correct l1.consensus and l1.coordinator; are they swapped?"),
        NodeError::Deployment(
            DeploymentError::CoordinatorMismatch { .. } | DeploymentError::ConsensusMismatch { .. },
        ) => (
            "contracts-apart",
            "correct l1.consensus and l1.coordinator: they must be of one deployment",
        ),
        NodeError::Deployment(DeploymentError::L2ChainMismatch { .. }) => {
            ("l2-chain-id", "correct chain.l2_chain_id, or take the contracts of this chain")
        }
        NodeError::Deployment(DeploymentError::GenesisMismatch { .. }) => (
            "genesis-mismatch",
            "take the genesis file that the contracts were deployed for: block 0 differs",
        ),
        _ => ("l1-unreachable", "correct l1.rpc_urls, or start the settlement node"),
    };
    findings.fault(check, format!("{}: {}", host(url), whole(error)), remedy);
}

/// The clock against the endpoint's and against the chain's.
async fn clock(http: &reqwest::Client, config: &NodeConfig, url: &Url, findings: &mut Findings) {
    let remedy = "let the clock be set: `timedatectl set-ntp true`, or chrony";
    if let Ok(answer) = http.post(url.clone()).body("{}").send().await
        && let Some(date) = answer.headers().get(reqwest::header::DATE)
        && let Ok(theirs) = httpdate::parse_http_date(date.to_str().unwrap_or_default())
    {
        let now = SystemTime::now();
        let off = now.duration_since(theirs).unwrap_or_else(|ahead| ahead.duration());
        let way = if theirs > now { "behind" } else { "ahead of" };
        // The header has whole seconds.
        if off > Duration::from_millis(CLOCK_SKEW_MS) + Duration::from_secs(1) {
            let what = format!("the clock is {} s {way} that of {}", off.as_secs(), host(url));
            findings.fault("clock", what, remedy);
            return;
        }
    }
    let Ok(client) = client(config, url) else { return };
    let Ok(Some(block)) = client.block(alloy::eips::BlockNumberOrTag::Latest).await else { return };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if block.timestamp > now.saturating_add(CLOCK_SKEW_MS / 1_000) {
        let what = format!(
            "the clock is {} s behind block {} of the settlement chain",
            block.timestamp - now,
            block.number
        );
        findings.fault("clock", what, remedy);
    }
}

fn client(config: &NodeConfig, url: &Url) -> Result<L1Client, L1Error> {
    L1Client::new(std::slice::from_ref(url), config.l1_chain_id, config.l1_timeout)
}

/// The validator of the configured key.
pub(super) async fn validator(
    http: &reqwest::Client,
    config: &NodeConfig,
    keys: &Identities,
    running: bool,
    findings: &mut Findings,
) {
    let (Some(signer), Some(node)) = (keys.validator, keys.node) else { return };
    let Some(view) = registered(config, signer, findings).await else { return };
    let id = view.id;
    let (status, remedy) = match ande_l1::ValidatorStatus::from(view.status) {
        ande_l1::ValidatorStatus::Active => ("", String::new()),
        ande_l1::ValidatorStatus::Jailed => {
            ("jailed for downtime", "repair the node, then `ande validator unjail`".to_owned())
        }
        ande_l1::ValidatorStatus::Exiting => {
            ("leaving", "nothing, if that is meant; else register another key".to_owned())
        }
        ande_l1::ValidatorStatus::Tombstoned => (
            "out for ever: two contradicting signatures of it were proved",
            "make a new key and find out who signed twice".to_owned(),
        ),
        _ => ("gone", "register again with a new key".to_owned()),
    };
    if !status.is_empty() {
        findings.fault("validator-status", format!("validator {id} is {status}"), remedy);
    }
    if view.p2pPeerId != node.0 {
        findings.fault(
            "node-id",
            format!(
                "validator {id} is registered with node {}, keys.node is {node}",
                ande_primitives::NodeId(view.p2pPeerId)
            ),
            "use the node key that was registered, or `ande validator update --node-id`",
        );
    }
    let endpoint = plain(&view.rpcEndpoint);
    if let Err(error) =
        ande_haproxy::Backend::of("own", &endpoint, None, ande_haproxy::Trust::Operator)
    {
        findings.fault(
            "endpoint-form",
            format!("the registered endpoint \"{endpoint}\" cannot be used: {error}"),
            "register http(s)://host:port without a path: `ande validator update --endpoint`",
        );
        return;
    }
    let Ok(url) = Url::parse(&endpoint) else { return };
    let advertised = config.p2p_advertise.rsplit_once(':').map_or("", |(host, _)| host);
    if is_loopback(advertised) && !is_loopback(url.host_str().unwrap_or_default()) {
        findings.fault(
            "advertise-private",
            format!("p2p.advertise = \"{}\" is only this machine", config.p2p_advertise),
            "write the address under which other nodes reach p2p.listen",
        );
    }
    match ask_one(http, url.as_str()).await {
        Ok(status) if status.node.signer != Some(signer) => findings.fault(
            "endpoint-of-other",
            format!(
                "node \"{}\" answers at the registered endpoint {endpoint}, not this one",
                plain(&status.node.name)
            ),
            "correct the endpoint (`ande validator update --endpoint`) or what forwards it",
        ),
        Err(error) if running => findings.fault(
            "endpoint-down",
            format!("nobody answers at the registered endpoint {endpoint}: {error}"),
            "open rpc.listen to other nodes, or `ande validator update --endpoint`",
        ),
        _ => {}
    }
}

async fn registered(
    config: &NodeConfig,
    signer: Address,
    findings: &mut Findings,
) -> Option<AndeConsensus::ValidatorView> {
    let client = L1Client::new(&config.l1_urls, config.l1_chain_id, config.l1_timeout).ok()?;
    let latest = alloy::eips::BlockId::latest();
    let by_signer = AndeConsensus::idOfSignerCall { signer };
    let id = client.call(config.consensus, &by_signer, latest).await.ok()?;
    if id == 0 {
        findings.fault(
            "not-registered",
            format!("the validator key {signer} is not registered: this node only follows"),
            "register it: `ande validator register`, or use the key that is registered",
        );
        return None;
    }
    client.call(config.consensus, &AndeConsensus::getValidatorCall { id }, latest).await.ok()
}

/// Whether the key that posts batches can pay.
pub(super) async fn poster(
    config: &NodeConfig,
    keys: &Identities,
    least: U256,
    findings: &mut Findings,
) {
    let Some(poster) = keys.poster.filter(|_| config.batcher_enabled) else { return };
    let client = L1Client::new(&config.l1_urls, config.l1_chain_id, config.l1_timeout);
    let Ok(client) = client else { return };
    let Ok(balance) = client.balance(poster).await else { return };
    if balance < least {
        findings.fault(
            "poster-balance",
            format!("{poster}, which pays for batches, has {balance} wei, {least} are wanted"),
            "send coins of the settlement chain to it, or set keys.poster to a funded key",
        );
    }
}
