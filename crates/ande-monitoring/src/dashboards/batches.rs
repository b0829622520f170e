//! How blocks get to the settlement chain.

use super::{Dashboard, Row, lines, q, stat};

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "ande-batches",
    title: "ANDE batches and settlement",
    rows: &[
        Row {
            title: "Now",
            panels: &[
                stat("Batches accepted", "none", &[q("max(l2_batches_posted)", "batches")]),
                stat("Batches final", "none", &[q("max(l2_batches_confirmed)", "batches")]),
                stat("Batches waiting", "none", &[q("max(l2_batches_pending)", "batches")]),
                stat("Since the last batch", "s", &[q("ande:batch:age_seconds", "age")]),
                stat(
                    "Lowest posting balance",
                    "none",
                    &[q("min(ande_l1_signer_balance_wei) / 1e18", "ether")],
                ),
                stat(
                    "Blocks not yet safe",
                    "none",
                    &[q(
                        "max(ande_chain_head_height{head=\"latest\"}) - max(ande_chain_head_height{head=\"safe\"})",
                        "blocks",
                    )],
                ),
            ],
        },
        Row {
            title: "Batches",
            panels: &[
                lines(
                    "Batches",
                    "none",
                    &[
                        q("max(l2_batches_posted{instance=~\"$instance\"})", "accepted"),
                        q("max(l2_batches_confirmed{instance=~\"$instance\"})", "final"),
                    ],
                ),
                lines(
                    "Waiting by node",
                    "none",
                    &[q("l2_batches_pending{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Batches by state",
                    "none",
                    &[q(
                        "max by (state) (ande_batcher_batches{instance=~\"$instance\", state!~\"finalized\"})",
                        "{{state}}",
                    )],
                ),
                lines(
                    "Since the last batch",
                    "s",
                    &[
                        q(
                            "time() - (ande_da_last_posted_timestamp_seconds{instance=~\"$instance\"} > 0)",
                            "{{instance}}",
                        ),
                        q("3 * max(ande_da_interval_seconds)", "late"),
                    ],
                ),
                lines(
                    "Heads behind the latest block",
                    "none",
                    &[
                        q(
                            "max(ande_chain_head_height{head=\"latest\"}) - max(ande_chain_head_height{head=\"safe\"})",
                            "safe",
                        ),
                        q(
                            "max(ande_chain_head_height{head=\"latest\"}) - max(ande_chain_head_height{head=\"finalized\"})",
                            "finalized",
                        ),
                    ],
                ),
                lines(
                    "Batch data published",
                    "Bps",
                    &[q("rate(ande_da_bytes_total{instance=~\"$instance\"}[5m])", "{{instance}}")],
                ),
            ],
        },
        Row {
            title: "Posting, since each process started",
            panels: &[
                lines(
                    "Life of batches here",
                    "none",
                    &[
                        q("sum(l2_settlement_created_total{instance=~\"$instance\"})", "cut"),
                        q("sum(l2_settlement_submitted_total{instance=~\"$instance\"})", "begun"),
                        q("sum(l2_settlement_included_total{instance=~\"$instance\"})", "accepted"),
                        q("sum(l2_settlement_finalised_total{instance=~\"$instance\"})", "final"),
                        q("sum(l2_settlement_failed_total{instance=~\"$instance\"})", "refused"),
                        q(
                            "sum(l2_settlement_recovered_total{instance=~\"$instance\"})",
                            "taken over",
                        ),
                    ],
                ),
                lines(
                    "Attempts",
                    "none",
                    &[
                        q("sum(l2_contract_submit_total{instance=~\"$instance\"})", "attempts"),
                        q(
                            "sum(l2_contract_submit_retries_total{instance=~\"$instance\"})",
                            "repeated",
                        ),
                        q(
                            "sum(l2_contract_submit_failed_total{instance=~\"$instance\"})",
                            "failed",
                        ),
                        q(
                            "sum(l2_contract_already_known_total{instance=~\"$instance\"})",
                            "posted by another",
                        ),
                    ],
                ),
                lines(
                    "Batches published by node and place",
                    "none",
                    &[q(
                        "ande_da_submissions_total{instance=~\"$instance\"}",
                        "{{instance}} {{place}}",
                    )],
                ),
                lines(
                    "Failures per hour",
                    "none",
                    &[q(
                        "increase(l2_post_failures_total{instance=~\"$instance\"}[1h])",
                        "{{instance}}",
                    )],
                ),
                lines(
                    "Posting balance",
                    "none",
                    &[q(
                        "ande_l1_signer_balance_wei{instance=~\"$instance\"} / 1e18",
                        "{{instance}}",
                    )],
                ),
                lines(
                    "Since open transactions were compared with the chain",
                    "s",
                    &[q(
                        "time() - (l2_last_reconcile_ms{instance=~\"$instance\"} > 0) / 1000",
                        "{{instance}}",
                    )],
                ),
            ],
        },
        Row {
            title: "Forced transactions",
            panels: &[
                lines(
                    "Waiting for a block",
                    "none",
                    &[q("ande_forced_waiting{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Age of the oldest",
                    "s",
                    &[q("ande_forced_oldest_age_seconds{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Consumed per hour",
                    "none",
                    &[
                        q(
                            "max(increase(ande_forced_included_total{instance=~\"$instance\"}[1h]))",
                            "included",
                        ),
                        q(
                            "max(increase(ande_forced_skipped_total{instance=~\"$instance\"}[1h]))",
                            "skipped",
                        ),
                    ],
                ),
            ],
        },
    ],
};
