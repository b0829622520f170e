//! The forced entries of a block, opened for the EVM.

use alloy_primitives::Bytes;
use ande_primitives::ForcedOutcome;

use super::{SenderSource, senders::Candidate, senders::candidates};
use crate::ForcedInput;

/// Forced entries: those to execute, and what is known of the others.
#[derive(Debug)]
pub(crate) struct Forced {
    /// For each entry why it is not executed; none for a candidate.
    judged: Vec<Option<ForcedOutcome>>,
    pub(crate) candidates: Vec<Candidate>,
}

impl Forced {
    pub(crate) fn new(inputs: Vec<ForcedInput>, senders: &dyn SenderSource) -> Self {
        let mut judged = Vec::with_capacity(inputs.len());
        let mut opened = Vec::with_capacity(inputs.len());
        for input in inputs {
            let outcome = match input {
                Err(outcome) => Some(outcome),
                Ok(raw) => match candidates(vec![raw], senders).pop() {
                    Some(Ok(candidate)) => {
                        opened.push(candidate);
                        None
                    }
                    _ => Some(ForcedOutcome::Malformed),
                },
            };
            judged.push(outcome);
        }
        Self { judged, candidates: opened }
    }

    /// What became of each entry, when `executed` became of the candidates.
    pub(crate) fn extra_data(&self, executed: &[ForcedOutcome]) -> Bytes {
        let mut executed = executed.iter();
        self.judged
            .iter()
            .filter_map(|judged| judged.or_else(|| executed.next().copied()))
            .map(|outcome| outcome as u8)
            .collect()
    }

    /// The transactions that a block with this extra data begins with.
    pub(crate) fn claimed(&self, extra_data: &[u8]) -> Vec<&Bytes> {
        let mut candidates = self.candidates.iter();
        let mut claimed = Vec::new();
        for (judged, outcome) in self.judged.iter().zip(extra_data) {
            let candidate = if judged.is_none() { candidates.next() } else { None };
            if *outcome == ForcedOutcome::Included as u8 {
                claimed.extend(candidate.map(|candidate| &candidate.raw));
            }
        }
        claimed
    }
}
