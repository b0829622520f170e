//! What may be signed after what: pure rules over what was signed.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use ande_primitives::{Checkpoint, Era, Height, Round, Signature, Vote, VoteKind};

/// Votes of the present height that are remembered with their signatures; older ones of the height
/// are refused by order alone.
const MAX_VOTES: usize = 256;
/// A batch this far below the highest signed one is refused.
const CHECKPOINT_WINDOW: u64 = 64;
/// Attempts remembered for one batch.
const MAX_ATTEMPTS: usize = 64;
/// Attempts remembered for all batches; beyond, the lowest batch is closed.
const MAX_CHECKPOINTS: usize = 1024;

/// Order of everything that is voted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, RlpEncodable, RlpDecodable)]
pub struct HighWater {
    /// Era of the vote.
    pub era: Era,
    /// Height of the vote.
    pub height: Height,
    /// Round of the vote.
    pub round: Round,
    /// Step of the vote.
    pub kind: VoteKind,
}

impl From<&Vote> for HighWater {
    fn from(vote: &Vote) -> Self {
        Self { era: vote.era, height: vote.height, round: vote.round, kind: vote.kind }
    }
}

impl std::fmt::Display for HighWater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { era, height, round, kind } = self;
        write!(f, "{kind:?} of era {era} height {height} round {round}")
    }
}

/// A signature with what it signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Signed {
    pub(crate) digest: B256,
    pub(crate) signature: Signature,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct VoteRecord {
    pub(crate) slot: HighWater,
    pub(crate) signed: Signed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct CheckpointRecord {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) signed: Signed,
}

/// One thing that must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Vote(VoteRecord),
    Checkpoint(CheckpointRecord),
    /// Batches below this number are closed.
    CheckpointFloor(u64),
    /// Votes up to and including this height of this era are closed.
    VoteFloor(Era, Height),
}

impl Encodable for Record {
    fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
        match self {
            Self::Vote(record) => {
                out.put_u8(1);
                record.encode(out);
            }
            Self::Checkpoint(record) => {
                out.put_u8(2);
                record.encode(out);
            }
            Self::CheckpointFloor(index) => {
                out.put_u8(3);
                index.encode(out);
            }
            Self::VoteFloor(era, height) => {
                out.put_u8(4);
                era.encode(out);
                height.encode(out);
            }
        }
    }
}

impl Decodable for Record {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        let (&tag, rest) = buf.split_first().ok_or(alloy_rlp::Error::InputTooShort)?;
        *buf = rest;
        match tag {
            1 => VoteRecord::decode(buf).map(Self::Vote),
            2 => CheckpointRecord::decode(buf).map(Self::Checkpoint),
            3 => u64::decode(buf).map(Self::CheckpointFloor),
            4 => Ok(Self::VoteFloor(Era::decode(buf)?, Height::decode(buf)?)),
            _ => Err(alloy_rlp::Error::Custom("unknown record")),
        }
    }
}

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// New: sign, record, release.
    Sign,
    /// Signed before with the same digest: release the same bytes.
    Release(Signature),
    /// Never.
    Refuse(String),
}

/// Batch number, era and parent: one content may be signed for each.
type BatchKey = (u64, u32, B256);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct BatchEntry {
    attempts: BTreeMap<u32, CheckpointRecord>,
}

/// Everything that was signed and still matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    votes: BTreeMap<HighWater, Signed>,
    vote_floor: Option<(Era, Height)>,
    batches: BTreeMap<BatchKey, BatchEntry>,
    highest_batch: u64,
    batch_floor: u64,
}

impl Rules {
    /// Rebuilds the state out of its records.
    pub(crate) fn replay(records: &[Record]) -> Self {
        let mut rules = Self::default();
        for record in records {
            rules.apply(record);
        }
        rules
    }

    /// The highest vote signed.
    pub(crate) fn high_water(&self) -> Option<HighWater> {
        self.votes.last_key_value().map(|(slot, _)| *slot)
    }

    pub(crate) fn judge_vote(&self, vote: &Vote, digest: B256) -> Decision {
        let slot = HighWater::from(vote);
        if let Some(signed) = self.votes.get(&slot) {
            return if signed.digest == digest {
                Decision::Release(signed.signature)
            } else {
                Decision::Refuse(format!("another digest, {}, was signed for it", signed.digest))
            };
        }
        if let Some((era, height)) = self.vote_floor
            && (slot.era, slot.height) <= (era, height)
        {
            return Decision::Refuse(format!("votes up to era {era} height {height} are closed"));
        }
        match self.high_water() {
            Some(high) if slot < high => Decision::Refuse(format!("already signed {high}")),
            _ => Decision::Sign,
        }
    }

    pub(crate) fn judge_checkpoint(&self, checkpoint: &Checkpoint, digest: B256) -> Decision {
        let index = checkpoint.batch_index;
        if let Some(entry) = self.batches.get(&batch_key(checkpoint)) {
            if let Some(same) = entry.attempts.get(&checkpoint.attempt)
                && same.signed.digest == digest
            {
                return Decision::Release(same.signed.signature);
            }
            if let Some(reason) = entry.objection(checkpoint) {
                return Decision::Refuse(reason);
            }
        }
        if index.saturating_add(CHECKPOINT_WINDOW) < self.highest_batch {
            return Decision::Refuse(format!("already signed batch {}", self.highest_batch));
        }
        if index < self.batch_floor {
            return Decision::Refuse(format!("batches below {} are closed", self.batch_floor));
        }
        Decision::Sign
    }

    /// Takes over what was made durable.
    pub(crate) fn apply(&mut self, record: &Record) {
        match record {
            Record::Vote(record) => self.apply_vote(record),
            Record::Checkpoint(record) => self.apply_checkpoint(record),
            Record::CheckpointFloor(index) => self.batch_floor = self.batch_floor.max(*index),
            Record::VoteFloor(era, height) => {
                self.vote_floor = self.vote_floor.max(Some((*era, *height)));
            }
        }
    }

    fn apply_vote(&mut self, record: &VoteRecord) {
        let slot = record.slot;
        if self.high_water().is_some_and(|high| (high.era, high.height) < (slot.era, slot.height)) {
            self.votes.clear();
        }
        self.votes.insert(slot, record.signed);
        while self.votes.len() > MAX_VOTES {
            self.votes.pop_first();
        }
    }

    fn apply_checkpoint(&mut self, record: &CheckpointRecord) {
        let checkpoint = &record.checkpoint;
        let entry = self.batches.entry(batch_key(checkpoint)).or_default();
        entry.attempts.insert(checkpoint.attempt, *record);
        self.highest_batch = self.highest_batch.max(checkpoint.batch_index);
        let lowest = self.highest_batch.saturating_sub(CHECKPOINT_WINDOW);
        self.batches.retain(|(index, _, _), _| *index >= lowest);
        while self.attempts() > MAX_CHECKPOINTS {
            let Some(((index, _, _), _)) = self.batches.pop_first() else { break };
            self.batch_floor = self.batch_floor.max(index.saturating_add(1));
        }
    }

    fn attempts(&self) -> usize {
        self.batches.values().map(|entry| entry.attempts.len()).sum()
    }

    /// The fewest records that give this state.
    pub(crate) fn snapshot(&self) -> Vec<Record> {
        let mut records = Vec::new();
        if let Some((era, height)) = self.vote_floor {
            records.push(Record::VoteFloor(era, height));
        }
        records.extend(
            self.votes
                .iter()
                .map(|(slot, signed)| Record::Vote(VoteRecord { slot: *slot, signed: *signed })),
        );
        let attempts = self.batches.values().flat_map(|entry| entry.attempts.values());
        records.extend(attempts.map(|record| Record::Checkpoint(*record)));
        if self.batch_floor > 0 {
            records.push(Record::CheckpointFloor(self.batch_floor));
        }
        records
    }
}

impl BatchEntry {
    fn objection(&self, checkpoint: &Checkpoint) -> Option<String> {
        let (_, first) = self.attempts.first_key_value()?;
        let signed = first.checkpoint.content_hash;
        if signed != checkpoint.content_hash {
            return Some(format!(
                "another content, {signed}, was signed for this batch and parent"
            ));
        }
        if let Some(same) = self.attempts.get(&checkpoint.attempt) {
            return Some(format!(
                "another checkpoint with data {} was signed for this attempt",
                same.checkpoint.da_hash
            ));
        }
        (self.attempts.len() >= MAX_ATTEMPTS)
            .then(|| format!("{MAX_ATTEMPTS} attempts of this batch were signed"))
    }
}

fn batch_key(checkpoint: &Checkpoint) -> BatchKey {
    (checkpoint.batch_index, checkpoint.era.0, checkpoint.parent_batch_hash)
}
