//! What was found.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// The node does not work with it.
    Fault,
    /// It works, and somebody should look.
    Warning,
}

/// One thing, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// Name of the check.
    pub(super) check: &'static str,
    pub(super) severity: Severity,
    pub(super) what: String,
    pub(super) remedy: String,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn fault(
        &mut self,
        check: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(check, Severity::Fault, what.into(), remedy.into());
    }

    pub(super) fn warning(
        &mut self,
        check: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(check, Severity::Warning, what.into(), remedy.into());
    }

    fn add(&mut self, check: &'static str, severity: Severity, what: String, remedy: String) {
        self.0.push(Finding { check, severity, what, remedy });
    }

    pub(super) fn has_fault(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Fault)
    }
}

/// An error with its causes in one line.
pub(super) fn whole(error: &dyn std::error::Error) -> String {
    crate::output::printable(&ande_devnet::with_causes(error))
}
