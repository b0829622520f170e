//! The error codes of JSON-RPC answers.

use jsonrpsee::types::error;

/// A code, and what is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// `code` of the error object.
    pub code: i32,
    /// When it is answered, and what is in `data`, if anything is.
    pub meaning: &'static str,
    /// Whether, when and where the same request may succeed.
    pub again: &'static str,
}

const fn code(code: i32, meaning: &'static str, again: &'static str) -> ErrorCode {
    ErrorCode { code, meaning, again }
}

pub(crate) const REVERTED: i32 = 3;
pub(crate) const NOT_YET_INCLUDED: i32 = 4;
pub(crate) const PRUNED: i32 = 4444;
pub(crate) const FAILED: i32 = -32000;
pub(crate) const UNAVAILABLE: i32 = -32002;
pub(crate) const LIMIT_EXCEEDED: i32 = -32005;
pub(crate) const NOT_SERVED: i32 = error::METHOD_NOT_FOUND_CODE;
pub(crate) const INVALID_PARAMS: i32 = error::INVALID_PARAMS_CODE;
pub(crate) const INTERNAL: i32 = error::INTERNAL_ERROR_CODE;

/// Every code that a node answers with.
pub const ERROR_CODES: &[ErrorCode] = &[
    code(
        REVERTED,
        "`execution reverted`, with the reason where the code gave one; `data` is what it returned",
        "when the state has changed",
    ),
    code(
        NOT_YET_INCLUDED,
        "`eth_sendRawTransactionSync`: the transaction is in the pool and was in no block in time \
         (EIP-7966); `data` is its hash",
        "no need: it waits for a block; ask for its receipt",
    ),
    code(
        PRUNED,
        "`pruned history unavailable`: the node no longer has receipts or logs of that block \
         (EIP-4444)",
        "at a node that keeps more (`evm.receipt_blocks`)",
    ),
    code(
        FAILED,
        "geth's code for nearly everything: a refused transaction (`nonce too low`), an unknown \
         block (`header not found`), a failed call. The message is geth's where geth has one",
        "when what the message names has changed",
    ),
    code(
        UNAVAILABLE,
        "the node cannot now: it is full, is stopping, or the call took too long",
        "later, or at another node",
    ),
    code(
        LIMIT_EXCEEDED,
        "more than the node serves: a search over too many blocks or logs, too many filters, too \
         many requests at the same time (whole HTTP requests with status 429)",
        "with less, or later",
    ),
    code(error::TOO_MANY_SUBSCRIPTIONS_CODE, "too many subscriptions of one connection", "later"),
    code(error::OVERSIZED_REQUEST_CODE, "a request above `rpc.body_bytes`", "with less"),
    code(error::OVERSIZED_RESPONSE_CODE, "an answer above `rpc.answer_bytes`", "with less"),
    code(
        error::TOO_BIG_BATCH_REQUEST_CODE,
        "more calls in one batch than `rpc.batch_calls`",
        "with less",
    ),
    code(
        error::TOO_BIG_BATCH_RESPONSE_CODE,
        "answers of a batch above `rpc.answer_bytes`",
        "with less",
    ),
    code(error::INVALID_REQUEST_CODE, "JSON that is no request", "no"),
    code(
        NOT_SERVED,
        "an unknown method, one whose namespace is not served here, or a subscription over HTTP",
        "at a node that serves it (`rpc.namespaces`), or over WebSocket",
    ),
    code(
        INVALID_PARAMS,
        "the parameters do not fit the method; the message names the argument",
        "no",
    ),
    code(INTERNAL, "the node's own fault; the cause is in its log", "at another node"),
    code(error::PARSE_ERROR_CODE, "no JSON", "no"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_has_two_meanings() {
        for (index, one) in ERROR_CODES.iter().enumerate() {
            assert!(ERROR_CODES[..index].iter().all(|other| other.code != one.code), "{one:?}");
        }
    }
}
