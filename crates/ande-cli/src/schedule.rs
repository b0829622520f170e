//! Turns and batches, as the contracts tell them.

use alloy::{
    primitives::{Address, B256},
    rpc::types::{Filter, Log},
    sol_types::SolEvent as _,
};
use ande_contracts::AndeSequencerCoordinator::{self, BatchAccepted};
use clap::Args;
use eyre::{Result, ensure};
use serde::Serialize;

use crate::{
    deployment::Place,
    logs::Newest,
    output::{Output, table},
    send::refused,
};

/// Windows shown at most.
const MAX_WINDOWS: u64 = 1_000;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ande schedule --config node.toml --windows 3")]
pub(crate) struct ScheduleArgs {
    /// First height; the one after the last accepted batch when left out
    #[arg(long, value_name = "HEIGHT")]
    from: Option<u64>,
    /// Windows to show
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=MAX_WINDOWS))]
    windows: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ande batches --config node.toml --last 5 --json")]
pub(crate) struct BatchesArgs {
    #[command(flatten)]
    newest: Newest,
}

/// One window.
#[derive(Debug, Serialize)]
struct Turn {
    epoch: u64,
    window: u64,
    from_height: u64,
    to_height: u64,
    /// `None` while the set of the epoch is not frozen.
    proposer: Option<Address>,
}

/// One accepted batch.
#[derive(Debug, Serialize)]
struct Batch {
    index: u64,
    epoch: u64,
    start_height: u64,
    end_height: u64,
    signers: usize,
    /// `calldata`, `blobs` or `celestia`.
    data: &'static str,
    l1_block: u64,
    transaction: B256,
}

impl ScheduleArgs {
    pub(crate) async fn run(self, place: &Place, output: Output) -> Result<()> {
        let deployment = place.open().await?;
        let consensus = &deployment.consensus;
        ensure!(
            consensus.launched().call().await?,
            "the chain is not launched: too few validators are registered"
        );
        let config = consensus.config().call().await.map_err(refused)?;
        let rotation = u64::from(config.rotationInterval);
        let from = match self.from {
            Some(height) => height.max(1),
            None => {
                let coordinator = consensus.coordinator().call().await.map_err(refused)?;
                let coordinator = AndeSequencerCoordinator::new(coordinator, consensus.provider());
                coordinator.tip().call().await.map_err(refused)?.endHeight + 1
            }
        };
        let first = consensus.windowOf(from).call().await.map_err(refused)?;
        let frozen = consensus.lastFrozenEpoch().call().await.map_err(refused)?;
        let mut turns = Vec::new();
        for window in (first..).take(usize::try_from(self.windows)?) {
            let from_height = window.saturating_mul(rotation).saturating_add(1);
            let epoch = consensus.epochOf(from_height).call().await.map_err(refused)?;
            let proposer = if epoch <= frozen {
                Some(consensus.proposerAt_0(from_height).call().await.map_err(refused)?)
            } else {
                None
            };
            let to_height = from_height.saturating_add(rotation - 1);
            turns.push(Turn { epoch, window, from_height, to_height, proposer });
        }
        output.show(&turns, |turns| {
            let row = |turn: &Turn| {
                let proposer = turn.proposer.map(|address| address.to_string());
                vec![
                    turn.epoch.to_string(),
                    turn.window.to_string(),
                    format!("{}-{}", turn.from_height, turn.to_height),
                    proposer.unwrap_or_else(|| "not frozen yet".to_owned()),
                ]
            };
            table(
                &["EPOCH", "WINDOW", "HEIGHTS", "PROPOSER"],
                &turns.iter().map(row).collect::<Vec<_>>(),
            )
        })
    }
}

impl BatchesArgs {
    pub(crate) async fn run(self, place: &Place, output: Output) -> Result<()> {
        let deployment = place.open().await?;
        let provider = deployment.consensus.provider();
        let coordinator = deployment.consensus.coordinator().call().await.map_err(refused)?;
        ensure!(coordinator != Address::ZERO, "no coordinator is set: there are no batches");
        let filter =
            Filter::new().address(coordinator).event_signature(BatchAccepted::SIGNATURE_HASH);
        let batches = self.newest.find(provider, filter, |log| Batch::of(log).map(Some)).await?;
        output.show(&batches, |batches| {
            let row = |batch: &Batch| {
                vec![
                    batch.index.to_string(),
                    batch.epoch.to_string(),
                    format!("{}-{}", batch.start_height, batch.end_height),
                    batch.signers.to_string(),
                    batch.data.to_owned(),
                    batch.l1_block.to_string(),
                    batch.transaction.to_string(),
                ]
            };
            let head = ["BATCH", "EPOCH", "HEIGHTS", "SIGNERS", "DATA", "L1 BLOCK", "TRANSACTION"];
            table(&head, &batches.iter().map(row).collect::<Vec<_>>())
        })
    }
}

impl Batch {
    fn of(log: &Log) -> Result<Self> {
        let event = log.log_decode::<BatchAccepted>()?.inner.data;
        Ok(Self {
            index: event.batchIndex,
            epoch: event.epoch,
            start_height: event.startHeight,
            end_height: event.endHeight,
            signers: event.signers.count_ones(),
            data: match event.da.kind {
                0 => "calldata",
                1 => "blobs",
                2 => "celestia",
                _ => "unknown",
            },
            l1_block: log.block_number.unwrap_or_default(),
            transaction: log.transaction_hash.unwrap_or_default(),
        })
    }
}
