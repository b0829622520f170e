//! A healthy network as series, on which the unit tests of the alerts play their faults.

use std::collections::BTreeMap;

use crate::alert::Case;

const NODES: [&str; 4] = ["node-1", "node-2", "node-3", "node-4"];
/// Samples per minute, 15 s apart.
const PER_MINUTE: usize = 4;

/// Series of every node: name, labels beside the target's, first value and step.
const OF_NODES: &[(&str, &str, &str)] = &[
    ("up", "", "1"),
    ("l2_uptime_ms", "", "0+15000"),
    ("ande_build_info", "version=\"1\",git_sha=\"a\"", "1"),
    ("ande_node_draining", "", "0"),
    ("ande_node_time_seconds", "", "0+15"),
    ("ande_node_disk_free_bytes", "", "80e9"),
    ("ande_node_disk_size_bytes", "", "100e9"),
    ("ande_consensus_active_validators", "", "4"),
    ("ande_consensus_fault_tolerance", "", "1"),
    ("ande_consensus_is_validator", "", "1"),
    ("ande_consensus_halted", "", "0"),
    ("ande_consensus_waiting_for_set", "", "0"),
    ("ande_consensus_epoch", "", "3"),
    ("ande_consensus_round", "", "0"),
    ("ande_consensus_timeout_events_total", "", "0"),
    ("ande_consensus_equivocations_total", "", "0"),
    ("ande_chain_block_height", "", "0+5"),
    ("ande_chain_head_height", "head=\"latest\"", "0+5"),
    ("ande_chain_head_height", "head=\"safe\"", "0+5"),
    ("ande_chain_head_height", "head=\"finalized\"", "0+5"),
    ("ande_chain_sync_lag_blocks", "", "0"),
    ("ande_p2p_peers_count", "", "3"),
    ("ande_evm_transactions_total", "", "0+50"),
    ("ande_evm_txpool_pending", "", "5"),
    ("l2_batcher_queue_depth", "", "5"),
    ("l2_admission_queue_capacity", "", "20000"),
    ("ande_l1_up", "", "1"),
    ("ande_l1_endpoints", "", "3"),
    ("ande_l1_endpoints_agreeing", "", "3"),
    ("ande_l1_view_age_seconds", "", "1"),
    ("ande_l1_final_block", "", "100+1"),
    ("ande_l1_frozen_epoch", "", "5"),
    ("ande_forced_waiting", "", "0"),
    ("ande_forced_oldest_age_seconds", "", "0"),
    ("ande_l1_signer_balance_wei", "", "1e18"),
    ("ande_l1_validators", "status=\"active\"", "4"),
    ("ande_l1_validators", "status=\"jailed\"", "0"),
    ("ande_l1_validators", "status=\"tombstoned\"", "0"),
    ("ande_da_last_posted_timestamp_seconds", "", "0+15"),
    ("ande_da_interval_seconds", "", "90"),
    ("l2_batches_pending", "", "0"),
    ("l2_post_failures_total", "", "0"),
    ("l2_settlement_failed_total", "", "0"),
    ("l2_settlement_recovered_total", "", "0"),
    ("ande_rpc_requests_total", "method=\"eth_call\"", "0+150"),
    ("ande_rpc_errors_total", "method=\"eth_call\"", "0+1"),
    ("ande_rpc_request_duration_seconds_bucket", "le=\"0.005\"", "0+150"),
    ("ande_rpc_request_duration_seconds_bucket", "le=\"5\"", "0+150"),
    ("ande_rpc_request_duration_seconds_bucket", "le=\"+Inf\"", "0+150"),
    ("ande_peer_requests_total", "route=\"transactions\",outcome=\"ok\"", "0+30"),
];

/// Series of the engine library, which adds the node's name by itself.
const OF_ENGINES: &[(&str, &str)] = &[("malachitebft_core_consensus_node_safety_failure", "0")];

/// Series of the load balancer.
const OF_LOAD_BALANCER: &[(&str, &str, &str)] = &[
    ("up", "", "1"),
    ("haproxy_process_current_connections", "", "20"),
    ("haproxy_process_max_connections", "", "4000"),
    ("haproxy_backend_active_servers", "proxy=\"be_write\"", "4"),
    ("haproxy_backend_active_servers", "proxy=\"be_read\"", "4"),
    ("haproxy_backend_retry_warnings_total", "proxy=\"be_read\"", "0"),
    ("haproxy_frontend_http_responses_total", "proxy=\"fe_rpc\",code=\"2xx\"", "0+600"),
    ("haproxy_frontend_http_responses_total", "proxy=\"fe_rpc\",code=\"4xx\"", "0+1"),
    ("haproxy_frontend_http_responses_total", "proxy=\"fe_rpc\",code=\"5xx\"", "0"),
];

/// Series of Prometheus.
const OF_PROMETHEUS: &[(&str, &str, &str)] = &[
    ("prometheus_config_last_reload_successful", "", "1"),
    ("prometheus_notifications_alertmanagers_discovered", "", "1"),
    ("prometheus_rule_evaluation_failures_total", "rule_group=\"g\"", "0"),
];

fn series(name: &str, job: &str, instance: &str, labels: &str) -> String {
    let comma = if labels.is_empty() { "" } else { "," };
    format!("{name}{{job=\"{job}\",instance=\"{instance}\"{comma}{labels}}}")
}

/// The series under a fault, with their values until `minutes` have passed.
pub(crate) fn under(case: &Case, minutes: usize) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let samples = minutes * PER_MINUTE + 1;
    let values = |course: &str| format!("{course}x{samples}");
    for node in NODES {
        if case.down.contains(&node) {
            // The other series of a node end when it does.
            all.insert(series("up", "sequencer", node, ""), values("0"));
            continue;
        }
        for (name, labels, course) in OF_NODES {
            all.insert(series(name, "sequencer", node, labels), values(course));
        }
        for (name, course) in OF_ENGINES {
            let moniker = format!("moniker=\"{node}\"");
            all.insert(series(name, "sequencer", node, &moniker), values(course));
        }
        for server_state in ["UP", "DOWN"] {
            let labels = format!("proxy=\"be_write\",server=\"{node}\",state=\"{server_state}\"");
            let up = if server_state == "UP" { "1" } else { "0" };
            all.insert(series("haproxy_server_status", "haproxy", "lb", &labels), values(up));
        }
    }
    for (name, labels, course) in OF_LOAD_BALANCER {
        all.insert(series(name, "haproxy", "lb", labels), values(course));
    }
    for (name, labels, course) in OF_PROMETHEUS {
        all.insert(series(name, "prometheus", "prometheus", labels), values(course));
    }
    for (name, course) in case.set {
        if course.is_empty() {
            all.remove(*name);
        } else {
            all.insert((*name).to_owned(), (*course).to_owned());
        }
    }
    all
}
