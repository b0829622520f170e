//! Reading blobs back from a beacon node.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy::primitives::{B256, hex};
use ande_l1::{
    Blob, BlobBundle, BlobSource, L1Error,
    test_support::{Plan, TestL1},
};
use url::Url;

/// A beacon node that answers by path; keeps what it was asked.
struct Beacon {
    url: Url,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Beacon {
    /// `answer` gives status and body of a path with its query.
    fn start(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut buffer) {
                        Ok(0) | Err(_) => break,
                        Ok(count) => request.extend_from_slice(&buffer[..count]),
                    }
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some(path) = text.split_whitespace().nth(1) else { continue };
                seen.lock().unwrap().push(path.to_owned());
                let (status, body) = answer(path);
                let head = format!(
                    "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes());
                let _ = stream.write_all(body.as_bytes());
            }
        });
        Self { url: format!("http://127.0.0.1:{port}/key/").parse().unwrap(), asked }
    }
}

fn blob(fill: u8) -> Blob {
    let mut blob = Blob::ZERO;
    for element in blob.0.as_chunks_mut::<32>().0 {
        element[1..].fill(fill);
    }
    blob
}

#[tokio::test]
async fn blobs_come_from_the_beacon_node_that_has_them_and_are_checked() {
    let l1 = TestL1::start(Plan { rotation: 10, windows: 3, min_validators: 1 }).await;
    let client = l1.client();
    let number = client.latest_number().await.unwrap();
    let block = client.block(number.into()).await.unwrap().unwrap();
    let blobs = [blob(1), blob(2)];
    let hashes: Vec<B256> = blobs.iter().map(|b| BlobBundle::hash_of(b).unwrap()).collect();
    let genesis = block.timestamp - 7 * 6 - 3;

    let about = move |path: &str| match path {
        "/key/eth/v1/beacon/genesis" => {
            Some((200, format!("{{\"data\":{{\"genesis_time\":\"{genesis}\",\"x\":1}}}}")))
        }
        "/key/eth/v1/config/spec" => {
            Some((200, "{\"data\":{\"SECONDS_PER_SLOT\":\"6\",\"OTHER\":[]}}".to_owned()))
        }
        _ => None,
    };
    let list = |blobs: &[Blob]| {
        let texts: Vec<_> = blobs.iter().map(|b| format!("\"0x{}\"", hex::encode(b))).collect();
        format!("{{\"execution_optimistic\":false,\"data\":[{}]}}", texts.join(","))
    };
    // Other blobs of the block come along, in another order.
    let full = list(&[blobs[1], blob(3), blobs[0]]);
    let current = Beacon::start(move |path| {
        about(path).unwrap_or_else(|| match path.starts_with("/key/eth/v1/beacon/blobs/7?") {
            true => (200, full.clone()),
            false => (404, String::new()),
        })
    });
    let sidecars: Vec<_> = blobs
        .iter()
        .map(|b| format!("{{\"index\":\"0\",\"blob\":\"0x{}\"}}", hex::encode(b)))
        .collect();
    let older = Beacon::start(move |path| {
        about(path).unwrap_or_else(|| match path == "/key/eth/v1/beacon/blob_sidecars/7" {
            true => (200, format!("{{\"data\":[{}]}}", sidecars.join(","))),
            false => (404, String::new()),
        })
    });
    let wrong = list(&[blob(4), blob(5)]);
    let liar = Beacon::start(move |path| about(path).unwrap_or_else(|| (200, wrong.clone())));
    let broken = Beacon::start(|_| (200, "{\"data\":".to_owned()));
    let gone = Beacon::start(move |path| about(path).unwrap_or((404, String::new())));

    let read = async |beacons: &[&Beacon]| {
        let urls = beacons.iter().map(|beacon| beacon.url.clone()).collect();
        let source = BlobSource::new(l1.client(), urls, Duration::from_secs(5)).unwrap();
        source.read(B256::ZERO, number, &hashes).await
    };
    assert_eq!(read(&[&current]).await.unwrap(), blobs);
    assert_eq!(read(&[&older]).await.unwrap(), blobs);
    assert_eq!(read(&[&liar, &broken, &gone, &current]).await.unwrap(), blobs);
    for useless in [&liar, &broken, &gone] {
        let answer = read(&[useless]).await;
        assert!(matches!(answer, Err(L1Error::Blobs(_))), "{answer:?}");
        let text = answer.unwrap_err().to_string();
        assert!(!text.contains("key"), "the path of a beacon URL is a secret: {text}");
    }
    let asked = current.asked.lock().unwrap();
    assert!(asked.iter().any(|path| path.contains(&format!("versioned_hashes={}", hashes[1]))));
}
