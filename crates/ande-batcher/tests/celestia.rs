//! Batches whose data is on Celestia, on a real settlement chain.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use alloy_primitives::{B256, Bytes};
use ande_batch::decode;
use ande_batcher::{BatcherConfig, BatcherError, DataChoice, History, HistorySource};
use ande_celestia::test_support::{Fault, LocalNode};
use ande_l1::{
    BlobSource,
    test_support::{GENESIS, eventually},
};
use ande_peer::{CheckpointRequest, PeerRefusal};
use ande_primitives::{Block, Checkpoint, DaKind, DaPointer, Height};
use ande_store::{BatchRow, BatchState};

use common::{Cluster, celestia_layer, config, log, on_celestia};

/// All blocks, read from the settlement chain and the layer alone.
async fn history(
    cluster: &Cluster,
    celestia: Option<&LocalNode>,
) -> Result<Vec<Block>, BatcherError> {
    let client = cluster.l1.client();
    let source = HistorySource {
        blobs: BlobSource::new(client.clone(), Vec::new(), Duration::from_secs(5)).unwrap(),
        layer: celestia.map(celestia_layer),
        client: client.clone(),
        consensus: cluster.l1.consensus,
        coordinator: cluster.l1.coordinator,
        domain: cluster.l1.domain(),
        genesis_hash: GENESIS,
    };
    let latest = client.latest_number().await.unwrap();
    let until = client.block(latest.into()).await.unwrap().unwrap();
    let mut history = History::open(source, 0, until).await?;
    let mut blocks = Vec::new();
    while let Some(batch) = history.next().await? {
        blocks.extend(batch.blocks);
    }
    Ok(blocks)
}

/// The blocks of a node up to a height.
async fn blocks_of(cluster: &Cluster, node: usize, to: u64) -> Vec<Block> {
    let commits =
        cluster.nodes[node].store().commits(Height(1)..=Height(to), 1 << 24).await.unwrap();
    commits.into_iter().map(|commit| commit.block).collect()
}

#[tokio::test]
async fn batches_on_celestia_become_final_and_are_read_back() {
    log();
    let celestia = LocalNode::start().await;
    let mut cluster = on_celestia(&celestia).await;
    let poster = cluster.proposer(4).await;
    let late = (poster + 3) % 4;
    cluster.nodes[late].crash().await;
    cluster.blocks(7).await;
    for index in 1..=2 {
        cluster.until(index, BatchState::Included).await;
    }
    cluster.l1.mine(3).await;
    cluster.until(2, BatchState::Finalized).await;
    let posted = cluster.nodes[poster].row(1).await.unwrap();
    let (height, data) = celestia.blobs().swap_remove(0);
    assert_eq!((posted.da.kind, posted.da.height), (DaKind::Celestia, height));
    assert_eq!(posted.data, data);

    // Without blocks of its own a node takes over what the settlement chain points to.
    cluster.restart(late).await;
    cluster.until(2, BatchState::Finalized).await;
    let adopted = cluster.nodes[late].row(1).await.unwrap();
    assert_eq!((adopted.da, &adopted.data), (posted.da, &posted.data));
    assert_eq!(decode(&adopted.data).unwrap().blocks.len(), 4);

    assert_eq!(
        history(&cluster, Some(&celestia)).await.unwrap(),
        blocks_of(&cluster, poster, 7).await
    );
    let refused = history(&cluster, None).await.unwrap_err().to_string();
    assert!(refused.contains("add [celestia]"), "{refused}");
    celestia.set(Fault::OtherData);
    let refused = history(&cluster, Some(&celestia)).await.unwrap_err().to_string();
    assert!(refused.contains("batch 1") && refused.contains("other data"), "{refused}");
    assert_eq!(cluster.postings().await, 2, "every batch was posted once");
    assert_eq!(celestia.blobs().len(), 2, "and put once");
}

#[tokio::test]
async fn an_outage_of_celestia_delays_batches_and_repeats_none() {
    log();
    let mut celestia = LocalNode::start().await;
    let mut cluster = on_celestia(&celestia).await;
    cluster.blocks(4).await;
    cluster.until(1, BatchState::Included).await;

    // The chain goes on to the end of the epoch, batches are cut, nothing is posted.
    celestia.down().await;
    cluster.blocks(15).await;
    for node in &cluster.nodes {
        eventually("the last batch of the epoch is cut", async || node.row(6).await).await;
    }
    let failures = |cluster: &Cluster| -> u64 {
        cluster.nodes.iter().map(|n| n.running.as_ref().unwrap().metrics.post_failures.get()).sum()
    };
    eventually("posting fails", async || (failures(&cluster) >= 2).then_some(())).await;
    assert_eq!(cluster.tip().await, 1);

    // Then it is there, but what it takes gets into no block.
    celestia.up().await;
    celestia.set(Fault::Refuses("timed out waiting for tx to be included".to_owned()));
    let before = celestia.submissions();
    eventually("somebody tries", async || (celestia.submissions() > before).then_some(())).await;
    assert_eq!((cluster.tip().await, celestia.blobs().len()), (1, 1));

    // And then it takes it without saying so.
    celestia.set(Fault::LosesAnswer("tx already in mempool".to_owned()));
    let mut next = Height(1);
    for index in 1..=6 {
        let rows = cluster.until(index, BatchState::Included).await;
        assert_eq!(rows[0].header.start_height, next, "batches are contiguous");
        next = rows[0].header.end_height.next();
    }
    assert_eq!(next, Height(20));
    assert_eq!(cluster.postings().await, 6, "every batch was posted once");
    assert_eq!(celestia.blobs().len(), 6, "and put once");
    assert_eq!(history(&cluster, Some(&celestia)).await.unwrap(), blocks_of(&cluster, 0, 19).await);
}

fn request(row: &BatchRow, da: DaPointer, attempt: u32) -> CheckpointRequest {
    CheckpointRequest {
        checkpoint: Checkpoint {
            era: row.header.era,
            epoch: row.header.epoch,
            batch_index: row.header.batch_index,
            attempt,
            parent_batch_hash: row.header.parent_batch_hash,
            content_hash: row.header.content_hash(),
            da_hash: da.da_hash(),
        },
        header: row.header,
        da,
        skips: row.skips.clone(),
        data: row.data.clone(),
        proofs: Bytes::new(),
    }
}

#[tokio::test]
async fn only_data_that_was_read_there_is_signed_for() {
    log();
    let mut celestia = LocalNode::start().await;
    let config = BatcherConfig { enabled: false, data: DataChoice::Celestia, ..config() };
    let mut cluster = Cluster::start_some(4, 0, config).await;
    let layer = celestia_layer(&celestia);
    // The last one knows no layer.
    for index in 0..4 {
        cluster.nodes[index].layer = (index < 3).then(|| layer.clone());
        cluster.restart(index).await;
    }
    cluster.blocks(5).await;
    let row = eventually("the batch is cut", async || cluster.nodes[0].row(1).await).await;
    let peer = cluster.nodes[0].validator.node.id();
    for node in &cluster.nodes {
        let view = &node.running.as_ref().unwrap().view;
        eventually("the validators are known", async || {
            (view.borrow().validators.len() == 4).then_some(())
        })
        .await;
    }
    let ask = async |node: usize, request| {
        let service = &cluster.nodes[node].running.as_ref().unwrap().service;
        service.checkpoint(peer, request).await
    };
    let good = layer.put(&row.data, celestia.height()).await.unwrap();
    let other = layer.put(&Bytes::from_static(b"other data"), celestia.height()).await.unwrap();

    for (what, da) in [
        ("another height", DaPointer { height: good.height - 1, ..good }),
        ("a block that is not there", DaPointer { height: celestia.height() + 1, ..good }),
        ("another commitment", DaPointer { commitment: B256::repeat_byte(1), ..good }),
    ] {
        let answer = ask(1, request(&row, da, 4)).await;
        assert!(matches!(answer, Err(PeerRefusal::Unavailable(_))), "{what}: {answer:?}");
    }
    for (what, da) in [("other data", other), ("another size", DaPointer { size: 1, ..good })] {
        let answer = ask(1, request(&row, da, 4)).await;
        assert!(matches!(answer, Err(PeerRefusal::Invalid(_))), "{what}: {answer:?}");
    }
    celestia.set(Fault::OtherData);
    let answer = ask(1, request(&row, good, 4)).await;
    assert!(matches!(answer, Err(PeerRefusal::Invalid(_))), "{answer:?}");
    celestia.set(Fault::None);
    celestia.down().await;
    let answer = ask(1, request(&row, good, 4)).await;
    assert!(matches!(answer, Err(PeerRefusal::Unavailable(_))), "{answer:?}");
    celestia.up().await;
    match ask(3, request(&row, good, 4)).await {
        Err(PeerRefusal::Unavailable(reason)) => assert!(reason.contains("[celestia]"), "{reason}"),
        answer => panic!("{answer:?}"),
    }
    ask(1, request(&row, good, 0)).await.unwrap();
    ask(2, request(&row, good, 0)).await.unwrap();
}
