//! Which bytes become transactions.

use alloy_consensus::{EthereumTxEnvelope, SignableTransaction, TxEip1559, TxEip4844};
use alloy_eips::{
    eip2718::Encodable2718,
    eip2930::{AccessList, AccessListItem},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use ande_pool::{PoolError, PooledTransaction};
use ande_primitives::MAX_TRANSACTION_BYTES;
use proptest::{collection::vec, prelude::*};

use crate::transactions::{CHAIN_ID, access_list, dynamic, key, legacy, raw};

fn recover(raw: Bytes) -> Result<PooledTransaction, PoolError> {
    PooledTransaction::recover(raw, CHAIN_ID)
}

fn refusal(raw: Bytes) -> String {
    recover(raw).unwrap_err().to_string()
}

#[test]
fn types_0_1_and_2_are_recovered() {
    for (raw, nonce, fee, tip) in
        [(raw(legacy()), 2, 60, 60), (raw(access_list()), 1, 50, 50), (raw(dynamic()), 0, 100, 2)]
    {
        let tx = recover(raw.clone()).unwrap();
        assert_eq!(tx.sender(), key(0).address());
        assert_eq!(tx.hash(), keccak256(&raw));
        assert_eq!((tx.nonce(), tx.gas_limit(), tx.size()), (nonce, 21_000, raw.len()));
        assert_eq!((tx.max_fee_per_gas(), tx.max_priority_fee_per_gas()), (fee, tip));
        assert_eq!(tx.raw(), &raw);
    }
}

/// The first transaction of the EIP-155 specification, so that nothing here depends on itself
/// only: chain 1, from the key of 32 times 0x46.
#[test]
fn a_published_transaction_is_recovered() {
    let raw = alloy_primitives::bytes!(
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080"
        "25a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
        "a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    );
    let tx = PooledTransaction::recover(raw, 1).unwrap();
    assert_eq!(tx.sender(), alloy_primitives::address!("9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"));
    assert_eq!((tx.nonce(), tx.max_fee_per_gas()), (9, 20_000_000_000));
}

#[test]
fn refusals_have_the_texts_that_clients_know() {
    assert_eq!(refusal(Bytes::new()), "empty transaction");
    assert_eq!(
        refusal(raw(TxEip1559 { chain_id: 1, ..dynamic() })),
        "invalid chain id for signer: have 1 want 6174"
    );
    let unprotected = alloy_consensus::TxLegacy { chain_id: None, ..legacy() };
    assert_eq!(
        refusal(raw(unprotected)),
        "only replay-protected (EIP-155) transactions allowed over RPC"
    );
    assert_eq!(
        refusal(raw(TxEip1559 { gas_limit: 20_999, ..dynamic() })),
        "intrinsic gas too low: gas 20999, minimum needed 21000"
    );
    assert_eq!(refusal(raw(TxEip1559 { nonce: u64::MAX, ..dynamic() })), "nonce has max value");
    assert!(
        refusal(raw(TxEip1559 { max_priority_fee_per_gas: 101, ..dynamic() }))
            .starts_with("max priority fee per gas higher than max fee per gas")
    );
    let big = TxEip1559 {
        input: vec![0; MAX_TRANSACTION_BYTES].into(),
        gas_limit: 30_000_000,
        ..dynamic()
    };
    let big = raw(big);
    assert_eq!(
        refusal(big.clone()),
        format!("oversized data: transaction size {}, limit 131072", big.len())
    );
}

#[test]
fn blob_and_set_code_transactions_are_named() {
    for (kind, name) in [(3u8, "blob"), (4, "set-code")] {
        let text = refusal(vec![kind, 0xc0].into());
        assert!(text.starts_with("transaction type not supported"), "{text}");
        assert!(text.contains(name), "{text}");
    }
    assert_eq!(refusal(vec![0].into()), "transaction type not supported: 0");
    assert_eq!(refusal(vec![0x7f, 1].into()), "transaction type not supported: 127");
    // A typed transaction wrapped into an RLP string, as blocks of the wire protocol have it.
    let wrapped = alloy_rlp_string(&raw(dynamic()));
    assert!(refusal(wrapped.into()).starts_with("transaction type not supported"));
}

fn alloy_rlp_string(bytes: &[u8]) -> Vec<u8> {
    [&[0xb8, bytes.len() as u8][..], bytes].concat()
}

#[test]
fn intrinsic_gas_counts_bytes_creation_and_access_lists() {
    let needed = |tx: TxEip1559| match recover(raw(TxEip1559 { gas_limit: 0, ..tx })) {
        Err(PoolError::IntrinsicGas { gas: 0, needed }) => needed,
        other => panic!("{other:?}"),
    };
    let input = |bytes: &[u8]| TxEip1559 { input: bytes.to_vec().into(), ..dynamic() };
    assert_eq!(needed(dynamic()), 21_000);
    assert_eq!(needed(input(&[0, 0, 1])), 21_000 + 4 + 4 + 16);
    let create = TxEip1559 { to: TxKind::Create, ..input(&[1; 33]) };
    assert_eq!(needed(create), 21_000 + 32_000 + 33 * 16 + 2 * 2);
    let item =
        |keys| AccessListItem { address: Address::ZERO, storage_keys: vec![B256::ZERO; keys] };
    let listed = TxEip1559 { access_list: AccessList(vec![item(0), item(3)]), ..dynamic() };
    assert_eq!(needed(listed), 21_000 + 2 * 2_400 + 3 * 1_900);
    // Exactly enough is enough.
    assert!(recover(raw(TxEip1559 { gas_limit: 21_016, ..input(&[1]) })).is_ok());
}

#[test]
fn init_code_is_bounded() {
    let create = |bytes| TxEip1559 {
        to: TxKind::Create,
        input: vec![0; bytes].into(),
        gas_limit: 1_000_000,
        ..dynamic()
    };
    assert!(recover(raw(create(49_152))).is_ok());
    assert_eq!(
        refusal(raw(create(49_153))),
        "max initcode size exceeded: code size 49153, limit 49152"
    );
    // A call may carry as much.
    let call = TxEip1559 { to: TxKind::Call(Address::ZERO), ..create(49_153) };
    assert!(recover(raw(call)).is_ok());
}

fn with_signature(signature: Signature) -> Bytes {
    EthereumTxEnvelope::<TxEip4844>::from(dynamic().into_signed(signature)).encoded_2718().into()
}

#[test]
fn malleable_and_impossible_signatures_have_no_sender() {
    let order = U256::from_be_bytes(
        alloy_primitives::b256!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
            .0,
    );
    let good = key(0).sign_digest(dynamic().signature_hash()).unwrap();
    let good = Signature::from_raw(good.as_bytes()).unwrap();
    assert!(recover(with_signature(good)).is_ok());
    let twin = Signature::new(good.r(), order - good.s(), !good.v());
    for signature in [
        twin,
        Signature::new(U256::ZERO, good.s(), good.v()),
        Signature::new(good.r(), U256::ZERO, good.v()),
        Signature::new(order, good.s(), good.v()),
        Signature::new(U256::MAX, U256::MAX, true),
    ] {
        assert_eq!(recover(with_signature(signature)), Err(PoolError::InvalidSender));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_truncation_and_every_flipped_bit_is_judged(input in vec(any::<u8>(), 0..40)) {
        let gas_limit = 100_000;
        for raw in [
            raw(TxEip1559 { input: input.clone().into(), gas_limit, ..dynamic() }),
            raw(alloy_consensus::TxEip2930 {
                input: input.clone().into(), gas_limit, ..access_list()
            }),
            raw(alloy_consensus::TxLegacy { input: input.into(), gas_limit, ..legacy() }),
        ] {
            let good = recover(raw.clone()).unwrap();
            for end in 0..raw.len() {
                prop_assert!(recover(raw.slice(..end)).is_err());
            }
            prop_assert!(recover([&raw[..], &[0]].concat().into()).is_err());
            for bit in 0..raw.len() * 8 {
                let mut flipped = raw.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                // A changed transaction is another one: of somebody else, or refused.
                if let Ok(other) = recover(flipped.into()) {
                    prop_assert_ne!(other.hash(), good.hash());
                    prop_assert_ne!(other.sender(), good.sender());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_are_refused(first in 0u8..=255, bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(recover([&[first][..], &bytes].concat().into()).is_err());
    }
}
