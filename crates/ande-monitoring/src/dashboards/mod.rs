//! Dashboards for Grafana.

mod batches;
mod consensus;
mod edge;
mod overview;
mod render;
mod validators;

pub(crate) use render::{files, queries, queries_as_rules};

/// How a panel is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The latest value, large.
    Stat,
    /// Lines over time.
    Lines,
    /// States over time, one bar per series.
    States,
    /// The latest labels, one row per series.
    Table,
}

/// A query and the name of its series.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// PromQL. `$instance` and `$__rate_interval` are variables of Grafana.
    pub expr: &'static str,
    /// Name of a series in Grafana's notation, `{{instance}}` for a label.
    pub legend: &'static str,
}

/// One panel.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// Title.
    pub title: &'static str,
    /// How it is drawn.
    pub kind: Kind,
    /// Unit as Grafana names it.
    pub unit: &'static str,
    /// What it shows.
    pub targets: &'static [Target],
}

/// Panels under one heading.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Heading.
    pub title: &'static str,
    /// Panels from left to right, wrapped where the width ends.
    pub panels: &'static [Panel],
}

/// One dashboard.
#[derive(Clone, Copy, Debug)]
pub struct Dashboard {
    /// Identity in links, and name of the file.
    pub uid: &'static str,
    /// Title.
    pub title: &'static str,
    /// Rows from top to bottom.
    pub rows: &'static [Row],
}

/// The dashboards.
pub const DASHBOARDS: &[Dashboard] = &[
    overview::DASHBOARD,
    consensus::DASHBOARD,
    validators::DASHBOARD,
    batches::DASHBOARD,
    edge::DASHBOARD,
];

const fn stat(title: &'static str, unit: &'static str, targets: &'static [Target]) -> Panel {
    Panel { title, kind: Kind::Stat, unit, targets }
}

const fn lines(title: &'static str, unit: &'static str, targets: &'static [Target]) -> Panel {
    Panel { title, kind: Kind::Lines, unit, targets }
}

const fn states(title: &'static str, targets: &'static [Target]) -> Panel {
    Panel { title, kind: Kind::States, unit: "none", targets }
}

const fn table(title: &'static str, targets: &'static [Target]) -> Panel {
    Panel { title, kind: Kind::Table, unit: "none", targets }
}

const fn q(expr: &'static str, legend: &'static str) -> Target {
    Target { expr, legend }
}
