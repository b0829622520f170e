//! Several endpoints, some of which lie.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use alloy::{eips::BlockNumberOrTag, primitives::B256};
use ande_l1::{
    Finality, L1Client, L1Config, L1Error, L1Reader, L1View, Standing, check_deployment,
    test_support::{GENESIS, L2_CHAIN_ID, Liar, Lie, Plan, TestL1, eventually},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const PLAN: Plan = Plan { rotation: 10, windows: 3, min_validators: 1 };

/// A launched chain behind endpoints of which the first lie.
struct Setup {
    l1: TestL1,
    liars: Vec<Liar>,
    config: L1Config,
}

impl Setup {
    async fn new(count: usize) -> Self {
        let l1 = TestL1::start(PLAN).await;
        l1.register(&common::validators(1)[0]).await;
        l1.mine(3).await;
        let mut liars = Vec::new();
        for _ in 0..count {
            liars.push(Liar::start(l1.anvil.url()).await);
        }
        let mut config = l1.config(Finality::Finalized);
        config.rpc_urls = liars.iter().map(Liar::url).collect();
        Self { l1, liars, config }
    }

    fn client(&self) -> L1Client {
        L1Client::new(&self.config.rpc_urls, self.config.chain_id, self.config.timeout).unwrap()
    }

    /// What the chain itself says.
    async fn truth(&self, block: impl Into<BlockNumberOrTag>) -> (u64, B256) {
        let block = self.l1.client().block(block.into()).await.unwrap().unwrap();
        (block.number, block.hash)
    }
}

async fn until(
    view: &watch::Receiver<L1View>,
    what: &str,
    condition: impl Fn(&L1View) -> bool,
) -> L1View {
    eventually(what, async || Some(view.borrow().clone()).filter(|view| condition(view))).await
}

#[tokio::test]
async fn one_of_three_neither_deceives_nor_stops_the_reader() {
    let setup = Setup::new(3).await;
    let dir = tempfile::tempdir().unwrap();
    let store = common::store(&setup.l1, dir.path()).await;
    let shutdown = CancellationToken::new();
    let reader = L1Reader::connect(setup.config.clone()).unwrap();
    let (view, task) = reader.spawn(store.clone(), shutdown.clone());
    until(&view, "launched", |view| view.launched && view.is_up()).await;

    // Every final block that the reader ever shows.
    let shown = tokio::spawn({
        let (mut view, shutdown) = (view.clone(), shutdown.clone());
        async move {
            let mut shown = Vec::new();
            while !shutdown.is_cancelled() {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    changed = view.changed() => changed.unwrap(),
                }
                let view = view.borrow_and_update();
                shown.push((view.final_block, view.final_hash, view.forced.tail));
            }
            shown
        }
    });
    let (older, _) = setup.truth(1).await;
    let lies = [
        (Lie::Older(older), Some(Standing::Behind)),
        (Lie::Fork, Some(Standing::Differs)),
        (Lie::State, None),
        (Lie::Errors, None),
    ];
    for (round, (lie, standing)) in lies.into_iter().enumerate() {
        setup.liars[0].tell(lie);
        let forced = round as u64 + 1;
        setup.l1.force(&[forced as u8]).await;
        setup.l1.mine(5).await;
        let (latest, _) = setup.truth(BlockNumberOrTag::Latest).await;
        let (number, hash) = setup.truth(BlockNumberOrTag::Finalized).await;
        let seen = until(&view, &format!("the honest chain despite {lie:?}"), |view| {
            view.final_block == number && view.latest == latest && view.forced.tail == forced
        })
        .await;
        assert_eq!(seen.final_hash, hash, "{lie:?}");
        assert_eq!(store.last_forced().await.unwrap().unwrap().raw, vec![forced as u8]);
        if let Some(standing) = standing {
            let judged = |view: &L1View| view.endpoints[0].standing == standing;
            until(&view, &format!("{lie:?} is noticed"), judged).await;
        }
    }
    setup.liars[0].tell(Lie::None);
    let all_agree = |view: &L1View| view.endpoints.iter().all(|e| e.standing == Standing::Agrees);
    until(&view, "the first is believed again", all_agree).await;
    shutdown.cancel();
    task.await.unwrap().unwrap();
    let mut highest = 0;
    for (number, hash, _) in shown.await.unwrap() {
        assert!(number >= highest, "the final block went back from {highest} to {number}");
        assert_eq!(setup.truth(number).await.1, hash, "block {number} is of another chain");
        highest = number;
    }
}

#[tokio::test]
async fn without_a_majority_nothing_is_believed() {
    let setup = Setup::new(2).await;
    let dir = tempfile::tempdir().unwrap();
    let store = common::store(&setup.l1, dir.path()).await;
    let shutdown = CancellationToken::new();
    let reader = L1Reader::connect(setup.config.clone()).unwrap();
    let (view, task) = reader.spawn(store, shutdown.clone());
    let before = until(&view, "launched", |view| view.launched && view.is_up()).await;
    for lie in [Lie::Fork, Lie::State] {
        setup.liars[1].tell(lie);
        setup.l1.force(b"unseen").await;
        setup.l1.mine(4).await;
        let seen = until(&view, &format!("the contradiction of {lie:?}"), |view| {
            view.error.as_deref().is_some_and(|error| error.contains("1 of 2 endpoints"))
        })
        .await;
        assert_eq!((seen.final_block, seen.final_hash), (before.final_block, before.final_hash));
        assert_eq!(seen.forced.tail, before.forced.tail);
    }
    setup.liars[1].tell(Lie::None);
    let (number, hash) = setup.truth(BlockNumberOrTag::Finalized).await;
    let seen = until(&view, "both agree again", |view| {
        view.final_block == number && view.forced.tail == 2 && view.is_up()
    })
    .await;
    assert_eq!(seen.final_hash, hash);
    shutdown.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_deployment_is_checked_by_majority() {
    let setup = Setup::new(3).await;
    let client = setup.client().by_majority();
    for lie in [Lie::State, Lie::Fork, Lie::Errors] {
        setup.liars[0].tell(lie);
        check_deployment(&client, &setup.config, L2_CHAIN_ID, GENESIS).await.unwrap();
    }
    setup.liars[0].tell(Lie::State);
    setup.liars[1].tell(Lie::Older(1));
    let refused = check_deployment(&client, &setup.config, L2_CHAIN_ID, GENESIS).await;
    assert!(refused.is_err(), "three that say three things");
}

#[tokio::test]
async fn errors_and_silence_of_one_are_made_up_for_by_the_next() {
    let setup = Setup::new(3).await;
    setup.liars[0].tell(Lie::Errors);
    let client = setup.client();
    let (latest, _) = setup.truth(BlockNumberOrTag::Latest).await;
    for _ in 0..40 {
        assert_eq!(client.latest_number().await.unwrap(), latest);
    }
    // Refused by all is refused, with the words of an endpoint.
    let unknown = client.request::<_, B256>("eth_noSuchMethod", ()).await;
    assert!(matches!(unknown, Err(L1Error::Rpc { .. })), "{unknown:?}");
    // One that contradicts the majority is not asked alone any more.
    let client = setup.client();
    setup.liars[0].tell(Lie::Fork);
    let head = client.by_majority().block(BlockNumberOrTag::Latest).await.unwrap().unwrap();
    assert_eq!((head.number, head.hash), setup.truth(BlockNumberOrTag::Latest).await);
    assert_eq!(client.endpoints()[0].standing, Standing::Differs);
    let alone = client.block(BlockNumberOrTag::Latest).await.unwrap().unwrap();
    assert_eq!(alone, head);
}

#[tokio::test]
async fn a_frozen_endpoint_costs_no_timeout() {
    let setup = Setup::new(2).await;
    let frozen = TestL1::start(PLAN).await;
    let mut urls = setup.config.rpc_urls.clone();
    urls.insert(0, frozen.anvil.url());
    // Long enough to be noticed.
    let timeout = Duration::from_secs(600);
    let client = L1Client::new(&urls, setup.config.chain_id, timeout).unwrap().by_majority();
    frozen.anvil.freeze();
    let ask = client.block(BlockNumberOrTag::Latest);
    let head = tokio::time::timeout(Duration::from_secs(60), ask).await.unwrap().unwrap();
    frozen.anvil.thaw();
    assert_eq!(head.unwrap().number, setup.truth(BlockNumberOrTag::Latest).await.0);
    assert_eq!(client.endpoints()[0].standing, Standing::Silent);
}
