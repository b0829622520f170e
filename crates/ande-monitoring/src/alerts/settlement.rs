//! The settlement chain, its contracts, and batches.

use crate::{Alert, Case, Severity::*};

const NODE_4: &[(&str, &str)] = &[("job", "sequencer"), ("instance", "node-4")];

pub(super) const ALERTS: &[Alert] = &[
    Alert {
        name: "AndeSettlementDown",
        severity: Page,
        expr: "ande_l1_up == 0",
        hold: "30s",
        summary: "{{ $labels.instance }} cannot read the settlement chain",
        meaning: "None of the node's endpoints of the settlement chain answers correctly. Blocks go on \
                  until the end of the epoch, whose successor must be read there; batches wait. Of several \
                  endpoints more than half must answer the same: two that contradict each other, or one \
                  of two that is down, look like this too.",
        look: &["curl -s $OPS/status | jq .l1", "cast block-number --rpc-url $L1"],
        act: &[
            "All nodes at once: the provider or the chain is down. One node: its network or its `l1.rpc_urls`.",
            "Give each node endpoints of three providers in `l1.rpc_urls`; a restart takes them up. \
             With two the node depends on both.",
        ],
        hides: &[
            "AndeSettlementStale",
            "AndeSettlementEndpoints",
            "AndePostFailures",
            "AndeSafeHeadStuck",
        ],
        case: Case {
            set: &[("ande_l1_up{job=\"sequencer\",instance=\"node-4\"}", "1x20 0x180")],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeSettlementStale",
        severity: Ticket,
        expr: "ande_l1_view_age_seconds > 60",
        hold: "1m",
        summary: "{{ $labels.instance }} has not read the settlement chain for a minute",
        meaning: "What the node knows of the contracts is old: endpoints answer slowly or wrongly.",
        look: &["curl -s $OPS/status | jq '.l1 | {up, age_ms, error}'"],
        act: &["Replace the slow endpoint in `l1.rpc_urls` and restart the node."],
        hides: &[],
        case: Case {
            set: &[(
                "ande_l1_view_age_seconds{job=\"sequencer\",instance=\"node-4\"}",
                "1x20 90x180",
            )],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeSettlementEndpoints",
        severity: Ticket,
        expr: "ande_l1_endpoints_agreeing < ande_l1_endpoints",
        hold: "10m",
        summary: "{{ $labels.instance }}: an endpoint of the settlement chain fails or contradicts the others",
        meaning: "One of the node's endpoints is down, far behind, or serves another chain than the majority. \
                  The node does without it as long as more than half of them agree.",
        look: &[
            "curl -s $OPS/status | jq '.l1.endpoints'",
            "cast block finalized --field hash --rpc-url $L1",
        ],
        act: &[
            "`silent` and `behind`: the provider has a fault or limits the node; `differs`: it serves another \
             chain, do not trust it.",
            "Replace the endpoint in `l1.rpc_urls` and restart the node.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "ande_l1_endpoints_agreeing{job=\"sequencer\",instance=\"node-4\"}",
                "3x20 2x180",
            )],
            down: &[],
            at: "30m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeSettlementNotFinal",
        severity: Page,
        expr: "changes(ande_l1_final_block[20m]) == 0 and ande_l1_up == 1",
        hold: "5m",
        summary: "{{ $labels.instance }} sees no new final settlement block",
        meaning: "The settlement chain answers but finalises nothing. Sets of later epochs cannot be read: \
                  at the end of the epoch the chain stops.",
        look: &[
            "cast block finalized --field number --rpc-url $L1",
            "curl -s $OPS/status | jq '.l1 | {latest, final}'",
        ],
        act: &[
            "One node: its endpoint is stuck, use another in `l1.rpc_urls`.",
            "All nodes: wait for the settlement chain. Do not lower `l1.finality` to get over it.",
        ],
        hides: &["AndeEpochNotFrozen"],
        case: Case {
            set: &[("ande_l1_final_block{job=\"sequencer\",instance=\"node-4\"}", "100x200")],
            down: &[],
            at: "30m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeWaitingForSet",
        severity: Page,
        expr: "max(ande_consensus_waiting_for_set) == 1",
        hold: "15s",
        summary: "the chain waits for the validator set of the next epoch",
        meaning: "The epoch is over and the set of the next one is not final on the settlement chain, so \
                  nobody may propose. The chain stops here rather than guess and goes on by itself as soon \
                  as the set is final.",
        look: &[
            "curl -s $OPS/status | jq '.l1 | {latest, final, last_frozen_epoch}'",
            "cast call $CONSENSUS 'lastFrozenEpoch()(uint64)' --rpc-url $L1",
            "cast call $COORDINATOR 'tip()((uint64,uint64,uint64,uint64))' --rpc-url $L1",
        ],
        act: &[
            "A set is frozen when the first batch of the epoch two before it is accepted: if batches lag, see AndeBatchLag.",
            "If batches are accepted but not final, see AndeSettlementNotFinal.",
            "Anyone may freeze: `cast send $CONSENSUS 'freezeEpoch(uint64)' $EPOCH --rpc-url $L1`.",
        ],
        hides: &["AndeChainStalled", "AndeEpochNotFrozen", "AndeNodeStuck"],
        case: Case {
            set: &[
                (
                    "ande_consensus_waiting_for_set{job=\"sequencer\",instance=\"node-1\"}",
                    "0x20 1x180",
                ),
                (
                    "ande_consensus_waiting_for_set{job=\"sequencer\",instance=\"node-2\"}",
                    "0x20 1x180",
                ),
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
        name: "AndeEpochNotFrozen",
        severity: Page,
        expr: "max(ande_l1_frozen_epoch) <= max(ande_consensus_epoch)",
        hold: "1m",
        summary: "the next epoch has no final validator set yet",
        meaning: "The chain runs in the last epoch whose set is known. If the next set does not become \
                  final before the epoch ends, the chain stops there.",
        look: &[
            "promtool query instant $PROM 'max(ande_l1_frozen_epoch) - max(ande_consensus_epoch)'",
            "cast call $CONSENSUS 'lastFrozenEpoch()(uint64)' --rpc-url $L1",
        ],
        act: &[
            "Batches that are not accepted or not final are the cause: see AndeBatchLag and AndeSettlementNotFinal.",
        ],
        hides: &[],
        case: Case {
            set: &[
                ("ande_l1_frozen_epoch{job=\"sequencer\",instance=\"node-1\"}", "3x200"),
                ("ande_l1_frozen_epoch{job=\"sequencer\",instance=\"node-2\"}", "3x200"),
                ("ande_l1_frozen_epoch{job=\"sequencer\",instance=\"node-3\"}", "3x200"),
                ("ande_l1_frozen_epoch{job=\"sequencer\",instance=\"node-4\"}", "3x200"),
            ],
            down: &[],
            at: "10m",
            fires: &[&[]],
            also: &[],
        },
    },
    Alert {
        name: "AndeForcedLate",
        severity: Page,
        expr: "max(ande_forced_oldest_age_seconds) > 2400",
        hold: "1m",
        summary: "a forced transaction waits for more than forty minutes",
        meaning: "It is in the queue of the contract and final, and no block has consumed it. An hour after \
                  it was queued the contract refuses batches that leave it out, unless posting catches up \
                  after an outage, and a day later anybody may force it, which makes all blocks after the \
                  last batch void.",
        look: &[
            "promtool query instant $PROM 'ande_forced_waiting'",
            "cast call $COORDINATOR 'forcedState()(uint64,uint64,uint64,uint256)' --rpc-url $L1",
            "grep 'forced transaction' $LOG | tail -n 5",
        ],
        act: &[
            "Nodes that differ in `ande_forced_waiting`: those with less do not read the settlement chain, see AndeSettlementDown and AndeSettlementNotFinal.",
            "\"is not final on the settlement chain here yet\" or \"is due and left out\" in the log says which validators block each other.",
            "No blocks at all: see AndeChainStalled.",
        ],
        hides: &[],
        case: Case {
            set: &[
                (
                    "ande_forced_oldest_age_seconds{job=\"sequencer\",instance=\"node-4\"}",
                    "0x20 2500+15x180",
                ),
                ("ande_forced_waiting{job=\"sequencer\",instance=\"node-4\"}", "0x20 1x180"),
            ],
            down: &[],
            at: "10m",
            fires: &[&[]],
            also: &[],
        },
    },
    Alert {
        name: "AndeBatchLag",
        severity: Page,
        expr: "ande:batch:age_seconds > 3 * max(ande_da_interval_seconds) \
               and on () max(l2_batches_pending) > 0 \
               unless on () (max_over_time(ande:validators:missing[1m]) > ande:validators:tolerated) \
               unless on () (max(min_over_time(ande_l1_up[1m])) == 0)",
        hold: "15s",
        summary: "no batch was accepted for three times as long as one takes, although one is ready",
        meaning: "Batches are cut, the settlement chain can be read, and the contract takes none for three \
                  times `batcher.interval_ms` and `batcher.takeover_ms` together. `safe` and `finalized` \
                  stand still; after two epochs the chain stops for want of a validator set.",
        look: &[
            "curl -s $OPS/status | jq '.posting, .settlement'",
            "cast call $COORDINATOR 'tip()((uint64,uint64,uint64,uint64))' --rpc-url $L1",
            "grep 'posting failed' $LOG | tail -n 5",
        ],
        act: &[
            "\"insufficient funds\": see AndeSignerBalanceLow.",
            "A refusal by the contract: `settlement.last_error` names it; see AndeBatchRefused.",
            "No quorum for the checkpoint: validators differ in `batcher.interval_ms` or `batcher.max_data_bytes`; the log says which.",
            "Very high fees on the settlement chain: the node replaces its transaction by itself up to its limit.",
        ],
        hides: &["AndeBatchesPile", "AndeSafeHeadStuck", "AndeEpochNotFrozen"],
        case: Case {
            set: &[
                (
                    "ande_da_last_posted_timestamp_seconds{job=\"sequencer\",instance=\"node-1\"}",
                    "60x200",
                ),
                (
                    "ande_da_last_posted_timestamp_seconds{job=\"sequencer\",instance=\"node-2\"}",
                    "60x200",
                ),
                (
                    "ande_da_last_posted_timestamp_seconds{job=\"sequencer\",instance=\"node-3\"}",
                    "60x200",
                ),
                (
                    "ande_da_last_posted_timestamp_seconds{job=\"sequencer\",instance=\"node-4\"}",
                    "60x200",
                ),
                ("l2_batches_pending{job=\"sequencer\",instance=\"node-1\"}", "2x200"),
            ],
            down: &[],
            at: "10m",
            fires: &[&[]],
            also: &[],
        },
    },
    Alert {
        name: "AndeBatchesPile",
        severity: Ticket,
        expr: "min(l2_batches_pending) > 10",
        hold: "5m",
        summary: "more than ten batches wait to be posted",
        meaning: "Batches are cut faster than the settlement chain takes them.",
        look: &[
            "promtool query instant $PROM 'l2_batches_pending'",
            "cast gas-price --rpc-url $L1",
        ],
        act: &[
            "After an outage this passes by itself. Otherwise raise `batcher.interval_ms` on all validators together.",
        ],
        hides: &[],
        case: Case {
            set: &[
                ("l2_batches_pending{job=\"sequencer\",instance=\"node-1\"}", "12x200"),
                ("l2_batches_pending{job=\"sequencer\",instance=\"node-2\"}", "12x200"),
                ("l2_batches_pending{job=\"sequencer\",instance=\"node-3\"}", "12x200"),
                ("l2_batches_pending{job=\"sequencer\",instance=\"node-4\"}", "12x200"),
            ],
            down: &[],
            at: "10m",
            fires: &[&[]],
            also: &[],
        },
    },
    Alert {
        name: "AndePostFailures",
        severity: Ticket,
        expr: "increase(l2_post_failures_total[10m]) > 3",
        hold: "0s",
        summary: "{{ $labels.instance }} fails to post batches",
        meaning: "Attempts of this node to post a batch fail. Others take over after `batcher.takeover_ms`.",
        look: &[
            "grep 'posting failed' $LOG | tail -n 10",
            "curl -s $OPS/status | jq .settlement.last_error",
        ],
        act: &[
            "The log line names the cause: no funds, no answer from the settlement chain or from the Celestia node, too few checkpoint signatures, or a refusal.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "l2_post_failures_total{job=\"sequencer\",instance=\"node-4\"}",
                "0x20 1+1x180",
            )],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeBatchRefused",
        severity: Ticket,
        expr: "increase(l2_settlement_failed_total[10m]) > 0",
        hold: "0s",
        summary: "the contract refused a batch of {{ $labels.instance }}",
        meaning: "Not because another validator was faster, but by a rule of the contract. The node tries \
                  again; a certificate that is not believed is collected anew.",
        look: &["curl -s $OPS/status | jq .settlement", "grep 'posting failed' $LOG | tail -n 5"],
        act: &[
            "`last_error` is the contract's own error. If it repeats, keep the log and the data directory: node and contract disagree.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "l2_settlement_failed_total{job=\"sequencer\",instance=\"node-4\"}",
                "0x30 1x170",
            )],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeBatchesTakenOver",
        severity: Ticket,
        expr: "sum(increase(l2_settlement_recovered_total[1h])) > 3",
        hold: "0s",
        summary: "validators post in place of others",
        meaning: "A validator whose turn it was did not post in `batcher.takeover_ms`, several times within \
                  an hour.",
        look: &[
            "grep 'taking over a batch' $LOG | tail -n 10",
            "promtool query instant $PROM 'l2_settlement_included_total'",
        ],
        act: &[
            "Find the validator that never posts: no funds (AndeSignerBalanceLow), `batcher.enabled = false`, or down.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "l2_settlement_recovered_total{job=\"sequencer\",instance=\"node-4\"}",
                "0+1x200",
            )],
            down: &[],
            at: "10m",
            fires: &[&[]],
            also: &[],
        },
    },
    Alert {
        name: "AndeSignerBalanceLow",
        severity: Page,
        expr: "ande_l1_signer_balance_wei < 5e16 and ande_l1_up == 1",
        hold: "10s",
        summary: "the posting key of {{ $labels.instance }} has less than 0.05 ether",
        meaning: "The key that pays for batches runs dry. Without funds this node posts nothing.",
        look: &[
            "promtool query instant $PROM 'ande_l1_signer_balance_wei / 1e18'",
            "cast balance --ether $POSTER --rpc-url $L1",
        ],
        act: &[
            "Send funds to the posting key (`keys.poster`, or the validator's own key): `cast send $POSTER --value 1ether --rpc-url $L1`.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "ande_l1_signer_balance_wei{job=\"sequencer\",instance=\"node-4\"}",
                "1e18x20 1e16x180",
            )],
            down: &[],
            at: "10m",
            fires: &[NODE_4],
            also: &[],
        },
    },
    Alert {
        name: "AndeSafeHeadStuck",
        severity: Ticket,
        expr: "changes(ande_chain_head_height{head=\"safe\"}[15m]) == 0 \
               and on (job, instance) changes(ande_chain_head_height{head=\"latest\"}[15m]) > 0",
        hold: "1m",
        summary: "`safe` of {{ $labels.instance }} has not moved for a quarter of an hour",
        meaning: "Blocks are certified, but this node sees none of them posted.",
        look: &[
            "curl -s $OPS/status | jq '.chain, .l1.tip'",
            "cast call $COORDINATOR 'tip()((uint64,uint64,uint64,uint64))' --rpc-url $L1",
        ],
        act: &[
            "If the contract's tip moves, this node does not follow it: look for \"accepted batches cannot be followed\" in its log. If not, see AndeBatchLag.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "ande_chain_head_height{job=\"sequencer\",instance=\"node-4\",head=\"safe\"}",
                "5x200",
            )],
            down: &[],
            at: "20m",
            fires: &[&[("job", "sequencer"), ("instance", "node-4"), ("head", "safe")]],
            also: &[],
        },
    },
    Alert {
        name: "AndeValidatorJailed",
        severity: Ticket,
        expr: "max by (status) (ande_l1_validators{status=~\"jailed|tombstoned\"}) \
               > max by (status) (ande_l1_validators{status=~\"jailed|tombstoned\"} offset 10m)",
        hold: "0s",
        summary: "the contract lists a new {{ $labels.status }} validator",
        meaning: "A validator was put out of the sets: jailed for downtime, or tombstoned for ever because \
                  it contradicted itself.",
        look: &[
            "cast call $CONSENSUS 'getValidators(uint32,uint32)' 1 100 --rpc-url $L1",
            "promtool query instant $PROM 'ande_l1_validators'",
        ],
        act: &[
            "If it is yours, repair the node first. A tombstoned key is lost for validation: see AndeEquivocation.",
        ],
        hides: &[],
        case: Case {
            set: &[(
                "ande_l1_validators{job=\"sequencer\",instance=\"node-4\",status=\"jailed\"}",
                "0x60 1x140",
            )],
            down: &[],
            at: "20m",
            fires: &[&[("status", "jailed")]],
            also: &[],
        },
    },
];
