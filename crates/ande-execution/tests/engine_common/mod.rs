//! Tools of the tests that ask execution clients: a real client, and blocks full of everything.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations
)]

pub mod ethereumjs;
pub mod ethrex;
pub mod evolve;
pub mod fake;
pub mod programs;
pub mod workload;

use alloy_eips::eip4788::{BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE};
use alloy_primitives::Address;

use crate::common::{genesis_json_with, wallet};

/// A genesis with ether for the wallets of the workload, a contract with storage, and what
/// external clients ask for on top.
pub fn genesis_json() -> String {
    let mut alloc: Vec<String> = (0..workload::SENDERS)
        .map(|number| {
            format!(r#""{}": {{"balance": "0x3635c9adc5dea00000"}}"#, wallet(number).address)
        })
        .collect();
    alloc.push(format!(
        r#""{BEACON_ROOTS_ADDRESS}": {{"balance": "0x0", "nonce": "0x1", "code": "{BEACON_ROOTS_CODE}"}}"#
    ));
    // SLOAD(0) + 1 -> SSTORE(0): counts its calls from 41.
    alloc.push(format!(
        r#""{COUNTER}": {{"balance": "0x7", "nonce": "0x1", "code": "0x5f546001015f5500",
            "storage": {{"0x0000000000000000000000000000000000000000000000000000000000000000":
                "0x0000000000000000000000000000000000000000000000000000000000000029"}}}}"#
    ));
    let schedule = r#", "blobSchedule": {"cancun":
        {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477}}"#;
    genesis_json_with(&alloc.join(","), schedule)
}

/// The contract of the genesis.
pub const COUNTER: Address = Address::repeat_byte(0xc0);
