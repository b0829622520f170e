//! Which metrics there are, and which an expression uses.

use std::collections::BTreeSet;

use ande_telemetry::{METRICS, MetricKind};

use crate::recording::RECORDINGS;

/// A metric of a program that is not ours.
struct Foreign {
    name: &'static str,
    labels: &'static [&'static str],
}

macro_rules! foreign {
    ($($name:literal [$($label:literal),*];)+) => {
        &[$(Foreign { name: $name, labels: &[$($label),*] },)+]
    };
}

/// What Prometheus adds to every series.
const TARGET_LABELS: [&str; 2] = ["job", "instance"];

/// Metrics of Prometheus itself, the load balancer and the engine library.
const FOREIGN: &[Foreign] = foreign! {
    "up" [];
    "ALERTS" ["alertname", "alertstate", "severity"];
    "prometheus_config_last_reload_successful" [];
    "prometheus_notifications_alertmanagers_discovered" [];
    "prometheus_rule_evaluation_failures_total" ["rule_group"];
    "haproxy_process_current_connections" [];
    "haproxy_process_max_connections" [];
    "haproxy_frontend_current_sessions" ["proxy"];
    "haproxy_frontend_http_requests_total" ["proxy"];
    "haproxy_frontend_http_responses_total" ["proxy", "code"];
    "haproxy_frontend_requests_denied_total" ["proxy"];
    "haproxy_backend_active_servers" ["proxy"];
    "haproxy_backend_http_requests_total" ["proxy"];
    "haproxy_backend_redispatch_warnings_total" ["proxy"];
    "haproxy_backend_response_time_average_seconds" ["proxy"];
    "haproxy_backend_retry_warnings_total" ["proxy"];
    "haproxy_server_current_sessions" ["proxy", "server"];
    "haproxy_server_http_responses_total" ["proxy", "server", "code"];
    "haproxy_server_status" ["proxy", "server", "state"];
    "malachitebft_core_consensus_consensus_round_count" ["moniker"];
    "malachitebft_core_consensus_consensus_round_sum" ["moniker"];
    "malachitebft_core_consensus_node_safety_failure" ["moniker"];
    "malachitebft_core_consensus_queue_size" ["moniker"];
    "malachitebft_core_consensus_time_per_step_count" ["moniker", "step"];
    "malachitebft_core_consensus_time_per_step_sum" ["moniker", "step"];
    "malachitebft_network_libp2p_bandwidth_bytes_total" ["moniker", "protocols", "direction"];
    "malachitebft_network_libp2p_ping_rtt_seconds_count" ["moniker"];
    "malachitebft_network_libp2p_ping_rtt_seconds_sum" ["moniker"];
    "malachitebft_sync_value_requests_sent_total" ["moniker"];
};

/// Words of PromQL that stand where a metric could.
const WORDS: [&str; 8] = ["and", "or", "unless", "offset", "bool", "inf", "nan", "atan2"];
/// Words after which labels follow in parentheses.
const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// What an expression uses.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    /// Series by name with the labels selected directly.
    pub(crate) metrics: Vec<(String, Vec<String>)>,
    /// Labels of groupings.
    pub(crate) grouped: Vec<String>,
}

/// Reads the names out of an expression. Does not check its syntax: `promtool` does.
pub(crate) fn uses(expr: &str) -> Uses {
    let mut found = Uses::default();
    let bytes = expr.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = after(expr, at + 1, b'"'),
            b'[' => at = after(expr, at, b']'),
            b'{' => {
                let end = after(expr, at, b'}');
                let labels = selected(&expr[at + 1..end - 1]);
                if let Some((_, of)) = found.metrics.last_mut() {
                    of.extend(labels);
                }
                at = end;
            }
            // A number or a duration, with its letters.
            b'0'..=b'9' => at = word_end(bytes, at),
            first if is_word(first) => {
                let end = word_end(bytes, at);
                let word = &expr[at..end];
                let rest = expr[end..].trim_start();
                at = end;
                if GROUPINGS.contains(&word) {
                    if rest.starts_with('(') {
                        let open = expr.len() - rest.len();
                        let close = after(expr, open, b')');
                        let labels = expr[open + 1..close - 1].split(',').map(str::trim);
                        found
                            .grouped
                            .extend(labels.filter(|label| !label.is_empty()).map(str::to_owned));
                        at = close;
                    }
                } else if !WORDS.contains(&word) && !rest.starts_with('(') && !is_aggregation(rest)
                {
                    found.metrics.push((word.to_owned(), Vec::new()));
                }
            }
            _ => at += 1,
        }
    }
    found
}

fn is_aggregation(rest: &str) -> bool {
    ["by ", "by(", "without ", "without("].iter().any(|word| rest.starts_with(word))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':'
}

fn word_end(bytes: &[u8], from: usize) -> usize {
    from + bytes[from..].iter().take_while(|byte| is_word(**byte)).count()
}

/// Position after the next `end` outside quotes.
fn after(expr: &str, from: usize, end: u8) -> usize {
    let mut quoted = false;
    for (at, byte) in expr.bytes().enumerate().skip(from) {
        if byte == end && !quoted {
            return at + 1;
        }
        quoted ^= byte == b'"';
    }
    expr.len()
}

fn selected(inside: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let mut rest = inside;
    while let Some(sign) = rest.find(['=', '!']) {
        labels.push(rest[..sign].trim_matches([',', ' ']).to_owned());
        let Some(open) = rest[sign..].find('"') else { break };
        rest = &rest[after(rest, sign + open + 1, b'"')..];
    }
    labels
}

/// Labels that the series of this name have, apart from the target's; none when there is no such
/// series.
fn labels_of(name: &str) -> Option<Vec<&'static str>> {
    if let Some(recording) = RECORDINGS.iter().find(|recording| recording.name == name) {
        return Some(recording.labels.to_vec());
    }
    if let Some(foreign) = FOREIGN.iter().find(|foreign| foreign.name == name) {
        return Some(foreign.labels.to_vec());
    }
    METRICS.iter().find_map(|metric| {
        let histogram = metric.kind == MetricKind::Histogram;
        let part = name.strip_prefix(metric.name)?;
        let mut labels = metric.labels.to_vec();
        match part {
            "" if !histogram => {}
            "_sum" | "_count" if histogram => {}
            "_bucket" if histogram => labels.push("le"),
            _ => return None,
        }
        Some(labels)
    })
}

/// The row of the table that a series belongs to.
pub(crate) fn table_name(series: &str) -> Option<&'static str> {
    METRICS.iter().map(|metric| metric.name).find(|name| {
        series
            .strip_prefix(name)
            .is_some_and(|part| ["", "_bucket", "_sum", "_count"].contains(&part))
    })
}

/// What is wrong with the names of an expression.
pub(crate) fn faults(expr: &str) -> Vec<String> {
    let uses = uses(expr);
    let mut faults = Vec::new();
    let mut known: BTreeSet<&str> = TARGET_LABELS.into_iter().collect();
    for (name, labels) in &uses.metrics {
        let Some(own) = labels_of(name) else {
            faults.push(format!("`{name}` is no metric of the table, recording rule or exporter"));
            continue;
        };
        for label in labels {
            if !own.contains(&label.as_str()) && !TARGET_LABELS.contains(&label.as_str()) {
                faults.push(format!("`{name}` has no label `{label}`"));
            }
        }
        known.extend(own);
    }
    for label in &uses.grouped {
        if !known.contains(label.as_str()) {
            faults.push(format!("no metric has the label `{label}`"));
        }
    }
    faults
}

/// Rows of the table that an expression shows, through recording rules too.
pub(crate) fn shown(expr: &str) -> BTreeSet<&'static str> {
    let mut rows = BTreeSet::new();
    for (name, _) in uses(expr).metrics {
        rows.extend(table_name(&name));
        if let Some(recording) = RECORDINGS.iter().find(|recording| recording.name == name) {
            rows.extend(shown(recording.expr));
        }
    }
    rows
}

/// Names of the series that an expression reads, through recording rules too.
pub(crate) fn read(expr: &str) -> BTreeSet<String> {
    let mut series = BTreeSet::new();
    for (name, _) in uses(expr).metrics {
        match RECORDINGS.iter().find(|recording| recording.name == name) {
            Some(recording) => series.extend(read(recording.expr)),
            None => _ = series.insert(name),
        }
    }
    series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(expr: &str) -> Vec<String> {
        uses(expr).metrics.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn metrics_are_told_from_functions_labels_numbers_and_text() {
        assert_eq!(metrics("max(rate(a_total[5m])) by (job) > 1e3"), ["a_total"]);
        assert_eq!(metrics("sum by (x, y) (b{c=\"d e\", f!~\"g|}\"} offset 10m)"), ["b"]);
        assert_eq!(metrics("a and on (i) b unless c == bool 2"), ["a", "b", "c"]);
        assert_eq!(metrics("ns:rule:rate1m / 0x10 + Inf(1)"), ["ns:rule:rate1m"]);
        assert_eq!(metrics("changes(a[1m:5s]) + a[$__rate_interval]"), ["a", "a"]);
        let found = uses("sum by (x) (b{c=\"1\",d=~\"2\"})");
        assert_eq!(found.metrics[0].1, ["c", "d"]);
        assert_eq!(found.grouped, ["x"]);
    }

    #[test]
    fn unknown_names_are_found() {
        assert!(faults("ande_chain_block_height{instance=\"a\"} > 1").is_empty());
        assert!(faults("sum by (method) (rate(ande_rpc_requests_total[1m]))").is_empty());
        assert!(faults("sum by (le) (ande_rpc_request_duration_seconds_bucket)").is_empty());
        for wrong in [
            "ande_chain_block_hight",
            "ande_chain_block_height_total",
            "ande_rpc_request_duration_seconds",
            "ande_chain_block_height_bucket",
            "ande_chain_block_height{head=\"safe\"}",
            "sum by (head) (ande_chain_block_height)",
        ] {
            assert_eq!(faults(wrong).len(), 1, "{wrong}: {:?}", faults(wrong));
        }
    }

    #[test]
    fn rows_behind_a_recording_rule_count_as_shown() {
        assert!(shown("ande:chain_height:max").contains("ande_chain_block_height"));
        assert!(shown("up").is_empty());
    }
}
