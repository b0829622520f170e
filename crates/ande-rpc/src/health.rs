//! Health: alive, ready, wanted by the load balancer.

use std::{sync::Arc, time::Duration};

use ande_consensus::EnginePhase;
use ande_execution::ClientHealth;
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::context::Context;

/// Time for the database to answer.
const DB_TIMEOUT: Duration = Duration::from_secs(1);

/// The single checks behind [`Readiness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Checks {
    /// The database answers.
    pub db: bool,
    /// Not more blocks behind than the limit.
    pub synced: bool,
    /// The engine runs.
    pub engine: bool,
    /// The settlement chain was read lately. Only warns: blocks and reads go on without it, and
    /// taking every node out of the load balancer because of it would be the real outage.
    pub l1: bool,
    /// The external execution client gives verdicts, or there is none. Only warns: without it the
    /// node does not vote, but it follows the chain and answers.
    pub execution_client: bool,
    /// The node is about to stop.
    pub draining: bool,
}

/// Whether the node should get clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The answer.
    pub ready: bool,
    /// Why.
    pub checks: Checks,
    /// Blocks between the highest height known of and the latest block here.
    pub lag_blocks: u64,
    /// What an operator should look at although the node is ready.
    pub warnings: Vec<String>,
}

impl Readiness {
    pub(crate) async fn of(context: &Context) -> Self {
        let services = &context.services;
        let limits = &services.limits;
        let set = tokio::time::timeout(DB_TIMEOUT, context.current_set()).await;
        let probe = tokio::time::timeout(DB_TIMEOUT, services.store.meta("health")).await;
        let db = matches!(set, Ok(Ok(_))) && matches!(probe, Ok(Ok(_)));
        let set = set.ok().and_then(Result::ok).flatten();
        let lag_blocks =
            context.known_height(set.as_deref()).0.saturating_sub(context.heads().latest.0);
        let mut warnings = Vec::new();
        let engine = match &services.view.borrow().phase {
            EnginePhase::Starting => false,
            EnginePhase::Halted(reason) => {
                warnings.push(format!("the engine stopped: {reason}"));
                false
            }
            EnginePhase::WaitingForSet => {
                warnings.push("the next validator set is not final on the settlement chain".into());
                true
            }
            EnginePhase::Idle | EnginePhase::Deciding => true,
        };
        let l1 = {
            let view = services.l1.borrow();
            let fresh = view.last_ok.is_some_and(|at| at.elapsed() <= limits.l1_stale_after);
            if !fresh {
                let reason = view.error.as_deref().unwrap_or("not read yet");
                warnings.push(format!("the settlement chain is not read: {reason}"));
            }
            fresh
        };
        let execution_client =
            match services.client.as_ref().map(|client| client.borrow().health.clone()) {
                None | Some(ClientHealth::Up) => true,
                Some(ClientHealth::Starting) => {
                    warnings.push("the execution client was not asked yet".into());
                    false
                }
                Some(ClientHealth::Down(reason)) => {
                    warnings.push(format!(
                        "this node does not vote: its execution client gives no verdicts: {reason}"
                    ));
                    false
                }
                Some(ClientHealth::Disagrees(reason)) => {
                    warnings.push(format!("this node did not vote for a block: {reason}"));
                    false
                }
            };
        let synced = lag_blocks <= limits.ready_lag;
        let draining = services.draining.is_cancelled();
        Self {
            ready: db && synced && engine && !draining,
            checks: Checks { db, synced, engine, l1, execution_client, draining },
            lag_blocks,
            warnings,
        }
    }
}

/// Alive when it answers; depends on nothing.
pub(crate) async fn healthz() -> &'static str {
    "ok"
}

pub(crate) async fn readyz(State(context): State<Arc<Context>>) -> Response {
    let readiness = Readiness::of(&context).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// For `http-check disable-on-404`: 404 keeps sessions and sends nothing new, 503 is down.
pub(crate) async fn lbz(State(context): State<Arc<Context>>) -> (StatusCode, &'static str) {
    if context.services.draining.is_cancelled() {
        return (StatusCode::NOT_FOUND, "draining");
    }
    if Readiness::of(&context).await.ready {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    }
}
