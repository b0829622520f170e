//! The trait that every executor implements.

use alloy_primitives::{Address, B256, Bytes};
use ande_primitives::ForcedOutcome;
use async_trait::async_trait;

use crate::{ExecutionError, Payload};

/// Everything a block gets from consensus. Equal on every node, so that every node computes the
/// same header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Number of the block, equal to its consensus height.
    pub number: u64,
    /// Timestamp of the consensus header, milliseconds since the Unix epoch. The Ethereum header
    /// has its whole seconds.
    pub timestamp_ms: u64,
    /// Receives the fees.
    pub fee_recipient: Address,
    /// Hash of the parent's Ethereum header.
    pub parent_execution_hash: B256,
    /// Hash of the parent's consensus header: becomes `parentBeaconBlockRoot`.
    pub parent_consensus_hash: B256,
}

/// The block that the next one is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecHead {
    /// Its number.
    pub number: u64,
    /// Hash of its Ethereum header.
    pub hash: B256,
    /// State root after it.
    pub state_root: B256,
    /// Timestamp in its Ethereum header, in seconds.
    pub timestamp: u64,
}

/// An entry of the forced queue that a block consumes: its bytes, or why they need not be executed.
pub type ForcedInput = Result<Bytes, ForcedOutcome>;

/// What an executor thinks of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadStatus {
    /// Executed with equal results; can be committed by its hash.
    Valid,
    /// Wrong for ever, with the reason.
    Invalid(String),
    /// Cannot be judged here now: its parent is not the head. Abstain.
    Syncing(String),
}

/// Answer to [`Executor::recover`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The head is the stored tip.
    Ready,
    /// The executor is behind: give it the stored blocks after `number` by
    /// [`adopt`](Executor::adopt) and [`commit`](Executor::commit), in order.
    Behind {
        /// Number of the executor's head.
        number: u64,
    },
}

/// Turns ordered transactions into blocks.
///
/// # What the implementer owes
/// * `propose` and `validate` are functions of the head, the attributes and the transactions alone:
///   every node gets the same bytes. Nothing depends on clocks, "latest" or local health.
/// * `validate` executes and keeps the result by hash until a block of that number is committed, so
///   that `commit` is cheap. Only blocks on the head are judged.
/// * `commit` is called once per number, in order, **after** the block and its certificate are
///   durable elsewhere; a crash in between is repaired by `recover`. Committing the head again is
///   a no-op.
///
/// # How the executors fit
/// | here | embedded EVM | Engine API client |
/// |---|---|---|
/// | `propose` | executes the given transactions on the head's state, drops those that fail | as embedded, then as `validate` |
/// | `client_block` | none | the client's, if it is to build |
/// | `validate` | executes, compares every header field | as embedded, then `engine_newPayloadV3(payload, [], parent_consensus_hash)`: `VALID` is `Valid`, every other answer is `Syncing`: no vote, but the block is followed if the others certify it |
/// | `adopt` | as `validate` | as embedded |
/// | `commit` | writes the kept state changes | as embedded, then `engine_forkchoiceUpdatedV3(head = safe = finalized = hash)` if the client answers |
/// | `recover` | state is behind the tip by the blocks whose changes were not written | as embedded; the client has to be on the chain and gets the stored blocks after its own head |
///
/// A [`Payload`] converts to `ExecutionPayloadV3` and back without loss: decode the header, copy
/// its fields, `transactions` as they are, `withdrawals = []`, `blockHash = payload.hash()`.
/// `prevRandao` (`mixHash`) is zero: an L2 with one proposer at a time has no randomness to offer.
///
/// # Forced transactions
/// A block may begin with entries of the forced queue. Those that can be executed are its first
/// transactions, in order; the others are left out. `extraData` has one byte per entry, its
/// [`ForcedOutcome`], so that the header says what became of them; without entries it is empty.
#[async_trait]
pub trait Executor: Send + Sync + 'static {
    /// The genesis block: a pure function of the chain's configuration. Its hash is the L2's
    /// genesis hash.
    fn genesis(&self) -> Payload;

    /// The block that the next one is built on.
    async fn head(&self) -> ExecHead;

    /// Builds a block on the head out of the forced entries, then of `transactions`, in the given
    /// order, leaving out what cannot be in it: what is in the chain already, duplicates, what is
    /// above a limit. The forced entries must fit into a block. The result is kept as if it had
    /// been validated.
    ///
    /// # Errors
    /// [`ExecutionError::NotOnHead`] when the attributes name another parent than the head;
    /// otherwise the executor or its index did not answer.
    async fn propose_forced(
        &self,
        attributes: Attributes,
        forced: Vec<ForcedInput>,
        transactions: Vec<Bytes>,
    ) -> Result<Payload, ExecutionError>;

    /// As [`propose_forced`](Self::propose_forced) without forced entries.
    ///
    /// # Errors
    /// As there.
    async fn propose(
        &self,
        attributes: Attributes,
        transactions: Vec<Bytes>,
    ) -> Result<Payload, ExecutionError> {
        self.propose_forced(attributes, Vec::new(), transactions).await
    }

    /// A block on the head by a builder beside [`propose`](Self::propose), where this executor has
    /// one. It is not checked: that is for [`validate`](Self::validate) and for whoever knows
    /// further rules. `transactions` are those that the caller would put into it.
    ///
    /// # Errors
    /// There is such a builder and it gave no block.
    async fn client_block(
        &self,
        _attributes: &Attributes,
        _transactions: &[Bytes],
    ) -> Result<Option<Payload>, ExecutionError> {
        Ok(None)
    }

    /// Executes a payload on the head and compares every result. `attributes` are those of the
    /// consensus header around it, `forced` the entries that the block consumes.
    ///
    /// # Errors
    /// The executor or its index did not answer; nothing is said about the payload.
    async fn validate_forced(
        &self,
        attributes: &Attributes,
        forced: Vec<ForcedInput>,
        payload: &Payload,
    ) -> Result<PayloadStatus, ExecutionError>;

    /// As [`validate_forced`](Self::validate_forced) for a block without forced entries.
    ///
    /// # Errors
    /// As there.
    async fn validate(
        &self,
        attributes: &Attributes,
        payload: &Payload,
    ) -> Result<PayloadStatus, ExecutionError> {
        self.validate_forced(attributes, Vec::new(), payload).await
    }

    /// As [`validate`](Self::validate), for a block that is certified: it will be the head whatever
    /// this node thinks of it. What its header says of forced entries is believed, so that the
    /// queue is not needed. An executor of several judges that all have to agree before a vote does
    /// not wait here for one that cannot answer.
    ///
    /// # Errors
    /// As `validate`.
    async fn adopt(
        &self,
        attributes: &Attributes,
        payload: &Payload,
    ) -> Result<PayloadStatus, ExecutionError>;

    /// Makes a validated or adopted block on the head the new head and forgets its rivals.
    ///
    /// # Errors
    /// [`ExecutionError::NotValidated`] when there is no such result; otherwise the executor did
    /// not answer.
    async fn commit(&self, hash: B256) -> Result<(), ExecutionError>;

    /// Called once at the start with the payload of the stored tip, none before block 1.
    ///
    /// # Errors
    /// [`ExecutionError::Recover`] when the tip is no block of this executor: wrong data directory
    /// or damaged data, the node must not go on.
    async fn recover(&self, tip: Option<&Payload>) -> Result<Recovery, ExecutionError>;
}

/// Knows which transactions are in the chain. Implemented by the caller over its store.
#[async_trait]
pub trait InclusionIndex: Send + Sync + 'static {
    /// For each hash, whether it is in a committed block with a number of at most `up_to`, in the
    /// order of `hashes`. The bound keeps the answer the same while the chain grows.
    ///
    /// # Errors
    /// [`ExecutionError::Index`] when the index cannot be read.
    async fn included(&self, up_to: u64, hashes: &[B256]) -> Result<Vec<bool>, ExecutionError>;
}
