//! The transaction manager on a real chain: crashes, dropped, stuck, foreign and reorganised
//! transactions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{sync::Arc, time::Duration};

use alloy::{
    consensus::{Transaction as _, TxEnvelope},
    eips::Decodable2718 as _,
    primitives::{Address, Bytes, U256},
    sol_types::SolCall as _,
};
use ande_contracts::{AndeToken, ContractError};
use ande_l1::{
    Blob, BlobBundle, BlobForm, BlobSource, FeePolicy, L1Client, TxConfig, TxError, TxManager,
    TxRequest, TxStatus,
    test_support::{Liar, Lie, Plan, TestL1, TestValidator, eventually},
};
use ande_store::{L1TxState, Store};

const PLAN: Plan = Plan { rotation: 10, windows: 3, min_validators: 1 };

struct Setup {
    l1: TestL1,
    store: Store,
    sender: TestValidator,
    _dir: tempfile::TempDir,
}

impl Setup {
    async fn new() -> Self {
        let l1 = TestL1::start(PLAN).await;
        let dir = tempfile::tempdir().unwrap();
        let store = common::store(&l1, dir.path()).await;
        let sender = common::validators(1).remove(0);
        l1.fund(sender.key.address()).await;
        Self { l1, store, sender, _dir: dir }
    }

    /// A manager as after a start of the process.
    fn manager(&self, config: TxConfig) -> TxManager {
        TxManager::new(self.l1.client(), self.store.clone(), &self.sender.key, config)
    }

    /// A call that always succeeds and leaves a trace.
    fn approve(&self, amount: u64) -> TxRequest {
        let call = AndeToken::approveCall { spender: self.l1.consensus, value: U256::from(amount) };
        TxRequest::call(self.l1.token, call.abi_encode().into())
    }

    async fn allowance(&self) -> u64 {
        let call = AndeToken::allowanceCall {
            owner: self.sender.key.address(),
            spender: self.l1.consensus,
        };
        let at = alloy::eips::BlockId::latest();
        self.l1.client().call(self.l1.token, &call, at).await.unwrap().to()
    }

    async fn used_nonces(&self) -> u64 {
        self.l1.client().mined_nonce(self.sender.key.address()).await.unwrap()
    }
}

/// Everything quick, so that a test takes seconds.
fn quick() -> TxConfig {
    TxConfig {
        confirmations: 1,
        poll_interval: Duration::from_millis(30),
        rebroadcast_after: Duration::from_millis(400),
        resubmit_after: Duration::from_secs(60),
        send_timeout: Duration::from_secs(120),
        fees: FeePolicy::default(),
    }
}

#[tokio::test]
async fn a_transaction_is_journaled_mined_and_final() {
    let setup = Setup::new().await;
    let manager = setup.manager(quick());
    let outcome = manager.send("first", &setup.approve(1)).await.unwrap();
    assert_eq!((outcome.nonce, &outcome.status), (0, &TxStatus::Succeeded));
    assert_eq!(setup.allowance().await, 1);
    let row = setup.store.l1_tx_by_hash(outcome.hash).await.unwrap().unwrap();
    assert_eq!(row.state, L1TxState::Mined { block: outcome.block });

    // The same purpose and content again is the same transaction, also after a restart.
    let again = setup.manager(quick()).send("first", &setup.approve(1)).await.unwrap();
    assert_eq!(again, outcome);
    assert_eq!(setup.used_nonces().await, 1);
    let second = manager.send("second", &setup.approve(2)).await.unwrap();
    assert_eq!(second.nonce, 1);

    manager.reconcile(outcome.block).await.unwrap();
    let state = async |hash| setup.store.l1_tx_by_hash(hash).await.unwrap().unwrap().state;
    assert_eq!(state(outcome.hash).await, L1TxState::Final);
    assert_eq!(state(second.hash).await, L1TxState::Mined { block: second.block });
}

#[tokio::test]
async fn depth_is_waited_for() {
    let setup = Setup::new().await;
    let manager = setup.manager(TxConfig { confirmations: 3, ..quick() });
    let request = setup.approve(1);
    let send = manager.send("deep", &request);
    tokio::pin!(send);
    tokio::select! {
        _ = &mut send => panic!("one block is not deep enough"),
        () = async {
            eventually("in a block", async || (setup.used_nonces().await == 1).then_some(())).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        } => {}
    }
    setup.l1.mine(2).await;
    assert_eq!(send.await.unwrap().status, TxStatus::Succeeded);
}

#[tokio::test]
async fn a_crash_between_journal_and_broadcast_repeats_nothing() {
    let setup = Setup::new().await;
    // The estimate and the nonce are answered, then the chain freezes: the row is there, nothing
    // arrived.
    setup.l1.automine(false).await;
    let manager = setup.manager(quick());
    let request = setup.approve(7);
    {
        let send = manager.send("crash", &request);
        tokio::pin!(send);
        let rows = async || setup.store.l1_txs_for("crash").await.unwrap();
        tokio::select! {
            _ = &mut send => panic!("nothing is mined"),
            () = eventually("journaled", async || (!rows().await.is_empty()).then_some(())) => {}
        }
    }
    let rows = setup.store.l1_txs_for("crash").await.unwrap();
    assert_eq!(rows.len(), 1);
    // Whether it arrived or not: gone from the pool, as after a crash before the broadcast.
    setup.l1.rpc("anvil_dropTransaction", (rows[0].hash,)).await;
    setup.l1.automine(true).await;
    let outcome = setup.manager(quick()).send("crash", &request).await.unwrap();
    assert_eq!(outcome.hash, rows[0].hash, "the journaled transaction itself went on");
    assert_eq!(setup.used_nonces().await, 1);
    assert_eq!(setup.allowance().await, 7);
}

/// Sends until the transaction is with the chain, which mines nothing, and waits no longer.
async fn given_up(setup: &Setup, manager: &TxManager, purpose: &str, request: &TxRequest) {
    let is_broadcast = async || {
        let rows = setup.store.l1_txs_for(purpose).await.unwrap();
        rows.first().filter(|row| row.state == L1TxState::Broadcast).map(|_| ())
    };
    tokio::select! {
        _ = manager.send(purpose, request) => panic!("nothing is mined"),
        () = eventually("broadcast", is_broadcast) => {}
    }
}

#[tokio::test]
async fn a_crash_after_the_broadcast_repeats_nothing() {
    let setup = Setup::new().await;
    setup.l1.automine(false).await;
    let request = setup.approve(8);
    given_up(&setup, &setup.manager(quick()), "crash", &request).await;
    // The new process offers the same bytes: "already known" is success.
    let manager = setup.manager(quick());
    manager.reconcile(0).await.unwrap();
    setup.l1.automine(true).await;
    setup.l1.mine(1).await;
    let outcome = manager.send("crash", &request).await.unwrap();
    assert_eq!(setup.store.l1_txs_for("crash").await.unwrap().len(), 1);
    assert_eq!((outcome.nonce, setup.used_nonces().await), (0, 1));
}

#[tokio::test]
async fn a_dropped_transaction_is_sent_again() {
    let setup = Setup::new().await;
    setup.l1.automine(false).await;
    let manager = setup.manager(quick());
    let request = setup.approve(3);
    let send = manager.send("dropped", &request);
    tokio::pin!(send);
    let drop_it = async {
        let row = eventually("broadcast", async || {
            let rows = setup.store.l1_txs_for("dropped").await.unwrap();
            rows.into_iter().find(|row| row.state == L1TxState::Broadcast)
        })
        .await;
        setup.l1.rpc("anvil_dropTransaction", (row.hash,)).await;
        setup.l1.automine(true).await;
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = &mut send => outcome.unwrap(),
        () = drop_it => unreachable!(),
    };
    assert_eq!(outcome.status, TxStatus::Succeeded);
    assert_eq!(setup.used_nonces().await, 1);
}

#[tokio::test]
async fn a_stuck_transaction_is_replaced_with_a_tenth_more() {
    let setup = Setup::new().await;
    setup.l1.automine(false).await;
    let config = TxConfig { resubmit_after: Duration::from_millis(300), ..quick() };
    let manager = setup.manager(config);
    let request = setup.approve(4);
    let send = manager.send("stuck", &request);
    tokio::pin!(send);
    let mine = async {
        let rows = async || setup.store.l1_txs_for("stuck").await.unwrap();
        eventually("replaced twice", async || (rows().await.len() >= 3).then_some(())).await;
        setup.l1.mine(1).await;
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = &mut send => outcome.unwrap(),
        () = mine => unreachable!(),
    };
    assert_eq!((outcome.nonce, setup.used_nonces().await), (0, 1));
    let rows = setup.store.l1_txs_for("stuck").await.unwrap();
    assert!(rows.iter().all(|row| row.nonce == 0));
    // A final block settles who won.
    manager.reconcile(outcome.block).await.unwrap();
    let rows = setup.store.l1_txs_for("stuck").await.unwrap();
    assert_eq!(rows.iter().filter(|row| row.state == L1TxState::Final).count(), 1);
    assert_eq!(
        rows.iter().filter(|row| row.state == L1TxState::Replaced).count(),
        rows.len() - 1,
        "{rows:?}"
    );
}

#[tokio::test]
async fn an_open_nonce_is_used_for_the_next_purpose() {
    let setup = Setup::new().await;
    setup.l1.automine(false).await;
    let manager = setup.manager(quick());
    let old = setup.approve(5);
    given_up(&setup, &manager, "old", &old).await;
    let request = setup.approve(6);
    let send = manager.send("new", &request);
    tokio::pin!(send);
    let mine = async {
        eventually("replaced", async || {
            let rows = setup.store.l1_txs_for("new").await.unwrap();
            rows.into_iter().find(|row| row.state == L1TxState::Broadcast)
        })
        .await;
        setup.l1.mine(1).await;
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = &mut send => outcome.unwrap(),
        () = mine => unreachable!(),
    };
    assert_eq!((outcome.nonce, setup.used_nonces().await), (0, 1), "the old one was replaced");
    assert_eq!(setup.allowance().await, 6);
}

#[tokio::test]
async fn a_foreign_transaction_costs_a_nonce_and_nothing_else() {
    let setup = Setup::new().await;
    setup.l1.automine(false).await;
    let manager = setup.manager(quick());
    let request = setup.approve(9);
    let send = manager.send("mine", &request);
    tokio::pin!(send);
    let disturb = async {
        let row = eventually("broadcast", async || {
            let rows = setup.store.l1_txs_for("mine").await.unwrap();
            rows.into_iter().find(|row| row.state == L1TxState::Broadcast)
        })
        .await;
        setup.l1.rpc("anvil_dropTransaction", (row.hash,)).await;
        let foreign = setup.l1.provider(&setup.sender.key);
        let transfer = AndeToken::new(setup.l1.token, foreign);
        let _ = transfer.approve(Address::repeat_byte(1), U256::from(1)).nonce(0).send().await;
        setup.l1.automine(true).await;
        setup.l1.mine(1).await;
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = &mut send => outcome.unwrap(),
        () = disturb => unreachable!(),
    };
    assert_eq!((outcome.nonce, setup.used_nonces().await), (1, 2));
    assert_eq!(setup.allowance().await, 9);
}

#[tokio::test]
async fn a_reorganised_transaction_comes_back() {
    let setup = Setup::new().await;
    let manager = setup.manager(quick());
    let outcome = manager.send("lost", &setup.approve(10)).await.unwrap();
    setup.l1.mine(1).await;
    let none: [(); 0] = [];
    setup.l1.rpc("anvil_reorg", (2u64, none)).await;
    setup.l1.rpc("anvil_dropTransaction", (outcome.hash,)).await;
    assert_eq!(setup.allowance().await, 0, "the reorganisation took it away");
    manager.reconcile(0).await.unwrap();
    eventually("back in a block", async || (setup.allowance().await == 10).then_some(())).await;
    manager.reconcile(0).await.unwrap();
    let rows = setup.store.l1_txs_for("lost").await.unwrap();
    assert!(matches!(rows[0].state, L1TxState::Mined { .. }), "{rows:?}");
    assert_eq!((rows.len(), setup.used_nonces().await), (1, 1));
}

#[tokio::test]
async fn refusals_are_typed_and_cost_nothing() {
    let setup = Setup::new().await;
    let manager = setup.manager(quick());
    let call = AndeToken::transferCall { to: setup.l1.consensus, value: U256::from(1) };
    let request = TxRequest::call(setup.l1.token, call.abi_encode().into());
    match manager.send("refused", &request).await {
        Err(TxError::WouldRevert(reverted)) => {
            assert!(matches!(
                reverted.error.as_deref(),
                Some(ContractError::ERC20InsufficientBalance(_))
            ));
        }
        other => panic!("{other:?}"),
    }
    // With a gas limit nothing is estimated: it is mined and its reason found out afterwards.
    let request = TxRequest { gas_limit: Some(100_000), ..request };
    let outcome = manager.send("refused", &request).await.unwrap();
    assert!(
        matches!(&outcome.status, TxStatus::Reverted(Some(reason)) if reason.error.is_some()),
        "{outcome:?}"
    );
    let poor = TestValidator::new(200, "http://h");
    let manager = TxManager::new(setup.l1.client(), setup.store.clone(), &poor.key, quick());
    let request = TxRequest {
        to: setup.l1.token,
        input: Bytes::from_static(&[0; 4]),
        gas_limit: Some(100_000),
        blobs: None,
    };
    match manager.send("poor", &request).await {
        Err(TxError::InsufficientFunds { address, .. }) => assert_eq!(address, poor.key.address()),
        other => panic!("{other:?}"),
    }
    assert_eq!(setup.store.l1_txs_for("poor").await.unwrap()[0].state, L1TxState::Dropped);
    let config =
        TxConfig { fees: FeePolicy { min_tip: 1, max_fee: 10, ..FeePolicy::default() }, ..quick() };
    let stingy = setup.manager(config).send("stingy", &setup.approve(1)).await;
    assert!(matches!(stingy, Err(TxError::FeeLimit { limit: 10, .. })), "{stingy:?}");
}

#[tokio::test]
async fn an_outage_is_waited_out() {
    let mut setup = Setup::new().await;
    setup.l1.automine(false).await;
    let manager = setup.manager(quick());
    let request = setup.approve(11);
    let task = tokio::spawn({
        let manager = manager.clone();
        let request = request.clone();
        async move { manager.send("outage", &request).await }
    });
    eventually("broadcast", async || {
        let rows = setup.store.l1_txs_for("outage").await.unwrap();
        rows.into_iter().find(|row| row.state == L1TxState::Broadcast)
    })
    .await;
    // The pool is not part of anvil's state: the transaction is gone after the restart.
    setup.l1.anvil.restart().await;
    let outcome = task.await.unwrap().unwrap();
    assert_eq!((outcome.nonce, setup.used_nonces().await), (0, 1));
    assert_eq!(setup.allowance().await, 11);
}

/// Blobs of some recognisable content; their hashes are real, the contract call ignores them.
fn bundle(fill: u8, count: usize, form: BlobForm) -> Arc<BlobBundle> {
    let mut blob = Blob::ZERO;
    for element in blob.0.as_chunks_mut::<32>().0 {
        element[1..].fill(fill);
    }
    Arc::new(BlobBundle::compute(vec![blob; count], form).unwrap())
}

#[tokio::test]
async fn blobs_travel_with_a_transaction_and_are_read_back() {
    let setup = Setup::new().await;
    let manager = setup.manager(quick());
    let source = BlobSource::new(setup.l1.client(), Vec::new(), Duration::from_secs(5)).unwrap();
    for (nonce, form) in [(0, BlobForm::Eip4844), (1, BlobForm::Eip7594)] {
        let blobs = bundle(nonce as u8 + 1, 2, form);
        let request = TxRequest { blobs: Some(blobs.clone()), ..setup.approve(nonce + 1) };
        let purpose = format!("blobs {form:?}");
        let outcome = manager.send(&purpose, &request).await.unwrap();
        assert_eq!((outcome.nonce, &outcome.status), (nonce, &TxStatus::Succeeded));
        assert_eq!(setup.allowance().await, nonce + 1);
        // Resumed after a restart, found by its hashes.
        assert_eq!(setup.manager(quick()).send(&purpose, &request).await.unwrap(), outcome);
        let hashes = blobs.versioned_hashes();
        let read = source.read(outcome.hash, outcome.block, &hashes).await.unwrap();
        assert_eq!(BlobBundle::hash_of(&read[0]).unwrap(), hashes[0]);
        assert_eq!(read.len(), 2);
        let other = [hashes[0], alloy::primitives::B256::repeat_byte(1)];
        let missing = source.read(outcome.hash, outcome.block, &other).await;
        assert!(matches!(missing, Err(ande_l1::L1Error::Blobs(_))), "{missing:?}");
    }
    assert_eq!(setup.used_nonces().await, 2);
}

#[tokio::test]
async fn a_stuck_transaction_with_blobs_is_replaced_with_twice_the_fees() {
    let setup = Setup::new().await;
    setup.l1.automine(false).await;
    let config = TxConfig { resubmit_after: Duration::from_millis(500), ..quick() };
    let manager = setup.manager(config);
    let blobs = bundle(7, 1, BlobForm::Eip4844);
    let request = TxRequest { blobs: Some(blobs), ..setup.approve(4) };
    let send = manager.send("stuck", &request);
    tokio::pin!(send);
    let mine = async {
        let rows = async || setup.store.l1_txs_for("stuck").await.unwrap();
        eventually("replaced twice", async || (rows().await.len() >= 3).then_some(())).await;
        setup.l1.mine(1).await;
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = &mut send => outcome.unwrap(),
        () = mine => unreachable!(),
    };
    assert_eq!((outcome.nonce, setup.used_nonces().await), (0, 1));
    let mut fees: Vec<(u128, u128, u128)> = Vec::new();
    for row in setup.store.l1_txs_for("stuck").await.unwrap().iter().rev() {
        let envelope = TxEnvelope::decode_2718(&mut row.raw.as_ref()).unwrap();
        fees.push((
            envelope.max_priority_fee_per_gas().unwrap(),
            envelope.max_fee_per_gas(),
            envelope.max_fee_per_blob_gas().unwrap(),
        ));
    }
    for pair in fees.windows(2) {
        let [old, new] = pair else { unreachable!() };
        assert!(new.0 >= 2 * old.0 && new.1 >= 2 * old.1 && new.2 >= 2 * old.2, "{fees:?}");
    }
}

#[tokio::test]
async fn an_open_transaction_of_the_other_pool_goes_first() {
    let setup = Setup::new().await;
    setup.l1.automine(false).await;
    let manager = setup.manager(quick());
    let blobs = bundle(9, 1, BlobForm::Eip4844);
    let old = TxRequest { blobs: Some(blobs), ..setup.approve(5) };
    given_up(&setup, &manager, "old", &old).await;
    setup.l1.automine(true).await;
    setup.l1.mine(1).await;
    let outcome = manager.send("new", &setup.approve(6)).await.unwrap();
    assert_eq!((outcome.nonce, setup.used_nonces().await), (1, 2), "both are in the chain");
    assert_eq!(setup.allowance().await, 6);
}

#[tokio::test]
async fn a_blob_fee_above_the_limit_is_not_paid() {
    let setup = Setup::new().await;
    let fees = FeePolicy { max_blob_fee: 10, ..FeePolicy::default() };
    let manager = setup.manager(TxConfig { fees, ..quick() });
    let blobs = bundle(3, 1, BlobForm::Eip4844);
    let request = TxRequest { blobs: Some(blobs), ..setup.approve(1) };
    let refused = manager.send("dear", &request).await;
    assert!(matches!(refused, Err(TxError::BlobFeeLimit { limit: 10, .. })), "{refused:?}");
    assert_eq!(setup.used_nonces().await, 0);
}

/// A request whose sender gave up, and one of the other pool after it.
async fn cancelled_for(old: TxRequest, new: TxRequest) {
    let setup = Setup::new().await;
    setup.l1.automine(false).await;
    let manager = setup.manager(quick());
    given_up(&setup, &manager, "old", &old).await;
    let config = TxConfig { resubmit_after: Duration::from_millis(300), ..quick() };
    let manager = setup.manager(config);
    let send = manager.send("new", &new);
    tokio::pin!(send);
    let mine = async {
        eventually("cancelled", async || {
            let rows = setup.store.l1_txs_for("cancel").await.unwrap();
            rows.into_iter().find(|row| row.state == L1TxState::Broadcast)
        })
        .await;
        setup.l1.automine(true).await;
        setup.l1.mine(1).await;
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = &mut send => outcome.unwrap(),
        () = mine => unreachable!(),
    };
    assert_eq!((outcome.nonce, &outcome.status), (1, &TxStatus::Succeeded));
    assert_eq!(setup.used_nonces().await, 2);
    let row = setup.store.l1_txs_for("cancel").await.unwrap().remove(0);
    let empty = TxEnvelope::decode_2718(&mut row.raw.as_ref()).unwrap();
    assert_eq!((empty.to(), empty.input().len()), (Some(setup.sender.key.address()), 0));
    assert_eq!(empty.gas_limit(), 21_000);
    assert_eq!(
        empty.blob_versioned_hashes().map(<[_]>::len),
        old.blobs.is_some().then_some(1),
        "of the pool that has to be cleared, as small as it takes"
    );
    for old in setup.store.l1_txs_for("old").await.unwrap() {
        assert!(setup.l1.client().receipt(old.hash).await.unwrap().is_none(), "not sent after all");
    }
}

/// A call to the account's own address: it does nothing.
fn nothing(blobs: Option<Arc<BlobBundle>>) -> TxRequest {
    let to = common::validators(1).remove(0).key.address();
    TxRequest { to, input: Bytes::from_static(&[7; 40]), gas_limit: Some(200_000), blobs }
}

#[tokio::test]
async fn stuck_blobs_are_cancelled_for_a_call() {
    let blobs = bundle(9, 2, BlobForm::Eip7594);
    cancelled_for(nothing(Some(blobs)), nothing(None)).await;
}

#[tokio::test]
async fn a_stuck_call_is_cancelled_for_blobs() {
    let blobs = bundle(8, 1, BlobForm::Eip4844);
    cancelled_for(nothing(None), nothing(Some(blobs))).await;
}

#[tokio::test]
async fn a_blob_fee_a_hundred_times_higher_is_paid() {
    const USUAL: u64 = 1_000_000_000;
    let setup = Setup::new().await;
    let pool = Liar::start(setup.l1.anvil.url()).await;
    let client =
        L1Client::new(&[pool.url()], setup.l1.client().chain_id(), Duration::from_secs(5)).unwrap();
    let config = TxConfig { resubmit_after: Duration::from_millis(300), ..quick() };
    let manager = TxManager::new(client, setup.store.clone(), &setup.sender.key, config);
    pool.tell(Lie::BlobFee(USUAL));
    let request = TxRequest { blobs: Some(bundle(5, 1, BlobForm::Eip4844)), ..setup.approve(1) };
    assert_eq!(manager.send("usual", &request).await.unwrap().nonce, 0);
    setup.l1.automine(false).await;
    let request = TxRequest { blobs: Some(bundle(6, 1, BlobForm::Eip4844)), ..setup.approve(2) };
    let send = manager.send("dear", &request);
    tokio::pin!(send);
    let rise = async {
        let rows = async || setup.store.l1_txs_for("dear").await.unwrap();
        eventually("broadcast", async || (!rows().await.is_empty()).then_some(())).await;
        // Its block does not come; meanwhile everybody wants blobs.
        pool.tell(Lie::BlobFee(100 * USUAL));
        eventually("replaced", async || (rows().await.len() >= 2).then_some(())).await;
        setup.l1.automine(true).await;
        setup.l1.mine(1).await;
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = &mut send => outcome.unwrap(),
        () = rise => unreachable!(),
    };
    assert_eq!((outcome.nonce, setup.used_nonces().await), (1, 2));
    let caps: Vec<u128> = setup
        .store
        .l1_txs_for("dear")
        .await
        .unwrap()
        .iter()
        .map(|row| TxEnvelope::decode_2718(&mut row.raw.as_ref()).unwrap())
        .map(|envelope| envelope.max_fee_per_blob_gas().unwrap())
        .collect();
    assert!(caps.iter().any(|cap| *cap >= 200 * u128::from(USUAL)), "{caps:?}");
}
