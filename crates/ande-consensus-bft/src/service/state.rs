//! What the service knows.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use alloy_primitives::B256;
use ande_consensus::{Candidate, EngineError, StartHeight, Verdict};
use ande_primitives::{Block, Height, Round};
use malachitebft_engine::host::{HeightParams, Next};
use malachitebft_sync::PeerId;
use ractor::RpcReplyPort;
use tokio::sync::watch;

use crate::{
    actors::Observed, assembly::Assembler, context, context::Ctx, evidence::LateVotes, wire::Init,
};

/// What a task reports back.
pub(super) enum Done {
    /// The engine must stop.
    Failed(EngineError),
    /// The next height's set is known.
    Prepared(StartHeight),
    /// There is work for the next height: of our own, or somebody called.
    Ready { height: Height, own_work: bool },
    /// Candidates stored by an earlier run.
    Stored { height: Height, candidates: Vec<Candidate> },
    /// A complete stream whose bytes are the block it announced.
    Opened(Box<Opened>),
    /// The application's verdict on a block.
    Judged { height: Height, hash: B256, block: Arc<Block>, verdict: Verdict },
    /// Our own block, which the application has stored.
    Built { height: Height, block: Arc<Block> },
    /// A block became part of the chain.
    Committed(Height),
}

/// A block from a stream.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub init: Init,
    /// Committee member (to be checked) that streamed it.
    pub streamer: alloy_primitives::Address,
    pub block: Arc<Block>,
}

impl Opened {
    /// Bytes it takes.
    fn bytes(&self) -> usize {
        self.init.length as usize
    }
}

/// Most blocks of one streamer kept of a height to come.
const EARLY_PER_STREAMER: usize = 2;
/// Bytes of all blocks of heights to come; the latest height gives way.
const EARLY_BYTES: usize = 64 << 20;

/// Blocks of heights to come.
#[derive(Debug, Default)]
pub(super) struct Early(BTreeMap<Height, Vec<Opened>>);

impl Early {
    /// Keeps a block until its height starts.
    pub(super) fn keep(&mut self, opened: Opened) {
        let height = opened.init.height;
        let kept = self.0.entry(height).or_default();
        let same = kept.iter().filter(|other| other.streamer == opened.streamer).count();
        if same < EARLY_PER_STREAMER {
            kept.push(opened);
        }
        while self.0.values().flatten().map(Opened::bytes).sum::<usize>() > EARLY_BYTES {
            self.0.pop_last();
        }
    }

    /// The blocks of a height; those below it are dropped.
    pub(super) fn take(&mut self, height: Height) -> Vec<Opened> {
        self.0 = self.0.split_off(&height);
        self.0.remove(&height).unwrap_or_default()
    }
}

/// A block of the running height.
pub(super) enum Known {
    /// With the application. Holds the messages that brought it.
    Judging(Vec<Init>),
    /// Executed with equal results and stored.
    Valid(Arc<Block>),
    /// Wrong for ever.
    Invalid,
    /// Could not be judged; tried again when a round starts.
    Undecided(Arc<Block>, Vec<Init>),
}

/// The height that the engine runs.
pub(super) struct Running {
    pub start: StartHeight,
    pub round: Round,
    /// Whether it was started for work of our own.
    pub own_work: bool,
    pub blocks: HashMap<B256, Known>,
    /// Blocks brought by a streamer in a round.
    pub brought: HashMap<(Round, alloy_primitives::Address), usize>,
    /// Proposals whose signatures were checked, so that others than the proposer may stream them.
    pub proposed: HashSet<(Round, B256)>,
    /// Streams of others than the proposer that wait for the proposal.
    pub unclaimed: Vec<Opened>,
    /// Decided and given to the application.
    pub decided: bool,
}

impl Running {
    /// The valid block with this hash.
    pub(super) fn valid(&self, hash: &B256) -> Option<Arc<Block>> {
        match self.blocks.get(hash) {
            Some(Known::Valid(block)) => Some(block.clone()),
            _ => None,
        }
    }
}

/// A reply port that the next height goes to.
pub(super) enum StartPort {
    First(RpcReplyPort<(context::Height, HeightParams<Ctx>)>),
    Next(RpcReplyPort<Next<Ctx>>),
}

/// The height after the last committed one.
pub(super) struct Upcoming {
    pub start: StartHeight,
    /// Whether it may start, and if so whether for work of our own.
    pub ready: Option<bool>,
}

pub(super) struct State {
    /// None before the first height.
    pub running: Option<Running>,
    /// None while it is not known.
    pub upcoming: Option<Upcoming>,
    /// Where the engine waits for the next height.
    pub port: Option<StartPort>,
    /// Highest height of which a committee member was heard.
    pub heard: watch::Sender<Height>,
    /// Messages of heights that cannot be checked yet.
    pub hints: VecDeque<Observed>,
    /// Tips of peers by their own word.
    pub tips: HashMap<PeerId, Height>,
    /// Number of connected peers.
    pub connected: watch::Sender<usize>,
    pub streams: Assembler,
    pub early: Early,
    pub late_votes: LateVotes,
    /// Number of streams we have sent.
    pub nonce: u32,
}

impl Default for State {
    fn default() -> Self {
        // Differs between runs, so that a stream after a restart is not taken for one before it.
        let nonce = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.subsec_nanos() ^ since.as_secs() as u32);
        Self {
            running: None,
            upcoming: None,
            port: None,
            heard: watch::Sender::new(Height(0)),
            hints: VecDeque::new(),
            tips: HashMap::new(),
            connected: watch::Sender::new(0),
            streams: Assembler::default(),
            early: Early::default(),
            late_votes: LateVotes::default(),
            nonce,
        }
    }
}

impl State {
    /// The running height, if it is this one and not decided.
    pub(super) fn open(&mut self, height: Height) -> Option<&mut Running> {
        self.running.as_mut().filter(|running| running.start.height == height && !running.decided)
    }

    /// Lowest height whose blocks are still of use.
    pub(super) fn lowest(&self) -> Height {
        match &self.running {
            Some(running) if running.decided => running.start.height.next(),
            Some(running) => running.start.height,
            None => Height(1),
        }
    }
}
