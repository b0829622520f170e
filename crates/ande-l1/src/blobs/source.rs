//! Where blobs are read back from.

use std::{sync::Arc, time::Duration};

use alloy::{
    eips::{BlockNumberOrTag, eip4844::Blob},
    primitives::{B256, Bytes},
};
use reqwest::StatusCode;
use serde::Deserialize;
use tracing::debug;
use url::Url;

use super::bundle::BlobBundle;
use crate::{L1Client, L1Error};

/// Longest answer of a beacon node that is read: 21 blobs in hexadecimal, and room.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Seconds of a slot when a beacon node does not say.
const SLOT_SECONDS: u64 = 12;

/// Reads blobs of settled transactions. Nothing is believed but what hashes to the versioned hash
/// of the transaction. Beacon nodes keep blobs for about 18 days.
#[derive(Clone, Debug)]
pub struct BlobSource {
    client: L1Client,
    beacons: Arc<Vec<Url>>,
    http: reqwest::Client,
}

impl BlobSource {
    /// Reads from these beacon nodes; without any from the settlement endpoint itself, which only
    /// development chains offer.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(client: L1Client, beacons: Vec<Url>, timeout: Duration) -> Result<Self, L1Error> {
        let http = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| L1Error::Blobs(format!("no HTTP client: {}", error.without_url())))?;
        Ok(Self { client, beacons: Arc::new(beacons), http })
    }

    /// The blobs with these versioned hashes, in this order, of a transaction in a block.
    ///
    /// # Errors
    /// [`L1Error::Blobs`] when nobody has them any more or what is there has other hashes.
    pub async fn read(
        &self,
        transaction: B256,
        block: u64,
        hashes: &[B256],
    ) -> Result<Vec<Blob>, L1Error> {
        if self.beacons.is_empty() {
            let blobs: Option<Vec<Bytes>> =
                self.client.request("anvil_getBlobsByTransactionHash", (transaction,)).await?;
            return pick(blobs.unwrap_or_default(), hashes).await;
        }
        let block = self
            .client
            .block(BlockNumberOrTag::Number(block))
            .await?
            .ok_or_else(|| L1Error::UnknownBlock(block.to_string()))?;
        let mut last = L1Error::Blobs("no beacon node".to_owned());
        for beacon in self.beacons.iter() {
            let found = match self.ask_beacon(beacon, block.timestamp, hashes).await {
                Ok(blobs) => pick(blobs, hashes).await,
                Err(error) => Err(error),
            };
            match found {
                Ok(blobs) => return Ok(blobs),
                Err(error) => {
                    debug!(%error, "a beacon node has not the blobs");
                    last = error;
                }
            }
        }
        Err(last)
    }

    async fn ask_beacon(
        &self,
        beacon: &Url,
        timestamp: u64,
        hashes: &[B256],
    ) -> Result<Vec<Bytes>, L1Error> {
        let genesis: Data<Genesis> = self
            .get(beacon, "eth/v1/beacon/genesis", &[])
            .await?
            .ok_or_else(|| L1Error::Blobs("the beacon node knows no genesis".to_owned()))?;
        let spec: Option<Data<Spec>> = self.get(beacon, "eth/v1/config/spec", &[]).await?;
        let seconds = spec.map_or(SLOT_SECONDS, |spec| spec.data.seconds_per_slot).max(1);
        let slot = timestamp.saturating_sub(genesis.data.genesis_time) / seconds;
        let query: Vec<_> =
            hashes.iter().map(|hash| ("versioned_hashes", hash.to_string())).collect();
        let path = format!("eth/v1/beacon/blobs/{slot}");
        if let Some(blobs) = self.get::<Data<Vec<Bytes>>>(beacon, &path, &query).await? {
            return Ok(blobs.data);
        }
        let path = format!("eth/v1/beacon/blob_sidecars/{slot}");
        let sidecars: Data<Vec<Sidecar>> =
            self.get(beacon, &path, &[]).await?.ok_or_else(|| {
                L1Error::Blobs(format!("the beacon node has no blobs of slot {slot}"))
            })?;
        Ok(sidecars.data.into_iter().map(|sidecar| sidecar.blob).collect())
    }

    /// The answer to a question; none when the node does not know what is asked for.
    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        beacon: &Url,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Option<T>, L1Error> {
        let failed = |error: reqwest::Error| {
            L1Error::Blobs(format!("the beacon node does not answer: {}", error.without_url()))
        };
        let mut url = beacon.clone();
        {
            let Ok(mut segments) = url.path_segments_mut() else {
                return Err(L1Error::Blobs("the URL of the beacon node has no path".to_owned()));
            };
            segments.pop_if_empty().extend(path.split('/'));
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut answer = self.http.get(url).send().await.map_err(failed)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => {
                return Ok(None);
            }
            other => return Err(L1Error::Blobs(format!("the beacon node answers {other}"))),
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(L1Error::Blobs("the beacon node answers without end".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        let parsed = serde_json::from_slice(&body);
        parsed.map(Some).map_err(|error| L1Error::Blobs(format!("unreadable answer: {error}")))
    }
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct Genesis {
    #[serde(deserialize_with = "number")]
    genesis_time: u64,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(rename = "SECONDS_PER_SLOT", deserialize_with = "number")]
    seconds_per_slot: u64,
}

#[derive(Deserialize)]
struct Sidecar {
    blob: Bytes,
}

/// Beacon nodes write numbers as text.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// The blobs with the hashes, in their order, out of whatever came.
async fn pick(candidates: Vec<Bytes>, hashes: &[B256]) -> Result<Vec<Blob>, L1Error> {
    let wanted = hashes.to_vec();
    let picked = tokio::task::spawn_blocking(move || {
        let mut found: Vec<Option<Blob>> = vec![None; wanted.len()];
        for bytes in candidates {
            if found.iter().all(Option::is_some) {
                break;
            }
            let Ok(blob) = Blob::try_from(bytes.as_ref()) else { continue };
            let Ok(hash) = BlobBundle::hash_of(&blob) else { continue };
            for (place, _) in wanted.iter().enumerate().filter(|(_, wanted)| **wanted == hash) {
                if let Some(place) = found.get_mut(place) {
                    *place = Some(blob);
                }
            }
        }
        found.into_iter().collect::<Option<Vec<Blob>>>()
    });
    match picked.await {
        Ok(Some(blobs)) => Ok(blobs),
        Ok(None) => Err(L1Error::Blobs("not all blobs of the transaction are there".to_owned())),
        Err(_) => Err(L1Error::Blobs("the check was interrupted".to_owned())),
    }
}
