//! Canonical bytes: one version byte, then strict RLP, nothing after it, never above a fixed size.

use alloy_rlp::{Decodable, Encodable};

/// Why bytes are not the canonical form of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than the type allows.
    #[error("{got} bytes exceed the limit of {limit}")]
    TooLong {
        /// Bytes received.
        got: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// No byte at all.
    #[error("empty input")]
    Empty,
    /// A version this software does not know.
    #[error("unknown version {got}, this software reads version {expected}")]
    Version {
        /// Version byte received.
        got: u8,
        /// Version byte understood.
        expected: u8,
    },
    /// Not canonical RLP of the type.
    #[error("malformed bytes: {0}")]
    Rlp(String),
    /// Bytes after the value.
    #[error("{0} bytes after the value")]
    Trailing(usize),
    /// Well-formed, but a value is outside its bounds.
    #[error("{0}")]
    Bounds(String),
}

impl From<alloy_rlp::Error> for DecodeError {
    fn from(error: alloy_rlp::Error) -> Self {
        Self::Rlp(error.to_string())
    }
}

/// A value with one canonical byte form: `version || rlp(value)`.
///
/// Decoding is total: any input gives a value or a [`DecodeError`], in time and memory linear in
/// the input, and `encode(decode(b)) == b`.
pub trait Canonical: Encodable + Decodable + Sized {
    /// First byte of the encoding.
    const VERSION: u8;
    /// Upper limit of the encoding in bytes, checked before anything is parsed.
    const MAX_BYTES: usize;

    /// Bounds that RLP cannot state. The default has none.
    ///
    /// # Errors
    /// [`DecodeError::Bounds`] naming the violated bound.
    fn check_bounds(&self) -> Result<(), DecodeError> {
        Ok(())
    }

    /// The canonical bytes.
    fn to_canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + self.length());
        out.push(Self::VERSION);
        self.encode(&mut out);
        out
    }

    /// Parses canonical bytes.
    ///
    /// # Errors
    /// Any deviation from the canonical form, see [`DecodeError`].
    fn from_canonical(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(DecodeError::TooLong { got: bytes.len(), limit: Self::MAX_BYTES });
        }
        let (&version, mut rest) = bytes.split_first().ok_or(DecodeError::Empty)?;
        if version != Self::VERSION {
            return Err(DecodeError::Version { got: version, expected: Self::VERSION });
        }
        let value = Self::decode(&mut rest)?;
        if !rest.is_empty() {
            return Err(DecodeError::Trailing(rest.len()));
        }
        value.check_bounds()?;
        Ok(value)
    }
}
