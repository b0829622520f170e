//! Two nodes over real sockets, and everything a hostile third one may try.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use alloy_primitives::{B256, Bytes, U256, keccak256};
use ande_peer::{
    CLOCK_WINDOW_MS, CheckpointRequest, HEADER_CONTENT, HEADER_NONCE, HEADER_PEER,
    HEADER_SIGNATURE, HEADER_TIME, Hello, MAX_BODY_BYTES, PATH_CHECKPOINT, PATH_HELLO,
    PATH_TRANSACTIONS, PeerAuth, PeerClient, PeerError, PeerHandler, PeerLimits, PeerRefusal,
    PeerTarget, PeerTimeouts, RequestHead, TransactionList, answer_message, content_digest, router,
};
use ande_primitives::{
    BatchHeader, Canonical, Checkpoint, DaPointer, Domain, Epoch, Era, Height, NodeId, NodeKey,
    Signature, Term, ValidatorKey,
};
use async_trait::async_trait;
use axum::{Router, response::IntoResponse};
use reqwest::StatusCode;
use tokio::sync::watch;

const CHAIN: u64 = 6174;

fn key(byte: u8) -> NodeKey {
    NodeKey::from_seed(&[byte; 32])
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64
}

#[derive(Default)]
struct Node {
    taken: Mutex<Vec<(NodeId, Vec<Bytes>)>>,
    slow: Option<Duration>,
    chain: Option<u64>,
}

impl Node {
    fn count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }
}

fn domain() -> Domain {
    Domain::new(31337, alloy_primitives::Address::repeat_byte(1), CHAIN)
}

fn validator() -> ValidatorKey {
    ValidatorKey::from_bytes(&[9; 32]).unwrap()
}

#[async_trait]
impl PeerHandler for Node {
    async fn hello(&self) -> Hello {
        Hello {
            node_id: key(1).id(),
            name: "node-1".into(),
            signer: Some(validator().address()),
            p2p_address: "127.0.0.1:30303".into(),
            version: "test".into(),
            l2_chain_id: self.chain.unwrap_or(CHAIN),
            height: Height(7),
        }
    }

    async fn transactions(&self, from: NodeId, list: Vec<Bytes>) -> Result<(), PeerRefusal> {
        if let Some(slow) = self.slow {
            tokio::time::sleep(slow).await;
        }
        if list.first().is_some_and(|raw| raw.as_ref() == b"full") {
            return Err(PeerRefusal::Unavailable("txpool is full".into()));
        }
        self.taken.lock().unwrap().push((from, list));
        Ok(())
    }

    async fn checkpoint(
        &self,
        _from: NodeId,
        request: CheckpointRequest,
    ) -> Result<Signature, PeerRefusal> {
        match request.header.batch_index {
            1 => Ok(validator()
                .sign_digest(domain().checkpoint_digest(&request.checkpoint))
                .unwrap()),
            2 => Err(PeerRefusal::Conflict("another batch 2 is signed".into())),
            _ => Err(PeerRefusal::Invalid("not this chain's batch".into())),
        }
    }
}

struct Server {
    node: Arc<Node>,
    allowed: watch::Sender<Arc<HashSet<NodeId>>>,
    target: PeerTarget,
}

async fn listen(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

async fn serve_with(node: Node, limits: PeerLimits) -> Server {
    let node = Arc::new(node);
    let (allowed, receiver) = watch::channel(Arc::new(HashSet::from([key(2).id()])));
    let auth = PeerAuth { limits, ..PeerAuth::new(key(1), CHAIN, receiver) };
    let address = listen(router(auth, node.clone())).await;
    let target = PeerTarget::new(key(1).id(), &format!("http://{address}")).unwrap();
    Server { node, allowed, target }
}

async fn serve() -> Server {
    serve_with(Node::default(), PeerLimits::default()).await
}

fn client(byte: u8) -> PeerClient {
    PeerClient::new(key(byte), CHAIN, PeerTimeouts::default()).unwrap()
}

fn body() -> Vec<u8> {
    TransactionList(vec![Bytes::from_static(b"tx")]).to_canonical()
}

fn head(body: &[u8]) -> RequestHead<'static> {
    RequestHead {
        sender: key(2).id(),
        recipient: key(1).id(),
        l2_chain_id: CHAIN,
        method: "POST",
        path: PATH_TRANSACTIONS,
        content: content_digest(body),
        time_ms: now_ms(),
        nonce: rand::random(),
    }
}

/// Sends whatever a hostile node likes.
async fn raw(
    server: &Server,
    path: &str,
    headers: impl IntoIterator<Item = (&'static str, String)>,
    body: Vec<u8>,
) -> (StatusCode, String) {
    let mut request = reqwest::Client::new().post(server.target.url.join(path).unwrap());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let response = request.body(body).send().await.unwrap();
    assert!(
        response.status() == 200 || response.headers().get(HEADER_SIGNATURE).is_none(),
        "a refusal before the sender is believed is not signed"
    );
    (response.status(), response.text().await.unwrap())
}

fn batch(index: u64) -> CheckpointRequest {
    let data = Bytes::from_static(b"batch data");
    let da = DaPointer::calldata(&data);
    let header = BatchHeader {
        era: Era(0),
        epoch: Epoch(0),
        batch_index: index,
        start_height: Height(1),
        end_height: Height(2),
        term: Term(0),
        forced_up_to: 0,
        tx_count: 1,
        parent_batch_hash: B256::repeat_byte(1),
        last_block_hash: B256::repeat_byte(2),
        state_root: B256::repeat_byte(3),
        tx_root: B256::repeat_byte(4),
        forced_acc: B256::ZERO,
        skips_hash: keccak256([]),
        fee_recipient: Default::default(),
    };
    let checkpoint = Checkpoint {
        era: header.era,
        epoch: header.epoch,
        batch_index: index,
        attempt: 0,
        parent_batch_hash: header.parent_batch_hash,
        content_hash: header.content_hash(),
        da_hash: da.da_hash(),
    };
    CheckpointRequest { checkpoint, header, da, skips: Bytes::new(), data, proofs: Bytes::new() }
}

#[tokio::test]
async fn peers_introduce_themselves_exchange_transactions_and_signatures() {
    let server = serve().await;
    let peer = client(2);
    let hello = peer.hello(&server.target.url, key(1).id()).await.unwrap();
    assert_eq!((hello.height, hello.p2p_address.as_str()), (Height(7), "127.0.0.1:30303"));

    let list: Vec<Bytes> = (0..5000u32).map(|n| Bytes::from(n.to_be_bytes().to_vec())).collect();
    peer.send_transactions(&server.target, &list).await.unwrap();
    assert_eq!(peer.transactions_sent(), 5000);
    let taken = server.node.taken.lock().unwrap().clone();
    assert!(taken.len() > 1, "more than one message");
    assert!(taken.iter().all(|(from, _)| *from == key(2).id()));
    assert_eq!(taken.into_iter().flat_map(|(_, list)| list).collect::<Vec<_>>(), list);

    let request = batch(1);
    let signature = peer.request_checkpoint(&server.target, &request).await.unwrap();
    let digest = domain().checkpoint_digest(&request.checkpoint);
    assert_eq!(signature.recover(digest), Ok(validator().address()));
}

#[tokio::test]
async fn refusals_arrive_with_their_reason() {
    let server = serve().await;
    let peer = client(2);
    let full = peer.send_transactions(&server.target, &[Bytes::from_static(b"full")]).await;
    let full = full.unwrap_err();
    assert!(full.is_transient());
    assert!(
        matches!(&full, PeerError::Refused(PeerRefusal::Unavailable(why)) if why == "txpool is full"),
        "{full}"
    );
    let conflict = peer.request_checkpoint(&server.target, &batch(2)).await.unwrap_err();
    assert!(matches!(conflict, PeerError::Refused(PeerRefusal::Conflict(_))), "{conflict}");
    let wrong = peer.request_checkpoint(&server.target, &batch(3)).await.unwrap_err();
    assert!(matches!(wrong, PeerError::Refused(PeerRefusal::Invalid(_))), "{wrong}");
    assert!(!wrong.is_transient());
}

#[tokio::test]
async fn checkpoint_parts_must_hash_to_what_is_signed() {
    let server = serve().await;
    let peer = client(2);
    let mutations: [fn(&mut CheckpointRequest); 6] = [
        |r| r.header.state_root = B256::ZERO,
        |r| r.da.commitment = B256::ZERO,
        |r| r.checkpoint.batch_index = 9,
        |r| r.skips = Bytes::from_static(b"x"),
        |r| r.data = Bytes::from_static(b"shorter"),
        |r| r.checkpoint.parent_batch_hash = B256::from(U256::from(5)),
    ];
    for (index, mutate) in mutations.into_iter().enumerate() {
        let mut request = batch(1);
        mutate(&mut request);
        let refused = peer.request_checkpoint(&server.target, &request).await.unwrap_err();
        assert!(
            matches!(refused, PeerError::Refused(PeerRefusal::Invalid(_))),
            "mutation {index}: {refused}"
        );
    }
}

#[test]
fn damaged_checkpoint_requests_are_refused_or_something_else() {
    let request = batch(1);
    assert_eq!(request.check_hashes(), Ok(()));
    let bytes = request.to_canonical();
    for cut in 0..bytes.len() {
        assert!(CheckpointRequest::from_canonical(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = CheckpointRequest::from_canonical(&flipped) {
            assert_ne!(other, request, "bit {bit}");
            assert_eq!(other.to_canonical(), flipped, "bit {bit} has two encodings");
        }
    }
}

#[tokio::test]
async fn only_registered_nodes_are_served_and_the_list_changes_at_runtime() {
    let server = serve().await;
    let stranger = client(3);
    let list = [Bytes::from_static(b"tx")];
    let refused = stranger.send_transactions(&server.target, &list).await.unwrap_err();
    assert!(matches!(refused, PeerError::Unsigned { status: 403, .. }), "{refused}");
    server.allowed.send(Arc::new(HashSet::from([key(3).id()]))).unwrap();
    stranger.send_transactions(&server.target, &list).await.unwrap();
    let refused = client(2).send_transactions(&server.target, &list).await.unwrap_err();
    assert!(matches!(refused, PeerError::Unsigned { status: 403, .. }), "{refused}");
    // An introduction is for everybody: a node must be able to find its peers first.
    client(4).hello(&server.target.url, key(1).id()).await.unwrap();
}

#[tokio::test]
async fn a_good_request_made_by_hand_is_accepted_once() {
    let server = serve().await;
    let body = body();
    let headers = head(&body).headers(&key(2));
    let (status, text) = raw(&server, PATH_TRANSACTIONS, headers.clone(), body.clone()).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, ""));
    for _ in 0..3 {
        let (status, text) = raw(&server, PATH_TRANSACTIONS, headers.clone(), body.clone()).await;
        assert_eq!(status, 401);
        assert_eq!(text, "the request was already received");
    }
    assert_eq!(server.node.count(), 1);
}

#[tokio::test]
async fn signatures_of_other_keys_nodes_chains_and_contents_are_refused() {
    let server = serve().await;
    let body = body();
    let good = head(&body);
    let cases = [
        ("signed by another key", good, key(3)),
        ("for another node", RequestHead { recipient: key(5).id(), ..good }, key(2)),
        ("for another chain", RequestHead { l2_chain_id: 1, ..good }, key(2)),
        ("for another path", RequestHead { path: PATH_CHECKPOINT, ..good }, key(2)),
        ("for another method", RequestHead { method: "PUT", ..good }, key(2)),
    ];
    for (what, head, signer) in cases {
        let (status, text) =
            raw(&server, PATH_TRANSACTIONS, head.headers(&signer), body.clone()).await;
        assert_eq!(status, 401, "{what}: {text}");
    }
    // Good signature, other body.
    let other = TransactionList(vec![Bytes::from_static(b"other")]).to_canonical();
    let (status, _) = raw(&server, PATH_TRANSACTIONS, good.headers(&key(2)), other).await;
    assert_eq!(status, 401);
    // Good request, brought to another route.
    let (status, _) =
        raw(&server, PATH_CHECKPOINT, head(&body).headers(&key(2)), body.clone()).await;
    assert_eq!(status, 401);
    // Each header altered after signing.
    for name in [HEADER_PEER, HEADER_TIME, HEADER_NONCE, HEADER_CONTENT, HEADER_SIGNATURE] {
        let mut headers = head(&body).headers(&key(2));
        for (header, value) in &mut headers {
            if *header == name {
                let last = value.pop().unwrap();
                value.push(if last == '1' { '2' } else { '1' });
            }
        }
        let (status, text) = raw(&server, PATH_TRANSACTIONS, headers, body.clone()).await;
        assert!(status == 401 || status == 403, "{name}: {status} {text}");
    }
    assert_eq!(server.node.count(), 0);
}

#[tokio::test]
async fn missing_doubled_and_malformed_headers_are_refused() {
    let server = serve().await;
    let body = body();
    for skip in 0..5 {
        let mut headers = head(&body).headers(&key(2)).to_vec();
        headers.remove(skip);
        let (status, _) = raw(&server, PATH_TRANSACTIONS, headers, body.clone()).await;
        assert_eq!(status, 401, "without header {skip}");
        let mut headers = head(&body).headers(&key(2)).to_vec();
        headers.push(headers[skip].clone());
        let (status, _) = raw(&server, PATH_TRANSACTIONS, headers, body.clone()).await;
        assert_eq!(status, 401, "header {skip} twice");
        for bad in ["", "0", "zz", "-1", "0xff", "1e3"] {
            let mut headers = head(&body).headers(&key(2)).to_vec();
            headers[skip].1 = bad.into();
            let (status, _) = raw(&server, PATH_TRANSACTIONS, headers, body.clone()).await;
            assert_eq!(status, 401, "header {skip} = {bad:?}");
        }
    }
    let (status, _) =
        raw(&server, "/peer/v1/transactions?x=1", head(&body).headers(&key(2)), body).await;
    assert_eq!(status, 400);
    assert_eq!(server.node.count(), 0);
}

#[tokio::test]
async fn stale_future_and_earlier_requests_are_refused() {
    let started = now_ms();
    let server = serve().await;
    let body = body();
    let now = now_ms();
    let times =
        [0, now - CLOCK_WINDOW_MS - 1000, now + CLOCK_WINDOW_MS + 5000, u64::MAX, started - 1];
    for time_ms in times {
        let head = RequestHead { time_ms, ..head(&body) };
        let (status, text) =
            raw(&server, PATH_TRANSACTIONS, head.headers(&key(2)), body.clone()).await;
        assert_eq!(status, 401, "{time_ms}: {text}");
    }
    // A clock that is ahead within the window is fine.
    let ahead = RequestHead { time_ms: now_ms() + CLOCK_WINDOW_MS / 2, ..head(&body) };
    let (status, _) = raw(&server, PATH_TRANSACTIONS, ahead.headers(&key(2)), body).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn oversized_and_damaged_bodies_are_refused() {
    let server = serve().await;
    let large = vec![1u8; MAX_BODY_BYTES + 1];
    let send = reqwest::Client::new()
        .post(server.target.url.join(PATH_TRANSACTIONS).unwrap())
        .headers(
            head(&large)
                .headers(&key(2))
                .into_iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect(),
        )
        .body(large)
        .send()
        .await;
    // The server answers without reading; the client may see the answer or the closed connection.
    assert!(send.is_err() || send.unwrap().status() == 413);

    let good = body();
    for cut in 0..good.len() {
        let damaged = good[..cut].to_vec();
        let (status, _) = raw_signed(&server, damaged).await;
        assert_eq!(status, 422, "cut at {cut}");
    }
    let mut trailing = good.clone();
    trailing.push(0);
    assert_eq!(raw_signed(&server, trailing).await.0, 422);
    let refused = client(2)
        .request_checkpoint(
            &server.target,
            &CheckpointRequest { data: Bytes::from(vec![0; MAX_BODY_BYTES]), ..batch(1) },
        )
        .await
        .unwrap_err();
    assert!(matches!(refused, PeerError::TooLarge { .. }), "{refused}");
    assert_eq!(server.node.count(), 0);
}

/// A well-signed request with any body; refusals of the content are signed.
async fn raw_signed(server: &Server, body: Vec<u8>) -> (StatusCode, String) {
    let mut request =
        reqwest::Client::new().post(server.target.url.join(PATH_TRANSACTIONS).unwrap());
    for (name, value) in head(&body).headers(&key(2)) {
        request = request.header(name, value);
    }
    let response = request.body(body).send().await.unwrap();
    assert!(response.headers().get(HEADER_SIGNATURE).is_some());
    (response.status(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_body_without_length_is_refused() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = serve().await;
    let host = server.target.url.host_str().unwrap();
    let address = format!("{host}:{}", server.target.url.port().unwrap());
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let body = body();
    let mut text = format!("POST {PATH_TRANSACTIONS} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    for (name, value) in head(&body).headers(&key(2)) {
        text += &format!("{name}: {value}\r\n");
    }
    text += "transfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 411"), "{answer}");
}

#[tokio::test]
async fn rate_and_concurrency_are_limited_per_peer() {
    let limits = PeerLimits { requests_per_second: 0, burst: 3, ..PeerLimits::default() };
    let server = serve_with(Node::default(), limits).await;
    server.allowed.send(Arc::new(HashSet::from([key(2).id(), key(3).id()]))).unwrap();
    let list = [Bytes::from_static(b"tx")];
    let peer = client(2);
    for _ in 0..3 {
        peer.send_transactions(&server.target, &list).await.unwrap();
    }
    let refused = peer.send_transactions(&server.target, &list).await.unwrap_err();
    assert!(matches!(refused, PeerError::Unsigned { status: 429, .. }), "{refused}");
    assert!(refused.is_transient());
    client(3).send_transactions(&server.target, &list).await.unwrap();

    let limits = PeerLimits { in_flight_per_peer: 1, ..PeerLimits::default() };
    let slow = Node { slow: Some(Duration::from_secs(3)), ..Node::default() };
    let server = serve_with(slow, limits).await;
    let both = tokio::join!(
        peer.send_transactions(&server.target, &list),
        peer.send_transactions(&server.target, &list),
    );
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
}

#[tokio::test]
async fn a_slow_handler_does_not_hold_the_answer_and_is_not_cancelled() {
    let limits = PeerLimits { answer_timeout: Duration::from_millis(50), ..PeerLimits::default() };
    let slow = Node { slow: Some(Duration::from_millis(300)), ..Node::default() };
    let server = serve_with(slow, limits).await;
    let list = [Bytes::from_static(b"tx")];
    let refused = client(2).send_transactions(&server.target, &list).await.unwrap_err();
    assert!(matches!(refused, PeerError::Refused(PeerRefusal::Unavailable(_))), "{refused}");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while server.node.count() == 0 {
        assert!(tokio::time::Instant::now() < deadline, "the work was cancelled");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_introduction_must_come_from_the_registered_node() {
    let server = serve().await;
    let wrong = client(2).hello(&server.target.url, key(5).id()).await.unwrap_err();
    assert!(matches!(wrong, PeerError::WrongPeer { .. }), "{wrong}");
    let other = serve_with(Node { chain: Some(1), ..Node::default() }, PeerLimits::default()).await;
    let wrong = client(2).hello(&other.target.url, key(1).id()).await.unwrap_err();
    assert!(matches!(wrong, PeerError::WrongChain { expected: CHAIN, got: 1, .. }), "{wrong}");
    let response = reqwest::get(server.target.url.join(PATH_HELLO).unwrap()).await.unwrap();
    assert_eq!(response.status(), 400, "no nonce");
}

/// A server that answers every request the same way.
async fn impostor(status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> PeerTarget {
    let app = Router::new().fallback(move || {
        let (headers, body) = (headers.clone(), body.clone());
        async move {
            let mut response = axum::response::Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(axum::body::Body::from(body)).unwrap().into_response()
        }
    });
    let address = listen(app).await;
    PeerTarget::new(key(1).id(), &format!("http://{address}")).unwrap()
}

#[tokio::test]
async fn forged_answers_are_not_believed() {
    let peer = client(2);
    let list = [Bytes::from_static(b"tx")];
    let silent = impostor(200, vec![], vec![]).await;
    let refused = peer.send_transactions(&silent, &list).await.unwrap_err();
    assert!(matches!(refused, PeerError::Unsigned { status: 200, .. }), "{refused}");

    // Signed by the right node, but for another request.
    let message = answer_message(key(1).id(), B256::ZERO, 200, content_digest(&[]));
    let replayed = vec![
        (HEADER_PEER, hex::encode(key(1).id().0)),
        (HEADER_SIGNATURE, hex::encode(key(1).sign(&message).0)),
    ];
    let target = impostor(200, replayed, vec![]).await;
    let refused = peer.send_transactions(&target, &list).await.unwrap_err();
    assert!(matches!(refused, PeerError::BadSignature { .. }), "{refused}");

    let foreign = vec![
        (HEADER_PEER, hex::encode(key(8).id().0)),
        (HEADER_SIGNATURE, hex::encode(key(8).sign(&message).0)),
    ];
    let target = impostor(200, foreign, vec![]).await;
    let refused = peer.send_transactions(&target, &list).await.unwrap_err();
    assert!(matches!(refused, PeerError::WrongPeer { .. }), "{refused}");

    let endless = impostor(200, vec![], vec![0; 1 << 20]).await;
    let refused = peer.send_transactions(&endless, &list).await.unwrap_err();
    assert!(matches!(refused, PeerError::Malformed(_)), "{refused}");

    let redirect = impostor(307, vec![("location", "http://127.0.0.1:1/".into())], vec![]).await;
    let refused = peer.send_transactions(&redirect, &list).await.unwrap_err();
    assert!(matches!(refused, PeerError::Unsigned { status: 307, .. }), "{refused}");

    let free = ande_ports::reserve().unwrap();
    let nobody = PeerTarget::new(key(1).id(), &format!("http://127.0.0.1:{free}")).unwrap();
    let refused = peer.send_transactions(&nobody, &list).await.unwrap_err();
    assert!(matches!(refused, PeerError::Unreachable { .. }), "{refused}");
}

#[tokio::test]
async fn a_man_in_the_middle_cannot_change_status_or_body() {
    let server = serve().await;
    let origin = server.target.url.clone();
    // Forwards everything, turns refusals into successes and signatures into other bytes.
    let app = Router::new().fallback(move |request: axum::extract::Request| {
        let origin = origin.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let mut forward = reqwest::Client::new().post(origin.join(parts.uri.path()).unwrap());
            for (name, value) in &parts.headers {
                if name.as_str().starts_with("x-ande") {
                    forward = forward.header(name, value);
                }
            }
            let answer = forward.body(body).send().await.unwrap();
            let mut response = axum::response::Response::builder();
            for (name, value) in answer.headers() {
                if name.as_str().starts_with("x-ande") {
                    response = response.header(name, value);
                }
            }
            let refused = answer.status() != 200;
            let mut bytes = answer.bytes().await.unwrap().to_vec();
            if !refused && let Some(byte) = bytes.first_mut() {
                *byte ^= 1;
            }
            response.status(200).body(axum::body::Body::from(bytes)).unwrap()
        }
    });
    let target = PeerTarget::new(key(1).id(), &format!("http://{}", listen(app).await)).unwrap();
    let peer = client(2);
    // An empty success passes unchanged through the proxy.
    peer.send_transactions(&target, &[Bytes::from_static(b"tx")]).await.unwrap();
    let refused = peer.send_transactions(&target, &[Bytes::from_static(b"full")]).await;
    assert!(matches!(refused, Err(PeerError::BadSignature { .. })), "{refused:?}");
    let refused = peer.request_checkpoint(&target, &batch(1)).await;
    assert!(matches!(refused, Err(PeerError::BadSignature { .. })), "{refused:?}");
}
