//! Deployments that are not this node's are refused with the reason.

use std::time::Duration;

use alloy::primitives::{Address, B256};
use ande_l1::{
    DeploymentError, Finality, L1Error, L1Reader,
    test_support::{GENESIS, L2_CHAIN_ID, Plan, TestL1},
};

const PLAN: Plan = Plan { rotation: 10, windows: 3, min_validators: 1 };

#[tokio::test]
async fn the_right_deployment_is_accepted_and_others_are_refused() {
    let l1 = TestL1::start(PLAN).await;
    let good = l1.config(Finality::Finalized);
    let check = async |config, chain, genesis| {
        L1Reader::connect(config).unwrap().check_deployment(chain, genesis).await
    };

    let config = check(good.clone(), L2_CHAIN_ID, GENESIS).await.unwrap();
    assert_eq!(config.rules.rotation_interval(), 10);
    assert_eq!(config.rules.epoch_length(), 30);
    assert!(config.auto_launch);

    let mut wrong = good.clone();
    wrong.chain_id = 1;
    let error = check(wrong, L2_CHAIN_ID, GENESIS).await.unwrap_err();
    assert!(matches!(error, DeploymentError::WrongChainId { expected: 1, got: 31_337 }), "{error}");

    let mut wrong = good.clone();
    wrong.consensus = Address::repeat_byte(7);
    let error = check(wrong, L2_CHAIN_ID, GENESIS).await.unwrap_err();
    assert!(matches!(error, DeploymentError::NoCode(a) if a == Address::repeat_byte(7)), "{error}");

    let mut wrong = good.clone();
    (wrong.consensus, wrong.coordinator) = (good.coordinator, good.consensus);
    let error = check(wrong, L2_CHAIN_ID, GENESIS).await.unwrap_err();
    assert!(
        matches!(error, DeploymentError::WrongContract { expected: "AndeConsensus", .. }),
        "{error}"
    );

    let mut wrong = good.clone();
    wrong.consensus = l1.deploy_stranger().await;
    let error = check(wrong, L2_CHAIN_ID, GENESIS).await.unwrap_err();
    assert!(matches!(error, DeploymentError::WrongContract { .. }), "{error}");

    let mut wrong = good.clone();
    wrong.coordinator = l1.token;
    let error = check(wrong, L2_CHAIN_ID, GENESIS).await.unwrap_err();
    assert!(
        matches!(
            error,
            DeploymentError::WrongContract { expected: "AndeSequencerCoordinator", .. }
        ),
        "{error}"
    );

    let error = check(good.clone(), 1, GENESIS).await.unwrap_err();
    assert!(
        matches!(error, DeploymentError::L2ChainMismatch { expected: 1, got: L2_CHAIN_ID }),
        "{error}"
    );

    let error = check(good.clone(), L2_CHAIN_ID, B256::ZERO).await.unwrap_err();
    assert!(matches!(error, DeploymentError::GenesisMismatch { .. }), "{error}");

    // A second coordinator of the same consensus contract is not the one it works with.
    let second = ande_contracts::AndeSequencerCoordinator::deploy(l1.bank(), l1.consensus);
    let mut wrong = good.clone();
    wrong.coordinator = *second.await.unwrap().address();
    let error = check(wrong, L2_CHAIN_ID, GENESIS).await.unwrap_err();
    assert!(matches!(error, DeploymentError::CoordinatorMismatch { .. }), "{error}");

    let mut down = good.clone();
    down.rpc_urls = vec!["http://127.0.0.1:1".parse().unwrap()];
    let error = check(down, L2_CHAIN_ID, GENESIS).await.unwrap_err();
    assert!(matches!(error, DeploymentError::L1(L1Error::Unreachable { .. })), "{error}");

    l1.anvil.freeze();
    let mut slow = good.clone();
    slow.timeout = Duration::from_millis(200);
    let error = check(slow, L2_CHAIN_ID, GENESIS).await.unwrap_err();
    l1.anvil.thaw();
    assert!(error.to_string().contains("no answer in 200ms"), "{error}");
}
