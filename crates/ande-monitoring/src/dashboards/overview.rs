//! Is everything well?

use super::{Dashboard, Row, lines, q, stat, states, table};

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "ande-overview",
    title: "ANDE overview",
    rows: &[
        Row {
            title: "Now",
            panels: &[
                stat("Block height", "none", &[q("ande:chain_height:max", "height")]),
                stat(
                    "Block time",
                    "s",
                    &[q("avg(avg_over_time(ande_consensus_block_time_seconds[1m]))", "average")],
                ),
                stat("Transactions per second", "none", &[q("ande:transactions:rate1m", "tx/s")]),
                stat("Nodes up", "none", &[q("sum(up{job=\"sequencer\"})", "up")]),
                stat(
                    "Validators that work",
                    "none",
                    &[
                        q("ande:validators:working", "working"),
                        q("ande:validators:expected", "in the set"),
                    ],
                ),
                stat(
                    "Validators that may fail",
                    "none",
                    &[q("ande:validators:tolerated", "tolerated")],
                ),
                stat(
                    "Proposer (contract id)",
                    "none",
                    &[q("max(ande_consensus_current_proposer)", "proposer")],
                ),
                stat(
                    "Alerts",
                    "none",
                    &[q(
                        "count(ALERTS{alertstate=\"firing\", severity!=\"heartbeat\"}) or vector(0)",
                        "firing",
                    )],
                ),
            ],
        },
        Row {
            title: "Chain",
            panels: &[
                lines(
                    "Height by node",
                    "none",
                    &[q("ande_chain_block_height{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Heads",
                    "none",
                    &[q(
                        "max by (head) (ande_chain_head_height{instance=~\"$instance\"})",
                        "{{head}}",
                    )],
                ),
                lines(
                    "Blocks behind",
                    "none",
                    &[
                        q(
                            "ande_chain_sync_lag_blocks{instance=~\"$instance\"}",
                            "{{instance}} says",
                        ),
                        q("ande:chain_height:behind{instance=~\"$instance\"}", "{{instance}} is"),
                    ],
                ),
                lines(
                    "Transactions in blocks",
                    "ops",
                    &[q(
                        "rate(ande_evm_transactions_total{instance=~\"$instance\"}[$__rate_interval])",
                        "{{instance}}",
                    )],
                ),
                lines(
                    "Gas per second",
                    "none",
                    &[
                        q(
                            "rate(ande_evm_gas_used_total{instance=~\"$instance\"}[$__rate_interval])",
                            "{{instance}}",
                        ),
                        q("ande:gas:rate1m", "highest, 1 min"),
                    ],
                ),
                lines(
                    "Pool",
                    "none",
                    &[
                        q(
                            "ande_evm_txpool_pending{instance=~\"$instance\"}",
                            "{{instance}} pending",
                        ),
                        q("ande_evm_txpool_queued{instance=~\"$instance\"}", "{{instance}} queued"),
                    ],
                ),
                states(
                    "Who proposes",
                    &[q("ande_consensus_is_proposer{instance=~\"$instance\"}", "{{instance}}")],
                ),
                states("Nodes up", &[q("up{job=\"sequencer\"}", "{{instance}}")]),
            ],
        },
        Row {
            title: "Machines",
            panels: &[
                lines(
                    "Uptime",
                    "ms",
                    &[q("l2_uptime_ms{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Resident memory",
                    "bytes",
                    &[q(
                        "ande_node_resident_memory_bytes{instance=~\"$instance\"}",
                        "{{instance}}",
                    )],
                ),
                lines(
                    "Free disk",
                    "percentunit",
                    &[q("ande:disk_free:ratio{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Disk",
                    "bytes",
                    &[
                        q(
                            "ande_node_disk_free_bytes{instance=~\"$instance\"}",
                            "{{instance}} free",
                        ),
                        q(
                            "ande_node_disk_size_bytes{instance=~\"$instance\"}",
                            "{{instance}} size",
                        ),
                    ],
                ),
                lines(
                    "Clock against Prometheus",
                    "s",
                    &[q("ande:clock:offset_seconds{instance=~\"$instance\"}", "{{instance}}")],
                ),
                states(
                    "Draining",
                    &[q("ande_node_draining{instance=~\"$instance\"}", "{{instance}}")],
                ),
                table("Versions", &[q("ande_build_info{instance=~\"$instance\"}", "{{instance}}")]),
            ],
        },
        Row {
            title: "External execution client, where a node has one",
            panels: &[
                states(
                    "Client answers",
                    &[q("ande_execution_client_up{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Head of the client",
                    "none",
                    &[q("ande_execution_client_head{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Failures and blocks given again, since the start",
                    "none",
                    &[
                        q(
                            "ande_execution_client_failures_total{instance=~\"$instance\"}",
                            "{{instance}} failures",
                        ),
                        q(
                            "ande_execution_client_blocks_fed_total{instance=~\"$instance\"}",
                            "{{instance}} blocks",
                        ),
                    ],
                ),
                lines(
                    "Blocks that the client was to build, since the start",
                    "none",
                    &[
                        q(
                            "ande_execution_client_blocks_taken_total{instance=~\"$instance\"}",
                            "{{instance}} taken",
                        ),
                        q(
                            "ande_execution_client_blocks_rebuilt_total{instance=~\"$instance\"}",
                            "{{instance}} built again",
                        ),
                        q(
                            "ande_execution_client_builds_failed_total{instance=~\"$instance\"}",
                            "{{instance}} without the client",
                        ),
                    ],
                ),
            ],
        },
    ],
};
