//! From the registry to what Prometheus scrapes, and to the reference document.

use std::fmt::Write as _;

use crate::{METRICS, Metrics};

/// Content type of [`Metrics::render`]. Prometheus 3 refuses a scrape whose type differs from it
/// in the slightest.
pub const METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4";

impl Metrics {
    /// The export in the Prometheus text format 0.0.4, followed by `extra`: the OpenMetrics or
    /// text export of an engine with a registry of its own.
    #[must_use]
    pub fn render(&self, extra: &str) -> String {
        let mut own = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut own, self.registry());
        let mut out = openmetrics_to_text(&own);
        out.push_str(&openmetrics_to_text(extra));
        out
    }
}

/// Rewrites an OpenMetrics export into the older text format: counter families are named with
/// their `_total`, the types that only OpenMetrics has become `untyped` or `gauge`, units,
/// exemplars and the end mark go. The text format itself passes unchanged.
#[must_use]
pub fn openmetrics_to_text(export: &str) -> String {
    let mut out = String::with_capacity(export.len() + 64);
    // Help comes before the type, which decides the name that both carry.
    let mut help: Option<(&str, &str)> = None;
    for line in export.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            flush_help(&mut out, help.take(), None);
            help = Some(rest.split_once(' ').unwrap_or((rest, "")));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
            let (suffix, kind) = match kind {
                "counter" if !name.ends_with("_total") => ("_total", kind),
                "info" if !name.ends_with("_info") => ("_info", "gauge"),
                "info" | "stateset" => ("", "gauge"),
                "unknown" => ("", "untyped"),
                "gaugehistogram" => ("", "histogram"),
                other => ("", other),
            };
            flush_help(&mut out, help.take(), Some((name, suffix)));
            let _ = writeln!(out, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') && !line.trim().is_empty() {
            flush_help(&mut out, help.take(), None);
            // An exemplar follows the value; label values of ours and the engine's have no '#'.
            out.push_str(line.split_once(" # ").map_or(line, |(sample, _)| sample));
            out.push('\n');
        }
    }
    flush_help(&mut out, help, None);
    out
}

fn flush_help(out: &mut String, help: Option<(&str, &str)>, family: Option<(&str, &str)>) {
    if let Some((name, text)) = help {
        let suffix = family.filter(|(other, _)| *other == name).map_or("", |(_, suffix)| suffix);
        let _ = writeln!(out, "# HELP {name}{suffix} {text}");
    }
}

/// The table as a Markdown document.
#[must_use]
pub fn metrics_markdown() -> String {
    let mut out = String::from(
        "# Metrics\n\nGenerated from the table in `crates/ande-telemetry/src/table.rs`. Every node \
         exports these at `/metrics` on its ops listener.\n\n\
         | Name | Kind | Unit | Labels | Meaning |\n|---|---|---|---|---|\n",
    );
    for metric in METRICS {
        let labels = match metric.labels {
            [] => "-".to_owned(),
            names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        };
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {labels} | {} |",
            metric.name, metric.kind, metric.unit, metric.help
        );
    }
    out
}
