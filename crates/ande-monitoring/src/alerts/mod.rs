//! The alerts.

mod chain;
mod edge;
mod nodes;
mod settlement;

use crate::Alert;

/// The alerts by group.
pub const ALERTS: &[(&str, &[Alert])] = &[
    ("nodes", nodes::ALERTS),
    ("chain", chain::ALERTS),
    ("settlement", settlement::ALERTS),
    ("edge", edge::ALERTS),
];

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Alert> {
    ALERTS.iter().flat_map(|(_, alerts)| *alerts)
}
