//! A chain whose proposer has an execution client that builds.

use std::{path::Path, sync::Arc};

use alloy_primitives::{B256, Bytes};
use ande_consensus::{Application as _, Verdict};
use ande_execution::{
    Attributes, EmbeddedExecutor, ExecHead, ExecutionError, Executor, ForcedInput, Payload,
    PayloadStatus, Recovery,
};
use ande_primitives::Round;
use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::{
    fixture::{Node, candidate, wallet},
    forced::{final_on, now, queue},
};

/// What the client builds.
enum Answer {
    Nothing,
    /// A block of these transactions in this order, changed.
    Of(Vec<Bytes>, fn(&mut Payload)),
}

/// The embedded EVM beside a builder that does as it is told.
struct WithBuilder {
    evm: EmbeddedExecutor,
    answer: Arc<Mutex<Answer>>,
}

#[async_trait]
impl Executor for WithBuilder {
    fn genesis(&self) -> Payload {
        self.evm.genesis()
    }

    async fn head(&self) -> ExecHead {
        self.evm.head().await
    }

    async fn propose_forced(
        &self,
        attributes: Attributes,
        forced: Vec<ForcedInput>,
        transactions: Vec<Bytes>,
    ) -> Result<Payload, ExecutionError> {
        self.evm.propose_forced(attributes, forced, transactions).await
    }

    async fn client_block(
        &self,
        attributes: &Attributes,
        _: &[Bytes],
    ) -> Result<Option<Payload>, ExecutionError> {
        match &*self.answer.lock().await {
            Answer::Nothing => Err(ExecutionError::Unavailable("the client is late".into())),
            Answer::Of(transactions, change) => {
                let mut payload = self.evm.propose(*attributes, transactions.clone()).await?;
                assert_eq!(payload.transactions, *transactions);
                change(&mut payload);
                Ok(Some(payload))
            }
        }
    }

    async fn validate_forced(
        &self,
        attributes: &Attributes,
        forced: Vec<ForcedInput>,
        payload: &Payload,
    ) -> Result<PayloadStatus, ExecutionError> {
        self.evm.validate_forced(attributes, forced, payload).await
    }

    async fn adopt(
        &self,
        attributes: &Attributes,
        payload: &Payload,
    ) -> Result<PayloadStatus, ExecutionError> {
        self.evm.adopt(attributes, payload).await
    }

    async fn commit(&self, hash: B256) -> Result<(), ExecutionError> {
        self.evm.commit(hash).await
    }

    async fn recover(&self, tip: Option<&Payload>) -> Result<Recovery, ExecutionError> {
        self.evm.recover(tip).await
    }
}

/// A proposer with a client, and a validator without.
struct Pair {
    proposer: Node,
    validator: Node,
    answer: Arc<Mutex<Answer>>,
    round: u32,
}

impl Pair {
    async fn open(dir_a: &Path, dir_b: &Path) -> Self {
        let answer = Arc::new(Mutex::new(Answer::Nothing));
        let builder = answer.clone();
        let proposer = Node::evm_with(dir_a, |evm| Arc::new(WithBuilder { evm, answer: builder }));
        let validator = Node::evm_with_sets(dir_b).await;
        Self { proposer: proposer.await, validator, answer, round: 0 }
    }

    /// What is proposed when the client gives this; the validator always agrees.
    async fn proposes(&mut self, answer: Answer) -> Vec<Bytes> {
        *self.answer.lock().await = answer;
        let round = Round(self.round);
        self.round += 1;
        let (start, block) = self.proposer.build(round).await;
        let transactions = block.transactions.clone();
        let verdict = self.validator.chain.validate(&start, &candidate(block, round)).await;
        assert_eq!(verdict, Verdict::Valid);
        transactions
    }

    /// Blocks taken, built again, and built without the client.
    fn counts(&self) -> [u64; 3] {
        let metrics = &self.proposer.metrics;
        [
            &metrics.client_blocks_taken,
            &metrics.client_blocks_rebuilt,
            &metrics.client_builds_failed,
        ]
        .map(ande_telemetry::Counter::get)
    }
}

fn of(transactions: &[&Bytes]) -> Answer {
    changed(transactions, |_| {})
}

fn changed(transactions: &[&Bytes], change: fn(&mut Payload)) -> Answer {
    Answer::Of(transactions.iter().copied().cloned().collect(), change)
}

fn change_header(payload: &mut Payload, change: impl FnOnce(&mut alloy::consensus::Header)) {
    let mut header = payload.decode_header().unwrap();
    change(&mut header);
    *payload = Payload::new(&header, payload.transactions.clone());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_chooses_is_proposed_in_the_order_of_the_chain() {
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut pair = Pair::open(dir_a.path(), dir_b.path()).await;
    let [low, high, unknown] = [(0, 1), (1, 9), (2, 5)].map(|(who, tip)| wallet(who).tip(0, tip));
    for raw in [&low, &high] {
        pair.proposer.pool.admit(raw.clone()).await.unwrap();
    }
    let ordered = [&high, &unknown, &low].map(Clone::clone);
    // A transaction that only the client had is as good as any.
    assert_eq!(pair.proposes(of(&[&high, &unknown, &low])).await, ordered);
    assert_eq!(pair.counts(), [1, 0, 0]);
    // Fewer than there are: what gets in is for the builder to say.
    assert_eq!(pair.proposes(of(&[&unknown])).await, std::slice::from_ref(&unknown));
    assert_eq!(pair.counts(), [2, 0, 0]);
    // Another order, as clients have it among equal tips.
    assert_eq!(pair.proposes(of(&[&low, &unknown, &high])).await, ordered);
    assert_eq!(pair.counts(), [2, 1, 0]);
    // Headers that this chain does not have.
    let headers: [fn(&mut Payload); 4] = [
        |payload| change_header(payload, |header| header.extra_data = "geth".into()),
        |payload| change_header(payload, |header| header.gas_limit += 1),
        |payload| change_header(payload, |header| header.state_root = B256::ZERO),
        |payload| change_header(payload, |header| header.base_fee_per_gas = Some(8)),
    ];
    for (index, change) in (2..).zip(headers) {
        assert_eq!(pair.proposes(changed(&[&high, &unknown, &low], change)).await, ordered);
        assert_eq!(pair.counts(), [2, index, 0]);
    }
    assert_eq!(pair.proposer.decide().await.block.transactions, ordered);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_block_of_use_the_embedded_evm_builds() {
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut pair = Pair::open(dir_a.path(), dir_b.path()).await;
    // Without transactions an empty block is right.
    assert!(pair.proposes(of(&[])).await.is_empty());
    assert_eq!(pair.counts(), [1, 0, 0]);
    let (low, high) = (wallet(0).tip(0, 1), wallet(1).tip(0, 9));
    for raw in [&low, &high] {
        pair.proposer.pool.admit(raw.clone()).await.unwrap();
    }
    let useless: [fn(&mut Payload); 4] = [
        |payload| payload.transactions = Vec::new(),
        |payload| payload.transactions = vec![Bytes::from_static(b"\x02nonsense")],
        |payload| payload.transactions = vec![Bytes::from(vec![0; 5 << 20])],
        |payload| payload.header = Bytes::from_static(b"nonsense"),
    ];
    let mut failed = 0;
    for change in useless {
        assert_eq!(pair.proposes(changed(&[&high], change)).await, [high.clone(), low.clone()]);
        failed += 1;
        assert_eq!(pair.counts(), [1, 0, failed]);
    }
    assert_eq!(pair.proposes(Answer::Nothing).await, [high, low]);
    assert_eq!(pair.counts(), [1, 0, failed + 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_begins_with_forced_transactions_is_not_left_to_the_client() {
    let (dir_a, dir_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut pair = Pair::open(dir_a.path(), dir_b.path()).await;
    let (forced, pooled) = (wallet(1).tip(0, 1), wallet(2).tip(0, 1));
    let entries = queue(std::slice::from_ref(&forced), now());
    for node in [&pair.proposer, &pair.validator] {
        final_on(node, &entries).await;
    }
    pair.proposer.pool.admit(pooled.clone()).await.unwrap();
    assert_eq!(pair.proposes(of(&[&pooled])).await, [forced, pooled]);
    assert_eq!(pair.counts(), [0, 0, 0]);
}
