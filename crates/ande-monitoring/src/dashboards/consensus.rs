//! How blocks come about.

use super::{Dashboard, Row, lines, q, stat, states};

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "ande-consensus",
    title: "ANDE consensus",
    rows: &[
        Row {
            title: "Now",
            panels: &[
                stat("Epoch", "none", &[q("max(ande_consensus_epoch)", "epoch")]),
                stat(
                    "Windows since genesis",
                    "none",
                    &[q("max(ande_consensus_rotation_count)", "windows")],
                ),
                stat("Blocks per second", "none", &[q("ande:blocks:rate1m", "blocks/s")]),
                stat(
                    "Proposers passed over, last hour",
                    "none",
                    &[q("max(increase(ande_consensus_timeout_events_total[1h]))", "timeouts")],
                ),
                stat(
                    "Proofs of contradiction",
                    "none",
                    &[q("max(ande_consensus_equivocations_total)", "proofs")],
                ),
                stat(
                    "Waits for a set",
                    "none",
                    &[q("max(ande_consensus_waiting_for_set)", "waiting")],
                ),
            ],
        },
        Row {
            title: "Rounds",
            panels: &[
                lines(
                    "Block time",
                    "s",
                    &[q(
                        "ande_consensus_block_time_seconds{instance=~\"$instance\"}",
                        "{{instance}}",
                    )],
                ),
                states(
                    "Round",
                    &[q("ande_consensus_round{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Proposers passed over per minute",
                    "none",
                    &[q(
                        "rate(ande_consensus_timeout_events_total{instance=~\"$instance\"}[$__rate_interval]) * 60",
                        "{{instance}}",
                    )],
                ),
                lines(
                    "Rounds per block",
                    "none",
                    &[q(
                        "rate(malachitebft_core_consensus_consensus_round_sum{instance=~\"$instance\"}[$__rate_interval]) / (rate(malachitebft_core_consensus_consensus_round_count{instance=~\"$instance\"}[$__rate_interval]) > 0)",
                        "{{instance}}",
                    )],
                ),
                lines(
                    "Duration of a step",
                    "s",
                    &[q(
                        "sum by (step) (rate(malachitebft_core_consensus_time_per_step_sum{instance=~\"$instance\"}[$__rate_interval])) / (sum by (step) (rate(malachitebft_core_consensus_time_per_step_count{instance=~\"$instance\"}[$__rate_interval])) > 0)",
                        "{{step}}",
                    )],
                ),
                lines(
                    "Messages of later heights that wait",
                    "none",
                    &[q(
                        "malachitebft_core_consensus_queue_size{instance=~\"$instance\"}",
                        "{{instance}}",
                    )],
                ),
            ],
        },
        Row {
            title: "Roles",
            panels: &[
                lines(
                    "Windows since genesis",
                    "none",
                    &[q("ande_consensus_rotation_count{instance=~\"$instance\"}", "{{instance}}")],
                ),
                states(
                    "Proposer as each node sees it (contract id)",
                    &[q(
                        "ande_consensus_current_proposer{instance=~\"$instance\"}",
                        "{{instance}}",
                    )],
                ),
                states(
                    "Leads",
                    &[q("l2_leader_is_leader{instance=~\"$instance\"}", "{{instance}}")],
                ),
                states(
                    "In the committee",
                    &[q("ande_consensus_is_validator{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Epoch by node",
                    "none",
                    &[q("l2_epoch_idx{instance=~\"$instance\"}", "{{instance}}")],
                ),
                states(
                    "Halted",
                    &[
                        q("ande_consensus_halted{instance=~\"$instance\"}", "{{instance}}"),
                        q(
                            "malachitebft_core_consensus_node_safety_failure{instance=~\"$instance\"}",
                            "{{instance}} log",
                        ),
                    ],
                ),
            ],
        },
        Row {
            title: "Network",
            panels: &[
                lines(
                    "Peers",
                    "none",
                    &[q("ande_p2p_peers_count{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Traffic of the consensus network",
                    "Bps",
                    &[q(
                        "sum by (instance, direction) (rate(malachitebft_network_libp2p_bandwidth_bytes_total{instance=~\"$instance\"}[$__rate_interval]))",
                        "{{instance}} {{direction}}",
                    )],
                ),
                lines(
                    "Round trip to peers",
                    "s",
                    &[q(
                        "rate(malachitebft_network_libp2p_ping_rtt_seconds_sum{instance=~\"$instance\"}[5m]) / (rate(malachitebft_network_libp2p_ping_rtt_seconds_count{instance=~\"$instance\"}[5m]) > 0)",
                        "{{instance}}",
                    )],
                ),
                lines(
                    "Blocks asked of peers",
                    "ops",
                    &[q(
                        "rate(malachitebft_sync_value_requests_sent_total{instance=~\"$instance\"}[$__rate_interval])",
                        "{{instance}}",
                    )],
                ),
            ],
        },
    ],
};
