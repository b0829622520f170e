//! The endpoints of the settlement chain: a request to one of them, to the first that works, to all.

use std::{
    cmp::Reverse,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use alloy::{
    primitives::{Bytes, U64},
    rpc::client::RpcClient,
    transports::{RpcError, TransportErrorKind},
};
use ande_contracts::Reverted;
use futures::{StreamExt as _, stream::FuturesUnordered};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};
use url::Url;

use crate::{
    Answer, L1Error, Params,
    quorum::{agreed, largest, majority_of},
};

/// Longest text taken over from an endpoint.
const MAX_MESSAGE: usize = 300;
/// Wait for the slow ones once a majority answered.
const PATIENCE: Duration = Duration::from_secs(1);

/// How an endpoint compared with the others when it was last asked for its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// It has the block that a majority has, or was not compared yet.
    Agrees,
    /// It did not answer in time, or with an error.
    Silent,
    /// Its chain ends some blocks before that block.
    Behind,
    /// It has another block in that place. It is not asked anything that one endpoint answers.
    Differs,
}

impl Standing {
    const fn of(code: u8) -> Self {
        match code {
            0 => Self::Agrees,
            1 => Self::Silent,
            2 => Self::Behind,
            _ => Self::Differs,
        }
    }
}

/// An endpoint as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndpointStatus {
    /// Scheme, host and port.
    pub url: String,
    /// How it compared with the others.
    pub standing: Standing,
}

#[derive(Debug)]
struct Endpoint {
    shown: String,
    client: RpcClient,
    /// Whether its chain id was checked since it last failed.
    checked: AtomicBool,
    standing: AtomicU8,
}

impl Endpoint {
    fn standing(&self) -> Standing {
        Standing::of(self.standing.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
pub(crate) struct Endpoints {
    list: Vec<Endpoint>,
    current: AtomicUsize,
    chain_id: u64,
    timeout: Duration,
    requests: AtomicU64,
}

impl Endpoints {
    pub(crate) fn new(urls: &[Url], chain_id: u64, timeout: Duration) -> Result<Self, L1Error> {
        if urls.is_empty() {
            return Err(L1Error::NoEndpoint);
        }
        let list = urls
            .iter()
            .map(|url| Endpoint {
                shown: without_secrets(url),
                client: RpcClient::new_http(url.clone()),
                checked: AtomicBool::new(false),
                standing: AtomicU8::new(Standing::Agrees as u8),
            })
            .collect();
        let (current, requests) = (AtomicUsize::new(0), AtomicU64::new(0));
        Ok(Self { list, current, chain_id, timeout, requests })
    }

    pub(crate) const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) const fn count(&self) -> usize {
        self.list.len()
    }

    /// Endpoints that must say the same.
    pub(crate) const fn needed(&self) -> usize {
        majority_of(self.list.len())
    }

    pub(crate) fn statuses(&self) -> Vec<EndpointStatus> {
        let status = |endpoint: &Endpoint| EndpointStatus {
            url: endpoint.shown.clone(),
            standing: endpoint.standing(),
        };
        self.list.iter().map(status).collect()
    }

    pub(crate) fn set_standing(&self, index: usize, now: Standing) {
        let Some(endpoint) = self.list.get(index) else { return };
        let before = Standing::of(endpoint.standing.swap(now as u8, Ordering::Relaxed));
        let url = &endpoint.shown;
        match now {
            _ if now == before => {}
            Standing::Differs => {
                warn!(url, "settlement endpoint has another chain than the majority, not used");
            }
            Standing::Behind => warn!(url, "settlement endpoint is behind the majority"),
            Standing::Agrees if before != Standing::Silent => {
                info!(url, "settlement endpoint agrees with the majority again");
            }
            Standing::Agrees | Standing::Silent => {}
        }
    }

    /// Asks one endpoint after the other until one has an answer. Contradicting the majority
    /// disqualifies; the last one that answered comes first.
    pub(crate) async fn first<P, R>(&self, method: &'static str, params: &P) -> Result<R, L1Error>
    where
        P: Params,
        R: Answer,
    {
        let count = self.list.len();
        let current = self.current.load(Ordering::Relaxed);
        let mut order: Vec<(Standing, usize)> = (0..count)
            .map(|step| (current + step) % count)
            .filter_map(|index| Some((self.list.get(index)?.standing(), index)))
            .filter(|(standing, _)| *standing != Standing::Differs)
            .collect();
        order.sort_by_key(|(standing, _)| *standing);
        let mut failures = Vec::new();
        for (_, index) in order {
            match self.ask(index, method, params).await {
                Err(error) if is_of_endpoint(&error) => failures.push(error),
                answer => {
                    self.current.store(index, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(self.failure(method, failures, 0))
    }

    /// Asks all endpoints and returns what a majority of them answers.
    pub(crate) async fn majority<P, R>(
        &self,
        method: &'static str,
        params: &P,
    ) -> Result<R, L1Error>
    where
        P: Params,
        R: Answer + PartialEq,
    {
        let mut asked: FuturesUnordered<_> =
            (0..self.count()).map(|index| self.ask::<P, R>(index, method, params)).collect();
        // A refusal of the contract is an answer too.
        let mut answers: Vec<Result<R, Reverted>> = Vec::new();
        let mut failures = Vec::new();
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(answer) => answers.push(Ok(answer)),
                Err(L1Error::Reverted(reverted)) => answers.push(Err(reverted)),
                Err(error) => {
                    failures.push(error);
                    continue;
                }
            }
            if let Some(index) = agreed(answers.iter().map(Some), self.needed()) {
                return answers.swap_remove(index).map_err(L1Error::Reverted);
            }
        }
        Err(self.failure(method, failures, largest(answers.iter().map(Some))))
    }

    /// The answers of these endpoints, by their place in the list; not waited for much longer than
    /// a majority takes.
    pub(crate) async fn gather<P, R>(
        &self,
        indexes: &[usize],
        method: &'static str,
        params: &P,
    ) -> Vec<Option<Result<R, L1Error>>>
    where
        P: Params,
        R: Answer,
    {
        let mut answers: Vec<Option<Result<R, L1Error>>> = self.list.iter().map(|_| None).collect();
        let mut asked: FuturesUnordered<_> = indexes
            .iter()
            .map(|index| async move { (*index, self.ask::<P, R>(*index, method, params).await) })
            .collect();
        let mut good = 0;
        let mut until = None;
        loop {
            let Some((index, answer)) = next_before(&mut asked, until).await else {
                return answers;
            };
            good += usize::from(answer.is_ok());
            if until.is_none() && good >= self.needed() {
                until = Some(Instant::now() + PATIENCE.min(self.timeout));
            }
            if let Some(place) = answers.get_mut(index) {
                *place = Some(answer);
            }
        }
    }

    /// Why there is no answer, out of what the single endpoints did. A text of an endpoint says
    /// more than its silence.
    pub(crate) fn failure(
        &self,
        method: &'static str,
        mut failures: Vec<L1Error>,
        agreeing: usize,
    ) -> L1Error {
        let configured = self.list.len();
        let none = L1Error::NoMajority { method, configured, needed: self.needed(), agreeing };
        // The best comes last.
        failures.sort_by_key(|error| match error {
            L1Error::Rpc { .. } => 2,
            L1Error::Unreachable { .. } => 1,
            _ => 0,
        });
        match failures.pop() {
            Some(L1Error::Unreachable { url, reason, .. }) if agreeing == 0 => {
                L1Error::Unreachable { tried: failures.len() + 1, url, reason }
            }
            Some(error @ L1Error::Rpc { .. }) => error,
            Some(error) if configured == 1 => error,
            _ => none,
        }
    }

    /// Sends to every endpoint; the first that takes it decides.
    pub(crate) async fn everywhere<P, R>(
        &self,
        method: &'static str,
        params: &P,
    ) -> Result<R, L1Error>
    where
        P: Params,
        R: Answer,
    {
        let mut asked: FuturesUnordered<_> = (0..self.count())
            .map(|index| async move { (index, self.ask::<P, R>(index, method, params).await) })
            .collect();
        let mut refusals = Vec::new();
        let mut taken = None;
        let mut until = None;
        loop {
            match next_before(&mut asked, until).await {
                None => break,
                Some((_, Ok(answer))) => {
                    taken = Some(answer);
                    // The others should have it too, but are not worth waiting for.
                    until = until.or_else(|| Some(Instant::now() + PATIENCE));
                }
                Some((index, Err(error))) => refusals.push((index, error)),
            }
        }
        if let Some(answer) = taken {
            return Ok(answer);
        }
        // What an endpoint says that agrees with the majority counts more.
        refusals.sort_by_key(|(index, error)| {
            let standing = self.list.get(*index).map(Endpoint::standing);
            Reverse((!is_silent(error), Reverse(standing), Reverse(*index)))
        });
        let tried = refusals.len();
        Err(match refusals.into_iter().next() {
            Some((_, L1Error::Unreachable { url, reason, .. })) => {
                L1Error::Unreachable { tried, url, reason }
            }
            Some((_, error)) => error,
            None => L1Error::NoEndpoint,
        })
    }

    /// Chain id that the endpoints serve, unchecked.
    pub(crate) async fn served_chain_id(&self) -> Result<u64, L1Error> {
        let mut answers: Vec<u64> = Vec::new();
        let mut failures = Vec::new();
        for index in 0..self.count() {
            match self.send::<_, U64>(index, "eth_chainId", ()).await {
                Ok(id) => answers.push(id.to::<u64>()),
                Err(error) => failures.push(error),
            }
            if let Some(found) = agreed(answers.iter().map(Some), self.needed()) {
                return answers.get(found).copied().ok_or(L1Error::NoEndpoint);
            }
        }
        Err(self.failure("eth_chainId", failures, largest(answers.iter().map(Some))))
    }

    async fn ask<P, R>(&self, index: usize, method: &'static str, params: &P) -> Result<R, L1Error>
    where
        P: Params,
        R: Answer,
    {
        let endpoint = self.list.get(index).ok_or(L1Error::NoEndpoint)?;
        if !endpoint.checked.load(Ordering::Relaxed) {
            let got: U64 = self.send(index, "eth_chainId", ()).await?;
            let got = got.to::<u64>();
            if got != self.chain_id {
                let (url, expected) = (endpoint.shown.clone(), self.chain_id);
                return Err(L1Error::WrongChainId { url, expected, got });
            }
            endpoint.checked.store(true, Ordering::Relaxed);
        }
        let answer = self.send(index, method, params.clone()).await;
        if answer.as_ref().is_err_and(is_silent) {
            endpoint.checked.store(false, Ordering::Relaxed);
        }
        answer
    }

    async fn send<P, R>(&self, index: usize, method: &'static str, params: P) -> Result<R, L1Error>
    where
        P: Params,
        R: Answer,
    {
        let endpoint = self.list.get(index).ok_or(L1Error::NoEndpoint)?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let unreachable = |reason: String| L1Error::Unreachable {
            tried: 1,
            url: endpoint.shown.clone(),
            reason: bounded(&reason),
        };
        let request = endpoint.client.request::<P, R>(method, params);
        let answer = tokio::time::timeout(self.timeout, request)
            .await
            .map_err(|_| unreachable(format!("no answer in {:?}", self.timeout)))?;
        answer.map_err(|error| match error {
            RpcError::ErrorResp(payload) => match payload.as_revert_data() {
                Some(data) => L1Error::Reverted(Reverted::decode(data)),
                // Some endpoints report a revert without data as an ordinary error.
                None if payload.code == 3 => L1Error::Reverted(Reverted::decode(Bytes::new())),
                None => {
                    L1Error::Rpc { method, code: payload.code, message: bounded(&payload.message) }
                }
            },
            RpcError::NullResp => L1Error::Rpc { method, code: 0, message: "null".to_owned() },
            // The URL in a transport error may carry credentials.
            RpcError::Transport(TransportErrorKind::HttpError(error)) => {
                unreachable(format!("HTTP status {}", error.status))
            }
            RpcError::Transport(TransportErrorKind::Custom(_)) => {
                unreachable("connection refused or broken".to_owned())
            }
            RpcError::DeserError { err, .. } => unreachable(format!("unreadable answer: {err}")),
            other => unreachable(other.to_string()),
        })
    }
}

/// Whether another endpoint may do better.
const fn is_of_endpoint(error: &L1Error) -> bool {
    is_silent(error) || matches!(error, L1Error::Rpc { .. })
}

const fn is_silent(error: &L1Error) -> bool {
    matches!(error, L1Error::Unreachable { .. } | L1Error::WrongChainId { .. })
}

/// The next answer; none when there is no more, or none before `until`.
async fn next_before<F: Future>(
    asked: &mut FuturesUnordered<F>,
    until: Option<Instant>,
) -> Option<F::Output> {
    match until {
        None => asked.next().await,
        Some(until) => timeout_at(until, asked.next()).await.unwrap_or_default(),
    }
}

/// Scheme, host and port: paths, queries and user names of endpoints often carry API keys.
fn without_secrets(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    match url.port_or_known_default() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

pub(crate) fn bounded(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect();
    // A URL in a foreign text may carry credentials.
    text.split_whitespace()
        .map(|word| if word.contains("://") { "<url>" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_endpoints_are_not_shown() {
        let url = Url::parse("https://user:pass@rpc.example/v2/key?token=1").unwrap();
        assert_eq!(without_secrets(&url), "https://rpc.example:443");
        assert_eq!(bounded("failed at https://rpc.example/key now"), "failed at <url> now");
    }
}
