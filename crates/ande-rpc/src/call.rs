//! What happens around every call.

use std::{borrow::Cow, collections::HashSet, future::Future, sync::Arc, time::Duration};

use ande_telemetry::{MethodLabels, Metrics};
use futures::stream::{FuturesOrdered, StreamExt as _};
use jsonrpsee::{
    core::middleware::{Batch, BatchEntry, BatchEntryErr, Notification, RpcServiceT},
    server::{BatchResponseBuilder, MethodResponse},
    types::{ErrorObjectOwned, Id, Request},
};
use tokio::sync::Semaphore;

use crate::{
    codes,
    methods::{SUBSCRIBE, UNSUBSCRIBE, WAITING},
};

/// Text of geth where a subscription is impossible.
const NO_NOTIFICATIONS: &str = "notifications not supported";
/// Text for what is refused because too much is going on.
pub(crate) const TOO_MANY: &str = "too many requests at the same time";

/// Wraps the dispatcher: metrics, a time limit, geth's text for unknown methods, and batches whose
/// calls overlap.
#[derive(Clone)]
pub(crate) struct Around<S> {
    pub(crate) inner: S,
    pub(crate) methods: Arc<HashSet<&'static str>>,
    pub(crate) metrics: Metrics,
    pub(crate) call_timeout: Duration,
    /// A WebSocket client may send calls without waiting for answers: these bound all clients.
    pub(crate) admitted: Arc<Semaphore>,
    pub(crate) working: Arc<Semaphore>,
    /// This bounds the one client, so that none takes the place of all others.
    pub(crate) own: Arc<Semaphore>,
    pub(crate) batch_concurrency: usize,
    pub(crate) answer_bytes: usize,
}

impl<S> RpcServiceT for Around<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let this = self.clone();
        async move { this.observed(request).await }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let this = self.clone();
        async move {
            let mut answers = BatchResponseBuilder::new_with_limit(this.answer_bytes);
            let mut notified = false;
            // Started in order and answered in order; those in between overlap.
            let mut entries = batch.into_iter();
            let mut calls = FuturesOrdered::new();
            loop {
                while calls.len() < this.batch_concurrency.max(1) {
                    let Some(entry) = entries.next() else { break };
                    calls.push_back(this.entry(entry));
                }
                match calls.next().await {
                    None => break,
                    Some(None) => notified = true,
                    Some(Some(answer)) => {
                        if let Err(too_large) = answers.append(answer) {
                            return too_large;
                        }
                    }
                }
            }
            if answers.is_empty() && notified {
                MethodResponse::notification()
            } else {
                MethodResponse::from_batch(answers.finish())
            }
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}

impl<S> Around<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    async fn entry(
        &self,
        entry: Result<BatchEntry<'_>, BatchEntryErr<'_>>,
    ) -> Option<MethodResponse> {
        match entry {
            // The answer to a subscription goes out by itself, not in the batch.
            Ok(BatchEntry::Call(request)) if request.method == SUBSCRIBE => {
                Some(failure(request.id, codes::NOT_SERVED, NO_NOTIFICATIONS.into()))
            }
            Ok(BatchEntry::Call(request)) => Some(self.observed(request).await),
            Ok(BatchEntry::Notification(_)) => None,
            Err(invalid) => {
                let (error, id) = invalid.into_parts();
                Some(MethodResponse::error(id, error))
            }
        }
    }

    async fn observed(&self, request: Request<'_>) -> MethodResponse {
        let known = self.methods.get(request.method.as_ref()).copied();
        let labels = MethodLabels { method: known.unwrap_or("other") };
        let started = std::time::Instant::now();
        let id = request.id.clone().into_owned();
        let answer = if known.is_some() {
            match (self.own.try_acquire(), self.admitted.try_acquire()) {
                (Ok(_own), Ok(_admitted)) => self.limited(id, request).await,
                _ => failure(id, codes::LIMIT_EXCEEDED, TOO_MANY.into()),
            }
        } else {
            let name: String = request.method.chars().take(100).collect();
            let text = format!("the method {name} does not exist/is not available");
            failure(id, codes::NOT_SERVED, text.into())
        };
        self.metrics.rpc_requests.inc(&labels);
        if answer.is_error() {
            self.metrics.rpc_errors.inc(&labels);
        }
        self.metrics.rpc_duration.observe(started.elapsed());
        answer
    }
}

impl<S> Around<S>
where
    S: RpcServiceT<MethodResponse = MethodResponse>,
{
    async fn limited(&self, id: Id<'_>, request: Request<'_>) -> MethodResponse {
        let work = async {
            // Those that wait for a block are bounded on their own and keep nobody from working.
            let _working = match request.method.as_ref() {
                WAITING => None,
                _ => self.working.acquire().await.ok(),
            };
            let subscribes = [SUBSCRIBE, UNSUBSCRIBE].contains(&request.method.as_ref());
            let id = request.id.clone().into_owned();
            let answer = self.inner.call(request).await;
            // Over HTTP there is nobody to notify.
            if subscribes && answer.as_error_code() == Some(codes::INTERNAL) {
                return failure(id, codes::NOT_SERVED, NO_NOTIFICATIONS.into());
            }
            answer
        };
        match tokio::time::timeout(self.call_timeout, work).await {
            Ok(answer) => answer,
            Err(_) => failure(id, codes::UNAVAILABLE, "request timed out".into()),
        }
    }
}

fn failure(id: Id<'_>, code: i32, text: Cow<'static, str>) -> MethodResponse {
    MethodResponse::error(id, ErrorObjectOwned::owned(code, text, None::<()>))
}
