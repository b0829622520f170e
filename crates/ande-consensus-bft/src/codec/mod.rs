//! The engine's bytes: wire messages, sync messages and log entries.
//!
//! Every message is `version || tag || strict RLP`, one tag per message type, with its own length
//! limit that is checked before anything is parsed. Decoders are total: any input gives a value
//! or an error in time and memory linear in the input.

mod consensus;
mod frame;
mod stream;
mod sync;
#[cfg(test)]
mod tests;

/// Codec of all engine messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Codec;

pub(crate) use frame::CodecError;
