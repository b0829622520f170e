//! Listeners, addresses, other services.

use std::{collections::BTreeMap, io::ErrorKind, net::IpAddr};

use ande_node::config::NodeConfig;
use tokio::net::{TcpListener, lookup_host};
use url::Url;

use super::{
    files::Identities,
    finding::{Findings, whole},
};
use crate::{deployment::local_url, watch::ask_one};

/// Whether this node runs already: its ops listener answers with its key.
pub(super) async fn is_running(
    http: &reqwest::Client,
    config: &NodeConfig,
    keys: &Identities,
) -> bool {
    let answer = ask_one(http, &local_url(config.ops_listen)).await;
    answer.is_ok_and(|status| status.node.signer.is_some() && status.node.signer == keys.validator)
}

/// Ports that are taken, doubled, or open to everybody.
pub(super) async fn listeners(config: &NodeConfig, running: bool, findings: &mut Findings) {
    let listeners = [
        ("p2p.listen", config.p2p_listen),
        ("rpc.listen", config.rpc_listen),
        ("rpc.ws_listen", config.ws_listen),
        ("ops.listen", config.ops_listen),
    ];
    let mut ports: BTreeMap<u16, &str> = BTreeMap::new();
    for (key, address) in listeners {
        if address.port() != 0
            && let Some(other) = ports.insert(address.port(), key)
        {
            findings.fault(
                "port-twice",
                format!("{other} and {key} both use port {}", address.port()),
                "give each listener a port of its own",
            );
            continue;
        }
        if running {
            continue;
        }
        if let Err(error) = TcpListener::bind(address).await {
            let remedy = match error.kind() {
                ErrorKind::AddrInUse => "stop the process that uses it (`ss -ltnp`) or change it",
                ErrorKind::AddrNotAvailable => "use an address that this machine has",
                ErrorKind::PermissionDenied => "use a port above 1023",
                _ => "use another address",
            };
            findings.fault("port-taken", format!("{key} = {address}: {}", whole(&error)), remedy);
        }
    }
    if !is_inside(config.ops_listen.ip()) {
        findings.warning(
            "ops-public",
            format!("ops.listen = {}: metrics and admin methods for everybody", config.ops_listen),
            "listen on 127.0.0.1 or a private address, or close the port in the firewall",
        );
    }
}

/// Whether an address is of this machine or of a private network.
fn is_inside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Whether a host is this machine itself.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The address that other nodes are told.
pub(super) async fn advertised(config: &NodeConfig, findings: &mut Findings) {
    if let Err(error) = lookup_host(&config.p2p_advertise).await {
        findings.fault(
            "advertise-unknown",
            format!("p2p.advertise = \"{}\" has no address: {error}", config.p2p_advertise),
            "write a host name that resolves, or the public address of this machine",
        );
    }
}

/// Execution client, beacon nodes and Celestia node.
pub(super) async fn others(http: &reqwest::Client, config: &NodeConfig, findings: &mut Findings) {
    if let Some(client) = &config.client
        && let Err(error) = http.post(client.url.clone()).body("{}").send().await
    {
        findings.fault(
            "execution-client",
            format!(
                "the execution client at {} does not answer: {}",
                host(&client.url),
                whole(&error.without_url())
            ),
            "start it, or correct engine.url: the port of its Engine API, not of its RPC",
        );
    }
    if let Err(error) = ande_node::check_celestia(config).await {
        findings.fault(
            "celestia",
            format!("the Celestia node cannot be asked: {}", whole(&error)),
            "start it, or correct celestia.url and celestia.token; without it this validator \
             neither puts batches there nor signs those of others",
        );
    }
    for url in &config.beacon_urls {
        let asked = url.join("/eth/v1/node/version");
        let answer = match asked {
            Ok(asked) => http.get(asked).send().await.and_then(|it| it.error_for_status()),
            Err(_) => continue,
        };
        if let Err(error) = answer {
            findings.fault(
                "beacon-node",
                format!(
                    "the beacon node at {} does not answer: {}",
                    host(url),
                    whole(&error.without_url())
                ),
                "correct l1.beacon_urls; without one the blobs of others cannot be read back",
            );
        }
    }
}

/// Host and port: paths and credentials of endpoints are secrets.
pub(super) fn host(url: &Url) -> String {
    let port = url.port_or_known_default().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}{port}", url.host_str().unwrap_or("?"))
}
