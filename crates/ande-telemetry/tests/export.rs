//! The export is what Prometheus expects and what the table says.

use std::{collections::BTreeMap, time::Duration};

use ande_telemetry::{
    BuildLabels, HeadLabels, METRICS, MethodLabels, Metrics, metrics_markdown, openmetrics_to_text,
};

fn sample(export: &str, series: &str) -> Option<f64> {
    export.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn export_declares_exactly_the_table() {
    let export = Metrics::new().render("");
    let declared: BTreeMap<&str, &str> =
        export.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let table: BTreeMap<&str, String> =
        METRICS.iter().map(|metric| (metric.name, metric.kind.to_string())).collect();
    assert_eq!(declared.len(), table.len());
    for (name, kind) in &table {
        assert_eq!(declared.get(name), Some(&kind.as_str()), "{name}");
        assert!(export.contains(&format!("# HELP {name} ")), "{name} has no help");
    }
    assert!(!export.contains("# EOF") && !export.contains("# UNIT"));
}

#[test]
fn handles_move_what_is_exported() {
    let metrics = Metrics::new();
    metrics.chain_block_height.set(42);
    metrics.chain_head.set(&HeadLabels { head: "safe" }, 40);
    metrics.consensus_block_time.set(0.25);
    metrics.consensus_timeout_events.raise_to(3);
    metrics.consensus_timeout_events.raise_to(2);
    metrics.rpc_requests.inc(&MethodLabels { method: "eth_chainId" });
    metrics.rpc_duration.observe(Duration::from_millis(3));
    metrics.build_info.set(&BuildLabels { version: "1", git_sha: "abc" }, 1);
    metrics.l1_signer_balance.set(1e24);
    let export = metrics.clone().render("");
    assert_eq!(sample(&export, "ande_chain_block_height"), Some(42.0));
    assert_eq!(sample(&export, "ande_chain_head_height{head=\"safe\"}"), Some(40.0));
    assert_eq!(sample(&export, "ande_consensus_block_time_seconds"), Some(0.25));
    assert_eq!(sample(&export, "ande_consensus_timeout_events_total"), Some(3.0));
    assert_eq!(sample(&export, "ande_rpc_requests_total{method=\"eth_chainId\"}"), Some(1.0));
    assert_eq!(sample(&export, "ande_rpc_request_duration_seconds_count"), Some(1.0));
    assert_eq!(
        sample(&export, "ande_rpc_request_duration_seconds_bucket{le=\"0.005\"}"),
        Some(1.0)
    );
    assert_eq!(sample(&export, "ande_build_info{version=\"1\",git_sha=\"abc\"}"), Some(1.0));
    assert_eq!(sample(&export, "ande_l1_signer_balance_wei"), Some(1e24));
}

#[test]
fn engine_export_is_appended_in_the_text_format() {
    let engine = "# HELP rounds Rounds.\n# TYPE rounds counter\n# UNIT rounds seconds\n\
                  rounds_total{a=\"b\"} 7 # {trace=\"x\"} 1.0\n\
                  # TYPE build info\nbuild_info{v=\"1\"} 1\n# TYPE odd unknown\nodd 2\n# EOF\n";
    let export = Metrics::new().render(engine);
    assert!(export.contains("# TYPE rounds_total counter\n"));
    assert!(export.contains("# HELP rounds_total Rounds.\n"));
    assert_eq!(sample(&export, "rounds_total{a=\"b\"}"), Some(7.0));
    assert!(export.contains("# TYPE build_info gauge\n"));
    assert!(export.contains("# TYPE odd untyped\n"));
    assert!(!export.contains("# EOF"));
    assert!(export.ends_with("odd 2\n"));
}

#[test]
fn text_format_passes_unchanged() {
    let text = "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n# TYPE b gauge\nb -1.5\n";
    assert_eq!(openmetrics_to_text(text), text);
    assert_eq!(openmetrics_to_text(&openmetrics_to_text(text)), text);
}

#[test]
fn hostile_export_text_does_not_panic() {
    for text in ["# TYPE", "# TYPE ", "# HELP x", "#", " ", "\n\n", "# TYPE a b c", "é # é"] {
        let _ = openmetrics_to_text(text);
    }
}

#[test]
fn document_lists_every_metric() {
    let document = metrics_markdown();
    for metric in METRICS {
        assert!(document.contains(&format!("| `{}` |", metric.name)));
    }
}
