//! The answering side.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{B256, Bytes};
use ande_primitives::{Canonical, NodeId, NodeKey, Signature};
use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, HttpBody as _},
    extract::{Request, State},
    http::{HeaderMap, Response},
    routing::{get, post},
};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::{
    CLOCK_WINDOW_MS, CheckpointRequest, HEADER_CONTENT, HEADER_NONCE, HEADER_PEER,
    HEADER_SIGNATURE, HEADER_TIME, Hello, MAX_BODY_BYTES, PATH_CHECKPOINT, PATH_HELLO,
    PATH_TRANSACTIONS, PeerLimits, PeerRefusal, RequestHead, TransactionList, answer_message,
    content_digest, hello_digest,
    limits::Bucket,
    replay::{Fresh, ReplayCache},
    wire::{hex_header, node_id_header, now_ms, number_header, signature_header},
};

/// Nodes whose requests are served: those of all registered validators. Updated while running.
pub type AllowedPeers = watch::Receiver<Arc<HashSet<NodeId>>>;

/// Permits of the body budget count kibibytes.
const BODY_UNIT: usize = 1 << 10;
/// States kept of peers before those that are no longer allowed are dropped.
const STATES_BEFORE_CLEANING: usize = 1024;

/// What the node does for its peers.
#[async_trait]
pub trait PeerHandler: Send + Sync + 'static {
    /// Introduces this node, to anybody.
    async fn hello(&self) -> Hello;

    /// Takes transactions that `from` already acknowledged to its clients.
    async fn transactions(&self, from: NodeId, transactions: Vec<Bytes>)
    -> Result<(), PeerRefusal>;

    /// Checks a batch against this node's own chain and signs its checkpoint.
    async fn checkpoint(
        &self,
        from: NodeId,
        request: CheckpointRequest,
    ) -> Result<Signature, PeerRefusal>;
}

/// Who this node is and whom it serves.
#[derive(Clone, Debug)]
pub struct PeerAuth {
    /// Signs the answers.
    pub key: NodeKey,
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// Who may ask.
    pub allowed: AllowedPeers,
    /// How much they may ask.
    pub limits: PeerLimits,
}

impl PeerAuth {
    /// With default limits.
    #[must_use]
    pub fn new(key: NodeKey, l2_chain_id: u64, allowed: AllowedPeers) -> Self {
        Self { key, l2_chain_id, allowed, limits: PeerLimits::default() }
    }
}

/// The routes under `/peer/v1/`, to be merged into the public router.
pub fn router(auth: PeerAuth, handler: Arc<dyn PeerHandler>) -> Router {
    let limits = auth.limits;
    let gate = Arc::new(Gate {
        me: auth.key.id(),
        started_ms: now_ms(),
        peers: Mutex::default(),
        bodies: Arc::new(Semaphore::new(limits.body_bytes.div_ceil(BODY_UNIT))),
        hellos: Mutex::new(Bucket::new(limits.hellos_per_second, limits.hellos_per_second)),
        auth,
        handler,
    });
    Router::new()
        .route(PATH_HELLO, get(hello))
        .route(PATH_TRANSACTIONS, post(transactions))
        .route(PATH_CHECKPOINT, post(checkpoint))
        .with_state(gate)
}

struct Gate {
    auth: PeerAuth,
    me: NodeId,
    /// Nonces of requests made before the start are forgotten, so those requests are refused.
    started_ms: u64,
    handler: Arc<dyn PeerHandler>,
    peers: Mutex<HashMap<NodeId, PeerState>>,
    bodies: Arc<Semaphore>,
    hellos: Mutex<Bucket>,
}

struct PeerState {
    replay: ReplayCache,
    bucket: Bucket,
    in_flight: Arc<Semaphore>,
}

/// An authentic request. The permits are held until the answer is made.
struct Accepted {
    from: NodeId,
    digest: B256,
    body: bytes::Bytes,
    permits: [OwnedSemaphorePermit; 2],
}

/// A request that is turned away before its sender is believed; answered without a signature.
struct TurnedAway(u16, &'static str);

/// Status and body of an answer.
type Answer = (u16, Vec<u8>);

async fn hello(State(gate): State<Arc<Gate>>, headers: HeaderMap) -> Response<Body> {
    if !gate.hellos.lock().take(Instant::now()) {
        return unsigned(&TurnedAway(429, "too many introductions, ask again in a second"));
    }
    let Some(nonce) = hex_header::<16>(&headers, HEADER_NONCE) else {
        return unsigned(&TurnedAway(400, "an introduction needs a nonce of 16 bytes in hex"));
    };
    let hello = gate.handler.hello().await;
    match serde_json::to_vec(&hello) {
        Ok(body) => gate.signed(hello_digest(&nonce), (200, body)),
        Err(_) => unsigned(&TurnedAway(500, "the introduction cannot be encoded")),
    }
}

async fn transactions(State(gate): State<Arc<Gate>>, request: Request) -> Response<Body> {
    gate.serve(PATH_TRANSACTIONS, request, |handler, from, body| async move {
        let list = TransactionList::from_canonical(&body).map_err(invalid)?;
        handler.transactions(from, list.0).await.map(|()| Vec::new())
    })
    .await
}

async fn checkpoint(State(gate): State<Arc<Gate>>, request: Request) -> Response<Body> {
    gate.serve(PATH_CHECKPOINT, request, |handler, from, body| async move {
        let request = CheckpointRequest::from_canonical(&body).map_err(invalid)?;
        request.check_hashes().map_err(invalid)?;
        handler.checkpoint(from, request).await.map(|signature| signature.as_bytes().to_vec())
    })
    .await
}

fn invalid(reason: impl std::fmt::Display) -> PeerRefusal {
    PeerRefusal::Invalid(reason.to_string())
}

impl Gate {
    async fn serve<F, Fut>(&self, path: &'static str, request: Request, act: F) -> Response<Body>
    where
        F: FnOnce(Arc<dyn PeerHandler>, NodeId, bytes::Bytes) -> Fut,
        Fut: Future<Output = Result<Vec<u8>, PeerRefusal>> + Send + 'static,
    {
        let accepted = match self.accept(path, request).await {
            Ok(accepted) => accepted,
            Err(refused) => {
                tracing::debug!(path, status = refused.0, reason = refused.1, "peer turned away");
                return unsigned(&refused);
            }
        };
        let Accepted { from, digest, body, permits } = accepted;
        let work = act(self.handler.clone(), from, body);
        // In a task of its own: a peer that hangs up must not cancel work half way.
        let task = tokio::spawn(async move {
            let result = work.await;
            drop(permits);
            result
        });
        let answer = match tokio::time::timeout(self.auth.limits.answer_timeout, task).await {
            Ok(Ok(Ok(body))) => (200, body),
            Ok(Ok(Err(refusal))) => {
                tracing::debug!(path, peer = %from, reason = %refusal, "peer refused");
                (refusal.status(), refusal.to_string().into_bytes())
            }
            Ok(Err(_)) => (500, b"the request could not be handled".to_vec()),
            Err(_) => (503, b"the request took too long".to_vec()),
        };
        self.signed(digest, answer)
    }

    /// Judges a request. Everything that costs memory or time comes after the signature.
    async fn accept(&self, path: &'static str, request: Request) -> Result<Accepted, TurnedAway> {
        let (parts, body) = request.into_parts();
        let headers = &parts.headers;
        let malformed = TurnedAway(401, "the peer headers are missing or malformed");
        let (Some(sender), Some(time_ms), Some(nonce), Some(content), Some(signature)) = (
            node_id_header(headers),
            number_header(headers, HEADER_TIME),
            hex_header::<16>(headers, HEADER_NONCE),
            hex_header::<32>(headers, HEADER_CONTENT),
            signature_header(headers),
        ) else {
            return Err(malformed);
        };
        if parts.uri.query().is_some() {
            return Err(TurnedAway(400, "peer routes take no query"));
        }
        if !self.auth.allowed.borrow().contains(&sender) {
            return Err(TurnedAway(403, "not the node of a registered validator"));
        }
        let now = now_ms();
        if time_ms.abs_diff(now) > CLOCK_WINDOW_MS {
            return Err(TurnedAway(401, "the request's time is more than 30 s from this clock"));
        }
        if time_ms < self.started_ms {
            return Err(TurnedAway(401, "the request was made before this node started"));
        }
        // Exact when the length was announced or there is no body; unknown when chunked.
        let length = body
            .size_hint()
            .exact()
            .and_then(|length| usize::try_from(length).ok())
            .ok_or(TurnedAway(411, "the length of the body must be given"))?;
        if length > MAX_BODY_BYTES {
            return Err(TurnedAway(413, "the body is larger than 8 MiB"));
        }
        let head = RequestHead {
            sender,
            recipient: self.me,
            l2_chain_id: self.auth.l2_chain_id,
            method: parts.method.as_str(),
            path,
            content: B256::from(content),
            time_ms,
            nonce,
        };
        if sender.verify(&head.message(), &signature).is_err() {
            return Err(TurnedAway(401, "the signature does not fit this request and this node"));
        }
        let slot = self.admit(sender, nonce, time_ms, now)?;
        let body = self.read_body(body, length, B256::from(content)).await?;
        Ok(Accepted { from: sender, digest: head.digest(), body: body.0, permits: [slot, body.1] })
    }

    /// Rate, replay and concurrency of an authentic request.
    fn admit(
        &self,
        sender: NodeId,
        nonce: [u8; 16],
        time_ms: u64,
        now: u64,
    ) -> Result<OwnedSemaphorePermit, TurnedAway> {
        let limits = &self.auth.limits;
        let mut peers = self.peers.lock();
        if peers.len() > STATES_BEFORE_CLEANING {
            let allowed = self.auth.allowed.borrow();
            peers.retain(|id, _| allowed.contains(id));
        }
        let state = peers.entry(sender).or_insert_with(|| PeerState {
            replay: ReplayCache::default(),
            bucket: Bucket::new(limits.requests_per_second, limits.burst),
            in_flight: Arc::new(Semaphore::new(limits.in_flight_per_peer)),
        });
        if !state.bucket.take(Instant::now()) {
            return Err(TurnedAway(429, "too many requests"));
        }
        match state.replay.take(nonce, time_ms, now) {
            Fresh::Yes => {}
            Fresh::Replayed => return Err(TurnedAway(401, "the request was already received")),
            Fresh::Full => return Err(TurnedAway(429, "too many requests")),
        }
        state
            .in_flight
            .clone()
            .try_acquire_owned()
            .map_err(|_| TurnedAway(429, "too many requests at the same time"))
    }

    async fn read_body(
        &self,
        body: Body,
        length: usize,
        content: B256,
    ) -> Result<(bytes::Bytes, OwnedSemaphorePermit), TurnedAway> {
        // At most 8 Ki units, so the conversion cannot fail.
        let units = u32::try_from(length.div_ceil(BODY_UNIT)).unwrap_or(u32::MAX);
        let permit = tokio::time::timeout(
            Duration::from_secs(2),
            self.bodies.clone().acquire_many_owned(units),
        )
        .await
        .ok()
        .and_then(Result::ok)
        .ok_or(TurnedAway(503, "too many large requests at the same time"))?;
        let body =
            tokio::time::timeout(self.auth.limits.body_timeout, axum::body::to_bytes(body, length))
                .await
                .map_err(|_| TurnedAway(408, "the body did not arrive in time"))?
                .map_err(|_| TurnedAway(400, "the body cannot be read"))?;
        if content_digest(&body) != content {
            return Err(TurnedAway(401, "the body is not the signed one"));
        }
        Ok((body, permit))
    }

    fn signed(&self, request: B256, (status, body): Answer) -> Response<Body> {
        let message = answer_message(self.me, request, status, content_digest(&body));
        let signature = self.auth.key.sign(&message);
        respond(status, body, |response| {
            response
                .header(HEADER_PEER, hex::encode(self.me.0))
                .header(HEADER_SIGNATURE, hex::encode(signature.0))
        })
    }
}

fn unsigned(refused: &TurnedAway) -> Response<Body> {
    respond(refused.0, refused.1.as_bytes().to_vec(), |response| response)
}

fn respond(
    status: u16,
    body: Vec<u8>,
    add: impl FnOnce(axum::http::response::Builder) -> axum::http::response::Builder,
) -> Response<Body> {
    add(Response::builder().status(status))
        .body(Body::from(body))
        // Statuses and headers are all our own constants and hex.
        .unwrap_or_else(|_| Response::new(Body::empty()))
}
