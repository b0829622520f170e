//! One page per alert, and their index.

use std::fmt::Write as _;

use crate::{
    Alert, Severity,
    alerts::{ALERTS, all},
};

/// Note for Markdown readers.
const HEADER: &str =
    "<!-- Written by `cargo xtask gen` from crates/ande-monitoring. Do not edit. -->\n\n";

const PLACES: [(&str, &str, &str); 11] = [
    ("PROM", "http://127.0.0.1:9093", "Prometheus"),
    ("OPS", "http://127.0.0.1:9090", "ops listener of the node in question (`ops.listen`)"),
    ("RPC", "http://127.0.0.1:8545", "public JSON-RPC of that node"),
    ("LOG", "node-1/node.log", "where that node's log goes (it logs to standard error)"),
    ("DATA", "node-1/data", "its data directory"),
    ("SIGNER", "0x...", "address of its validator key, `.node.signer` of `/status`"),
    ("POSTER", "0x...", "address of the key that pays for batches"),
    ("LB_STATS", "http://127.0.0.1:8404", "statistics listener of HAProxy"),
    ("L1", "http://127.0.0.1:18545", "JSON-RPC of the settlement chain"),
    ("CONSENSUS", "0x...", "`AndeConsensus`, `.l1.consensus` of `/status`"),
    ("COORDINATOR", "0x...", "`AndeSequencerCoordinator`, `.l1.coordinator` of `/status`"),
];

pub(crate) fn index() -> String {
    let mut out = format!(
        "{HEADER}# Runbooks\n\nOne page per alert of `monitoring/rules/alerts.yml`. `page` wakes \
         somebody: blocks stop or soon will. `ticket` can wait for working hours.\n\n\
         The commands need `curl`, `jq`, `promtool` (part of Prometheus) and `cast` (Foundry), and \
         these variables; the values are those of a local network:\n\n"
    );
    for (name, value, what) in PLACES {
        let _ = writeln!(out, "    {name}={value:<24} # {}", what.replace('`', ""));
    }
    for (group, alerts) in ALERTS {
        let _ = write!(out, "\n## {group}\n\n| Alert | | |\n|---|---|---|\n");
        for alert in *alerts {
            let name = alert.name;
            let summary = plain(alert.summary);
            let _ =
                writeln!(out, "| [{name}]({name}.md) | {} | {summary} |", alert.severity.name());
        }
    }
    out
}

/// The summary without the notation of Prometheus.
fn plain(summary: &str) -> String {
    summary
        .replace("{{ $labels.instance }}", "a node")
        .replace("{{ $labels.", "*")
        .replace(" }}", "*")
}

pub(crate) fn page(alert: &Alert) -> String {
    let hold = if alert.hold == "0s" { "at once".into() } else { format!("after {}", alert.hold) };
    let mut out = format!(
        "{HEADER}# {}\n\nSeverity `{}`, {hold}: {}.\n\n## What it means\n\n{}\n\n## How to look\n\n\
         The condition:\n\n    promtool query instant $PROM '{}'\n",
        alert.name,
        alert.severity.name(),
        plain(alert.summary),
        alert.meaning,
        alert.expr,
    );
    if !alert.look.is_empty() {
        out.push_str("\nMore ([where `$OPS` and the others point](README.md)):\n\n");
        for command in alert.look {
            let _ = writeln!(out, "    {command}");
        }
    }
    out.push_str("\n## What to do\n\n");
    for (number, step) in alert.act.iter().enumerate() {
        let _ = writeln!(out, "{}. {step}", number + 1);
    }
    let hidden: Vec<&str> =
        all().filter(|other| other.hides.contains(&alert.name)).map(|other| other.name).collect();
    if !hidden.is_empty() {
        let _ = write!(
            out,
            "\nAlertmanager does not send it while one of these fires, which says more: {}.\n",
            hidden.join(", ")
        );
    }
    if alert.severity == Severity::Heartbeat {
        out.push_str("\nIt is the only alert that always fires.\n");
    }
    out
}
