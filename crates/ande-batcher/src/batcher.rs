//! The service.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use ande_consensus::{ConsensusSigner, DataLayer};
use ande_l1::{BlobSource, L1View, Pace, TxManager};
use ande_peer::PeerClient;
use ande_primitives::Height;
use ande_telemetry::{BatchStateLabels, Metrics};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    BatcherConfig, BatcherError, CheckpointService, Ledger,
    accepted::Accepted,
    follower::Follower,
    keeper::{Keeper, Turns},
    ledger::now_ms,
    poster::Poster,
    turn::{Pause, Waiting},
    witness::Witness,
};

/// Longest time between two looks when nothing changes.
const TICK: Duration = Duration::from_secs(1);
/// Time between two looks at the poster's balance and open transactions.
const HOUSEKEEPING: Duration = Duration::from_secs(30);
/// How long signatures of checkpoints are remembered: longer than the production profile takes
/// evidence about an epoch after its end.
const SIGNATURES_KEPT: Duration = Duration::from_secs(16 * 24 * 3_600);

/// What a batcher works with.
#[derive(Clone)]
pub struct BatcherParts {
    /// The batches of the chain.
    pub ledger: Ledger,
    /// Signs and answers for checkpoints.
    pub service: CheckpointService,
    /// The validator's guarded key.
    pub signer: Arc<dyn ConsensusSigner>,
    /// Asks the other validators.
    pub peers: PeerClient,
    /// Sends settlement transactions with the poster's key.
    pub transactions: TxManager,
    /// Reads the blobs of accepted batches.
    pub blobs: BlobSource,
    /// Told whether a batch waits to be accepted.
    pub pace: Pace,
    /// Where data is put and read that is not on the settlement chain, if this node knows such a
    /// place.
    pub layer: Option<Arc<dyn DataLayer>>,
    /// The consensus contract.
    pub consensus: Address,
    /// The coordinator.
    pub coordinator: Address,
    /// What is known of the settlement chain.
    pub view: watch::Receiver<L1View>,
    /// Metrics.
    pub metrics: Metrics,
}

impl core::fmt::Debug for BatcherParts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BatcherParts").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

/// Cuts, certifies, posts and follows batches.
///
/// Three loops: one cuts batches from the chain and keeps their rows equal to the settlement chain,
/// on every node; one posts the next batch when it is this node's turn; one does what else the
/// contract needs. They share nothing but the rows and the key, so a slow settlement transaction
/// holds up nothing but the next one.
#[derive(Debug)]
pub struct Batcher {
    config: BatcherConfig,
    parts: BatcherParts,
}

impl Batcher {
    /// A batcher, not started.
    #[must_use]
    pub const fn new(config: BatcherConfig, parts: BatcherParts) -> Self {
        Self { config, parts }
    }

    /// Runs until `shutdown`.
    ///
    /// # Errors
    /// Only what makes the local state doubtful: the store failed, or the settlement chain holds a
    /// certified batch that contradicts this node's chain. The process must exit.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), BatcherError> {
        info!(
            posting = self.config.enabled,
            interval_ms = self.config.interval.as_millis(),
            max_data_bytes = self.config.max_data_bytes,
            max_blobs = self.config.max_blobs,
            "batcher started"
        );
        let Self { config, parts } = self;
        parts.metrics.batcher_interval.set((config.interval + config.takeover).as_secs_f64());
        let followed = follow(parts.clone(), shutdown.clone());
        let kept = keep(config, parts.clone(), shutdown.clone());
        let posted = post(config, parts, shutdown);
        tokio::try_join!(followed, posted, kept).map(|_| ())
    }
}

/// Cuts batches and keeps rows and settled heads up to date.
async fn follow(parts: BatcherParts, shutdown: CancellationToken) -> Result<(), BatcherError> {
    let witness = witness(&parts);
    let BatcherParts {
        ledger,
        transactions,
        coordinator,
        blobs,
        pace,
        layer,
        mut view,
        metrics,
        ..
    } = parts;
    // What counts as accepted is not left to one endpoint.
    let client = transactions.client().by_majority();
    let accepted = Accepted { client, coordinator, blobs, layer };
    let mut follower = Follower::start(ledger.clone(), accepted, witness).await?;
    let mut heads = ledger.store().heads();
    let mut housekeeping: Option<Instant> = None;
    let mut reported = None;
    let mut finalized = None;
    loop {
        match ledger.extend().await {
            Ok(cut) => metrics.settlement_created.inc_by(cut),
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => report(&mut reported, &error, "batches cannot be cut"),
        }
        let seen = view.borrow_and_update().clone();
        let complete = match follower.follow(&seen).await {
            Ok(complete) => {
                reported = None;
                complete
            }
            Err(error) if error.is_fatal() => {
                error!(%error, "batches of the settlement chain cannot be followed");
                return Err(error);
            }
            Err(error) => {
                report(&mut reported, &error, "accepted batches cannot be followed, trying again");
                true
            }
        };
        if housekeeping.is_none_or(|at| at.elapsed() >= HOUSEKEEPING) && seen.is_up() {
            housekeeping = Some(Instant::now());
            keep_house(&transactions, &seen, &metrics).await?;
            let kept = u64::try_from(SIGNATURES_KEPT.as_millis()).unwrap_or(u64::MAX);
            ledger.store().forget_checkpoints(now_ms().saturating_sub(kept)).await?;
        }
        if let Some(pending) = show(&ledger, &seen, &metrics).await? {
            let head = heads.borrow().latest;
            pace.set_waiting(pending > 0 || needs_set(&seen, head));
        }
        if let Some(tip) = seen.final_tip {
            let before = finalized.replace(tip.index).unwrap_or(tip.index);
            metrics.settlement_finalised.inc_by(tip.index.saturating_sub(before));
        }
        if !complete && seen.tip.is_some() {
            if shutdown.is_cancelled() {
                return Ok(());
            }
            continue;
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            changed = heads.changed() => if changed.is_err() { return Ok(()) },
            changed = view.changed() => if changed.is_err() { return Ok(()) },
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Posts batches.
async fn post(
    config: BatcherConfig,
    parts: BatcherParts,
    shutdown: CancellationToken,
) -> Result<(), BatcherError> {
    if !config.enabled {
        shutdown.cancelled().await;
        return Ok(());
    }
    let mut heads = parts.ledger.store().heads();
    let mut view = parts.view.clone();
    let mut poster = Poster {
        witness: witness(&parts),
        config,
        ledger: parts.ledger,
        service: parts.service,
        signer: parts.signer,
        peers: parts.peers,
        transactions: parts.transactions,
        coordinator: parts.coordinator,
        view: parts.view,
        metrics: parts.metrics,
        waiting: Waiting::default(),
        bundles: Mutex::default(),
        layer: parts.layer,
        puts: Mutex::default(),
        pause: Pause::default(),
    };
    let tick = tick(&config);
    let work = async {
        loop {
            if poster.step().await? {
                continue;
            }
            tokio::select! {
                changed = heads.changed() => if changed.is_err() { return Ok(()) },
                changed = view.changed() => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep(tick) => {}
            }
        }
    };
    until_shutdown(&shutdown, work).await
}

/// Does what the contract leaves to its users.
async fn keep(
    config: BatcherConfig,
    parts: BatcherParts,
    shutdown: CancellationToken,
) -> Result<(), BatcherError> {
    if !config.enabled {
        shutdown.cancelled().await;
        return Ok(());
    }
    let mut keeper = Keeper {
        store: parts.ledger.store().clone(),
        own: parts.signer.address(),
        transactions: parts.transactions,
        consensus: parts.consensus,
        view: parts.view,
        metrics: parts.metrics,
        takeover: config.takeover,
        turns: Turns::default(),
        pause: Pause::default(),
    };
    let tick = tick(&config);
    let work = async {
        loop {
            if !keeper.step().await? {
                tokio::time::sleep(tick).await;
            }
        }
    };
    until_shutdown(&shutdown, work).await
}

fn witness(parts: &BatcherParts) -> Witness {
    Witness {
        store: parts.ledger.store().clone(),
        domain: parts.signer.domain().clone(),
        metrics: parts.metrics.clone(),
    }
}

/// Works until it ends by itself or the node does.
async fn until_shutdown(
    shutdown: &CancellationToken,
    work: impl Future<Output = Result<(), BatcherError>>,
) -> Result<(), BatcherError> {
    shutdown.run_until_cancelled(work).await.unwrap_or(Ok(()))
}

/// Shorter than the takeover time, which is measured with it.
fn tick(config: &BatcherConfig) -> Duration {
    TICK.min(config.takeover.max(Duration::from_millis(50)) / 2)
}

async fn keep_house(
    transactions: &TxManager,
    view: &L1View,
    metrics: &Metrics,
) -> Result<(), BatcherError> {
    match transactions.reconcile(view.final_block).await {
        Ok(()) => metrics.last_reconcile.set(now_ms()),
        Err(ande_l1::TxError::Journal(error)) => return Err(error.into()),
        Err(error) => warn!(%error, "open settlement transactions cannot be looked at"),
    }
    match transactions.client().balance(transactions.address()).await {
        Ok(balance) => metrics.l1_signer_balance.set(f64::from(balance)),
        Err(error) => warn!(%error, "balance of the posting key cannot be read"),
    }
    Ok(())
}

/// Whether the chain is in the last epoch whose set is known, and so soon waits for the next one.
fn needs_set(view: &L1View, head: Height) -> bool {
    let known = view.config.zip(view.last_frozen_epoch);
    known.is_none_or(|(config, last)| config.rules.epoch_of(head.next()) >= last)
}

/// Shows how far batches are; returns how many are not accepted yet, if that is known.
async fn show(
    ledger: &Ledger,
    view: &L1View,
    metrics: &Metrics,
) -> Result<Option<u64>, BatcherError> {
    let Some(tip) = view.tip else { return Ok(None) };
    let cut = ledger.tip().await?.index;
    let finalized = view.final_tip.map_or(0, |tip| tip.index);
    let pending = cut.saturating_sub(tip.index);
    let next = ledger.store().batch(tip.index + 1).await?.map(|row| row.state);
    let submitted = u64::from(next == Some(ande_store::BatchState::Submitted));
    let failed = u64::from(next == Some(ande_store::BatchState::Failed));
    metrics.batches_pending.set(pending);
    metrics.batches_posted.set(tip.index);
    metrics.batches_confirmed.set(finalized);
    metrics.batcher_last_posted.set(tip.accepted_at);
    for (state, count) in [
        ("created", pending.saturating_sub(submitted + failed)),
        ("submitted", submitted),
        ("failed", failed),
        ("included", tip.index.saturating_sub(finalized)),
        ("finalized", finalized),
    ] {
        metrics.batcher_batches.set(&BatchStateLabels { state }, count);
    }
    Ok(Some(pending))
}

/// Logs an error once until another one or none occurs.
fn report(reported: &mut Option<String>, error: &BatcherError, what: &'static str) {
    let text = error.to_string();
    if reported.as_ref() != Some(&text) {
        warn!(error = %text, "{what}");
        *reported = Some(text);
    }
}
