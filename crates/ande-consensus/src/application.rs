//! The chain as an engine sees it.

use std::{ops::RangeInclusive, sync::Arc, time::Instant};

use alloy_primitives::{Address, B256};
use ande_primitives::{Block, Commit, EpochSet, Height, Round, Skip};
use async_trait::async_trait;

use crate::Evidence;

/// The block that the next one extends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its height; 0 for genesis.
    pub height: Height,
    /// Its consensus hash; the genesis hash at height 0.
    pub hash: B256,
    /// Its skip count.
    pub skip: Skip,
    /// Its timestamp in milliseconds.
    pub timestamp_ms: u64,
}

/// Everything an engine needs to run one height; a pure function of decided, stored data.
#[derive(Clone, Debug)]
pub struct StartHeight {
    /// Height to decide.
    pub height: Height,
    /// What it extends.
    pub parent: Parent,
    /// Set of the height's epoch.
    pub set: Arc<EpochSet>,
    /// Skip count of round 0.
    pub skip_base: Skip,
}

impl StartHeight {
    /// The start of the height after `parent` under the set of its epoch.
    #[must_use]
    pub fn after(parent: Parent, set: Arc<EpochSet>) -> Self {
        let height = parent.height.next();
        let skip_base = set.rules.skip_base(parent.height, parent.skip, height);
        Self { height, parent, set, skip_base }
    }

    /// Skip count of a round.
    #[must_use]
    pub const fn skip_of(&self, round: Round) -> Skip {
        Skip(self.skip_base.0.saturating_add(round.0))
    }

    /// Proposer of a round.
    #[must_use]
    pub fn proposer(&self, round: Round) -> Address {
        self.set.proposer_address(self.height, self.skip_of(round))
    }
}

/// The right to propose once on a parent.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The height and what it extends.
    pub start: StartHeight,
    /// Round of the turn.
    pub round: Round,
}

impl Turn {
    /// Skip count that the block's header must carry.
    #[must_use]
    pub const fn skip(&self) -> Skip {
        self.start.skip_of(self.round)
    }
}

/// A block that was proposed and is not decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The block.
    pub block: Block,
    /// Round in which it was (re-)proposed.
    pub round: Round,
    /// Earlier round in which a quorum prevoted for it, if it is a re-proposal.
    pub valid_round: Option<Round>,
    /// Validator that proposed it in `round`. The builder is in the block's header.
    pub proposer: Address,
}

/// What a node thinks of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Executed here with equal results, and stored.
    Valid,
    /// Wrong for ever.
    Invalid(String),
    /// Cannot be judged here yet (for example settlement data not final here): do not vote for it.
    Unknown(String),
}

/// Why the chain could not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppError {
    /// Try again or let the round time out.
    #[error("{0}")]
    Unavailable(String),
    /// The local state is doubtful: stop voting and exit.
    #[error("{0}")]
    Fatal(String),
}

/// What an ordering engine asks of the chain. Implemented once, in `ande-sequencer`.
#[async_trait]
pub trait Application: Send + Sync + 'static {
    /// The next height. Waits, without a limit, while the set of its epoch is not stored because
    /// it is not final on the settlement chain; the caller drops the future to stop.
    async fn start_height(&self) -> Result<StartHeight, AppError>;

    /// Resolves when a block after `parent` is worth making: a transaction or a forced
    /// transaction waits, or the heartbeat is due. Resolves at once if that is already so, or if
    /// the chain has gone past `parent` meanwhile.
    async fn work(&self, parent: &Parent);

    /// Builds the block of a turn by executing it. Durable before it is returned; the same turn
    /// gives the same block, also after a restart.
    async fn build(&self, turn: &Turn, deadline: Instant) -> Result<Block, AppError>;

    /// Judges a candidate by executing it on its parent. A valid candidate is stored before this
    /// returns, so that it can be restreamed and committed.
    async fn validate(&self, start: &StartHeight, candidate: &Candidate) -> Verdict;

    /// As [`validate`](Self::validate), for a candidate whose certificate the engine has verified:
    /// it is followed, not voted for, so that who only has a say in votes is not waited for.
    async fn adopt(&self, start: &StartHeight, candidate: &Candidate) -> Verdict {
        self.validate(start, candidate).await
    }

    /// Stored candidates of a height, own ones included.
    async fn candidates(&self, height: Height) -> Result<Vec<Candidate>, AppError>;

    /// Makes a block part of the chain: block, certificate and outbox row in one database
    /// transaction. Committing the tip again is a no-op; anything else out of order is fatal.
    async fn commit(&self, commit: Commit) -> Result<(), AppError>;

    /// Stored commits of a range, in order, from its start, up to `max_bytes` of blocks (at least
    /// one when the first exists). Serves peers that catch up.
    async fn commits(
        &self,
        range: RangeInclusive<Height>,
        max_bytes: usize,
    ) -> Result<Vec<Commit>, AppError>;

    /// Oldest height that [`commits`](Self::commits) can serve.
    async fn oldest_commit(&self) -> Result<Height, AppError>;

    /// Takes two contradicting signed votes of one validator.
    async fn misbehaviour(&self, evidence: Evidence);
}
