//! Blocks that an execution client builds: two real clients, a server with the dialect of ev-reth,
//! and everything that can go wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;
mod engine_common;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_consensus::TxEip1559;
use alloy_primitives::{B256, Bytes, TxKind, U256};
use ande_execution::{
    Attributes, BlockBuilder, ClientHealth, EngineClient, EngineConfig, EngineExecutor, EvmGenesis,
    ExecutionError, Executor as _, Patience, Payload, PayloadSource, PayloadStatus,
};
use async_trait::async_trait;
use common::{CHAIN_ID, GWEI, Node, tx, wallet};
use engine_common::{
    ethereumjs::EthereumJs,
    ethrex::Ethrex,
    evolve::Evolve,
    fake::{FORKCHOICE, FakeEngine, GET_PAYLOAD, NEW_PAYLOAD, Reply, SEND, status},
    genesis_json,
};
use serde_json::json;

/// Nothing is stored: these clients never lack a block.
struct NoBlocks;

#[async_trait]
impl PayloadSource for NoBlocks {
    async fn payload(&self, _: u64) -> Result<Option<Payload>, ExecutionError> {
        Ok(None)
    }
}

/// A proposer with a client that builds, and a validator without one.
struct Pair {
    executor: EngineExecutor,
    validator: Node,
}

impl Pair {
    fn new(config: EngineConfig, builder: BlockBuilder, build: Duration) -> Self {
        let genesis = EvmGenesis::from_json(&genesis_json()).unwrap();
        let (proposer, validator) = (Node::with(genesis.clone()), Node::with(genesis));
        let client = EngineClient::new(EngineConfig { builder, ..config }).unwrap();
        let patience = Patience { build, verdict: Duration::from_secs(60), ..Patience::default() };
        let executor = EngineExecutor::new(proposer.executor, client, Arc::new(NoBlocks), patience);
        Self { executor, validator }
    }

    async fn ask(&self, transactions: &[Bytes]) -> Result<Payload, ExecutionError> {
        let attributes = self.validator.attributes().await;
        let built = self.executor.client_block(&attributes, transactions).await;
        built.map(|built| built.expect("there is a builder"))
    }

    async fn validate(&self, payload: &Payload) -> PayloadStatus {
        let attributes = self.validator.attributes().await;
        self.executor.validate(&attributes, payload).await.unwrap()
    }

    /// The proposer finds the client's block valid, the others do, and it is final.
    async fn decide(&self, payload: &Payload) {
        assert_eq!(self.validate(payload).await, PayloadStatus::Valid);
        self.validator.follow(payload).await;
        self.executor.commit(payload.hash()).await.unwrap();
        assert_eq!(self.executor.head().await, self.validator.executor.head().await);
    }
}

const LONG: Duration = Duration::from_secs(60);

fn transfer(sender: u64, nonce: u64, tip: u128) -> Bytes {
    wallet(sender).raw(TxEip1559 {
        gas_limit: 21_000,
        to: TxKind::Call(wallet(9).address),
        value: U256::from(1),
        max_priority_fee_per_gas: tip * GWEI,
        ..tx(nonce)
    })
}

/// Transactions of four senders in the order of the chain: by falling tip, each sender's by nonce.
fn by_tip(round: u64) -> Vec<Bytes> {
    let first = round * 2;
    vec![
        transfer(3, first, 9),
        transfer(1, first, 7),
        transfer(1, first + 1, 8),
        transfer(2, first, 5),
        transfer(3, first + 1, 4),
        transfer(2, first + 1, 3),
    ]
}

/// The client's own builder gives blocks of this chain as they have to be, one after the other.
async fn builds(pair: &Pair, log: &dyn Fn() -> String) {
    for round in 0..3 {
        let given = by_tip(round);
        let payload = match pair.ask(&given).await {
            Ok(payload) => payload,
            Err(error) => panic!("{error}\n{}", log()),
        };
        assert_eq!(payload.transactions, given, "round {round}:\n{}", log());
        pair.decide(&payload).await;
    }
    let empty = pair.ask(&[]).await.unwrap();
    assert!(empty.transactions.is_empty());
    pair.decide(&empty).await;
    assert_eq!(pair.executor.status().borrow().health, ClientHealth::Up);
}

const FILL: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn ethereumjs_builds_blocks_of_its_pool() {
    let server = EthereumJs::start(&genesis_json()).await;
    let pair = Pair::new(server.config(), BlockBuilder::Eth { fill: FILL }, LONG);
    builds(&pair, &|| server.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ethrex_builds_blocks_of_its_pool() {
    let server = Ethrex::start(&genesis_json()).await;
    let pair = Pair::new(server.config(), BlockBuilder::Eth { fill: FILL }, LONG);
    builds(&pair, &|| server.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ethrex_builds_blocks_of_given_transactions() {
    let server = Ethrex::start(&genesis_json()).await;
    // Its Engine API does not have the method.
    let pair = Pair::new(server.config(), BlockBuilder::Testing { url: None }, LONG);
    let error = pair.ask(&[]).await.unwrap_err();
    assert!(error.to_string().contains("testing_buildBlockV1 with error -32601"), "{error}");
    let builder = BlockBuilder::Testing { url: Some(server.rpc()) };
    let pair = Pair::new(server.config(), builder, LONG);
    builds(&pair, &|| server.log()).await;
    // It takes all or nothing.
    let error = pair.ask(&[transfer(1, 6, 1), transfer(1, 8, 1)]).await.unwrap_err();
    assert!(error.to_string().contains("testing_buildBlockV1 with error"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_transactions_with_the_attributes_builds_of_them() {
    let server = Evolve::start(&genesis_json()).await;
    let pair = Pair::new(server.config(), BlockBuilder::Evolve, LONG);
    builds(&pair, &String::new).await;
    // It skips what cannot be executed.
    let payload = pair.ask(&[transfer(1, 6, 1), transfer(1, 8, 1)]).await.unwrap();
    assert_eq!(payload.transactions, [transfer(1, 6, 1)]);
    pair.decide(&payload).await;
    let error = pair.ask(&[Bytes::from_static(b"\x02nonsense")]).await.unwrap_err();
    assert!(error.to_string().contains("Invalid payload attributes"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_clients_do_not_take_transactions_with_the_attributes_for_their_pool() {
    // The dialect matters: ethrex reads the attributes that it knows and builds of its empty pool.
    let server = Ethrex::start(&genesis_json()).await;
    let pair = Pair::new(server.config(), BlockBuilder::Evolve, LONG);
    let payload = pair.ask(&by_tip(0)).await.unwrap();
    assert!(payload.transactions.is_empty());
}

async fn with_fake(builder: BlockBuilder, build: Duration) -> (FakeEngine, Pair) {
    let genesis = EvmGenesis::from_json(&genesis_json()).unwrap();
    let fake = FakeEngine::start(CHAIN_ID, genesis.hash()).await;
    let pair = Pair::new(EngineConfig { request_timeout: LONG, ..fake.config() }, builder, build);
    (fake, pair)
}

fn eth() -> BlockBuilder {
    BlockBuilder::Eth { fill: Duration::ZERO }
}

fn begun(id: &str) -> Reply {
    Reply::Result(json!({"payloadStatus": status("VALID", None, None), "payloadId": id}))
}

const ID: &str = "0x0300000000000001";

#[tokio::test]
async fn who_is_not_to_build_is_not_asked() {
    let (fake, pair) = with_fake(BlockBuilder::Embedded, LONG).await;
    let attributes = pair.validator.attributes().await;
    assert_eq!(pair.executor.client_block(&attributes, &by_tip(0)).await, Ok(None));
    assert_eq!(fake.take_asked(), [""; 0]);
    // Neither for a block elsewhere than on the head, nor in a second that has one.
    let (fake, pair) = with_fake(eth(), LONG).await;
    let elsewhere = Attributes { parent_execution_hash: B256::repeat_byte(7), ..attributes };
    let error = pair.executor.client_block(&elsewhere, &[]).await.unwrap_err();
    assert!(matches!(error, ExecutionError::NotOnHead { .. }), "{error}");
    let same_second = Attributes { timestamp_ms: 999, ..attributes };
    let error = pair.executor.client_block(&same_second, &[]).await.unwrap_err();
    assert!(error.to_string().contains("one per second"), "{error}");
    assert_eq!(fake.take_asked(), [""; 0]);
}

#[tokio::test]
async fn the_client_is_asked_as_the_engine_api_has_it() {
    let (fake, pair) = with_fake(eth(), LONG).await;
    let attributes = pair.validator.attributes().await;
    let given = by_tip(0);
    let known = Reply::Error(-32000, "already known");
    fake.script(SEND, [known]);
    fake.script(FORKCHOICE, [begun(ID)]);
    fake.script(GET_PAYLOAD, [Reply::Result(json!(null))]);
    let error = pair.ask(&given).await.unwrap_err();
    assert!(error.to_string().contains("engine_getPayloadV3 makes no sense"), "{error}");
    let parent = attributes.parent_execution_hash;
    assert_eq!(
        fake.params(FORKCHOICE),
        json!([
            {"headBlockHash": parent, "safeBlockHash": parent, "finalizedBlockHash": parent},
            {
                "timestamp": format!("{:#x}", attributes.timestamp_ms / 1_000),
                "prevRandao": B256::ZERO,
                "suggestedFeeRecipient": attributes.fee_recipient,
                "withdrawals": [],
                "parentBeaconBlockRoot": attributes.parent_consensus_hash,
            }
        ])
    );
    assert_eq!(fake.params(GET_PAYLOAD), json!([ID]));
    assert_eq!(fake.params(SEND), json!([given[5]]));
    let asked = fake.take_asked();
    assert_eq!(asked.iter().filter(|method| *method == SEND).count(), given.len());
    // That it built nothing says nothing about its verdicts.
    assert_eq!(pair.executor.status().borrow().health, ClientHealth::Starting);
    let payload = pair.executor.propose(attributes, given).await.unwrap();
    pair.decide(&payload).await;
}

#[tokio::test]
async fn senseless_blocks_are_refused() {
    let (fake, pair) = with_fake(eth(), LONG).await;
    let genesis = EvmGenesis::from_json(&genesis_json()).unwrap();
    let right = engine_common::evolve::envelope(&Node::with(genesis).build(by_tip(0)).await);
    let changed = |field: &str, value: serde_json::Value| {
        let mut changed = right.clone();
        changed["executionPayload"][field] = value;
        changed
    };
    for (answer, text) in [
        (changed("stateRoot", json!(B256::ZERO)), "its hash is another one"),
        (changed("blockHash", json!(B256::ZERO)), "its hash is another one"),
        (changed("transactions", json!([])), "its hash is another one"),
        (changed("baseFeePerGas", json!(U256::MAX)), "its base fee exceeds 64 bits"),
        (
            changed(
                "withdrawals",
                json!([
                    {"index": "0x0", "validatorIndex": "0x0", "address": wallet(1).address, "amount": "0x1"}
                ]),
            ),
            "it has withdrawals",
        ),
        (changed("transactions", json!(["0x0"])), "makes no sense"),
        (changed("gasLimit", json!("much")), "makes no sense"),
        (json!({}), "makes no sense"),
    ] {
        fake.script(FORKCHOICE, [begun(ID)]);
        fake.script(GET_PAYLOAD, [Reply::Result(answer)]);
        let error = pair.ask(&by_tip(0)).await.unwrap_err();
        assert!(error.to_string().contains(text), "{error} is not {text}");
    }
    for (reply, text) in [
        (Reply::Result(json!({"payloadStatus": status("VALID", None, None)})), "began no block"),
        (begun("0x12"), "makes no sense"),
        (Reply::Error(-38003, "invalid attributes"), "invalid attributes"),
        (Reply::Status(503), "status 503"),
    ] {
        fake.script(FORKCHOICE, [reply]);
        let error = pair.ask(&by_tip(0)).await.unwrap_err();
        assert!(error.to_string().contains(text), "{error} is not {text}");
    }
    // One that is right in itself is handed on: the rules of the chain are for the caller.
    fake.script(FORKCHOICE, [begun(ID)]);
    fake.script(GET_PAYLOAD, [Reply::Result(right)]);
    let payload = pair.ask(&by_tip(0)).await.unwrap();
    pair.decide(&payload).await;
}

#[tokio::test]
async fn a_late_block_is_not_waited_for() {
    let (fake, pair) = with_fake(eth(), Duration::from_millis(200)).await;
    for (method, reply) in
        [(SEND, Reply::Hang), (FORKCHOICE, Reply::Hang), (GET_PAYLOAD, Reply::Hang)]
    {
        fake.script(FORKCHOICE, if method == GET_PAYLOAD { vec![begun(ID)] } else { vec![] });
        fake.script(method, [reply]);
        let begin = Instant::now();
        let error = pair.ask(&by_tip(0)).await.unwrap_err();
        assert!(error.to_string().contains("was not done within 200ms"), "{method}: {error}");
        assert!(begin.elapsed() < Duration::from_secs(30));
        fake.unscript();
    }
    let attributes = pair.validator.attributes().await;
    let payload = pair.executor.propose(attributes, by_tip(0)).await.unwrap();
    pair.decide(&payload).await;
}

#[tokio::test]
async fn a_client_that_failed_is_not_asked_to_build() {
    let (mut fake, pair) = with_fake(eth(), LONG).await;
    fake.stop().await;
    let error = pair.ask(&by_tip(0)).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    fake.resume().await;
    // Down is what gives no verdict; until it does again there is no block of it either.
    fake.script(NEW_PAYLOAD, [Reply::Status(404)]);
    let payload = pair.validator.build(by_tip(0)).await;
    assert!(matches!(pair.validate(&payload).await, PayloadStatus::Syncing(_)));
    fake.take_asked();
    let error = pair.ask(&by_tip(0)).await.unwrap_err();
    assert!(error.to_string().contains("is being brought back"), "{error}");
    assert_eq!(fake.take_asked(), [""; 0]);
    pair.decide(&payload).await;
    fake.script(FORKCHOICE, [begun(ID)]);
    fake.script(GET_PAYLOAD, [Reply::Error(-38001, "Unknown payload")]);
    let error = pair.ask(&by_tip(1)).await.unwrap_err();
    assert!(error.to_string().contains("Unknown payload"), "{error}");
}
