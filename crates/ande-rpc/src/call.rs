//! JSON-RPC dispatch: the table of methods, and what happens around every call.

use std::{borrow::Cow, future::Future, sync::Arc, time::Duration};

use ande_telemetry::{MethodLabels, Metrics};
use futures::stream::{FuturesOrdered, StreamExt as _};
use jsonrpsee::{
    RpcModule,
    core::middleware::{Batch, BatchEntry, BatchEntryErr, Notification, RpcServiceT},
    server::{BatchResponseBuilder, MethodResponse, RegisterMethodError},
    types::{ErrorObjectOwned, Id, Request},
};
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::{RpcError, ande, args::Args, context::Context, eth};

/// Every served method.
const METHODS: [&str; 16] = [
    "eth_chainId",
    "eth_blockNumber",
    "eth_syncing",
    "eth_sendRawTransaction",
    "eth_getBlockByNumber",
    "eth_getBlockByHash",
    "eth_getTransactionByHash",
    "net_version",
    "web3_clientVersion",
    "ande_status",
    "ande_getCertificate",
    "ande_getValidators",
    "ande_getSchedule",
    "ande_getBatch",
    "ande_getBatches",
    "ande_getTransactionProof",
];

/// The methods over `context`.
pub(crate) fn methods(context: Arc<Context>) -> Result<RpcModule<Context>, RegisterMethodError> {
    let mut module = RpcModule::from_arc(context);
    method(&mut module, "eth_chainId", 0, eth::chain_id)?;
    method(&mut module, "eth_blockNumber", 0, eth::block_number)?;
    method(&mut module, "eth_syncing", 0, eth::syncing)?;
    method(&mut module, "eth_sendRawTransaction", 1, eth::send_raw_transaction)?;
    method(&mut module, "eth_getBlockByNumber", 2, eth::get_block_by_number)?;
    method(&mut module, "eth_getBlockByHash", 2, eth::get_block_by_hash)?;
    method(&mut module, "eth_getTransactionByHash", 1, eth::get_transaction_by_hash)?;
    method(&mut module, "net_version", 0, eth::net_version)?;
    method(&mut module, "web3_clientVersion", 0, eth::client_version)?;
    method(&mut module, "ande_status", 0, ande::status)?;
    method(&mut module, "ande_getCertificate", 1, ande::get_certificate)?;
    method(&mut module, "ande_getValidators", 1, ande::get_validators)?;
    method(&mut module, "ande_getSchedule", 2, ande::get_schedule)?;
    method(&mut module, "ande_getBatch", 1, ande::get_batch)?;
    method(&mut module, "ande_getBatches", 2, ande::get_batches)?;
    method(&mut module, "ande_getTransactionProof", 1, ande::get_transaction_proof)?;
    Ok(module)
}

fn method<F, Fut, T>(
    module: &mut RpcModule<Context>,
    name: &'static str,
    most_args: usize,
    call: F,
) -> Result<(), RegisterMethodError>
where
    F: Fn(Arc<Context>, Args) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<T, RpcError>> + Send + 'static,
    T: Serialize + Clone + Send + 'static,
{
    module
        .register_async_method(name, move |params, context, _| {
            let args = Args::parse(&params, most_args);
            let call = call.clone();
            async move { Ok::<_, ErrorObjectOwned>(call(context, args?).await?) }
        })
        .map(|_| ())
}

/// Wraps the dispatcher: metrics, a time limit, geth's text for unknown methods, and batches whose
/// calls overlap.
#[derive(Clone)]
pub(crate) struct Around<S> {
    pub(crate) inner: S,
    pub(crate) metrics: Metrics,
    pub(crate) call_timeout: Duration,
    /// A WebSocket client may send calls without waiting for answers: these bound them.
    pub(crate) admitted: Arc<Semaphore>,
    pub(crate) working: Arc<Semaphore>,
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
            Ok(BatchEntry::Call(request)) => Some(self.observed(request).await),
            Ok(BatchEntry::Notification(_)) => None,
            Err(invalid) => {
                let (error, id) = invalid.into_parts();
                Some(MethodResponse::error(id, error))
            }
        }
    }

    async fn observed(&self, request: Request<'_>) -> MethodResponse {
        let known = METHODS.into_iter().find(|name| *name == request.method);
        let labels = MethodLabels { method: known.unwrap_or("other") };
        let started = std::time::Instant::now();
        let id = request.id.clone().into_owned();
        let answer = if known.is_some() {
            match self.admitted.try_acquire() {
                Ok(_admitted) => self.limited(id, request).await,
                Err(_) => failure(id, -32005, "too many requests at the same time".into()),
            }
        } else {
            let name: String = request.method.chars().take(100).collect();
            let text = format!("the method {name} does not exist/is not available");
            failure(id, -32601, text.into())
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
            let _working = self.working.acquire().await;
            self.inner.call(request).await
        };
        match tokio::time::timeout(self.call_timeout, work).await {
            Ok(answer) => answer,
            Err(_) => failure(id, -32002, "request timed out".into()),
        }
    }
}

fn failure(id: Id<'_>, code: i32, text: Cow<'static, str>) -> MethodResponse {
    MethodResponse::error(id, ErrorObjectOwned::owned(code, text, None::<()>))
}

#[cfg(test)]
mod tests {
    use super::METHODS;

    #[test]
    fn method_names_are_unique() {
        let names: std::collections::BTreeSet<_> = METHODS.into_iter().collect();
        assert_eq!(names.len(), METHODS.len());
    }
}
