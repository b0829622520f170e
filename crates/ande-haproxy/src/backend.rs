//! A node as the load balancer sees it.

use std::net::IpAddr;

use url::{Host, Url};

/// Longest host name.
pub const MAX_HOST_BYTES: usize = 253;

/// A node behind the load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Name: writes go straight to the proposer where this is the name that its node has.
    pub name: String,
    /// `host:port` of JSON-RPC over HTTP.
    pub rpc: String,
    /// `host:port` of JSON-RPC over WebSocket.
    pub ws: String,
    /// Host that the certificates of both must be of; none for connections without TLS.
    pub tls_host: Option<String>,
}

/// Where an endpoint comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The operator wrote it: may be any address.
    Operator,
    /// A stranger registered it: not an address of the operator's own machines.
    Stranger,
}

/// An endpoint that requests cannot be sent to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not an http(s) or ws(s) URL.
    #[error("it is not an http or https URL")]
    Url,
    /// More than a host and a port.
    #[error("it has a path, a query or a user, which a load balancer cannot add to a request")]
    Extra,
    /// Not a host name of letters, digits, hyphens, underscores and dots.
    #[error("its host is no host name")]
    Host,
    /// TLS without a name to verify.
    #[error("it is https with an IP address, for which no certificate can be verified")]
    TlsAddress,
    /// An address of the load balancer's own machine or network.
    #[error("its host is an address of the load balancer's own machine or network")]
    Private,
    /// Endpoints for HTTP and WebSocket that differ in TLS or host.
    #[error("its WebSocket endpoint is on another host, or only one of both has TLS")]
    Mixed,
}

/// Host, port and whether TLS is spoken.
struct Place {
    address: String,
    tls_host: Option<String>,
}

impl Backend {
    /// The backend of an endpoint, which serves WebSocket too unless `ws` is given.
    ///
    /// # Errors
    /// [`EndpointError`]: why requests cannot be sent there.
    pub fn of(
        name: impl Into<String>,
        endpoint: &str,
        ws: Option<&str>,
        trust: Trust,
    ) -> Result<Self, EndpointError> {
        let rpc = place(endpoint, trust)?;
        let ws = ws.map_or_else(|| place(endpoint, trust), |ws| place(ws, trust))?;
        if ws.tls_host != rpc.tls_host {
            return Err(EndpointError::Mixed);
        }
        Ok(Self { name: name.into(), rpc: rpc.address, ws: ws.address, tls_host: rpc.tls_host })
    }

    /// Whether the load balancer has to look its address up.
    pub(crate) fn has_host_name(&self) -> bool {
        [&self.rpc, &self.ws].iter().any(|address| {
            let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
            host.trim_matches(['[', ']']).parse::<IpAddr>().is_err()
        })
    }
}

fn place(endpoint: &str, trust: Trust) -> Result<Place, EndpointError> {
    let url = Url::parse(endpoint).map_err(|_| EndpointError::Url)?;
    let (tls, default_port) = match url.scheme() {
        "http" | "ws" => (false, 80),
        "https" | "wss" => (true, 443),
        _ => return Err(EndpointError::Url),
    };
    let plain = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !plain {
        return Err(EndpointError::Extra);
    }
    let port = url.port().unwrap_or(default_port);
    let host = match url.host().ok_or(EndpointError::Host)? {
        Host::Domain(name) => {
            let word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if name.len() > MAX_HOST_BYTES || !name.chars().all(word) {
                return Err(EndpointError::Host);
            }
            let local = name == "localhost" || name.ends_with(".localhost");
            if trust == Trust::Stranger && local {
                return Err(EndpointError::Private);
            }
            let tls_host = tls.then(|| name.to_owned());
            return Ok(Place { address: format!("{name}:{port}"), tls_host });
        }
        Host::Ipv4(ip) => IpAddr::from(ip),
        Host::Ipv6(ip) => IpAddr::from(ip).to_canonical(),
    };
    if tls {
        return Err(EndpointError::TlsAddress);
    }
    if trust == Trust::Stranger && !is_public(host) {
        return Err(EndpointError::Private);
    }
    let address = match host {
        IpAddr::V4(ip) => format!("{ip}:{port}"),
        IpAddr::V6(ip) => format!("[{ip}]:{port}"),
    };
    Ok(Place { address, tls_host: None })
}

/// Whether an address can be that of another operator's machine.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            !(ip.is_unspecified()
                || ip.octets()[0] == 0
                || ip.is_loopback()
                || ip.is_private()
                || shared
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast())
        }
        IpAddr::V6(ip) => {
            !(ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.is_multicast())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        for (endpoint, rpc, tls) in [
            ("http://node.example:8545", "node.example:8545", None),
            ("http://node.example", "node.example:80", None),
            ("https://node.example/", "node.example:443", Some("node.example")),
            ("http://8.8.8.8:1", "8.8.8.8:1", None),
            ("http://[2606:4700::1111]:8545", "[2606:4700::1111]:8545", None),
        ] {
            let backend = Backend::of("a", endpoint, None, Trust::Stranger).unwrap();
            assert_eq!((backend.rpc.as_str(), backend.tls_host.as_deref()), (rpc, tls));
            assert_eq!(backend.ws, backend.rpc);
        }
        let ws = Some("ws://node-1:8546");
        let both = Backend::of("a", "http://node-1:8545", ws, Trust::Operator).unwrap();
        assert_eq!((both.rpc.as_str(), both.ws.as_str()), ("node-1:8545", "node-1:8546"));
        assert!(both.has_host_name());
        let ip = Backend::of("a", "http://[::1]:8545", None, Trust::Operator).unwrap();
        assert!(!ip.has_host_name());
    }

    #[test]
    fn hostile_endpoints_are_refused() {
        use EndpointError::{Extra, Host, Mixed, Private, TlsAddress, Url};
        for (endpoint, why) in [
            ("", Url),
            ("node:8545", Url),
            ("file:///etc/passwd", Url),
            ("unix@/run/haproxy.sock", Url),
            ("http://a b:80", Url),
            ("http://node\n    stats admin if TRUE:80", Url),
            ("http://node:99999", Url),
            ("http://user:secret@node:80", Extra),
            ("http://node/rpc", Extra),
            ("http://node?x", Extra),
            ("http://node/#", Extra),
            ("http://$HOME:80", Host),
            ("http://a\"b:80", Host),
            ("http://a{b}:80", Host),
            ("https://8.8.8.8", TlsAddress),
            ("http://127.0.0.1:8404", Private),
            ("http://0x7f.1", Private),
            ("http://0.0.0.0:80", Private),
            ("http://169.254.169.254", Private),
            ("http://10.1.2.3:8545", Private),
            ("http://100.64.0.1", Private),
            ("http://[::ffff:10.0.0.1]:80", Private),
            ("http://[fe80::1]:80", Private),
            ("http://[fd00::1]:80", Private),
            ("http://localhost:8404", Private),
        ] {
            assert_eq!(Backend::of("a", endpoint, None, Trust::Stranger), Err(why), "{endpoint:?}");
        }
        let long = format!("http://{}:80", "a".repeat(300));
        assert_eq!(Backend::of("a", &long, None, Trust::Stranger), Err(Host));
        let ws = Some("wss://node:1");
        assert_eq!(Backend::of("a", "http://node:1", ws, Trust::Operator), Err(Mixed));
    }
}
