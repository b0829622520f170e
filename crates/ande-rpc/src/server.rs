//! The two servers.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use jsonrpsee::server::{
    BatchRequestConfig, PingConfig, RegisterMethodError, Server, ServerConfig, ServerHandle,
    middleware::rpc::RpcServiceBuilder, stop_channel,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceBuilder;
use tower_http::{
    cors::{Any, CorsLayer},
    timeout::TimeoutLayer,
};

use ande_telemetry::{METRICS_CONTENT_TYPE, MethodLabels, PeerLabels};

use crate::{
    HEADER_NODE, HEADER_PROPOSER, RpcServices,
    call::{Around, TOO_MANY},
    codes::LIMIT_EXCEEDED,
    context::Context,
    feed, health,
    listener::{Acceptor, Front},
    methods::Table,
    page, rest, status,
    subscriptions::HexIds,
};

/// Connections of the ops listener.
const OPS_CONNECTIONS: usize = 64;
/// A WebSocket that is silent is asked whether it lives.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Silence after which it is closed.
const PING_LIMIT: Duration = Duration::from_secs(75);

/// Serves clients and peers on all `listeners` until `shutdown`, then lets open requests finish,
/// closes WebSocket sessions and returns. `peer` are the routes of other nodes.
///
/// # Errors
/// Only when two methods have one name, before anything is served.
pub async fn serve_public(
    listeners: Vec<TcpListener>,
    services: RpcServices,
    peer: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let limits = services.limits;
    let open = services.metrics.rpc_connections.clone();
    let namespaces = services.apis.public.clone();
    let context = Context::new(services, namespaces);
    let (rpc, sessions) = json_rpc(&context).map_err(std::io::Error::other)?;
    let feeding = tokio::spawn(feed::run(context.clone(), shutdown.clone()));
    let timeout =
        TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, limits.request_timeout);
    let cors =
        CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any).expose_headers(
            [HEADER_NODE, HEADER_PROPOSER].map(axum::http::HeaderName::from_static),
        );
    let routes = health_routes()
        .route("/tx/{hash}", get(rest::tx))
        .route("/batch/{hash}", get(rest::batch))
        .with_state(context.clone())
        .layer(timeout)
        .layer(cors.clone())
        .merge(peer.layer(middleware::from_fn_with_state(context.clone(), count_peer_request)));
    let rpc = ServiceBuilder::new().layer(cors).layer(timeout).service(rpc);
    let acceptor = Arc::new(Acceptor {
        front: Front { rpc, routes, context },
        slots: Arc::new(Semaphore::new(limits.connections)),
        open: Some(open),
        head_timeout: limits.head_timeout,
        grace: limits.grace,
        shutdown: shutdown.clone(),
        connections: TaskTracker::new(),
    });
    let connections = acceptor.connections.clone();
    let accepting: Vec<_> =
        listeners.into_iter().map(|listener| acceptor.clone().run(listener)).collect();
    // Every copy of the routes counts as an open session of JSON-RPC.
    drop(acceptor);
    futures::future::join_all(accepting).await;
    // Also without a listener this serves until it is told to stop.
    shutdown.cancelled().await;
    let _ = sessions.stop();
    connections.close();
    let _ = tokio::time::timeout(limits.grace, async {
        connections.wait().await;
        sessions.stopped().await;
    })
    .await;
    feeding.abort();
    Ok(())
}

/// Serves operators on `listener` until `shutdown`, then lets open requests finish and returns.
///
/// # Errors
/// Only when two methods have one name, before anything is served.
pub async fn serve_ops(
    listener: TcpListener,
    services: RpcServices,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let limits = services.limits;
    let namespaces = services.apis.ops.clone();
    let context = Context::new(services, namespaces);
    let (rpc, sessions) = json_rpc(&context).map_err(std::io::Error::other)?;
    let feeding = tokio::spawn(feed::run(context.clone(), shutdown.clone()));
    let timeout =
        TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, limits.request_timeout);
    let routes = health_routes()
        .merge(page::routes())
        .route("/metrics", get(metrics))
        .route("/status", get(status_json))
        .with_state(context.clone())
        .layer(timeout);
    let rpc = page::before(ServiceBuilder::new().layer(timeout).service(rpc));
    let acceptor = Arc::new(Acceptor {
        front: Front { rpc, routes, context },
        slots: Arc::new(Semaphore::new(OPS_CONNECTIONS)),
        open: None,
        head_timeout: limits.head_timeout,
        grace: limits.grace,
        shutdown,
        connections: TaskTracker::new(),
    });
    let connections = acceptor.connections.clone();
    acceptor.run(listener).await;
    let _ = sessions.stop();
    connections.close();
    let _ = tokio::time::timeout(limits.grace, async {
        connections.wait().await;
        sessions.stopped().await;
    })
    .await;
    feeding.abort();
    Ok(())
}

fn health_routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/livez", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/lbz", get(health::lbz))
}

type RpcResponse = Result<Response, Infallible>;

/// JSON-RPC over HTTP and WebSocket as a service for one path.
fn json_rpc(
    context: &Arc<Context>,
) -> Result<
    (
        impl tower::Service<
            Request,
            Response = Response,
            Error = Infallible,
            Future = impl Future<Output = RpcResponse> + Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static,
        ServerHandle,
    ),
    RegisterMethodError,
> {
    let limits = context.services.limits;
    let metrics = context.services.metrics.clone();
    let admitted = Arc::new(Semaphore::new(limits.calls_waiting));
    let working = Arc::new(Semaphore::new(limits.calls_at_once));
    let table = Table::new(context.clone())?;
    let methods = Arc::new(table.names);
    let (places, refusals) = (admitted.clone(), metrics.clone());
    // Called for each HTTP request and for each WebSocket.
    let around = RpcServiceBuilder::new().layer_fn(move |inner| Around {
        inner,
        methods: methods.clone(),
        metrics: metrics.clone(),
        call_timeout: limits.call_timeout,
        admitted: admitted.clone(),
        working: working.clone(),
        own: Arc::new(Semaphore::new(limits.calls_per_socket)),
        batch_concurrency: limits.batch_concurrency,
        answer_bytes: limits.answer_bytes as usize,
    });
    let config = ServerConfig::builder()
        .max_connections(u32::try_from(limits.connections).unwrap_or(u32::MAX))
        .max_request_body_size(limits.body_bytes)
        .max_response_body_size(limits.answer_bytes)
        .set_batch_request_config(BatchRequestConfig::Limit(limits.batch_calls))
        .max_subscriptions_per_connection(limits.subscriptions)
        .set_message_buffer_capacity(limits.socket_queue.max(1))
        .set_id_provider(HexIds)
        .enable_ws_ping(PingConfig::new().ping_interval(PING_INTERVAL).inactive_limit(PING_LIMIT))
        .build();
    let (stop, handle) = stop_channel();
    let service = Server::builder()
        .set_config(config)
        .set_rpc_middleware(around)
        .to_service_builder()
        .build(table.module, stop);
    let rpc = tower::service_fn(move |request: Request| {
        let mut service = service.clone();
        // Before the body is read: what is refused must cost little.
        let counted = refusals.clone();
        let refused = places.available_permits() == 0 && request.method() == Method::POST;
        async move {
            if refused {
                let labels = MethodLabels { method: "other" };
                counted.rpc_requests.inc(&labels);
                counted.rpc_errors.inc(&labels);
                return Ok(too_many_requests());
            }
            Ok(match tower::Service::call(&mut service, request).await {
                Ok(response) => response.map(Body::new),
                Err(error) => {
                    tracing::debug!(%error, "a request cannot be served");
                    StatusCode::BAD_REQUEST.into_response()
                }
            })
        }
    });
    Ok((rpc, handle))
}

/// The answer to an HTTP request for which there is no place.
fn too_many_requests() -> Response {
    let body = serde_json::json!({
        "jsonrpc": "2.0",
        "id": null,
        "error": { "code": LIMIT_EXCEEDED, "message": TOO_MANY },
    });
    let retry = [(header::RETRY_AFTER, "1")];
    (StatusCode::TOO_MANY_REQUESTS, retry, axum::Json(body)).into_response()
}

async fn metrics(State(context): State<Arc<Context>>) -> Response {
    let services = &context.services;
    let readiness = health::Readiness::of(&context).await;
    services.metrics.chain_sync_lag.set(readiness.lag_blocks);
    services.metrics.node_draining.set_flag(readiness.checks.draining);
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    services.metrics.node_time.set(since_1970.as_secs_f64());
    let engine = services.engine_metrics.map(|export| export()).unwrap_or_default();
    ([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], services.metrics.render(&engine))
        .into_response()
}

async fn status_json(State(context): State<Arc<Context>>) -> axum::Json<serde_json::Value> {
    axum::Json(status::status(&context).await)
}

async fn count_peer_request(
    State(context): State<Arc<Context>>,
    request: Request,
    next: middleware::Next,
) -> Response {
    let route = match request.uri().path() {
        ande_peer::PATH_HELLO => "hello",
        ande_peer::PATH_TRANSACTIONS => "transactions",
        ande_peer::PATH_CHECKPOINT => "checkpoint",
        _ => "other",
    };
    let response = next.run(request).await;
    let outcome = match response.status().as_u16() {
        200..=299 => "ok",
        500..=599 => "failed",
        _ => "refused",
    };
    context.services.metrics.peer_requests.inc(&PeerLabels { route, outcome });
    response
}
