//! What clients get.

use super::{Dashboard, Row, lines, q, stat, states};

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "ande-rpc",
    title: "ANDE RPC and load balancer",
    rows: &[
        Row {
            title: "Now",
            panels: &[
                stat(
                    "Calls per second",
                    "none",
                    &[q("sum(rate(ande_rpc_requests_total[1m]))", "calls/s")],
                ),
                stat("Slowest 99th percentile", "s", &[q("max(ande:rpc_latency:p99_5m)", "p99")]),
                stat(
                    "Errors",
                    "percentunit",
                    &[q("max(ande:rpc_errors:ratio5m) or vector(0)", "worst node")],
                ),
                stat(
                    "Load balancer 5xx",
                    "percentunit",
                    &[q("ande:lb_errors:ratio2m or vector(0)", "5xx")],
                ),
                stat(
                    "Nodes behind the load balancer",
                    "none",
                    &[q(
                        "min(haproxy_backend_active_servers{proxy=~\"be_write|be_read\"})",
                        "nodes",
                    )],
                ),
                stat(
                    "Pool",
                    "percentunit",
                    &[q(
                        "max(l2_batcher_queue_depth / (l2_admission_queue_capacity > 0))",
                        "fullest",
                    )],
                ),
            ],
        },
        Row {
            title: "JSON-RPC",
            panels: &[
                lines(
                    "Calls by method",
                    "ops",
                    &[q(
                        "topk(10, sum by (method) (rate(ande_rpc_requests_total{instance=~\"$instance\"}[$__rate_interval])))",
                        "{{method}}",
                    )],
                ),
                lines(
                    "Errors by method",
                    "ops",
                    &[q(
                        "topk(10, sum by (method) (rate(ande_rpc_errors_total{instance=~\"$instance\"}[$__rate_interval]))) or vector(0)",
                        "{{method}}",
                    )],
                ),
                lines(
                    "Time to answer",
                    "s",
                    &[
                        q("ande:rpc_latency:p50_5m{instance=~\"$instance\"}", "{{instance}} p50"),
                        q("ande:rpc_latency:p99_5m{instance=~\"$instance\"}", "{{instance}} p99"),
                    ],
                ),
                lines(
                    "Open connections",
                    "none",
                    &[q("ande_rpc_connections{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Open subscriptions",
                    "none",
                    &[q(
                        "sum by (topic) (ande_rpc_subscriptions{instance=~\"$instance\"})",
                        "{{topic}}",
                    )],
                ),
                lines(
                    "Messages pushed to subscribers",
                    "ops",
                    &[q(
                        "sum by (topic) (rate(ande_rpc_notifications_total{instance=~\"$instance\"}[$__rate_interval]))",
                        "{{topic}}",
                    )],
                ),
                lines(
                    "Subscriptions ended by the node",
                    "ops",
                    &[q(
                        "sum by (reason) (rate(ande_rpc_subscriptions_ended_total{instance=~\"$instance\"}[$__rate_interval])) or vector(0)",
                        "{{reason}}",
                    )],
                ),
                lines(
                    "Requests of other nodes",
                    "ops",
                    &[q(
                        "sum by (route, outcome) (rate(ande_peer_requests_total{instance=~\"$instance\"}[$__rate_interval]))",
                        "{{route}} {{outcome}}",
                    )],
                ),
            ],
        },
        Row {
            title: "Transactions",
            panels: &[
                lines(
                    "Taken and refused",
                    "ops",
                    &[
                        q(
                            "sum(rate(l2_tx_submitted_total{instance=~\"$instance\"}[$__rate_interval]))",
                            "taken",
                        ),
                        q(
                            "sum(rate(l2_tx_rejected_total{instance=~\"$instance\"}[$__rate_interval]))",
                            "refused",
                        ),
                    ],
                ),
                lines(
                    "Forwarded to other validators",
                    "ops",
                    &[q(
                        "rate(l2_tx_forwarded_total{instance=~\"$instance\"}[$__rate_interval])",
                        "{{instance}}",
                    )],
                ),
                lines(
                    "Forwarded since the start",
                    "none",
                    &[q("l2_tx_forwarded{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Refused by the pool",
                    "ops",
                    &[q(
                        "sum by (reason) (rate(ande_pool_refused_total{instance=~\"$instance\"}[$__rate_interval])) or vector(0)",
                        "{{reason}}",
                    )],
                ),
                lines(
                    "Left the pool without a block",
                    "ops",
                    &[q(
                        "sum by (reason) (rate(ande_pool_dropped_total{instance=~\"$instance\"}[$__rate_interval])) or vector(0)",
                        "{{reason}}",
                    )],
                ),
                lines(
                    "Pool",
                    "none",
                    &[
                        q("l2_batcher_queue_depth{instance=~\"$instance\"}", "{{instance}}"),
                        q("max(l2_admission_queue_capacity{instance=~\"$instance\"})", "capacity"),
                    ],
                ),
                lines(
                    "Size of the pool",
                    "bytes",
                    &[q("ande_pool_bytes{instance=~\"$instance\"}", "{{instance}}")],
                ),
            ],
        },
        Row {
            title: "Load balancer",
            panels: &[
                states(
                    "Nodes as the load balancer sees them",
                    &[q("haproxy_server_status{proxy=\"be_write\", state=\"UP\"}", "{{server}}")],
                ),
                lines(
                    "Answers to clients",
                    "reqps",
                    &[q(
                        "sum by (code) (rate(haproxy_frontend_http_responses_total{proxy=\"fe_rpc\"}[$__rate_interval]))",
                        "{{code}}",
                    )],
                ),
                lines(
                    "Requests by backend",
                    "reqps",
                    &[q(
                        "rate(haproxy_backend_http_requests_total{proxy=~\"be_.*\"}[$__rate_interval])",
                        "{{proxy}}",
                    )],
                ),
                lines(
                    "Retries",
                    "ops",
                    &[
                        q(
                            "sum by (proxy) (rate(haproxy_backend_retry_warnings_total{proxy=~\"be_.*\"}[$__rate_interval]))",
                            "{{proxy}} repeated",
                        ),
                        q(
                            "sum by (proxy) (rate(haproxy_backend_redispatch_warnings_total{proxy=~\"be_.*\"}[$__rate_interval]))",
                            "{{proxy}} elsewhere",
                        ),
                    ],
                ),
                lines(
                    "Time to answer",
                    "s",
                    &[q(
                        "haproxy_backend_response_time_average_seconds{proxy=~\"be_.*\"}",
                        "{{proxy}}",
                    )],
                ),
                lines(
                    "Requests by node",
                    "reqps",
                    &[q(
                        "sum by (server) (rate(haproxy_server_http_responses_total{proxy=~\"be_.*\"}[$__rate_interval]))",
                        "{{server}}",
                    )],
                ),
                lines(
                    "Sessions",
                    "none",
                    &[
                        q(
                            "haproxy_frontend_current_sessions{proxy=~\"fe_rpc|fe_ws\"}",
                            "{{proxy}}",
                        ),
                        q(
                            "sum by (server) (haproxy_server_current_sessions{proxy=\"be_ws\"})",
                            "WebSocket on {{server}}",
                        ),
                        q("haproxy_process_current_connections", "all connections"),
                        q("haproxy_process_max_connections", "limit"),
                    ],
                ),
                lines(
                    "Refused at the door",
                    "reqps",
                    &[
                        q(
                            "rate(haproxy_frontend_requests_denied_total{proxy=\"fe_rpc\"}[$__rate_interval])",
                            "denied",
                        ),
                        q(
                            "rate(haproxy_frontend_http_requests_total{proxy=\"fe_rpc\"}[$__rate_interval])",
                            "all requests",
                        ),
                    ],
                ),
            ],
        },
    ],
};
