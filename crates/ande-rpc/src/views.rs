//! Answers of the `ande_*` methods.

use alloy_primitives::{Address, B256, Bytes, U256};
use ande_primitives::{
    BatchHeader, Committee, DaPointer, Epoch, EpochSet, Era, Height, QuorumFraction, ScheduleRules,
    Skip, Window,
};
use ande_store::{BatchRow, BatchState};
use serde::Serialize;

/// The frozen set of an epoch.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitteeView {
    /// Era of the set.
    pub era: Era,
    /// The epoch.
    pub epoch: Epoch,
    /// First height of the epoch.
    pub start_height: Height,
    /// Last height of the epoch.
    pub end_height: Height,
    /// Contract id of the set.
    pub set_id: u32,
    /// Seed of the schedule.
    pub seed: B256,
    /// Schedule rules.
    pub rules: ScheduleRules,
    /// Weight a certificate needs more of, as a fraction.
    pub quorum: QuorumFraction,
    /// Sum of all weights.
    pub total_weight: u64,
    /// Members that may fail, heaviest first, before blocks stop.
    pub fault_tolerance: usize,
    /// The members in contract order.
    pub members: Committee,
    /// Final settlement block at which the set was read.
    pub l1_block: u64,
}

impl From<&EpochSet> for CommitteeView {
    fn from(set: &EpochSet) -> Self {
        let start_height = set.rules.epoch_start(set.epoch);
        Self {
            era: set.era,
            epoch: set.epoch,
            start_height,
            end_height: Height(start_height.0.saturating_add(set.rules.epoch_length() - 1)),
            set_id: set.set_id,
            seed: set.seed,
            rules: set.rules,
            quorum: set.quorum,
            total_weight: set.committee.total_weight(),
            fault_tolerance: set.committee.fault_tolerance(set.quorum),
            members: set.committee.clone(),
            l1_block: set.l1_block,
        }
    }
}

/// Whose turn a height is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleEntry {
    /// The height.
    pub height: Height,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its window.
    pub window: Window,
    /// Proposers known to be passed over in the window.
    pub skip: Skip,
    /// Signer of the proposer.
    pub proposer: Address,
    /// Contract id of the proposer.
    pub validator_id: u32,
}

/// A batch as this node knows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchView {
    /// Its number.
    pub index: u64,
    /// Its hash on the settlement chain.
    pub batch_hash: B256,
    /// `created`, `submitted`, `included`, `finalized` or `failed`.
    pub state: &'static str,
    /// Its header.
    pub header: BatchHeader,
    /// Pointer to its data.
    pub da: DaPointer,
    /// Posting attempt of the pointer.
    pub attempt: u32,
    /// Encoded skip records.
    pub skips: Bytes,
    /// Size of the data in bytes.
    pub data_bytes: usize,
    /// Committee members that signed, one bit each in contract order; none before the quorum.
    pub signers: Option<U256>,
    /// Their EIP-2098 signatures.
    pub signatures: Option<Bytes>,
    /// Settlement transaction that carried it.
    pub l1_tx: Option<B256>,
    /// Settlement block of that transaction.
    pub l1_block: Option<u64>,
    /// When it was cut, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// When its state last changed.
    pub updated_at_ms: u64,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

pub(crate) const fn state_name(state: BatchState) -> &'static str {
    match state {
        BatchState::Created => "created",
        BatchState::Submitted => "submitted",
        BatchState::Included => "included",
        BatchState::Finalized => "finalized",
        BatchState::Failed => "failed",
    }
}

impl From<BatchRow> for BatchView {
    fn from(row: BatchRow) -> Self {
        let (signers, signatures) = row.qc.map(|qc| (qc.bitmap, qc.signatures)).unzip();
        Self {
            index: row.header.batch_index,
            batch_hash: row.header.content_hash(),
            state: state_name(row.state),
            header: row.header,
            da: row.da,
            attempt: row.attempt,
            skips: row.skips,
            data_bytes: row.data.len(),
            signers,
            signatures,
            l1_tx: row.l1_tx,
            l1_block: row.l1_block,
            created_at_ms: row.created_at_ms,
            updated_at_ms: row.updated_at_ms,
            error: row.error,
        }
    }
}
