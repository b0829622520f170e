//! Rule files and their unit tests.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::{
    Alert, Severity,
    alert::Case,
    alerts::{ALERTS, all},
    healthy,
    names::read,
    recording::RECORDINGS,
};

/// First line of every generated YAML file.
pub(crate) const HEADER: &str =
    "# Written by `cargo xtask gen` from crates/ande-monitoring. Do not edit.\n";
/// Samples of the unit tests are as far apart as this.
const INTERVAL: &str = "15s";

/// A JSON string is a YAML string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Path of an alert's page.
pub(crate) fn runbook(alert: &str) -> String {
    format!("docs/runbooks/{alert}.md")
}

pub(crate) fn recording_rules() -> String {
    let mut out = format!("{HEADER}groups:\n  - name: ande-recording\n    rules:\n");
    for rule in RECORDINGS {
        let _ = write!(out, "      - record: {}\n        expr: {}\n", rule.name, quoted(rule.expr));
    }
    out
}

pub(crate) fn alert_rules() -> String {
    let mut out = format!("{HEADER}groups:\n");
    for (group, alerts) in ALERTS {
        let _ = write!(out, "  - name: ande-{group}\n    rules:\n");
        for alert in *alerts {
            let _ = write!(
                out,
                "      - alert: {}\n        expr: {}\n        for: {}\n        labels:\n          \
                 severity: {}\n        annotations:\n          summary: {}\n          \
                 description: {}\n          runbook: {}\n",
                alert.name,
                quoted(alert.expr),
                alert.hold,
                alert.severity.name(),
                quoted(alert.summary),
                quoted(alert.meaning),
                runbook(alert.name),
            );
        }
    }
    out
}

/// One test file per group of alerts, and one of a network without faults: file name and text.
pub(crate) fn tests() -> Vec<(String, String)> {
    const NO_FAULT: Case = Case { set: &[], down: &[], at: "65m", fires: &[], also: &[] };
    let quiet: Vec<&Alert> = all().filter(|alert| alert.severity != Severity::Heartbeat).collect();
    let mut healthy = test_file_head();
    test_head(&mut healthy, "no alert without a fault", &NO_FAULT, &quiet);
    for at in ["5m", "30m", "65m"] {
        quiet.iter().for_each(|alert| silent(&mut healthy, alert, at));
    }
    let mut files = vec![("healthy.yml".to_owned(), healthy)];
    for (group, alerts) in ALERTS {
        let mut text = test_file_head();
        for alert in *alerts {
            test(&mut text, alert);
        }
        files.push((format!("{group}.yml"), text));
    }
    files
}

fn test_file_head() -> String {
    format!(
        "{HEADER}rule_files:\n  - ../rules/recording.yml\n  - ../rules/alerts.yml\n\
         evaluation_interval: {INTERVAL}\ntests:\n"
    )
}

/// The series that these alerts read.
fn test_head(out: &mut String, name: &str, case: &Case, alerts: &[&Alert]) {
    let _ = write!(out, "  - name: {name}\n    interval: {INTERVAL}\n    input_series:\n");
    let minutes = case.at.trim_end_matches('m').parse().unwrap_or(0);
    let read: BTreeSet<String> = alerts.iter().flat_map(|alert| read(alert.expr)).collect();
    for (series, values) in healthy::under(case, minutes) {
        if series.split_once('{').is_some_and(|(name, _)| read.contains(name)) {
            let _ = writeln!(out, "      - {{series: '{series}', values: '{values}'}}");
        }
    }
    out.push_str("    alert_rule_test:\n");
}

/// The fault fires the alert, and no page but those that it must.
fn test(out: &mut String, alert: &Alert) {
    let case = &alert.case;
    let others: Vec<&Alert> = all()
        .filter(|other| other.severity == Severity::Page && other.name != alert.name)
        .filter(|other| !case.also.contains(&other.name))
        .collect();
    let together: Vec<&Alert> = others.iter().copied().chain([alert]).collect();
    test_head(out, alert.name, case, &together);
    others.iter().for_each(|other| silent(out, other, case.at));
    let _ = write!(
        out,
        "      - eval_time: {}\n        alertname: {}\n        exp_alerts:\n",
        case.at, alert.name
    );
    for labels in case.fires {
        let _ = write!(
            out,
            "          - exp_labels:\n              severity: {}\n",
            alert.severity.name()
        );
        let mut summary = alert.summary.to_owned();
        for (label, value) in *labels {
            let _ = writeln!(out, "              {label}: {}", quoted(value));
            summary = summary.replace(&format!("{{{{ $labels.{label} }}}}"), value);
        }
        let _ = write!(
            out,
            "            exp_annotations:\n              summary: {}\n              \
             description: {}\n              runbook: {}\n",
            quoted(&summary),
            quoted(alert.meaning),
            runbook(alert.name),
        );
    }
}

fn silent(out: &mut String, alert: &Alert, at: &str) {
    let _ = writeln!(out, "      - {{eval_time: {at}, alertname: {}, exp_alerts: []}}", alert.name);
}
