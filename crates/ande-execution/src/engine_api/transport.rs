//! JSON-RPC over HTTP with a token, a time limit and a size limit per question.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::{StatusCode, header::CONTENT_TYPE, redirect::Policy};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use url::Url;

use super::{EngineError, JwtSecret, error::quoted};

/// Idle connections that are kept: questions come one after the other.
const MAX_IDLE: usize = 2;

#[derive(Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    url: Url,
    /// None where no token is asked for.
    secret: Option<JwtSecret>,
    max_answer_bytes: usize,
    next_id: AtomicU64,
}

#[derive(Serialize)]
struct Request<'a, P> {
    jsonrpc: &'static str,
    id: u64,
    method: &'a str,
    params: P,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<AnswerError>,
}

#[derive(Deserialize)]
struct AnswerError {
    code: i64,
    #[serde(default)]
    message: String,
}

impl Transport {
    pub(super) fn new(
        url: Url,
        secret: Option<JwtSecret>,
        max_answer_bytes: usize,
    ) -> Result<Self, EngineError> {
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(EngineError::Setup("its URL must begin with http:// or https://".into()));
        }
        // Neither a redirect nor a proxy may see the token or stand in for the client.
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(MAX_IDLE)
            .build()
            .map_err(|error| EngineError::Setup(error.to_string()))?;
        Ok(Self { http, url, secret, max_answer_bytes, next_id: AtomicU64::new(1) })
    }

    /// Asks once.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: impl Serialize,
        limit: Duration,
    ) -> Result<T, EngineError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = serde_json::to_vec(&Request { jsonrpc: "2.0", id, method, params })
            .map_err(|error| EngineError::Setup(error.to_string()))?;
        let bytes = tokio::time::timeout(limit, self.exchange(method, request))
            .await
            .map_err(|_| EngineError::Timeout { method, limit })??;
        read(method, id, &bytes)
    }

    /// Asks the same of many things at once and returns how many were refused.
    pub(super) async fn tell<P: Serialize>(
        &self,
        method: &'static str,
        params: impl Iterator<Item = P>,
        limit: Duration,
    ) -> Result<usize, EngineError> {
        let requests: Vec<_> = params
            .map(|params| {
                let id = self.next_id.fetch_add(1, Ordering::Relaxed);
                Request { jsonrpc: "2.0", id, method, params }
            })
            .collect();
        let request =
            serde_json::to_vec(&requests).map_err(|error| EngineError::Setup(error.to_string()))?;
        let bytes = tokio::time::timeout(limit, self.exchange(method, request))
            .await
            .map_err(|_| EngineError::Timeout { method, limit })??;
        let answers: Vec<Answer<'_>> =
            serde_json::from_slice(&bytes).map_err(|error| malformed(method, &error))?;
        Ok(answers.iter().filter(|answer| answer.error.is_some()).count())
    }

    async fn exchange(
        &self,
        method: &'static str,
        request: Vec<u8>,
    ) -> Result<Vec<u8>, EngineError> {
        let issued_at =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut post = self.http.post(self.url.clone());
        if let Some(secret) = &self.secret {
            post = post.bearer_auth(secret.token(issued_at));
        }
        let mut response = post
            .header(CONTENT_TYPE, "application/json")
            .body(request)
            .send()
            .await
            .map_err(unreachable)?;
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(EngineError::Unauthorized);
            }
            status if !status.is_success() => {
                return Err(EngineError::Http { method, status: status.as_u16() });
            }
            _ => {}
        }
        let limit = self.max_answer_bytes;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if chunk.len() > limit - bytes.len() {
                return Err(EngineError::TooLong { method, limit });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

fn read<T: DeserializeOwned>(
    method: &'static str,
    id: u64,
    bytes: &[u8],
) -> Result<T, EngineError> {
    let answer: Answer<'_> =
        serde_json::from_slice(bytes).map_err(|error| malformed(method, &error))?;
    if let Some(AnswerError { code, message }) = answer.error {
        return Err(EngineError::Rpc { method, code, message: quoted(&message) });
    }
    if answer.id.map(RawValue::get) != Some(id.to_string().as_str()) {
        let problem = "it has the id of another question".into();
        return Err(EngineError::Malformed { method, problem });
    }
    let result = answer.result.map_or("null", RawValue::get);
    serde_json::from_str(result).map_err(|error| malformed(method, &error))
}

fn malformed(method: &'static str, error: &serde_json::Error) -> EngineError {
    EngineError::Malformed { method, problem: quoted(&error.to_string()) }
}

/// The innermost cause says what happened; the outer ones repeat the URL.
fn unreachable(error: reqwest::Error) -> EngineError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    EngineError::Unreachable(quoted(&cause.to_string()))
}
