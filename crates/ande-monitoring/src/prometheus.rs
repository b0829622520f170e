//! Configuration of Prometheus and Alertmanager.

use std::fmt::Write as _;

use crate::{Severity, alerts::all, rules::HEADER};

pub(crate) fn prometheus() -> String {
    let mut out = format!(
        "{HEADER}# Paths are relative to this file. The targets are in targets/, one file per job, and are\n\
         # read again when they change.\n\
         global:\n  scrape_interval: 5s\n  scrape_timeout: 4s\n  evaluation_interval: 5s\n  \
         external_labels:\n    cluster: ande-testnet\n    environment: testnet\n\
         rule_files:\n  - rules/*.yml\n\
         alerting:\n  alertmanagers:\n    - file_sd_configs:\n        - files: [targets/alertmanager.yml]\n\
         scrape_configs:\n"
    );
    for job in ["sequencer", "haproxy", "prometheus"] {
        let _ = write!(
            out,
            "  - job_name: {job}\n    file_sd_configs:\n      - files: [targets/{job}.yml]\n"
        );
        if job == "haproxy" {
            // One series per state and server would otherwise be most of what is stored.
            out.push_str(
                "    metric_relabel_configs:\n      - source_labels: [__name__, state]\n        \
                 regex: haproxy_server_status;(MAINT|DRAIN|NOLB)\n        action: drop\n      \
                 - source_labels: [__name__]\n        \
                 regex: haproxy_(process|frontend|backend|server)_.*\n        action: keep\n",
            );
        }
    }
    out
}

/// A file of targets: instance and `host:port` of each, after the lines of the header.
#[must_use]
pub fn targets_file(header: &str, targets: &[(impl AsRef<str>, impl AsRef<str>)]) -> String {
    let mut out = header.to_owned();
    for (instance, address) in targets {
        let (instance, address) = (instance.as_ref(), address.as_ref());
        let _ = write!(out, "- targets: [\"{address}\"]\n  labels:\n    instance: {instance}\n");
    }
    out
}

/// Target files of a local network: file name and text.
pub(crate) fn targets() -> Vec<(&'static str, String)> {
    let file = |what: &str, targets: &[(&str, &str)]| {
        let header = format!(
            "{HEADER}# {what} of a local network (`cargo xtask devnet`). Elsewhere, put your own here.\n"
        );
        targets_file(&header, targets)
    };
    let nodes = [
        ("node-1", "127.0.0.1:9090"),
        ("node-2", "127.0.0.1:9091"),
        ("node-3", "127.0.0.1:9092"),
        ("node-4", "127.0.0.1:9094"),
    ];
    vec![
        ("sequencer.yml", file("Ops listeners of the nodes", &nodes)),
        ("haproxy.yml", file("Statistics listener of HAProxy", &[("lb", "127.0.0.1:8404")])),
        ("prometheus.yml", file("Prometheus itself", &[("prometheus", "127.0.0.1:9093")])),
        ("alertmanager.yml", file("Alertmanager", &[("alertmanager", "127.0.0.1:9095")])),
    ]
}

pub(crate) fn alertmanager() -> String {
    let mut out = format!(
        "{HEADER}# The receivers are empty: alerts show in Alertmanager and nobody is told. Copy this file and add\n\
         # webhook_configs, email_configs or others to `page`, `ticket` and `heartbeat`.\n\
         route:\n  receiver: ticket\n  group_by: [alertname]\n  group_wait: 10s\n  group_interval: 1m\n  \
         repeat_interval: 12h\n  routes:\n"
    );
    for (severity, repeat) in
        [(Severity::Page, "1h"), (Severity::Ticket, "24h"), (Severity::Heartbeat, "1m")]
    {
        let name = severity.name();
        let _ = write!(
            out,
            "    - matchers: ['severity=\"{name}\"']\n      receiver: {name}\n      \
             repeat_interval: {repeat}\n"
        );
    }
    out.push_str("receivers:\n  - name: page\n  - name: ticket\n  - name: heartbeat\n");
    out.push_str("# An alert says nothing new while one fires that explains it.\ninhibit_rules:\n");
    for alert in all() {
        // What is said of one node explains nothing about another.
        let (same_node, anywhere): (Vec<&str>, Vec<&str>) =
            alert.hides.iter().partition(|hidden| {
                is_per_node(alert.expr)
                    && all().any(|other| other.name == **hidden && is_per_node(other.expr))
            });
        for (hidden, equal) in [(same_node, "    equal: [instance]\n"), (anywhere, "")] {
            if hidden.is_empty() {
                continue;
            }
            let _ = write!(
                out,
                "  - source_matchers: ['alertname=\"{}\"']\n    \
                 target_matchers: ['alertname=~\"{}\"']\n{equal}",
                alert.name,
                hidden.join("|"),
            );
        }
    }
    out
}

/// Whether each alert of this condition is about one node.
fn is_per_node(expr: &str) -> bool {
    ![
        "changes(ande:chain_height:max",
        "max(",
        "count(",
        "sum(",
        "min(",
        "ande:validators",
        "ande:batch",
        "ande:chain_height:max",
        "ande:lb",
        "haproxy",
    ]
    .iter()
    .any(|word| expr.starts_with(word))
}
