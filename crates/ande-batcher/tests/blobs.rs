//! Batches whose data is in EIP-4844 blobs, on a real settlement chain.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use alloy::{
    consensus::Transaction as _,
    primitives::{B256, Bytes, U256},
};
use ande_batch::{BLOB_DATA_BYTES, MAX_BLOB_DATA_BYTES, decode, to_blobs};
use ande_batcher::{BatcherConfig, DataChoice};
use ande_l1::{BlobBundle, BlobForm, CommitmentAndProof, test_support::eventually};
use ande_peer::{CheckpointRequest, PeerRefusal};
use ande_primitives::{Checkpoint, DaKind, DaPointer, Height};
use ande_store::BatchState;

use common::{Cluster, config, log};

/// Everything into blobs.
fn in_blobs() -> BatcherConfig {
    BatcherConfig { data: DataChoice::Blobs, ..config() }
}

/// Blobs of the transaction that carried a batch. A row is included before its event is read.
async fn blob_count(cluster: &Cluster, node: usize, index: u64) -> usize {
    let row = eventually("the posting is known", async || {
        cluster.nodes[node].row(index).await.filter(|row| row.l1_tx.is_some())
    })
    .await;
    let transaction = cluster.l1.client().transaction(row.l1_tx.unwrap()).await.unwrap().unwrap();
    let hashes = transaction.blob_versioned_hashes().unwrap_or_default();
    assert_eq!(row.da, DaPointer::blobs(hashes, row.da.size));
    hashes.len()
}

#[tokio::test]
async fn batches_in_blobs_become_final_and_a_late_node_reads_them_back() {
    log();
    let mut cluster = Cluster::start(4, in_blobs()).await;
    let poster = cluster.proposer(4).await;
    // The next one in the schedule posts batch 2.
    let late = (poster + 3) % 4;
    cluster.nodes[late].crash().await;
    cluster.blocks(7).await;
    for index in 1..=2 {
        cluster.until(index, BatchState::Included).await;
    }
    cluster.l1.mine(3).await;
    cluster.until(2, BatchState::Finalized).await;
    let posted = cluster.nodes[poster].row(1).await.unwrap();
    assert_eq!(posted.da.kind, DaKind::Blobs);
    assert_eq!(blob_count(&cluster, poster, 1).await, 1);

    // Without blocks of its own it takes over what the settlement chain has, out of the blobs.
    cluster.restart(late).await;
    cluster.until(2, BatchState::Finalized).await;
    let adopted = cluster.nodes[late].row(1).await.unwrap();
    assert_eq!((adopted.da, &adopted.data), (posted.da, &posted.data));
    assert_eq!(decode(&adopted.data).unwrap().blocks.len(), 4);
    cluster.catch_up(late, poster).await;
    eventually("its heads follow its blocks", async || {
        let heads = *cluster.nodes[late].store().heads().borrow();
        (heads.finalized == Height(7)).then_some(())
    })
    .await;
    cluster.blocks(3).await;
    cluster.until(3, BatchState::Included).await;
    assert_eq!(cluster.postings().await, 3, "every batch was posted once");
}

#[tokio::test]
async fn size_decides_between_calldata_and_blobs_and_six_of_them_are_filled() {
    log();
    let config = BatcherConfig {
        max_data_bytes: MAX_BLOB_DATA_BYTES,
        data: DataChoice::BySize(20_000),
        interval: Duration::from_secs(20),
        blob_form: BlobForm::Eip7594,
        ..config()
    };
    let mut cluster = Cluster::start(1, config).await;
    // 19 blocks to the end of the epoch: about 12 kB.
    cluster.blocks(19).await;
    let rows = cluster.until(1, BatchState::Included).await;
    assert_eq!((rows[0].da.kind, rows[0].header.end_height), (DaKind::Calldata, Height(19)));
    // Incompressible blocks of 42 kB until the batch is full.
    cluster.blocks_with(20, 41, 1_000).await;
    let rows = cluster.until(2, BatchState::Included).await;
    assert_eq!(rows[0].da.kind, DaKind::Blobs);
    let size = rows[0].da.size as usize;
    let blobs = blob_count(&cluster, 0, 2).await;
    assert_eq!(blobs, 6);
    assert!(size > 5 * BLOB_DATA_BYTES && size <= MAX_BLOB_DATA_BYTES, "{size}");
}

/// Where the data of an accepted batch is.
async fn posted_to(cluster: &Cluster, index: u64) -> DaKind {
    let hash = eventually("the posting is known", async || {
        let rows =
            futures::future::join_all(cluster.nodes.iter().map(|node| node.row(index))).await;
        rows.into_iter().flatten().find_map(|row| row.l1_tx)
    })
    .await;
    let transaction = cluster.l1.client().transaction(hash).await.unwrap().unwrap();
    match transaction.blob_versioned_hashes() {
        Some(hashes) if !hashes.is_empty() => DaKind::Blobs,
        _ => DaKind::Calldata,
    }
}

#[tokio::test]
async fn the_cheaper_place_is_taken() {
    log();
    let mut cluster = Cluster::start(4, BatcherConfig { data: DataChoice::Auto, ..config() }).await;
    // Blob gas costs a wei. Gas as cheap makes blobs dear: a whole one is paid for.
    let (cheap, dear) = (1u64, 1_000_000_000u64);
    let mut first = 4;
    for (batch, gas, place) in
        [(1, dear, DaKind::Blobs), (2, cheap, DaKind::Calldata), (3, dear, DaKind::Blobs)]
    {
        cluster.l1.rpc("anvil_setNextBlockBaseFeePerGas", (U256::from(gas),)).await;
        // Nor do the tips of earlier blocks count any more.
        cluster.l1.mine(6).await;
        cluster.blocks(first).await;
        first = 3;
        cluster.until(batch, BatchState::Included).await;
        assert_eq!(posted_to(&cluster, batch).await, place, "batch {batch} with gas at {gas} wei");
    }
    assert_eq!(cluster.postings().await, 3, "every batch was posted once");
}

#[tokio::test]
async fn a_reorganised_batch_is_posted_again_with_its_blobs() {
    log();
    let mut cluster = Cluster::start(4, in_blobs()).await;
    cluster.blocks(4).await;
    let before = cluster.until(1, BatchState::Included).await;
    let none: [(); 0] = [];
    cluster.l1.rpc("anvil_reorg", (1u64, none)).await;
    cluster.l1.mine(1).await;
    eventually("accepted again", async || (cluster.tip().await == 1).then_some(())).await;
    cluster.l1.mine(3).await;
    let after = cluster.until(1, BatchState::Finalized).await;
    assert_eq!(before[0].header, after[0].header);
    cluster.blocks(3).await;
    cluster.until(2, BatchState::Included).await;
}

#[tokio::test]
async fn only_blobs_that_hold_the_data_are_signed() {
    log();
    let mut cluster = Cluster::start(4, BatcherConfig { enabled: false, ..in_blobs() }).await;
    cluster.blocks(5).await;
    let peer = cluster.nodes[0].validator.node.id();
    let row = eventually("the batch is cut", async || cluster.nodes[0].row(1).await).await;
    let running = cluster.nodes[1].running.as_ref().unwrap();
    eventually("the validators are known", async || {
        (running.view.borrow().validators.len() == 4).then_some(())
    })
    .await;
    let bundle = BlobBundle::compute(to_blobs(&row.data).unwrap(), BlobForm::Eip4844).unwrap();
    let proofs: Vec<u8> = bundle.proofs().iter().flat_map(CommitmentAndProof::to_bytes).collect();
    let da = DaPointer::blobs(&bundle.versioned_hashes(), row.data.len() as u32);
    let request = |da: DaPointer, proofs: Bytes, attempt: u32| CheckpointRequest {
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
        proofs,
    };
    let ask = async |request| running.service.checkpoint(peer, request).await;

    let other = BlobBundle::compute(to_blobs(b"other data").unwrap(), BlobForm::Eip4844).unwrap();
    let others: Vec<u8> = other.proofs().iter().flat_map(CommitmentAndProof::to_bytes).collect();
    let elsewhere = DaPointer::blobs(&other.versioned_hashes(), row.data.len() as u32);
    let refused: [(&str, DaPointer, Bytes); 5] = [
        ("no proofs", da, Bytes::new()),
        ("half a proof", da, proofs[..95].to_vec().into()),
        ("another pointer", DaPointer::blobs(&[B256::ZERO], da.size), proofs.clone().into()),
        ("other blobs", elsewhere, others.into()),
        ("proofs without blobs", DaPointer::calldata(&row.data), proofs.clone().into()),
    ];
    for (what, da, proofs) in refused {
        let answer = ask(request(da, proofs, 4)).await;
        assert!(matches!(answer, Err(PeerRefusal::Invalid(_))), "{what}: {answer:?}");
    }
    ask(request(da, proofs.into(), 0)).await.unwrap();
    // The same attempt again with the data in calldata is another pointer, the next attempt may.
    let calldata = DaPointer::calldata(&row.data);
    let again = ask(request(calldata, Bytes::new(), 0)).await;
    assert!(matches!(again, Err(PeerRefusal::Conflict(_))), "{again:?}");
    ask(request(calldata, Bytes::new(), 4)).await.unwrap();
}
