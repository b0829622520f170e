//! What an alert is.

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Somebody is woken: blocks stop, or soon will.
    Page,
    /// Somebody looks in working hours.
    Ticket,
    /// Nobody: the alert always fires, and its absence is the news.
    Heartbeat,
}

impl Severity {
    /// Value of the label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
            Self::Heartbeat => "heartbeat",
        }
    }
}

/// An alert with its page and its test.
#[derive(Clone, Copy, Debug)]
pub struct Alert {
    /// Name.
    pub name: &'static str,
    /// Who is told.
    pub severity: Severity,
    /// Condition.
    pub expr: &'static str,
    /// How long it must hold.
    pub hold: &'static str,
    /// One line; `{{ $labels.x }}` stands for a label.
    pub summary: &'static str,
    /// What it means, in a few sentences.
    pub meaning: &'static str,
    /// Commands that show more. `$OPS` and so on are explained in the index of the runbooks.
    pub look: &'static [&'static str],
    /// What to do, in order.
    pub act: &'static [&'static str],
    /// Alerts that say nothing new while this one fires.
    pub hides: &'static [&'static str],
    /// A fault under which it fires.
    pub case: Case,
}

/// A fault in an otherwise healthy network, for the unit test of an alert.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Series that differ from the healthy network, in the notation of `promtool`; no values
    /// remove a series.
    pub set: &'static [(&'static str, &'static str)],
    /// Nodes that are down.
    pub down: &'static [&'static str],
    /// When the alert must fire.
    pub at: &'static str,
    /// Labels of each firing alert, apart from the severity.
    pub fires: &'static [&'static [(&'static str, &'static str)]],
    /// Pages that the fault rightly raises too.
    pub also: &'static [&'static str],
}
