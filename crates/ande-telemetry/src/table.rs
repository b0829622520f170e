//! The table.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use crate::{
    BatchStateLabels, BuildLabels, Counter, CounterFamily, DaLabels, FloatGauge, Gauge,
    GaugeFamily, HeadLabels, Histogram, MethodLabels, PeerLabels, PoolDropLabels,
    PoolRefusalLabels, SubscriptionEndLabels, TopicLabels, ValidatorStatusLabels, handles::Handle,
};

/// Kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Goes up and down.
    Gauge,
    /// Only grows while the process lives.
    Counter,
    /// Distribution over buckets.
    Histogram,
}

impl std::fmt::Display for MetricKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        })
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricSpec {
    /// Name as exported, counters with `_total`.
    pub name: &'static str,
    /// Kind.
    pub kind: MetricKind,
    /// What is counted.
    pub unit: &'static str,
    /// One sentence without a final stop.
    pub help: &'static str,
    /// Names of the labels.
    pub labels: &'static [&'static str],
}

macro_rules! metrics {
    ($($field:ident: $handle:ty = $name:literal, $unit:literal, $help:literal;)+) => {
        /// Every metric of a node.
        pub const METRICS: &[MetricSpec] = &[$(MetricSpec {
            name: $name,
            kind: <$handle as Handle>::KIND,
            unit: $unit,
            help: $help,
            labels: <$handle as Handle>::LABELS,
        },)+];

        /// Handles to every metric of the table.
        #[derive(Debug)]
        pub struct MetricTable {
            registry: Registry,
            $(#[doc = $help] pub $field: $handle,)+
        }

        impl MetricTable {
            fn new() -> Self {
                let mut registry = Registry::default();
                $(let $field = <$handle as Handle>::new();
                $field.register(&mut registry, $name, $help);)+
                Self { registry, $($field,)+ }
            }
        }
    };
}

/// The metrics of a node. Clones share the values, and cost next to nothing: every request has one.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<MetricTable>);

impl std::ops::Deref for Metrics {
    type Target = MetricTable;

    fn deref(&self) -> &MetricTable {
        &self.0
    }
}

impl Metrics {
    /// A fresh set with all values zero.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(MetricTable::new()))
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

metrics! {
    // Consensus.
    consensus_active_validators: Gauge = "ande_consensus_active_validators", "validators",
        "Members of the committee of the height being decided";
    consensus_fault_tolerance: Gauge = "ande_consensus_fault_tolerance", "validators",
        "Members of that committee that may fail, heaviest first, before blocks stop";
    consensus_current_proposer: Gauge = "ande_consensus_current_proposer", "contract id",
        "Contract id of the proposer of the height being decided, 0 while unknown";
    consensus_is_proposer: Gauge = "ande_consensus_is_proposer", "flag",
        "1 while this node is that proposer";
    consensus_is_validator: Gauge = "ande_consensus_is_validator", "flag",
        "1 while this node is in that committee";
    consensus_rotation_count: Gauge = "ande_consensus_rotation_count", "windows",
        "Proposer windows begun since genesis at the latest block";
    consensus_timeout_events: Counter = "ande_consensus_timeout_events_total", "rounds",
        "Rounds above 0 since the process started: a proposer that was passed over";
    consensus_block_time: FloatGauge = "ande_consensus_block_time_seconds", "seconds",
        "Time between the two latest blocks";
    consensus_epoch: Gauge = "ande_consensus_epoch", "epoch",
        "Epoch of the height being decided";
    consensus_round: Gauge = "ande_consensus_round", "round",
        "Round of the height being decided";
    consensus_halted: Gauge = "ande_consensus_halted", "flag",
        "1 when the engine refuses to go on until an operator restarts the node";
    consensus_waiting_for_set: Gauge = "ande_consensus_waiting_for_set", "flag",
        "1 while the validator set of the next epoch is not final on the settlement chain";
    consensus_equivocations: Counter = "ande_consensus_equivocations_total", "evidence",
        "Proofs stored by this process that a validator contradicted itself";
    evidence_reported: Counter = "ande_evidence_reported_total", "evidence",
        "Proofs of a contradiction for which the contract slashed when this process brought them";

    // Chain.
    chain_block_height: Gauge = "ande_chain_block_height", "blocks",
        "Height of the latest certified block";
    chain_head: GaugeFamily<HeadLabels> = "ande_chain_head_height", "blocks",
        "Height of each head: latest is certified, safe is posted, finalized is final there";
    chain_sync_lag: Gauge = "ande_chain_sync_lag_blocks", "blocks",
        "Blocks between the highest height heard of and the latest block here";
    evm_transactions: Counter = "ande_evm_transactions_total", "transactions",
        "Transactions in blocks committed by this process";
    evm_gas_used: Counter = "ande_evm_gas_used_total", "gas",
        "Gas used by blocks committed by this process";
    evm_txpool_pending: Gauge = "ande_evm_txpool_pending", "transactions",
        "Pooled transactions that could be in the next block";
    evm_txpool_queued: Gauge = "ande_evm_txpool_queued", "transactions",
        "Pooled transactions that wait for an earlier nonce";
    pool_bytes: Gauge = "ande_pool_bytes", "bytes",
        "Size of the pooled transactions";
    pool_refused: CounterFamily<PoolRefusalLabels> = "ande_pool_refused_total", "transactions",
        "Transactions of clients and peers that the pool refused";
    pool_dropped: CounterFamily<PoolDropLabels> = "ande_pool_dropped_total", "transactions",
        "Transactions that left the pool other than by a block";

    // Network.
    p2p_peers: Gauge = "ande_p2p_peers_count", "peers",
        "Peers with an open consensus connection";

    // Leadership in the operators' words.
    leader_is_leader: Gauge = "l2_leader_is_leader", "flag",
        "1 while this node is the proposer";
    epoch_idx: Gauge = "l2_epoch_idx", "epoch",
        "Same as ande_consensus_epoch";
    uptime_ms: Gauge = "l2_uptime_ms", "milliseconds",
        "Time since the process started";

    // Transactions taken here.
    queue_depth: Gauge = "l2_batcher_queue_depth", "transactions",
        "Pooled transactions, whether they could be in the next block or not";
    queue_capacity: Gauge = "l2_admission_queue_capacity", "transactions",
        "Most transactions that the pool holds";
    tx_submitted: Counter = "l2_tx_submitted_total", "transactions",
        "Transactions of clients taken by this node";
    tx_rejected: Counter = "l2_tx_rejected_total", "transactions",
        "Transactions of clients refused by this node";
    tx_forwarded: Counter = "l2_tx_forwarded_total", "transactions",
        "Transactions that other validators took from this node, once per validator";
    tx_forwarded_gauge: Gauge = "l2_tx_forwarded", "transactions",
        "Same as l2_tx_forwarded_total under its older name";

    // Batches.
    batches_pending: Gauge = "l2_batches_pending", "batches",
        "Batches cut here that are not on the settlement chain";
    batches_posted: Gauge = "l2_batches_posted", "batches",
        "Index of the last batch that the contract accepted";
    batches_confirmed: Gauge = "l2_batches_confirmed", "batches",
        "Index of the last batch in a final settlement block";
    post_failures: Counter = "l2_post_failures_total", "attempts",
        "Attempts of this process to post a batch that failed";
    contract_submits: Counter = "l2_contract_submit_total", "attempts",
        "Attempts of this process to hand a batch to the contract";
    contract_submit_retries: Counter = "l2_contract_submit_retries_total", "attempts",
        "Those attempts that followed a failed one";
    contract_already_known: Counter = "l2_contract_already_known_total", "attempts",
        "Attempts of this process that found the batch posted by another validator";
    contract_submit_failed: Counter = "l2_contract_submit_failed_total", "attempts",
        "Attempts of this process that the contract refused or that got into no block";
    settlement_created: Counter = "l2_settlement_created_total", "batches",
        "Batches cut by this process";
    settlement_submitted: Counter = "l2_settlement_submitted_total", "batches",
        "Batches that this process began to post";
    settlement_included: Counter = "l2_settlement_included_total", "batches",
        "Batches that the contract took while this process posted them";
    settlement_finalised: Counter = "l2_settlement_finalised_total", "batches",
        "Batches that became final while this process ran";
    settlement_failed: Counter = "l2_settlement_failed_total", "batches",
        "Refusals of a batch of this process by the contract";
    settlement_recovered: Counter = "l2_settlement_recovered_total", "batches",
        "Batches posted so in the turn of another validator, which did not post in time";
    last_reconcile: Gauge = "l2_last_reconcile_ms", "milliseconds since 1970",
        "When open settlement transactions were last compared with the chain";
    da_submissions: CounterFamily<DaLabels> = "ande_da_submissions_total", "batches",
        "Batches whose data this process began to send to the settlement chain";
    da_bytes: Counter = "ande_da_bytes_total", "bytes",
        "Size of the data of these batches";
    batcher_batches: GaugeFamily<BatchStateLabels> = "ande_batcher_batches", "batches",
        "Recent batches stored here by state";
    batcher_last_posted: Gauge = "ande_da_last_posted_timestamp_seconds", "seconds since 1970",
        "When the contract accepted the last batch";
    batcher_interval: FloatGauge = "ande_da_interval_seconds", "seconds",
        "Longest time between two batches that is in order: `batcher.interval_ms` and `batcher.takeover_ms`";

    // External execution client.
    client_up: Gauge = "ande_execution_client_up", "flag",
        "1 while the external execution client gives verdicts; 0 without one";
    client_head: Gauge = "ande_execution_client_head", "blocks",
        "Latest block of the external execution client as far as it is known";
    client_failures: Counter = "ande_execution_client_failures_total", "conversations",
        "Conversations with the external execution client that ended without what was asked for";
    client_blocks_fed: Counter = "ande_execution_client_blocks_fed_total", "blocks",
        "Stored blocks that the external execution client was given because it lacked them";
    client_blocks_taken: Counter = "ande_execution_client_blocks_taken_total", "blocks",
        "Blocks that the external execution client built and this node proposed as they were";
    client_blocks_rebuilt: Counter = "ande_execution_client_blocks_rebuilt_total", "blocks",
        "Blocks built here again out of the transactions that the external execution client chose";
    client_builds_failed: Counter = "ande_execution_client_builds_failed_total", "blocks",
        "Blocks built here because the external execution client gave none of use";

    // Settlement chain.
    l1_up: Gauge = "ande_l1_up", "flag",
        "1 while the last read of the settlement chain succeeded";
    l1_endpoints: Gauge = "ande_l1_endpoints", "endpoints",
        "Configured endpoints of the settlement chain; more than half must say the same";
    l1_endpoints_agreeing: Gauge = "ande_l1_endpoints_agreeing", "endpoints",
        "Endpoints of the settlement chain that answered the last look with the majority's chain";
    l1_latest_block: Gauge = "ande_l1_latest_block", "blocks",
        "Latest settlement block seen";
    l1_final_block: Gauge = "ande_l1_final_block", "blocks",
        "Latest final settlement block seen";
    l1_view_age: FloatGauge = "ande_l1_view_age_seconds", "seconds",
        "Age of the last successful read of the settlement chain";
    l1_signer_balance: FloatGauge = "ande_l1_signer_balance_wei", "wei",
        "Balance of the key that posts batches from this node";
    l1_validators: GaugeFamily<ValidatorStatusLabels> = "ande_l1_validators", "validators",
        "Validators registered in the contract by status";
    l1_active_stake: FloatGauge = "ande_l1_active_stake_wei", "wei",
        "Stake of the registered validators whose status is active";
    l1_frozen_epoch: Gauge = "ande_l1_frozen_epoch", "epoch",
        "Highest epoch whose validator set is final on the settlement chain";
    forced_waiting: Gauge = "ande_forced_waiting", "transactions",
        "Forced transactions that are final on the settlement chain and in no block";
    forced_oldest_age: FloatGauge = "ande_forced_oldest_age_seconds", "seconds",
        "Age of the oldest of them, 0 without one";
    forced_included: Counter = "ande_forced_included_total", "transactions",
        "Forced transactions in blocks committed by this process";
    forced_skipped: Counter = "ande_forced_skipped_total", "transactions",
        "Forced transactions that those blocks skipped because they cannot be executed";

    // Edge.
    rpc_requests: CounterFamily<MethodLabels> = "ande_rpc_requests_total", "calls",
        "JSON-RPC calls answered";
    rpc_errors: CounterFamily<MethodLabels> = "ande_rpc_errors_total", "calls",
        "JSON-RPC calls answered with an error";
    rpc_duration: Histogram = "ande_rpc_request_duration_seconds", "seconds",
        "Time from a JSON-RPC call to its answer";
    rpc_connections: Gauge = "ande_rpc_connections", "connections",
        "Open connections of the public listeners";
    rpc_subscriptions: GaugeFamily<TopicLabels> = "ande_rpc_subscriptions", "subscriptions",
        "Open subscriptions of WebSocket clients";
    rpc_notifications: CounterFamily<TopicLabels> = "ande_rpc_notifications_total", "messages",
        "Messages pushed to subscribed clients";
    rpc_subscriptions_ended: CounterFamily<SubscriptionEndLabels> =
        "ande_rpc_subscriptions_ended_total", "subscriptions",
        "Subscriptions that the node ended without the client's wish";
    peer_requests: CounterFamily<PeerLabels> = "ande_peer_requests_total", "requests",
        "Requests of other nodes answered";

    // Node.
    build_info: GaugeFamily<BuildLabels> = "ande_build_info", "flag",
        "Always 1; the labels say what runs";
    node_draining: Gauge = "ande_node_draining", "flag",
        "1 while the node finishes open requests before it stops";
    node_time: FloatGauge = "ande_node_time_seconds", "seconds since 1970",
        "Clock of the node when it is asked for its metrics";
    node_disk_free: Gauge = "ande_node_disk_free_bytes", "bytes",
        "Free space of the file system with the data directory";
    node_disk_size: Gauge = "ande_node_disk_size_bytes", "bytes",
        "Size of the file system with the data directory";
    node_resident_memory: Gauge = "ande_node_resident_memory_bytes", "bytes",
        "Memory of the process that is in use and not swapped out";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Names that dashboards, alerts and runbooks of earlier systems use.
    const COMPATIBILITY: [&str; 35] = [
        "ande_consensus_active_validators",
        "ande_consensus_current_proposer",
        "ande_consensus_rotation_count",
        "ande_consensus_timeout_events_total",
        "ande_consensus_block_time_seconds",
        "ande_chain_block_height",
        "ande_chain_sync_lag_blocks",
        "ande_evm_transactions_total",
        "ande_evm_txpool_pending",
        "ande_evm_txpool_queued",
        "ande_evm_gas_used_total",
        "ande_p2p_peers_count",
        "l2_leader_is_leader",
        "l2_epoch_idx",
        "l2_uptime_ms",
        "l2_tx_submitted_total",
        "l2_tx_rejected_total",
        "l2_tx_forwarded",
        "l2_batches_pending",
        "l2_batches_posted",
        "l2_batches_confirmed",
        "l2_post_failures_total",
        "l2_batcher_queue_depth",
        "l2_admission_queue_capacity",
        "l2_contract_submit_total",
        "l2_contract_submit_retries_total",
        "l2_contract_already_known_total",
        "l2_contract_submit_failed_total",
        "l2_settlement_created_total",
        "l2_settlement_submitted_total",
        "l2_settlement_included_total",
        "l2_settlement_finalised_total",
        "l2_settlement_failed_total",
        "l2_settlement_recovered_total",
        "l2_last_reconcile_ms",
    ];

    #[test]
    fn names_are_unique_and_well_formed() {
        let mut seen = BTreeSet::new();
        for metric in METRICS {
            assert!(seen.insert(metric.name), "{} appears twice", metric.name);
            assert!(
                metric.name.starts_with("ande_") || metric.name.starts_with("l2_"),
                "{} has no house prefix",
                metric.name
            );
            assert_eq!(
                metric.kind == MetricKind::Counter,
                metric.name.ends_with("_total"),
                "{}: counters and only counters end in _total",
                metric.name
            );
            assert!(!metric.help.ends_with('.') && !metric.help.contains('\n'), "{}", metric.name);
            assert!(!metric.unit.is_empty(), "{}", metric.name);
        }
    }

    #[test]
    fn compatibility_names_are_present() {
        for name in COMPATIBILITY {
            assert!(METRICS.iter().any(|metric| metric.name == name), "{name} is missing");
        }
    }
}
