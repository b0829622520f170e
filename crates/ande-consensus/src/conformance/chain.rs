//! A chain in memory.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{B256, Bytes, keccak256};
use ande_primitives::{
    Block, Canonical as _, Commit, Epoch, EpochSet, Header, Height, Round, Skip,
};
use async_trait::async_trait;
use tokio::sync::watch;

use crate::{AppError, Application, Candidate, Evidence, Parent, StartHeight, Turn, Verdict};

/// Hash of the block before the first.
const GENESIS: B256 = B256::repeat_byte(0x11);
/// How long a twin waits for the other before it builds.
const TWIN_PATIENCE: Duration = Duration::from_millis(400);

/// How a chain judges the blocks of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// As the rules say.
    Honestly,
    /// It cannot: something it needs is not there.
    NotYet,
}

#[derive(Debug)]
struct Disk {
    commits: Vec<Commit>,
    /// Heights in the order in which the engine committed them, no-ops included.
    committed: Vec<Height>,
    candidates: BTreeMap<Height, Vec<Candidate>>,
    built: HashMap<(Height, Round), Block>,
    sets: BTreeMap<Epoch, Arc<EpochSet>>,
    pool: BTreeSet<Bytes>,
    busy: bool,
    judge: Judge,
    commit_fault: bool,
    evidence: Vec<Evidence>,
    /// The newest slot this node was asked to build for.
    asked: Option<(Height, Round)>,
    twin: Weak<MemoryChain>,
}

/// The state of one node. Keep it while its engine is restarted: it is the disk.
#[derive(Debug)]
pub struct MemoryChain {
    l2_chain_id: u64,
    disk: Mutex<Disk>,
    /// Counts changes, so that waiting never misses one.
    changes: watch::Sender<u64>,
}

impl MemoryChain {
    /// An empty chain without sets. A busy chain always has work.
    #[must_use]
    pub fn new(l2_chain_id: u64, busy: bool) -> Self {
        let disk = Disk {
            commits: Vec::new(),
            committed: Vec::new(),
            candidates: BTreeMap::new(),
            built: HashMap::new(),
            sets: BTreeMap::new(),
            pool: BTreeSet::new(),
            busy,
            judge: Judge::Honestly,
            commit_fault: false,
            evidence: Vec::new(),
            asked: None,
            twin: Weak::new(),
        };
        Self { l2_chain_id, disk: Mutex::new(disk), changes: watch::Sender::new(0) }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Disk) -> T) -> T {
        let result = change(&mut self.disk());
        self.changes.send_modify(|count| *count += 1);
        result
    }

    /// Notified of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Stores the set of an epoch.
    pub fn put_set(&self, set: EpochSet) {
        self.change(|disk| disk.sets.insert(set.epoch, Arc::new(set)));
    }

    /// The set of an epoch.
    #[must_use]
    pub fn set(&self, epoch: Epoch) -> Option<Arc<EpochSet>> {
        self.disk().sets.get(&epoch).cloned()
    }

    /// Puts a transaction into this node's pool only, unless a block has it.
    pub fn submit(&self, transaction: Bytes) {
        self.change(|disk| {
            if !disk.includes(&transaction) {
                disk.pool.insert(transaction);
            }
        });
    }

    /// Switches permanent work on or off.
    pub fn set_busy(&self, busy: bool) {
        self.change(|disk| disk.busy = busy);
    }

    /// Changes how blocks of others are judged.
    pub fn set_judge(&self, judge: Judge) {
        self.change(|disk| disk.judge = judge);
    }

    /// Builds together with another node of the same key, so that neither sees the other's block
    /// before it proposes its own.
    pub fn set_twin(&self, twin: &Arc<Self>) {
        self.change(|disk| disk.twin = Arc::downgrade(twin));
    }

    /// Waits until the twin is asked for the same slot, but not for long: it may be elsewhere.
    async fn meet_twin(&self, slot: (Height, Round)) {
        let twin = self.change(|disk| {
            disk.asked = Some(slot);
            disk.twin.upgrade()
        });
        let Some(twin) = twin else {
            return;
        };
        let mut changes = twin.changes();
        let meeting =
            async { while twin.disk().asked < Some(slot) && changes.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(TWIN_PATIENCE, meeting).await;
    }

    /// The next commit is stored, but reported as failed.
    pub fn fail_next_commit(&self) {
        self.change(|disk| disk.commit_fault = true);
    }

    /// Height of the last commit.
    #[must_use]
    pub fn tip(&self) -> Height {
        self.disk().commits.last().map_or(Height(0), |commit| commit.block.height())
    }

    /// All commits.
    #[must_use]
    pub fn all(&self) -> Vec<Commit> {
        self.disk().commits.clone()
    }

    /// Heights in the order in which the engine committed them.
    #[must_use]
    pub fn committed(&self) -> Vec<Height> {
        self.disk().committed.clone()
    }

    /// Evidence that the engine found.
    #[must_use]
    pub fn evidence(&self) -> Vec<Evidence> {
        self.disk().evidence.clone()
    }

    /// Consensus hash of the block before the first.
    #[must_use]
    pub const fn genesis() -> B256 {
        GENESIS
    }

    fn check(&self, start: &StartHeight, candidate: &Candidate) -> Result<(), &'static str> {
        let Block { header, execution, transactions } = &candidate.block;
        let disk = self.disk();
        let round = candidate.valid_round.unwrap_or(candidate.round);
        if header.parent_hash != start.parent.hash || header.height != start.height {
            return Err("not the next block");
        }
        if header.skip > start.skip_of(round)
            || header.proposer != start.set.proposer_address(header.height, header.skip)
        {
            return Err("not built by who had to");
        }
        if *execution != execute(header.height, transactions) {
            return Err("executed with another result");
        }
        if transactions.iter().any(|tx| disk.includes(tx)) {
            return Err("a transaction is included twice");
        }
        Ok(())
    }
}

/// Stands for an execution header.
fn execute(height: Height, transactions: &[Bytes]) -> Bytes {
    let mut input = height.0.to_be_bytes().to_vec();
    for transaction in transactions {
        input.extend_from_slice(keccak256(transaction).as_slice());
    }
    keccak256(input).to_vec().into()
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

impl Disk {
    fn includes(&self, transaction: &Bytes) -> bool {
        self.commits.iter().any(|commit| commit.block.transactions.contains(transaction))
    }

    fn parent(&self) -> Parent {
        self.commits.last().map_or(
            Parent { height: Height(0), hash: GENESIS, skip: Skip(0), timestamp_ms: 0 },
            |commit| {
                let header = &commit.block.header;
                Parent {
                    height: header.height,
                    hash: header.hash(),
                    skip: header.skip,
                    timestamp_ms: header.timestamp_ms,
                }
            },
        )
    }

    fn start(&self) -> Option<StartHeight> {
        let parent = self.parent();
        let rules = self.sets.values().next()?.rules;
        let set = self.sets.get(&rules.epoch_of(parent.height.next()))?;
        Some(StartHeight::after(parent, set.clone()))
    }
}

#[async_trait]
impl Application for MemoryChain {
    async fn start_height(&self) -> Result<StartHeight, AppError> {
        let mut changes = self.changes();
        loop {
            if let Some(start) = self.disk().start() {
                return Ok(start);
            }
            let _ = changes.changed().await;
        }
    }

    async fn work(&self, parent: &Parent) {
        let mut changes = self.changes();
        loop {
            {
                let disk = self.disk();
                // Somebody else's block after this parent is as good a reason to go on.
                let is_past = disk.parent().hash != parent.hash;
                if is_past || disk.busy || !disk.pool.is_empty() {
                    return;
                }
            }
            let _ = changes.changed().await;
        }
    }

    async fn build(&self, turn: &Turn, _deadline: Instant) -> Result<Block, AppError> {
        let start = &turn.start;
        let slot = (start.height, turn.round);
        self.meet_twin(slot).await;
        Ok(self.change(|disk| {
            if let Some(block) = disk.built.get(&slot) {
                return block.clone();
            }
            let transactions: Vec<Bytes> = disk.pool.iter().cloned().collect();
            let execution = execute(start.height, &transactions);
            let header = Header {
                l2_chain_id: self.l2_chain_id,
                era: start.set.era,
                epoch: start.set.epoch,
                height: start.height,
                skip: turn.skip(),
                parent_hash: start.parent.hash,
                proposer: start.proposer(turn.round),
                timestamp_ms: now_ms().max(start.parent.timestamp_ms),
                forced_up_to: 0,
                forced_acc: B256::ZERO,
                execution_hash: keccak256(&execution),
            };
            let block = Block { header, execution, transactions };
            disk.built.insert(slot, block.clone());
            disk.candidates.entry(start.height).or_default().push(Candidate {
                block: block.clone(),
                round: turn.round,
                valid_round: None,
                proposer: start.proposer(turn.round),
            });
            block
        }))
    }

    async fn validate(&self, start: &StartHeight, candidate: &Candidate) -> Verdict {
        if self.disk().judge == Judge::NotYet {
            return Verdict::Unknown("told to wait".to_owned());
        }
        match self.check(start, candidate) {
            Ok(()) => {
                self.change(|disk| {
                    let stored = disk.candidates.entry(start.height).or_default();
                    if !stored.contains(candidate) {
                        stored.push(candidate.clone());
                    }
                });
                Verdict::Valid
            }
            Err(reason) => Verdict::Invalid(reason.to_owned()),
        }
    }

    async fn candidates(&self, height: Height) -> Result<Vec<Candidate>, AppError> {
        Ok(self.disk().candidates.get(&height).cloned().unwrap_or_default())
    }

    async fn commit(&self, commit: Commit) -> Result<(), AppError> {
        self.change(|disk| {
            let height = commit.block.height();
            disk.committed.push(height);
            let parent = disk.parent();
            if height == parent.height && commit.block.hash() == parent.hash {
                return Ok(());
            }
            if height != parent.height.next() || commit.block.header.parent_hash != parent.hash {
                return Err(AppError::Fatal(format!("{height} does not follow {parent:?}")));
            }
            disk.pool.retain(|tx| !commit.block.transactions.contains(tx));
            disk.candidates.retain(|candidate, _| *candidate > height);
            disk.commits.push(commit);
            if std::mem::take(&mut disk.commit_fault) {
                return Err(AppError::Fatal("told to fail after the commit".to_owned()));
            }
            Ok(())
        })
    }

    async fn commits(
        &self,
        range: RangeInclusive<Height>,
        max_bytes: usize,
    ) -> Result<Vec<Commit>, AppError> {
        let mut bytes = 0;
        Ok(self
            .disk()
            .commits
            .iter()
            .filter(|commit| range.contains(&commit.block.height()))
            .enumerate()
            .take_while(|(index, commit)| {
                bytes += commit.block.to_canonical().len();
                *index == 0 || bytes <= max_bytes
            })
            .map(|(_, commit)| commit.clone())
            .collect())
    }

    async fn oldest_commit(&self) -> Result<Height, AppError> {
        Ok(Height(1))
    }

    async fn misbehaviour(&self, evidence: Evidence) {
        self.change(|disk| disk.evidence.push(evidence));
    }
}
