//! Recording rules, alerts, runbooks and dashboards as data, and the files made from them.
//!
//! [`files`] is what `cargo xtask gen` writes. It fails when an expression names a metric that is
//! neither in the table of `ande-telemetry` nor one of the exporters', or when a metric of the table
//! is shown on no dashboard.

mod alert;
mod alerts;
mod check;
mod dashboards;
mod error;
mod healthy;
mod names;
mod prometheus;
mod recording;
mod rules;
mod runbooks;

use std::collections::BTreeMap;

pub use alert::{Alert, Case, Severity};
pub use alerts::ALERTS;
pub use dashboards::{DASHBOARDS, Dashboard, Kind, Panel, Row, Target};
pub use error::MonitoringError;
pub use prometheus::targets_file;
pub use recording::{RECORDINGS, Recording};

/// Directories whose files all come from [`files`].
pub const GENERATED_DIRS: [&str; 5] = [
    "monitoring/rules",
    "monitoring/tests",
    "monitoring/targets",
    "monitoring/grafana/dashboards",
    "docs/runbooks",
];

/// Every file by its path from the root of the repository.
///
/// # Errors
/// When the definitions contradict themselves or the table of metrics.
pub fn files() -> Result<BTreeMap<String, String>, MonitoringError> {
    let faults = check::faults();
    if !faults.is_empty() {
        return Err(MonitoringError { faults });
    }
    let mut files = BTreeMap::new();
    let mut add = |path: String, text: String| files.insert(path, text);
    add("monitoring/prometheus.yml".into(), prometheus::prometheus());
    add("monitoring/alertmanager.yml".into(), prometheus::alertmanager());
    for (name, text) in prometheus::targets() {
        add(format!("monitoring/targets/{name}"), text);
    }
    add("monitoring/rules/recording.yml".into(), rules::recording_rules());
    add("monitoring/rules/alerts.yml".into(), rules::alert_rules());
    for (name, text) in rules::tests() {
        add(format!("monitoring/tests/{name}"), text);
    }
    for alert in alerts::all() {
        add(rules::runbook(alert.name), runbooks::page(alert));
    }
    add("docs/runbooks/README.md".into(), runbooks::index());
    add("docs/metrics.md".into(), ande_telemetry::metrics_markdown());
    for (name, text) in dashboards::files() {
        add(format!("monitoring/grafana/{name}"), text);
    }
    Ok(files)
}

/// Every query of every panel and every recording rule: where it stands, and the expression with
/// the variables of Grafana filled in.
#[must_use]
pub fn live_queries() -> Vec<(String, String)> {
    let rules = RECORDINGS.iter().map(|rule| (rule.name.to_owned(), rule.name.to_owned()));
    dashboards::queries().into_iter().chain(rules).collect()
}

/// Every query of every panel as a file of recording rules, so that `promtool` can check their
/// syntax.
#[must_use]
pub fn panel_queries_as_rules() -> String {
    dashboards::queries_as_rules()
}
