//! What an error of a Celestia node means. Its nodes have no codes: the text decides.

use ande_consensus::DataLayerError;
use jsonrpsee::core::client::Error;

/// Texts of a submission that may be, or get, into a block: nobody waited long enough, or it is in
/// the pool already, or another one of the same account came between.
const PENDING: [&str; 7] = [
    "timed out",
    "deadline exceeded",
    "not included",
    "already in mempool",
    "already exists in cache",
    "account sequence mismatch",
    "incorrect account sequence",
];
/// Texts about data that is too large for a transaction or a block.
const TOO_LARGE: [&str; 4] =
    ["too large", "exceeds max", "blob size over maximum", "exceeded maximum"];
/// Texts about data or a block that is not there, or not there yet.
const ABSENT: [&str; 3] = ["not found", "from the future", "not available"];

/// Why a submission of so many bytes has no answer.
pub(crate) fn of_submission(error: &Error, bytes: usize) -> DataLayerError {
    let text = error.to_string();
    match error {
        Error::Call(_) if says(&text, &TOO_LARGE) => {
            DataLayerError::TooLarge { bytes, reason: text }
        }
        Error::Call(_) if !says(&text, &PENDING) => DataLayerError::Refused(text),
        // The node has it, or had it, and may have passed it on.
        Error::Call(_) | Error::RequestTimeout => DataLayerError::Pending(text),
        _ => DataLayerError::Unreachable(text),
    }
}

/// Why data of a height was not read.
pub(crate) fn of_reading(error: &Error, height: u64) -> DataLayerError {
    let text = error.to_string();
    match error {
        Error::Call(_) if says(&text, &ABSENT) => DataLayerError::Absent(height),
        Error::Call(_) => DataLayerError::Refused(text),
        _ => DataLayerError::Unreachable(text),
    }
}

fn says(text: &str, texts: &[&str]) -> bool {
    let text = text.to_lowercase();
    texts.iter().any(|part| text.contains(part))
}

#[cfg(test)]
mod tests {
    use jsonrpsee::types::ErrorObjectOwned;

    use super::*;

    fn call(text: &str) -> Error {
        Error::Call(ErrorObjectOwned::owned(1, text, None::<()>))
    }

    #[test]
    fn texts_of_celestia_nodes_are_understood() {
        for text in [
            "timed out waiting for tx to be included in a block",
            "context deadline exceeded",
            "broadcast tx: tx already exists in cache",
            "tx already in mempool",
            "account sequence mismatch, expected 42, got 41: incorrect account sequence",
        ] {
            let error = of_submission(&call(text), 7);
            assert!(matches!(error, DataLayerError::Pending(_)), "{text}: {error}");
        }
        for text in ["tx too large: 9000000 > 8388608", "total blob size too large"] {
            let error = of_submission(&call(text), 7);
            assert!(matches!(error, DataLayerError::TooLarge { bytes: 7, .. }), "{text}: {error}");
        }
        for text in ["insufficient funds", "missing permission to invoke 'Submit' (need 'write')"] {
            let error = of_submission(&call(text), 7);
            assert!(matches!(error, DataLayerError::Refused(_)), "{text}: {error}");
        }
        for text in ["blob: not found", "header: given height is from the future"] {
            assert_eq!(of_reading(&call(text), 3), DataLayerError::Absent(3), "{text}");
        }
        let gone = of_reading(&Error::RequestTimeout, 3);
        assert!(matches!(gone, DataLayerError::Unreachable(_)), "{gone}");
    }
}
