//! The engine library's metrics.

/// All metric families of the engine in the Prometheus text format, without the end marker, so
/// that it can be joined with another export. The registry is global to the process; the label
/// `moniker` tells engines apart.
#[must_use]
pub fn export_metrics() -> String {
    let mut text = String::new();
    malachitebft_metrics::export(&mut text);
    text.truncate(text.trim_end().strip_suffix("# EOF").map_or(text.len(), str::len));
    text
}
