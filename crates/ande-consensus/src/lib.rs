//! The seam: what an ordering engine asks of the chain, and what it promises in return.
//!
//! Rules of the seam:
//! 1. Persist, then send, then commit, then execute effects, then outbox, then post.
//! 2. [`Application::commit`] comes in height order, once, without gaps, with its certificate.
//! 3. A block id does not depend on round or certificate.
//! 4. The committee and the proposer of a height are pure functions of decided data that was
//!    stored before the height starts.
//! 5. On a fault that makes the local state doubtful the engine stops; nothing resets a log to go on.
//! 6. Catch-up: blocks arrive with certificates and are verified; a node behind does not lead.
//! 7. Signatures leave only through a [`ConsensusSigner`], which never signs two digests for one slot.

mod application;
#[cfg(feature = "conformance")]
pub mod conformance;
mod data_layer;
mod engine;
mod evidence;
mod ports;
mod signer;
mod view;

pub use application::{AppError, Application, Candidate, Parent, StartHeight, Turn, Verdict};
pub use data_layer::{DataLayer, DataLayerError};
pub use engine::{EngineError, OrderingEngine};
pub use evidence::{CheckpointEvidence, Evidence, SignedCheckpoint, SignedVote};
pub use ports::{Heads, PoolStatus, PooledEntry, SubmitError, TransactionIngress};
pub use signer::{ConsensusSigner, SignError};
pub use view::{EnginePhase, View};
