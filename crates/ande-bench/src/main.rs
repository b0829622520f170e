//! `ande-bench`: measures transactions per second of one node and of a cluster, with anvil measured
//! in the same run.

mod drive;
mod http;
mod process;
mod report;
mod signed;
mod target;
mod token;

use std::{
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
use ande_devnet::{Executor, SignedTransaction, account_key, genesis_file, write_genesis};
use clap::Parser;
use eyre::{ContextCompat as _, Result, bail};

use crate::{
    drive::{Drive, Outcome, drive},
    process::load_average,
    report::{Report, Row},
    signed::{Work, sign_all, signature_bound},
    target::{CHAIN_ID, Target},
};

/// Measures one node, a cluster of four validators, and anvil beside them.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask bench",
    after_help = "Examples:\n  cargo xtask bench\n  cargo xtask bench --transactions 20000 --sustained 10s\n  \
                  cargo xtask bench --json > bench.json"
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
    /// Open connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Only transfers.
    #[arg(long)]
    transfers_only: bool,
    /// Print one JSON document instead of tables.
    #[arg(long)]
    json: bool,
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
    let block_time = Duration::from_millis(options.block_time_ms);
    let mut report = Report { load_before: load_average()?, ..Report::default() };

    say("measuring signature recovery");
    let mut probe = vec![signed::Sender { key: account_key(0)?, nonce: 0 }];
    let sample = sign_all(&mut probe, CHAIN_ID, Work::Transfer, 2_000, 0)?;
    (report.recover_one, report.recover_all) = signature_bound(&sample, Duration::from_secs(2))?;

    let works: &[bool] = if options.transfers_only { &[false] } else { &[false, true] };
    for token in works {
        for batch in [1, 100] {
            for kind in [Kind::Anvil, Kind::Nodes(1), Kind::Nodes(options.validators)] {
                let name = kind.name();
                let what = if *token { "token" } else { "transfer" };
                say(&format!("{name}: {} {what}s, {batch} per request", options.transactions));
                let place = dir.path().join(format!("{name}-{what}-{batch}"));
                std::fs::create_dir_all(&place)?;
                let target = kind.start(&place, block_time).await?;
                let plan = Drive {
                    endpoints: target.endpoints()?,
                    connections: options.connections,
                    batch,
                    rate: None,
                    pids: target.pids(),
                };
                let outcome = measure(&target, &plan, options, *token, options.transactions).await;
                target.stop().await?;
                report.rows.push(Row::new(&name, what, batch, None, &outcome?)?);
            }
        }
    }
    if options.sustained > 0 {
        let kind = Kind::Nodes(options.validators);
        let name = kind.name();
        say(&format!("{name}: {} tx/s for {} s", options.rate, options.sustained));
        let place = dir.path().join("sustained");
        std::fs::create_dir_all(&place)?;
        let target = kind.start(&place, block_time).await?;
        let plan = Drive {
            endpoints: target.endpoints()?,
            connections: options.connections,
            batch: 1,
            rate: Some(options.rate),
            pids: target.pids(),
        };
        let count = usize::try_from(u64::from(options.rate) * options.sustained)?;
        let outcome = measure(&target, &plan, options, false, count).await;
        let settled = target.settled().await;
        target.stop().await?;
        report.settled_after_ms = Some(settled?.as_millis());
        report.rows.push(Row::new(&name, "transfer", 1, Some(options.rate), &outcome?)?);
    }
    report.block_time = block_time;
    report.load_after = load_average()?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(())
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
                write_genesis(dir, Executor::Evm, CHAIN_ID)?;
                Target::anvil(dir, &genesis_file(dir)).await
            }
            Self::Nodes(count) => Target::cluster(dir, count, block_time).await,
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
