//! The reader on a real chain: sets by epoch at final blocks, outages, replaced chains.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use ande_l1::{
    Finality, L1Config, L1Reader, L1View, Pace, ReaderError,
    test_support::{Liar, Plan, TestL1, eventually},
};
use ande_primitives::{Epoch, Height};
use ande_store::{Store, StoreError};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

const PLAN: Plan = Plan { rotation: 10, windows: 3, min_validators: 4 };

struct Reader {
    view: watch::Receiver<L1View>,
    task: JoinHandle<Result<(), ReaderError>>,
    shutdown: CancellationToken,
    client: ande_l1::L1Client,
    pace: Pace,
}

impl Reader {
    fn start(l1: &TestL1, store: &Store, finality: Finality) -> Self {
        Self::with(l1.config(finality), store)
    }

    fn with(config: ande_l1::L1Config, store: &Store) -> Self {
        let reader = L1Reader::connect(config).unwrap();
        let client = reader.client().clone();
        let pace = reader.pace();
        let shutdown = CancellationToken::new();
        let (view, task) = reader.spawn(store.clone(), shutdown.clone());
        Self { view, task, shutdown, client, pace }
    }

    async fn until(&self, what: &str, condition: impl Fn(&L1View) -> bool) -> L1View {
        let view = &self.view;
        eventually(what, async || Some(view.borrow().clone()).filter(|view| condition(view))).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn sets_are_read_by_epoch_once_final() {
    let l1 = TestL1::start(PLAN).await;
    let dir = tempfile::tempdir().unwrap();
    let store = common::store(&l1, dir.path()).await;
    let reader = Reader::start(&l1, &store, Finality::Finalized);
    let validators = common::validators(4);
    for validator in &validators[..3] {
        l1.register(validator).await;
    }
    let view = reader.until("three are registered", |view| view.validators.len() == 3).await;
    assert!(!view.launched);
    assert_eq!(view.validators[1].rpc_endpoint, validators[1].endpoint);
    assert_eq!(view.validators[1].node_id, validators[1].node.id());
    assert_eq!(view.validator_of(validators[2].key.address()).map(|v| v.id), Some(3));

    // The fourth registration launches, but two more blocks are needed for finality.
    l1.register(&validators[3]).await;
    let view = reader.until("four are registered", |view| view.validators.len() == 4).await;
    assert!(!view.launched, "launched in a block that is not final");
    assert_eq!(store.last_set().await.unwrap(), None);

    l1.mine(2).await;
    let view = reader.until("launched", |view| view.launched).await;
    assert_eq!(view.last_frozen_epoch, Some(Epoch(1)));
    assert_eq!(view.tip.map(|tip| (tip.index, tip.end_height)), Some((0, Height(0))));
    for epoch in [0, 1] {
        let set = store.set(Epoch(epoch)).await.unwrap().expect("stored before the view says so");
        assert_eq!(set.committee.size(), 4);
        assert_eq!(set.committee.total_weight(), 4_000);
        assert_eq!(set.committee.members()[3].signer, validators[3].key.address());
        assert!(set.l1_block <= view.final_block);
        // What the contract says of the schedule is what the set says.
        for height in [0, 9, 10, 25, 29].map(|height| height + epoch * 30) {
            let call = ande_contracts::AndeConsensus::proposerAt_1Call { height, skip: 1 };
            let at = alloy::eips::BlockId::latest();
            let proposer = l1.client().call(l1.consensus, &call, at).await.unwrap();
            let skip = ande_primitives::Skip(1);
            assert_eq!(set.proposer_address(Height(height), skip), proposer, "height {height}");
        }
    }
    assert_eq!(store.set(Epoch(2)).await.unwrap(), None);
    reader.stop().await;

    // A second start checks the stored sets and goes on.
    let reader = Reader::start(&l1, &store, Finality::Finalized);
    reader.until("read again", |view| view.launched && view.is_up()).await;
    reader.stop().await;
}

#[tokio::test]
async fn an_idle_chain_costs_one_request_per_look() {
    let l1 = TestL1::start(Plan { min_validators: 1, ..PLAN }).await;
    l1.register(&common::validators(1)[0]).await;
    l1.mine(3).await;
    let dir = tempfile::tempdir().unwrap();
    let store = common::store(&l1, dir.path()).await;
    let reader = Reader::start(&l1, &store, Finality::Finalized);
    reader.until("launched", |view| view.launched).await;
    let before = reader.client.requests();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = reader.client.requests() - before;
    assert!(idle <= 22, "{idle} requests in 2 s at 10 looks per second");
    // A block without events costs three.
    let before = reader.client.requests();
    let latest = reader.view.borrow().latest;
    l1.mine(1).await;
    reader.until("the block is seen", |view| view.latest > latest).await;
    let busy = reader.client.requests() - before;
    assert!(busy <= 8, "{busy} requests for an empty block");
    reader.stop().await;
}

#[tokio::test]
async fn who_waits_for_nothing_looks_seldom() {
    let l1 = TestL1::start(Plan { min_validators: 1, ..PLAN }).await;
    l1.register(&common::validators(1)[0]).await;
    l1.mine(3).await;
    let dir = tempfile::tempdir().unwrap();
    let store = common::store(&l1, dir.path()).await;
    let idle_interval = Duration::from_secs(3_600);
    let config = L1Config { idle_interval, ..l1.config(Finality::Finalized) };
    let reader = Reader::with(config, &store);
    reader.until("launched", |view| view.launched).await;
    reader.pace.set_waiting(false);
    let quiet = eventually("nothing is asked for a second", async || {
        let before = reader.client.requests();
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some(before).filter(|before| reader.client.requests() == *before)
    })
    .await;
    let latest = reader.view.borrow().latest;
    l1.mine(1).await;
    assert_eq!((reader.client.requests(), reader.view.borrow().latest), (quiet, latest));
    reader.pace.set_waiting(true);
    reader.until("the block is seen", |view| view.latest > latest).await;
    reader.stop().await;
}

#[tokio::test]
async fn outages_are_survived_and_shown() {
    let mut l1 = TestL1::start(Plan { min_validators: 1, ..PLAN }).await;
    l1.register(&common::validators(1)[0]).await;
    l1.mine(3).await;
    let dir = tempfile::tempdir().unwrap();
    let store = common::store(&l1, dir.path()).await;
    let reader = Reader::start(&l1, &store, Finality::Finalized);
    let before = reader.until("launched", |view| view.launched).await;

    l1.anvil.freeze();
    let view = reader.until("slow is shown", |view| view.error.is_some()).await;
    assert!(view.error.as_deref().unwrap().contains("no answer"), "{:?}", view.error);
    assert!(!view.is_up());
    assert_eq!(view.latest, before.latest, "the last state stays");
    l1.anvil.thaw();
    reader.until("up after a freeze", L1View::is_up).await;

    l1.anvil.stop().await;
    let view = reader.until("down is shown", |view| view.error.is_some()).await;
    assert!(view.error.as_deref().unwrap().contains("connection refused"), "{:?}", view.error);
    l1.anvil.restart().await;
    let view = reader.until("up after a restart", L1View::is_up).await;
    assert!(view.launched);
    let latest = view.latest;
    l1.mine(2).await;
    reader.until("new blocks are seen", |view| view.latest > latest).await;
    reader.stop().await;
}

#[tokio::test]
async fn a_replaced_chain_is_not_believed() {
    let mut l1 = TestL1::start(Plan { min_validators: 1, ..PLAN }).await;
    l1.register(&common::validators(1)[0]).await;
    l1.mine(3).await;
    let dir = tempfile::tempdir().unwrap();
    let store = common::store(&l1, dir.path()).await;
    let reader = Reader::start(&l1, &store, Finality::Finalized);
    reader.until("launched", |view| view.launched).await;
    l1.anvil.replace().await;
    l1.mine(60).await;
    let view = reader.until("the other chain is noticed", |view| view.error.is_some()).await;
    let view = if view.error.as_deref().unwrap().contains("was final as") {
        view
    } else {
        reader
            .until("the final block is compared", |view| {
                view.error.as_deref().is_some_and(|error| error.contains("was final as"))
            })
            .await
    };
    assert!(view.launched, "the last good state stays");
    reader.stop().await;
}

#[tokio::test]
async fn a_changed_set_stops_the_reader() {
    let l1 = TestL1::start(Plan { min_validators: 1, ..PLAN }).await;
    l1.register(&common::validators(1)[0]).await;
    l1.mine(3).await;
    let dir = tempfile::tempdir().unwrap();
    let store = common::store(&l1, dir.path()).await;
    let reader = Reader::start(&l1, &store, Finality::Finalized);
    reader.until("launched", |view| view.launched).await;
    reader.stop().await;
    let dir = tempfile::tempdir().unwrap();
    let other = common::store(&l1, dir.path()).await;
    let mut set = store.set(Epoch(0)).await.unwrap().unwrap().as_ref().clone();
    set.seed = alloy::primitives::B256::repeat_byte(9);
    other.put_set(&set).await.unwrap();
    let reader = Reader::start(&l1, &other, Finality::Finalized);
    let stopped = reader.task.await.unwrap();
    assert!(
        matches!(stopped, Err(ReaderError::Store(StoreError::SetChanged { .. }))),
        "{stopped:?}"
    );
}

#[tokio::test]
async fn the_next_endpoint_is_used_when_one_fails() {
    let mut l1 = TestL1::start(Plan { min_validators: 1, ..PLAN }).await;
    l1.register(&common::validators(1)[0]).await;
    l1.mine(3).await;
    let dir = tempfile::tempdir().unwrap();
    let store = common::store(&l1, dir.path()).await;
    let mut config = l1.config(Finality::Depth(1));
    config.rpc_urls.insert(0, "http://127.0.0.1:1/secret-key".parse().unwrap());
    // Two of three are a majority.
    let third = Liar::start(l1.anvil.url()).await;
    config.rpc_urls.push(third.url());
    let reader = Reader::with(config, &store);
    let view = reader.until("launched", |view| view.launched).await;
    assert_eq!(view.final_block + 1, view.latest);
    l1.anvil.stop().await;
    let view = reader.until("all are down", |view| view.error.is_some()).await;
    let error = view.error.unwrap();
    assert!(error.contains("3 endpoints tried") && !error.contains("secret"), "{error}");
    reader.stop().await;
}

#[tokio::test]
async fn the_forced_queue_is_read_when_final_and_survives_restarts() {
    let l1 = TestL1::start(Plan { min_validators: 1, ..PLAN }).await;
    let dir = tempfile::tempdir().unwrap();
    let store = common::store(&l1, dir.path()).await;
    let reader = Reader::start(&l1, &store, Finality::Finalized);
    l1.mine(3).await;
    reader.until("read", |view| view.final_tip.is_some()).await;
    // One alone, many in one block, with every kind of bytes: nobody looks into them here.
    l1.force(b"one").await;
    let latest = l1.client().latest_number().await.unwrap();
    reader.until("the block is seen", |view| view.latest >= latest).await;
    assert_eq!(store.last_forced().await.unwrap(), None, "not final");
    assert_eq!(reader.view.borrow().forced.tail, 0);
    let large = vec![0xff; ande_primitives::MAX_FORCED_BYTES];
    l1.force(&large).await;
    l1.mine(2).await;
    let view = reader.until("two entries", |view| view.forced.tail == 2).await;
    assert_eq!(view.forced.settled(Duration::from_secs(3_600)), 0);
    let entries = store.forced(0, 10).await.unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!((&entries[0].raw[..], &entries[1].raw[..]), (&b"one"[..], &large[..]));
    assert!(entries[0].extends(alloy::primitives::B256::ZERO));
    assert_eq!(entries[1].deadline - entries[1].enqueued_at, 3_600);
    reader.stop().await;

    // What was queued while nobody looked, more than one page of it.
    for number in 0u8..40 {
        l1.force(&[1, number]).await;
    }
    l1.mine(2).await;
    let reader = Reader::start(&l1, &store, Finality::Finalized);
    reader.until("all entries", |view| view.forced.tail == 42).await;
    let entries = store.forced(40, 10).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), [40, 41]);
    assert_eq!(store.last_forced().await.unwrap().as_ref(), entries.last());
    reader.stop().await;
    let reader = Reader::start(&l1, &store, Finality::Finalized);
    let view = reader.until("known entries", |view| view.forced.tail == 42).await;
    assert_eq!(view.forced.settled(Duration::from_secs(3_600)), 42, "known before the start");
    reader.stop().await;
}

#[tokio::test]
async fn another_forced_queue_than_the_stored_one_stops_the_reader() {
    let l1 = TestL1::start(Plan { min_validators: 1, ..PLAN }).await;
    let dir = tempfile::tempdir().unwrap();
    let store = common::store(&l1, dir.path()).await;
    l1.force(b"one").await;
    l1.mine(3).await;
    let reader = Reader::start(&l1, &store, Finality::Finalized);
    reader.until("stored", |view| view.forced.tail == 1).await;
    reader.stop().await;
    let mut entry = store.last_forced().await.unwrap().unwrap();
    entry.raw = b"two".to_vec().into();
    entry.acc = ande_primitives::forced_accumulator(
        alloy::primitives::B256::ZERO,
        entry.sender,
        0,
        entry.l1_block,
        entry.enqueued_at,
        b"two",
    );
    let dir = tempfile::tempdir().unwrap();
    let other = common::store(&l1, dir.path()).await;
    other.put_forced(&[entry]).await.unwrap();
    let stopped = Reader::start(&l1, &other, Finality::Finalized).task.await.unwrap();
    assert!(
        matches!(stopped, Err(ReaderError::Store(StoreError::ForcedQueue { .. }))),
        "{stopped:?}"
    );
}
