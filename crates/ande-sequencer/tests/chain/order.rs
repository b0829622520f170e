//! A proposer whose executor leaves out more than was expected.

use alloy_primitives::keccak256;
use ande_consensus::{Application as _, Verdict};
use ande_primitives::Round;

use crate::fixture::{Node, candidate, wallet};

#[tokio::test]
async fn what_remains_of_a_block_is_put_in_order_again() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second, other) = (wallet(0).tip(0, 1), wallet(0).tip(1, 99), wallet(1).tip(0, 5));
    let node = Node::picky_with_sets(dir.path(), keccak256(&first)).await;
    for raw in [&first, &second, &other] {
        node.pool.admit(raw.clone()).await.unwrap();
    }
    // With the first one the other sender would come before; without it not.
    let (start, block) = node.build(Round(0)).await;
    assert_eq!(block.transactions, [second, other]);
    let verdict = node.chain.validate(&start, &candidate(block, Round(0))).await;
    assert_eq!(verdict, Verdict::Valid);
    // Left out again and again, it goes.
    node.decide().await;
    for _ in 0..3 {
        node.decide().await;
    }
    assert!(node.pool.get(keccak256(&first)).is_none());
}
