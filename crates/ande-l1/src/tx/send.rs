//! Handing a transaction to the chain, and what the answers mean.

use alloy::primitives::Bytes;

use crate::{L1Client, L1Error};

/// What became of a broadcast. Endpoints differ in their texts; these are those of geth, reth,
/// nethermind, erigon, besu and anvil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Broadcast {
    /// Taken, or known already.
    Accepted,
    /// The nonce is used by a transaction in a block.
    NonceTooLow,
    /// Another transaction with this nonce pays as much.
    Underpriced,
    /// The account cannot pay.
    InsufficientFunds(String),
    /// Refused for good.
    Refused(String),
    /// It may or may not have arrived.
    Unclear(String),
}

pub(super) async fn broadcast(client: &L1Client, raw: &Bytes) -> Broadcast {
    match client.send_raw(raw).await {
        Ok(_) => Broadcast::Accepted,
        Err(L1Error::Rpc { message, .. }) => classify(&message),
        // Some endpoints run the transaction first. It was checked before; waiting decides.
        Err(L1Error::Reverted(reverted)) => Broadcast::Refused(reverted.to_string()),
        Err(other) => Broadcast::Unclear(other.to_string()),
    }
}

pub(super) fn classify(message: &str) -> Broadcast {
    let text = message.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    if has(&["already known", "already imported", "alreadyknown", "known transaction"]) {
        Broadcast::Accepted
    } else if has(&["nonce too low", "noncetoolow", "old nonce", "oldnonce", "nonce is too low"]) {
        Broadcast::NonceTooLow
    } else if has(&[
        "underpriced",
        "gas price too low",
        "feetoolow",
        "fee too low",
        "less than block base fee",
        "max fee per gas less",
        "max fee per blob gas",
    ]) {
        Broadcast::Underpriced
    } else if has(&["insufficient funds", "insufficientfunds", "insufficient balance"]) {
        Broadcast::InsufficientFunds(message.to_owned())
    } else if has(&[
        "txpool is full",
        "pool is full",
        "too many requests",
        "rate limit",
        "timeout",
        // Transactions of the other kind hold the account until they are in a block.
        "already reserved",
        "conflicting transaction type",
    ]) {
        Broadcast::Unclear(message.to_owned())
    } else {
        Broadcast::Refused(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_usual_endpoints_are_understood() {
        for (text, expected) in [
            ("already known", Broadcast::Accepted),
            ("Known transaction: 0x12", Broadcast::Accepted),
            ("transaction already imported", Broadcast::Accepted),
            ("nonce too low: next nonce 5, tx nonce 4", Broadcast::NonceTooLow),
            ("OldNonce", Broadcast::NonceTooLow),
            ("replacement transaction underpriced", Broadcast::Underpriced),
            ("transaction underpriced", Broadcast::Underpriced),
            ("max fee per blob gas less than block blob gas fee", Broadcast::Underpriced),
            ("blob gas price (9) is greater than max fee per blob gas (1)", Broadcast::Underpriced),
        ] {
            assert_eq!(classify(text), expected, "{text}");
        }
        assert!(matches!(
            classify("insufficient funds for gas * price + value"),
            Broadcast::InsufficientFunds(_)
        ));
        assert!(matches!(classify("txpool is full"), Broadcast::Unclear(_)));
        assert!(matches!(classify("address already reserved"), Broadcast::Unclear(_)));
        assert!(matches!(classify("exceeds block gas limit"), Broadcast::Refused(_)));
    }
}
