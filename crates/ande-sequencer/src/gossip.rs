//! Pushes transactions to all other validators in small batches, one worker per peer.

use std::{collections::HashMap, sync::Arc, time::Duration};

use alloy_primitives::Bytes;
use ande_peer::{PeerClient, PeerTarget};
use ande_primitives::NodeId;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Transactions that may wait for one peer; more are left to the periodic second sending.
const QUEUE: usize = 20_000;
/// Most transactions in one request.
const BATCH: usize = 512;
/// Bytes after which a request is sent.
const BATCH_BYTES: usize = 64 << 10;
/// Requests to one peer at the same time, so that its disk does not set the pace.
const IN_FLIGHT: usize = 4;
/// Time that a batch collects.
const GATHER: Duration = Duration::from_millis(5);
/// Pause after a failed request.
const RETRY: Duration = Duration::from_millis(200);
/// Requests for one batch before it is given up.
const ATTEMPTS: u32 = 3;

/// Handle to push transactions.
#[derive(Clone, Debug)]
pub struct Gossip {
    queue: mpsc::Sender<Bytes>,
}

impl Gossip {
    /// Starts the workers; they follow the peer list and end with `shutdown`.
    #[must_use]
    pub fn spawn(
        client: Arc<PeerClient>,
        peers: watch::Receiver<Vec<PeerTarget>>,
        shutdown: CancellationToken,
    ) -> Self {
        let (queue, incoming) = mpsc::channel(QUEUE);
        tokio::spawn(dispatch(client, peers, incoming, shutdown));
        Self { queue }
    }

    /// Queues a transaction for all peers. Drops it when the queue is full: it stays in the pool
    /// and is sent again later.
    pub fn push(&self, raw: Bytes) {
        if self.queue.try_send(raw).is_err() {
            debug!("the gossip queue is full");
        }
    }
}

struct Worker {
    target: PeerTarget,
    queue: mpsc::Sender<Bytes>,
    stop: CancellationToken,
}

async fn dispatch(
    client: Arc<PeerClient>,
    mut peers: watch::Receiver<Vec<PeerTarget>>,
    mut incoming: mpsc::Receiver<Bytes>,
    shutdown: CancellationToken,
) {
    let mut workers: HashMap<NodeId, Worker> = HashMap::new();
    loop {
        let targets = peers.borrow_and_update().clone();
        workers.retain(|_, worker| {
            let kept = targets.contains(&worker.target);
            if !kept {
                worker.stop.cancel();
            }
            kept
        });
        for target in targets {
            workers.entry(target.node_id).or_insert_with(|| start_worker(client.clone(), target));
        }
        loop {
            tokio::select! {
                () = shutdown.cancelled() => {
                    // Dropping the queues lets every worker send what it still has.
                    while let Ok(raw) = incoming.try_recv() {
                        offer(&workers, &raw);
                    }
                    return;
                }
                changed = peers.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    break;
                }
                raw = incoming.recv() => {
                    let Some(raw) = raw else { return };
                    offer(&workers, &raw);
                }
            }
        }
    }
}

/// Queues a transaction for every peer; a full queue loses it to the periodic second sending.
fn offer(workers: &HashMap<NodeId, Worker>, raw: &Bytes) {
    for worker in workers.values() {
        let _ = worker.queue.try_send(raw.clone());
    }
}

fn start_worker(client: Arc<PeerClient>, target: PeerTarget) -> Worker {
    let (queue, incoming) = mpsc::channel(QUEUE);
    let stop = CancellationToken::new();
    tokio::spawn(send_all(client, target.clone(), incoming, stop.clone()));
    Worker { target, queue, stop }
}

async fn send_all(
    client: Arc<PeerClient>,
    target: PeerTarget,
    mut incoming: mpsc::Receiver<Bytes>,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(IN_FLIGHT));
    loop {
        // First a free slot: while there is none, the next batch grows.
        let next = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, gather(&mut incoming).await)
        };
        let (slot, batch) = tokio::select! {
            () = stop.cancelled() => return,
            next = next => next,
        };
        if batch.is_empty() {
            return;
        }
        let (client, target, stop) = (client.clone(), target.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = send(&client, &target, &batch) => {}
            }
            drop(slot);
        });
    }
}

async fn send(client: &PeerClient, target: &PeerTarget, batch: &[Bytes]) {
    for attempt in 1..=ATTEMPTS {
        match client.send_transactions(target, batch).await {
            Ok(()) => return,
            Err(error) => debug!(peer = %target.node_id, attempt, %error, "gossip failed"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// The next batch; empty when the queue is closed.
async fn gather(incoming: &mut mpsc::Receiver<Bytes>) -> Vec<Bytes> {
    let Some(first) = incoming.recv().await else { return Vec::new() };
    let mut bytes = first.len();
    let mut batch = vec![first];
    let deadline = tokio::time::Instant::now() + GATHER;
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        match tokio::time::timeout_at(deadline, incoming.recv()).await {
            Ok(Some(raw)) => {
                bytes += raw.len();
                batch.push(raw);
            }
            Ok(None) | Err(_) => break,
        }
    }
    batch
}
