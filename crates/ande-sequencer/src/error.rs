//! Errors of the sequencer at start; while it runs they become [`AppError`](ande_consensus::AppError)s.

use ande_execution::ExecutionError;
use ande_store::StoreError;

/// Why the chain cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// The database.
    #[error("opening the chain failed in the store")]
    Store(#[from] StoreError),
    /// The executor.
    #[error("opening the chain failed in the executor")]
    Execution(#[from] ExecutionError),
    /// The threads that recover signatures cannot be started.
    #[error("starting the threads that recover signatures: {0}")]
    Threads(String),
    /// Database and executor contradict each other.
    #[error("{0}")]
    Inconsistent(String),
}
