//! Moves the gauges that mirror state: engine view, heads, settlement view, pool.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ande_consensus::{EnginePhase, Heads, TransactionIngress, View};
use ande_execution::{ClientHealth, ClientStatus};
use ande_l1::{EndpointStatus, ForcedBacklog, L1View, Standing, ValidatorStatus};
use ande_peer::PeerClient;
use ande_primitives::Epoch;
use ande_store::Store;
use ande_telemetry::{Metrics, ValidatorStatusLabels};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const INTERVAL: Duration = Duration::from_millis(500);

/// Life of a validator as the labels name it.
const STATUSES: [(ValidatorStatus, &str); 5] = [
    (ValidatorStatus::Active, "active"),
    (ValidatorStatus::Jailed, "jailed"),
    (ValidatorStatus::Exiting, "exiting"),
    (ValidatorStatus::Tombstoned, "tombstoned"),
    (ValidatorStatus::Exited, "exited"),
];

/// What is observed.
pub(crate) struct Observed {
    pub(crate) metrics: Metrics,
    pub(crate) store: Store,
    pub(crate) view: watch::Receiver<View>,
    pub(crate) heads: watch::Receiver<Heads>,
    pub(crate) l1: watch::Receiver<L1View>,
    pub(crate) ingress: Arc<dyn TransactionIngress>,
    pub(crate) client: Option<watch::Receiver<ClientStatus>>,
    pub(crate) peer_client: Arc<PeerClient>,
    /// Most transactions of the pool.
    pub(crate) pool_capacity: usize,
    pub(crate) data_dir: PathBuf,
}

/// Runs until `shutdown`.
pub(crate) async fn observe(observed: Observed, shutdown: CancellationToken) {
    let started = Instant::now();
    let mut timeouts = 0;
    loop {
        observed.once(started, &mut timeouts).await;
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

impl Observed {
    async fn once(&self, started: Instant, timeouts: &mut u64) {
        let metrics = &self.metrics;
        let view = self.view.borrow().clone();
        let heads = *self.heads.borrow();
        self.engine(&view, timeouts);
        self.committee(view.epoch, &view, heads).await;

        for (label, height) in
            [("latest", heads.latest), ("safe", heads.safe), ("finalized", heads.finalized)]
        {
            metrics.chain_head.set(&ande_telemetry::HeadLabels::new(label), height.0);
        }
        metrics.chain_block_height.set(heads.latest.0);

        let pool = self.ingress.status();
        metrics.evm_txpool_pending.set(pool.pending as u64);
        metrics.evm_txpool_queued.set(pool.queued as u64);
        metrics.pool_bytes.set(pool.bytes as u64);
        metrics.queue_depth.set((pool.pending + pool.queued) as u64);
        metrics.queue_capacity.set(self.pool_capacity as u64);
        let forwarded = self.peer_client.transactions_sent();
        metrics.tx_forwarded.raise_to(forwarded);
        metrics.tx_forwarded_gauge.set(forwarded);

        self.settlement();
        self.forced_queue().await;
        self.execution_client();
        self.machine();
        metrics.uptime_ms.set(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
    }

    fn engine(&self, view: &View, timeouts: &mut u64) {
        let metrics = &self.metrics;
        metrics.consensus_is_proposer.set_flag(view.is_proposer);
        metrics.leader_is_leader.set_flag(view.is_proposer);
        metrics.consensus_is_validator.set_flag(view.is_validator);
        metrics.consensus_epoch.set(view.epoch.0);
        metrics.epoch_idx.set(view.epoch.0);
        metrics.consensus_round.set(u64::from(view.round.0));
        metrics.consensus_halted.set_flag(matches!(view.phase, EnginePhase::Halted(_)));
        metrics.consensus_waiting_for_set.set_flag(view.phase == EnginePhase::WaitingForSet);
        metrics.p2p_peers.set(view.peers.len() as u64);
        metrics.consensus_timeout_events.inc_by(view.timeouts.saturating_sub(*timeouts));
        *timeouts = view.timeouts;
    }

    async fn committee(&self, epoch: Epoch, view: &View, heads: Heads) {
        let Ok(Some(set)) = self.store.set(epoch).await else { return };
        let metrics = &self.metrics;
        metrics.consensus_active_validators.set(set.committee.size() as u64);
        metrics.consensus_fault_tolerance.set(set.committee.fault_tolerance(set.quorum) as u64);
        let proposer = view.proposer.and_then(|signer| set.committee.get(signer));
        metrics.consensus_current_proposer.set(proposer.map_or(0, |member| u64::from(member.id)));
        metrics.consensus_rotation_count.set(set.rules.window_of(heads.latest).0);
    }

    fn execution_client(&self) {
        let Some(client) = &self.client else { return };
        let (metrics, client) = (&self.metrics, client.borrow());
        metrics.client_up.set_flag(client.health == ClientHealth::Up);
        metrics.client_head.set(client.head);
        metrics.client_failures.raise_to(client.failures);
        metrics.client_blocks_fed.raise_to(client.fed);
    }

    fn settlement(&self) {
        let metrics = &self.metrics;
        let l1 = self.l1.borrow();
        metrics.l1_up.set_flag(l1.error.is_none() && l1.last_ok.is_some());
        let agrees = |endpoint: &&EndpointStatus| endpoint.standing == Standing::Agrees;
        metrics.l1_endpoints.set(l1.endpoints.len() as u64);
        metrics.l1_endpoints_agreeing.set(l1.endpoints.iter().filter(agrees).count() as u64);
        metrics.l1_latest_block.set(l1.latest);
        metrics.l1_final_block.set(l1.final_block);
        if let Some(last) = l1.last_ok {
            metrics.l1_view_age.set(last.elapsed().as_secs_f64());
        }
        metrics.l1_frozen_epoch.set(l1.last_frozen_epoch.map_or(0, |epoch| epoch.0));
        let mut stake = 0.0;
        for (status, name) in STATUSES {
            let with = l1.validators.iter().filter(|validator| validator.status == status);
            if status == ValidatorStatus::Active {
                stake = with.clone().map(|validator| f64::from(validator.stake)).sum();
            }
            metrics.l1_validators.set(&ValidatorStatusLabels::new(name), with.count() as u64);
        }
        metrics.l1_active_stake.set(stake);
    }

    async fn forced_queue(&self) {
        let tail = self.l1.borrow().forced.tail;
        let Ok(backlog) = ForcedBacklog::read(tail, &self.store).await else { return };
        self.metrics.forced_waiting.set(backlog.waiting);
        self.metrics.forced_oldest_age.set(backlog.oldest.map_or(0.0, |oldest| {
            let queued = UNIX_EPOCH + Duration::from_secs(oldest);
            SystemTime::now().duration_since(queued).unwrap_or_default().as_secs_f64()
        }));
    }

    fn machine(&self) {
        let metrics = &self.metrics;
        if let Ok(disk) = rustix::fs::statvfs(&self.data_dir) {
            metrics.node_disk_free.set(disk.f_bavail.saturating_mul(disk.f_frsize));
            metrics.node_disk_size.set(disk.f_blocks.saturating_mul(disk.f_frsize));
        }
        if let Some(kib) = resident_kib() {
            metrics.node_resident_memory.set(kib.saturating_mul(1024));
        }
    }
}

/// Linux only.
fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}
