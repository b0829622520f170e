//! Authenticated node-to-node HTTP.
//!
//! Nodes talk to each other under `/peer/v1/` on the listener that also serves clients; no second
//! port and no certificate authority is needed. Every request is signed with the sender's node key
//! and every answer with the receiver's, the same ed25519 keys that the contract registers.
//!
//! A request is bound to sender, receiver, L2 chain, method, path, body, time and a nonce; an
//! answer is bound to the request, its status and its body. Requests are judged from their headers
//! before a byte of the body is read: allowed sender, clock, signature, nonce, limits.

mod client;
mod error;
mod limits;
mod messages;
mod replay;
mod server;
mod wire;

pub use client::{PeerClient, PeerTarget, PeerTimeouts};
pub use error::{PeerError, PeerRefusal};
pub use limits::PeerLimits;
pub use messages::{
    CheckpointRequest, Hello, MAX_TRANSACTIONS_PER_MESSAGE, TransactionList, is_plain_name,
};
pub use server::{AllowedPeers, PeerAuth, PeerHandler, router};
pub use wire::{
    CLOCK_WINDOW_MS, HEADER_CONTENT, HEADER_NONCE, HEADER_PEER, HEADER_SIGNATURE, HEADER_TIME,
    MAX_ANSWER_BYTES, MAX_BODY_BYTES, Nonce, PATH_CHECKPOINT, PATH_HELLO, PATH_TRANSACTIONS,
    RequestHead, answer_message, content_digest, hello_digest,
};
