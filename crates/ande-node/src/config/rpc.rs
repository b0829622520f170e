//! `[rpc]`: listeners of clients, what they serve, and its limits.

use std::collections::BTreeSet;

use ande_rpc::{Namespace, RpcLimits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{checked::Checker, pool::whole_millis};

/// One answer may take this share of the machine's memory: one part of so many.
const MESSAGE_SHARE: u64 = 16;

/// `[rpc]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawRpc {
    /// HTTP listener.
    pub listen: String,
    /// WebSocket listener.
    pub ws_listen: String,
    /// Namespaces that anybody may use: `eth`, `net`, `web3`, `ande`, `txpool`, `debug`. The ops
    /// listener serves all.
    pub namespaces: Vec<String>,
    /// Whether clients may watch transactions come in (`newPendingTransactions`).
    pub pending_transactions: bool,
    /// Open connections of both listeners together; more are closed at once.
    pub connections: usize,
    /// Largest request body, bytes.
    pub body_bytes: u32,
    /// Largest answer of a call or a batch, bytes.
    pub answer_bytes: u32,
    /// Most calls in one batch.
    pub batch_calls: u32,
    /// Calls of one batch that are worked on at the same time.
    pub batch_concurrency: usize,
    /// Calls of all clients that are worked on at the same time.
    pub calls_at_once: usize,
    /// Calls of all clients that wait or are worked on; more are refused with code -32005, whole
    /// HTTP requests with status 429.
    pub calls_waiting: usize,
    /// Calls of one WebSocket client that wait or are worked on; more are refused with code -32005.
    pub calls_per_socket: usize,
    /// Time for one call, milliseconds.
    pub call_timeout_ms: u64,
    /// Time for one HTTP request, a whole batch included, milliseconds.
    pub request_timeout_ms: u64,
    /// Time for the head of a request to arrive, milliseconds.
    pub head_timeout_ms: u64,
    /// Time for open requests to finish when the node stops, milliseconds.
    pub grace_ms: u64,
    /// Blocks that a ready node may be behind.
    pub ready_lag: u64,
    /// Age of the settlement view above which `/readyz` warns, milliseconds.
    pub l1_stale_after_ms: u64,
    /// Small reads of the state that run at the same time.
    pub state_reads: usize,
    /// Calls, estimates, traces and log searches that run at the same time, each of which may keep
    /// a core busy; one per core, at least 2, when not set.
    pub heavy_reads: usize,
    /// Most gas of a call or an estimate.
    pub call_gas: u64,
    /// Most blocks that one log search looks at.
    pub log_blocks: u64,
    /// Most logs of one answer.
    pub logs: usize,
    /// Most filters of all clients; large ones count more than once.
    pub filters: usize,
    /// A filter that nobody asks for this long is removed, milliseconds.
    pub filter_lifetime_ms: u64,
    /// Subscriptions of one connection.
    pub subscriptions: u32,
    /// Messages that wait for one WebSocket client.
    pub socket_queue: u32,
    /// A subscription ends when its client takes no message for this long, milliseconds.
    pub slow_client_ms: u64,
    /// Time that `eth_sendRawTransactionSync` waits when the client does not say, milliseconds.
    pub sync_wait_ms: u64,
    /// Longest such wait, milliseconds; below `call_timeout_ms`.
    pub max_sync_wait_ms: u64,
    /// Clients that wait like this at the same time.
    pub sync_waits: usize,
    /// Tip per gas that is suggested while no transaction shows another, wei.
    pub default_tip: u64,
}

impl Default for RawRpc {
    fn default() -> Self {
        let limits = RpcLimits::default();
        Self {
            listen: "127.0.0.1:8545".into(),
            ws_listen: "127.0.0.1:8546".into(),
            namespaces: ["eth", "net", "web3", "ande", "txpool"].map(Into::into).to_vec(),
            pending_transactions: false,
            connections: limits.connections,
            body_bytes: limits.body_bytes,
            answer_bytes: limits.answer_bytes,
            batch_calls: limits.batch_calls,
            batch_concurrency: limits.batch_concurrency,
            calls_at_once: limits.calls_at_once,
            calls_waiting: limits.calls_waiting,
            calls_per_socket: limits.calls_per_socket,
            call_timeout_ms: whole_millis(limits.call_timeout),
            request_timeout_ms: whole_millis(limits.request_timeout),
            head_timeout_ms: whole_millis(limits.head_timeout),
            grace_ms: whole_millis(limits.grace),
            ready_lag: limits.ready_lag,
            l1_stale_after_ms: whole_millis(limits.l1_stale_after),
            state_reads: limits.state_reads,
            heavy_reads: limits.heavy_reads,
            call_gas: limits.call_gas,
            log_blocks: limits.log_blocks,
            logs: limits.logs,
            filters: limits.filters,
            filter_lifetime_ms: whole_millis(limits.filter_lifetime),
            subscriptions: limits.subscriptions,
            socket_queue: limits.socket_queue,
            slow_client_ms: whole_millis(limits.slow_client),
            sync_wait_ms: whole_millis(limits.sync_wait),
            max_sync_wait_ms: whole_millis(limits.max_sync_wait),
            sync_waits: limits.sync_waits,
            default_tip: limits.default_tip,
        }
    }
}

impl Checker {
    pub(super) fn namespaces(&mut self, names: &[String]) -> BTreeSet<Namespace> {
        let mut namespaces = BTreeSet::new();
        for name in names {
            match name.parse() {
                Ok(Namespace::Admin) => {
                    self.problem("rpc.namespaces: admin is served by the ops listener only".into());
                }
                Ok(namespace) => {
                    namespaces.insert(namespace);
                }
                Err(error) => self.problem(format!("rpc.namespaces: {error}")),
            }
        }
        namespaces
    }

    /// The limits of the surface.
    pub(super) fn rpc_limits(&mut self, raw: &RawRpc) -> RpcLimits {
        self.rpc_contradictions(raw);
        self.within("rpc.body_bytes", raw.body_bytes.into(), 1 << 10, 1 << 30);
        self.within("rpc.answer_bytes", raw.answer_bytes.into(), 1 << 10, 1 << 30);
        self.within("rpc.batch_calls", raw.batch_calls.into(), 1, 100_000);
        self.within("rpc.ready_lag", raw.ready_lag, 1, 1_000_000);
        self.within("rpc.call_gas", raw.call_gas, 21_000, 100_000_000_000);
        self.within("rpc.log_blocks", raw.log_blocks, 1, 100_000_000);
        self.within("rpc.subscriptions", raw.subscriptions.into(), 0, 100_000);
        self.within("rpc.socket_queue", raw.socket_queue.into(), 1, 1_000_000);
        let waits = 1..=86_400_000;
        let wait = |key, value| (key, value, *waits.start(), *waits.end());
        let mut millis = |(key, value, min, max)| self.millis(key, value, min, max);
        let (call_timeout, request_timeout, head_timeout) = (
            millis(("rpc.call_timeout_ms", raw.call_timeout_ms, 100, 600_000)),
            millis(("rpc.request_timeout_ms", raw.request_timeout_ms, 100, 3_600_000)),
            millis(("rpc.head_timeout_ms", raw.head_timeout_ms, 100, 600_000)),
        );
        // Shorter than what the whole node takes to stop.
        let grace = millis(("rpc.grace_ms", raw.grace_ms, 0, 10_000));
        let l1_stale_after = millis(wait("rpc.l1_stale_after_ms", raw.l1_stale_after_ms));
        let filter_lifetime =
            millis(("rpc.filter_lifetime_ms", raw.filter_lifetime_ms, 1_000, 86_400_000));
        let slow_client = millis(("rpc.slow_client_ms", raw.slow_client_ms, 100, 600_000));
        let sync_wait = millis(wait("rpc.sync_wait_ms", raw.sync_wait_ms));
        let max_sync_wait = millis(wait("rpc.max_sync_wait_ms", raw.max_sync_wait_ms));
        RpcLimits {
            connections: self.count("rpc.connections", raw.connections, 1, 1_000_000),
            body_bytes: raw.body_bytes,
            answer_bytes: raw.answer_bytes,
            batch_calls: raw.batch_calls,
            batch_concurrency: self.count(
                "rpc.batch_concurrency",
                raw.batch_concurrency,
                1,
                100_000,
            ),
            calls_at_once: self.count("rpc.calls_at_once", raw.calls_at_once, 1, 1_000_000),
            calls_waiting: self.count("rpc.calls_waiting", raw.calls_waiting, 1, 1_000_000),
            calls_per_socket: self.count(
                "rpc.calls_per_socket",
                raw.calls_per_socket,
                1,
                1_000_000,
            ),
            call_timeout,
            request_timeout,
            head_timeout,
            grace,
            ready_lag: raw.ready_lag,
            l1_stale_after,
            state_reads: self.count("rpc.state_reads", raw.state_reads, 1, 10_000),
            heavy_reads: self.count("rpc.heavy_reads", raw.heavy_reads, 1, 10_000),
            call_gas: raw.call_gas,
            log_blocks: raw.log_blocks,
            logs: self.count("rpc.logs", raw.logs, 1, 10_000_000),
            filters: self.count("rpc.filters", raw.filters, 0, 10_000_000),
            filter_lifetime,
            subscriptions: raw.subscriptions,
            socket_queue: raw.socket_queue,
            slow_client,
            sync_wait,
            max_sync_wait,
            sync_waits: self.count("rpc.sync_waits", raw.sync_waits, 0, 1_000_000),
            default_tip: raw.default_tip,
        }
    }

    /// Limits that contradict each other or the machine.
    fn rpc_contradictions(&mut self, raw: &RawRpc) {
        self.memory("rpc.body_bytes", raw.body_bytes.into(), MESSAGE_SHARE);
        self.memory("rpc.answer_bytes", raw.answer_bytes.into(), MESSAGE_SHARE);
        self.not_above(
            ("rpc.calls_at_once", raw.calls_at_once as u64),
            ("rpc.calls_waiting", raw.calls_waiting as u64),
            "calls that are worked on count among those that wait",
        );
        self.not_above(
            ("rpc.calls_per_socket", raw.calls_per_socket as u64),
            ("rpc.calls_waiting", raw.calls_waiting as u64),
            "one client would be allowed more than everybody together",
        );
        self.not_above(
            ("rpc.batch_concurrency", raw.batch_concurrency as u64),
            ("rpc.calls_at_once", raw.calls_at_once as u64),
            "one batch would be allowed more than everybody together",
        );
        self.not_above(
            ("rpc.batch_concurrency", raw.batch_concurrency as u64),
            ("rpc.calls_per_socket", raw.calls_per_socket as u64),
            "a batch would be refused in part",
        );
        self.not_above(
            ("rpc.call_timeout_ms", raw.call_timeout_ms),
            ("rpc.request_timeout_ms", raw.request_timeout_ms),
            "the request would end before its call",
        );
        self.not_above(
            ("rpc.sync_wait_ms", raw.sync_wait_ms),
            ("rpc.max_sync_wait_ms", raw.max_sync_wait_ms),
            "the wait of those who say nothing would be longer than the longest",
        );
        if raw.max_sync_wait_ms >= raw.call_timeout_ms {
            self.problem(format!(
                "rpc.max_sync_wait_ms = {} must be below rpc.call_timeout_ms = {}: the call would \
                 end before its wait and lose the answer with the hash",
                raw.max_sync_wait_ms, raw.call_timeout_ms
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn checked(text: &str, memory: Option<u64>) -> (RpcLimits, Vec<String>) {
        let mut checker = Checker::new(memory);
        let limits = checker.rpc_limits(&toml::from_str(text).unwrap());
        (limits, checker.into_problems())
    }

    #[test]
    fn nothing_said_means_the_surfaces_own_limits() {
        assert_eq!(checked("", Some(8 << 30)), (RpcLimits::default(), Vec::new()));
    }

    #[test]
    fn every_limit_has_its_key() {
        let text = "connections = 10\nbody_bytes = 2000\nanswer_bytes = 3000\nbatch_calls = 4\n\
                    batch_concurrency = 5\ncalls_at_once = 6\ncalls_waiting = 8\ncalls_per_socket = 7\n\
                    call_timeout_ms = 800\nrequest_timeout_ms = 900\nhead_timeout_ms = 1000\n\
                    grace_ms = 11\nready_lag = 12\nl1_stale_after_ms = 13\nstate_reads = 14\n\
                    heavy_reads = 15\ncall_gas = 160000\nlog_blocks = 17\nlogs = 18\n\
                    filters = 19\nfilter_lifetime_ms = 20000\nsubscriptions = 21\n\
                    socket_queue = 22\nslow_client_ms = 230\nsync_wait_ms = 24\n\
                    max_sync_wait_ms = 25\nsync_waits = 26\ndefault_tip = 27";
        let millis = Duration::from_millis;
        let expected = RpcLimits {
            connections: 10,
            body_bytes: 2000,
            answer_bytes: 3000,
            batch_calls: 4,
            batch_concurrency: 5,
            calls_at_once: 6,
            calls_waiting: 8,
            calls_per_socket: 7,
            call_timeout: millis(800),
            request_timeout: millis(900),
            head_timeout: millis(1000),
            grace: millis(11),
            ready_lag: 12,
            l1_stale_after: millis(13),
            state_reads: 14,
            heavy_reads: 15,
            call_gas: 160_000,
            log_blocks: 17,
            logs: 18,
            filters: 19,
            filter_lifetime: millis(20_000),
            subscriptions: 21,
            socket_queue: 22,
            slow_client: millis(230),
            sync_wait: millis(24),
            max_sync_wait: millis(25),
            sync_waits: 26,
            default_tip: 27,
        };
        assert_eq!(checked(text, None), (expected, Vec::new()));
    }

    #[test]
    fn senseless_limits_are_refused_with_advice() {
        for (text, words) in [
            ("connections = 0", "rpc.connections = 0 is outside 1 to"),
            ("body_bytes = 0", "rpc.body_bytes = 0 is outside 1024 to"),
            ("answer_bytes = 0", "rpc.answer_bytes = 0 is outside 1024 to"),
            ("batch_calls = 0", "rpc.batch_calls = 0 is outside 1 to"),
            ("batch_concurrency = 2000", "lower rpc.batch_concurrency or raise rpc.calls_at_once"),
            ("calls_waiting = 10", "lower rpc.calls_at_once or raise rpc.calls_waiting"),
            ("call_timeout_ms = 0", "rpc.call_timeout_ms = 0 is outside 100 to"),
            ("request_timeout_ms = 1000", "the request would end before its call"),
            ("grace_ms = 20000", "rpc.grace_ms = 20000 is outside 0 to 10000"),
            ("sync_wait_ms = 14500", "longer than the longest"),
            ("max_sync_wait_ms = 15000", "lose the answer with the hash"),
            ("heavy_reads = 0", "rpc.heavy_reads = 0 is outside 1 to"),
            ("call_gas = 0", "rpc.call_gas = 0 is outside 21000 to"),
            ("socket_queue = 0", "rpc.socket_queue = 0 is outside 1 to"),
            ("logs = 0", "rpc.logs = 0 is outside 1 to"),
        ] {
            let found = checked(text, None).1;
            assert!(found.iter().any(|problem| problem.contains(words)), "{text}: {found:?}");
        }
        let small = checked("", Some(256 << 20)).1;
        assert!(small.iter().any(|problem| problem.contains("rpc.answer_bytes")), "{small:?}");
    }
}
