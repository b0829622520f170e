//! Recording rules: what several alerts and panels need, said once.

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Recording {
    /// Name of the series.
    pub name: &'static str,
    /// Expression. May use earlier rules.
    pub expr: &'static str,
    /// Labels that the series has beside those of the target.
    pub labels: &'static [&'static str],
}

const fn rule(name: &'static str, expr: &'static str) -> Recording {
    Recording { name, expr, labels: &[] }
}

/// The rules in the order in which they are evaluated.
pub const RECORDINGS: &[Recording] = &[
    rule("ande:chain_height:max", "max(ande_chain_block_height)"),
    rule(
        "ande:chain_height:behind",
        "scalar(max(ande_chain_block_height)) - ande_chain_block_height",
    ),
    rule("ande:blocks:rate1m", "max(rate(ande_chain_block_height[1m]))"),
    rule("ande:transactions:rate1m", "max(rate(ande_evm_transactions_total[1m]))"),
    rule("ande:gas:rate1m", "max(rate(ande_evm_gas_used_total[1m]))"),
    // Of the last minutes, so that the answer outlives the nodes that gave it.
    rule("ande:validators:expected", "max(max_over_time(ande_consensus_active_validators[10m]))"),
    rule("ande:validators:tolerated", "max(max_over_time(ande_consensus_fault_tolerance[10m]))"),
    rule(
        "ande:validators:working",
        "count(ande_consensus_is_validator == 1 and ande_consensus_halted == 0) or vector(0)",
    ),
    // Says something only where every validator is scraped.
    rule(
        "ande:validators:missing",
        "(ande:validators:expected - ande:validators:working) \
         and on () (count(up{job=\"sequencer\"}) >= ande:validators:expected)",
    ),
    rule("ande:batch:age_seconds", "time() - max(ande_da_last_posted_timestamp_seconds > 0)"),
    rule(
        "ande:rpc_errors:ratio5m",
        "(sum by (job, instance) (rate(ande_rpc_errors_total[5m])) \
         or 0 * sum by (job, instance) (rate(ande_rpc_requests_total[5m]))) \
         / sum by (job, instance) (rate(ande_rpc_requests_total[5m]) > 0)",
    ),
    rule(
        "ande:rpc_latency:p99_5m",
        "histogram_quantile(0.99, sum by (job, instance, le) \
         (rate(ande_rpc_request_duration_seconds_bucket[5m])))",
    ),
    rule(
        "ande:rpc_latency:p50_5m",
        "histogram_quantile(0.5, sum by (job, instance, le) \
         (rate(ande_rpc_request_duration_seconds_bucket[5m])))",
    ),
    rule("ande:disk_free:ratio", "ande_node_disk_free_bytes / (ande_node_disk_size_bytes > 0)"),
    rule("ande:clock:offset_seconds", "ande_node_time_seconds - timestamp(ande_node_time_seconds)"),
    rule(
        "ande:lb_errors:ratio2m",
        "sum(rate(haproxy_frontend_http_responses_total{proxy=\"fe_rpc\", code=\"5xx\"}[2m])) \
         / sum(rate(haproxy_frontend_http_responses_total{proxy=\"fe_rpc\"}[2m]) > 0)",
    ),
];
