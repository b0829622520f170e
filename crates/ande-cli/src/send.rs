//! Transactions to the contracts: sent and waited for, or shown as `cast` would send them.

use alloy::{
    contract::{CallBuilder, CallDecoder, Error as CallError},
    primitives::{Address, B256},
    providers::{PendingTransactionError, Provider},
};
use ande_contracts::Reverted;
use eyre::{Report, Result, bail};
use serde::Serialize;

/// A transaction, as a command.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    /// The same with `cast`, the key left out.
    pub(crate) cast: String,
    /// Hash, once it is in a block.
    pub(crate) transaction: Option<B256>,
    /// Gas it took.
    pub(crate) gas: Option<u64>,
}

impl Step {
    /// A step that was not done.
    pub(crate) const fn planned(cast: String) -> Self {
        Self { cast, transaction: None, gas: None }
    }
}

/// The command line that does the same.
pub(crate) fn cast_line(to: Address, signature: &str, words: &[String], url: &url::Url) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("cast send {to} '{signature}' {} --rpc-url {}", words.join(" "), quoted(url.as_str()))
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Sends a transaction and waits until it is in a block.
///
/// # Errors
/// What the contract says against it; then nothing was sent.
pub(crate) async fn send<P: Provider, D: CallDecoder>(
    call: CallBuilder<P, D>,
    cast: String,
) -> Result<Step> {
    // Simulated first, so that a refusal costs nothing and has its reason.
    call.call_raw().await.map_err(refused)?;
    let receipt = call.send().await.map_err(refused)?.get_receipt().await.map_err(lost)?;
    if !receipt.status() {
        bail!(
            "transaction {} was reverted: others were faster; try again",
            receipt.transaction_hash
        );
    }
    let (transaction, gas) = (Some(receipt.transaction_hash), Some(receipt.gas_used));
    Ok(Step { cast, transaction, gas })
}

/// What the contract says, in words.
pub(crate) fn refused(error: CallError) -> Report {
    match error.as_revert_data() {
        Some(data) => Report::msg(format!("the contract refuses: {}", Reverted::decode(data))),
        None => Report::new(error),
    }
}

fn lost(error: PendingTransactionError) -> Report {
    Report::new(error).wrap_err("sent, but whether it is in a block is not known; look it up")
}

/// The steps as text.
pub(crate) fn describe(steps: &[Step]) -> String {
    let line = |step: &Step| match (step.transaction, step.gas) {
        (Some(hash), Some(gas)) => format!("{hash}  {gas} gas\n"),
        _ => format!("{}\n", step.cast),
    };
    steps.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quoted("https://a.example:8545"), "https://a.example:8545");
        assert_eq!(quoted("it's $HOME"), "'it'\\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
