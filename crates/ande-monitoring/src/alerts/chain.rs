//! Ordering of blocks, and who does it.

use crate::{Alert, Case, Severity::*};

const NODE_4: &[(&str, &str)] = &[("job", "sequencer"), ("instance", "node-4")];

pub(super) const ALERTS: &[Alert] = &[
    Alert {
        name: "AndeQuorumLost",
        severity: Page,
        expr: "ande:validators:missing > ande:validators:tolerated",
        hold: "15s",
        summary: "too few validators work: no block can be certified",
        meaning: "More validators are down, halted or outside the committee than the set survives. The \
                  chain stands still until enough of them are back. Says nothing where not all \
                  validators are scraped by this Prometheus.",
        look: &[
            "promtool query instant $PROM 'up{job=\"sequencer\"}'",
            "promtool query instant $PROM 'ande_consensus_is_validator == 1 and ande_consensus_halted == 0'",
            "cast call $CONSENSUS 'getActiveValidators()(address[])' --rpc-url $L1",
        ],
        act: &[
            "Bring nodes back, any of them: AndeNodeDown and AndeEngineHalted say which and how.",
            "Nothing is lost: acknowledged transactions are on disk and are gossiped again.",
        ],
        hides: &[
            "AndeNodeDown",
            "AndeNodeStuck",
            "AndeChainStalled",
            "AndeRoundStuck",
            "AndeRoundChurn",
            "AndeNodeIsolated",
            "AndeQuorumAtRisk",
            "AndeBatchLag",
            "AndeSafeHeadStuck",
        ],
        case: Case {
            set: &[
                (
                    "ande_chain_block_height{job=\"sequencer\",instance=\"node-1\"}",
                    "0+5x20 100x180",
                ),
                (
                    "ande_chain_block_height{job=\"sequencer\",instance=\"node-2\"}",
                    "0+5x20 100x180",
                ),
            ],
            down: &["node-3", "node-4"],
            at: "10m",
            fires: &[&[]],
            also: &["AndeNodeDown"],
        },
    },
    Alert {
        name: "AndeQuorumAtRisk",
        severity: Ticket,
        expr: "ande:validators:missing == ande:validators:tolerated and ande:validators:missing > 0",
        hold: "2m",
        summary: "one more missing validator stops the chain",
        meaning: "As many validators are missing as the set survives.",
        look: &[
            "promtool query instant $PROM 'ande:validators:missing'",
            "curl -s $OPS/status | jq .fault_tolerance",
        ],
        act: &["Bring the missing node back before anything else is restarted or upgraded."],
        hides: &[],
        case: Case {
            set: &[("ande_consensus_is_validator{job=\"sequencer\",instance=\"node-4\"}", "0x200")],
            down: &[],
            at: "10m",
            fires: &[&[]],
            also: &[],
        },
    },
    Alert {
        name: "AndeChainStalled",
        severity: Page,
        expr: "changes(ande:chain_height:max[1m]) == 0 \
               unless on () (ande:validators:missing > ande:validators:tolerated) \
               unless on () (max(ande_consensus_waiting_for_set) == 1)",
        hold: "30s",
        summary: "no block for a minute although enough validators run",
        meaning: "Even an idle chain makes a block every `heartbeat_ms` (10 s by default). Enough \
                  validators answer Prometheus, but they do not agree on a block: they cannot reach each \
                  other, their clocks differ, or they judge blocks differently.",
        look: &[
            "curl -s $OPS/status | jq '.consensus, .peers'",
            "promtool query instant $PROM 'ande_consensus_round'",
            "promtool query instant $PROM 'ande_p2p_peers_count'",
            "grep -E 'not voted for|timestamp' $LOG | tail -n 20",
        ],
        act: &[
            "Peers missing: check that the consensus ports (30303 and up) are open between all nodes.",
            "\"timestamp ... ahead of this node's clock\" in the logs: see AndeClockSkew.",
            "Nodes that refuse each other's blocks with another reason: compare versions (AndeVersionsDiffer) and keep all logs and data directories.",
            "Restart one node at a time if nothing explains it.",
        ],
        hides: &["AndeNodeStuck", "AndeRoundStuck", "AndeBatchLag"],
        case: Case {
            set: &[
                (
                    "ande_chain_block_height{job=\"sequencer\",instance=\"node-1\"}",
                    "0+5x20 100x180",
                ),
                (
                    "ande_chain_block_height{job=\"sequencer\",instance=\"node-2\"}",
                    "0+5x20 100x180",
                ),
                (
                    "ande_chain_block_height{job=\"sequencer\",instance=\"node-3\"}",
                    "0+5x20 100x180",
                ),
                (
                    "ande_chain_block_height{job=\"sequencer\",instance=\"node-4\"}",
                    "0+5x20 100x180",
                ),
            ],
            down: &[],
            at: "10m",
            fires: &[&[]],
            also: &[],
        },
    },
    Alert {
        name: "AndeNodeStuck",
        severity: Page,
        expr: "changes(ande_chain_block_height[1m]) == 0 and on () changes(ande:chain_height:max[1m]) > 0",
        hold: "30s",
        summary: "{{ $labels.instance }} no longer follows the chain",
        meaning: "Other nodes make blocks, this one stays at its height. It counts as missing for the \
                  quorum.",
        look: &[
            "curl -s $OPS/status | jq '.consensus, .chain'",
            "grep -E 'WARN|ERROR' $LOG | tail -n 20",
        ],
        act: &[
            "No peers: see AndeNodeIsolated.",
            "Otherwise restart the node: it catches up with certificates from the others.",
        ],
        hides: &["AndeNodeBehind"],
        case: Case {
            set: &[(
                "ande_chain_block_height{job=\"sequencer\",instance=\"node-4\"}",
                "0+5x20 100x180",
            )],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeNodeBehind",
        severity: Ticket,
        expr: "ande_chain_sync_lag_blocks > 10",
        hold: "2m",
        summary: "{{ $labels.instance }} is more than ten blocks behind",
        meaning: "The node catches up too slowly, or not at all. While it is behind it is not ready and \
                  gets no clients.",
        look: &[
            "curl -s $OPS/status | jq .chain",
            "promtool query instant $PROM 'ande:chain_height:behind'",
        ],
        act: &[
            "After a start this passes by itself. Otherwise look for a slow disk or processor on the machine.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "ande_chain_sync_lag_blocks{job=\"sequencer\",instance=\"node-4\"}",
                "0x20 50x180",
            )],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeRoundChurn",
        severity: Ticket,
        expr: "max(increase(ande_consensus_timeout_events_total[1m])) > 5",
        hold: "0s",
        summary: "proposers are passed over more than five times a minute",
        meaning: "Rounds end without a decision. One dead proposer costs one timeout per window; this is \
                  more: proposals or votes arrive too late, or several proposers fail.",
        look: &[
            "promtool query instant $PROM 'increase(ande_consensus_timeout_events_total[1m])'",
            "promtool query instant $PROM 'ande_consensus_round'",
            "curl -s $OPS/status | jq '.consensus | {round, skip, proposer}'",
        ],
        act: &[
            "Overloaded machines: compare processor use with `ande_evm_txpool_pending`.",
            "Slow network: raise `consensus.propose_timeout_ms` on all validators.",
            "One proposer only: look at that node's log.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "ande_consensus_timeout_events_total{job=\"sequencer\",instance=\"node-1\"}",
                "0x20 3+3x180",
            )],
            down: &[],
            at: "10m",
            fires: &[&[]],
            also: &[],
        },
    },
    Alert {
        name: "AndeRoundStuck",
        severity: Ticket,
        expr: "ande_consensus_round >= 4",
        hold: "15s",
        summary: "{{ $labels.instance }} is in round 4 or later of one height",
        meaning: "Four proposers in a row did not get a block decided.",
        look: &["curl -s $OPS/status | jq .consensus", "grep 'not voted for' $LOG | tail -n 20"],
        act: &["See AndeChainStalled, which follows if it lasts."],
        hides: &[],
        case: Case {
            set: &[("ande_consensus_round{job=\"sequencer\",instance=\"node-4\"}", "0x20 5x180")],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeEquivocation",
        severity: Page,
        expr: "increase(ande_consensus_equivocations_total[10m]) > 0",
        hold: "0s",
        summary: "{{ $labels.instance }} holds proof that a validator contradicted itself",
        meaning: "A validator signed two different messages for one slot. Two processes run with the same \
                  key, a sign guard was restored from a backup, or the validator is malicious. The chain \
                  goes on safely while fewer than a third of the weight does this.",
        look: &[
            "grep 'two contradicting messages' $LOG | tail -n 5",
            "cast call $CONSENSUS 'idOfSigner(address)(uint32)' $SIGNER --rpc-url $L1",
        ],
        act: &[
            "The log names the signer. If it is yours, stop every process with that key at once, then find \
             out which of them must not exist.",
            "If it is not, tell its operator. A node brings the proof to the contract, which takes the stake; `ande_evidence_reported_total` counts it.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "ande_consensus_equivocations_total{job=\"sequencer\",instance=\"node-4\"}",
                "0x30 1x170",
            )],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeNodeIsolated",
        severity: Page,
        expr: "ande_p2p_peers_count == 0 and ande_consensus_active_validators > 1",
        hold: "30s",
        summary: "{{ $labels.instance }} has no peer",
        meaning: "The node has no open consensus connection. It cannot vote and does not get blocks.",
        look: &["curl -s $OPS/status | jq .peers", "ss -tnp | grep ande-node"],
        act: &[
            "Check the firewall for the port in `p2p.listen`, in both directions.",
            "`p2p.advertise` must be an address that the others reach.",
            "The registered endpoint must lead to this node: `cast call $CONSENSUS 'getValidators(uint32,uint32)' 1 100 --rpc-url $L1`.",
        ],
        hides: &["AndeNodeStuck", "AndeNodeBehind", "AndeFewPeers"],
        case: Case {
            set: &[("ande_p2p_peers_count{job=\"sequencer\",instance=\"node-4\"}", "3x20 0x180")],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeFewPeers",
        severity: Ticket,
        expr: "ande_p2p_peers_count < ande_consensus_active_validators - 1 and ande_consensus_is_validator == 1",
        hold: "5m",
        summary: "{{ $labels.instance }} is not connected to every validator",
        meaning: "Votes still arrive over others, but later, and each further fault weighs more.",
        look: &["curl -s $OPS/status | jq '.peers[] | {id, endpoint, connected}'"],
        act: &[
            "Find out whether the unconnected node is down; if not, whether its consensus port can be reached from here.",
        ],
        hides: &[],
        case: Case {
            set: &[("ande_p2p_peers_count{job=\"sequencer\",instance=\"node-4\"}", "2x200")],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeNoFaultTolerance",
        severity: Ticket,
        expr: "ande:validators:tolerated == 0",
        hold: "5m",
        summary: "the validator set survives no fault",
        meaning: "With fewer than four equal validators, or with one that holds a third of the weight, the \
                  loss of a single node stops the chain.",
        look: &[
            "curl -s $OPS/status | jq '.fault_tolerance, .consensus.validators'",
            "cast call $CONSENSUS 'getActiveValidators()(address[])' --rpc-url $L1",
        ],
        act: &["Register more validators: `(n - 1) / 3`, rounded down, may fail."],
        hides: &[],
        case: Case {
            set: &[
                ("ande_consensus_fault_tolerance{job=\"sequencer\",instance=\"node-1\"}", "0x200"),
                ("ande_consensus_fault_tolerance{job=\"sequencer\",instance=\"node-2\"}", "0x200"),
                ("ande_consensus_fault_tolerance{job=\"sequencer\",instance=\"node-3\"}", "0x200"),
                ("ande_consensus_fault_tolerance{job=\"sequencer\",instance=\"node-4\"}", "0x200"),
            ],
            down: &[],
            at: "10m",
            fires: &[&[]],
            also: &[],
        },
    },
    Alert {
        name: "AndeCommitteeShrank",
        severity: Ticket,
        expr: "max(ande_consensus_active_validators) < max(ande_consensus_active_validators offset 10m)",
        hold: "0s",
        summary: "the committee has fewer members than ten minutes ago",
        meaning: "At an epoch boundary validators left the set: they exited, were jailed, or lost stake.",
        look: &[
            "cast call $CONSENSUS 'getActiveValidators()(address[])' --rpc-url $L1",
            "promtool query instant $PROM 'ande_l1_validators'",
        ],
        act: &["If it was not meant, find out who left and why; then see AndeNoFaultTolerance."],
        hides: &[],
        case: Case {
            set: &[
                (
                    "ande_consensus_active_validators{job=\"sequencer\",instance=\"node-1\"}",
                    "4x60 3x140",
                ),
                (
                    "ande_consensus_active_validators{job=\"sequencer\",instance=\"node-2\"}",
                    "4x60 3x140",
                ),
                (
                    "ande_consensus_active_validators{job=\"sequencer\",instance=\"node-3\"}",
                    "4x60 3x140",
                ),
                (
                    "ande_consensus_active_validators{job=\"sequencer\",instance=\"node-4\"}",
                    "4x60 3x140",
                ),
            ],
            down: &[],
            at: "20m",
            fires: &[&[]],
            also: &[],
        },
    },
    Alert {
        name: "AndeLeftCommittee",
        severity: Ticket,
        expr: "ande_consensus_is_validator == 0 and ande_consensus_is_validator offset 10m == 1",
        hold: "0s",
        summary: "{{ $labels.instance }} was in the committee and no longer is",
        meaning: "The node still follows the chain but has no vote any more.",
        look: &[
            "cast call $CONSENSUS 'isActiveSigner(address)(bool)' $SIGNER --rpc-url $L1",
            "curl -s $OPS/status | jq .node.signer",
        ],
        act: &[
            "If the validator did not exit on purpose, look up its status in the contract: `cast call $CONSENSUS 'getValidators(uint32,uint32)' 1 100 --rpc-url $L1`.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "ande_consensus_is_validator{job=\"sequencer\",instance=\"node-4\"}",
                "1x60 0x140",
            )],
            down: &[],
            at: "20m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeTransactionsStuck",
        severity: Ticket,
        expr: "min_over_time(ande_evm_txpool_pending[5m]) > 0 \
               and increase(ande_evm_transactions_total[5m]) == 0 \
               and changes(ande_chain_block_height[5m]) > 0",
        hold: "1m",
        summary: "{{ $labels.instance }} has executable transactions that no block takes",
        meaning: "Blocks are made, but empty, although the pool has transactions that could be in them.",
        look: &[
            "curl -s $OPS/status | jq .queue",
            "promtool query instant $PROM 'sum by (reason) (ande_pool_dropped_total)'",
            "grep 'no order of the pooled' $LOG | tail",
        ],
        act: &[
            "If only this node has them, gossip does not reach the others: see AndeFewPeers and AndePeerRequestsFail.",
        ],
        hides: &[],
        case: Case {
            set: &[
                ("ande_evm_txpool_pending{job=\"sequencer\",instance=\"node-4\"}", "9x200"),
                ("ande_evm_transactions_total{job=\"sequencer\",instance=\"node-4\"}", "50x200"),
            ],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
];
