//! Genesis files: what they become and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use alloy_consensus::constants::EMPTY_ROOT_HASH;
use alloy_primitives::{Address, B256, Bytes, U256, b256, keccak256};
use alloy_rlp::Encodable as _;
use alloy_trie::{HashBuilder, Nibbles, TrieAccount};
use ande_execution::{EvmGenesis, Executor as _, GenesisError};
use common::*;

const RICH: &str = r#"
    "0x00000000000000000000000000000000000000a1": {"balance": "0xde0b6b3a7640000", "nonce": "0x5"},
    "00000000000000000000000000000000000000a2": {
        "balance": "12", "code": "0x60015f55",
        "storage": {
            "0x0000000000000000000000000000000000000000000000000000000000000001": "0x2a",
            "0x02": "0x0000000000000000000000000000000000000000000000000000000000000000"
        }
    },
    "0x00000000000000000000000000000000000000a3": {"balance": "0x0"}"#;

/// The root of the same accounts, leaf by leaf.
fn root_by_hand() -> B256 {
    let mut storage = HashBuilder::default();
    let slot = keccak256(B256::with_last_byte(1));
    storage.add_leaf(Nibbles::unpack(slot), &alloy_rlp::encode(U256::from(42)));
    let account = |nonce, balance: u64, storage_root, code_hash| TrieAccount {
        nonce,
        balance: U256::from(balance),
        storage_root,
        code_hash,
    };
    let mut leaves = [
        (0xa1, account(5, 1_000_000_000_000_000_000, EMPTY_ROOT_HASH, keccak256([]))),
        (0xa2, account(0, 12, storage.root(), keccak256([0x60, 0x01, 0x5f, 0x55]))),
        (0xa3, account(0, 0, EMPTY_ROOT_HASH, keccak256([]))),
    ]
    .map(|(last, account)| {
        let mut rlp = vec![];
        account.encode(&mut rlp);
        (keccak256(Address::with_last_byte(last)), rlp)
    });
    leaves.sort();
    let mut accounts = HashBuilder::default();
    for (key, rlp) in leaves {
        accounts.add_leaf(Nibbles::unpack(key), &rlp);
    }
    accounts.root()
}

#[tokio::test]
async fn the_first_block_commits_to_the_accounts() {
    let genesis = EvmGenesis::from_json(&genesis_json_with(RICH, "")).unwrap();
    assert_eq!(genesis.header().state_root, root_by_hand());
    assert_eq!((genesis.chain_id(), genesis.gas_limit()), (CHAIN_ID, GAS_LIMIT));
    let payload = genesis.payload();
    assert_eq!(payload.hash(), genesis.hash());
    assert_eq!(payload.decode_header().as_ref(), Ok(genesis.header()));
    let node = Node::with(genesis.clone());
    assert_eq!(node.executor.genesis(), payload);
    assert_eq!(node.executor.head().await.hash, genesis.hash());
    let reader = node.reader();
    let second = Address::with_last_byte(0xa2);
    assert_eq!(reader.account(0, Address::with_last_byte(0xa1)).unwrap().nonce, 5);
    assert_eq!(reader.code(0, second).unwrap(), Bytes::from_static(&[0x60, 0x01, 0x5f, 0x55]));
    assert_eq!(reader.storage(0, second, U256::from(1)).unwrap(), B256::from(U256::from(42)));
    let proof = reader.proof(0, second, &[B256::with_last_byte(1)]).unwrap();
    assert_eq!(keccak256(&proof.account_proof[0]), genesis.header().state_root);
    assert_eq!(proof.storage_proof[0].value, U256::from(42));
}

#[test]
fn the_hash_is_frozen() {
    // The header of a chain with nobody on it, encoded by hand from the yellow paper's order.
    let genesis = EvmGenesis::from_json(&genesis_json_with("", "")).unwrap();
    assert_eq!(genesis.header().state_root, EMPTY_ROOT_HASH);
    let strings: [&[u8]; 20] = [
        &[0; 32],
        OMMERS.as_slice(),
        &[0; 20],
        EMPTY_ROOT_HASH.as_slice(),
        EMPTY_ROOT_HASH.as_slice(),
        EMPTY_ROOT_HASH.as_slice(),
        &[0; 256],
        &[],
        &[],
        &[0x01, 0xc9, 0xc3, 0x80],
        &[],
        &[],
        &[],
        &[0; 32],
        &[0; 8],
        &[0x3b, 0x9a, 0xca, 0x00],
        EMPTY_ROOT_HASH.as_slice(),
        &[],
        &[],
        &[0; 32],
    ];
    let mut payload = vec![];
    for string in strings {
        string.encode(&mut payload);
    }
    let mut rlp = vec![];
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut rlp);
    rlp.extend(payload);
    assert_eq!(keccak256(rlp), genesis.hash());
    // Frozen: such hashes are written into contracts at deployment.
    assert_eq!(genesis.hash(), FROZEN);
}

/// Keccak-256 of the RLP of an empty list.
const OMMERS: B256 = b256!("0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347");

const FROZEN: B256 = b256!("0x0598047b8adde700d2e815fe0c7436002f7c50ef32447aa4f4bf4c09e1a97789");

#[test]
fn what_is_no_genesis_of_a_cancun_chain_is_refused() {
    let good = genesis_json();
    let refuse = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} is not in the file");
        EvmGenesis::from_json(&good.replacen(from, to, 1)).unwrap_err()
    };
    assert_eq!(refuse("\"chainId\": 6174,", ""), GenesisError::ChainId);
    assert_eq!(refuse("\"chainId\": 6174", "\"chainId\": 0"), GenesisError::ChainId);
    assert_eq!(refuse("\"londonBlock\": 0,", ""), GenesisError::ForkMissing("londonBlock"),);
    assert_eq!(
        refuse("\"cancunTime\": 0", "\"cancunTime\": 5"),
        GenesisError::ForkMissing("cancunTime"),
    );
    assert_eq!(
        refuse("\"terminalTotalDifficulty\": 0,", ""),
        GenesisError::ForkMissing("terminalTotalDifficulty"),
    );
    assert_eq!(
        refuse("\"cancunTime\": 0", "\"cancunTime\": 0, \"pragueTime\": 99999999999"),
        GenesisError::ForkUnknown("pragueTime"),
    );
    for (from, to, field) in [
        ("\"gasLimit\": \"0x1c9c380\"", "\"gasLimit\": \"0x1387\"", "gasLimit"),
        ("\"gasLimit\": \"0x1c9c380\"", "\"gasLimit\": \"0xffffffffffffffff\"", "gasLimit"),
        ("\"difficulty\": \"0x0\"", "\"difficulty\": \"0x1\"", "difficulty"),
        ("\"nonce\": \"0x0\", \"timestamp\"", "\"nonce\": \"0x42\", \"timestamp\"", "nonce"),
        (
            "\"baseFeePerGas\": \"0x3b9aca00\"",
            "\"baseFeePerGas\": \"0x10000000000000000\"",
            "baseFeePerGas",
        ),
        ("\"difficulty\"", "\"number\": \"0x1\", \"difficulty\"", "number"),
        ("\"difficulty\"", "\"excessBlobGas\": \"0x1\", \"difficulty\"", "excessBlobGas"),
        (
            "\"extraData\": \"0x\"",
            &format!("\"extraData\": \"0x{}\"", "00".repeat(33)),
            "extraData",
        ),
    ] {
        match refuse(from, to) {
            GenesisError::Field { field: named, .. } => assert_eq!(named, field),
            other => panic!("{field}: {other}"),
        }
    }
    let account = |body: &str| {
        let alloc = format!("\"0x00000000000000000000000000000000000000a1\": {body}");
        EvmGenesis::from_json(&genesis_json_with(&alloc, "")).unwrap_err()
    };
    let long = format!(r#"{{"balance": "0x0", "code": "0x{}"}}"#, "5b".repeat(24_577));
    for body in [r#"{"balance": "0x0", "code": "0xef0100"}"#, &long] {
        assert!(matches!(account(body), GenesisError::Account { .. }));
    }
    for body in [r#"{"balance": "-1"}"#, r#"{"balance": "0x0", "colour": "red"}"#, "7"] {
        assert!(matches!(account(body), GenesisError::Json(_)), "{body}");
    }
    let max = format!("{:#x}", U256::MAX);
    let two = format!(
        r#""0x00000000000000000000000000000000000000a1": {{"balance": "{max}"}},
           "0x00000000000000000000000000000000000000a2": {{"balance": "0x1"}}"#
    );
    let sum = EvmGenesis::from_json(&genesis_json_with(&two, "")).unwrap_err();
    assert!(matches!(sum, GenesisError::Account { .. }));
    for nonsense in ["", "[]", "{", "null", "{}", "\u{0}", "{\"config\": 7}"] {
        assert!(EvmGenesis::from_json(nonsense).is_err(), "{nonsense}");
    }
}

proptest::proptest! {
    #[test]
    fn damaged_files_are_refused_or_read_but_never_panic(
        at in 0usize..2_000,
        byte in 0u8..128,
        cut in proptest::option::of(0usize..2_000),
    ) {
        let mut json = genesis_json_with(RICH, "").into_bytes();
        let length = json.len();
        json[at % length] = byte;
        if let Some(cut) = cut {
            json.truncate(cut);
        }
        if let Ok(json) = String::from_utf8(json) {
            let _ = EvmGenesis::from_json(&json);
        }
    }
}
