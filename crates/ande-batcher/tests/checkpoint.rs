//! What validators refuse to sign.

mod common;

use alloy_primitives::{Address, B256, Bytes};
use ande_batcher::BatcherConfig;
use ande_l1::test_support::eventually;
use ande_peer::{CheckpointRequest, PeerRefusal};
use ande_primitives::{Checkpoint, DaPointer};
use ande_store::BatchRow;

use common::{Cluster, config, log};

fn request(row: &BatchRow, attempt: u32) -> CheckpointRequest {
    CheckpointRequest {
        checkpoint: Checkpoint {
            era: row.header.era,
            epoch: row.header.epoch,
            batch_index: row.header.batch_index,
            attempt,
            parent_batch_hash: row.header.parent_batch_hash,
            content_hash: row.header.content_hash(),
            da_hash: row.da.da_hash(),
        },
        header: row.header,
        da: row.da,
        skips: row.skips.clone(),
        data: row.data.clone(),
        proofs: Bytes::new(),
    }
}

fn rehash(request: &mut CheckpointRequest) {
    request.checkpoint.content_hash = request.header.content_hash();
    request.checkpoint.da_hash = request.da.da_hash();
    request.checkpoint.parent_batch_hash = request.header.parent_batch_hash;
}

#[tokio::test]
async fn only_the_chains_own_batches_are_signed() {
    log();
    let mut cluster = Cluster::start(4, BatcherConfig { enabled: false, ..config() }).await;
    cluster.blocks(5).await;
    let peer = cluster.nodes[0].validator.node.id();
    let row = eventually("the batch is cut", async || cluster.nodes[0].row(1).await).await;
    let running = cluster.nodes[1].running.as_ref().unwrap();
    eventually("the validators are known", async || {
        (running.view.borrow().validators.len() == 4).then_some(())
    })
    .await;
    let service = &running.service;
    let ask = async |request: CheckpointRequest| service.checkpoint(peer, request).await;

    let good = request(&row, 0);
    let signature = ask(good.clone()).await.unwrap();
    let digest = cluster.chain.domain.checkpoint_digest(&good.checkpoint);
    assert_eq!(signature.recover(digest), Ok(cluster.nodes[1].validator.key.address()));
    assert_eq!(ask(good.clone()).await.unwrap(), signature, "the same bytes again");

    type Change = fn(&mut CheckpointRequest);
    let wrong: [(&str, Change); 9] = [
        ("state root", |r| r.header.state_root = B256::repeat_byte(1)),
        ("last block", |r| r.header.last_block_hash = B256::repeat_byte(1)),
        ("end", |r| r.header.end_height = r.header.end_height.next()),
        ("count", |r| r.header.tx_count += 1),
        ("parent", |r| r.header.parent_batch_hash = B256::repeat_byte(1)),
        ("recipient", |r| r.header.fee_recipient = Address::repeat_byte(1)),
        ("garbage data", |r| {
            r.data = Bytes::from_static(&[1; 100]);
            r.da = DaPointer::calldata(&r.data);
        }),
        ("cut data", |r| {
            r.data = r.data.slice(..r.data.len() - 1);
            r.da = DaPointer::calldata(&r.data);
        }),
        ("pointer", |r| r.da.commitment = B256::repeat_byte(1)),
    ];
    for (what, change) in wrong {
        let mut bad = good.clone();
        change(&mut bad);
        rehash(&mut bad);
        // An attempt of its own, so that only the content decides.
        bad.checkpoint.attempt = 4;
        let answer = ask(bad).await;
        assert!(matches!(answer, Err(PeerRefusal::Invalid(_))), "{what}: {answer:?}");
    }

    // Unhashed parts.
    let mut bad = good.clone();
    bad.checkpoint.content_hash = B256::repeat_byte(3);
    assert!(matches!(ask(bad).await, Err(PeerRefusal::Invalid(_))));
    // Another poster's attempt, and one beyond what the guard remembers.
    for attempt in [1, 3, 64] {
        let answer = ask(request(&row, attempt)).await;
        assert!(matches!(answer, Err(PeerRefusal::Invalid(_))), "{attempt}: {answer:?}");
    }
    // The other poster may ask for its own attempt with its own data.
    let other = cluster.nodes[2].row(1).await.unwrap();
    assert_eq!(other.attempt, 2);
    assert_ne!(other.data, row.data, "nodes hold different certificates");
    let theirs = service.checkpoint(cluster.nodes[2].validator.node.id(), request(&other, 2)).await;
    assert!(theirs.is_ok(), "{theirs:?}");
    // The same attempt with other data is a contradiction.
    let mut conflict = request(&other, 0);
    rehash(&mut conflict);
    let answer = ask(conflict).await;
    assert!(matches!(answer, Err(PeerRefusal::Conflict(_))), "{answer:?}");
    // A batch that the chain does not complete yet.
    let mut early = good.clone();
    early.header.batch_index = 2;
    early.checkpoint.batch_index = 2;
    rehash(&mut early);
    let answer = ask(early).await;
    assert!(matches!(answer, Err(PeerRefusal::Unavailable(_))), "{answer:?}");
}

#[tokio::test]
async fn other_settings_are_named() {
    log();
    let mut cluster = Cluster::start(4, BatcherConfig { enabled: false, ..config() }).await;
    cluster.nodes[1].stop().await;
    cluster.nodes[1].config.interval = std::time::Duration::from_secs(2);
    cluster.restart(1).await;
    cluster.blocks(5).await;
    let row = eventually("the batch is cut", async || cluster.nodes[0].row(1).await).await;
    let running = cluster.nodes[1].running.as_ref().unwrap();
    eventually("the validators are known", async || {
        (running.view.borrow().validators.len() == 4).then_some(())
    })
    .await;
    let peer = cluster.nodes[0].validator.node.id();
    match running.service.checkpoint(peer, request(&row, 0)).await {
        Err(PeerRefusal::Invalid(reason)) => {
            assert!(reason.contains("batcher.interval_ms"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}
