//! `ande-bench`: measures transactions per second of one node and of a cluster, with anvil measured
//! in the same run.

mod drive;
mod fates;
mod http;
mod overload;
mod process;
mod report;
mod requests;
mod restart;
mod signed;
mod soak;
mod target;
mod token;

use std::{
    collections::BTreeSet,
    fmt::Display,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    network::{EthereumWallet, TransactionBuilder as _},
    primitives::{Address, U256},
    providers::{Provider as _, ProviderBuilder},
    rpc::types::TransactionRequest,
};
use ande_devnet::{
    Executor, FUNDED_ACCOUNTS, SignedTransaction, account_key, genesis_file, write_genesis,
};
use clap::Parser;
use eyre::{ContextCompat as _, Result, bail};
use serde::Serialize;

use crate::{
    drive::{Drive, Outcome, drive},
    process::load_average,
    report::{Report, Row},
    requests::request_rate,
    signed::{Work, recovery_rate, sign_all},
    target::{CHAIN_ID, NODE_LIMITS, Target},
};

/// Most connections that send batches: a node works on 32 calls of each, and has places for 8,192.
const BATCH_CONNECTIONS: usize = 64;
/// Time of each measurement of the signature bound.
const PROBE: Duration = Duration::from_secs(2);

/// Measures one node, a cluster of four validators, and anvil beside them.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask bench",
    after_help = "Examples:\n  cargo xtask bench\n  cargo xtask bench --transactions 20000 --sustained 10\n  \
                  cargo xtask bench --json > bench.json\n  cargo xtask bench --soak 10 --rate 1000\n  \
                  cargo xtask bench --start"
)]
struct Options {
    /// Transactions of each burst.
    #[arg(long, default_value_t = 60_000)]
    transactions: usize,
    /// Validators of the cluster.
    #[arg(long, default_value_t = 4)]
    validators: usize,
    /// Time between blocks, milliseconds.
    #[arg(long, default_value_t = 500)]
    block_time_ms: u64,
    /// Seconds of steady load on the cluster; 0 leaves it out.
    #[arg(long, default_value_t = 60)]
    sustained: u64,
    /// Transactions per second of the steady load.
    #[arg(long, default_value_t = 5_000)]
    rate: u32,
    /// Accounts that send.
    #[arg(long, default_value_t = 1_000)]
    senders: usize,
    /// Open connections; batches of requests use at most 64.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// No yardstick.
    #[arg(long)]
    without_anvil: bool,
    /// Only transfers.
    #[arg(long)]
    transfers_only: bool,
    /// Only this: so many minutes of steady load on the cluster, with its memory at intervals.
    #[arg(long, value_name = "MINUTES", conflicts_with = "start")]
    soak: Option<u64>,
    /// Only this: the time that a node needs to start.
    #[arg(long)]
    start: bool,
    /// Only this: how long an honest client waits while one sender, and then many, send ten times
    /// what fits.
    #[arg(long, conflicts_with_all = ["start", "soak"])]
    overload: bool,
    /// Accounts of the node that is started.
    #[arg(long, default_value_t = 1_000_000)]
    accounts: usize,
    /// Print one JSON document instead of tables.
    #[arg(long)]
    json: bool,
}

impl Options {
    /// What is compared.
    fn kinds(&self) -> Vec<Kind> {
        let anvil = (!self.without_anvil).then_some(Kind::Anvil);
        let nodes = BTreeSet::from([1, self.validators]);
        anvil.into_iter().chain(nodes.into_iter().map(Kind::Nodes)).collect()
    }

    fn drive(&self, target: &Target, batch: usize, rate: Option<u32>) -> Result<Drive> {
        Ok(Drive {
            endpoints: target.endpoints()?,
            connections: if batch > 1 {
                self.connections.min(BATCH_CONNECTIONS)
            } else {
                self.connections
            },
            batch,
            rate,
            pids: target.pids(),
        })
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let run = || -> Result<()> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?
            .block_on(run(&options))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<()> {
    let dir = tempfile::Builder::new().prefix("ande-bench-").tempdir()?;
    let start = Instant::now();
    let say = |text: &str| eprintln!("{:>7.1}s  {text}", start.elapsed().as_secs_f64());
    let outcome = if let Some(minutes) = options.soak {
        soak(options, minutes, dir.path(), &say).await
    } else if options.overload {
        overloaded(options, dir.path(), &say).await
    } else if options.start {
        restarts(options, dir.path(), &say).await
    } else {
        compare(options, dir.path(), &say).await
    };
    if outcome.is_err() {
        say(&format!("data and logs of what failed stay in {}", dir.keep().display()));
    }
    outcome
}

/// Prints figures for people or for programs.
fn print<T: Display + Serialize>(options: &Options, figures: &T) -> Result<()> {
    if options.json {
        println!("{}", serde_json::to_string_pretty(figures)?);
    } else {
        println!("{figures}");
    }
    Ok(())
}

async fn soak(options: &Options, minutes: u64, dir: &Path, say: &dyn Fn(&str)) -> Result<()> {
    let kind = Kind::Nodes(options.validators);
    say(&format!("{}: {} tx/s for {minutes} minutes", kind.name(), options.rate));
    let target = kind.start(dir, Duration::from_millis(options.block_time_ms)).await?;
    let plan = options.drive(&target, 1, Some(options.rate))?;
    let time = Duration::from_secs(minutes * 60);
    let soak = soak::soak(&target, &plan, options.senders, time, say).await;
    target.stop().await?;
    print(options, &soak?)
}

async fn overloaded(options: &Options, dir: &Path, say: &dyn Fn(&str)) -> Result<()> {
    let block_time = Duration::from_millis(options.block_time_ms);
    let target = Target::cluster(dir, options.validators, block_time, &overload::LIMITS).await?;
    let plan = options.drive(&target, 1, None)?;
    let figures = overload::overload(&target, &plan, say).await;
    target.stop().await?;
    print(options, &figures?)
}

async fn restarts(options: &Options, dir: &Path, say: &dyn Fn(&str)) -> Result<()> {
    let Options { accounts, block_time_ms, .. } = options;
    say(&format!("making a chain with {accounts} accounts"));
    let others = accounts.saturating_sub(FUNDED_ACCOUNTS);
    let block_time = Duration::from_millis(*block_time_ms);
    let mut cluster = target::start(dir, 1, block_time, others, &NODE_LIMITS).await?;
    let starts = restart::restarts(&mut cluster, others + FUNDED_ACCOUNTS).await;
    cluster.stop().await?;
    print(options, &starts?)
}

async fn compare(options: &Options, dir: &Path, say: &dyn Fn(&str)) -> Result<()> {
    let block_time = Duration::from_millis(options.block_time_ms);
    let mut report = Report { load_before: load_average()?, ..Report::default() };

    say("measuring signature recovery");
    let mut probe = vec![signed::Sender { key: account_key(0)?, nonce: 0 }];
    let sample = sign_all(&mut probe, CHAIN_ID, Work::Transfer, 2_000, 0)?;
    report.recover_one = recovery_rate(&sample, 1, PROBE)?;
    report.requests = request_rate(&sample, options.connections, PROBE).await?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut before = recovery_rate(&sample, cores, PROBE)?;
    // The machine is not equally fast all the time.
    let mut bound = || -> Result<f64> {
        let after = recovery_rate(&sample, cores, PROBE)?;
        Ok((std::mem::replace(&mut before, after) + after) / 2.0)
    };

    let works: &[bool] = if options.transfers_only { &[false] } else { &[false, true] };
    for token in works {
        for batch in [1, 100] {
            for kind in options.kinds() {
                let name = kind.name();
                let what = if *token { "token" } else { "transfer" };
                say(&format!("{name}: {} {what}s, {batch} per request", options.transactions));
                let place = dir.join(format!("{name}-{what}-{batch}"));
                std::fs::create_dir_all(&place)?;
                let target = kind.start(&place, block_time).await?;
                let plan = options.drive(&target, batch, None)?;
                let outcome = measure(&target, &plan, options, *token, options.transactions).await;
                target.stop().await?;
                report.rows.push(Row::new(&name, what, batch, None, bound()?, &outcome?)?);
            }
        }
    }
    if options.sustained > 0 {
        let kind = Kind::Nodes(options.validators);
        let name = kind.name();
        say(&format!("{name}: {} tx/s for {} s", options.rate, options.sustained));
        let place = dir.join("sustained");
        std::fs::create_dir_all(&place)?;
        let target = kind.start(&place, block_time).await?;
        let plan = options.drive(&target, 1, Some(options.rate))?;
        let count = usize::try_from(u64::from(options.rate) * options.sustained)?;
        let outcome = measure(&target, &plan, options, false, count).await;
        let settled = target.settled().await;
        target.stop().await?;
        report.settled_after_ms = Some(settled?.as_millis());
        let rate = Some(options.rate);
        report.rows.push(Row::new(&name, "transfer", 1, rate, bound()?, &outcome?)?);
    }
    report.block_time = block_time;
    report.load_after = load_average()?;
    print(options, &report)
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Anvil,
    Nodes(usize),
}

impl Kind {
    fn name(self) -> String {
        match self {
            Self::Anvil => "anvil".into(),
            Self::Nodes(1) => "1 node".into(),
            Self::Nodes(count) => format!("{count} validators"),
        }
    }

    async fn start(self, dir: &Path, block_time: Duration) -> Result<Target> {
        match self {
            Self::Anvil => {
                write_genesis(dir, Executor::Evm, CHAIN_ID, 0)?;
                Target::anvil(dir, &genesis_file(dir)).await
            }
            Self::Nodes(count) => Target::cluster(dir, count, block_time, &NODE_LIMITS).await,
        }
    }
}

async fn measure(
    target: &Target,
    plan: &Drive,
    options: &Options,
    token: bool,
    count: usize,
) -> Result<Outcome> {
    let mut senders = target.senders(options.senders).await?;
    let work = if token {
        let address = deploy_token(target).await?;
        senders[0].nonce += 1;
        let shares = share_out(&mut senders, address)?;
        drive(&Drive { rate: None, ..plan.clone() }, Arc::new(shares)).await?;
        Work::Token(address)
    } else {
        Work::Transfer
    };
    let transactions = sign_all(&mut senders, CHAIN_ID, work, count, 1)?;
    let outcome = drive(plan, Arc::new(transactions)).await?;
    if outcome.refused > 0 {
        bail!(
            "{} transactions were refused: {}",
            outcome.refused,
            outcome.first_refusal.unwrap_or_default()
        );
    }
    Ok(outcome)
}

async fn deploy_token(target: &Target) -> Result<Address> {
    let endpoint = *target.endpoints()?.first().wrap_err("no endpoint")?;
    let provider = ProviderBuilder::new()
        .wallet(EthereumWallet::from(account_key(0)?))
        .connect_http(format!("http://{endpoint}").parse()?);
    let mut code = token::bytecode()?;
    code.extend(U256::from(u128::MAX).to_be_bytes::<32>());
    let request = TransactionRequest::default().with_deploy_code(code);
    let receipt = provider.send_transaction(request).await?.get_receipt().await?;
    receipt.contract_address.wrap_err("the token was not created")
}

/// Tokens for every account, from the one that created them.
fn share_out(senders: &mut [signed::Sender], token: Address) -> Result<Vec<SignedTransaction>> {
    let accounts: Vec<Address> = senders.iter().map(|sender| sender.key.address()).collect();
    let owner = senders.first_mut().wrap_err("no account")?;
    accounts.iter().map(|to| signed::sign_move(owner, CHAIN_ID, token, *to, 1_000_000)).collect()
}
