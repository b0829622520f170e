//! Why telemetry could not be set up.

/// Failures of [`init_tracing`](crate::init_tracing).
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not in the syntax `level` or `target=level,...`.
    #[error(
        "log filter {filter:?} is not valid ({reason}); write for example \"info\" or \"info,ande_l1=debug\""
    )]
    Filter {
        /// The text given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something installed a subscriber before.
    #[error("logging is already set up in this process")]
    AlreadySet,
}
