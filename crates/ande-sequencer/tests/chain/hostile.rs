//! Transactions that were valid before somebody changed them, from clients and from peers.

use alloy::{
    consensus::{TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy},
    eips::{eip2930::AccessList, eip7702::Authorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use ande_consensus::{PoolStatus, TransactionIngress as _};
use ande_pool::PoolLimits;
use ande_primitives::NodeKey;
use proptest::{
    prelude::*,
    sample::Index,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::fixture::{FUNDED, GWEI, L2_CHAIN, Node, ingress_of, wallet};

const POOL: usize = 12;
const POOL_BYTES: usize = 4_000;

/// One of each type, by a sender that can pay.
fn valid(kind: usize, sender: u8, nonce: u64, input: Bytes) -> Bytes {
    let (wallet, to) = (wallet(sender), Address::repeat_byte(3));
    let (gas_limit, gas_price) = (100_000, 100 * GWEI);
    let access_list = AccessList::default();
    match kind {
        0 => wallet.sign(TxLegacy {
            chain_id: Some(L2_CHAIN),
            nonce,
            gas_price,
            gas_limit,
            to: TxKind::Call(to),
            value: U256::from(1),
            input,
        }),
        1 => wallet.sign(TxEip2930 {
            chain_id: L2_CHAIN,
            nonce,
            gas_price,
            gas_limit,
            to: TxKind::Create,
            value: U256::ZERO,
            access_list,
            input,
        }),
        2 => wallet.sign(TxEip1559 {
            chain_id: L2_CHAIN,
            nonce,
            gas_limit,
            max_fee_per_gas: gas_price,
            max_priority_fee_per_gas: GWEI,
            to: TxKind::Call(to),
            value: U256::from(1),
            access_list,
            input,
        }),
        3 => wallet.sign(TxEip4844 {
            chain_id: L2_CHAIN,
            nonce,
            gas_limit,
            max_fee_per_gas: gas_price,
            max_priority_fee_per_gas: GWEI,
            to,
            value: U256::ZERO,
            access_list,
            blob_versioned_hashes: vec![B256::with_last_byte(1)],
            max_fee_per_blob_gas: 1,
            input,
        }),
        _ => wallet.sign(TxEip7702 {
            chain_id: L2_CHAIN,
            nonce,
            gas_limit,
            max_fee_per_gas: gas_price,
            max_priority_fee_per_gas: GWEI,
            to,
            value: U256::ZERO,
            access_list,
            authorization_list: vec![
                Authorization { chain_id: U256::from(L2_CHAIN), address: to, nonce: 0 }
                    .into_signed(Signature::test_signature()),
            ],
            input,
        }),
    }
}

/// Up to three pieces of a transaction, each replaced by something.
fn changes() -> impl Strategy<Value = Vec<(Index, u8, Vec<u8>)>> {
    let with = proptest::collection::vec(any::<u8>(), 0..9);
    proptest::collection::vec((any::<Index>(), 0u8..9, with), 0..4)
}

fn change(raw: &Bytes, changes: &[(Index, u8, Vec<u8>)]) -> Bytes {
    let mut bytes = raw.to_vec();
    for (at, length, with) in changes {
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            let end = (at + usize::from(*length)).min(bytes.len());
            bytes.splice(at..end, with.iter().copied());
        }
    }
    bytes.into()
}

#[tokio::test]
async fn changed_transactions_of_every_type_are_judged_within_the_limits() {
    let dir = tempfile::tempdir().unwrap();
    let limits =
        PoolLimits { max_transactions: POOL, max_bytes: POOL_BYTES, ..PoolLimits::default() };
    let node = Node::limited_with_sets(dir.path(), limits).await;
    let ingress = ingress_of(&node);

    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), seed);
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    let strategy = (0usize..5, 0..FUNDED, 0u64..4, bytes, changes(), 0u8..4);
    let (mut taken, mut refused) = (0, 0);
    for number in 0..asked.unwrap_or(600_u32).max(600) {
        let (kind, sender, nonce, input, changed, from) =
            strategy.new_tree(&mut runner).unwrap().current();
        let raw = change(&valid(kind, sender, nonce, input.into()), &changed);
        let outcome = match from {
            0 => ingress.submit(raw.0.clone()).await,
            peer => {
                let peer = NodeKey::from_seed(&[peer; 32]).id();
                ingress.submit_from(peer, vec![raw.0.clone()]).await.pop().unwrap()
            }
        };
        match outcome {
            Ok(hash) => {
                assert_eq!(hash, keccak256(&raw));
                assert!(kind < 3 || !changed.is_empty(), "a type that nobody takes: {raw}");
                taken += 1;
            }
            Err(_) => refused += 1,
        }
        let PoolStatus { pending, queued, bytes } = ingress.status();
        assert!(pending + queued <= POOL && bytes <= POOL_BYTES, "{pending} {queued} {bytes}");
        if number % 100 == 99 {
            // What was taken can be executed, or is left out.
            node.decide().await;
        }
    }
    assert!(taken > 20 && refused > 200, "{taken} taken, {refused} refused");
}
