//! Peer identities and network addresses.

use std::net::IpAddr;

use alloy_primitives::B256;
use ande_primitives::{NodeId, NodeKey};
use libp2p_identity::Keypair;
use malachitebft_sync::PeerId;
use multiaddr::Multiaddr;

use crate::EnginePeer;

/// Identity multihash of a protobuf-encoded ed25519 public key, up to the 32 key bytes.
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
/// Longest host name.
const MAX_HOST_BYTES: usize = 253;

/// A peer that cannot be dialled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not `host:port`.
    #[error("{0:?} is not of the form host:port")]
    Form(String),
    /// Not an IP address and not a host name.
    #[error("{0:?} is neither an IP address nor a host name")]
    Host(String),
    /// Bytes that no ed25519 key has.
    #[error("{0} is not an ed25519 public key")]
    NodeId(NodeId),
}

/// The transport's peer id of a node: a pure function of its public key.
pub(crate) fn peer_id(node: NodeId) -> Result<PeerId, AddressError> {
    let mut bytes = PEER_ID_PREFIX.to_vec();
    bytes.extend_from_slice(node.0.as_slice());
    PeerId::from_bytes(&bytes).map_err(|_| AddressError::NodeId(node))
}

/// The node behind a peer id, if it is of an ed25519 key.
pub(crate) fn node_id(peer: &PeerId) -> Option<NodeId> {
    let bytes = peer.to_bytes();
    let key: [u8; 32] = bytes.strip_prefix(&PEER_ID_PREFIX)?.try_into().ok()?;
    Some(NodeId(B256::from(key)))
}

/// The dial address, pinned to the peer's identity: without the `/p2p` part two nodes that accept
/// only configured peers reject each other.
pub(crate) fn multiaddr(peer: &EnginePeer) -> Result<Multiaddr, AddressError> {
    let (host, port) = split(&peer.address)?;
    let id = peer_id(peer.node_id)?;
    let transport = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => format!("/ip4/{ip}"),
        Ok(IpAddr::V6(ip)) => format!("/ip6/{ip}"),
        Err(_) if is_host_name(host) => format!("/dns4/{host}"),
        Err(_) => return Err(AddressError::Host(host.to_owned())),
    };
    format!("{transport}/tcp/{port}/p2p/{id}")
        .parse()
        .map_err(|_| AddressError::Form(peer.address.clone()))
}

fn split(address: &str) -> Result<(&str, u16), AddressError> {
    let malformed = || AddressError::Form(address.to_owned());
    let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port: u16 = port.parse().map_err(|_| malformed())?;
    if host.is_empty() || port == 0 {
        return Err(malformed());
    }
    Ok((host, port))
}

fn is_host_name(host: &str) -> bool {
    host.len() <= MAX_HOST_BYTES
        && host.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}

/// The transport's key pair of a node key.
pub(crate) fn keypair(key: &NodeKey) -> Result<Keypair, AddressError> {
    let mut seed = *key.seed();
    // `ed25519_from_bytes` zeroes its input.
    Keypair::ed25519_from_bytes(&mut seed).map_err(|_| AddressError::NodeId(key.id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> EnginePeer {
        EnginePeer { node_id: NodeKey::from_seed(&[7; 32]).id(), address: address.to_owned() }
    }

    #[test]
    fn peer_ids_are_those_of_the_transport() {
        let key = NodeKey::from_seed(&[3; 32]);
        let expected = keypair(&key).unwrap().public().to_peer_id();
        let got = peer_id(key.id()).unwrap();
        assert_eq!(got.to_bytes(), expected.to_bytes());
        assert_eq!(got.to_string(), expected.to_string());
        assert_eq!(node_id(&got), Some(key.id()));
    }

    #[test]
    fn addresses_are_pinned_to_the_peer() {
        let id = peer_id(peer("").node_id).unwrap();
        for (address, expected) in [
            ("10.1.2.3:30303", "/ip4/10.1.2.3/tcp/30303"),
            ("[::1]:1", "/ip6/::1/tcp/1"),
            ("node-1.example:65535", "/dns4/node-1.example/tcp/65535"),
            ("ande_node1:30303", "/dns4/ande_node1/tcp/30303"),
        ] {
            let got = multiaddr(&peer(address)).unwrap().to_string();
            assert_eq!(got, format!("{expected}/p2p/{id}"));
        }
    }

    #[test]
    fn wrong_addresses_are_refused() {
        for address in
            ["", "host", "host:", ":1", "host:0", "host:65536", "a b:1", "a/tcp/1:2", "..:1", "é:1"]
        {
            assert!(multiaddr(&peer(address)).is_err(), "{address}");
        }
    }
}
