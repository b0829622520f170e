//! Positional parameters, as lenient as geth and as strict.

use alloy::eips::BlockNumberOrTag;
use alloy_primitives::B256;
use ande_primitives::Height;
use jsonrpsee::types::Params;
use serde::{Deserialize as _, de::DeserializeOwned};
use serde_json::Value;

use crate::RpcError;

/// The parameters of one call: absent, `null` and `[]` are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Args(Vec<Value>);

impl Args {
    pub(crate) fn parse(params: &Params<'_>, most: usize) -> Result<Self, RpcError> {
        let values: Option<Vec<Value>> = match params.as_str() {
            None => None,
            Some(text) => serde_json::from_str(text)
                .map_err(|_| RpcError::InvalidParams("non-array args".into()))?,
        };
        let mut values = values.unwrap_or_default();
        // Trailing nulls are optional parameters left out.
        while values.last().is_some_and(Value::is_null) {
            values.pop();
        }
        if values.len() > most {
            return Err(RpcError::InvalidParams(format!(
                "too many arguments, want at most {most}"
            )));
        }
        Ok(Self(values))
    }

    /// A parameter that is there and not `null`.
    pub(crate) fn get(&self, index: usize) -> Option<&Value> {
        self.0.get(index).filter(|value| !value.is_null())
    }

    pub(crate) fn optional<T: DeserializeOwned>(
        &self,
        index: usize,
    ) -> Result<Option<T>, RpcError> {
        self.get(index)
            .map(|value| {
                T::deserialize(value).map_err(|error| {
                    RpcError::InvalidParams(format!("invalid argument {index}: {error}"))
                })
            })
            .transpose()
    }

    /// A parameter that is written as an object. Without this an array of its members would do too.
    pub(crate) fn object<T: DeserializeOwned>(&self, index: usize) -> Result<Option<T>, RpcError> {
        if self.get(index).is_some_and(|value| !value.is_object()) {
            return Err(invalid(index, "not an object"));
        }
        self.optional(index)
    }

    pub(crate) fn required<T: DeserializeOwned>(&self, index: usize) -> Result<T, RpcError> {
        self.optional(index)?.ok_or_else(|| missing(index))
    }

    /// A count: a JSON number, or a decimal or `0x` string.
    pub(crate) fn number(&self, index: usize) -> Result<Option<u64>, RpcError> {
        self.get(index)
            .map(|value| number(value).ok_or_else(|| invalid(index, "not a number")))
            .transpose()
    }

    /// A position, as a JSON number or a `0x` string.
    pub(crate) fn index(&self, index: usize) -> Result<u64, RpcError> {
        self.number(index)?.ok_or_else(|| missing(index))
    }

    /// A hash, a tag or a number.
    pub(crate) fn reference(&self, index: usize) -> Result<Option<Reference>, RpcError> {
        let Some(value) = self.get(index) else { return Ok(None) };
        if let Some(hash) = value.as_str().filter(|text| text.len() == 66) {
            return hash
                .parse()
                .map(|hash| Some(Reference::Hash(hash)))
                .map_err(|_| invalid(index, "not a hash"));
        }
        if let Some(number) = number(value) {
            return Ok(Some(Reference::Block(BlockNumberOrTag::Number(number))));
        }
        self.tag(index).map(|tag| Some(Reference::Block(tag)))
    }

    /// A block as Ethereum's methods take it: a tag, a `0x` number, a hash, or an object of
    /// EIP-1898. Left out it is the latest block. All blocks are canonical.
    pub(crate) fn block(&self, index: usize) -> Result<Reference, RpcError> {
        let Some(value) = self.get(index) else {
            return Ok(Reference::Block(BlockNumberOrTag::Latest));
        };
        if let Some(text) = value.as_str().filter(|text| text.len() == 66) {
            return text.parse().map(Reference::Hash).map_err(|_| invalid(index, "not a hash"));
        }
        let Some(object) = value.as_object() else {
            return tag(value, index).map(Reference::Block);
        };
        let field = |name: &str| object.get(name).filter(|value| !value.is_null());
        match (field("blockHash"), field("blockNumber")) {
            (Some(_), Some(_)) => Err(invalid(
                index,
                "cannot specify both BlockHash and BlockNumber, choose one or the other",
            )),
            (Some(hash), None) => B256::deserialize(hash)
                .map(Reference::Hash)
                .map_err(|_| invalid(index, "blockHash is not a hash")),
            (None, Some(number)) => tag(number, index).map(Reference::Block),
            (None, None) => Err(invalid(index, "neither blockHash nor blockNumber")),
        }
    }

    /// A tag or a `0x` number.
    pub(crate) fn tag(&self, index: usize) -> Result<BlockNumberOrTag, RpcError> {
        tag(self.get(index).ok_or_else(|| missing(index))?, index)
    }
}

fn tag(value: &Value, index: usize) -> Result<BlockNumberOrTag, RpcError> {
    let tag = match value.as_str() {
        Some("latest") => BlockNumberOrTag::Latest,
        Some("safe") => BlockNumberOrTag::Safe,
        Some("finalized") => BlockNumberOrTag::Finalized,
        Some("earliest") => BlockNumberOrTag::Earliest,
        Some("pending") => BlockNumberOrTag::Pending,
        Some(hex) if hex.starts_with("0x") => match number(value) {
            Some(number) => BlockNumberOrTag::Number(number),
            None => return Err(invalid(index, "not a hex number of 64 bits")),
        },
        Some(_) => return Err(invalid(index, "hex string without 0x prefix")),
        None => return Err(invalid(index, "not a block number or tag")),
    };
    Ok(tag)
}

/// How a caller names a block or batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    Hash(B256),
    Block(BlockNumberOrTag),
}

impl From<Height> for Reference {
    fn from(height: Height) -> Self {
        Self::Block(BlockNumberOrTag::Number(height.0))
    }
}

pub(crate) fn missing(index: usize) -> RpcError {
    RpcError::InvalidParams(format!("missing value for required argument {index}"))
}

pub(crate) fn invalid(index: usize, what: &str) -> RpcError {
    RpcError::InvalidParams(format!("invalid argument {index}: {what}"))
}

fn number(value: &Value) -> Option<u64> {
    let Some(text) = value.as_str() else { return value.as_u64() };
    match text.strip_prefix("0x") {
        Some(hex) if !hex.starts_with('+') => u64::from_str_radix(hex, 16).ok(),
        Some(_) => None,
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Result<Args, RpcError> {
        Args::parse(&Params::new(Some(text)), 2)
    }

    #[test]
    fn nothing_is_nothing() {
        assert!(Args::parse(&Params::new(None), 0).is_ok());
        for text in ["null", "[]", "[null]", "[null,null,null]"] {
            assert!(args(text).is_ok_and(|args| args.0.is_empty()), "{text}");
        }
        assert!(args("[1,2,3]").is_err());
        assert!(args("{\"a\":1}").is_err());
    }

    #[test]
    fn blocks_are_named_as_in_eip_1898() {
        let of = |text: &str| args(text).and_then(|args| args.block(0));
        let hash = B256::repeat_byte(7);
        for text in [
            format!("[\"{hash}\"]"),
            format!("[{{\"blockHash\":\"{hash}\"}}]"),
            format!("[{{\"blockHash\":\"{hash}\",\"requireCanonical\":true}}]"),
        ] {
            assert_eq!(of(&text), Ok(Reference::Hash(hash)), "{text}");
        }
        let seven = Ok(Reference::Block(BlockNumberOrTag::Number(7)));
        assert_eq!(of("[\"0x7\"]"), seven);
        assert_eq!(of("[{\"blockNumber\":\"0x7\"}]"), seven);
        let tag = |tag| Ok(Reference::Block(tag));
        assert_eq!(of("[{\"blockNumber\":\"safe\"}]"), tag(BlockNumberOrTag::Safe));
        assert_eq!(of("[]"), tag(BlockNumberOrTag::Latest));
        for bad in [
            "[{}]".to_owned(),
            "[7]".to_owned(),
            "[\"7\"]".to_owned(),
            format!("[{{\"blockHash\":\"{hash}\",\"blockNumber\":\"0x7\"}}]"),
            "[{\"blockHash\":\"0x7\"}]".to_owned(),
            "[[]]".to_owned(),
        ] {
            assert!(matches!(of(&bad), Err(RpcError::InvalidParams(_))), "{bad}");
        }
    }

    #[test]
    fn references_are_told_apart() {
        let of = |text: &str| args(text).and_then(|args| args.reference(0));
        let number = |n| Ok(Some(Reference::Block(BlockNumberOrTag::Number(n))));
        assert_eq!(of("[7]"), number(7));
        assert_eq!(of("[\"0x7\"]"), number(7));
        assert_eq!(of("[\"7\"]"), number(7));
        assert_eq!(of("[]"), Ok(None));
        assert_eq!(of("[\"safe\"]"), Ok(Some(Reference::Block(BlockNumberOrTag::Safe))));
        let hash = format!("[\"{}\"]", B256::repeat_byte(7));
        assert_eq!(of(&hash), Ok(Some(Reference::Hash(B256::repeat_byte(7)))));
        for bad in ["[-1]", "[1.5]", "[\"newest\"]", "[true]", "[{}]", "[\"0x+7\"]", "[\"0x\"]"] {
            assert!(matches!(of(bad), Err(RpcError::InvalidParams(_))), "{bad}");
        }
    }
}
