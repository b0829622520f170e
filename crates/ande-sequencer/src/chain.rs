//! The chain: builds, validates and commits blocks for whatever engine orders them.

use std::{
    collections::HashSet,
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::Encodable as _;
use ande_consensus::{
    AppError, Application, Candidate, Evidence, Parent, StartHeight, Turn, Verdict,
};
use ande_execution::{
    Attributes, Executor, ForcedInput, Payload, PayloadError, PayloadStatus, Recovery,
};
use ande_failpoint::reach;
use ande_l1::L1View;
use ande_primitives::{Block, Commit, Domain, EpochSet, Era, Header, Height};
use ande_store::Store;
use ande_telemetry::Metrics;
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::{
    Ordering, SequencerConfig, SequencerError, TransactionPool,
    client_block::Material,
    forced::{Forced, Insistence, check_outcomes, count_included},
    ordering::{judge_order, reorder},
    replay::Replay,
    rules::{ForcedPosition, HeaderFault, check_header},
    unposted::{Unposted, room},
};

/// Time between reports of a long replay.
const REPLAY_REPORT: Duration = Duration::from_secs(5);
/// Bytes of blocks read at once.
const PAGE_BYTES: usize = 4 << 20;
/// Blocks built for one turn before it gets an empty one.
const MAX_PROPOSALS: usize = 3;

/// What the chain is made of.
#[derive(Clone)]
pub struct ChainParts {
    /// Settings.
    pub config: SequencerConfig,
    /// Key this node builds blocks with.
    pub signer: Address,
    /// Domain of all consensus signatures.
    pub domain: Domain,
    /// Durable state.
    pub store: Store,
    /// The last era for which void blocks were dropped from the store. What is above the beginning
    /// of a later one is void, so the chain ends when there is one.
    pub era: Era,
    /// Executor.
    pub executor: Arc<dyn Executor>,
    /// Pool of pending transactions.
    pub pool: Arc<TransactionPool>,
    /// Settlement chain as last read; wakes waits for the set of an epoch.
    pub l1: watch::Receiver<L1View>,
    /// Metrics.
    pub metrics: Metrics,
}

impl std::fmt::Debug for ChainParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainParts").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The tip, with what the next block needs to know of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tip {
    pub(crate) parent: Parent,
    execution_hash: B256,
    forced: ForcedPosition,
    since: Instant,
}

impl Tip {
    pub(crate) fn genesis(genesis_hash: B256) -> Self {
        let parent = Parent {
            height: Height(0),
            hash: genesis_hash,
            skip: ande_primitives::Skip(0),
            timestamp_ms: 0,
        };
        Self {
            parent,
            execution_hash: genesis_hash,
            forced: ForcedPosition::default(),
            since: Instant::now(),
        }
    }

    pub(crate) fn of(header: &Header) -> Self {
        let parent = Parent {
            height: header.height,
            hash: header.hash(),
            skip: header.skip,
            timestamp_ms: header.timestamp_ms,
        };
        Self {
            parent,
            execution_hash: header.execution_hash,
            forced: ForcedPosition { up_to: header.forced_up_to, acc: header.forced_acc },
            since: Instant::now(),
        }
    }
}

/// The chain of this node: the [`Application`] behind every engine.
pub struct Chain {
    pub(crate) parts: ChainParts,
    tip: Mutex<Tip>,
    unposted: Mutex<Unposted>,
    pub(crate) insistence: Insistence,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("tip", &self.tip.lock().parent).finish_non_exhaustive()
    }
}

impl Chain {
    /// Opens the stored chain and brings the executor to its tip.
    ///
    /// # Errors
    /// [`SequencerError`] when database and executor cannot be brought together.
    pub async fn open(parts: ChainParts) -> Result<Self, SequencerError> {
        let tip = catch_up(&parts.store, &*parts.executor).await?;
        parts.pool.caught_up();
        info!(height = tip.parent.height.0, hash = %tip.parent.hash, "chain opened");
        let unposted = unposted(&parts.store).await?;
        Ok(Self {
            parts,
            tip: Mutex::new(tip),
            unposted: Mutex::new(unposted),
            insistence: Insistence::default(),
        })
    }

    /// The stored set of the epoch that `height` belongs to, if it is final here.
    async fn set_of(&self, height: Height) -> Result<Option<Arc<EpochSet>>, AppError> {
        if self.parts.store.era() != self.parts.era {
            return Ok(None);
        }
        self.parts.store.set_at(height).await.map_err(fatal("reading a validator set"))
    }

    /// Executes the payload of a block on the tip; `Err` is the verdict to give. Without the forced
    /// entries that it consumes, what its header says of them is believed: it is certified.
    async fn execute(
        &self,
        tip: &Tip,
        header: &Header,
        payload: &Payload,
        forced: Option<Vec<ForcedInput>>,
    ) -> Result<(), Verdict> {
        let attributes = attributes(tip, header.timestamp_ms, header.proposer);
        let executor = &self.parts.executor;
        let status = match forced {
            Some(forced) => executor.validate_forced(&attributes, forced, payload).await,
            None => executor.adopt(&attributes, payload).await,
        };
        match status {
            Ok(PayloadStatus::Valid) => Ok(()),
            Ok(PayloadStatus::Invalid(reason)) => Err(Verdict::Invalid(reason)),
            Ok(PayloadStatus::Syncing(reason)) => Err(Verdict::Unknown(reason)),
            Err(error) => Err(Verdict::Unknown(chain_of(&error))),
        }
    }

    async fn judge(
        &self,
        start: &StartHeight,
        candidate: &Candidate,
        stage: Stage,
    ) -> Result<(), Verdict> {
        let tip = *self.tip.lock();
        if tip.parent != start.parent {
            return Err(Verdict::Unknown(format!("the tip moved to {}", tip.parent.height)));
        }
        let config = &self.parts.config;
        check_header(
            config.l2_chain_id,
            start,
            tip.forced,
            candidate,
            now_ms(),
            u64::try_from(config.clock_tolerance.as_millis()).unwrap_or(u64::MAX),
        )
        .map_err(|fault| match fault {
            HeaderFault::Invalid(reason) => Verdict::Invalid(reason),
            HeaderFault::TooEarly(reason) => Verdict::Unknown(reason),
        })?;
        let bytes = candidate.block.transactions.length();
        if bytes > config.max_block_bytes {
            return Err(Verdict::Invalid(format!(
                "{bytes} bytes of transactions exceed the limit of {}",
                config.max_block_bytes
            )));
        }
        let header = &candidate.block.header;
        let payload = Payload::of_block(&candidate.block);
        let included = check_outcomes(tip.forced, header, &payload).map_err(Verdict::Invalid)?;
        let forced = match stage {
            Stage::Candidate => Some(self.judge_forced(tip.forced, header).await?),
            Stage::Certified => None,
        };
        let transactions = self
            .parts
            .pool
            .check_transactions(&candidate.block.transactions)
            .await
            .map_err(Verdict::Invalid)?;
        if config.ordering == Ordering::TipDescending {
            let base_fee =
                base_fee(&payload).map_err(|error| Verdict::Invalid(error.to_string()))?;
            judge_order(&transactions[included..], base_fee).map_err(Verdict::Invalid)?;
        }
        reach("validate-before-execute").await;
        self.execute(&tip, header, &payload, forced).await?;
        reach("validate-after-execute").await;
        self.parts
            .store
            .put_candidate(candidate, false)
            .await
            .map_err(|error| Verdict::Unknown(chain_of(&error)))?;
        reach("validate-after-store").await;
        Ok(())
    }

    async fn build_new(&self, turn: &Turn) -> Result<Block, AppError> {
        let tip = *self.tip.lock();
        if tip.parent != turn.start.parent {
            return Err(AppError::Unavailable(format!("the tip moved to {}", tip.parent.height)));
        }
        let config = &self.parts.config;
        let timestamp_ms = block_timestamp(now_ms(), tip.parent.timestamp_ms, config.own_second);
        let attributes = attributes(&tip, timestamp_ms, self.parts.signer);
        let forced = self.next_forced(tip.forced, turn.start.height).await?;
        let position = forced.position.unwrap_or(tip.forced);
        reach("build-before-execute").await;
        let payload = match config.ordering {
            Ordering::Arrival => self.propose_by_arrival(attributes, &forced).await?,
            Ordering::TipDescending => self.propose_by_tip(attributes, &forced).await?,
        };
        let header = Header {
            l2_chain_id: config.l2_chain_id,
            era: turn.start.set.era,
            epoch: turn.start.set.epoch,
            height: turn.start.height,
            skip: turn.skip(),
            parent_hash: tip.parent.hash,
            proposer: self.parts.signer,
            timestamp_ms,
            forced_up_to: position.up_to,
            forced_acc: position.acc,
            execution_hash: payload.hash(),
        };
        Ok(Block { header, execution: payload.header, transactions: payload.transactions })
    }

    /// Bytes of transactions that a block built now may have.
    pub(crate) fn room(&self) -> usize {
        let config = &self.parts.config;
        let accepted = self.parts.store.heads().borrow().safe;
        let unposted = self.unposted.lock().bytes(accepted);
        let room = room(config.max_block_bytes, unposted, config.max_unposted_bytes);
        if room < config.max_block_bytes {
            debug!(unposted, room, "block gets smaller: batches wait for the settlement chain");
        }
        room
    }

    /// Builds a payload; also says how many forced transactions it begins with.
    async fn propose(
        &self,
        attributes: Attributes,
        forced: &Forced,
        transactions: Vec<Bytes>,
    ) -> Result<(Payload, usize), AppError> {
        let unavailable = |error: &dyn std::error::Error| AppError::Unavailable(chain_of(error));
        let payload = self
            .parts
            .executor
            .propose_forced(attributes, forced.inputs.clone(), transactions)
            .await
            .map_err(|error| unavailable(&error))?;
        let outcomes = payload.forced_outcomes().map_err(|error| unavailable(&error))?;
        Ok((payload, count_included(&outcomes)))
    }

    async fn propose_by_arrival(
        &self,
        attributes: Attributes,
        forced: &Forced,
    ) -> Result<Payload, AppError> {
        let chosen = self.parts.pool.next_block(self.room(), forced);
        let (payload, first) = self.propose(attributes, forced, chosen.clone()).await?;
        if payload.transactions.len() - first < chosen.len() {
            self.drop_included(&chosen).await?;
        }
        Ok(payload)
    }

    /// Builds a block whose order every validator accepts. Where the execution leaves out the first
    /// ones of a sender and not the rest, what remains has another order and is built again.
    async fn propose_by_tip(
        &self,
        attributes: Attributes,
        forced: &Forced,
    ) -> Result<Payload, AppError> {
        let pool = &self.parts.pool;
        // What begins with forced transactions no client knows how to build.
        let material = match forced.inputs.as_slice() {
            [] => self.ask_client(&attributes, pool.next_block(self.room(), forced)).await,
            _ => Material::Transactions(pool.next_block(self.room(), forced)),
        };
        let mut chosen = match material {
            Material::Block(payload) => return Ok(payload),
            Material::Transactions(chosen) => chosen,
        };
        for _ in 0..MAX_PROPOSALS {
            let (mut payload, first) = self.propose(attributes, forced, chosen.clone()).await?;
            let header =
                payload.decode_header().map_err(|error| AppError::Unavailable(chain_of(&error)))?;
            if payload.transactions.len() - first < chosen.len() {
                let included: HashSet<&Bytes> = payload.transactions.iter().collect();
                let left_out: Vec<B256> =
                    chosen.iter().filter(|raw| !included.contains(raw)).map(keccak256).collect();
                pool.left_out(&left_out, header.gas_limit.saturating_sub(header.gas_used));
            }
            let base_fee = u128::from(header.base_fee_per_gas.unwrap_or_default());
            let included = pool
                .check_transactions(&payload.transactions)
                .await
                .map_err(AppError::Unavailable)?;
            match judge_order(&included[first..], base_fee) {
                Ok(()) => return Ok(payload),
                Err(reason) => debug!(reason, "building the block again in its order"),
            }
            let rest = payload.transactions.split_off(first);
            chosen = reorder(&included[first..], rest, base_fee);
        }
        warn!("no order of the pooled transactions holds; the block has none of them");
        Ok(self.propose(attributes, forced, Vec::new()).await?.0)
    }

    /// Takes transactions that are already in the chain out of the pool: they came back by gossip
    /// after their block was committed.
    async fn drop_included(&self, chosen: &[Bytes]) -> Result<(), AppError> {
        let hashes: Vec<B256> = chosen.iter().map(keccak256).collect();
        let included = self
            .parts
            .store
            .included(&hashes)
            .await
            .map_err(|error| AppError::Unavailable(chain_of(&error)))?;
        let gone: Vec<B256> = hashes
            .into_iter()
            .zip(included)
            .filter_map(|(hash, gone)| gone.then_some(hash))
            .collect();
        self.parts.pool.remove(gone);
        Ok(())
    }
}

#[async_trait]
impl Application for Chain {
    async fn start_height(&self) -> Result<StartHeight, AppError> {
        let mut l1 = self.parts.l1.clone();
        let mut told = false;
        loop {
            l1.borrow_and_update();
            let parent = self.tip.lock().parent;
            let height = parent.height.next();
            if let Some(set) = self.set_of(height).await? {
                return Ok(StartHeight::after(parent, set));
            }
            if !told {
                told = true;
                warn!(
                    height = height.0,
                    final_l1_block = l1.borrow().final_block,
                    "the validator set of this height is not final on the settlement chain; waiting"
                );
            }
            if l1.changed().await.is_err() {
                return Err(AppError::Unavailable("the settlement reader stopped".into()));
            }
        }
    }

    async fn work(&self, parent: &Parent) {
        let (since, consumed) = {
            let tip = self.tip.lock();
            if tip.parent.height != parent.height {
                return;
            }
            (tip.since, tip.forced.up_to)
        };
        let heartbeat = tokio::time::sleep_until((since + self.parts.config.heartbeat).into());
        tokio::select! {
            () = heartbeat => {}
            () = self.parts.pool.wait_for_transactions() => {}
            () = self.wait_for_forced(consumed) => {}
        }
    }

    async fn build(&self, turn: &Turn, deadline: Instant) -> Result<Block, AppError> {
        let store = &self.parts.store;
        let height = turn.start.height;
        if let Some(built) = store
            .built_candidate(height, turn.round)
            .await
            .map_err(fatal("reading this node's own proposal"))?
        {
            return Ok(built.block);
        }
        let block = tokio::time::timeout_at(deadline.into(), self.build_new(turn))
            .await
            .map_err(|_| AppError::Unavailable("building took longer than the round".into()))??;
        reach("build-after-execute").await;
        let candidate =
            Candidate { block, round: turn.round, valid_round: None, proposer: self.parts.signer };
        store
            .put_candidate(&candidate, true)
            .await
            .map_err(fatal("storing this node's own proposal"))?;
        reach("build-after-store").await;
        Ok(candidate.block)
    }

    async fn validate(&self, start: &StartHeight, candidate: &Candidate) -> Verdict {
        match self.judge(start, candidate, Stage::Candidate).await {
            Ok(()) => Verdict::Valid,
            Err(verdict) => {
                warn!(
                    height = candidate.block.header.height.0,
                    round = candidate.round.0,
                    proposer = %candidate.proposer,
                    ?verdict,
                    "candidate not voted for"
                );
                verdict
            }
        }
    }

    async fn adopt(&self, start: &StartHeight, candidate: &Candidate) -> Verdict {
        match self.judge(start, candidate, Stage::Certified).await {
            Ok(()) => Verdict::Valid,
            Err(verdict) => {
                let height = candidate.block.header.height.0;
                warn!(height, ?verdict, "certified block not taken");
                verdict
            }
        }
    }

    async fn candidates(&self, height: Height) -> Result<Vec<Candidate>, AppError> {
        self.parts.store.candidates(height).await.map_err(fatal("reading candidates"))
    }

    async fn commit(&self, commit: Commit) -> Result<(), AppError> {
        let header = &commit.block.header;
        let tip = *self.tip.lock();
        if tip.parent.hash == header.hash() {
            return Ok(());
        }
        if header.parent_hash != tip.parent.hash || header.height != tip.parent.height.next() {
            return Err(AppError::Fatal(format!(
                "block {} ({}) does not extend the tip {} ({})",
                header.height,
                header.hash(),
                tip.parent.height,
                tip.parent.hash
            )));
        }
        // Before the execution, which then finds the senders.
        let transactions =
            self.parts.pool.look_up(&commit.block.transactions).await.map_err(AppError::Fatal)?;
        let payload = Payload::of_block(&commit.block);
        reach("commit-before-execute").await;
        self.execute(&tip, header, &payload, None).await.map_err(|verdict| {
            AppError::Fatal(format!(
                "block {} is certified but does not execute here: {verdict:?}",
                header.height
            ))
        })?;
        reach("commit-after-execute").await;
        self.parts.store.commit(&commit).await.map_err(fatal("committing a block"))?;
        reach("commit-after-store").await;
        self.parts
            .executor
            .commit(header.execution_hash)
            .await
            .map_err(|error| AppError::Fatal(chain_of(&error)))?;
        reach("commit-after-apply").await;
        let next = Tip::of(header);
        *self.tip.lock() = next;
        let accepted = self.parts.store.heads().borrow().safe;
        {
            let mut unposted = self.unposted.lock();
            unposted.push(header.height, commit.block.length());
            unposted.forget(accepted);
        }
        self.parts.pool.committed(&transactions);
        reach("commit-after-pool").await;
        self.observe(&tip, &commit, &payload);
        Ok(())
    }

    async fn commits(
        &self,
        range: RangeInclusive<Height>,
        max_bytes: usize,
    ) -> Result<Vec<Commit>, AppError> {
        self.parts
            .store
            .commits(range, max_bytes)
            .await
            .map_err(|error| AppError::Unavailable(chain_of(&error)))
    }

    async fn oldest_commit(&self) -> Result<Height, AppError> {
        Ok(Height(1))
    }

    async fn misbehaviour(&self, evidence: Evidence) {
        if !evidence.is_proof(&self.parts.domain) {
            warn!(signer = %evidence.signer, "evidence that proves nothing was dropped");
            return;
        }
        warn!(
            signer = %evidence.signer,
            height = evidence.first.vote.height.0,
            round = evidence.first.vote.round.0,
            kind = ?evidence.first.vote.kind,
            "a validator signed two contradicting messages"
        );
        self.parts.metrics.consensus_equivocations.inc();
        if let Err(error) = self.parts.store.put_evidence(&evidence).await {
            warn!(error = chain_of(&error), "evidence could not be stored");
        }
    }
}

impl Chain {
    fn observe(&self, before: &Tip, commit: &Commit, payload: &Payload) {
        let header = &commit.block.header;
        info!(
            height = header.height.0,
            round = commit.certificate.round.0,
            skip = header.skip.0,
            transactions = commit.block.transactions.len(),
            proposer = %header.proposer,
            hash = %header.hash(),
            "block certified"
        );
        let metrics = &self.parts.metrics;
        metrics.chain_block_height.set(header.height.0);
        metrics.evm_transactions.inc_by(commit.block.transactions.len() as u64);
        if let Ok(outcomes) = payload.forced_outcomes() {
            let included = count_included(&outcomes) as u64;
            metrics.forced_included.inc_by(included);
            metrics.forced_skipped.inc_by(outcomes.len() as u64 - included);
        }
        if let Ok(executed) = payload.decode_header() {
            metrics.evm_gas_used.inc_by(executed.gas_used);
        }
        if before.parent.height.0 > 0 {
            let apart = header.timestamp_ms.saturating_sub(before.parent.timestamp_ms);
            metrics.consensus_block_time.set(apart as f64 / 1_000.0);
        }
    }
}

/// What is being executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A block to vote on.
    Candidate,
    /// A block that is final.
    Certified,
}

/// Brings an executor to the tip of the stored chain: replays what it misses and compares every
/// result with the certified block. Returns the height of the tip.
///
/// # Errors
/// [`SequencerError`] when database and executor cannot be brought together.
pub async fn recover(store: &Store, executor: &dyn Executor) -> Result<Height, SequencerError> {
    catch_up(store, executor).await.map(|tip| tip.parent.height)
}

async fn catch_up(store: &Store, executor: &dyn Executor) -> Result<Tip, SequencerError> {
    let genesis = Tip::genesis(executor.genesis().hash());
    let stored = store.tip().await?;
    let tip = stored.as_ref().map_or(genesis, |commit| Tip::of(&commit.block.header));
    let payload = stored.as_ref().map(|commit| Payload::of_block(&commit.block));
    if let Recovery::Behind { number } = executor.recover(payload.as_ref()).await? {
        replay(store, executor, genesis, Height(number), tip.parent.height).await?;
    }
    let head = executor.head().await;
    if head.hash != tip.execution_hash {
        return Err(SequencerError::Inconsistent(format!(
            "the executor is at block {} ({}), the database at {} ({}); restore both from one \
             backup",
            head.number, head.hash, tip.parent.height, tip.execution_hash
        )));
    }
    Ok(tip)
}

/// The stored blocks that are in no accepted batch.
async fn unposted(store: &Store) -> Result<Unposted, SequencerError> {
    let (latest, mut next) = {
        let heads = store.heads();
        let heads = *heads.borrow();
        (heads.latest, heads.safe.next())
    };
    let mut unposted = Unposted::default();
    while next <= latest {
        let commits = store.commits(next..=latest, PAGE_BYTES).await?;
        let Some(last) = commits.last() else { break };
        next = last.block.height().next();
        for commit in &commits {
            unposted.push(commit.block.height(), commit.block.length());
        }
    }
    Ok(unposted)
}

/// Gives an executor that is behind the stored blocks it misses.
async fn replay(
    store: &Store,
    executor: &dyn Executor,
    genesis: Tip,
    head: Height,
    tip: Height,
) -> Result<(), SequencerError> {
    info!(from = head.0, to = tip.0, "replaying stored blocks into the executor");
    let mut told = Instant::now();
    let missing = |height: Height| {
        SequencerError::Inconsistent(format!("block {height} is missing in the database"))
    };
    let parent = match head {
        Height(0) => genesis,
        height => {
            let commit = store.commit_at(height).await?.ok_or_else(|| missing(height))?;
            Tip::of(&commit.block.header)
        }
    };
    let mut replay = Replay::after(executor, parent);
    while replay.height() < tip {
        let height = replay.height().next();
        let commit = store.commit_at(height).await?.ok_or_else(|| missing(height))?;
        replay.block(&commit.block).await?;
        if told.elapsed() >= REPLAY_REPORT {
            told = Instant::now();
            info!(at = height.0, to = tip.0, "replaying");
        }
    }
    Ok(())
}

pub(crate) fn attributes(tip: &Tip, timestamp_ms: u64, proposer: Address) -> Attributes {
    Attributes {
        number: tip.parent.height.next().0,
        timestamp_ms,
        fee_recipient: proposer,
        parent_execution_hash: tip.execution_hash,
        parent_consensus_hash: tip.parent.hash,
    }
}

/// Base fee in a payload's header, in wei per gas.
pub(crate) fn base_fee(payload: &Payload) -> Result<u128, PayloadError> {
    Ok(u128::from(payload.decode_header()?.base_fee_per_gas.unwrap_or_default()))
}

/// Timestamp of a block built now: never before its parent's, and in a later second when each block
/// has one of its own. With blocks a second or more apart that is at most a few milliseconds ahead
/// of the clock.
fn block_timestamp(now_ms: u64, parent_ms: u64, own_second: bool) -> u64 {
    let earliest = if own_second { (parent_ms / 1_000 + 1) * 1_000 } else { parent_ms };
    now_ms.max(earliest)
}

fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// An error with its sources on one line.
pub(crate) fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn fatal<E: std::error::Error>(doing: &'static str) -> impl FnOnce(E) -> AppError {
    move |error| AppError::Fatal(format!("{doing}: {}", chain_of(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_get_a_second_of_their_own_where_it_is_asked_for() {
        assert_eq!(block_timestamp(5_400, 5_300, false), 5_400);
        assert_eq!(block_timestamp(5_400, 5_700, false), 5_700);
        assert_eq!(block_timestamp(5_999, 5_001, true), 6_000);
        assert_eq!(block_timestamp(6_001, 5_001, true), 6_001);
        assert_eq!(block_timestamp(4_000, 5_000, true), 6_000);
        assert_eq!(block_timestamp(6_000, 5_999, true), 6_000);
    }
}
