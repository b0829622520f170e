//! One client sends now and then while others send as fast as they can, at the same price.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::{
    consensus::TxEip1559,
    primitives::{Address, TxKind, U256},
    signers::local::PrivateKeySigner,
};
use ande_devnet::{
    Acknowledged, Hex, Rpc, RpcError, SignedTransaction, account_key, sign, wait_until,
};
use ande_testkit::{Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};
use serde_json::json;
use tokio::task::JoinSet;

const CHAIN_ID: u64 = 6174;
/// Transactions that the pool of a node holds.
const POOL: usize = 400;
/// Accounts of the flood from many. Every second one leaves out its first nonce, so that what it sends
/// stays in the pool until something better needs the place.
const MANY: usize = 150;
/// Transactions of the honest client beside each flood.
const HONEST: usize = 5;
/// Blocks from the acknowledgement to the inclusion at most: one round of all senders takes three,
/// and after this many every validator has had its turn to propose.
const BLOCKS: u64 = 40;
/// Requests of the flood that are open at the same time.
const OPEN: usize = 16;
/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(120);

/// What the pool says, as geth does, up to the details.
const DOCUMENTED: [&str; 6] = [
    "account limit exceeded",
    "txpool is full",
    "transaction underpriced",
    "nonce too low",
    "replacement transaction underpriced",
    "too many requests at the same time",
];

/// A transfer at the price that everybody pays here.
fn transfer(key: &PrivateKeySigner, nonce: u64) -> Result<SignedTransaction> {
    sign(
        key,
        TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 20_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to: TxKind::Call(Address::repeat_byte(0xee)),
            value: U256::from(1),
            ..TxEip1559::default()
        },
    )
}

/// Answers by their text.
type Told = BTreeMap<String, usize>;

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends all transactions again and again until it is stopped.
struct Flood {
    stop: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    tasks: JoinSet<()>,
}

impl Flood {
    fn start(rpcs: &[Rpc], transactions: Vec<SignedTransaction>) -> Self {
        let (stop, told) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Told>>::default());
        let (next, transactions) = (Arc::<AtomicUsize>::default(), Arc::new(transactions));
        let mut tasks = JoinSet::new();
        for index in 0..OPEN {
            let rpc = rpcs[index % rpcs.len()].clone();
            let (stop, told) = (Arc::clone(&stop), Arc::clone(&told));
            let (next, transactions) = (Arc::clone(&next), Arc::clone(&transactions));
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let answer = rpc.send_raw(&transactions[number % transactions.len()].raw).await;
                    let text = match answer {
                        Ok(_) => "taken".to_owned(),
                        Err(RpcError::Server { message, .. }) => {
                            message.split(':').next().unwrap_or_default().to_owned()
                        }
                        // A busy machine, not the node's word.
                        Err(RpcError::Transport(_)) => continue,
                        Err(error) => error.to_string(),
                    };
                    *lock(&told).entry(text).or_default() += 1;
                }
            });
        }
        Self { stop, told, tasks }
    }

    /// Waits until it was refused so often for this reason.
    async fn wait_refused(&self, text: &str, count: usize) -> Result<()> {
        wait_until(&format!("the flood is told: {text}"), LIMIT, async || {
            let told = lock(&self.told);
            Ok(told.get(text).is_some_and(|seen| *seen >= count).then_some(()))
        })
        .await
    }

    async fn stop(mut self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
        std::mem::take(&mut *lock(&self.told))
    }
}

/// Sends one transaction after the other and checks in which block each is.
async fn honest(rpc: &Rpc, key: &PrivateKeySigner) -> Result<Vec<Acknowledged>> {
    let mut nonce = rpc.next_nonce(key.address()).await?;
    let mut sent = Vec::new();
    for _ in 0..HONEST {
        let signed = transfer(key, nonce)?;
        nonce += 1;
        let acknowledged = wait_until("the honest client is taken", LIMIT, async || {
            match rpc.send_raw(&signed.raw).await {
                Ok(_) => Ok(rpc.height().await.ok()),
                Err(RpcError::Transport(_)) => Ok(None),
                Err(refused) => Err(refused.into()),
            }
        })
        .await?;
        sent.push(Acknowledged { hash: signed.hash, at: Instant::now() });
        let included = wait_until("the honest client is in a block", LIMIT, async || {
            Ok(rpc.transaction_height(signed.hash).await.ok().flatten())
        })
        .await?;
        ensure!(
            included <= acknowledged + BLOCKS,
            "acknowledged at {acknowledged}, in block {included}"
        );
    }
    Ok(sent)
}

#[tokio::test]
async fn an_honest_client_is_served_while_others_flood() -> Result<()> {
    let env = vec![("ANDE_POOL__MAX_TRANSACTIONS".to_owned(), POOL.to_string())];
    TestCluster::start(Plan { env, ..Plan::default() })
        .await?
        .observed(async |cluster| {
            let rpcs = cluster.rpcs()?;
            let rpc = rpcs.last().wrap_err("no node")?;
            let (client, mut sent) = (account_key(MANY)?, Vec::new());

            let one = account_key(MANY + 1)?;
            let flood = (0..2_000).map(|nonce| transfer(&one, nonce)).collect::<Result<_>>()?;
            let flood = Flood::start(&rpcs, flood);
            flood.wait_refused("account limit exceeded", 100).await?;
            cluster.say("one sender floods");
            sent.extend(honest(rpc, &client).await?);
            let mut told = flood.stop().await;
            cluster.say(&format!("one sender was told {told:?}"));

            let keys = (0..MANY).map(account_key).collect::<Result<Vec<_>>>()?;
            let flood = (0..60)
                .flat_map(|nonce| {
                    let nonce = move |index: usize| nonce + (index % 2) as u64;
                    keys.iter().enumerate().map(move |(index, key)| transfer(key, nonce(index)))
                })
                .collect::<Result<_>>()?;
            let flood = Flood::start(&rpcs, flood);
            flood.wait_refused("txpool is full", 100).await?;
            cluster.say("many senders flood");
            sent.extend(honest(rpc, &client).await?);
            for index in 0..cluster.size() {
                let rpc = cluster.rpc(index)?;
                let held = wait_until("a node tells of its pool", LIMIT, async || {
                    let status = rpc.call::<BTreeMap<String, Hex>>("txpool_status", json!([]));
                    Ok(status.await.ok().map(|counts| counts.values().map(|count| count.0).sum()))
                })
                .await?;
                let held: u64 = held;
                ensure!(held <= POOL as u64, "node {index} holds {held} transactions");
            }
            for (text, count) in flood.stop().await {
                *told.entry(text).or_default() += count;
            }
            cluster.say(&format!("all were told {told:?}"));
            told.remove("taken");
            for text in told.keys() {
                ensure!(DOCUMENTED.contains(&text.as_str()), "the flood was told {text:?}");
            }

            cluster.wait_in_sync(LIMIT).await?;
            cluster.check_invariants(&sent).await.map(|_| ())
        })
        .await
}
