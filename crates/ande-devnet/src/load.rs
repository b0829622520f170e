//! Load: signed transactions at a steady rate, spread over endpoints.
//!
//! A transaction whose endpoint does not answer is sent again to the next one, as a load balancer
//! or a careful client does. Only a hash that a node returned counts as acknowledged.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use alloy::primitives::B256;
use eyre::{Result, eyre};
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::{
    rpc::{Rpc, RpcError},
    transaction::{SignedTransaction, Wallet},
};

/// Accounts that make a load.
pub const LOAD_SENDERS: usize = 32;
const IN_FLIGHT: usize = 128;
const TICK: Duration = Duration::from_millis(20);
const PAUSE_BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// What load to make.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// Accounts that send, used in turn.
    pub wallets: Vec<Wallet>,
    /// JSON-RPC endpoints, used in turn.
    pub endpoints: Vec<String>,
    /// Transactions per second.
    pub per_second: u32,
    /// How long one request is waited for.
    pub answer_limit: Duration,
    /// How long one transaction is tried; zero for once.
    pub give_up: Duration,
}

/// A transaction that a node took.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    /// Its hash.
    pub hash: B256,
    /// When the answer came.
    pub at: Instant,
}

/// What became of the load.
#[derive(Clone, Debug, Default)]
pub struct LoadReport {
    /// Transactions that a node took, in the order of the answers.
    pub acknowledged: Vec<Acknowledged>,
    /// Transactions that a node refused, with its reason. At most the first hundred.
    pub refused: Vec<(B256, String)>,
    /// Transactions that nobody answered in time; they may be in the chain.
    pub unanswered: Vec<B256>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    sent: AtomicU64,
    acknowledged: AtomicU64,
    refused: AtomicU64,
    report: Mutex<LoadReport>,
}

impl Shared {
    fn report(&self) -> std::sync::MutexGuard<'_, LoadReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Running load.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    task: JoinHandle<Result<()>>,
}

/// Counts so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadCounts {
    /// Transactions sent.
    pub sent: u64,
    /// Transactions that a node took.
    pub acknowledged: u64,
    /// Transactions that a node refused.
    pub refused: u64,
}

impl Load {
    /// Starts the load.
    ///
    /// # Errors
    /// When the plan names no endpoint, no account or no rate.
    pub fn start(plan: LoadPlan) -> Result<Self> {
        if plan.endpoints.is_empty() || plan.wallets.is_empty() || plan.per_second == 0 {
            return Err(eyre!("load needs an endpoint, an account and a rate"));
        }
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(run(plan, Arc::clone(&shared)));
        Ok(Self { shared, task })
    }

    /// Counts so far.
    #[must_use]
    pub fn counts(&self) -> LoadCounts {
        LoadCounts {
            sent: self.shared.sent.load(Relaxed),
            acknowledged: self.shared.acknowledged.load(Relaxed),
            refused: self.shared.refused.load(Relaxed),
        }
    }

    /// Stops sending, waits for the answers that are still due and reports.
    ///
    /// # Errors
    /// When the load could not be made.
    pub async fn finish(self) -> Result<LoadReport> {
        self.shared.stop.store(true, Relaxed);
        self.task.await??;
        Ok(std::mem::take(&mut *self.shared.report()))
    }
}

async fn run(plan: LoadPlan, shared: Arc<Shared>) -> Result<()> {
    let endpoints: Arc<[Rpc]> = plan
        .endpoints
        .iter()
        .map(|url| Rpc::new(url, plan.answer_limit))
        .collect::<Result<Vec<_>>>()?
        .into();
    let mut wallets = plan.wallets;
    let senders = wallets.len();
    let slots = Arc::new(Semaphore::new(IN_FLIGHT));
    let start = Instant::now();
    let mut sent = 0u64;
    let mut ticker = tokio::time::interval(TICK);
    ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !shared.stop.load(Relaxed) {
        ticker.tick().await;
        // What could not be sent in time is left out, so a pause is not followed by a burst.
        let due = (start.elapsed().as_secs_f64() * f64::from(plan.per_second)) as u64;
        let burst = due.saturating_sub(sent).min(u64::from(plan.per_second / 10 + 1));
        sent = due;
        for _ in 0..burst {
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { break };
            let number = shared.sent.fetch_add(1, Relaxed) as usize;
            let signed = wallets[number % senders].next_transfer()?;
            let (endpoints, shared) = (Arc::clone(&endpoints), Arc::clone(&shared));
            let give_up = plan.give_up;
            tokio::spawn(async move {
                deliver(&endpoints, number, &signed, give_up, &shared).await;
                drop(slot);
            });
        }
    }
    // Every slot is free again when every answer came.
    let _ = slots.acquire_many(IN_FLIGHT as u32).await?;
    Ok(())
}

async fn deliver(
    endpoints: &[Rpc],
    number: usize,
    signed: &SignedTransaction,
    give_up: Duration,
    shared: &Shared,
) {
    let deadline = Instant::now() + give_up;
    let mut next = number;
    loop {
        match endpoints[next % endpoints.len()].send_raw(&signed.raw).await {
            Ok(hash) => {
                shared.acknowledged.fetch_add(1, Relaxed);
                shared.report().acknowledged.push(Acknowledged { hash, at: Instant::now() });
                return;
            }
            Err(RpcError::Transport(_)) if Instant::now() < deadline => {
                next += 1;
                tokio::time::sleep(PAUSE_BETWEEN_TRIES).await;
            }
            Err(RpcError::Transport(_)) => {
                shared.report().unanswered.push(signed.hash);
                return;
            }
            Err(error) => {
                shared.refused.fetch_add(1, Relaxed);
                let mut report = shared.report();
                if report.refused.len() < 100 {
                    report.refused.push((signed.hash, error.to_string()));
                }
                return;
            }
        }
    }
}
