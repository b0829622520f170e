//! Overload: how long an honest client waits for its block while others send far more than fits.
//!
//! All pay the same tip, so nobody buys a better place.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ande_devnet::SignedTransaction;
use eyre::{ContextCompat as _, Result, WrapErr as _, bail, ensure};
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    drive::{Drive, WATCH_EVERY, Watcher, drive, percentile, write_request},
    http::Connection,
    process::{Usage, load_average},
    signed::{Sender, Work, sign_all},
    target::{CHAIN_ID, Target},
};

/// Offered load as a multiple of what the chain includes.
const FACTOR: f64 = 10.0;
/// Transactions from which the rate of the chain is taken.
const CAPACITY_SAMPLE: usize = 3_000;
/// Accounts of the flood from many.
const MANY: usize = 1_000;
/// Transactions of the flood; from the last one on it starts again with the first.
const FLOOD: usize = 60_000;
/// Transactions of the honest client in each phase.
const HONEST: usize = 30;
/// Pause of the honest client after a refusal.
const RETRY: Duration = Duration::from_millis(50);
/// Longest wait of the honest client for one block.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures the honest client alone, beside one sender that floods, and beside many.
///
/// # Errors
/// When nobody answers, or the honest client never gets into a block.
pub(crate) async fn overload(
    target: &Target,
    plan: &Drive,
    say: &dyn Fn(&str),
) -> Result<Overload> {
    let before = load_average()?;
    let Drive { endpoints, connections, pids, .. } = plan;
    let mut honest = Honest::new(target, *endpoints.last().unwrap_or(&endpoints[0])).await?;
    let mut many = target.senders(MANY).await?;

    say("the honest client alone");
    let idle = honest.run().await?;
    let mut rows = vec![OverloadRow::idle(&idle, Usage::of_all(pids)?.memory)];

    say("what the chain includes");
    let sample = sign_all(&mut many, CHAIN_ID, Work::Transfer, CAPACITY_SAMPLE, 7)?;
    let capacity = drive(plan, Arc::new(sample)).await?.per_second();

    for (name, count) in [("one sender", 1), ("many senders", MANY)] {
        let rate = (capacity * FACTOR).ceil();
        say(&format!("{name}: {rate:.0} tx/s offered, {capacity:.0} fit"));
        let mut senders = target.senders(count).await?;
        let flood = sign_all(&mut senders, CHAIN_ID, Work::Transfer, FLOOD, 99)?;
        let flood = Flood::start(endpoints, *connections, rate, flood);
        let watch = PeakMemory::start(pids.clone());
        let waited = honest.run().await;
        let memory = watch.stop().await?;
        let told = flood.stop().await?;
        rows.push(OverloadRow::new(name, &idle, &waited?, &told, capacity, memory));
    }
    Ok(Overload { load_average: (before, load_average()?), rows })
}

/// Room of a block so that ten times of it can be offered by the same machine.
pub(crate) const LIMITS: [(&str, &str); 2] =
    [("ANDE_BATCHER__MAX_BLOBS", "0"), ("ANDE_BATCHER__MAX_DATA_BYTES", "100000")];

/// What an honest client saw in one phase of the overload.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OverloadRow {
    /// Who else sends.
    pub(crate) phase: String,
    /// Median time of the honest client from its first attempt to the certified block,
    /// milliseconds.
    pub(crate) p50_ms: u128,
    /// 99th percentile of it.
    pub(crate) p99_ms: u128,
    /// The median against that of the honest client alone.
    pub(crate) p50_ratio: f64,
    /// The 99th percentile against that of the honest client alone.
    pub(crate) p99_ratio: f64,
    /// Attempts of the honest client that were refused.
    pub(crate) honest_refused: usize,
    /// Transactions of the others per second.
    pub(crate) offered_per_second: f64,
    /// These as a multiple of what the chain included before.
    pub(crate) overload: f64,
    /// Transactions of the others that were taken or known already.
    pub(crate) taken: usize,
    /// Refusals of the others by their text.
    pub(crate) refused: BTreeMap<String, usize>,
    /// Highest memory of all processes together, MiB.
    pub(crate) memory_mib: u64,
}

impl OverloadRow {
    /// The honest client alone.
    #[must_use]
    fn idle(idle: &Waited, memory: u64) -> Self {
        Self::new("nobody else", idle, idle, &Told::default(), 1.0, memory)
    }

    /// The honest client beside a flood.
    #[must_use]
    fn new(
        phase: &str,
        idle: &Waited,
        waited: &Waited,
        told: &Told,
        capacity: f64,
        memory: u64,
    ) -> Self {
        let ratio = |share| {
            let alone = idle.latency(share).as_secs_f64().max(f64::EPSILON);
            waited.latency(share).as_secs_f64() / alone
        };
        let offered = told.answered as f64 / told.elapsed.as_secs_f64().max(f64::EPSILON);
        Self {
            phase: phase.into(),
            p50_ms: waited.latency(0.5).as_millis(),
            p99_ms: waited.latency(0.99).as_millis(),
            p50_ratio: ratio(0.5),
            p99_ratio: ratio(0.99),
            honest_refused: waited.refused,
            offered_per_second: offered,
            overload: offered / capacity,
            taken: told.taken,
            refused: told.refused.clone(),
            memory_mib: memory >> 20,
        }
    }
}

/// Everything of one run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Overload {
    /// Load average before and after.
    pub(crate) load_average: (f64, f64),
    /// The phases in their order.
    pub(crate) rows: Vec<OverloadRow>,
}

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = self.load_average;
        writeln!(f, "load average {before:.2} before, {after:.2} after")?;
        writeln!(
            f,
            "\n{:<14} {:>7} {:>7} {:>6} {:>6} {:>8} {:>10} {:>8} {:>8} {:>6}",
            "beside",
            "p50 ms",
            "p99 ms",
            "x p50",
            "x p99",
            "refused",
            "offered/s",
            "overload",
            "taken",
            "MiB"
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "{:<14} {:>7} {:>7} {:>6.2} {:>6.2} {:>8} {:>10.0} {:>8.1} {:>8} {:>6}",
                row.phase,
                row.p50_ms,
                row.p99_ms,
                row.p50_ratio,
                row.p99_ratio,
                row.honest_refused,
                row.offered_per_second,
                row.overload,
                row.taken,
                row.memory_mib
            )?;
            for (text, count) in &row.refused {
                writeln!(f, "{count:>24} x {text}")?;
            }
        }
        Ok(())
    }
}

/// A client that sends its next transaction when the last one is in a block.
struct Honest {
    sender: Sender,
    connection: Connection,
    watcher: Watcher,
}

/// What an honest client saw.
#[derive(Debug)]
pub(crate) struct Waited {
    /// Times from the first attempt to the certified block, sorted.
    pub(crate) latencies: Vec<Duration>,
    /// Attempts that were refused.
    pub(crate) refused: usize,
}

impl Waited {
    /// The latency that this share does not exceed.
    pub(crate) fn latency(&self, share: f64) -> Duration {
        percentile(&self.latencies, share)
    }
}

impl Honest {
    async fn new(target: &Target, address: SocketAddr) -> Result<Self> {
        let sender = target.senders(MANY + 1).await?.pop().wrap_err("no account")?;
        let (connection, watcher) =
            (Connection::open(address).await?, Watcher::open(address).await?);
        Ok(Self { sender, connection, watcher })
    }

    async fn run(&mut self) -> Result<Waited> {
        let mut waited = Waited { latencies: Vec::with_capacity(HONEST), refused: 0 };
        let senders = std::slice::from_mut(&mut self.sender);
        let transactions = sign_all(senders, CHAIN_ID, Work::Transfer, HONEST, 3)?;
        let mut body = Vec::new();
        for signed in &transactions {
            let start = Instant::now();
            write_request(&mut body, std::slice::from_ref(signed));
            loop {
                let answer = self.connection.post(&body).await?;
                let answer: Value = serde_json::from_slice(answer)?;
                if answer.get("result").is_some() {
                    break;
                }
                waited.refused += 1;
                ensure!(start.elapsed() < PATIENCE, "the honest client is refused: {answer}");
                tokio::time::sleep(RETRY).await;
            }
            loop {
                let new = self.watcher.new_transactions().await?;
                if let Some((_, seen)) = new.iter().find(|(hash, _)| *hash == signed.hash) {
                    waited.latencies.push(seen.duration_since(start));
                    break;
                }
                ensure!(start.elapsed() < PATIENCE, "the honest client is in no block");
                tokio::time::sleep(WATCH_EVERY).await;
            }
        }
        waited.latencies.sort_unstable();
        Ok(waited)
    }
}

/// What those who flood were told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Requests answered.
    pub(crate) answered: usize,
    /// Transactions taken, or known already.
    pub(crate) taken: usize,
    /// Refusals by their text up to its details.
    pub(crate) refused: BTreeMap<String, usize>,
    /// How long it lasted.
    pub(crate) elapsed: Duration,
}

struct Flood {
    stop: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    tasks: JoinSet<Result<()>>,
    start: Instant,
}

impl Flood {
    fn start(
        endpoints: &[SocketAddr],
        connections: usize,
        rate: f64,
        transactions: Vec<SignedTransaction>,
    ) -> Self {
        let (stop, told) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Told>>::default());
        let (next, transactions) = (Arc::<AtomicUsize>::default(), Arc::new(transactions));
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for index in 0..connections {
            let address = endpoints[index % endpoints.len()];
            let (stop, told) = (stop.clone(), told.clone());
            let (next, transactions) = (next.clone(), transactions.clone());
            tasks.spawn(async move {
                let mut connection = Connection::open(address).await?;
                let mut body = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let due = start + Duration::from_secs_f64(number as f64 / rate);
                    tokio::time::sleep_until(due.into()).await;
                    let signed = &transactions[number % transactions.len()];
                    write_request(&mut body, std::slice::from_ref(signed));
                    let refusal = refusal(connection.post(&body).await?)?;
                    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    told.answered += 1;
                    match refusal {
                        None => told.taken += 1,
                        Some(text) => *told.refused.entry(text).or_default() += 1,
                    }
                }
                Ok(())
            });
        }
        Self { stop, told, tasks, start }
    }

    async fn stop(mut self) -> Result<Told> {
        let elapsed = self.start.elapsed();
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended?.wrap_err("a connection of the flood broke")?;
        }
        let mut told =
            std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner));
        told.elapsed = elapsed;
        Ok(told)
    }
}

/// The text of a refusal up to its details; none for a transaction that was taken.
fn refusal(answer: &[u8]) -> Result<Option<String>> {
    let answer: Value = serde_json::from_slice(answer)?;
    if answer.get("result").is_some() {
        return Ok(None);
    }
    let Some(text) = answer["error"]["message"].as_str() else {
        bail!("neither taken nor refused: {answer}");
    };
    Ok(Some(text.split(':').next().unwrap_or(text).to_owned()))
}

/// Highest memory of all processes together.
struct PeakMemory {
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<u64>>,
}

impl PeakMemory {
    fn start(pids: Vec<u32>) -> Self {
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let mut peak = 0;
            loop {
                peak = peak.max(Usage::of_all(&pids)?.memory);
                tokio::select! {
                    _ = &mut stopped => return Ok(peak),
                    () = tokio::time::sleep(Duration::from_millis(250)) => {}
                }
            }
        });
        Self { stop, task }
    }

    async fn stop(self) -> Result<u64> {
        drop(self.stop);
        self.task.await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_count_by_what_they_say_before_the_details() {
        let error = br#"{"id":1,"error":{"code":-32000,"message":"nonce too low: next nonce 4"}}"#;
        assert_eq!(refusal(error).unwrap().as_deref(), Some("nonce too low"));
        assert_eq!(refusal(br#"{"id":1,"result":"0x1"}"#).unwrap(), None);
        assert!(refusal(b"{}").is_err() && refusal(b"<html>").is_err());
    }
}
