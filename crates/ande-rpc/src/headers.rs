//! Headers of every answer.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};

use crate::context::Context;

/// Header with the name of the node that answered.
pub const HEADER_NODE: &str = "x-ande-node";
/// Header with the name of the node that proposes now: what it calls itself, the address of its
/// signer while its name is unknown, `none` while nobody is known to propose.
pub const HEADER_PROPOSER: &str = "x-ande-proposer";

/// Adds the headers, and asks clients to leave while the node drains.
pub(crate) fn add(context: &Context, response: &mut Response) {
    let proposer = context.proposer_name();
    let draining = context.services.draining.is_cancelled();
    let upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set(HEADER_NODE, &context.services.info.name);
    set(HEADER_PROPOSER, proposer.as_deref().unwrap_or("none"));
    if draining && !upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}
