//! What is signed, and in which headers it travels.

use alloy_primitives::B256;
use ande_primitives::{NodeId, NodeKey, NodeSignature};
use axum::http::HeaderMap;
use sha2::{Digest as _, Sha256};

/// Header with the sender's node id, 32 bytes in hex.
pub const HEADER_PEER: &str = "x-ande-peer";
/// Header with the sending time in milliseconds since the Unix epoch.
pub const HEADER_TIME: &str = "x-ande-time";
/// Header with a random nonce, 16 bytes in hex.
pub const HEADER_NONCE: &str = "x-ande-nonce";
/// Header with the SHA-256 of the body in hex, so that the signature can be judged before the body
/// is read.
pub const HEADER_CONTENT: &str = "x-ande-content";
/// Header with the ed25519 signature, 64 bytes in hex.
pub const HEADER_SIGNATURE: &str = "x-ande-signature";

/// Path of the introduction.
pub const PATH_HELLO: &str = "/peer/v1/hello";
/// Path that takes transactions.
pub const PATH_TRANSACTIONS: &str = "/peer/v1/transactions";
/// Path that signs checkpoints.
pub const PATH_CHECKPOINT: &str = "/peer/v1/checkpoint";

/// Largest request body in bytes.
pub const MAX_BODY_BYTES: usize = 8 << 20;
/// Largest answer body in bytes.
pub const MAX_ANSWER_BYTES: usize = 64 << 10;
/// How far the clocks of two nodes may be apart, in milliseconds.
pub const CLOCK_WINDOW_MS: u64 = 30_000;

/// Random bytes that make a request unique.
pub type Nonce = [u8; 16];

/// Everything of a request that its signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// Who asks.
    pub sender: NodeId,
    /// Who is asked.
    pub recipient: NodeId,
    /// Chain id of the L2.
    pub l2_chain_id: u64,
    /// HTTP method in capitals.
    pub method: &'a str,
    /// Path from `/peer/` on.
    pub path: &'a str,
    /// SHA-256 of the body.
    pub content: B256,
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Makes the request unique.
    pub nonce: Nonce,
}

impl RequestHead<'_> {
    /// The signed bytes. All parts have a fixed length or a length in front.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(192);
        out.extend_from_slice(b"ANDE peer request 1\0");
        out.extend_from_slice(&self.l2_chain_id.to_be_bytes());
        out.extend_from_slice(self.sender.0.as_slice());
        out.extend_from_slice(self.recipient.0.as_slice());
        out.extend_from_slice(&self.time_ms.to_be_bytes());
        out.extend_from_slice(&self.nonce);
        for text in [self.method, self.path] {
            out.extend_from_slice(&(text.len() as u64).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(self.content.as_slice());
        out
    }

    /// Digest that the answer is bound to.
    #[must_use]
    pub fn digest(&self) -> B256 {
        content_digest(&self.message())
    }

    /// The headers of the signed request.
    #[must_use]
    pub fn headers(&self, key: &NodeKey) -> [(&'static str, String); 5] {
        [
            (HEADER_PEER, hex::encode(self.sender.0)),
            (HEADER_TIME, self.time_ms.to_string()),
            (HEADER_NONCE, hex::encode(self.nonce)),
            (HEADER_CONTENT, hex::encode(self.content)),
            (HEADER_SIGNATURE, hex::encode(key.sign(&self.message()).0)),
        ]
    }
}

/// Digest that the answer to an introduction is bound to: only the challenge, since the asking
/// side may not know yet whom it reached.
#[must_use]
pub fn hello_digest(nonce: &Nonce) -> B256 {
    let mut out = Vec::with_capacity(40);
    out.extend_from_slice(b"ANDE peer hello 1\0");
    out.extend_from_slice(nonce);
    content_digest(&out)
}

/// The signed bytes of an answer to the request with digest `request`.
#[must_use]
pub fn answer_message(responder: NodeId, request: B256, status: u16, content: B256) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(b"ANDE peer answer 1\0");
    out.extend_from_slice(responder.0.as_slice());
    out.extend_from_slice(request.as_slice());
    out.extend_from_slice(&status.to_be_bytes());
    out.extend_from_slice(content.as_slice());
    out
}

/// SHA-256.
#[must_use]
pub fn content_digest(bytes: &[u8]) -> B256 {
    B256::from(<[u8; 32]>::from(Sha256::digest(bytes)))
}

/// Reads exactly `N` bytes of hex from a header, with or without `0x`.
pub(crate) fn hex_header<const N: usize>(headers: &HeaderMap, name: &str) -> Option<[u8; N]> {
    let text = single(headers, name)?;
    let mut out = [0u8; N];
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut out).ok()?;
    Some(out)
}

/// Reads a decimal number without sign or leading zeros from a header.
pub(crate) fn number_header(headers: &HeaderMap, name: &str) -> Option<u64> {
    let text = single(headers, name)?;
    let canonical =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok())?
}

fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    // Two values would let two readers see different requests.
    if values.next().is_some() { None } else { first.to_str().ok() }
}

pub(crate) fn node_id_header(headers: &HeaderMap) -> Option<NodeId> {
    hex_header::<32>(headers, HEADER_PEER).map(|bytes| NodeId(B256::from(bytes)))
}

pub(crate) fn signature_header(headers: &HeaderMap) -> Option<NodeSignature> {
    hex_header::<64>(headers, HEADER_SIGNATURE).map(NodeSignature)
}

/// Milliseconds since the Unix epoch; 0 with a clock before it.
pub(crate) fn now_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn headers_are_read_strictly() {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER_TIME, HeaderValue::from_static("12"));
        assert_eq!(number_header(&headers, HEADER_TIME), Some(12));
        for bad in ["", "+1", "-1", "01", "1 ", "1.0", "99999999999999999999"] {
            headers.insert(HEADER_TIME, HeaderValue::from_static(bad));
            assert_eq!(number_header(&headers, HEADER_TIME), None, "{bad:?}");
        }
        headers.insert(HEADER_NONCE, HeaderValue::from_static("00112233445566778899aabbccddeeff"));
        assert!(hex_header::<16>(&headers, HEADER_NONCE).is_some());
        headers.append(HEADER_NONCE, HeaderValue::from_static("00112233445566778899aabbccddeeff"));
        assert!(hex_header::<16>(&headers, HEADER_NONCE).is_none(), "two values");
        for bad in ["", "0x", "00", "zz112233445566778899aabbccddeeff"] {
            headers.insert(HEADER_NONCE, HeaderValue::from_static(bad));
            assert!(hex_header::<16>(&headers, HEADER_NONCE).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn every_part_of_a_request_is_signed() {
        let id = |byte| NodeId(B256::repeat_byte(byte));
        let head = RequestHead {
            sender: id(1),
            recipient: id(2),
            l2_chain_id: 6174,
            method: "POST",
            path: PATH_TRANSACTIONS,
            content: B256::repeat_byte(3),
            time_ms: 5,
            nonce: [6; 16],
        };
        let others = [
            RequestHead { sender: id(9), ..head },
            RequestHead { recipient: id(9), ..head },
            RequestHead { l2_chain_id: 9, ..head },
            RequestHead { method: "GET", ..head },
            RequestHead { path: PATH_CHECKPOINT, ..head },
            RequestHead { content: B256::ZERO, ..head },
            RequestHead { time_ms: 9, ..head },
            RequestHead { nonce: [9; 16], ..head },
            // Moving a byte between neighbours changes the message as well.
            RequestHead { method: "POST/", path: &PATH_TRANSACTIONS[1..], ..head },
        ];
        for other in others {
            assert_ne!(head.digest(), other.digest(), "{other:?}");
        }
    }
}
