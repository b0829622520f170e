//! Punishments, as the contract tells them.

use alloy::{
    primitives::{Address, B256},
    rpc::types::{Filter, Log},
    sol_types::SolEvent,
};
use ande_contracts::AndeConsensus::{ValidatorJailed, ValidatorSlashed, ValidatorTombstoned};
use clap::Args;
use eyre::Result;
use serde::Serialize;

use crate::{
    amount::format_tokens,
    deployment::Place,
    logs::Newest,
    output::{Output, table},
};

#[derive(Debug, Args)]
#[command(after_help = "Nodes bring what they see to the contract themselves: nothing has to be \
                  sent by hand.\n\n\
                  Examples:\n  \
                  ande evidence --config node.toml\n  \
                  ande evidence --config node.toml --validator 3 --json")]
pub(crate) struct EvidenceArgs {
    /// Only of this validator
    #[arg(long, value_name = "ID")]
    validator: Option<u32>,
    #[command(flatten)]
    newest: Newest,
}

/// One punishment.
#[derive(Debug, Serialize)]
struct Punishment {
    validator: u32,
    #[serde(flatten)]
    what: What,
    l1_block: u64,
    transaction: B256,
}

/// What the contract did.
#[derive(Debug, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum What {
    /// Lost stake.
    Slashed {
        /// `votes`, `checkpoints` (two that contradict each other) or `downtime`.
        reason: &'static str,
        epoch: u64,
        /// Whole tokens.
        tokens: String,
        /// Whole tokens of them for who proved it.
        reward: String,
        reporter: Address,
    },
    /// Out for ever.
    Tombstoned { evidence: B256 },
    /// Out until it asks to come back.
    Jailed {
        epoch: u64,
        missed_windows: u32,
        assigned_windows: u32,
        /// Unix seconds from which it may.
        until: u64,
    },
}

impl EvidenceArgs {
    pub(crate) async fn run(self, place: &Place, output: Output) -> Result<()> {
        let deployment = place.open().await?;
        let filter = Filter::new().address(*deployment.consensus.address()).event_signature(vec![
            ValidatorSlashed::SIGNATURE_HASH,
            ValidatorTombstoned::SIGNATURE_HASH,
            ValidatorJailed::SIGNATURE_HASH,
        ]);
        let wanted = |log: &Log| {
            let one = Punishment::of(log)?;
            Ok(self.validator.is_none_or(|id| id == one.validator).then_some(one))
        };
        let found = self.newest.find(deployment.consensus.provider(), filter, wanted).await?;
        output.show(&found, |found| {
            if found.is_empty() {
                return "nobody was punished\n".to_owned();
            }
            let row = |one: &Punishment| {
                let (what, details) = one.what.words();
                vec![
                    one.validator.to_string(),
                    what.to_owned(),
                    one.l1_block.to_string(),
                    one.transaction.to_string(),
                    details,
                ]
            };
            let head = ["VALIDATOR", "WHAT", "L1 BLOCK", "TRANSACTION", "DETAILS"];
            table(&head, &found.iter().map(row).collect::<Vec<_>>())
        })
    }
}

impl Punishment {
    fn of(log: &Log) -> Result<Self> {
        let (validator, what) = match log.topic0() {
            Some(topic) if *topic == ValidatorSlashed::SIGNATURE_HASH => {
                let event = log.log_decode::<ValidatorSlashed>()?.inner.data;
                let what = What::Slashed {
                    reason: reason(event.reason),
                    epoch: event.epoch,
                    tokens: format_tokens(event.amount),
                    reward: format_tokens(event.reward),
                    reporter: event.reporter,
                };
                (event.id, what)
            }
            Some(topic) if *topic == ValidatorTombstoned::SIGNATURE_HASH => {
                let event = log.log_decode::<ValidatorTombstoned>()?.inner.data;
                (event.id, What::Tombstoned { evidence: event.evidenceId })
            }
            _ => {
                let event = log.log_decode::<ValidatorJailed>()?.inner.data;
                let what = What::Jailed {
                    epoch: event.epoch,
                    missed_windows: event.missed,
                    assigned_windows: event.assigned,
                    until: event.until,
                };
                (event.id, what)
            }
        };
        Ok(Self {
            validator,
            what,
            l1_block: log.block_number.unwrap_or_default(),
            transaction: log.transaction_hash.unwrap_or_default(),
        })
    }
}

impl What {
    fn words(&self) -> (&'static str, String) {
        match self {
            Self::Slashed { reason, epoch, tokens, reward, reporter } => (
                "slashed",
                format!(
                    "{tokens} tokens for {reason} in epoch {epoch}, {reward} of them to {reporter}"
                ),
            ),
            Self::Tombstoned { evidence } => ("tombstoned", format!("evidence {evidence}")),
            Self::Jailed { epoch, missed_windows, assigned_windows, until } => (
                "jailed",
                format!(
                    "missed {missed_windows} of {assigned_windows} windows of epoch {epoch}, until {until}"
                ),
            ),
        }
    }
}

/// `REASON_*` of the contract.
const fn reason(reason: u8) -> &'static str {
    match reason {
        1 => "votes",
        2 => "checkpoints",
        3 => "downtime",
        _ => "unknown",
    }
}
