//! Why no files can be made.

/// The definitions contradict themselves or the table of metrics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("monitoring definitions:\n  {}", faults.join("\n  "))]
pub struct MonitoringError {
    /// One line each.
    pub faults: Vec<String>,
}
