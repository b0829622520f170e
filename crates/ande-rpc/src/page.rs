//! The page of a node for people: `/` of the ops listener. It shows the document of `/status`.

use std::convert::Infallible;

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, Method, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tower::{Service, ServiceExt as _};

const INDEX: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/page.js");
const STYLE: &str = include_str!("page/page.css");
/// Nothing of other origins, no text that runs, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
/// Headers of every file of the page.
const GUARDS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-cache"),
];

/// Script and style.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/page.js", get(async || file("text/javascript; charset=utf-8", SCRIPT)))
        .route("/page.css", get(async || file("text/css; charset=utf-8", STYLE)))
}

/// The page at the path of JSON-RPC.
pub(crate) fn before<R>(
    rpc: R,
) -> impl Service<
    Request,
    Response = Response,
    Error = Infallible,
    Future = impl Future<Output = Result<Response, Infallible>> + Send,
> + Clone
+ Send
+ Sync
+ 'static
where
    R: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    R::Future: Send,
{
    tower::service_fn(move |request: Request| {
        let rpc = rpc.clone();
        async move {
            if is_wanted(&request) {
                return Ok(file("text/html; charset=utf-8", INDEX));
            }
            rpc.oneshot(request).await
        }
    })
}

/// Whether a request is a browser's and not JSON-RPC's: HTTP calls are posted, sockets ask for an
/// upgrade.
fn is_wanted(request: &Request) -> bool {
    request.method() == Method::GET && !request.headers().contains_key(header::UPGRADE)
}

fn file(kind: &'static str, body: &'static str) -> Response {
    (GUARDS, [(header::CONTENT_TYPE, kind)], body).into_response()
}
