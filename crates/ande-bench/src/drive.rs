//! Sends transactions, watches the chain, and says how fast and at what cost.

use std::{
    collections::HashMap,
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::primitives::B256;
use ande_devnet::SignedTransaction;
use eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    fates::{Answers, Found},
    http::Connection,
    process::{Stages, Usage},
};

/// Every so many transactions one is timed from its sending to its certified block.
const SAMPLE_EVERY: usize = 16;
pub(crate) const WATCH_EVERY: Duration = Duration::from_millis(5);
/// The chain may take this long for what it has acknowledged.
const PATIENCE: Duration = Duration::from_secs(60);

/// How to send.
#[derive(Clone, Debug)]
pub(crate) struct Drive {
    /// Endpoints, one connection after the other.
    pub(crate) endpoints: Vec<SocketAddr>,
    /// Open connections, each with one request at a time.
    pub(crate) connections: usize,
    /// Transactions in one request; 1 for a request that is no batch.
    pub(crate) batch: usize,
    /// Most transactions per second; none for as fast as it goes.
    pub(crate) rate: Option<u32>,
    /// Processes whose CPU time and memory count.
    pub(crate) pids: Vec<u32>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Processes that execute.
    pub(crate) nodes: usize,
    /// Transactions in blocks.
    pub(crate) included: usize,
    /// Transactions that were refused, with the first reason.
    pub(crate) refused: usize,
    /// The first refusal.
    pub(crate) first_refusal: Option<String>,
    /// From the first sending to the last inclusion.
    pub(crate) elapsed: Duration,
    /// Transactions acknowledged per second while sending.
    pub(crate) intake: f64,
    /// Times from sending to the certified block, sorted.
    pub(crate) latencies: Vec<Duration>,
    /// CPU time of the processes.
    pub(crate) cpu: Duration,
    /// That of their threads by what they do.
    pub(crate) stages: Stages,
    /// CPU time of this program.
    pub(crate) own_cpu: Duration,
    /// Memory of the processes before and after.
    pub(crate) memory: (u64, u64),
    /// Blocks that were made meanwhile.
    pub(crate) blocks: u64,
}

impl Outcome {
    /// Transactions in blocks per second.
    #[must_use]
    pub(crate) fn per_second(&self) -> f64 {
        self.included as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that this share of the sample does not exceed.
    #[must_use]
    pub(crate) fn latency(&self, share: f64) -> Duration {
        percentile(&self.latencies, share)
    }

    /// CPU time of the processes per transaction.
    #[must_use]
    pub(crate) fn cpu_per_transaction(&self) -> Duration {
        self.cpu.div_f64(self.included.max(1) as f64)
    }
}

/// The duration that this share of sorted ones does not exceed.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    let index = (share * last as f64).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

#[derive(Debug)]
struct Sent {
    next: AtomicUsize,
    answers: Answers,
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
    first_refusal: Mutex<Option<String>>,
    /// Hashes of the sample and when they were sent.
    sample: Mutex<HashMap<B256, Instant>>,
    last_answer: AtomicU64,
}

impl Sent {
    fn of(count: usize) -> Self {
        Self {
            next: AtomicUsize::default(),
            answers: Answers::none_to(count),
            acknowledged: AtomicUsize::default(),
            refused: AtomicUsize::default(),
            first_refusal: Mutex::default(),
            sample: Mutex::default(),
            last_answer: AtomicU64::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends all transactions and waits until they are in blocks.
///
/// # Errors
/// When nobody answers, or acknowledged transactions do not get into blocks.
pub(crate) async fn drive(
    plan: &Drive,
    transactions: Arc<Vec<SignedTransaction>>,
) -> Result<Outcome> {
    let before = Usage::of_all(&plan.pids)?;
    let own_before = Usage::of(std::process::id())?.cpu;
    let sent = Arc::new(Sent::of(transactions.len()));
    let watched = *plan.endpoints.first().ok_or_else(|| eyre!("no endpoint"))?;
    let mut watcher = Watcher::open(watched).await?;
    let first_block = watcher.height;
    let start = Instant::now();

    let mut senders = JoinSet::new();
    for index in 0..plan.connections {
        let address = plan.endpoints[index % plan.endpoints.len()];
        let (sent, transactions) = (sent.clone(), transactions.clone());
        let (batch, rate) = (plan.batch.max(1), plan.rate);
        senders.spawn(async move { send(address, batch, rate, start, &transactions, &sent).await });
    }
    let mut latencies = Vec::new();
    let mut found = Found::none_of(&transactions);
    let mut last_inclusion = start;
    let mut deadline = None;
    loop {
        for (hash, at) in watcher.new_transactions().await? {
            if found.note(&hash).is_none() {
                continue;
            }
            last_inclusion = at;
            if let Some(from) = lock(&sent.sample).remove(&hash) {
                latencies.push(at.duration_since(from));
            }
        }
        while let Some(done) = senders.try_join_next() {
            done??;
        }
        if deadline.is_none() && senders.is_empty() {
            deadline = Some(Instant::now() + PATIENCE);
        }
        if let Some(deadline) = deadline {
            let acknowledged = sent.acknowledged.load(Ordering::Acquire);
            let refused = sent.refused.load(Ordering::Acquire);
            let late = Instant::now() > deadline;
            if late || refused > 0 || found.count() >= acknowledged {
                let (lost, behind) = found.missing(&transactions, &sent.answers);
                if lost.is_empty() {
                    break;
                }
                if late {
                    let whereabouts = whereabouts(plan, &transactions[lost[0]]).await?;
                    let reason = lock(&sent.first_refusal).take().unwrap_or_default();
                    bail!(
                        "{acknowledged} transactions were acknowledged, {} of them are lost and \
                         {behind} wait behind a refused one; {refused} were refused: {reason}\n\
                         {whereabouts}",
                        lost.len()
                    );
                }
            }
        }
        tokio::time::sleep(WATCH_EVERY).await;
    }
    let after = Usage::of_all(&plan.pids)?;
    let own_after = Usage::of(std::process::id())?.cpu;
    latencies.sort_unstable();
    let sending = Duration::from_nanos(sent.last_answer.load(Ordering::Acquire));
    let acknowledged = sent.acknowledged.load(Ordering::Acquire);
    Ok(Outcome {
        nodes: plan.pids.len(),
        included: found.count(),
        refused: sent.refused.load(Ordering::Acquire),
        first_refusal: lock(&sent.first_refusal).take(),
        elapsed: last_inclusion.duration_since(start),
        intake: acknowledged as f64 / sending.as_secs_f64().max(f64::EPSILON),
        latencies,
        cpu: after.cpu.saturating_sub(before.cpu),
        stages: after.stages_since(&before),
        own_cpu: own_after.saturating_sub(own_before),
        memory: (before.memory, after.memory),
        blocks: watcher.height - first_block,
    })
}

async fn send(
    address: SocketAddr,
    batch: usize,
    rate: Option<u32>,
    start: Instant,
    transactions: &[SignedTransaction],
    sent: &Sent,
) -> Result<()> {
    let mut connection = Connection::open(address).await.wrap_err("the load generator connects")?;
    let mut body = Vec::new();
    loop {
        let from = sent.next.fetch_add(batch, Ordering::Relaxed);
        if from >= transactions.len() {
            return Ok(());
        }
        let chunk = &transactions[from..transactions.len().min(from + batch)];
        if let Some(rate) = rate {
            let due = start + Duration::from_secs_f64(from as f64 / f64::from(rate));
            tokio::time::sleep_until(due.into()).await;
        }
        write_request(&mut body, chunk);
        let now = Instant::now();
        for (offset, signed) in chunk.iter().enumerate() {
            if (from + offset).is_multiple_of(SAMPLE_EVERY) {
                lock(&sent.sample).insert(signed.hash, now);
            }
        }
        let answer = connection.post(&body).await?;
        let taken = sent.answers.note(from, chunk.len(), answer);
        sent.acknowledged.fetch_add(taken, Ordering::AcqRel);
        if taken < chunk.len() {
            sent.refused.fetch_add(chunk.len() - taken, Ordering::AcqRel);
            lock(&sent.first_refusal).get_or_insert_with(|| {
                String::from_utf8_lossy(&answer[..answer.len().min(400)]).into()
            });
        }
        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        sent.last_answer.fetch_max(nanos, Ordering::AcqRel);
    }
}

pub(crate) fn write_request(body: &mut Vec<u8>, chunk: &[SignedTransaction]) {
    body.clear();
    let one = |body: &mut Vec<u8>, id: usize, signed: &SignedTransaction| {
        body.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        body.extend_from_slice(id.to_string().as_bytes());
        body.extend_from_slice(b",\"method\":\"eth_sendRawTransaction\",\"params\":[\"0x");
        body.extend_from_slice(hex::encode(&signed.raw).as_bytes());
        body.extend_from_slice(b"\"]}");
    };
    match chunk {
        [signed] => one(body, 1, signed),
        _ => {
            body.push(b'[');
            for (id, signed) in chunk.iter().enumerate() {
                if id > 0 {
                    body.push(b',');
                }
                one(body, id, signed);
            }
            body.push(b']');
        }
    }
}

/// What every endpoint says of a transaction.
async fn whereabouts(plan: &Drive, signed: &SignedTransaction) -> Result<String> {
    let SignedTransaction { hash, sender, nonce, .. } = signed;
    let mut text = format!("the first: {hash}, nonce {nonce} of {sender}");
    for address in &plan.endpoints {
        let mut watcher = Watcher::open(*address).await?;
        let body = |method: &str, params: &str| {
            format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":[{params}]}}"
            )
        };
        let found = watcher.call(&body("eth_getTransactionByHash", &format!("\"{hash}\""))).await?;
        let next = format!("\"{sender}\",\"latest\"");
        let next = watcher.call(&body("eth_getTransactionCount", &next)).await?;
        let pool = watcher.call(&body("txpool_status", "")).await?;
        let seen = match found {
            Value::Null => "is unknown".to_owned(),
            found => format!("is in block {}", found["blockNumber"]),
        };
        write!(text, "\n{address}: {seen}; next nonce {next}, pool {pool}")?;
    }
    Ok(text)
}

/// Follows the head of one node.
#[derive(Debug)]
pub(crate) struct Watcher {
    connection: Connection,
    height: u64,
}

impl Watcher {
    /// From the present head on.
    ///
    /// # Errors
    /// When nobody answers.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let mut watcher = Self { connection: Connection::open(address).await?, height: 0 };
        watcher.height = watcher.head().await?;
        Ok(watcher)
    }

    async fn call(&mut self, body: &str) -> Result<Value> {
        let answer = self.connection.post(body.as_bytes()).await?;
        let mut answer: Value = serde_json::from_slice(answer)?;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => bail!("unexpected answer: {answer}"),
        }
    }

    async fn head(&mut self) -> Result<u64> {
        let result = self
            .call("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_blockNumber\",\"params\":[]}")
            .await?;
        quantity(&result)
    }

    /// Transactions of the blocks that came since the last call, and when their block was seen.
    ///
    /// # Errors
    /// When nobody answers.
    pub(crate) async fn new_transactions(&mut self) -> Result<Vec<(B256, Instant)>> {
        let head = self.head().await?;
        let seen = Instant::now();
        let mut found = Vec::new();
        while self.height < head {
            let next = self.height + 1;
            let block = self
                .call(&format!(
                    "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_getBlockByNumber\",\
                     \"params\":[\"{next:#x}\",false]}}"
                ))
                .await?;
            let hashes = block["transactions"]
                .as_array()
                .ok_or_else(|| eyre!("block {next} has no transactions: {block}"))?;
            for hash in hashes {
                let hash = hash.as_str().ok_or_else(|| eyre!("no hash: {hash}"))?;
                found.push((hash.parse()?, seen));
            }
            self.height = next;
        }
        Ok(found)
    }
}

fn quantity(value: &Value) -> Result<u64> {
    let text = value.as_str().ok_or_else(|| eyre!("no quantity: {value}"))?;
    Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, Bytes};

    use super::*;

    #[test]
    fn requests_are_json() {
        let signed = SignedTransaction {
            raw: Bytes::from_static(&[1, 2]),
            hash: B256::ZERO,
            sender: Address::ZERO,
            nonce: 0,
        };
        let mut body = Vec::new();
        write_request(&mut body, std::slice::from_ref(&signed));
        let value: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(value["params"][0], "0x0102");
        write_request(&mut body, &[signed.clone(), signed]);
        let value: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(value.as_array().unwrap().len(), 2);
    }

    #[test]
    fn percentiles() {
        let latencies = (1..=100).map(Duration::from_millis).collect();
        let outcome = Outcome {
            nodes: 1,
            included: 1000,
            refused: 0,
            first_refusal: None,
            elapsed: Duration::from_secs(2),
            intake: 0.0,
            latencies,
            cpu: Duration::from_millis(100),
            stages: Stages::new(),
            own_cpu: Duration::ZERO,
            memory: (0, 0),
            blocks: 4,
        };
        assert_eq!(outcome.latency(0.5), Duration::from_millis(51));
        assert_eq!(outcome.latency(0.99), Duration::from_millis(99));
        assert!((outcome.per_second() - 500.0).abs() < 1e-9);
        assert_eq!(outcome.cpu_per_transaction(), Duration::from_micros(100));
    }
}
