//! What clients see: JSON-RPC, the pool, the load balancer.

use crate::{Alert, Case, Severity::*};

const NODE_4: &[(&str, &str)] = &[("job", "sequencer"), ("instance", "node-4")];
const LB: &[(&str, &str)] = &[("job", "haproxy"), ("instance", "lb")];

pub(super) const ALERTS: &[Alert] = &[
    Alert {
        name: "AndeRpcErrors",
        severity: Ticket,
        expr: "ande:rpc_errors:ratio5m > 0.2",
        hold: "5m",
        summary: "a fifth of the calls to {{ $labels.instance }} end in errors",
        meaning: "Errors of the caller count too: reverts, refused transactions, unknown methods.",
        look: &["promtool query instant $PROM 'sum by (method) (rate(ande_rpc_errors_total[5m]))'"],
        act: &[
            "One method of one client: tell the client.",
            "`eth_sendRawTransaction`: `sum by (reason) (rate(ande_pool_refused_total[5m]))` says why.",
            "All methods: the node is overloaded or cannot read its database; look at its log.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "ande_rpc_errors_total{job=\"sequencer\",instance=\"node-4\",method=\"eth_call\"}",
                "0+75x200",
            )],
            down: &[],
            at: "15m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeRpcSlow",
        severity: Ticket,
        expr: "ande:rpc_latency:p99_5m > 2",
        hold: "5m",
        summary: "one in a hundred calls to {{ $labels.instance }} takes more than 2 s",
        meaning: "Calls are slow. `eth_sendRawTransactionSync` waits for a block by design and counts here.",
        look: &[
            "promtool query instant $PROM 'ande:rpc_latency:p99_5m'",
            "promtool query instant $PROM 'topk(5, sum by (method) (rate(ande_rpc_requests_total[5m])))'",
        ],
        act: &[
            "Look for heavy methods (`eth_getLogs` over long ranges, traces) and limit them at the load balancer; then at processor and disk of the machine.",
        ],
        hides: &[],
        case: Case {
            set: &[
                (
                    "ande_rpc_request_duration_seconds_bucket{job=\"sequencer\",instance=\"node-4\",le=\"0.005\"}",
                    "0+50x200",
                ),
                (
                    "ande_rpc_request_duration_seconds_bucket{job=\"sequencer\",instance=\"node-4\",le=\"5\"}",
                    "0+150x200",
                ),
            ],
            down: &[],
            at: "15m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndePoolNearlyFull",
        severity: Ticket,
        expr: "l2_batcher_queue_depth / (l2_admission_queue_capacity > 0) > 0.9",
        hold: "1m",
        summary: "the pool of {{ $labels.instance }} is nine tenths full",
        meaning: "More transactions come than blocks take. When it is full, cheap ones are evicted.",
        look: &[
            "curl -s $OPS/status | jq .queue",
            "promtool query instant $PROM 'ande:transactions:rate1m'",
        ],
        act: &[
            "If blocks are full, demand exceeds the limit of a block: fees rise until it falls.",
            "If blocks are not full, see AndeTransactionsStuck. Many queued ones have nonce gaps: one client's fault.",
        ],
        hides: &[],
        case: Case {
            set: &[("l2_batcher_queue_depth{job=\"sequencer\",instance=\"node-4\"}", "19000x200")],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndePeerRequestsFail",
        severity: Ticket,
        expr: "sum by (job, instance, route) (rate(ande_peer_requests_total{outcome!=\"ok\"}[5m])) > 0.1",
        hold: "5m",
        summary: "{{ $labels.instance }} refuses or fails requests of other nodes ({{ $labels.route }})",
        meaning: "Gossip of transactions or collection of checkpoint signatures does not work with some peer.",
        look: &[
            "promtool query instant $PROM 'sum by (instance, route, outcome) (rate(ande_peer_requests_total[5m]))'",
            "grep -E 'WARN|ERROR' $LOG | tail -n 20",
        ],
        act: &[
            "`refused`: the caller is no registered validator, its clock is off, or it signs with another key.",
            "`failed`: this node could not answer; its log says why.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "ande_peer_requests_total{job=\"sequencer\",instance=\"node-4\",route=\"transactions\",outcome=\"refused\"}",
                "0+15x200",
            )],
            down: &[],
            at: "15m",
            fires: &[&[("job", "sequencer"), ("instance", "node-4"), ("route", "transactions")]],
            also: &[],
        },
    },
    Alert {
        name: "AndeLbDown",
        severity: Page,
        expr: "up{job=\"haproxy\"} == 0",
        hold: "30s",
        summary: "the load balancer {{ $labels.instance }} does not answer",
        meaning: "Its statistics listener does not answer; most likely clients get no answer either.",
        look: &["curl -sS -m 3 $LB_STATS/healthz", "haproxy -c -f /etc/haproxy/haproxy.cfg"],
        act: &[
            "Start HAProxy again; if it refuses its configuration, the check names the line.",
            "Clients can use any node directly meanwhile.",
        ],
        hides: &[],
        case: Case {
            set: &[("up{job=\"haproxy\",instance=\"lb\"}", "1x20 0x180")],
            down: &[],
            at: "10m",
            fires: &[LB],
            also: &[],
        },
    },
    Alert {
        name: "AndeLbNoServer",
        severity: Page,
        expr: "haproxy_backend_active_servers{proxy=~\"be_write|be_read\"} == 0",
        hold: "15s",
        summary: "the load balancer has no node for {{ $labels.proxy }}",
        meaning: "No node answers 200 on `/lbz`: all are down, draining, or not ready.",
        look: &[
            "curl -s $LB_STATS/metrics | grep -E '^haproxy_server_status.*be_write.* 1$'",
            "curl -si $RPC/lbz",
            "curl -s $RPC/readyz | jq .",
        ],
        act: &[
            "`/readyz` names the check that fails on each node. See AndeNodeDown, AndeNodeBehind and AndeEngineHalted.",
        ],
        hides: &["AndeLbServerDown", "AndeLbErrors"],
        case: Case {
            set: &[(
                "haproxy_backend_active_servers{job=\"haproxy\",instance=\"lb\",proxy=\"be_write\"}",
                "4x20 0x180",
            )],
            down: &[],
            at: "10m",
            fires: &[&[("job", "haproxy"), ("instance", "lb"), ("proxy", "be_write")]],
            also: &[],
        },
    },
    Alert {
        name: "AndeLbServerDown",
        severity: Ticket,
        expr: "haproxy_server_status{proxy=\"be_write\", state=\"DOWN\"} == 1",
        hold: "1m",
        summary: "the load balancer sends nothing to {{ $labels.server }}",
        meaning: "The node does not answer 200 on `/lbz`. If AndeNodeDown does not fire for it, the node \
                  runs but is not ready, or the load balancer cannot reach it.",
        look: &[
            "curl -s $RPC/readyz | jq .",
            "curl -s $LB_STATS/metrics | grep be_write | grep check_",
        ],
        act: &[
            "Not ready: the failing check is named. Ready: check the address in HAProxy's configuration and the network between the two.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "haproxy_server_status{job=\"haproxy\",instance=\"lb\",proxy=\"be_write\",server=\"node-4\",state=\"DOWN\"}",
                "0x20 1x180",
            )],
            down: &[],
            at: "10m",
            fires: &[&[
                ("job", "haproxy"),
                ("instance", "lb"),
                ("proxy", "be_write"),
                ("server", "node-4"),
                ("state", "DOWN"),
            ]],
            also: &[],
        },
    },
    Alert {
        name: "AndeLbErrors",
        severity: Page,
        expr: "ande:lb_errors:ratio2m > 0.01",
        hold: "1m",
        summary: "more than one in a hundred requests through the load balancer fails",
        meaning: "Clients get 5xx although failed requests are retried on other nodes.",
        look: &[
            "promtool query instant $PROM 'ande:lb_errors:ratio2m'",
            "promtool query instant $PROM 'sum by (server, code) (rate(haproxy_server_http_responses_total{code=\"5xx\"}[2m]))'",
        ],
        act: &[
            "One server: stop that node, the others take its clients.",
            "All: see AndeLbNoServer and AndeChainStalled.",
        ],
        hides: &["AndeLbRetries"],
        case: Case {
            set: &[(
                "haproxy_frontend_http_responses_total{job=\"haproxy\",instance=\"lb\",proxy=\"fe_rpc\",code=\"5xx\"}",
                "0+15x200",
            )],
            down: &[],
            at: "10m",
            fires: &[&[]],
            also: &[],
        },
    },
    Alert {
        name: "AndeLbRetries",
        severity: Ticket,
        expr: "sum by (job, instance) (rate(haproxy_backend_retry_warnings_total[5m])) > 1",
        hold: "5m",
        summary: "the load balancer repeats more than one request per second",
        meaning: "Requests fail at a node and succeed at another. Clients see no error, but latency.",
        look: &[
            "promtool query instant $PROM 'sum by (proxy) (rate(haproxy_backend_retry_warnings_total[5m]))'",
            "promtool query instant $PROM 'haproxy_backend_response_time_average_seconds'",
        ],
        act: &["Find the node that is slow or refuses connections, and see AndeRpcSlow."],
        hides: &[],
        case: Case {
            set: &[(
                "haproxy_backend_retry_warnings_total{job=\"haproxy\",instance=\"lb\",proxy=\"be_read\"}",
                "0+60x200",
            )],
            down: &[],
            at: "15m",
            fires: &[LB],
            also: &[],
        },
    },
    Alert {
        name: "AndeLbSaturated",
        severity: Ticket,
        expr: "haproxy_process_current_connections / haproxy_process_max_connections > 0.8",
        hold: "2m",
        summary: "the load balancer uses four fifths of its connections",
        meaning: "At `maxconn` further clients wait in the queue of the operating system.",
        look: &["promtool query instant $PROM 'haproxy_frontend_current_sessions'"],
        act: &[
            "Raise `maxconn` in the global section, or find the client that opens so many connections.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "haproxy_process_current_connections{job=\"haproxy\",instance=\"lb\"}",
                "3900x200",
            )],
            down: &[],
            at: "10m",
            fires: &[LB],
            also: &[],
        },
    },
    Alert {
        name: "AndeLbRefusals",
        severity: Ticket,
        expr: "sum(rate(haproxy_frontend_http_responses_total{proxy=\"fe_rpc\", code=\"4xx\"}[5m])) \
               / sum(rate(haproxy_frontend_http_responses_total{proxy=\"fe_rpc\"}[5m]) > 0) > 0.5",
        hold: "5m",
        summary: "the load balancer refuses more than half of the requests",
        meaning: "Clients exceed the rate limits (429) or ask for what is not public (403, 404, 405).",
        look: &[
            "promtool query instant $PROM 'rate(haproxy_frontend_http_responses_total{proxy=\"fe_rpc\"}[5m])'",
        ],
        act: &[
            "The load balancer's log names clients and status. One client: leave it to the limit. All clients: raise the limits.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "haproxy_frontend_http_responses_total{job=\"haproxy\",instance=\"lb\",proxy=\"fe_rpc\",code=\"4xx\"}",
                "0+900x200",
            )],
            down: &[],
            at: "15m",
            fires: &[&[]],
            also: &[],
        },
    },
];
