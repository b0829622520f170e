//! The executor with an external client: every answer and every fault, and a real client that is
//! killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;
mod engine_common;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{B256, hex};
use ande_execution::{
    Attributes, ClientHealth, EngineClient, EngineConfig, EngineError, EngineExecutor,
    EngineStatus, EvmGenesis, ExecutionError, Executor, JwtSecret, Patience, Payload,
    PayloadSource, PayloadStatus, Recovery, check_engine_block_time,
};
use async_trait::async_trait;
use common::{CHAIN_ID, Node, after, wallet, with_header};
use engine_common::{
    ethereumjs::EthereumJs,
    ethrex::Ethrex,
    fake::{BLOCK, FORKCHOICE, FakeEngine, NEW_PAYLOAD, Reply, status},
    genesis_json,
    workload::Workload,
};
use parking_lot::Mutex;
use serde_json::json;

/// The blocks that are stored, as the database of a node has them.
#[derive(Default)]
struct Stored {
    payloads: Mutex<Vec<Payload>>,
    is_broken: Mutex<bool>,
}

#[async_trait]
impl PayloadSource for Stored {
    async fn payload(&self, number: u64) -> Result<Option<Payload>, ExecutionError> {
        if *self.is_broken.lock() {
            return Err(ExecutionError::Index("broken".into()));
        }
        let index = usize::try_from(number).unwrap().checked_sub(1);
        Ok(index.and_then(|index| self.payloads.lock().get(index).cloned()))
    }
}

/// A proposer without a client, and a node that follows it with one.
struct Pair {
    proposer: Node,
    follower: Node,
    stored: Arc<Stored>,
    executor: EngineExecutor,
    number: u64,
}

fn impatient() -> Patience {
    Patience {
        verdict: Duration::from_millis(1_500),
        build: Duration::from_millis(1_500),
        start: Duration::from_millis(1_500),
        first_pause: Duration::from_millis(10),
        longest_pause: Duration::from_millis(50),
    }
}

fn patient() -> Patience {
    let long = Duration::from_secs(60);
    Patience { verdict: long, start: long, ..impatient() }
}

impl Pair {
    fn new(client: EngineClient, patience: Patience) -> Self {
        let genesis = EvmGenesis::from_json(&genesis_json()).unwrap();
        let (proposer, follower) = (Node::with(genesis.clone()), Node::with(genesis));
        let stored = Arc::new(Stored::default());
        let executor =
            EngineExecutor::new(follower.executor.clone(), client, stored.clone(), patience);
        Self { proposer, follower, stored, executor, number: 0 }
    }

    /// The same node after a restart, with another client.
    fn reopen(&mut self, client: EngineClient, patience: Patience) {
        let embedded = self.follower.executor.clone();
        self.executor = EngineExecutor::new(embedded, client, self.stored.clone(), patience);
    }

    async fn attributes(&self) -> Attributes {
        self.proposer.attributes().await
    }

    /// The proposer's next block.
    async fn next(&mut self) -> Payload {
        let transfer = wallet(1).transfer(self.number, wallet(2).address, 1);
        self.number += 1;
        self.proposer.build(vec![transfer]).await
    }

    async fn validate(&self, payload: &Payload) -> PayloadStatus {
        self.executor.validate(&self.attributes().await, payload).await.unwrap()
    }

    /// The order of a node: durable, then head.
    async fn commit(&self, payload: &Payload) {
        self.stored.payloads.lock().push(payload.clone());
        self.executor.commit(payload.hash()).await.unwrap();
        self.proposer.follow(payload).await;
        assert_eq!(self.executor.head().await, self.proposer.executor.head().await);
    }

    /// A block that this node voted for.
    async fn vote(&mut self) -> Payload {
        let payload = self.next().await;
        assert_eq!(self.validate(&payload).await, PayloadStatus::Valid);
        self.commit(&payload).await;
        payload
    }

    /// A block that the others certified.
    async fn adopt(&mut self) -> Payload {
        let payload = self.next().await;
        let status = self.executor.adopt(&self.attributes().await, &payload).await.unwrap();
        assert_eq!(status, PayloadStatus::Valid);
        self.commit(&payload).await;
        payload
    }

    fn tip(&self) -> Option<Payload> {
        self.stored.payloads.lock().last().cloned()
    }

    async fn recover(&self) -> Result<Recovery, ExecutionError> {
        self.executor.recover(self.tip().as_ref()).await
    }
}

async fn fake() -> FakeEngine {
    let genesis = EvmGenesis::from_json(&genesis_json()).unwrap();
    FakeEngine::start(CHAIN_ID, genesis.hash()).await
}

async fn with_fake() -> (FakeEngine, Pair) {
    let fake = fake().await;
    let pair = Pair::new(fake.client(), impatient());
    (fake, pair)
}

#[track_caller]
fn assert_syncing(status: &PayloadStatus, text: &str) {
    match status {
        PayloadStatus::Syncing(reason) if reason.contains(text) => {}
        other => panic!("{other:?} is not Syncing with {text:?}"),
    }
}

#[tokio::test]
async fn the_client_gets_every_block_as_the_engine_api_has_it() {
    let (fake, mut pair) = with_fake().await;
    assert_eq!(pair.recover().await.unwrap(), Recovery::Ready);
    fake.take_asked();
    let payload = pair.next().await;
    assert_eq!(pair.validate(&payload).await, PayloadStatus::Valid);
    let params = fake.params(NEW_PAYLOAD);
    let header = payload.decode_header().unwrap();
    assert_eq!(params[0]["blockHash"], json!(payload.hash()));
    assert_eq!(params[0]["stateRoot"], json!(header.state_root));
    assert_eq!(params[0]["prevRandao"], json!(B256::ZERO));
    assert_eq!(params[0]["withdrawals"], json!([]));
    assert_eq!(params[0]["excessBlobGas"], "0x0");
    assert_eq!(params[0]["blockNumber"], "0x1");
    assert_eq!(params[0]["transactions"][0], json!(hex::encode_prefixed(&payload.transactions[0])));
    assert_eq!(params[0].as_object().unwrap().len(), 17);
    assert_eq!(params[1], json!([]));
    assert_eq!(params[2], json!(header.parent_beacon_block_root.unwrap()));
    // Asked once: neither the second validation nor the commit executes it again.
    assert_eq!(pair.validate(&payload).await, PayloadStatus::Valid);
    pair.commit(&payload).await;
    let hash = payload.hash();
    let state = json!({"headBlockHash": hash, "safeBlockHash": hash, "finalizedBlockHash": hash});
    assert_eq!(fake.params(FORKCHOICE), json!([state, null]));
    assert_eq!(fake.take_asked(), [NEW_PAYLOAD, FORKCHOICE]);
    assert_eq!(fake.head(), (1, hash));
}

#[tokio::test]
async fn the_proposer_asks_its_client_as_well() {
    let (fake, pair) = with_fake().await;
    let transfer = wallet(1).transfer(0, wallet(2).address, 1);
    let attributes = pair.attributes().await;
    let payload = pair.executor.propose(attributes, vec![transfer.clone()]).await.unwrap();
    assert_eq!(payload.transactions, std::slice::from_ref(&transfer));
    assert!(fake.take_asked().iter().any(|method| method == NEW_PAYLOAD));
    assert_eq!(pair.validate(&payload).await, PayloadStatus::Valid);
    assert_eq!(fake.take_asked(), [""; 0]);
    pair.commit(&payload).await;
    assert_eq!(fake.head().0, 1);

    let invalid = Reply::Result(status("INVALID", None, Some("bad state root")));
    fake.script(NEW_PAYLOAD, [invalid]);
    let error = pair.executor.propose(pair.attributes().await, vec![]).await.unwrap_err();
    assert!(matches!(&error, ExecutionError::Unavailable(text) if text.contains("bad state root")));

    // Two blocks of one second are fine for the embedded EVM and not for clients.
    let mut attributes = pair.attributes().await;
    attributes.timestamp_ms = pair.executor.head().await.timestamp * 1_000 + 999;
    let error = pair.executor.propose(attributes, vec![]).await.unwrap_err();
    assert!(error.to_string().contains("one per second"), "{error}");
    let payload = pair.proposer.executor.propose(attributes, vec![]).await.unwrap();
    let status = pair.executor.validate(&attributes, &payload).await.unwrap();
    assert!(matches!(status, PayloadStatus::Syncing(text) if text.contains("not after")));
}

#[tokio::test]
async fn what_the_embedded_evm_refuses_is_not_asked() {
    let (fake, mut pair) = with_fake().await;
    let wrong = with_header(&pair.next().await, |header| header.gas_used += 1);
    assert!(matches!(pair.validate(&wrong).await, PayloadStatus::Invalid(_)));
    assert_eq!(fake.take_asked(), [""; 0]);
}

#[tokio::test]
async fn a_client_of_another_opinion_is_named_and_not_voted_against() {
    let (fake, mut pair) = with_fake().await;
    let payload = pair.next().await;
    for (status, error, text) in [
        ("INVALID", Some("wrong\nroot"), "wrong root"),
        ("INVALID", None, "no reason given"),
        ("INVALID_BLOCK_HASH", None, "no reason given"),
    ] {
        fake.script(NEW_PAYLOAD, [Reply::Result(engine_common::fake::status(status, None, error))]);
        let status = pair.validate(&payload).await;
        let PayloadStatus::Syncing(reason) = status else { panic!("{status:?}") };
        assert!(reason.contains(text) && reason.contains("the execution client judges block 1"));
    }
    let health = pair.executor.status().borrow().health.clone();
    assert!(matches!(health, ClientHealth::Disagrees(text) if text.contains("block 1")));
    // The others certified it: it is followed, and the client asked again with the next block.
    let no = Reply::Result(status("INVALID", None, Some("still wrong")));
    fake.script(NEW_PAYLOAD, [no.clone()]);
    let status = pair.executor.adopt(&pair.attributes().await, &payload).await.unwrap();
    assert_eq!(status, PayloadStatus::Valid);
    pair.commit(&payload).await;
    assert_eq!(fake.head().0, 0);
    let next = pair.next().await;
    fake.script(NEW_PAYLOAD, [no]);
    assert_syncing(&pair.validate(&next).await, "judges block 1");
    assert_eq!(pair.validate(&next).await, PayloadStatus::Valid);
    pair.commit(&next).await;
    assert_eq!(fake.head(), (2, next.hash()));
}

#[tokio::test]
async fn passing_faults_are_tried_again() {
    let (fake, mut pair) = with_fake().await;
    let valid = |hash| Reply::Result(status("VALID", Some(hash), None));
    for fault in [
        Reply::Status(503),
        Reply::Status(429),
        Reply::Error(-32603, "internal"),
        Reply::Error(-32000, "busy"),
        Reply::Hang,
        Reply::Late(Duration::from_millis(100)),
        Reply::Result(status("SYNCING", None, None)),
        Reply::Result(status("ACCEPTED", None, None)),
    ] {
        let payload = pair.next().await;
        fake.script(NEW_PAYLOAD, [fault.clone()]);
        assert_eq!(pair.validate(&payload).await, PayloadStatus::Valid, "{fault:?}");
        fake.script(
            FORKCHOICE,
            [match fault {
                Reply::Result(status) => Reply::Result(json!({"payloadStatus": status})),
                fault => fault,
            }],
        );
        pair.commit(&payload).await;
        assert_eq!(fake.head(), (payload.number().unwrap(), payload.hash()));
        fake.unscript();
    }
    // A verdict without a hash is one, a verdict about another block is none.
    let payload = pair.next().await;
    fake.script(NEW_PAYLOAD, [valid(B256::ZERO)]);
    assert_syncing(&pair.validate(&payload).await, "makes no sense");
    fake.script(NEW_PAYLOAD, [Reply::Result(json!({"status": "VALID"}))]);
    assert_eq!(pair.validate(&payload).await, PayloadStatus::Valid);
}

#[tokio::test]
async fn senseless_answers_are_no_verdicts() {
    let (fake, mut pair) = with_fake().await;
    let payload = pair.next().await;
    let answer = |text: &str| Reply::Body(text.as_bytes().to_vec());
    for (reply, text) in [
        (answer(""), "makes no sense"),
        (answer("[]"), "makes no sense"),
        (answer("{"), "makes no sense"),
        (answer(r#"{"jsonrpc":"2.0","id":77777,"result":{"status":"VALID"}}"#), "another question"),
        (answer(r#"{"jsonrpc":"2.0","result":{"status":"VALID"}}"#), "another question"),
        (Reply::Body(b"\xff\xfe".to_vec()), "makes no sense"),
        (Reply::Body([b"[".repeat(100_000), b"]".repeat(100_000)].concat()), "makes no sense"),
        (Reply::Body(vec![b' '; 10 << 20]), "exceeds"),
        (Reply::Result(json!({"status": "PERHAPS"})), "makes no sense"),
        (Reply::Result(json!({"status": {}})), "makes no sense"),
        (Reply::Result(json!(null)), "makes no sense"),
        (Reply::Result(json!({"status": "VALID", "latestValidHash": "0x1"})), "makes no sense"),
        (Reply::Error(-32601, "the method does not exist"), "-32601"),
        (Reply::Error(-38005, "unsupported fork"), "unsupported fork"),
        (Reply::Status(401), "refuses the token"),
        (Reply::Status(403), "refuses the token"),
        (Reply::Status(404), "status 404"),
        (Reply::Status(301), "status 301"),
    ] {
        fake.script(NEW_PAYLOAD, [reply]);
        assert_syncing(&pair.validate(&payload).await, text);
        fake.unscript();
    }
    let answers = [
        json!({"number": "0x0"}),
        json!({"number": "zero", "hash": B256::ZERO}),
        json!({"number": "0xffffffffffffffffff", "hash": B256::ZERO}),
        json!("0x"),
    ];
    for result in answers {
        fake.script(BLOCK, [Reply::Result(result)]);
        assert_syncing(&pair.validate(&payload).await, "makes no sense");
        fake.unscript();
    }
    assert_eq!(pair.validate(&payload).await, PayloadStatus::Valid);
}

#[tokio::test]
async fn a_client_that_is_down_stops_votes_and_not_the_node() {
    let (mut fake, mut pair) = with_fake().await;
    pair.vote().await;
    fake.stop().await;
    let payload = pair.next().await;
    let begin = Instant::now();
    assert_syncing(&pair.validate(&payload).await, "cannot be reached");
    assert!(begin.elapsed() >= Duration::from_secs(1), "it was not tried again");
    let health = pair.executor.status().borrow().health.clone();
    assert!(matches!(health, ClientHealth::Down(text) if text.contains("cannot be reached")));
    let error = pair.executor.propose(pair.attributes().await, vec![]).await.unwrap_err();
    assert!(matches!(error, ExecutionError::Unavailable(_)));
    pair.number -= 1;
    for _ in 0..5 {
        pair.adopt().await;
    }
    assert_eq!(fake.head().0, 1);
    fake.resume().await;
    // The first vote brings everything that it missed. While the client is being brought back
    // there is none.
    let payload = pair.next().await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while pair.validate(&payload).await != PayloadStatus::Valid {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    pair.commit(&payload).await;
    let status = pair.executor.status().borrow().clone();
    assert_eq!((status.health, status.head, status.fed), (ClientHealth::Up, 7, 5));
    assert!(status.failures > 0);
    assert_eq!(fake.head(), (7, payload.hash()));
}

#[tokio::test]
async fn a_client_that_hangs_is_waited_for_within_the_limit() {
    let (fake, mut pair) = with_fake().await;
    let payload = pair.next().await;
    fake.script(NEW_PAYLOAD, std::iter::repeat_n(Reply::Hang, 10));
    let begin = Instant::now();
    assert_syncing(&pair.validate(&payload).await, "did not answer engine_newPayloadV3");
    assert!(begin.elapsed() < Duration::from_secs(10));
    fake.unscript();
    assert_eq!(pair.validate(&payload).await, PayloadStatus::Valid);
    fake.script(FORKCHOICE, std::iter::repeat_n(Reply::Hang, 10));
    pair.commit(&payload).await;
    fake.unscript();
    pair.vote().await;
    assert_eq!(fake.head().0, 2);
}

#[tokio::test]
async fn a_client_that_lost_blocks_or_states_gets_them_again() {
    let (fake, mut pair) = with_fake().await;
    for _ in 0..12 {
        pair.vote().await;
    }
    fake.lose(7);
    pair.vote().await;
    assert_eq!(fake.head().0, 13);
    // The blocks are there, their states are not.
    fake.lose_states(2);
    pair.vote().await;
    assert_eq!(fake.head().0, 14);
    fake.lose(0);
    *pair.stored.is_broken.lock() = true;
    let payload = pair.next().await;
    assert_syncing(&pair.validate(&payload).await, "broken");
    *pair.stored.is_broken.lock() = false;
    let first = pair.stored.payloads.lock().split_off(0);
    assert_syncing(&pair.validate(&payload).await, "needs block 1");
    *pair.stored.payloads.lock() = first;
    assert_eq!(pair.validate(&payload).await, PayloadStatus::Valid);
    pair.commit(&payload).await;
    assert_eq!(fake.head().0, 15);
}

#[tokio::test]
async fn recovery_compares_the_chains() {
    let (fake, mut pair) = with_fake().await;
    for _ in 0..4 {
        pair.vote().await;
    }
    let head = fake.head();
    // Behind: it gets the blocks at once.
    fake.lose(1);
    pair.reopen(fake.client(), impatient());
    assert_eq!(pair.recover().await.unwrap(), Recovery::Ready);
    assert_eq!(fake.head(), head);

    let recover_error = async |pair: &mut Pair| {
        pair.reopen(fake.client(), impatient());
        pair.recover().await.unwrap_err()
    };
    // Ahead of what is stored.
    fake.put(5, B256::repeat_byte(5));
    let error = recover_error(&mut pair).await;
    assert!(matches!(&error, ExecutionError::Recover(text) if text.contains("at block 5")));
    // Another block at the tip, and below it.
    for number in [4, 2] {
        fake.put(number, B256::repeat_byte(9));
        let error = recover_error(&mut pair).await;
        let text = format!("block {number} is 0x0909");
        assert!(matches!(&error, ExecutionError::Recover(got) if got.contains(&text)), "{error}");
    }
    fake.put(0, B256::repeat_byte(1));
    let error = recover_error(&mut pair).await;
    assert!(matches!(&error, ExecutionError::Recover(text) if text.contains("has the genesis")));
    fake.set_chain_id(1);
    let error = recover_error(&mut pair).await;
    assert!(matches!(&error, ExecutionError::Recover(text) if text.contains("chain id 1")));
}

#[tokio::test]
async fn a_node_that_lost_its_state_replays_beside_a_client_that_did_not() {
    let (fake, mut pair) = with_fake().await;
    for _ in 0..3 {
        pair.vote().await;
    }
    let head = fake.head();
    let genesis = EvmGenesis::from_json(&genesis_json()).unwrap();
    pair.follower = Node::with(genesis);
    pair.reopen(fake.client(), impatient());
    assert_eq!(pair.recover().await.unwrap(), Recovery::Behind { number: 0 });
    fake.take_asked();
    let payloads = pair.stored.payloads.lock().clone();
    for payload in payloads {
        let header = payload.decode_header().unwrap();
        let attributes = Attributes {
            timestamp_ms: header.timestamp * 1_000 + 345,
            ..after(&pair.executor.head().await)
        };
        let status = pair.executor.adopt(&attributes, &payload).await.unwrap();
        assert_eq!(status, PayloadStatus::Valid);
        pair.executor.commit(payload.hash()).await.unwrap();
    }
    assert_eq!(fake.take_asked(), [""; 0], "the client is ahead and must not go back");
    assert_eq!(fake.head(), head);
    pair.vote().await;
    assert_eq!(fake.head().0, 4);
}

#[tokio::test]
async fn recovery_waits_for_the_client_to_start() {
    let (mut fake, mut pair) = with_fake().await;
    fake.stop().await;
    let error = pair.recover().await.unwrap_err();
    assert!(matches!(&error, ExecutionError::Unavailable(text) if text.contains("reached")));
    pair.reopen(fake.client(), patient());
    let (recovery, ()) = tokio::join!(pair.recover(), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        fake.resume().await;
    });
    assert_eq!(recovery.unwrap(), Recovery::Ready);
}

#[tokio::test]
async fn wrong_secrets_and_urls_are_named() {
    let fake = fake().await;
    let mut config = fake.config();
    config.secret = JwtSecret::from_hex(&"77".repeat(32)).unwrap();
    let client = EngineClient::new(config.clone()).unwrap();
    assert_eq!(client.head().await, Err(EngineError::Unauthorized));
    config.url = "ws://127.0.0.1:1".parse().unwrap();
    assert!(matches!(EngineClient::new(config), Err(EngineError::Setup(_))));
    let nobody = EngineConfig::new("http://127.0.0.1:1".parse().unwrap(), fake.config().secret);
    let error = EngineClient::new(nobody).unwrap().head().await.unwrap_err();
    assert!(matches!(error, EngineError::Unreachable(_)), "{error}");
}

#[test]
fn block_times_below_one_second_are_refused() {
    assert!(check_engine_block_time(Duration::from_secs(1)).is_ok());
    let error = check_engine_block_time(Duration::from_millis(999)).unwrap_err();
    assert!(error.to_string().contains("999ms is too short"), "{error}");
}

/// Two nodes, one with and one without a client, on the same blocks; the client is killed twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_client_that_is_killed_goes_on_where_the_chain_is() {
    let mut server = EthereumJs::start(&genesis_json()).await;
    let mut pair = Pair::new(server.client(), patient());
    assert_eq!(pair.recover().await.unwrap(), Recovery::Ready);
    let mut workload = Workload::new(7);
    let grow = async |pair: &Pair, workload: &mut Workload, is_up: bool| {
        let transactions = workload.block(10);
        let attributes = pair.attributes().await;
        // The nodes take turns as long as both can.
        let payload = if is_up && attributes.number % 2 == 0 {
            let payload = pair.executor.propose(attributes, transactions).await.unwrap();
            assert_eq!(pair.proposer.validate(&payload).await, PayloadStatus::Valid);
            payload
        } else {
            pair.proposer.build(transactions).await
        };
        if is_up {
            assert_eq!(pair.validate(&payload).await, PayloadStatus::Valid);
        } else {
            let status = pair.executor.adopt(&attributes, &payload).await.unwrap();
            assert_eq!(status, PayloadStatus::Valid);
        }
        pair.commit(&payload).await;
    };
    for _ in 0..4 {
        grow(&pair, &mut workload, true).await;
    }
    for blocks_without in [0, 3] {
        server.kill();
        pair.reopen(server.client(), impatient());
        for _ in 0..blocks_without {
            grow(&pair, &mut workload, false).await;
        }
        server.restart().await;
        let kept = server.client().head().await.unwrap();
        println!(
            "killed, the client has block {} of {}",
            kept.number,
            pair.executor.head().await.number
        );
        pair.reopen(server.client(), patient());
        for _ in 0..2 {
            grow(&pair, &mut workload, true).await;
        }
        let (ours, theirs) = (pair.executor.head().await, server.client().head().await.unwrap());
        assert_eq!((ours.number, ours.hash), (theirs.number, theirs.hash), "{}", server.log());
    }
    // A node that starts anew finds the client where it was.
    pair.reopen(server.client(), patient());
    assert_eq!(pair.recover().await.unwrap(), Recovery::Ready);
    let known = server.client().new_payload(&pair.tip().unwrap()).await;
    assert_eq!(known, Ok(EngineStatus::Valid));
}

/// A real client that stands still and goes on, and one that is started anew without its data.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_client_that_stands_still_or_lost_everything_comes_back() {
    let mut server = Ethrex::start(&genesis_json()).await;
    // Short for a client that stands still, long for one on a busy machine.
    let patience = Patience { verdict: Duration::from_secs(8), ..patient() };
    let mut pair = Pair::new(server.client(), patience);
    let votes = async |pair: &mut Pair, server: &Ethrex| {
        let payload = pair.next().await;
        let deadline = Instant::now() + Duration::from_secs(120);
        while pair.validate(&payload).await != PayloadStatus::Valid {
            assert!(Instant::now() < deadline, "{:?}\n{}", pair.executor.status(), server.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        pair.commit(&payload).await;
    };
    for _ in 0..3 {
        votes(&mut pair, &server).await;
    }
    server.freeze(true);
    let payload = pair.next().await;
    assert_syncing(&pair.validate(&payload).await, "was not done within");
    let health = pair.executor.status().borrow().health.clone();
    assert!(matches!(health, ClientHealth::Down(_)), "{health:?}");
    pair.number -= 1;
    for _ in 0..5 {
        pair.adopt().await;
    }
    server.freeze(false);
    votes(&mut pair, &server).await;
    assert_eq!(server.client().head().await.unwrap().number, 9);

    server.kill();
    server.restart().await;
    assert_eq!(server.client().head().await.unwrap().number, 0);
    for _ in 0..2 {
        votes(&mut pair, &server).await;
    }
    let (ours, theirs) = (pair.executor.head().await, server.client().head().await.unwrap());
    assert_eq!((ours.number, ours.hash), (theirs.number, theirs.hash), "{}", server.log());
    assert_eq!(pair.executor.status().borrow().health, ClientHealth::Up);
}
