//! The layer against a node that speaks Celestia's JSON-RPC.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use alloy_primitives::{B256, Bytes};
use ande_celestia::{
    BlobNamespace, CelestiaError, CelestiaLayer, CelestiaOptions,
    test_support::{Fault, LocalNode},
};
use ande_consensus::{DataLayer as _, DataLayerError};
use ande_primitives::{DaKind, DaPointer};

fn options(node: &LocalNode) -> CelestiaOptions {
    CelestiaOptions {
        url: node.url(),
        token: None,
        namespace: BlobNamespace::of_chain(B256::repeat_byte(7)),
        gas_price: None,
        request_timeout: Duration::from_secs(5),
        submit_timeout: Duration::from_secs(10),
    }
}

fn layer(node: &LocalNode) -> CelestiaLayer {
    CelestiaLayer::new(options(node)).unwrap()
}

/// Bytes that are unlike those of other seeds.
fn data(seed: u8, bytes: usize) -> Bytes {
    (0..bytes).map(|index| (index as u8).wrapping_mul(31) ^ seed).collect::<Vec<_>>().into()
}

#[tokio::test]
async fn what_is_put_is_read_back() {
    let node = LocalNode::start().await;
    let layer = layer(&node);
    for (seed, bytes) in [(1, 1), (2, 478), (3, 5_000), (4, 780_288)] {
        let data = data(seed, bytes);
        let after = layer.height().await.unwrap();
        let pointer = layer.put(&data, after).await.unwrap();
        assert_eq!((pointer.kind, pointer.height), (DaKind::Celestia, node.height()));
        assert_eq!(pointer.size as usize, bytes);
        assert_eq!(layer.get(&pointer).await.unwrap(), data);
        assert_eq!(layer.find(&data, after, node.height()).await, Ok(Some(pointer)));
    }
    assert_eq!(node.submissions(), 4);
}

#[tokio::test]
async fn only_what_a_pointer_names_is_read() {
    let node = LocalNode::start().await;
    let layer = layer(&node);
    let data = data(1, 3_000);
    let good = layer.put(&data, node.height()).await.unwrap();
    let get = async |pointer: DaPointer| layer.get(&pointer).await.unwrap_err();

    let elsewhere = DaPointer { height: good.height - 1, ..good };
    assert_eq!(get(elsewhere).await, DataLayerError::Absent(good.height - 1));
    let future = DaPointer { height: good.height + 1, ..good };
    assert_eq!(get(future).await, DataLayerError::Absent(good.height + 1));
    let other = DaPointer { commitment: B256::ZERO, ..good };
    assert_eq!(get(other).await, DataLayerError::Absent(good.height));
    let shorter = DaPointer { size: good.size - 1, ..good };
    assert!(matches!(get(shorter).await, DataLayerError::Wrong(_)));
    assert!(matches!(get(DaPointer::calldata(&data)).await, DataLayerError::Wrong(_)));

    node.set(Fault::OtherData);
    assert!(matches!(get(good).await, DataLayerError::Wrong(_)));
    node.set(Fault::Endless);
    let error = get(good).await;
    assert!(matches!(error, DataLayerError::Unreachable(_)), "{error}");
    node.set(Fault::None);
    assert_eq!(layer.get(&good).await, Ok(data.clone()));

    // The same bytes in the namespace of another chain are other data.
    let namespace = BlobNamespace::of_chain(B256::repeat_byte(8));
    let others = CelestiaLayer::new(CelestiaOptions { namespace, ..options(&node) }).unwrap();
    assert_eq!(others.get(&good).await, Err(DataLayerError::Absent(good.height)));
    assert_eq!(others.find(&data, 0, node.height()).await, Ok(None));
}

#[tokio::test]
async fn a_submission_without_an_answer_is_found_and_not_made_again() {
    let node = LocalNode::start().await;
    let layer = layer(&node);
    for (seed, text) in [
        (1, "timed out waiting for tx to be included in a block"),
        (2, "tx already in mempool"),
        (3, "account sequence mismatch, expected 3, got 2: incorrect account sequence"),
    ] {
        node.set(Fault::LosesAnswer(text.to_owned()));
        let data = data(seed, 2_000);
        let pointer = layer.put(&data, node.height()).await.unwrap();
        assert_eq!(pointer.height, node.height());
        assert_eq!(layer.get(&pointer).await.unwrap(), data);
        assert_eq!(node.submissions(), usize::from(seed), "{text}");
    }
    assert_eq!(node.blobs().len(), 3);
}

#[tokio::test]
async fn what_is_in_no_block_is_an_error() {
    let mut node = LocalNode::start().await;
    let short = Duration::from_millis(200);
    let options =
        CelestiaOptions { request_timeout: short, submit_timeout: short, ..options(&node) };
    let layer = CelestiaLayer::new(options).unwrap();
    let data = data(1, 2_000);
    let put = async |node: &LocalNode| layer.put(&data, node.height()).await.unwrap_err();
    node.set(Fault::Refuses("timed out waiting for tx".to_owned()));
    assert!(matches!(put(&node).await, DataLayerError::Pending(_)));
    node.set(Fault::Stalls);
    assert!(matches!(put(&node).await, DataLayerError::Pending(_)));
    node.set(Fault::Refuses("insufficient funds".to_owned()));
    let before = node.submissions();
    assert_eq!(put(&node).await, DataLayerError::Refused(refusal("insufficient funds")));
    node.set(Fault::Refuses("tx too large".to_owned()));
    assert!(matches!(put(&node).await, DataLayerError::TooLarge { bytes: 2_000, .. }));
    assert_eq!(node.submissions(), before + 2, "an answer is not asked for twice");
    node.down().await;
    assert!(matches!(put(&node).await, DataLayerError::Unreachable(_)));
    assert!(matches!(layer.height().await, Err(DataLayerError::Unreachable(_))));
    assert_eq!(node.blobs().len(), 0);

    // It is asked again where it was, without a new layer.
    node.up().await;
    node.set(Fault::None);
    let pointer = layer.put(&data, node.height()).await.unwrap();
    assert_eq!(layer.get(&pointer).await, Ok(data));
}

/// How the client writes an error of the node.
fn refusal(text: &str) -> String {
    jsonrpsee::types::ErrorObjectOwned::owned(1, text, None::<()>).to_string()
}

#[tokio::test]
async fn the_token_is_sent_and_never_shown() {
    let node = LocalNode::start().await;
    layer(&node).height().await.unwrap();
    assert_eq!(node.authorization(), None);
    let token = "eyJhbGciOi.secret";
    let with =
        |token: &str| CelestiaOptions { token: Some(token.to_owned().into()), ..options(&node) };
    let layer = CelestiaLayer::new(with(token)).unwrap();
    layer.height().await.unwrap();
    assert_eq!(node.authorization(), Some(format!("Bearer {token}")));
    assert!(!format!("{layer:?}").contains("secret"));
    let error = CelestiaLayer::new(with("two\nlines")).unwrap_err();
    assert!(matches!(error, CelestiaError::Token), "{error}");
}
