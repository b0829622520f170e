//! Who may vote, and what the contracts say.

use super::{Dashboard, Row, lines, q, stat, states};

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "ande-validators",
    title: "ANDE validators and contracts",
    rows: &[
        Row {
            title: "Now",
            panels: &[
                stat(
                    "Validators in the set",
                    "none",
                    &[q("max(ande_consensus_active_validators)", "validators")],
                ),
                stat("May fail", "none", &[q("max(ande_consensus_fault_tolerance)", "validators")]),
                stat("Missing", "none", &[q("ande:validators:missing", "validators")]),
                stat(
                    "Active stake",
                    "none",
                    &[q("max(ande_l1_active_stake_wei) / 1e18", "tokens")],
                ),
                stat(
                    "Epochs known ahead",
                    "none",
                    &[q("max(ande_l1_frozen_epoch) - max(ande_consensus_epoch)", "epochs")],
                ),
                stat(
                    "Registered and active",
                    "none",
                    &[q("max(ande_l1_validators{status=\"active\"})", "validators")],
                ),
            ],
        },
        Row {
            title: "Set",
            panels: &[
                lines(
                    "Committee",
                    "none",
                    &[
                        q(
                            "ande_consensus_active_validators{instance=~\"$instance\"}",
                            "{{instance}} members",
                        ),
                        q(
                            "ande_consensus_fault_tolerance{instance=~\"$instance\"}",
                            "{{instance}} may fail",
                        ),
                    ],
                ),
                lines(
                    "Registered validators by status",
                    "none",
                    &[q(
                        "max by (status) (ande_l1_validators{instance=~\"$instance\"})",
                        "{{status}}",
                    )],
                ),
                lines(
                    "Epochs",
                    "none",
                    &[
                        q("max(ande_consensus_epoch{instance=~\"$instance\"})", "running"),
                        q(
                            "max(ande_l1_frozen_epoch{instance=~\"$instance\"})",
                            "last with a final set",
                        ),
                    ],
                ),
                lines(
                    "Active stake",
                    "none",
                    &[q(
                        "ande_l1_active_stake_wei{instance=~\"$instance\"} / 1e18",
                        "{{instance}}",
                    )],
                ),
                states(
                    "Waits for a set",
                    &[q("ande_consensus_waiting_for_set{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Proofs of contradiction",
                    "none",
                    &[
                        q(
                            "ande_consensus_equivocations_total{instance=~\"$instance\"}",
                            "{{instance}} stored",
                        ),
                        q(
                            "ande_evidence_reported_total{instance=~\"$instance\"}",
                            "{{instance}} slashed by it",
                        ),
                    ],
                ),
            ],
        },
        Row {
            title: "Settlement chain",
            panels: &[
                states("Readable", &[q("ande_l1_up{instance=~\"$instance\"}", "{{instance}}")]),
                lines(
                    "Endpoints that agree",
                    "none",
                    &[
                        q("ande_l1_endpoints_agreeing{instance=~\"$instance\"}", "{{instance}}"),
                        q("max(ande_l1_endpoints)", "configured"),
                    ],
                ),
                lines(
                    "Age of the last reading",
                    "s",
                    &[q("ande_l1_view_age_seconds{instance=~\"$instance\"}", "{{instance}}")],
                ),
                lines(
                    "Blocks",
                    "none",
                    &[
                        q("ande_l1_latest_block{instance=~\"$instance\"}", "{{instance}} latest"),
                        q("ande_l1_final_block{instance=~\"$instance\"}", "{{instance}} final"),
                    ],
                ),
                lines(
                    "Blocks until final",
                    "none",
                    &[q(
                        "ande_l1_latest_block{instance=~\"$instance\"} - ande_l1_final_block{instance=~\"$instance\"}",
                        "{{instance}}",
                    )],
                ),
            ],
        },
    ],
};
