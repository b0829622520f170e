//! Transactions to the contracts: sent and waited for, or shown as `cast` would send them.

use std::time::Duration;

use alloy::{
    consensus::Transaction as _,
    contract::{CallBuilder, CallDecoder, Error as CallError},
    network::TransactionResponse as _,
    primitives::{Address, B256},
    providers::Provider,
    rpc::types::TransactionReceipt,
    transports::TransportError,
};
use ande_contracts::Reverted;
use eyre::{Report, Result, bail};
use serde::Serialize;

/// How often a transaction is sent. A node that posts batches with the same key takes its nonce now
/// and then.
const SENDINGS: usize = 10;
/// Time between two looks for its block.
const LOOK: Duration = Duration::from_millis(500);
/// Looks after which a transaction that nobody knows is given up.
const UNKNOWN_LOOKS: usize = 6;
/// What pools say of a nonce that another transaction has.
const NONCE_TAKEN: [&str; 3] =
    ["replacement transaction underpriced", "nonce too low", "already known"];

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
    for _ in 0..SENDINGS {
        let hash = match call.send().await {
            Ok(sent) => *sent.tx_hash(),
            Err(error) if is_nonce_taken(&error) => {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            Err(error) => return Err(refused(error)),
        };
        let found = receipt(&call.provider, hash).await;
        let Some(receipt) = found.map_err(|error| lost(error, hash))? else { continue };
        if !receipt.status() {
            bail!("transaction {hash} was reverted: others were faster; try again");
        }
        return Ok(Step { cast, transaction: Some(hash), gas: Some(receipt.gas_used) });
    }
    bail!("other transactions of this key took the nonce {SENDINGS} times; try again")
}

fn is_nonce_taken(error: &CallError) -> bool {
    let text = error.to_string();
    NONCE_TAKEN.iter().any(|said| text.contains(said))
}

/// The receipt, once there is one. None when another transaction got the nonce.
async fn receipt<P: Provider>(
    provider: &P,
    hash: B256,
) -> Result<Option<TransactionReceipt>, TransportError> {
    let (mut place, mut unknown) = (None, 0);
    loop {
        if let Some(receipt) = provider.get_transaction_receipt(hash).await? {
            return Ok(Some(receipt));
        }
        match provider.get_transaction_by_hash(hash).await? {
            Some(sent) => place = Some((sent.from(), sent.nonce())),
            None => unknown += 1,
        }
        let is_over = match place {
            Some((from, nonce)) => provider.get_transaction_count(from).await? > nonce,
            None => unknown >= UNKNOWN_LOOKS,
        };
        if is_over {
            // It may have been this one, a moment ago.
            return provider.get_transaction_receipt(hash).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What the contract says, in words.
pub(crate) fn refused(error: CallError) -> Report {
    match error.as_revert_data() {
        Some(data) => Report::msg(format!("the contract refuses: {}", Reverted::decode(data))),
        None => Report::new(error),
    }
}

fn lost(error: TransportError, hash: B256) -> Report {
    Report::new(error)
        .wrap_err(format!("sent as {hash}, but whether it is in a block is not known; look it up"))
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
