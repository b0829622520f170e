//! Follows the settlement chain.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, Keccak256},
    rpc::types::Filter,
};
use ande_contracts::{AndeConsensus, AndeSequencerCoordinator as Coordinator};
use ande_primitives::{Epoch, EpochSet, Era, Height, ScheduleRules, Term};
use ande_store::{L1Cursor, Store, StoreError};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    BatchTip, ContractConfig, DeploymentError, Finality, L1Block, L1Client, L1Config, L1Error,
    L1View, Pace, ValidatorInfo, check_deployment,
    eras::read_eras,
    forced::{forced_tail, read_forced},
    read_config, read_set,
    view::ForcedView,
};

/// Validators asked for in one call.
const PAGE: u32 = 64;
/// Sets read again at the start to notice that the settlement chain was replaced.
const SETS_CHECKED_AT_START: u64 = 3;
/// Everything is read again after this time even when no event asked for it.
const FULL_READ_EVERY: Duration = Duration::from_secs(600);
/// Entries of the forced queue stored together, and read in one look at the chain.
const FORCED_PAGE: u64 = 32;
const FORCED_PER_LOOK: u64 = 128;
/// Times between blocks that are remembered.
const BLOCK_TIMES: usize = 8;
/// Longest pause while the chain cannot be read.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Why the reader stopped. The node must exit: its validator sets are in doubt.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// The store failed, or a frozen set differs from the stored one.
    #[error(transparent)]
    Store(#[from] StoreError),
}

enum PollError {
    L1(L1Error),
    Store(StoreError),
}

impl From<L1Error> for PollError {
    fn from(error: L1Error) -> Self {
        Self::L1(error)
    }
}

impl From<StoreError> for PollError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Reads the settlement chain: its heads, the contracts' state, and the set of every frozen epoch
/// once the block that froze it is final.
#[derive(Clone, Debug)]
pub struct L1Reader {
    client: L1Client,
    config: L1Config,
    pace: Pace,
}

impl L1Reader {
    /// Prepares a reader; asks nothing yet.
    ///
    /// # Errors
    /// [`L1Error::NoEndpoint`].
    pub fn connect(config: L1Config) -> Result<Self, L1Error> {
        let client = L1Client::new(&config.rpc_urls, config.chain_id, config.timeout)?;
        Ok(Self { client, config, pace: Pace::new() })
    }

    /// The client, for other questions.
    #[must_use]
    pub const fn client(&self) -> &L1Client {
        &self.client
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &L1Config {
        &self.config
    }

    /// Says how often to look.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace.clone()
    }

    /// See [`check_deployment`].
    ///
    /// # Errors
    /// See there.
    pub async fn check_deployment(
        &self,
        l2_chain_id: u64,
        l2_genesis_hash: B256,
    ) -> Result<ContractConfig, DeploymentError> {
        check_deployment(&self.client.by_majority(), &self.config, l2_chain_id, l2_genesis_hash)
            .await
    }

    /// The final block now, as a majority of the endpoints has it.
    ///
    /// # Errors
    /// When they do not answer or do not agree.
    pub async fn final_block(&self) -> Result<L1Block, L1Error> {
        let reader = Self { client: self.client.by_majority(), ..self.clone() };
        let latest = reader.latest().await?;
        reader.final_of(&latest).await
    }

    async fn latest(&self) -> Result<L1Block, L1Error> {
        let latest = self.client.block(BlockNumberOrTag::Latest).await?;
        latest.ok_or_else(|| L1Error::UnknownBlock("latest".to_owned()))
    }

    async fn final_of(&self, latest: &L1Block) -> Result<L1Block, L1Error> {
        let tag = match self.config.finality {
            Finality::Finalized => BlockNumberOrTag::Finalized,
            Finality::Safe => BlockNumberOrTag::Safe,
            Finality::Depth(0) => return Ok(*latest),
            Finality::Depth(depth) => BlockNumberOrTag::Number(latest.number.saturating_sub(depth)),
        };
        self.client.block(tag).await?.ok_or_else(|| L1Error::UnknownBlock(tag.to_string()))
    }

    /// Follows the chain until `shutdown`, believing a majority of the endpoints. An unreachable or misbehaving chain is shown in the view
    /// and tried again for ever; the task ends with an error only when the stored sets are in doubt
    /// or cannot be written.
    #[must_use]
    pub fn spawn(
        self,
        store: Store,
        shutdown: CancellationToken,
    ) -> (watch::Receiver<L1View>, JoinHandle<Result<(), ReaderError>>) {
        let (sender, receiver) = watch::channel(L1View::default());
        let follower = Follower {
            reader: Self { client: self.client.by_majority(), ..self },
            store,
            view: sender,
            next_epoch: None,
            forced_checked: false,
            forced_behind: false,
            events: B256::ZERO,
            final_read: None,
            known_final: None,
            read_at: None,
            block_times: VecDeque::new(),
            reported: None,
        };
        (receiver, tokio::spawn(follower.run(shutdown)))
    }
}

struct Events {
    /// Digest of all of them: changes when something happened, also by a reorganisation.
    latest: B256,
    /// Whether one of them is in a block that became final.
    any_final: bool,
}

struct Follower {
    reader: L1Reader,
    store: Store,
    view: watch::Sender<L1View>,
    /// First epoch whose set is not stored; none before the stored sets were checked.
    next_epoch: Option<Epoch>,
    /// Whether the stored forced queue was compared with the contract's.
    forced_checked: bool,
    /// Whether there are more final entries than were read in one look.
    forced_behind: bool,
    /// Digest of the events after the final block when the latest state was read.
    events: B256,
    /// Number of the final block up to which the final state was read.
    final_read: Option<u64>,
    /// Highest final block seen by this process.
    known_final: Option<L1Block>,
    /// When the latest state was read as a whole.
    read_at: Option<Instant>,
    /// Times between the last blocks.
    block_times: VecDeque<Duration>,
    /// Last error written to the log.
    reported: Option<String>,
}

impl Follower {
    async fn run(mut self, shutdown: CancellationToken) -> Result<(), ReaderError> {
        let mut failures = 0u32;
        loop {
            let polled = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                polled = self.poll() => polled,
            };
            match polled {
                Ok(()) => failures = 0,
                Err(PollError::Store(error)) => return Err(error.into()),
                Err(PollError::L1(error)) => {
                    failures = failures.saturating_add(1);
                    self.failed(&error);
                }
            }
            let config = &self.reader.config;
            let view = self.view.borrow().clone();
            let pause = async {
                if failures == 0 {
                    return self.reader.pace.pause(config, &view).await;
                }
                let interval = config.poll_interval;
                let longest = interval.max(MAX_PAUSE);
                tokio::time::sleep(interval.saturating_mul(1 << failures.min(5)).min(longest))
                    .await;
            };
            if shutdown.run_until_cancelled(pause).await.is_none() {
                return Ok(());
            }
        }
    }

    fn failed(&mut self, error: &L1Error) {
        let text = error.to_string();
        if self.reported.as_ref() != Some(&text) {
            warn!(error = %text, "settlement chain cannot be read, trying again");
            self.reported = Some(text.clone());
        }
        // The next success must read everything: events may have been missed.
        self.read_at = None;
        let endpoints = self.reader.client.endpoints();
        self.view.send_if_modified(|view| {
            view.endpoints = endpoints;
            let changed = view.error.as_ref() != Some(&text);
            view.error = Some(text);
            changed
        });
    }

    async fn poll(&mut self) -> Result<(), PollError> {
        let client = self.reader.client.clone();
        let latest = self.reader.latest().await?;
        let fresh =
            !self.forced_behind && self.read_at.is_some_and(|at| at.elapsed() < FULL_READ_EVERY);
        if fresh && self.view.borrow().latest_hash == latest.hash {
            self.view.send_if_modified(|view| {
                view.last_ok = Some(Instant::now());
                view.endpoints = client.endpoints();
                false
            });
            return Ok(());
        }
        let mut final_block = self.reader.final_of(&latest).await?;
        self.check_final(&final_block).await?;
        let mut next = self.view.borrow().clone();
        if let Some(known) = self.known_final.filter(|known| known.number > final_block.number) {
            // An endpoint that fell behind is one of the majority now.
            final_block = known;
        }
        let events = self.events(&final_block, &latest).await?;
        if !fresh || events.latest != self.events {
            self.read_latest(&mut next, &latest).await?;
        }
        if !fresh || events.any_final {
            self.read_final(&mut next, &final_block).await?;
        }
        self.events = events.latest;
        self.final_read = Some(final_block.number);
        if !fresh {
            self.read_at = Some(Instant::now());
        }
        if self.reported.take().is_some() {
            info!(latest = latest.number, "settlement chain can be read again");
        }
        next.block_time = self.block_time(&next, &latest);
        next.latest = latest.number;
        next.latest_hash = latest.hash;
        next.latest_time = latest.timestamp;
        next.final_block = final_block.number;
        next.final_hash = final_block.hash;
        next.last_ok = Some(Instant::now());
        next.endpoints = client.endpoints();
        self.known_final = Some(final_block);
        next.error = None;
        self.view.send_replace(next);
        Ok(())
    }

    /// The shortest of the last few times: a chain that makes blocks only for transactions, or
    /// that was down, has long ones in between.
    fn block_time(&mut self, before: &L1View, latest: &L1Block) -> Option<Duration> {
        let blocks = latest.number.saturating_sub(before.latest);
        if before.latest_time > 0 && blocks > 0 {
            let seconds = latest.timestamp.saturating_sub(before.latest_time);
            self.block_times
                .push_back(Duration::from_millis(seconds.saturating_mul(1_000) / blocks));
        }
        while self.block_times.len() > BLOCK_TIMES {
            self.block_times.pop_front();
        }
        self.block_times.iter().min().copied()
    }

    /// A final block never goes away. If it did, nothing that is read now may be believed.
    async fn check_final(&self, now: &L1Block) -> Result<(), PollError> {
        let Some(before) = self.store.l1_cursor().await? else {
            self.store.put_l1_cursor(cursor(now)).await?;
            return Ok(());
        };
        if before.hash == now.hash {
            return Ok(());
        }
        let got = if before.number == now.number {
            Some(now.hash)
        } else {
            let block = BlockNumberOrTag::Number(before.number);
            self.reader.client.block(block).await?.map(|block| block.hash)
        };
        match got {
            Some(hash) if hash == before.hash => {
                // An endpoint that is behind the other one is no fault; the cursor only grows.
                if now.number > before.number {
                    self.store.put_l1_cursor(cursor(now)).await?;
                }
                Ok(())
            }
            None if now.number < before.number => {
                Err(L1Error::UnknownBlock(format!("{} yet", before.number)).into())
            }
            got => {
                Err(L1Error::FinalReorg { number: before.number, expected: before.hash, got }
                    .into())
            }
        }
    }

    /// What the contracts said since the final state was read. Their state changes with events
    /// only, so without one nothing else is asked.
    async fn events(&self, final_block: &L1Block, latest: &L1Block) -> Result<Events, L1Error> {
        let config = &self.reader.config;
        let from = self.final_read.unwrap_or(final_block.number).min(final_block.number);
        let filter = Filter::new()
            .address(vec![config.consensus, config.coordinator])
            .from_block((from + 1).min(latest.number))
            .to_block(latest.number);
        let logs = self.reader.client.logs(&filter).await?;
        let mut hasher = Keccak256::new();
        let mut any_final = false;
        for log in logs {
            if log.block_number.is_some_and(|number| number <= final_block.number) {
                any_final = true;
            }
            hasher.update(log.block_hash.unwrap_or_default());
            hasher.update(log.log_index.unwrap_or_default().to_be_bytes());
        }
        Ok(Events { latest: hasher.finalize(), any_final })
    }

    async fn read_latest(&self, next: &mut L1View, latest: &L1Block) -> Result<(), L1Error> {
        let client = &self.reader.client;
        let at = BlockId::hash(latest.hash);
        let coordinator = self.reader.config.coordinator;
        next.tip = Some(read_tip(client, coordinator, latest.hash).await?);
        next.last_term = Term(client.call(coordinator, &Coordinator::lastTermCall {}, at).await?);
        next.validators = self.read_validators(at).await?;
        // Parameters are fixed by the launch.
        if next.config.is_none() || !next.launched {
            next.config = Some(read_config(client, self.reader.config.consensus).await?);
        }
        Ok(())
    }

    async fn read_validators(&self, at: BlockId) -> Result<Vec<ValidatorInfo>, L1Error> {
        let mut validators: Vec<ValidatorInfo> = Vec::new();
        loop {
            // Ids start at 1 and are dense.
            let from = u32::try_from(validators.len()).unwrap_or(u32::MAX).saturating_add(1);
            let call = AndeConsensus::getValidatorsCall { from, count: PAGE };
            let page = self.reader.client.call(self.reader.config.consensus, &call, at).await?;
            let full = page.len() == PAGE as usize;
            validators.extend(page.into_iter().map(ValidatorInfo::from));
            if !full {
                return Ok(validators);
            }
        }
    }

    async fn read_final(&mut self, next: &mut L1View, block: &L1Block) -> Result<(), PollError> {
        let client = self.reader.client.clone();
        let consensus = self.reader.config.consensus;
        let at = BlockId::hash(block.hash);
        if next.final_tip.is_none() && !self.are_deployed(at).await? {
            // Deployed a moment ago and not final: nothing is frozen at this block.
            debug!(block = block.number, "contracts are not in a final block yet");
            return Ok(());
        }
        next.launched = client.call(consensus, &AndeConsensus::launchedCall {}, at).await?;
        next.era = Era(client.call(consensus, &AndeConsensus::eraCall {}, at).await?);
        self.store_eras(next.era, block).await?;
        next.final_tip = Some(read_tip(&client, self.reader.config.coordinator, block.hash).await?);
        self.store_forced(&mut next.forced, block).await?;
        let Some(rules) = next.config.map(|config| config.rules).filter(|_| next.launched) else {
            // Sets that a halt made void are never used again.
            next.last_frozen_epoch = None;
            return Ok(());
        };
        let last = client.call(consensus, &AndeConsensus::lastFrozenEpochCall {}, at).await?;
        self.store_sets(Epoch(last), &rules, block).await?;
        next.last_frozen_epoch = Some(Epoch(last));
        Ok(())
    }

    /// Brings the stored forced queue to that of the final block, then the view.
    async fn store_forced(
        &mut self,
        view: &mut ForcedView,
        block: &L1Block,
    ) -> Result<(), PollError> {
        let client = self.reader.client.clone();
        let coordinator = self.reader.config.coordinator;
        let tail = forced_tail(&client, coordinator, block).await?;
        let last = self.store.last_forced().await?;
        let (mut next, mut acc) = last.map_or((0, B256::ZERO), |last| (last.index + 1, last.acc));
        if !self.forced_checked {
            *view = ForcedView::known(next);
        }
        if tail < next {
            // Final entries stay; the block of an endpoint that is behind has fewer.
            debug!(tail, stored = next, "the forced queue of this final block is shorter");
            return Ok(());
        }
        if !self.forced_checked {
            if let Some(last) = next.checked_sub(1) {
                let call = Coordinator::forcedEntryCall { index: last };
                let there = client.call(coordinator, &call, BlockId::hash(block.hash)).await?;
                if there.acc != acc {
                    return Err(StoreError::ForcedQueue { expected: next, got: last }.into());
                }
            }
            self.forced_checked = true;
        }
        let until = tail.min(next.saturating_add(FORCED_PER_LOOK));
        while next < until {
            let end = until.min(next + FORCED_PAGE);
            let page = read_forced(&client, coordinator, next, end, acc, block).await?;
            self.store.put_forced(&page).await?;
            acc = page.last().map_or(acc, |entry| entry.acc);
            next = end;
        }
        if next > view.tail {
            info!(from = view.tail, to = next, "forced transactions are final and stored");
        }
        view.grow(next);
        self.forced_behind = next < tail;
        Ok(())
    }

    async fn are_deployed(&self, at: BlockId) -> Result<bool, L1Error> {
        let config = &self.reader.config;
        for address in [config.consensus, config.coordinator] {
            if self.reader.client.code_at(address, at).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stores where the eras up to `now` began, before anything of them is stored or shown.
    async fn store_eras(&mut self, now: Era, block: &L1Block) -> Result<(), PollError> {
        let known = self.store.era();
        if now <= known {
            return Ok(());
        }
        let config = &self.reader.config;
        let contracts = [config.consensus, config.coordinator];
        let starts = read_eras(&self.reader.client, contracts, known, now, block).await?;
        self.store.put_eras(&starts).await?;
        for start in starts {
            warn!(
                era = start.era.0,
                first = start.first.0,
                l1_block = start.l1_block,
                "a new era is final on the settlement chain; blocks of the old one from this height on are void"
            );
        }
        self.next_epoch = None;
        Ok(())
    }

    async fn store_sets(
        &mut self,
        last: Epoch,
        rules: &ScheduleRules,
        block: &L1Block,
    ) -> Result<(), PollError> {
        let first = match self.next_epoch {
            Some(epoch) => epoch,
            None => {
                self.store_ended_sets(rules).await?;
                self.check_stored_sets(rules, block).await?
            }
        };
        for epoch in first.0..=last.0 {
            let set = self.read_set(Epoch(epoch), block).await?;
            self.store.put_set(&set).await?;
            info!(
                epoch,
                set = set.set_id,
                validators = set.committee.size(),
                l1_block = block.number,
                "validator set of the epoch is final and stored"
            );
            self.next_epoch = Some(Epoch(epoch).next());
        }
        Ok(())
    }

    /// Compares the last stored sets with the chain, once; returns the first epoch not stored.
    async fn check_stored_sets(
        &mut self,
        rules: &ScheduleRules,
        block: &L1Block,
    ) -> Result<Epoch, PollError> {
        let era = self.store.era();
        let begin = self.store.eras().last().map_or(Epoch(0), |era| rules.epoch_of(era.first));
        let last = self.store.last_set().await?.filter(|last| last.era == era);
        let Some(last) = last else { return Ok(begin) };
        let from = (last.epoch.0 + 1).saturating_sub(SETS_CHECKED_AT_START).max(begin.0);
        for epoch in from..=last.epoch.0 {
            let now = self.read_set(Epoch(epoch), block).await?;
            self.store.put_set(&now).await?;
        }
        let next = last.epoch.next();
        self.next_epoch = Some(next);
        Ok(next)
    }

    /// Stores the sets of ended eras that are missing: a node that was not there needs them to
    /// follow the chain through them. The contract had them until the next era began.
    async fn store_ended_sets(&self, rules: &ScheduleRules) -> Result<(), PollError> {
        let (mut era, mut first) = (Era(0), Height(0));
        for next in self.store.eras() {
            let heights = first.0..next.first.0;
            if let Some(last) = heights.last() {
                for epoch in rules.epoch_of(first).0..=rules.epoch_of(Height(last)).0 {
                    if self.store.set_in(era, Epoch(epoch)).await?.is_some() {
                        continue;
                    }
                    let number = next.l1_block.saturating_sub(1);
                    let block = self.reader.client.block(number.into()).await?;
                    let block = block.ok_or_else(|| L1Error::UnknownBlock(number.to_string()))?;
                    self.store.put_set(&self.read_set(Epoch(epoch), &block).await?).await?;
                    info!(era = era.0, epoch, "validator set of an ended era stored");
                }
            }
            (era, first) = (next.era, next.first);
        }
        Ok(())
    }

    async fn read_set(&self, epoch: Epoch, block: &L1Block) -> Result<EpochSet, L1Error> {
        read_set(&self.reader.client, self.reader.config.consensus, epoch, block).await
    }
}

/// The last batch accepted up to a block.
///
/// # Errors
/// When the chain cannot be asked.
pub async fn read_tip(
    client: &L1Client,
    coordinator: Address,
    block: B256,
) -> Result<BatchTip, L1Error> {
    let at = BlockId::hash(block);
    let tip = client.call(coordinator, &Coordinator::tipCall {}, at).await?;
    let call = Coordinator::batchHashCall { batchIndex: tip.batchIndex };
    Ok(BatchTip::new(&tip, client.call(coordinator, &call, at).await?))
}

const fn cursor(block: &L1Block) -> L1Cursor {
    L1Cursor { number: block.number, hash: block.hash }
}
