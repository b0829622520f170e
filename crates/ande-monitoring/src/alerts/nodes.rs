//! Processes and machines.

use crate::{Alert, Case, Severity::*};

const NODE_4: &[(&str, &str)] = &[("job", "sequencer"), ("instance", "node-4")];

pub(super) const ALERTS: &[Alert] = &[
    Alert {
        name: "AndeNodeDown",
        severity: Page,
        expr: "up{job=\"sequencer\"} == 0",
        hold: "30s",
        summary: "{{ $labels.instance }} does not answer",
        meaning: "Prometheus cannot read the node's metrics: the process is gone, frozen, or its ops \
                  port is not reachable. Each missing validator uses up fault tolerance; the others \
                  go on as long as more than two thirds of the weight is there.",
        look: &[
            "curl -sS -m 3 $OPS/status | jq .consensus",
            "tail -n 50 $LOG",
            "promtool query instant $PROM 'ande:validators:missing'",
        ],
        act: &[
            "If the process ended, read its exit code first: 77 means that a key or the sign guard \
             was refused, 78 that configuration or deployment is wrong. Starting it again does not \
             help in either case; the last lines of the log name the remedy.",
            "Otherwise start it again with the same data directory, key and sign guard. Never \
             restore the sign guard from a backup, and never start a second node with the same key.",
            "If it hangs, send SIGTERM, wait for the drain, then start it.",
        ],
        hides: &["AndeQuorumAtRisk"],
        case: Case {
            set: &[(
                "haproxy_server_status{job=\"haproxy\",instance=\"lb\",proxy=\"be_write\",server=\"node-4\",state=\"DOWN\"}",
                "1x200",
            )],
            down: &["node-4"],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeNoNodes",
        severity: Page,
        expr: "absent(up{job=\"sequencer\"})",
        hold: "1m",
        summary: "Prometheus has no node to watch",
        meaning: "The target file of the job `sequencer` is missing, empty or malformed, so no other \
                  alert about nodes can fire.",
        look: &[
            "cat monitoring/targets/sequencer.yml",
            "curl -s $PROM/api/v1/targets | jq '.data.activeTargets[].labels'",
        ],
        act: &[
            "List the nodes' ops listeners in `monitoring/targets/sequencer.yml`, one target with the \
             label `instance` per node. Prometheus reads the file again by itself.",
        ],
        hides: &[],
        case: Case {
            set: &[
                ("up{job=\"sequencer\",instance=\"node-1\"}", ""),
                ("up{job=\"sequencer\",instance=\"node-2\"}", ""),
                ("up{job=\"sequencer\",instance=\"node-3\"}", ""),
                ("up{job=\"sequencer\",instance=\"node-4\"}", ""),
            ],
            down: &[],
            at: "10m",
            fires: &[&[("job", "sequencer")]],
            also: &[],
        },
    },
    Alert {
        name: "AndeNodeRestarts",
        severity: Ticket,
        expr: "resets(l2_uptime_ms[15m]) >= 3",
        hold: "0s",
        summary: "{{ $labels.instance }} started three times in a quarter of an hour",
        meaning: "The node ends and is started again by its supervisor. A restart does not cure what \
                  makes it end.",
        look: &["grep -E 'ERROR|panicked' $LOG | tail -n 20", "tail -n 50 $LOG"],
        act: &[
            "Read why it ended. Exit codes 77 and 78 must stop the supervisor: configure it so.",
            "An engine that halted says so before the end; see AndeEngineHalted.",
            "If the machine killed it for want of memory, compare with `ande_node_resident_memory_bytes`.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "l2_uptime_ms{job=\"sequencer\",instance=\"node-4\"}",
                "0+15000x20 0+15000x5 0+15000x5 0+15000x30",
            )],
            down: &[],
            at: "9m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeEngineHalted",
        severity: Page,
        expr: "ande_consensus_halted == 1",
        hold: "0s",
        summary: "the engine of {{ $labels.instance }} refuses to go on",
        meaning: "The engine found its own state doubtful, for example a log that cannot be written or \
                  a sign guard that failed. It stopped voting so that it cannot contradict itself.",
        look: &["curl -s $OPS/status | jq .consensus.halted", "tail -n 50 $LOG", "df -h"],
        act: &[
            "Remove the cause that the status names (disk full, disk faulty, wrong key).",
            "Restart the node. It catches up from the others with certificates.",
            "If the database is damaged, move the data directory away and let the node follow the chain \
             from the start; keep key and sign guard as they are.",
        ],
        hides: &["AndeQuorumAtRisk", "AndeNodeBehind", "AndeNodeStuck"],
        case: Case {
            set: &[("ande_consensus_halted{job=\"sequencer\",instance=\"node-4\"}", "0x20 1x180")],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeSafetyFailure",
        severity: Page,
        expr: "malachitebft_core_consensus_node_safety_failure == 1",
        hold: "0s",
        summary: "{{ $labels.instance }} cannot write its consensus log",
        meaning: "The engine library could not store or read what it had signed, and stopped for \
                  safety. It will not vote again until the process is restarted.",
        look: &["tail -n 50 $LOG", "df -h; dmesg | tail"],
        act: &[
            "Repair the disk or free space.",
            "Restart the node. Do not delete `engine.wal` before the chain has passed its height.",
        ],
        hides: &["AndeEngineHalted"],
        case: Case {
            set: &[(
                "malachitebft_core_consensus_node_safety_failure{job=\"sequencer\",instance=\"node-4\",moniker=\"node-4\"}",
                "0x20 1x180",
            )],
            down: &[],
            at: "10m",
            fires: &[&[("job", "sequencer"), ("instance", "node-4"), ("moniker", "node-4")]],
            also: &[],
        },
    },
    Alert {
        name: "AndeClockSkew",
        severity: Page,
        expr: "abs(ande:clock:offset_seconds) > 2",
        hold: "30s",
        summary: "the clock of {{ $labels.instance }} is more than 2 s off",
        meaning: "The node's clock differs from that of Prometheus. Beyond 5 s its blocks are not voted \
                  for, or it does not vote for those of others. If all nodes seem to be off, the clock \
                  of Prometheus is wrong.",
        look: &["promtool query instant $PROM 'ande:clock:offset_seconds'", "date -u; timedatectl"],
        act: &[
            "Start or repair time synchronisation (chrony, systemd-timesyncd) on the machine. The node need not be restarted.",
        ],
        hides: &[],
        case: Case {
            set: &[("ande_node_time_seconds{job=\"sequencer\",instance=\"node-4\"}", "7+15x200")],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeDiskNearlyFull",
        severity: Page,
        expr: "ande:disk_free:ratio < 0.1",
        hold: "30s",
        summary: "less than a tenth of the disk of {{ $labels.instance }} is free",
        meaning: "The file system with the data directory is nearly full. A node that cannot write stops \
                  voting.",
        look: &[
            "df -h",
            "du -sh $DATA/*",
            "promtool query instant $PROM 'ande_node_disk_free_bytes'",
        ],
        act: &[
            "Remove what is not the node's (old logs, core dumps) or enlarge the file system.",
            "The node may be stopped meanwhile, if the others are enough: see AndeQuorumAtRisk.",
            "Delete nothing inside the data directory.",
        ],
        hides: &["AndeDiskFillsUp"],
        case: Case {
            set: &[(
                "ande_node_disk_free_bytes{job=\"sequencer\",instance=\"node-4\"}",
                "80e9x20 5e9x180",
            )],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeDiskFillsUp",
        severity: Ticket,
        expr: "predict_linear(ande_node_disk_free_bytes[30m], 86400) < 0 and ande:disk_free:ratio < 0.5",
        hold: "10m",
        summary: "the disk of {{ $labels.instance }} is full within a day",
        meaning: "At the pace of the last half hour the file system with the data directory is full \
                  within a day.",
        look: &["df -h", "du -sh $DATA/*"],
        act: &["Find what grows. If it is the chain, plan a larger file system."],
        hides: &[],
        case: Case {
            set: &[(
                "ande_node_disk_free_bytes{job=\"sequencer\",instance=\"node-4\"}",
                "40e9-1e8x200",
            )],
            down: &[],
            at: "30m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeNodeDraining",
        severity: Ticket,
        expr: "ande_node_draining == 1",
        hold: "5m",
        summary: "{{ $labels.instance }} has been draining for five minutes",
        meaning: "The node got SIGTERM, left the load balancer and did not end. Open requests keep it.",
        look: &[
            "curl -s $OPS/status | jq .draining",
            "promtool query instant $PROM 'ande_rpc_connections'",
        ],
        act: &[
            "Send SIGTERM once more: the second signal stops at once. What was acknowledged is on disk.",
        ],
        hides: &[],
        case: Case {
            set: &[("ande_node_draining{job=\"sequencer\",instance=\"node-4\"}", "1x200")],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeVersionsDiffer",
        severity: Ticket,
        expr: "count(count by (version, git_sha) (ande_build_info)) > 1",
        hold: "1h",
        summary: "the nodes run different versions",
        meaning: "A rolling upgrade was not finished, or a node was left out.",
        look: &[
            "promtool query instant $PROM 'count by (version, git_sha, instance) (ande_build_info)'",
        ],
        act: &[
            "Finish the upgrade, one node at a time: SIGTERM, wait until it ended, replace the program, start, wait for `/readyz`.",
        ],
        hides: &[],
        case: Case {
            set: &[
                (
                    "ande_build_info{job=\"sequencer\",instance=\"node-4\",version=\"1\",git_sha=\"a\"}",
                    "",
                ),
                (
                    "ande_build_info{job=\"sequencer\",instance=\"node-4\",version=\"2\",git_sha=\"b\"}",
                    "1x400",
                ),
            ],
            down: &[],
            at: "70m",
            fires: &[&[]],
            also: &[],
        },
    },
    Alert {
        name: "AndeHeartbeat",
        severity: Heartbeat,
        expr: "vector(1)",
        hold: "0s",
        summary: "alerting works",
        meaning: "Always fires. Send it to a service that raises an alarm when it stops coming: then \
                  Prometheus, Alertmanager or the way to you is broken.",
        look: &["curl -s $PROM/api/v1/alerts | jq '.data.alerts[].labels.alertname'"],
        act: &["If it no longer arrives, check Prometheus, then Alertmanager, then the receiver."],
        hides: &[],
        case: Case { set: &[], down: &[], at: "5m", fires: &[&[]], also: &[] },
    },
    Alert {
        name: "AndeRulesFail",
        severity: Ticket,
        expr: "increase(prometheus_rule_evaluation_failures_total[5m]) > 0",
        hold: "0s",
        summary: "Prometheus cannot evaluate a rule",
        meaning: "Some recording rules or alerts are not evaluated, so faults may go unseen.",
        look: &[
            "curl -s $PROM/api/v1/rules | jq '.data.groups[].rules[] | select(.health != \"ok\") | {name, lastError}'",
        ],
        act: &[
            "Two series where one is expected usually mean that a node is listed twice in the target files.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "prometheus_rule_evaluation_failures_total{job=\"prometheus\",instance=\"prometheus\",rule_group=\"g\"}",
                "0+1x200",
            )],
            down: &[],
            at: "10m",
            fires: &[&[("job", "prometheus"), ("instance", "prometheus"), ("rule_group", "g")]],
            also: &[],
        },
    },
    Alert {
        name: "AndeMonitoringStale",
        severity: Ticket,
        expr: "prometheus_config_last_reload_successful == 0",
        hold: "5m",
        summary: "Prometheus refused its configuration",
        meaning: "The last reload failed; the old configuration goes on.",
        look: &["promtool check config monitoring/prometheus.yml"],
        act: &["Repair what the check names, then send SIGHUP to Prometheus."],
        hides: &[],
        case: Case {
            set: &[(
                "prometheus_config_last_reload_successful{job=\"prometheus\",instance=\"prometheus\"}",
                "0x200",
            )],
            down: &[],
            at: "10m",
            fires: &[&[("job", "prometheus"), ("instance", "prometheus")]],
            also: &[],
        },
    },
    Alert {
        name: "AndeNoAlertmanager",
        severity: Ticket,
        expr: "prometheus_notifications_alertmanagers_discovered < 1",
        hold: "5m",
        summary: "Prometheus knows no Alertmanager",
        meaning: "Alerts fire, but nobody is told. Only those who look at Prometheus see this one.",
        look: &["curl -s $PROM/api/v1/alertmanagers | jq .data.activeAlertmanagers"],
        act: &["List Alertmanager in `monitoring/targets/alertmanager.yml`."],
        hides: &[],
        case: Case {
            set: &[(
                "prometheus_notifications_alertmanagers_discovered{job=\"prometheus\",instance=\"prometheus\"}",
                "0x200",
            )],
            down: &[],
            at: "10m",
            fires: &[&[("job", "prometheus"), ("instance", "prometheus")]],
            also: &[],
        },
    },
];
