//! Shared by the component tests.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use ande_l1::test_support::{GENESIS, L1_CHAIN_ID, L2_CHAIN_ID, TestL1, TestValidator};
use ande_store::{ChainIdentity, Store};

/// A store of this deployment.
pub async fn store(l1: &TestL1, dir: &Path) -> Store {
    let identity = ChainIdentity {
        l1_chain_id: L1_CHAIN_ID,
        consensus: l1.consensus,
        coordinator: l1.coordinator,
        l2_chain_id: L2_CHAIN_ID,
        genesis_hash: GENESIS,
    };
    Store::open(dir, identity).await.unwrap()
}

/// Validators 1 to `count`.
pub fn validators(count: u8) -> Vec<TestValidator> {
    (1..=count)
        .map(|number| {
            TestValidator::new(number, &format!("http://127.0.0.1:{}", 9000 + u16::from(number)))
        })
        .collect()
}
