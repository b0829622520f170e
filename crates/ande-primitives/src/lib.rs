//! The nouns of the sequencer: heights, blocks, certificates, committees, batches; their canonical
//! bytes and EIP-712 digests; validator and node keys; quorum arithmetic and the proposer schedule.
//!
//! Pure by rule: no I/O, no clock, no randomness, nothing asynchronous.

mod batch;
mod block;
mod certificate;
mod codec;
mod commit;
mod committee;
mod epoch_set;
mod forced;
mod ids;
mod keys;
mod merkle;
mod quorum_certificate;
mod schedule;
mod signature;
mod typed_data;

pub use batch::{
    BATCH_HEADER_VERSION, BatchHeader, DaKind, DaPointer, MAX_SKIP_RECORDS, SkipRecord,
    SkipRecordError, blob_commitment, decode_skip_records, encode_skip_records, forced_accumulator,
    genesis_batch_hash,
};
pub use block::{
    Block, BlockError, Header, MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, MAX_EXECUTION_HEADER_BYTES,
    MAX_TRANSACTION_BYTES,
};
pub use certificate::{Certificate, CertificateError, CommitSignature};
pub use codec::{Canonical, DecodeError};
pub use commit::{Commit, CommitError};
pub use committee::{
    Committee, CommitteeError, MAX_COMMITTEE, MAX_TOTAL_WEIGHT, Member, QuorumFraction,
};
pub use epoch_set::EpochSet;
pub use forced::{ForcedOutcome, ForcedTransaction, MAX_FORCED_BYTES, MAX_FORCED_PER_BATCH};
pub use ids::{Epoch, Era, Height, Round, Skip, Term, Window};
pub use keys::{KeyError, NodeId, NodeKey, NodeSignature, ValidatorKey};
pub use merkle::{inclusion_proof, inclusion_root, verify_inclusion};
pub use quorum_certificate::{QuorumCertificate, QuorumCertificateError};
pub use schedule::{RulesError, ScheduleMode, ScheduleRules};
pub use signature::{Signature, SignatureError};
pub use typed_data::{Checkpoint, Domain, OpenTerm, SignerKey, Vote, VoteKind};
