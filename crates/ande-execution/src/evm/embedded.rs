//! The executor that runs the EVM in this process.

use std::{collections::HashSet, num::NonZeroUsize, sync::Arc};

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, U256};
use ande_failpoint::{corrupts, reach_blocking};
use async_trait::async_trait;
use lru::LruCache;
use parking_lot::Mutex;

use super::{
    EvmConfig, EvmReader, SenderSource,
    block::{Outcome, RunError, Unfit, next_header, run},
    chain::{Chain, Tip, fault},
    database::StateDatabase,
    forced::Forced,
    record::Record,
    senders::candidates,
};
use crate::{
    Attributes, ExecHead, ExecutionError, Executor, ForcedInput, Payload, PayloadStatus, Recovery,
    forced_included,
    header::{
        before_parent, check_clock, difference, is_on, moved, not_judged, not_on_head, tip_header,
    },
    state::{BlockChanges, BlockMeta, Prepared, StateView},
    transactions_root,
};

/// Most executed rivals kept for one number; the one that was not asked for longest goes first and
/// is executed again when it is decided nevertheless.
const MAX_KEPT: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// Most changed accounts that a log entry about a wrong root names.
const MAX_LOGGED_ACCOUNTS: usize = 64;

/// Runs blocks with revm on the state of this node.
///
/// Blocks are Ethereum's to the bit: full state root, receipts, bloom filter, EIP-1559 base fee and
/// the EIP-4788 call before the first transaction. Executing happens on blocking threads.
#[derive(Clone, Debug)]
pub struct EmbeddedExecutor {
    inner: Arc<Inner>,
}

struct Inner {
    chain: Arc<Chain>,
    senders: Arc<dyn SenderSource>,
    /// Executed blocks on the head.
    kept: Mutex<LruCache<B256, Kept>>,
}

/// A block to execute.
struct Block {
    header: Header,
    transactions: Vec<Bytes>,
}

/// An executed block.
struct Kept {
    meta: BlockMeta,
    record: Record,
    prepared: Prepared,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("chain", &self.chain).finish_non_exhaustive()
    }
}

impl EmbeddedExecutor {
    /// Opens the state, or makes a new one of the genesis.
    ///
    /// # Errors
    /// [`ExecutionError::State`] when the state cannot be read, is damaged or belongs to another
    /// chain.
    pub fn open(config: EvmConfig, senders: Arc<dyn SenderSource>) -> Result<Self, ExecutionError> {
        let chain = Arc::new(Chain::open(config)?);
        let kept = Mutex::new(LruCache::new(MAX_KEPT));
        Ok(Self { inner: Arc::new(Inner { chain, senders, kept }) })
    }

    /// Reads the state and the blocks of this executor.
    #[must_use]
    pub fn reader(&self) -> EvmReader {
        EvmReader::new(self.inner.chain.clone())
    }

    /// Waits until everything committed is on disk.
    ///
    /// # Errors
    /// [`ExecutionError::State`] when it could not be written.
    pub async fn flush(&self) -> Result<(), ExecutionError> {
        self.blocking(|inner| inner.chain.store.flush().map_err(fault)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, ExecutionError> + Send + 'static,
    ) -> Result<T, ExecutionError> {
        let inner = self.inner.clone();
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .map_err(|error| ExecutionError::Unavailable(format!("execution stopped: {error}")))?
    }
}

#[async_trait]
impl Executor for EmbeddedExecutor {
    fn genesis(&self) -> Payload {
        self.inner.chain.genesis.payload()
    }

    async fn head(&self) -> ExecHead {
        self.inner.chain.head().into()
    }

    async fn propose_forced(
        &self,
        attributes: Attributes,
        forced: Vec<ForcedInput>,
        transactions: Vec<Bytes>,
    ) -> Result<Payload, ExecutionError> {
        self.blocking(move |inner| inner.propose(&attributes, forced, transactions)).await
    }

    async fn validate_forced(
        &self,
        attributes: &Attributes,
        forced: Vec<ForcedInput>,
        payload: &Payload,
    ) -> Result<PayloadStatus, ExecutionError> {
        let (attributes, payload) = (*attributes, payload.clone());
        self.blocking(move |inner| inner.validate(&attributes, Some(forced), payload)).await
    }

    async fn adopt(
        &self,
        attributes: &Attributes,
        payload: &Payload,
    ) -> Result<PayloadStatus, ExecutionError> {
        let (attributes, payload) = (*attributes, payload.clone());
        self.blocking(move |inner| inner.validate(&attributes, None, payload)).await
    }

    async fn commit(&self, hash: B256) -> Result<(), ExecutionError> {
        self.blocking(move |inner| inner.commit(hash)).await
    }

    async fn recover(&self, tip: Option<&Payload>) -> Result<Recovery, ExecutionError> {
        self.inner.kept.lock().clear();
        let head = self.inner.chain.head();
        let (number, hash) = match tip {
            None => (0, self.inner.chain.genesis.hash()),
            Some(tip) => {
                let header = tip_header(tip)?;
                (header.number, header.hash_slow())
            }
        };
        if head.number < number {
            return Ok(Recovery::Behind { number: head.number });
        }
        if head.number > number {
            return Err(ExecutionError::Recover(format!(
                "the state is at block {}, the chain at block {number}",
                head.number
            )));
        }
        if head.hash != hash {
            return Err(ExecutionError::Recover(format!(
                "block {number} is {hash} in the chain and {} in the state",
                head.hash
            )));
        }
        Ok(Recovery::Ready)
    }
}

impl Inner {
    fn propose(
        &self,
        attributes: &Attributes,
        forced: Vec<ForcedInput>,
        transactions: Vec<Bytes>,
    ) -> Result<Payload, ExecutionError> {
        let Tip { head, header: parent, database } = self.chain.at_head().map_err(read_fault)?;
        if !is_on(&head.into(), attributes) {
            return Err(not_on_head(&head.into(), attributes));
        }
        let mut header = next_header(&parent, attributes);
        check_clock(parent.timestamp, &header)?;
        let mut seen = HashSet::with_capacity(transactions.len());
        let given = transactions.len();
        let mut forced = Forced::new(forced, &*self.senders);
        let mut fit = std::mem::take(&mut forced.candidates);
        let first = fit.len();
        for candidate in candidates(transactions, &*self.senders).into_iter().flatten() {
            if seen.insert(candidate.hash) {
                fit.push(candidate);
            }
        }
        let chain_id = self.chain.genesis.chain_id();
        let mut outcome = run(&database, chain_id, &header, &fit, first, Unfit::LeaveOut)
            .map_err(|error| ExecutionError::State(error.to_string()))?;
        let transactions: Vec<Bytes> =
            outcome.included.iter().map(|index| fit[*index].raw.clone()).collect();
        let changes = std::mem::take(&mut outcome.changes);
        header.extra_data = forced.extra_data(&outcome.forced);
        let included = outcome.included.iter().filter(|index| **index >= first).count();
        if included < given {
            tracing::debug!(
                number = header.number,
                given,
                included,
                "left transactions out of the block"
            );
        }
        let ((transactions_root, receipts_root), prepared) = rayon::join(
            || (transactions_root(&transactions), outcome.receipts.root()),
            || self.chain.store.prepare(changes),
        );
        header.transactions_root = transactions_root;
        let prepared = prepared.map_err(fault)?;
        fill(&mut header, &outcome, receipts_root, prepared.root());
        let payload = Payload::new(&header, transactions);
        if self.keep(header, outcome, prepared) {
            Ok(payload)
        } else {
            Err(not_on_head(&self.chain.head().into(), attributes))
        }
    }

    /// `forced` are the entries that the block consumes; none believes what the header says of them.
    fn validate(
        &self,
        attributes: &Attributes,
        forced: Option<Vec<ForcedInput>>,
        payload: Payload,
    ) -> Result<PayloadStatus, ExecutionError> {
        if let Err(error) = payload.check_transactions() {
            return Ok(PayloadStatus::Invalid(error.to_string()));
        }
        let header = match payload.decode_header() {
            Ok(header) => header,
            Err(error) => return Ok(PayloadStatus::Invalid(error.to_string())),
        };
        let Tip { head, header: parent, database } = self.chain.at_head().map_err(read_fault)?;
        if !is_on(&head.into(), attributes) {
            return Ok(not_judged(&head.into(), attributes));
        }
        let mut expected = next_header(&parent, attributes);
        expected.transactions_root = transactions_root(&payload.transactions);
        expected.extra_data = match &forced {
            Some(forced) if forced.is_empty() => Bytes::new(),
            _ => header.extra_data.clone(),
        };
        // What is known without running anything comes first.
        let known = Header {
            state_root: header.state_root,
            receipts_root: header.receipts_root,
            logs_bloom: header.logs_bloom,
            gas_used: header.gas_used,
            ..expected.clone()
        };
        if let Some(difference) = difference(&known, &header) {
            return Ok(PayloadStatus::Invalid(difference));
        }
        if let Some(reason) = before_parent(parent.timestamp, &header) {
            return Ok(PayloadStatus::Invalid(reason));
        }
        let hash = payload.hash();
        if self.kept.lock().get(&hash).is_some() {
            return Ok(PayloadStatus::Valid);
        }
        let forced = forced.map(|forced| Forced::new(forced, &*self.senders));
        let block = Block { header, transactions: payload.transactions };
        self.execute(&head, &database, expected, forced, block)
    }

    /// Runs somebody else's block and compares the results with its header. `expected` has what is
    /// known before.
    fn execute(
        &self,
        head: &BlockMeta,
        database: &StateDatabase<StateView>,
        mut expected: Header,
        forced: Option<Forced>,
        Block { header, mut transactions }: Block,
    ) -> Result<PayloadStatus, ExecutionError> {
        let mut all = Vec::with_capacity(transactions.len());
        if let Some(forced) = &forced {
            // The block has those that were executed; here all are tried.
            let included = forced_included(&header.extra_data).min(transactions.len());
            let claimed: Vec<Bytes> = transactions.drain(..included).collect();
            if forced.claimed(&header.extra_data) != claimed.iter().collect::<Vec<_>>() {
                let reason = "the block does not begin with its forced transactions";
                return Ok(PayloadStatus::Invalid(reason.into()));
            }
            all.extend(forced.candidates.iter().cloned());
        }
        let first = all.len();
        for candidate in candidates(transactions, &*self.senders) {
            match candidate {
                Ok(candidate) => all.push(candidate),
                Err((hash, reason)) => {
                    return Ok(PayloadStatus::Invalid(format!("transaction {hash}: {reason}")));
                }
            }
        }
        let chain_id = self.chain.genesis.chain_id();
        let mut outcome = match run(database, chain_id, &expected, &all, first, Unfit::Refuse) {
            Ok(outcome) => outcome,
            Err(error @ RunError::Transaction { .. }) => {
                return Ok(PayloadStatus::Invalid(error.to_string()));
            }
            Err(RunError::Fault(reason)) => return Err(ExecutionError::State(reason)),
        };
        reach_blocking("execute-after-run");
        if let Some(forced) = &forced {
            expected.extra_data = forced.extra_data(&outcome.forced);
            if expected.extra_data != header.extra_data {
                return Ok(PayloadStatus::Invalid(format!(
                    "the forced transactions end as {} in the header and as {} here",
                    header.extra_data, expected.extra_data
                )));
            }
        }
        let mut changes = std::mem::take(&mut outcome.changes);
        if corrupts("execute-balance")
            && let Some(account) = changes.accounts.values_mut().find_map(|it| it.account.as_mut())
        {
            account.balance = account.balance.saturating_add(U256::ONE);
        }
        let (receipts_root, prepared) =
            rayon::join(|| outcome.receipts.root(), || self.chain.store.prepare(changes));
        let prepared = prepared.map_err(fault)?;
        reach_blocking("execute-after-prepare");
        if self.chain.head() != *head {
            return Ok(moved());
        }
        fill(&mut expected, &outcome, receipts_root, prepared.root());
        if let Some(difference) = difference(&expected, &header) {
            // Either this node or the proposer went wrong: say what to compare.
            let again = run(database, chain_id, &expected, &all, first, Unfit::Refuse);
            tracing::error!(
                number = header.number,
                hash = %header.hash_slow(),
                difference,
                accounts = again.map(|again| changed_accounts(&again.changes)).unwrap_or_default(),
                "executing a block gave another result than its header says"
            );
            return Ok(PayloadStatus::Invalid(difference));
        }
        if self.keep(header, outcome, prepared) { Ok(PayloadStatus::Valid) } else { Ok(moved()) }
    }

    fn commit(&self, hash: B256) -> Result<(), ExecutionError> {
        // Held until the head has moved, so that nothing built on the old head is kept after it.
        let mut kept = self.kept.lock();
        let head = self.chain.head();
        if head.hash == hash {
            return Ok(());
        }
        let Some(block) = kept.pop(&hash) else {
            return Err(ExecutionError::NotValidated { hash, head: head.hash });
        };
        let record = block.record.encode();
        self.chain.store.apply(block.meta, block.prepared, record).map_err(fault)?;
        self.chain.advance(block.record);
        kept.clear();
        Ok(())
    }

    /// Keeps a result if its parent still is the head.
    fn keep(&self, header: Header, outcome: Outcome, prepared: Prepared) -> bool {
        let meta = BlockMeta::of(&header);
        let mut kept = self.kept.lock();
        let head = self.chain.head();
        if head.hash == meta.hash {
            return true;
        }
        if head.hash != header.parent_hash {
            return false;
        }
        let record = Record { header: Arc::new(header), receipts: Arc::new(outcome.receipts) };
        kept.put(meta.hash, Kept { meta, record, prepared });
        true
    }
}

/// Writes into a header what came out of running its block.
fn fill(header: &mut Header, outcome: &Outcome, receipts_root: B256, state_root: B256) {
    header.state_root = state_root;
    header.receipts_root = receipts_root;
    header.logs_bloom = outcome.receipts.bloom;
    header.gas_used = outcome.gas_used;
}

fn read_fault(error: super::ReadError) -> ExecutionError {
    ExecutionError::State(error.to_string())
}

/// The accounts that a block changed, for finding the one that differs between two nodes.
fn changed_accounts(changes: &BlockChanges) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (address, change) in changes.accounts.iter().take(MAX_LOGGED_ACCOUNTS) {
        let _ = match change.account {
            Some(account) => write!(
                text,
                "{address} nonce {} balance {} slots {}; ",
                account.nonce,
                account.balance,
                change.slots.len()
            ),
            None => write!(text, "{address} deleted; "),
        };
    }
    if changes.accounts.len() > MAX_LOGGED_ACCOUNTS {
        let _ = write!(text, "and {} more", changes.accounts.len() - MAX_LOGGED_ACCOUNTS);
    }
    text
}

impl From<BlockMeta> for ExecHead {
    fn from(meta: BlockMeta) -> Self {
        Self {
            number: meta.number,
            hash: meta.hash,
            state_root: meta.state_root,
            timestamp: meta.timestamp,
        }
    }
}
