//! The asking side.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::Bytes;
use ande_primitives::{Canonical, NodeId, NodeKey, Signature};
use reqwest::{Method, Response};
use url::Url;

use crate::{
    CheckpointRequest, HEADER_NONCE, HEADER_PEER, Hello, MAX_ANSWER_BYTES, MAX_BODY_BYTES,
    MAX_TRANSACTIONS_PER_MESSAGE, PATH_CHECKPOINT, PATH_HELLO, PATH_TRANSACTIONS, PeerError,
    PeerRefusal, RequestHead, TransactionList, answer_message, content_digest, hello_digest,
    wire::{hex_header, now_ms, signature_header},
};

/// Bytes of transactions put into one message.
const MESSAGE_BYTES: usize = 2 << 20;

/// A peer as the contract registers it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerTarget {
    /// Its identity.
    pub node_id: NodeId,
    /// Its public endpoint.
    pub url: Url,
}

impl PeerTarget {
    /// Takes an endpoint as written in the contract.
    ///
    /// # Errors
    /// [`PeerError::Endpoint`] unless it is an http or https URL with a host.
    pub fn new(node_id: NodeId, endpoint: &str) -> Result<Self, PeerError> {
        Url::parse(endpoint)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .map(|url| Self { node_id, url })
            .ok_or_else(|| PeerError::Endpoint(endpoint.to_owned()))
    }
}

/// Time limits of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerTimeouts {
    /// To open a connection.
    pub connect: Duration,
    /// From the start of a small request to the end of its answer.
    pub request: Duration,
    /// The same for a checkpoint, which the peer has to check first.
    pub checkpoint: Duration,
}

impl Default for PeerTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            request: Duration::from_secs(5),
            checkpoint: Duration::from_secs(15),
        }
    }
}

/// Asks other nodes. Cheap to clone; keeps connections open.
#[derive(Clone, Debug)]
pub struct PeerClient {
    key: NodeKey,
    l2_chain_id: u64,
    timeouts: PeerTimeouts,
    http: reqwest::Client,
    sent: Arc<AtomicU64>,
}

impl PeerClient {
    /// A client that signs with `key`.
    ///
    /// # Errors
    /// [`PeerError::Setup`] when the HTTP client cannot be set up.
    pub fn new(key: NodeKey, l2_chain_id: u64, timeouts: PeerTimeouts) -> Result<Self, PeerError> {
        let http = reqwest::Client::builder()
            .connect_timeout(timeouts.connect)
            .tcp_nodelay(true)
            // Below the idle limit of common proxies, so that a request meets no closing socket.
            .pool_idle_timeout(Duration::from_secs(20))
            // A peer is the registered endpoint and nothing else.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(PeerError::Setup)?;
        Ok(Self { key, l2_chain_id, timeouts, http, sent: Arc::default() })
    }

    /// Identity of this client.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.key.id()
    }

    /// Transactions that peers took from this client and its clones, once per peer.
    #[must_use]
    pub fn transactions_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Asks `url` who it is and requires the answer to be signed by `expected`.
    ///
    /// # Errors
    /// Any [`PeerError`]; [`PeerError::WrongPeer`] and [`PeerError::WrongChain`] name both sides.
    pub async fn hello(&self, url: &Url, expected: NodeId) -> Result<Hello, PeerError> {
        let nonce = rand::random();
        let response = self
            .http
            .get(join(url, PATH_HELLO))
            .header(HEADER_NONCE, hex::encode(nonce))
            .timeout(self.timeouts.request)
            .send()
            .await
            .map_err(|source| unreachable(url, source))?;
        let body = self.read(url, expected, hello_digest(&nonce), response).await?;
        let hello: Hello = serde_json::from_slice(&body)
            .map_err(|error| PeerError::Malformed(error.to_string()))?;
        if hello.node_id != expected {
            return Err(PeerError::WrongPeer {
                url: url.to_string(),
                expected,
                got: hello.node_id.to_string(),
            });
        }
        if hello.l2_chain_id != self.l2_chain_id {
            return Err(PeerError::WrongChain {
                url: url.to_string(),
                expected: self.l2_chain_id,
                got: hello.l2_chain_id,
            });
        }
        Ok(hello)
    }

    /// Hands over transactions, in as many messages as their size needs, in order.
    ///
    /// # Errors
    /// The first failure; earlier messages were taken.
    pub async fn send_transactions(
        &self,
        peer: &PeerTarget,
        transactions: &[Bytes],
    ) -> Result<(), PeerError> {
        let mut rest = transactions;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(message_length(rest));
            let body = TransactionList(now.to_vec()).to_canonical();
            self.post(peer, PATH_TRANSACTIONS, body, self.timeouts.request).await?;
            self.sent.fetch_add(now.len() as u64, Ordering::Relaxed);
            rest = later;
        }
        Ok(())
    }

    /// Asks for the signature of a checkpoint. Whose it is must be checked by the caller, who
    /// knows the committee.
    ///
    /// # Errors
    /// Any [`PeerError`]; [`PeerError::Refused`] with the peer's reason.
    pub async fn request_checkpoint(
        &self,
        peer: &PeerTarget,
        request: &CheckpointRequest,
    ) -> Result<Signature, PeerError> {
        let body = request.to_canonical();
        let answer = self.post(peer, PATH_CHECKPOINT, body, self.timeouts.checkpoint).await?;
        <[u8; 65]>::try_from(answer.as_slice())
            .map(Signature::from_bytes)
            .map_err(|_| PeerError::Malformed(format!("{} bytes are no signature", answer.len())))
    }

    async fn post(
        &self,
        peer: &PeerTarget,
        path: &'static str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Vec<u8>, PeerError> {
        if body.len() > MAX_BODY_BYTES {
            return Err(PeerError::TooLarge { bytes: body.len(), limit: MAX_BODY_BYTES });
        }
        let head = RequestHead {
            sender: self.key.id(),
            recipient: peer.node_id,
            l2_chain_id: self.l2_chain_id,
            method: "POST",
            path,
            content: content_digest(&body),
            time_ms: now_ms(),
            nonce: rand::random(),
        };
        let mut request = self.http.request(Method::POST, join(&peer.url, path)).timeout(timeout);
        for (name, value) in head.headers(&self.key) {
            request = request.header(name, value);
        }
        let response =
            request.body(body).send().await.map_err(|source| unreachable(&peer.url, source))?;
        self.read(&peer.url, peer.node_id, head.digest(), response).await
    }

    /// Reads an answer and believes it only when `expected` signed it for this request.
    async fn read(
        &self,
        url: &Url,
        expected: NodeId,
        request: alloy_primitives::B256,
        mut response: Response,
    ) -> Result<Vec<u8>, PeerError> {
        let status = response.status().as_u16();
        let responder = hex_header::<32>(response.headers(), HEADER_PEER);
        let signature = signature_header(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|source| unreachable(url, source))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(PeerError::Malformed(format!(
                    "the answer exceeds {MAX_ANSWER_BYTES} bytes"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        let Some(signature) = signature else {
            let text = String::from_utf8_lossy(&body).chars().take(200).collect();
            return Err(PeerError::Unsigned { url: url.to_string(), status, text });
        };
        if let Some(responder) = responder.filter(|id| *id != expected.0.0) {
            return Err(PeerError::WrongPeer {
                url: url.to_string(),
                expected,
                got: format!("0x{}", hex::encode(responder)),
            });
        }
        let message = answer_message(expected, request, status, content_digest(&body));
        if expected.verify(&message, &signature).is_err() {
            return Err(PeerError::BadSignature { url: url.to_string() });
        }
        if status == 200 {
            return Ok(body);
        }
        let reason = String::from_utf8_lossy(&body).chars().take(500).collect();
        Err(PeerError::Refused(PeerRefusal::from_status(status, reason)))
    }
}

fn unreachable(url: &Url, source: reqwest::Error) -> PeerError {
    PeerError::Unreachable { url: url.to_string(), source: source.without_url() }
}

/// The endpoint may have a path of its own in front of ours.
fn join(endpoint: &Url, path: &str) -> Url {
    let mut url = endpoint.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.set_path(&format!("{}{path}", endpoint.path().trim_end_matches('/')));
    url
}

/// How many of the transactions go into the next message; at least one.
fn message_length(transactions: &[Bytes]) -> usize {
    let mut bytes = 0;
    transactions
        .iter()
        .take(MAX_TRANSACTIONS_PER_MESSAGE)
        .take_while(|raw| {
            bytes += raw.len() + 4;
            bytes <= MESSAGE_BYTES
        })
        .count()
        .max(1)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;

    #[test]
    fn endpoints_are_checked_and_joined() {
        let id = NodeId(B256::ZERO);
        for bad in ["", "localhost:8545", "ftp://host/", "http://", "file:///etc", "ws://host"] {
            assert!(PeerTarget::new(id, bad).is_err(), "{bad:?}");
        }
        for (endpoint, joined) in [
            ("http://h:1", "http://h:1/peer/v1/hello"),
            ("https://h/", "https://h/peer/v1/hello"),
            ("https://h/node/?q=1#f", "https://h/node/peer/v1/hello"),
        ] {
            let url = PeerTarget::new(id, endpoint).map(|peer| join(&peer.url, PATH_HELLO));
            assert_eq!(url.ok().map(String::from).as_deref(), Some(joined));
        }
    }

    #[test]
    fn messages_are_cut_by_count_and_size() {
        let small = vec![Bytes::from_static(b"x"); MAX_TRANSACTIONS_PER_MESSAGE + 5];
        assert_eq!(message_length(&small), MAX_TRANSACTIONS_PER_MESSAGE);
        let large = vec![Bytes::from(vec![0; 128 << 10]); 40];
        assert_eq!(message_length(&large), 15);
        assert_eq!(message_length(&[Bytes::from(vec![0; MESSAGE_BYTES * 2])]), 1);
    }
}
